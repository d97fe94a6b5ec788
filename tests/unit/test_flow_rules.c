/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets of legs and of general hosts through a NIC in software (flow_dev.h) with a queue per worker:
 * with flow rules each arrives at the worker that needs it, and none is handed over; where the NIC
 * takes none, or not all, they arrive all the same and steer_miss counts those that RSS misplaced.
 */
#include "appliance/app.h"
#include "appliance/config.h"
#include "appliance/flow_plan.h"
#include "appliance/flow_rules.h"
#include "tests/unit/flow_dev.h"
#include "tests/unit/rs_node.h"

#include <rte_ethdev.h>

#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include <cmocka.h>

#define GN4 "198.51.100.80"
#define GN6 "2001:db8:80::80"
#define VIP_GN4 "240.128.0.1"
#define VIP_GN6 "fd00:9::1"

enum { NODES = 8, VLAN = 7, PACKETS = 400, PIECES = 2 };

/* The box's addresses: of interface 0, and of interface 1, which is a VLAN of the same port. */
static const char *const own[2][2] = {{"192.0.2.1", "2001:db8::1"},
				      {"192.0.2.129", "2001:db8:7::1"}};

static struct rig {
	struct fix f;
	struct node n[NODES]; /* even ones are worker 0's; the first half comes over IPv4 */
	struct app app;
	struct config *c;
	struct rng rng;
	uint16_t port;
	uint8_t body[64];
} r;

static uint64_t seed_print(const char *what)
{
	const char *env = getenv("SEED");
	uint64_t seed = env != NULL ? strtoull(env, NULL, 0) : (uint64_t)time(NULL);

	print_message("%s: SEED=%llu\n", what, (unsigned long long)seed);
	return seed;
}

static uint32_t draw(uint32_t n)
{
	return (uint32_t)(rng_u64(&r.rng) % n);
}

/* ---- the box ---- */

static struct local_table *locals(unsigned int n_ifaces)
{
	struct local_addr a[4];
	struct local_pool pools[CONFIG_POOLS_MAX];
	uint32_t n = 0;

	for (uint16_t i = 0; i < n_ifaces; i++)
		for (int v6 = 0; v6 < 2; v6++)
			a[n++] = (struct local_addr){.ip = fix_ip(own[i][v6]), .iface = i};
	for (uint32_t i = 0; i < r.c->rs.n_pools; i++)
		pools[i] = (struct local_pool){r.c->rs.pools[i].prefix, 1024, 65535};
	return local_create(a, n, pools, r.c->rs.n_pools);
}

/* The addresses of the box are these now. */
static void locals_change(unsigned int n_ifaces)
{
	struct local_table *t = locals(n_ifaces);

	for (int i = 0; i < FIX_WORKERS; i++)
		r.f.w[i]->local = t;
	atomic_store(&r.app.local, t);
	local_destroy(r.f.local);
	r.f.local = t;
}

static void endpoints_add(void)
{
	for (int v6 = 0; v6 < 2; v6++) {
		for (uint16_t w = 0; w < FIX_WORKERS; w++) {
			struct endpoint e = {fix_ip(own[1][v6]), FIX_BASE_PORT + w};

			assert_true(rs_dp_local_add(r.f.dp, &e, w) >= 0);
		}
	}
}

static void nodes_up(void)
{
	struct ip_addr gn4 = fix_ip(GN4), gn6 = fix_ip(GN6), vip4 = fix_ip(VIP_GN4),
		       vip6 = fix_ip(VIP_GN6);
	char ep[40], v4[20], v6[20];

	for (int i = 0; i < NODES; i++) {
		snprintf(ep, sizeof(ep),
			 i < NODES / 2 ? "198.51.100.%d:%d" : "[2001:db8:99::%d]:%d", 10 + i,
			 1111 + 7 * i);
		snprintf(v4, sizeof(v4), "240.0.0.%d", 2 + i);
		snprintf(v6, sizeof(v6), "fd00:1::%d", 2 + i);
		node_up_from(&r.n[i], &r.f, (uint16_t)(i % FIX_WORKERS), v4, v6, ep);
		assert_int_equal(rs_dp_binding_add(r.f.dp, r.n[i].index, 1, &vip4, &gn4), 0);
		assert_int_equal(rs_dp_binding_add(r.f.dp, r.n[i].index, 2, &vip6, &gn6), 0);
	}
}

