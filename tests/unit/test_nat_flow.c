/* SPDX-License-Identifier: BSD-3-Clause */
/* The NAT's state beside a slow obvious model: random nodes, ports and hosts, time going on. Checked
 * after every step: a mapping does not depend on whom one talks to, no public endpoint serves two,
 * all of a subscriber's lie on one address, limits hold, what is idle goes and what is used stays.
 */
#include "appliance/nat_flow.h"
#include "common/bytes.h"
#include "common/rng.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

enum { SUBS = 8, HOSTS = 6, PORTS = 12, STEPS = 30000, MODEL_MAX = 4096, BULK_MAX = 128 };
#define SEC 1000000000ULL

struct model_flow {
	bool used;
	uint32_t sub, host;
	uint16_t in_port, addr, port;
	uint8_t proto;
	uint64_t idle_at; /* when it may go */
};

struct rig {
	struct rng rng;
	struct leg_table *legs;
	struct binding_table bindings;
	struct nat *nat;
	struct ip_addr vip[HOSTS], rip[HOSTS];
	struct model_flow model[MODEL_MAX];
	uint64_t now;
};

static struct ip_addr ip(const char *text)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(text, &a), 0);
	return a;
}

static uint64_t seed_print(const char *what)
{
	const char *env = getenv("SEED");
	uint64_t seed = env != NULL ? strtoull(env, NULL, 0) : (uint64_t)time(NULL);

	print_message("%s: SEED=%llu\n", what, (unsigned long long)seed);
	return seed;
}

/* Two hosts are IPv6; the last two are names of one and the same host. */
static void rig_up(struct rig *r, const char *what, struct nat_config *cfg)
{
	struct leg_table_config lc = {.legs_max = SUBS, .keys_max = SUBS};
	uint64_t secret[2];

	memset(r, 0, sizeof(*r));
	rng_init_seeded(&r->rng, seed_print(what));
	rng_fill(&r->rng, secret, sizeof(secret));
	r->now = 1000 * SEC;
	r->legs = leg_table_create(&lc);
	assert_non_null(r->legs);
	assert_int_equal(binding_table_init(&r->bindings, 64, SUBS, NULL, secret), 0);
	cfg->n_ranges = 2;
	assert_int_equal(prefix_parse("192.0.2.64/30", &cfg->ranges[0].prefix), 0);
	assert_int_equal(prefix_parse("2001:db8:6::/64", &cfg->ranges[1].prefix), 0);
	for (int i = 0; i < 2; i++) {
		cfg->ranges[i].port_min = 1024;
		cfg->ranges[i].port_max = 65535;
	}
	r->nat = nat_create(cfg, r->legs, &r->bindings, 1, 3, secret);
	assert_non_null(r->nat);
	for (uint32_t h = 0; h < HOSTS; h++) {
		r->vip[h] = ip(h % 2 ? "fd00:9::1" : "240.128.0.1");
		r->rip[h] = ip(h == 2 || h == 3 ? "2001:db8:80::1" : "198.51.100.1");
		r->vip[h].b[15] = (uint8_t)(h + 1);
		r->rip[h].b[15] = h >= HOSTS - 2 ? 99 : (uint8_t)(h + 1);
	}
	for (uint32_t s = 0; s < SUBS; s++)
		for (uint32_t h = 0; h < HOSTS; h++)
			assert_int_equal(
				binding_table_add(&r->bindings, s, h, &r->vip[h], &r->rip[h]), 0);
}

static void rig_down(struct rig *r)
{
	nat_destroy(r->nat);
	binding_table_fini(&r->bindings);
	leg_table_destroy(r->legs);
}

static struct model_flow *model_find(struct rig *r, uint32_t sub, uint8_t proto, uint16_t port,
				     uint32_t host)
{
	for (int i = 0; i < MODEL_MAX; i++) {
		struct model_flow *m = &r->model[i];

		if (m->used && m->sub == sub && m->proto == proto && m->in_port == port &&
		    m->host == host)
			return m;
	}
	return NULL;
}

