/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/nat_flow.h"

#include "appliance/hash_key.h"
#include "appliance/table_mem.h"

#include <errno.h>
#include <stdlib.h>

_Static_assert(sizeof(struct nat_flow) == 64, "a flow is one cache line");
_Static_assert(sizeof(struct nat_map) == 32, "two mappings to a cache line");

enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4 };

void nat_config_default(struct nat_config *c)
{
	const uint64_t s = 1000000000;

	*c = (struct nat_config){
		.flows_max = 65536,
		.subscriber_ports = 1024,
		.subscriber_flows = 4096,
		.udp_ns = 300 * s,
		.tcp_open_ns = (2 * 60 + 4) * 60 * s,
		.tcp_half_ns = 240 * s,
		.icmp_ns = 60 * s,
	};
}

struct nat *nat_create(const struct nat_config *cfg, struct leg_table *legs,
		       const struct binding_table *bindings, uint16_t worker, uint16_t n_workers,
		       const uint64_t secret[2])
{
	struct nat *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return NULL;
	n->cfg = *cfg;
	/* Counted in 16 bits. */
	if (n->cfg.subscriber_flows > UINT16_MAX)
		n->cfg.subscriber_flows = UINT16_MAX;
	n->legs = legs;
	n->bindings = bindings;
	n->secret[0] = secret[0];
	n->secret[1] = secret[1] | 1;
	n->pool = nat_pool_create(cfg->ranges, cfg->n_ranges, worker, n_workers,
				  hash_fold(secret[0] + worker, secret[1] | 1));
	n->flows = table_mem_alloc(cfg->flows_max * sizeof(*n->flows));
	n->maps = table_mem_alloc(cfg->flows_max * sizeof(*n->maps));
	if (n->pool == NULL || n->flows == NULL || n->maps == NULL ||
	    flow_index_init(&n->flow_in, cfg->flows_max) < 0 ||
	    flow_index_init(&n->flow_out, cfg->flows_max) < 0 ||
	    flow_index_init(&n->map_in, cfg->flows_max) < 0 ||
	    flow_index_init(&n->map_out, cfg->flows_max) < 0) {
		nat_destroy(n);
		errno = ENOMEM;
		return NULL;
	}
	for (uint32_t i = cfg->flows_max; i > 0; i--) {
		n->flows[i - 1].next = n->free_flow;
		n->maps[i - 1].next = n->free_map;
		n->free_flow = i;
		n->free_map = i;
	}
	return n;
}

void nat_destroy(struct nat *n)
{
	if (n == NULL)
		return;
	flow_index_fini(&n->flow_in);
	flow_index_fini(&n->flow_out);
	flow_index_fini(&n->map_in);
	flow_index_fini(&n->map_out);
	table_mem_free(n->flows, n->cfg.flows_max * sizeof(*n->flows));
	table_mem_free(n->maps, n->cfg.flows_max * sizeof(*n->maps));
	nat_pool_destroy(n->pool);
	free(n);
}

/* ---- keys ---- */

uint64_t nat_hash_in(const struct nat *n, uint32_t subscriber, enum nat_proto proto,
		     uint16_t in_port, const struct ip_addr *vip)
{
	return hash_key(n->secret, (uint64_t)subscriber << 32 | (uint32_t)proto << 16 | in_port,
			vip);
}

uint64_t nat_hash_out(const struct nat *n, uint16_t addr, enum nat_proto proto, uint16_t port,
		      const struct ip_addr *rip)
{
	return hash_key(n->secret, (uint64_t)addr << 32 | (uint32_t)proto << 16 | port, rip);
}

static uint64_t map_hash_in(const struct nat *n, uint32_t subscriber, uint8_t kind, uint16_t port)
{
	static const struct ip_addr none;

	return hash_key(n->secret, (uint64_t)subscriber << 32 | (uint32_t)kind << 16 | port, &none);
}

static uint64_t map_hash_out(const struct nat *n, uint16_t addr, enum nat_proto proto,
			     uint16_t port)
{
	static const struct ip_addr none;

	return hash_key(n->secret, (uint64_t)addr << 32 | (uint32_t)proto << 16 | port, &none);
}

static enum nat_proto proto_of(uint8_t kind)
{
	return (enum nat_proto)(kind & NAT_KIND_PROTO);
}

/* ---- look-ups ---- */