static void port_up(const struct flow_dev_config *dev)
{
	struct port_config pc = {
		.queues = FIX_WORKERS, .descriptors = 64, .mtu = 1500, .pool = r.f.pool};
	static unsigned int number;
	char name[32];

	snprintf(name, sizeof(name), "0:flow%u", number++);
	if (flow_dev_create(name, dev) < 0)
		skip();
	assert_int_equal(port_open(name, &pc, &r.app.ports[0]), 0);
	assert_true(r.app.ports[0].rss);
	assert_int_equal(port_start(&r.app.ports[0]), 0);
	r.port = r.app.ports[0].id;
	for (uint16_t i = 0; i < 2; i++) {
		r.f.ifaces[i].port = r.port;
		r.f.ifaces[i].vlan = i == 1 ? VLAN : 0;
		r.f.ifaces[i].mtu = 1500;
		r.f.ifaces[i].flow_rules = true;
		assert_int_equal(rte_eth_macaddr_get(r.port, &r.f.ifaces[i].mac), 0);
	}
	for (int i = 0; i < FIX_WORKERS; i++) {
		r.f.w[i]->n_ports = 1;
		r.f.w[i]->ports[0] = r.port;
	}
}

/* pools: as many as there are, NULL at the end. */
static void rig_up(const char *const *pools, const struct flow_dev_config *dev, const char *what)
{
	struct rs_dp_config cfg = {.legs_max = 4 * NODES};

	memset(&r, 0, sizeof(r));
	r.c = calloc(1, sizeof(*r.c));
	r.c->roles[0] = ROLE_RS;
	r.c->n_roles = 1;
	r.c->ntm.base_port = FIX_BASE_PORT;
	for (; pools[r.c->rs.n_pools] != NULL; r.c->rs.n_pools++)
		r.c->rs.pools[r.c->rs.n_pools] =
			(struct config_pool){fix_prefix(pools[r.c->rs.n_pools]), 1024, 65535};
	cfg.nat.n_ranges = config_nat_ranges(r.c, cfg.nat.ranges);
	fix_up(&r.f, &cfg);
	rng_init_seeded(&r.rng, seed_print(what));
	port_up(dev);
	locals_change(2);
	endpoints_add();
	nodes_up();
	atomic_store(&r.app.config, r.c);
	r.app.n_workers = FIX_WORKERS;
	r.app.n_ports = 1;
	r.app.ifaces = r.f.ifaces;
	r.app.n_ifaces = 2;
	r.app.flow_rules = flow_rules_start(&r.app);
	assert_non_null(r.app.flow_rules);
}

static void rig_down(void)
{
	struct rs_event ev;

	flow_rules_stop(r.app.flow_rules);
	assert_int_equal(flow_dev_counts(r.port)->rules, 0);
	assert_int_equal(flow_dev_counts(r.port)->conflicts, 0);
	assert_int_equal(flow_dev_counts(r.port)->unasked, 0);
	port_close(&r.app.ports[0]);
	while (fix_event(&r.f, &ev))
		;
	for (int i = 0; i < NODES; i++)
		node_down(&r.n[i]);
	fix_down(&r.f);
	free(r.c);
}

/* ---- packets ---- */

static void tag_push(struct rte_mbuf *m)
{
	uint8_t *p = (uint8_t *)rte_pktmbuf_prepend(m, 4);

	if (p == NULL)
		abort();
	memmove(p, p + 4, 12);
	store_be16(p + 12, RTE_ETHER_TYPE_VLAN);
	store_be16(p + 14, VLAN | 3 << 13); /* a priority is no part of what a rule means */
}