static struct model_flow *model_new(struct rig *r)
{
	for (int i = 0; i < MODEL_MAX; i++) {
		if (!r->model[i].used)
			return &r->model[i];
	}
	return NULL;
}

static bool same_families(const struct rig *r, uint32_t a, uint32_t b)
{
	return ip_is_v4(&r->vip[a]) == ip_is_v4(&r->vip[b]) &&
	       ip_is_v4(&r->rip[a]) == ip_is_v4(&r->rip[b]);
}

/* What must hold between a new flow and those that are there. */
static void check_against(const struct rig *r, const struct model_flow *n)
{
	bool is_twin = n->host >= HOSTS - 2;

	assert_int_equal(nat_pool_owner(r->nat->pool, n->addr, n->port), 1);
	assert_int_equal(ip_is_v4(nat_pool_addr(r->nat->pool, n->addr)),
			 ip_is_v4(&r->rip[n->host]));
	for (int i = 0; i < MODEL_MAX; i++) {
		const struct model_flow *m = &r->model[i];
		bool same_end;

		if (!m->used || m == n)
			continue;
		same_end = m->addr == n->addr && m->port == n->port && m->proto == n->proto;
		if (m->sub == n->sub && ip_is_v4(&r->rip[m->host]) == ip_is_v4(&r->rip[n->host]))
			assert_int_equal(m->addr, n->addr);
		if (same_end) {
			assert_int_equal(m->sub, n->sub);
			assert_int_equal(m->in_port, n->in_port);
			assert_false(ip_equal(&r->rip[m->host], &r->rip[n->host]));
		} else if (m->sub == n->sub && m->proto == n->proto && m->in_port == n->in_port &&
			   same_families(r, m->host, n->host) && !is_twin && m->host < HOSTS - 2) {
			fail_msg("two mappings of one inner endpoint");
		}
	}
}

/* Nobody's packet for longer than the life, and a turn of the wheel on top. */
static void model_expire(struct rig *r)
{
	for (int i = 0; i < MODEL_MAX; i++) {
		struct model_flow *m = &r->model[i];
		struct nat_flow *f;

		if (!m->used)
			continue;
		f = nat_flow_find_in(r->nat,
				     nat_hash_in(r->nat, m->sub, (enum nat_proto)m->proto,
						 m->in_port, &r->vip[m->host]),
				     m->sub, (enum nat_proto)m->proto, m->in_port,
				     &r->vip[m->host]);
		if (r->now < m->idle_at)
			assert_non_null(f);
		if (r->now > m->idle_at + 40 * SEC)
			assert_null(f);
		m->used = f != NULL;
	}
}

static uint64_t life(const struct nat *n, enum nat_proto proto)
{
	return proto == NAT_UDP	   ? n->cfg.udp_ns
	       : proto == NAT_ICMP ? n->cfg.icmp_ns
				   : n->cfg.tcp_half_ns;
}

/* A node's packet was given flow f: the one that the model has, or a new one that fits in. */
static void went_out(struct rig *r, const struct model_flow *want, struct nat_flow *f)
{
	enum nat_proto proto = (enum nat_proto)want->proto;
	const struct ip_addr *rip = &r->rip[want->host];
	struct model_flow *m = model_find(r, want->sub, proto, want->in_port, want->host);

	if (m == NULL) {
		m = model_new(r);
		*m = *want;
		m->used = true;
		m->addr = f->addr;
		m->port = f->port;
		check_against(r, m);
	}
	assert_int_equal(f->addr, m->addr);
	assert_int_equal(f->port, m->port);
	nat_flow_touch(r->nat, f, true, 0, r->now);
	m->idle_at = r->now + life(r->nat, proto);
	/* And the way back finds the same flow. */
	assert_ptr_equal(nat_flow_find_out(r->nat,
					   nat_hash_out(r->nat, f->addr, proto, f->port, rip),
					   f->addr, proto, f->port, rip),
			 f);
	assert_non_null(nat_map_find_out(r->nat, f->addr, proto, f->port));
}