struct nat_flow *nat_flow_find_in(struct nat *n, uint64_t hash, uint32_t subscriber,
				  enum nat_proto proto, uint16_t in_port, const struct ip_addr *vip)
{
	struct flow_probe p;
	uint32_t ref = flow_index_first(&n->flow_in, hash, &p);

	for (; ref != FLOW_NONE; ref = flow_index_next(&n->flow_in, &p)) {
		struct nat_flow *f = &n->flows[ref];

		if (f->subscriber == subscriber && f->in_port == in_port &&
		    proto_of(f->kind) == proto && ip_equal(&f->vip, vip))
			return f;
	}
	return NULL;
}

struct nat_flow *nat_flow_find_out(struct nat *n, uint64_t hash, uint16_t addr,
				   enum nat_proto proto, uint16_t port, const struct ip_addr *rip)
{
	struct flow_probe p;
	uint32_t ref = flow_index_first(&n->flow_out, hash, &p);

	for (; ref != FLOW_NONE; ref = flow_index_next(&n->flow_out, &p)) {
		struct nat_flow *f = &n->flows[ref];

		if (f->addr == addr && f->port == port && proto_of(f->kind) == proto &&
		    ip_equal(&f->rip, rip))
			return f;
	}
	return NULL;
}

struct nat_map *nat_map_find_out(struct nat *n, uint16_t addr, enum nat_proto proto, uint16_t port)
{
	struct flow_probe p;
	uint32_t ref = flow_index_first(&n->map_out, map_hash_out(n, addr, proto, port), &p);

	for (; ref != FLOW_NONE; ref = flow_index_next(&n->map_out, &p)) {
		struct nat_map *m = &n->maps[ref];

		if (m->addr == addr && m->port == port && proto_of(m->kind) == proto)
			return m;
	}
	return NULL;
}

static struct nat_map *map_find_in(struct nat *n, uint32_t subscriber, uint8_t kind, uint16_t port)
{
	struct flow_probe p;
	uint32_t ref = flow_index_first(&n->map_in, map_hash_in(n, subscriber, kind, port), &p);

	for (; ref != FLOW_NONE; ref = flow_index_next(&n->map_in, &p)) {
		struct nat_map *m = &n->maps[ref];

		if (m->subscriber == subscriber && m->kind == kind && m->in_port == port)
			return m;
	}
	return NULL;
}

/* ---- mappings ---- */

static enum drop_reason pool_reason(int err)
{
	return err == -EDQUOT ? DROP_NAT_LIMIT : DROP_NAT_FULL;
}

static struct nat_map *map_make(struct nat *n, uint32_t subscriber, uint8_t kind, uint16_t in_port,
				bool is_extra, enum drop_reason *why)
{
	struct subscriber *s = &n->legs->subscribers[subscriber];
	bool v4 = (kind & NAT_KIND_OUT6) == 0;
	uint32_t at = n->free_map;
	struct nat_map *m;
	int ret;

	*why = DROP_NAT_FULL;
	if (at == 0)
		return NULL;
	m = &n->maps[at - 1];
	ret = nat_pool_take(
		n->pool, &s->share[v4], v4, proto_of(kind), in_port,
		(uint16_t)((n->cfg.subscriber_ports + NAT_BLOCK_PORTS - 1) / NAT_BLOCK_PORTS),
		&m->addr, &m->port, &m->block);
	if (ret < 0) {
		*why = pool_reason(ret);
		return NULL;
	}
	n->free_map = m->next;
	m->subscriber = subscriber;
	m->flows = 0;
	m->in_port = in_port;
	m->kind = kind;
	m->is_extra = is_extra;
	if (!is_extra)
		flow_index_add(&n->map_in, map_hash_in(n, subscriber, kind, in_port), at - 1);
	flow_index_add(&n->map_out, map_hash_out(n, m->addr, proto_of(kind), m->port), at - 1);
	s->mappings++;
	n->n_maps++;
	return m;
}