/* By the wire, and through all that workers do with it. */
static void run(struct rte_mbuf *m, uint16_t iface)
{
	if (iface == 1)
		tag_push(m);
	flow_dev_wire(r.port, m);
	for (int i = 0; i < FIX_WORKERS; i++) {
		rx_stage(r.f.w[i]);
		fix_run(r.f.w[i]);
	}
	for (int turn = 0; turn < 3; turn++)
		for (int i = 0; i < FIX_WORKERS; i++)
			fix_mail(r.f.w[i]);
}

static uint64_t misses(void)
{
	return r.f.w[0]->stats.steer_miss + r.f.w[1]->stats.steer_miss;
}

/* What one of the nodes said to a general host, and where it went out. */
struct talk {
	struct node *n;
	bool v6;
	uint8_t proto;
	struct endpoint pub; /* for ICMP the identifier is the port */
};

static uint16_t said(uint8_t *ip, const struct talk *t)
{
	struct endpoint mn = {.port = (uint16_t)(5000 + draw(1000))}, gn;
	char vip[20];

	snprintf(vip, sizeof(vip), t->v6 ? "fd00:1::%d" : "240.0.0.%d", 2 + (int)(t->n - r.n));
	mn.ip = fix_ip(vip);
	gn = (struct endpoint){fix_ip(t->v6 ? VIP_GN6 : VIP_GN4), 443};
	if (t->proto == IPPROTO_TCP)
		return pkt_tcp(ip, &mn, &gn, 64, 2, 1380, r.body, 0);
	if (t->proto == IPPROTO_ICMP)
		return pkt_icmp(ip, &mn.ip, &gn.ip, 64, t->v6 ? 128 : 8, 0,
				(uint32_t)mn.port << 16 | 1, r.body, sizeof(r.body));
	return pkt_udp(ip, &mn, &gn, 64, r.body, sizeof(r.body));
}

static void pub_read(struct talk *t, const uint8_t *ip)
{
	uint32_t a;

	t->v6 = ip[0] >> 4 == 6;
	memcpy(&a, ip + 12, 4);
	t->pub.ip = ip_from_v4(a);
	if (t->v6)
		memcpy(t->pub.ip.b, ip + 8, 16);
	t->pub.port = load_be16(ip + (t->v6 ? 40 : 20) + (t->proto == IPPROTO_ICMP ? 4 : 0));
}

/* A node's packet to its worker's endpoint at a random interface: it must leave to the host. */
static void from_node(struct talk *t)
{
	uint8_t ip[FIX_PACKET_MAX];
	uint16_t iface = (uint16_t)draw(2), len;
	struct endpoint to;
	struct rte_mbuf *m;

	t->n = &r.n[draw(NODES)];
	to.ip = fix_ip(own[iface][!ip_is_v4(&t->n->ep.ip)]);
	to.port = FIX_BASE_PORT + t->n->worker;
	len = said(ip, t);
	run(node_frame_to(t->n, &to, WIRE_DATA, ip, len), iface);
	m = fix_out(r.f.w[t->n->worker]);
	if (m == NULL)
		fix_print_drops(r.f.w[t->n->worker]);
	assert_non_null(m);
	pub_read(t, rte_pktmbuf_mtod(m, uint8_t *));
	rte_pktmbuf_free(m);
}

static uint16_t answer(uint8_t *ip, const struct talk *t)
{
	struct endpoint gn = {fix_ip(t->v6 ? GN6 : GN4), 443};

	if (t->proto == IPPROTO_TCP)
		return pkt_tcp(ip, &gn, &t->pub, 64, 18, 1380, r.body, 0);
	if (t->proto == IPPROTO_ICMP)
		return pkt_icmp(ip, &gn.ip, &t->pub.ip, 64, t->v6 ? 129 : 0, 0,
				(uint32_t)t->pub.port << 16 | 1, r.body, sizeof(r.body));
	return pkt_udp(ip, &gn, &t->pub, 64, r.body, sizeof(r.body));
}