static struct model_flow draw(struct rig *r)
{
	return (struct model_flow){.sub = (uint32_t)rng_below(&r->rng, SUBS),
				   .host = (uint32_t)rng_below(&r->rng, HOSTS),
				   .in_port = (uint16_t)(5000 + rng_below(&r->rng, PORTS)),
				   .proto = (uint8_t)rng_below(&r->rng, NAT_PROTOS)};
}

static struct nat_flow *find(struct rig *r, const struct model_flow *k)
{
	enum nat_proto proto = (enum nat_proto)k->proto;
	const struct ip_addr *vip = &r->vip[k->host];

	return nat_flow_find_in(r->nat, nat_hash_in(r->nat, k->sub, proto, k->in_port, vip), k->sub,
				proto, k->in_port, vip);
}

static bool is_known(struct rig *r, const struct model_flow *k)
{
	return model_find(r, k->sub, k->proto, k->in_port, k->host) != NULL;
}

static void packet_out(struct rig *r)
{
	struct model_flow k = draw(r);
	enum drop_reason why = DROP_MAX;
	struct nat_flow *f = find(r, &k);

	assert_int_equal(f != NULL, is_known(r, &k));
	if (f == NULL)
		f = nat_flow_open(r->nat, k.sub, (enum nat_proto)k.proto, k.in_port,
				  &r->vip[k.host], r->now, &why);
	if (f == NULL)
		assert_true(why == DROP_NAT_LIMIT || why == DROP_NAT_FULL);
	else
		went_out(r, &k, f);
}

/* The same in a bulk, with some that ask for the same flow or mapping and some for hosts that nobody
 * bound; afterwards every one of them is found as a single look-up would.
 */
static void bulk_out(struct rig *r, unsigned int max)
{
	unsigned int n = 1 + (unsigned int)rng_below(&r->rng, max);
	struct model_flow k[BULK_MAX];
	struct nat_ask ask[BULK_MAX];
	struct nat_flow *f[BULK_MAX];
	enum drop_reason why[BULK_MAX];
	bool stranger[BULK_MAX], all = true;

	for (unsigned int i = 0; i < n; i++) {
		k[i] = i > 0 && rng_below(&r->rng, 4) == 0 ? k[i - 1] : draw(r);
		stranger[i] = rng_below(&r->rng, 16) == 0;
		ask[i] = (struct nat_ask){.vip = r->vip[k[i].host],
					  .subscriber = k[i].sub,
					  .port = k[i].in_port,
					  .proto = k[i].proto};
		if (stranger[i])
			ask[i].vip.b[14] ^= 0x55;
		nat_ask_hash(r->nat, &ask[i]);
	}
	for (unsigned int i = 0; i < n; i++)
		all &= !stranger[i] && is_known(r, &k[i]);
	assert_int_equal(nat_flow_find_bulk(r->nat, ask, n, f), all);
	for (unsigned int i = 0; i < n; i++)
		assert_ptr_equal(f[i], stranger[i] ? NULL : find(r, &k[i]));
	nat_flow_open_bulk(r->nat, ask, n, r->now, f, why);
	for (unsigned int i = 0; i < n; i++) {
		if (stranger[i]) {
			assert_null(f[i]);
			assert_int_equal(why[i], DROP_INNER_DEST);
			continue;
		}
		assert_ptr_equal(f[i], find(r, &k[i]));
		if (f[i] == NULL)
			assert_true(why[i] == DROP_NAT_LIMIT || why[i] == DROP_NAT_FULL);
		else
			went_out(r, &k[i], f[i]);
	}
}