static void map_free(struct nat *n, struct nat_map *m)
{
	struct subscriber *s = &n->legs->subscribers[m->subscriber];
	uint32_t at = (uint32_t)(m - n->maps);
	bool v4 = (m->kind & NAT_KIND_OUT6) == 0;

	if (!m->is_extra)
		flow_index_del(&n->map_in, map_hash_in(n, m->subscriber, m->kind, m->in_port), at);
	flow_index_del(&n->map_out, map_hash_out(n, m->addr, proto_of(m->kind), m->port), at);
	nat_pool_give(n->pool, &s->share[v4], m->block, proto_of(m->kind), m->port);
	m->next = n->free_map;
	n->free_map = at + 1;
	n->n_maps--;
	s->mappings--;
}

/* ---- flows ---- */

static void wheel_put(struct nat *n, uint32_t at)
{
	struct nat_flow *f = &n->flows[at];
	uint32_t in = f->expires - n->tick;
	uint32_t slot;

	if ((int32_t)in < 1)
		in = 1;
	if (in > NAT_WHEEL_SLOTS - 1)
		in = NAT_WHEEL_SLOTS - 1;
	slot = (n->tick + in) % NAT_WHEEL_SLOTS;
	f->next = n->wheel[slot];
	n->wheel[slot] = at + 1;
}

static uint16_t flows_of(const struct nat *n, uint32_t subscriber)
{
	return atomic_load_explicit(&n->legs->subscribers[subscriber].flows, memory_order_relaxed);
}

/* Single writer; control reads it to know when the number can be given to another node. */
static void flows_count(struct nat *n, uint32_t subscriber, int by)
{
	atomic_store_explicit(&n->legs->subscribers[subscriber].flows,
			      (uint16_t)(flows_of(n, subscriber) + by), memory_order_release);
}

static struct nat_flow *flow_make(struct nat *n, struct nat_map *m, const struct ip_addr *vip,
				  const struct ip_addr *rip, uint64_t now)
{
	uint32_t at = n->free_flow - 1;
	struct nat_flow *f = &n->flows[at];
	enum nat_proto proto = proto_of(m->kind);

	n->free_flow = f->next;
	*f = (struct nat_flow){
		.vip = *vip,
		.rip = *rip,
		.subscriber = m->subscriber,
		.in_port = m->in_port,
		.kind = m->kind,
		.addr = m->addr,
		.port = m->port,
		.map = (uint32_t)(m - n->maps),
		.expires = nat_tick(now) + 1,
	};
	flow_index_add(&n->flow_in, nat_hash_in(n, f->subscriber, proto, f->in_port, vip), at);
	flow_index_add(&n->flow_out, nat_hash_out(n, f->addr, proto, f->port, rip), at);
	m->flows++;
	flows_count(n, f->subscriber, 1);
	n->n_flows++;
	wheel_put(n, at);
	return f;
}

/* Taken off the wheel already. */
static void flow_free(struct nat *n, uint32_t at)
{
	struct nat_flow *f = &n->flows[at];
	struct nat_map *m = &n->maps[f->map];
	enum nat_proto proto = proto_of(f->kind);

	flow_index_del(&n->flow_in, nat_hash_in(n, f->subscriber, proto, f->in_port, &f->vip), at);
	flow_index_del(&n->flow_out, nat_hash_out(n, f->addr, proto, f->port, &f->rip), at);
	flows_count(n, f->subscriber, -1);
	f->next = n->free_flow;
	n->free_flow = at + 1;
	n->n_flows--;
	if (--m->flows == 0)
		map_free(n, m);
}

static bool has_room(const struct nat *n, uint32_t subscriber, enum drop_reason *why)
{
	if (n->free_flow == 0) {
		*why = DROP_NAT_FULL;
		return false;
	}
	if (flows_of(n, subscriber) >= n->cfg.subscriber_flows) {
		*why = DROP_NAT_LIMIT;
		return false;
	}
	return true;
}

/* Does the mapping talk to rip already, under another VIP_GN? Then a packet from rip could not be
 * told apart.
 */
static bool is_ambiguous(struct nat *n, const struct nat_map *m, const struct ip_addr *rip)
{
	enum nat_proto proto = proto_of(m->kind);

	return nat_flow_find_out(n, nat_hash_out(n, m->addr, proto, m->port, rip), m->addr, proto,
				 m->port, rip) != NULL;
}

struct nat_flow *nat_flow_open(struct nat *n, uint32_t subscriber, enum nat_proto proto,
			       uint16_t in_port, const struct ip_addr *vip, uint64_t now,
			       enum drop_reason *why)
{
	const struct binding *b = binding_table_by_vip(n->bindings, subscriber, vip);
	struct nat_map *m;
	uint8_t kind;