static void to_node(const struct talk *t)
{
	uint8_t got[FIX_PACKET_MAX];
	int len = node_take(t->n, got);

	if (len < 0)
		fix_print_drops(r.f.w[t->n->worker]);
	assert_true(len > 0);
}

/* The host's answer, by a random interface: it must leave to the node. */
static void from_host(const struct talk *t)
{
	uint8_t ip[FIX_PACKET_MAX];
	uint16_t len = answer(ip, t);

	run(fix_frame(&r.f, ip, len), (uint16_t)draw(2));
	to_node(t);
}

/* The first bytes of an IP packet and the rest, each as a piece. */
static uint16_t piece(uint8_t *out, const uint8_t *ip, uint16_t len, bool last)
{
	bool v6 = ip[0] >> 4 == 6;
	uint16_t header = v6 ? 40 : 20, cut = 24, at = last ? cut : 0;
	uint16_t n = last ? (uint16_t)(len - header - cut) : cut, sum;

	memcpy(out, ip, header);
	if (v6) {
		memset(out + 40, 0, 8);
		out[6] = 44;
		out[40] = ip[6];
		store_be16(out + 42, (uint16_t)(at | !last));
		store_be32(out + 44, 77);
		store_be16(out + 4, (uint16_t)(8 + n));
		memcpy(out + 48, ip + header + at, n);
		return (uint16_t)(48 + n);
	}
	store_be16(out + 2, (uint16_t)(20 + n));
	store_be16(out + 4, 77);
	store_be16(out + 6, (uint16_t)(at / 8 | (last ? 0 : 0x2000)));
	store_be16(out + 10, 0);
	sum = (uint16_t)~csum_fold(csum_bytes(out, 20, 0));
	memcpy(out + 10, &sum, 2);
	memcpy(out + 20, ip + 20 + at, n);
	return (uint16_t)(20 + n);
}

static void pieces_from_host(const struct talk *t)
{
	uint8_t ip[FIX_PACKET_MAX], out[FIX_PACKET_MAX];
	uint16_t len = answer(ip, t), iface = (uint16_t)draw(2);

	for (int i = 0; i < PIECES; i++)
		run(fix_frame(&r.f, out, piece(out, ip, len, i == 1)), iface);
	to_node(t);
}

static void talk(struct talk *t, uint8_t proto)
{
	t->v6 = draw(2);
	t->proto = proto;
	from_node(t);
}

/* ---- tests ---- */

static const char *const whole[] = {"192.0.2.64/30", "2001:db8:6::/64", NULL};
static const char *const shared[] = {"192.0.2.64/32", "2001:db8:6::1/128", NULL};
static const struct flow_dev_config able = {.room = 1000};

static const uint8_t protos[] = {IPPROTO_UDP, IPPROTO_TCP, IPPROTO_ICMP};

/* Addresses of one worker: every packet, whatever it is, goes where it is needed. */
static void all_by_rule(void **state)
{
	struct flow_dev_counts *dev;
	struct talk t;

	rig_up(whole, &able, "all_by_rule");
	dev = flow_dev_counts(r.port);
	for (int i = 0; i < PACKETS; i++) {
		talk(&t, protos[draw(3)]);
		from_host(&t);
		if (t.proto == IPPROTO_UDP)
			pieces_from_host(&t);
	}
	assert_int_equal(dev->by_rss, 0);
	assert_true(dev->by_rule >= 2 * PACKETS);
	assert_int_equal(misses(), 0);
	rig_down();
}

/* One address of which each worker has every other block of ports. */
static void shared_ports(void **state)
{
	struct talk t;

	rig_up(shared, &able, "shared_ports");
	for (int i = 0; i < PACKETS; i++) {
		talk(&t, protos[draw(2)]);
		from_host(&t);
	}
	assert_int_equal(flow_dev_counts(r.port)->by_rss, 0);
	assert_int_equal(misses(), 0);
	/* Identifiers of ICMP and pieces have no rule. */
	for (int i = 0; i < PACKETS; i++) {
		talk(&t, protos[i % 2 * 2]);
		if (t.proto == IPPROTO_UDP)
			pieces_from_host(&t);
		else
			from_host(&t);
	}
	assert_true(flow_dev_counts(r.port)->by_rss > 0);
	assert_true(misses() > 0);
	rig_down();
}

