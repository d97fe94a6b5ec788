/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/nat_open.h"

#include "appliance/nat_map.h"

#include <rte_prefetch.h>

/* How flows begin. Opening is cut in two so that a bulk waits for memory together: first the flow is
 * made and found from inside; only then it is known which public port it has, and the two lines of
 * index on the outside are fetched while the others of the bulk are made.
 */
struct pending {
	struct nat_flow *f;
	const struct nat_map *new_map; /* not entered yet; NULL: an old one */
	uint64_t flow_hash, map_hash;
};

struct pendings {
	struct pending p[NAT_BULK];
	unsigned int n;
};

static void enter_all(struct nat *n, struct pendings *ps)
{
	for (unsigned int i = 0; i < ps->n; i++) {
		flow_index_prefetch(&n->flow_out, ps->p[i].flow_hash);
		if (ps->p[i].new_map != NULL)
			flow_index_prefetch(&n->map_out, ps->p[i].map_hash);
	}
	for (unsigned int i = 0; i < ps->n; i++) {
		const struct pending *p = &ps->p[i];

		flow_index_add(&n->flow_out, p->flow_hash, (uint32_t)(p->f - n->flows));
		if (p->new_map != NULL)
			nat_map_enter(n, p->new_map, p->map_hash);
	}
	ps->n = 0;
}

static struct nat_flow *flow_make(struct nat *n, struct nat_map *m, const struct ip_addr *vip,
				  const struct ip_addr *rip, uint64_t now, struct pendings *ps)
{
	uint32_t at = n->free_flows[--n->n_free_flows];
	struct pending *p = &ps->p[ps->n++];
	struct nat_flow *f = &n->flows[at];
	enum nat_proto proto = nat_proto_of(m->kind);

	*f = (struct nat_flow){
		.vip = *vip,
		.rip = *rip,
		.subscriber = m->subscriber,
		.in_port = m->in_port,
		.kind = m->kind,
		.state = nat_pool_addr_find(n->pool, rip) >= 0 ? NAT_HAIRPIN : 0,
		.addr = m->addr,
		.port = m->port,
		.map = (uint32_t)(m - n->maps),
		.expires = nat_tick(now) + 1,
	};
	flow_index_add(&n->flow_in, nat_hash_in(n, f->subscriber, proto, f->in_port, vip), at);
	*p = (struct pending){.f = f, .flow_hash = nat_hash_out(n, f->addr, proto, f->port, rip)};
	if (m->flows++ == 0) {
		p->new_map = m;
		p->map_hash = nat_map_hash_out(n, m->addr, proto, m->port);
	}
	nat_subscriber_count(n, f->subscriber, 1);
	n->n_flows++;
	nat_flow_hang(n, f);
	return f;
}