	if (b == NULL) {
		*why = DROP_INNER_DEST;
		return NULL;
	}
	if (!has_room(n, subscriber, why))
		return NULL;
	kind = (uint8_t)(proto | (ip_is_v4(vip) ? 0 : NAT_KIND_IN6) |
			 (ip_is_v4(&b->rip) ? 0 : NAT_KIND_OUT6));
	m = map_find_in(n, subscriber, kind, in_port);
	if (m == NULL)
		m = map_make(n, subscriber, kind, in_port, false, why);
	else if (is_ambiguous(n, m, &b->rip))
		m = map_make(n, subscriber, kind, in_port, true, why);
	return m == NULL ? NULL : flow_make(n, m, vip, &b->rip, now);
}

struct nat_flow *nat_flow_accept(struct nat *n, struct nat_map *m, const struct ip_addr *rip,
				 uint64_t now, enum drop_reason *why)
{
	const struct binding *b;

	*why = DROP_NAT_FILTERED;
	if (!n->cfg.endpoint_independent || m->is_extra)
		return NULL;
	/* Without a binding there is no VIP that the node would know it by. */
	b = binding_by_rip(n->bindings, m->subscriber, rip, (m->kind & NAT_KIND_IN6) == 0);
	if (b == NULL)
		return NULL;
	if (!has_room(n, m->subscriber, why))
		return NULL;
	return flow_make(n, m, &b->vip, rip, now);
}

static uint64_t life_ns(const struct nat *n, const struct nat_flow *f)
{
	const uint8_t both = NAT_SEEN_OUT | NAT_SEEN_IN, fins = NAT_FIN_OUT | NAT_FIN_IN;

	switch (proto_of(f->kind)) {
	case NAT_UDP:
		return n->cfg.udp_ns;
	case NAT_ICMP:
		return n->cfg.icmp_ns;
	default:
		break;
	}
	if ((f->state & both) != both || (f->state & fins) == fins || f->state & NAT_RST)
		return n->cfg.tcp_half_ns;
	return n->cfg.tcp_open_ns;
}

void nat_flow_touch(struct nat *n, struct nat_flow *f, bool out, uint8_t tcp_flags, uint64_t now)
{
	/* Only the inside keeps a UDP or ICMP mapping alive (RFC 4787 REQ-6). */
	bool refresh = out || proto_of(f->kind) == NAT_TCP;
	uint32_t expires;

	if (proto_of(f->kind) == NAT_TCP) {
		if (tcp_flags & TCP_SYN) /* a new connection on the same ports */
			f->state &= (uint8_t) ~(NAT_FIN_OUT | NAT_FIN_IN | NAT_RST);
		if (tcp_flags & TCP_FIN)
			f->state |= out ? NAT_FIN_OUT : NAT_FIN_IN;
		if (tcp_flags & TCP_RST)
			f->state |= NAT_RST;
	}
	f->state |= out ? NAT_SEEN_OUT : NAT_SEEN_IN;
	if (!refresh)
		return;
	expires = nat_tick(now + life_ns(n, f)) + 1;
	/* An earlier end is noticed at the next visit, which is at most one turn of the wheel away. */
	f->expires = expires;
}

/* ---- expiry ---- */

static bool is_over(const struct nat *n, const struct nat_flow *f)
{
	const struct binding *b;

	if ((int32_t)(f->expires - n->tick) <= 0)
		return true;
	b = binding_table_by_vip(n->bindings, f->subscriber, &f->vip);
	return b == NULL || !ip_equal(&b->rip, &f->rip);
}

void nat_turn(struct nat *n, uint64_t now, unsigned int budget)
{
	uint32_t tick = nat_tick(now);

	if (n->tick == 0)
		n->tick = tick;
	while ((int32_t)(tick - n->tick) > 0) {
		uint32_t *head = &n->wheel[(n->tick + 1) % NAT_WHEEL_SLOTS];

		while (*head != 0) {
			uint32_t at = *head - 1;

			if (budget-- == 0)
				return;
			*head = n->flows[at].next;
			n->tick++; /* what is due in this slot counts as past */
			if (is_over(n, &n->flows[at]))
				flow_free(n, at);
			else
				wheel_put(n, at);
			n->tick--;
		}
		n->tick++;
	}
}