/* The NAT's address is the box's: the endpoints on it come first. */
static void own_address_shared(void **state)
{
	static const char *const pools[][3] = {{"192.0.2.1/32", "2001:db8::1/128", NULL},
					       {"192.0.2.0/30", "2001:db8::/64", NULL}};
	struct talk t;

	for (size_t run = 0; run < RTE_DIM(pools); run++) {
		rig_up(pools[run], &able, "own_address_shared");
		for (int i = 0; i < PACKETS; i++) {
			talk(&t, protos[draw(2)]);
			from_host(&t);
		}
		assert_int_equal(flow_dev_counts(r.port)->by_rss, 0);
		assert_int_equal(misses(), 0);
		rig_down();
	}
}

/* What a NIC does not take is found by ring: all arrives, and misses are those that RSS misplaced. */
static void refused(void **state)
{
	static const struct {
		const char *what;
		struct flow_dev_config dev;
		uint32_t rules;
		const char *way;
	} rows[] = {
		{"no flow operations", {.quirks = FLOW_DEV_NO_RULES, .room = 1000}, 0, "RSS"},
		{"refuses all", {.quirks = FLOW_DEV_REFUSES, .room = 1000}, 0, "RSS"},
		{"validates all, takes none",
		 {.quirks = FLOW_DEV_SAYS_YES, .room = 1000},
		 0,
		 "RSS"},
		{"has no room", {.room = 0}, 0, "RSS"},
		{"room for endpoints", {.room = 8}, 8, "8 of 28 flow rules, else RSS"},
		{"room for three", {.room = 3}, 3, "3 of 28 flow rules, else RSS"},
		/* Endpoints and pools of the untagged interface. */
		{"no VLAN tags",
		 {.quirks = FLOW_DEV_NO_VLAN, .room = 1000},
		 14,
		 "14 of 28 flow rules, else RSS"},
	};

	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		struct flow_dev_counts *dev;
		uint64_t before, first;
		struct talk t;
		char way[128];

		print_message("%s\n", rows[i].what);
		rig_up(whole, &rows[i].dev, "refused");
		dev = flow_dev_counts(r.port);
		assert_int_equal(dev->rules, rows[i].rules);
		assert_true(dev->no_room <= 1); /* a full table is not knocked at again */
		flow_rules_way(&r.app, 0, way, sizeof(way));
		assert_string_equal(way, rows[i].way);
		for (int k = 0; k < PACKETS; k++) {
			before = misses();
			first = dev->by_rss;
			talk(&t, protos[draw(3)]);
			from_host(&t);
			/* One that had a rule needed no ring. */
			assert_true(misses() - before <= dev->by_rss - first);
		}
		assert_true(misses() > PACKETS / 20);
		assert_true(misses() < dev->by_rss);
		assert_int_equal(r.f.w[0]->stats.drops[DROP_WRONG_WORKER], 0);
		assert_int_equal(r.f.w[1]->stats.drops[DROP_WRONG_WORKER], 0);
		rig_down();
	}
}

/* Addresses one by one where prefixes are refused: nothing is lost by it. */
static void one_by_one(void **state)
{
	static const struct flow_dev_config dev = {.quirks = FLOW_DEV_NO_PREFIX, .room = 1000};
	struct talk t;

	rig_up(whole, &dev, "one_by_one");
	assert_int_equal(flow_dev_counts(r.port)->rules, 8 + 2 * (4 + 16));
	for (int i = 0; i < PACKETS; i++) {
		talk(&t, protos[draw(3)]);
		from_host(&t);
	}
	assert_int_equal(misses(), 0);
	rig_down();
}