static bool has_room(const struct nat *n, uint32_t subscriber, enum drop_reason *why)
{
	if (n->n_free_flows == 0) {
		*why = DROP_NAT_FULL;
		return false;
	}
	if (nat_subscriber_flows(n, subscriber) >= n->cfg.subscriber_flows) {
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
	enum nat_proto proto = nat_proto_of(m->kind);

	return nat_flow_find_out(n, nat_hash_out(n, m->addr, proto, m->port, rip), m->addr, proto,
				 m->port, rip) != NULL;
}

static uint8_t kind_of(enum nat_proto proto, const struct ip_addr *vip, const struct ip_addr *rip)
{
	return (uint8_t)(proto | (ip_is_v4(vip) ? 0 : NAT_KIND_IN6) |
			 (ip_is_v4(rip) ? 0 : NAT_KIND_OUT6));
}

static struct nat_flow *open_one(struct nat *n, const struct nat_ask *a, uint64_t now,
				 struct pendings *ps, enum drop_reason *why)
{
	const struct binding *b = binding_table_by_vip(n->bindings, a->subscriber, &a->vip);
	struct nat_map *m;
	uint8_t kind;

	if (b == NULL) {
		*why = DROP_INNER_DEST;
		return NULL;
	}
	if (!has_room(n, a->subscriber, why))
		return NULL;
	kind = kind_of((enum nat_proto)a->proto, &a->vip, &b->rip);
	m = nat_map_find_in(n, nat_map_hash_in(n, a->subscriber, kind, a->port), a->subscriber,
			    kind, a->port);
	if (m == NULL) {
		m = nat_map_make(n, a->subscriber, kind, a->port, false, why);
	} else {
		enter_all(n, ps); /* it may be about one of them */
		if (is_ambiguous(n, m, &b->rip))
			m = nat_map_make(n, a->subscriber, kind, a->port, true, why);
	}
	return m == NULL ? NULL : flow_make(n, m, &a->vip, &b->rip, now, ps);
}

struct nat_flow *nat_flow_open(struct nat *n, uint32_t subscriber, enum nat_proto proto,
			       uint16_t in_port, const struct ip_addr *vip, uint64_t now,
			       enum drop_reason *why)
{
	const struct nat_ask ask = {
		.vip = *vip, .subscriber = subscriber, .port = in_port, .proto = (uint8_t)proto};
	struct pendings ps = {.n = 0};
	struct nat_flow *f = open_one(n, &ask, now, &ps, why);

	enter_all(n, &ps);
	return f;
}

/* ---- bulks ---- */

/* First what can be told from the ask alone. The family of the general host is not known before its
 * binding is; that of its VIP is a good guess.
 */
static void fetch_first(const struct nat *n, const struct nat_ask *a)
{
	uint8_t kind = kind_of((enum nat_proto)a->proto, &a->vip, &a->vip);

	binding_table_prefetch(n->bindings, a->subscriber, &a->vip);
	rte_prefetch0(&n->legs->subscribers[a->subscriber]);
	flow_index_prefetch(&n->map_in, nat_map_hash_in(n, a->subscriber, kind, a->port));
}

/* Then what hangs on it; i-th of those to be made. */
static void fetch_second(const struct nat *n, const struct nat_ask *a, unsigned int i)
{
	const struct subscriber *s = &n->legs->subscribers[a->subscriber];

	binding_table_prefetch_entry(n->bindings, a->subscriber, &a->vip);
	nat_pool_prefetch(n->pool, &s->share[ip_is_v4(&a->vip)]);
	if (i < n->n_free_flows)
		rte_prefetch0(&n->flows[n->free_flows[n->n_free_flows - 1 - i]]);
	if (i < n->n_free_maps)
		rte_prefetch0(&n->maps[n->free_maps[n->n_free_maps - 1 - i]]);
}

/* made: how many this bulk has made so far. How many it has by now. */
static unsigned int open_some(struct nat *n, const struct nat_ask *ask, unsigned int cnt,
			      uint64_t now, unsigned int made, struct nat_flow **f,
			      enum drop_reason *why)
{
	struct pendings ps = {.n = 0};
	unsigned int missing = 0;

	for (unsigned int i = 0; i < cnt; i++)
		if (f[i] == NULL)
			fetch_first(n, &ask[i]);
	for (unsigned int i = 0; i < cnt; i++)
		if (f[i] == NULL)
			fetch_second(n, &ask[i], missing++);
	for (unsigned int i = 0; i < cnt; i++) {
		if (f[i] != NULL)
			continue;
		/* One before it in the bulk may have asked for the same. */
		if (made > 0)
			f[i] = nat_flow_find_in(n, ask[i].hash, ask[i].subscriber,
						(enum nat_proto)ask[i].proto, ask[i].port,
						&ask[i].vip);
		if (f[i] != NULL)
			continue;
		f[i] = open_one(n, &ask[i], now, &ps, &why[i]);
		made += f[i] != NULL;
	}
	enter_all(n, &ps);
	return made;
}

void nat_flow_open_bulk(struct nat *n, const struct nat_ask *ask, unsigned int cnt, uint64_t now,
			struct nat_flow **f, enum drop_reason *why)
{
	unsigned int made = 0;

	for (unsigned int at = 0; at < cnt; at += NAT_BULK)
		made = open_some(n, ask + at, RTE_MIN(cnt - at, (unsigned int)NAT_BULK), now, made,
				 f + at, why + at);
}

/* ---- from outside ---- */

struct nat_flow *nat_flow_accept(struct nat *n, struct nat_map *m, const struct ip_addr *rip,
				 uint64_t now, enum drop_reason *why)
{
	struct pendings ps = {.n = 0};
	const struct binding *b;
	struct nat_flow *f;

	*why = DROP_NAT_FILTERED;
	if (!n->cfg.endpoint_independent || m->is_extra)
		return NULL;
	/* Without a binding there is no VIP that the node would know it by. */
	b = binding_by_rip(n->bindings, m->subscriber, rip, (m->kind & NAT_KIND_IN6) == 0);
	if (b == NULL)
		return NULL;
	if (!has_room(n, m->subscriber, why))
		return NULL;
	f = flow_make(n, m, &b->vip, rip, now, &ps);
	enter_all(n, &ps);
	return f;
}