static void random_flows(void **state)
{
	static struct rig r;
	struct nat_config cfg;
	uint32_t maps = 0;

	nat_config_default(&cfg);
	cfg.flows_max = MODEL_MAX;
	rig_up(&r, "flows", &cfg);
	for (int i = 0; i < STEPS; i++) {
		if (rng_below(&r.rng, 8) == 0)
			bulk_out(&r, rng_below(&r.rng, 64) == 0 ? BULK_MAX : 12);
		else
			packet_out(&r);
		if (rng_below(&r.rng, 50) == 0)
			r.now += rng_below(&r.rng, 60 * SEC);
		/* The model learns of ends only there, so a packet must not meet a gone flow. */
		nat_turn(r.nat, r.now, UINT32_MAX);
		model_expire(&r);
		maps = RTE_MAX(maps, r.nat->n_maps);
	}
	assert_true(maps > 100);
	for (int i = 0; i < 600; i++) {
		r.now += 60 * SEC;
		nat_turn(r.nat, r.now, UINT32_MAX);
	}
	assert_int_equal(r.nat->n_flows, 0);
	assert_int_equal(r.nat->n_maps, 0);
	for (uint32_t s = 0; s < SUBS; s++) {
		assert_int_equal(r.legs->subscribers[s].flows, 0);
		assert_int_equal(r.legs->subscribers[s].share[1].blocks, 0);
	}
	rig_down(&r);
}

/* A full table and a greedy node are refused by name; the others do not notice. */
static void limits(void **state)
{
	static struct rig r;
	struct nat_config cfg;
	enum drop_reason why = DROP_MAX;
	unsigned int n = 0;

	nat_config_default(&cfg);
	cfg.flows_max = 400;
	cfg.subscriber_ports = 128;
	cfg.subscriber_flows = 150;
	rig_up(&r, "limits", &cfg);
	for (uint16_t port = 1000; port < 1300; port++)
		n += nat_flow_open(r.nat, 0, NAT_UDP, port, &r.vip[0], r.now, &why) != NULL;
	assert_int_equal(n, 128);
	assert_int_equal(why, DROP_NAT_LIMIT);
	/* Ports of TCP are counted apart, flows are not. */
	for (uint16_t port = 1000; port < 1300; port++)
		n += nat_flow_open(r.nat, 0, NAT_TCP, port, &r.vip[0], r.now, &why) != NULL;
	assert_int_equal(n, 150);
	assert_int_equal(why, DROP_NAT_LIMIT);
	for (uint32_t s = 1; s < SUBS; s++)
		for (uint16_t port = 1000; port < 1300; port++)
			n += nat_flow_open(r.nat, s, NAT_UDP, port, &r.vip[0], r.now, &why) != NULL;
	assert_int_equal(n, 400);
	assert_int_equal(why, DROP_NAT_FULL);
	/* Nobody sent a thing: all of it goes again. */
	for (int i = 0; i < 600; i++) {
		r.now += SEC;
		nat_turn(r.nat, r.now, UINT32_MAX);
	}
	assert_int_equal(r.nat->n_flows, 0);
	rig_down(&r);
}

/* A TCP connection lives for hours once both sides have spoken, minutes after it was closed. */
static void tcp_states(void **state)
{
	static struct rig r;
	struct nat_config cfg;
	enum drop_reason why;
	struct nat_flow *f;
	enum { FIN = 1, SYN = 2, ACK = 16 };

	nat_config_default(&cfg);
	rig_up(&r, "tcp", &cfg);
	for (int close = 0; close < 2; close++) {
		f = nat_flow_open(r.nat, 0, NAT_TCP, 5000, &r.vip[0], r.now, &why);
		assert_non_null(f);
		nat_flow_touch(r.nat, f, true, SYN, r.now);
		nat_flow_touch(r.nat, f, false, SYN | ACK, r.now);
		nat_flow_touch(r.nat, f, true, ACK, r.now);
		if (close) {
			nat_flow_touch(r.nat, f, true, FIN | ACK, r.now);
			nat_flow_touch(r.nat, f, false, FIN | ACK, r.now);
			nat_flow_touch(r.nat, f, true, ACK, r.now);
		}
		for (int minute = 0; minute < (close ? 3 : 123); minute++) {
			r.now += 60 * SEC;
			nat_turn(r.nat, r.now, UINT32_MAX);
		}
		assert_int_equal(r.nat->n_flows, 1);
		r.now += (close ? 2 : 3) * 60 * SEC;
		nat_turn(r.nat, r.now, UINT32_MAX);
		assert_int_equal(r.nat->n_flows, 0);
	}
	rig_down(&r);
}