/* Of kinds of rules that a NIC refuses the others are none the worse. */
static void some_kinds(void **state)
{
	static const char *const pools[] = {"192.0.2.1/32", "192.0.2.64/32", "2001:db8:6::/64",
					    NULL};
	static const struct flow_dev_config no_bits = {.quirks = FLOW_DEV_NO_PORT_BITS,
						       .room = 1000},
					    no_priority = {.quirks = FLOW_DEV_NO_PRIORITY,
							   .room = 1000};
	struct talk t;

	for (int run = 0; run < 2; run++) {
		rig_up(pools, run == 0 ? &no_bits : &no_priority, "some_kinds");
		/* Endpoints, prefixes of IPv6 addresses, ports of the address that is not the box's. */
		assert_int_equal(flow_dev_counts(r.port)->rules,
				 8 + 2 * 8 + (run == 0 ? 0 : 2 * 4));
		for (int i = 0; i < PACKETS; i++) {
			uint64_t before = misses();

			talk(&t, protos[draw(3)]);
			assert_int_equal(misses(), before);
			from_host(&t);
			if (t.v6)
				assert_int_equal(misses(), before);
		}
		assert_true(misses() > 0);
		rig_down();
	}
}

/* Rules follow the addresses of the box; where there is little room, endpoints push others out. */
static void addresses_change(void **state)
{
	static const struct flow_dev_config tight = {.room = 10};
	struct flow_dev_counts *dev;
	struct talk t;

	for (int run = 0; run < 2; run++) {
		rig_up(whole, run == 0 ? &able : &tight, "addresses_change");
		dev = flow_dev_counts(r.port);
		locals_change(1);
		flow_rules_tick(r.app.flow_rules, 0);
		assert_int_equal(dev->rules, run == 0 ? 24 : 10);
		locals_change(0);
		flow_rules_tick(r.app.flow_rules, 0);
		assert_int_equal(dev->rules, run == 0 ? 20 : 10);
		locals_change(2);
		flow_rules_tick(r.app.flow_rules, 0);
		assert_int_equal(dev->rules, run == 0 ? 28 : 10);
		for (int i = 0; i < PACKETS; i++) {
			uint64_t before = misses();

			talk(&t, IPPROTO_UDP);
			assert_int_equal(misses(), before);
			from_host(&t);
		}
		assert_int_equal(misses() == 0, run == 0);
		rig_down();
	}
}

/* An interface that wants none, and one that general hosts are not behind. */
static void only_where_wanted(void **state)
{
	rig_up(whole, &able, "only_where_wanted");
	r.f.ifaces[1].flow_rules = false;
	r.f.ifaces[0].side = SIDE_ACCESS;
	locals_change(2);
	flow_rules_tick(r.app.flow_rules, 0);
	assert_int_equal(flow_dev_counts(r.port)->rules, 4);
	r.f.ifaces[0].side = SIDE_OUTSIDE;
	locals_change(2);
	flow_rules_tick(r.app.flow_rules, 0);
	assert_int_equal(flow_dev_counts(r.port)->rules, 14);
	rig_down();
	/* One worker, or no RS: there is nothing to sort. */
	r.app.n_workers = 1;
	assert_null(flow_rules_start(&r.app));
}

/* The first rule of a plan that says something of a packet, by priority. -1: none. */
static int planned(const struct flow_plan *p, const struct endpoint *dst, bool tcp)
{
	int best = -1;

	for (uint32_t i = 0; i < p->n; i++) {
		const struct flow_rule *f = &p->rule[i];

		if (!prefix_contains(&f->dst, &dst->ip) || (dst->port & f->mask) != f->port ||
		    (f->mask != 0 && tcp != (f->kind == FLOW_TCP_PORTS)))
			continue;
		if (best < 0 || f->priority < p->rule[best].priority)
			best = (int)i;
		else if (f->priority == p->rule[best].priority)
			assert_int_equal(f->queue, p->rule[best].queue);
	}
	return best < 0 ? -1 : p->rule[best].queue;
}