/* Endpoint-independent filtering lets a host in that has a binding, whoever spoke first. */
static void endpoint_independent(void **state)
{
	static struct rig r;
	struct nat_config cfg;
	enum drop_reason why;
	struct nat_flow *f, *g;
	struct nat_map *m;
	struct ip_addr stranger = ip("198.51.100.200");

	nat_config_default(&cfg);
	cfg.endpoint_independent = true;
	rig_up(&r, "filter", &cfg);
	f = nat_flow_open(r.nat, 0, NAT_UDP, 5000, &r.vip[0], r.now, &why);
	assert_non_null(f);
	m = nat_map_find_out(r.nat, f->addr, NAT_UDP, f->port);
	assert_non_null(m);
	g = nat_flow_accept(r.nat, m, &r.rip[4], r.now, &why);
	assert_non_null(g);
	assert_int_equal(g->port, f->port);
	assert_null(nat_flow_accept(r.nat, m, &stranger, r.now, &why));
	assert_int_equal(why, DROP_NAT_FILTERED);
	rig_down(&r);
}

/* Ports: blocks of one worker only, parity kept, all used before the end. */
static void pool_ports(void **state)
{
	struct nat_range range = {.port_min = 1024, .port_max = 1024 + 6 * NAT_BLOCK_PORTS - 1};
	struct nat_share s = {.blocks = 0}, s6 = {.blocks = 0};
	struct nat_pool *p;
	bool seen[65536] = {false};
	uint16_t addr, port;
	uint32_t block, blocks[128];
	uint16_t ports[128];

	assert_int_equal(prefix_parse("192.0.2.9/32", &range.prefix), 0);
	p = nat_pool_create(&range, 1, 2, 3, 5);
	assert_non_null(p);
	assert_int_equal(nat_pool_free_blocks(p, true), 2);
	for (int i = 0; i < 128; i++) {
		assert_int_equal(
			nat_pool_take(p, &s, true, NAT_UDP, (uint16_t)i, 100, &addr, &port, &block),
			0);
		assert_false(seen[port]);
		seen[port] = true;
		assert_int_equal(nat_pool_owner(p, addr, port), 2);
		assert_int_equal(port & 1, i & 1);
		ports[i] = port;
		blocks[i] = block;
	}
	assert_int_equal(nat_pool_take(p, &s, true, NAT_UDP, 0, 100, &addr, &port, &block),
			 -ENOSPC);
	assert_int_equal(nat_pool_take(p, &s6, false, NAT_UDP, 0, 100, &addr, &port, &block),
			 -EADDRNOTAVAIL);
	/* Full is said of a protocol, and only until a port comes back, in whichever block. */
	assert_int_equal(nat_pool_take(p, &s, true, NAT_TCP, 0, 2, &addr, &port, &block), 0);
	nat_pool_give(p, &s, block, NAT_TCP, port);
	for (int i = 3; i < 128; i += 60) {
		nat_pool_give(p, &s, blocks[i], NAT_UDP, ports[i]);
		assert_int_equal(nat_pool_take(p, &s, true, NAT_UDP, 0, 2, &addr, &port, &block),
				 0);
		assert_int_equal(port, ports[i]);
		assert_int_equal(nat_pool_take(p, &s, true, NAT_UDP, 0, 2, &addr, &port, &block),
				 -EDQUOT);
	}
	for (int i = 0; i < 128; i++)
		nat_pool_give(p, &s, blocks[i], NAT_UDP, ports[i]);
	assert_int_equal(nat_pool_free_blocks(p, true), 2);
	assert_int_equal(s.blocks, 0);
	nat_pool_destroy(p);
}

/* Where an address and a port belong, as each worker's pool and as the range alone says it. */
static void owner_agrees(const struct nat_range *range, uint16_t n_workers, struct nat_pool **p,
			 uint16_t addr, uint16_t port)
{
	const struct ip_addr *ip = nat_pool_addr(p[0], addr);
	int owner = nat_pool_owner(p[0], addr, port), alone = nat_pool_addr_owner(p[0], addr);

	for (uint16_t w = 0; w < n_workers; w++) {
		struct ip_addr own, shared;
		uint32_t n_own = nat_range_own(range, w, n_workers, &own);
		uint32_t n_shared = nat_range_shared(range, n_workers, &shared);
		uint32_t low = load_be32(ip->b + 12);
		uint16_t value, mask;

		assert_int_equal(nat_pool_owner(p[w], addr, port), owner);
		assert_int_equal(low - load_be32(own.b + 12) < n_own, alone == w);
		assert_int_equal(low - load_be32(shared.b + 12) < n_shared, alone < 0);
		if (owner < 0)
			continue;
		if (alone >= 0)
			assert_int_equal(owner, alone);
		else if (nat_range_ports(range, w, n_workers, &value, &mask))
			assert_int_equal((port & mask) == value, owner == w);
	}
}

/* Every port of every address is one worker's, and it is the one that gives it out. */
static void pool_division(void **state)
{
	uint64_t seed = seed_print("pool_division");
	struct rng rng;

	rng_init_seeded(&rng, seed);
	for (int round = 0; round < 200; round++) {
		uint16_t n_workers = (uint16_t)(1 + rng_u64(&rng) % 20);
		struct nat_range range = {.port_min = (uint16_t)(1 + rng_u64(&rng) % 20000),
					  .port_max = (uint16_t)(30000 + rng_u64(&rng) % 35536)};
		bool v6 = rng_u64(&rng) & 1;
		struct nat_pool *p[20];
		uint32_t given = 0;

		assert_int_equal(
			prefix_parse(v6 ? "2001:db8::/120" : "192.0.2.0/24", &range.prefix), 0);
		range.prefix.len = (uint8_t)(121 + rng_u64(&rng) % 8);
		for (uint16_t w = 0; w < n_workers; w++) {
			p[w] = nat_pool_create(&range, 1, w, n_workers, seed);
			assert_non_null(p[w]);
			given += nat_pool_free_blocks(p[w], !v6);
		}
		for (uint16_t w = 0; w < n_workers; w++) {
			struct nat_share s = {.blocks = 0};
			uint16_t addr, port;
			uint32_t block;

			for (int i = 0;
			     i < 200 && nat_pool_take(p[w], &s, !v6, NAT_UDP, (uint16_t)i, 1000,
						      &addr, &port, &block) == 0;
			     i++) {
				assert_int_equal(nat_pool_owner(p[w], addr, port), w);
				owner_agrees(&range, n_workers, p, addr, port);
			}
		}
		for (int i = 0; i < 200; i++) {
			struct ip_addr ip = range.prefix.ip;
			int addr;

			ip.b[15] = (uint8_t)rng_u64(&rng);
			addr = nat_pool_addr_find(p[0], &ip);
			if (addr >= 0)
				owner_agrees(&range, n_workers, p, (uint16_t)addr,
					     (uint16_t)rng_u64(&rng));
		}
		/* All of the range's blocks, each once. */
		uint32_t first = (range.port_min + NAT_BLOCK_PORTS - 1u) / NAT_BLOCK_PORTS;
		uint32_t blocks = (range.port_max + 1u) / NAT_BLOCK_PORTS - first;
		struct ip_addr ip;
		uint32_t addrs = nat_range_own(&range, 0, 1, &ip);

		assert_int_equal(given, blocks * addrs);
		for (uint16_t w = 0; w < n_workers; w++)
			nat_pool_destroy(p[w]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_flows), cmocka_unit_test(limits),
		cmocka_unit_test(tcp_states),	cmocka_unit_test(endpoint_independent),
		cmocka_unit_test(pool_ports),	cmocka_unit_test(pool_division),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