/* Plans beside the NAT's own answer, for any number of workers and any ranges. */
static void plans(void **state)
{
	static struct flow_plan p;
	struct iface f = {.port = 3, .flow_rules = true};
	struct local_addr addr = {.ip = fix_ip("192.0.2.77")};
	struct rng *rng = &r.rng;

	rng_init_seeded(rng, seed_print("plans"));
	for (int round = 0; round < 200; round++) {
		bool v6 = draw(2);
		struct nat_range range = {
			.prefix = fix_prefix(v6 ? "2001:db8::/120" : "192.0.2.0/24"),
			.port_min = (uint16_t)(1 + draw(20000)),
			.port_max = (uint16_t)(30000 + draw(35536))};
		struct flow_plan_config c = {.port = 3,
					     .n_workers = (uint16_t)(2 + draw(20)),
					     .base_port = 5530,
					     .one_by_one = (uint8_t)draw(16),
					     .ifaces = &f,
					     .n_ifaces = 1,
					     .addrs = &addr,
					     .n_addrs = 1,
					     .ranges = &range,
					     .n_ranges = 1};
		struct nat_pool *pool;

		range.prefix.len = (uint8_t)(120 + draw(9));
		pool = nat_pool_create(&range, 1, 0, c.n_workers, 1);
		assert_non_null(pool);
		flow_plan_make(&p, &c);
		assert_int_equal(p.n, p.wanted);
		for (int i = 0; i < 2000; i++) {
			struct endpoint dst = {range.prefix.ip, (uint16_t)draw(65536)};
			bool tcp = draw(2);
			int at, owner, got;

			dst.ip.b[15] = (uint8_t)draw(256);
			if (draw(10) == 0)
				dst = (struct endpoint){addr.ip, (uint16_t)(5530 + draw(25))};
			got = planned(&p, &dst, tcp);
			at = nat_pool_addr_find(pool, &dst.ip);
			if (!tcp && ip_equal(&dst.ip, &addr.ip) && dst.port >= 5530 &&
			    dst.port < 5530 + c.n_workers) {
				assert_int_equal(got, dst.port - 5530);
				continue;
			}
			owner = at < 0 ? -1 : nat_pool_owner(pool, (uint16_t)at, dst.port);
			if (at >= 0 && nat_pool_addr_owner(pool, (uint16_t)at) < 0 &&
			    (c.n_workers & (c.n_workers - 1)) != 0)
				assert_int_equal(got, -1);
			else if (owner >= 0)
				assert_int_equal(got, owner);
			else if (at < 0)
				assert_int_equal(got, -1);
		}
		nat_pool_destroy(pool);
	}
}

/* More addresses than a plan has room for: it says how many it would have wanted. */
static void plan_is_bounded(void **state)
{
	static struct flow_plan p;
	struct iface f = {.port = 3, .flow_rules = true};
	struct nat_range range = {fix_prefix("192.0.0.0/20"), 1024, 65535};
	struct flow_plan_config c = {.port = 3,
				     .n_workers = 2,
				     .one_by_one = 1,
				     .ifaces = &f,
				     .n_ifaces = 1,
				     .ranges = &range,
				     .n_ranges = 1};

	flow_plan_make(&p, &c);
	assert_int_equal(p.n, FLOW_RULES_MAX);
	assert_int_equal(p.wanted, NAT_ADDRS_MAX);
	c.one_by_one = 2;
	flow_plan_make(&p, &c);
	assert_int_equal(p.wanted, 2);
	c.port = 4;
	flow_plan_make(&p, &c);
	assert_int_equal(p.wanted, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_by_rule),
		cmocka_unit_test(shared_ports),
		cmocka_unit_test(own_address_shared),
		cmocka_unit_test(refused),
		cmocka_unit_test(one_by_one),
		cmocka_unit_test(some_kinds),
		cmocka_unit_test(addresses_change),
		cmocka_unit_test(only_where_wanted),
		cmocka_unit_test(plans),
		cmocka_unit_test(plan_is_bounded),
	};
	int ret;

	eal_start();
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	eal_stop();
	return ret;
}
