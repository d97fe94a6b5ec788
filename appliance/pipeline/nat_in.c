/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/pipeline/nat.h"
#include "appliance/pipeline/nat_quick.h"
#include "appliance/pipeline/outer.h"
#include "appliance/pipeline/seal.h"
#include "appliance/worker.h"

#include <rte_prefetch.h>

/* RS-N, general host to node: from an address and port of the pool to VIP_MN, with VIP_GN as the
 * source. What belongs to another worker goes there first; what has no mapping is a counted drop,
 * never the kernel's, whose answer would end other people's flows.
 */

static enum nat_proto proto_of(const struct tuple *t)
{
	return (enum nat_proto)t->class;
}

/* The leg that the subscriber's packets go out by now, NULL if it has none. */
static struct leg *leg_of(const struct worker *w, uint32_t subscriber)
{
	const struct leg_table *t = w->rs->dp->legs;
	/* pairs with the release store in leg_table_add() */
	uint32_t slot = atomic_load_explicit(&t->subscribers[subscriber].leg, memory_order_acquire);

	return slot == 0 ? NULL : &t->legs[slot - 1];
}

static struct nat_flow *flow_find(struct nat *n, const struct nat_pass *p, uint16_t addr,
				  uint64_t hash)
{
	return nat_flow_find_out(n, hash, addr, proto_of(&p->t), p->t.dport, &p->t.src);
}

/* No flow for this general host when it was looked up. Has a packet just before made one? Is there a
 * mapping, and does the filter let it in?
 */
static enum drop_reason flow_accept(struct worker *w, struct nat_pass *p, uint16_t addr)
{
	struct nat *n = w->rs->nat;
	struct nat_map *m = nat_map_find_out(n, addr, proto_of(&p->t), p->t.dport);
	enum drop_reason why = DROP_NAT_NO_MAPPING;

	p->f = flow_find(n, p, addr, nat_hash_out(n, addr, proto_of(&p->t), p->t.dport, &p->t.src));
	if (p->f != NULL)
		return DROP_MAX;
	if (m == NULL)
		return why;
	p->f = nat_flow_accept(n, m, &p->t.src, w->now, &why);
	return p->f == NULL ? why : DROP_MAX;
}

static struct ip_addr vip_of(const struct leg *leg, const struct nat_flow *f)
{
	return f->kind & NAT_KIND_IN6 ? leg->vip6 : ip_from_v4(leg->vip4);
}

static uint32_t size_in(const struct nat_pass *p)
{
	bool to_v6 = (p->f->kind & NAT_KIND_IN6) != 0;

	if (to_v6 == p->t.v6)
		return p->t.len;
	return (uint32_t)(p->t.len - p->t.l4) + (to_v6 ? IP6_HDR_LEN : IP4_HDR_LEN);
}

static void to_node(struct worker *w, struct nat_pass *p)
{
	struct nat_flow *f = p->f;
	bool query = p->t.class == TUPLE_QUERY, to_v6 = (f->kind & NAT_KIND_IN6) != 0;
	struct nat_exit e = {.lane = &w->lanes.seal, .leg = p->leg};
	struct ip_addr vip = vip_of(p->leg, f);
	struct rewrite r = {
		.src = &f->vip,
		.dst = &vip,
		.sport = query ? f->in_port : p->t.sport,
		.dport = f->in_port,
		.id = w->rs->ip_id++,
	};
	enum drop_reason why;

	e.mtu = seal_inner_mtu(w, p->leg);
	r.mss = nat_mss(e.mtu, to_v6);
	if (unlikely(size_in(p) > e.mtu && p->t.df && p->m != NULL)) {
		nat_too_big(w, p, (uint16_t)(to_v6 && !p->t.v6 ? e.mtu - 20 : e.mtu), false);
		return;
	}
	nat_flow_touch(w->rs->nat, f, false, p->t.tcp_flags, w->now);
	why = rewrite_packet(&p->c, &p->t, &r);
	if (unlikely(why != DROP_MAX)) {
		nat_drop(w, p, why);
		return;
	}
	nat_emit(w, p, &e);
}

/* p->f is the flow, if the look-up found one. */
static void in_packet(struct worker *w, struct nat_pass *p, uint16_t addr)
{
	enum drop_reason why = DROP_MAX;

	if (p->f == NULL)
		why = flow_accept(w, p, addr);
	if (unlikely(why == DROP_MAX && p->t.ttl <= 1))
		why = DROP_IP_TTL;
	if (likely(why == DROP_MAX)) {
		p->leg = leg_of(w, p->f->subscriber);
		if (unlikely(p->leg == NULL))
			why = DROP_NO_ASSOC;
	}
	if (unlikely(why != DROP_MAX))
		nat_drop(w, p, why);
	else
		to_node(w, p);
}

void nat_in_packet(struct worker *w, struct nat_pass *p)
{
	struct nat *n = w->rs->nat;
	int addr = nat_pool_addr_find(n->pool, &p->t.dst);

	if (addr < 0) {
		nat_drop(w, p, DROP_NAT_NO_MAPPING);
		return;
	}
	if (p->t.class == TUPLE_ERROR) {
		nat_error_in(w, p, (uint16_t)addr);
		return;
	}
	p->f = nat_flow_find_out(
		n, nat_hash_out(n, (uint16_t)addr, proto_of(&p->t), p->t.dport, &p->t.src),
		(uint16_t)addr, proto_of(&p->t), p->t.dport, &p->t.src);
	in_packet(w, p, (uint16_t)addr);
}

/* Is the packet this worker's to translate? Else it was sent on or dropped. */
static bool is_ours(struct worker *w, struct nat_pass *p, int addr)
{
	enum nat_proto proto = proto_of(&p->t);
	uint16_t port = p->t.dport;
	int owner;

	if (p->t.class == TUPLE_ERROR && !nat_quoted_port(p->c.ip, &p->t, &proto, &port)) {
		burst_drop(&w->stats, p->m, DROP_NAT_ICMP);
		return false;
	}
	owner = nat_pool_owner(w->rs->nat->pool, (uint16_t)addr, port);
	if (owner == w->id)
		return true;
	if (owner < 0)
		burst_drop(&w->stats, p->m, DROP_NAT_NO_MAPPING);
	else
		worker_steer(w, p->m, (uint16_t)owner);
	return false;
}

static bool is_plain(struct worker *w, struct nat_pass *p, int *addr)
{
	enum drop_reason why = tuple_parse(p->c.ip, p->c.len, &p->t);

	if (why == DROP_MAX && p->t.class == TUPLE_OTHER)
		why = DROP_NAT_PROTO;
	*addr = nat_pool_addr_find(w->rs->nat->pool, &p->t.dst);
	if (why == DROP_MAX && *addr < 0)
		why = DROP_NAT_NO_MAPPING;
	if (unlikely(why != DROP_MAX)) {
		burst_drop(&w->stats, p->m, why);
		return false;
	}
	if (unlikely(p->t.class == TUPLE_PIECE)) {
		nat_piece_in(w, p->m);
		return false;
	}
	if (unlikely(!is_ours(w, p, *addr)))
		return false;
	if (unlikely(p->t.class == TUPLE_ERROR)) {
		nat_error_in(w, p, (uint16_t)*addr);
		return false;
	}
	return true;
}

/* ---- bursts ---- */

/* What a packet from outside asks for: flow_find() of many. */
struct ask {
	struct ip_addr src; /* of the general host */
	uint64_t hash;
	uint16_t addr, port; /* of the pool */
	uint8_t proto;	     /* enum nat_proto */
	bool is_quick;
};

/* The pool's address that packets came to last: those to one node come in a row. */
struct last {
	uint32_t dst; /* 0: none, and no address of a pool */
	int addr;     /* its place, -1: none */
	int owner;    /* worker that has it alone; -1: it depends on the port */
};

static __attribute__((noinline)) void last_set(const struct nat_pool *pool, struct last *l,
					       uint32_t dst)
{
	struct ip_addr ip = ip_from_v4(dst);

	l->dst = dst;
	l->addr = nat_pool_addr_find(pool, &ip);
	l->owner = l->addr < 0 ? -1 : nat_pool_addr_owner(pool, (uint16_t)l->addr);
}

/* For this worker, and such as nat_quick.h means; then a is what it asks for. A port that the pool does not
 * have leads to no flow, and the long way has a name for that.
 */
static __rte_always_inline bool ask_quick(const struct worker *w, const struct rte_mbuf *m,
					  const struct pkt_meta *meta, struct last *l,
					  struct ask *a)
{
	const struct nat_pool *pool = w->rs->nat->pool;
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, meta->l3);
	uint32_t dst;

	if (unlikely((meta->flags & PKT_PLAIN) == 0 && !nat_quick_is(ip, meta->l3_len)))
		return false;
	memcpy(&dst, ip + 16, sizeof(dst));
	if (unlikely(dst != l->dst))
		last_set(pool, l, dst);
	if (unlikely(l->addr < 0))
		return false;
	a->src = nat_quick_src(ip);
	a->addr = (uint16_t)l->addr;
	a->port = load_be16(ip + QUICK_AT_DPORT);
	a->proto = (uint8_t)nat_quick_proto(ip);
	a->is_quick = true;
	return likely(l->owner == w->id) ||
	       (l->owner < 0 && nat_pool_owner(pool, (uint16_t)l->addr, a->port) == w->id);
}

static struct nat_pass pass_of(struct rte_mbuf *m)
{
	return (struct nat_pass){
		.m = m,
		.c = {pkt_l3(m), pkt_meta(m)->l3_len},
		.iface = pkt_meta(m)->iface,
	};
}

/* False: it was taken by another way, or dropped. */
static __attribute__((noinline)) bool ask_any(struct worker *w, struct rte_mbuf *m, struct ask *a)
{
	struct nat_pass p = pass_of(m);
	int addr;

	if (!is_plain(w, &p, &addr))
		return false;
	*a = (struct ask){
		.src = p.t.src,
		.addr = (uint16_t)addr,
		.port = p.t.dport,
		.proto = (uint8_t)proto_of(&p.t),
	};
	return true;
}

/* What they ask for, of those that stay in b; the buckets are on their way. */
static void asks_make(struct worker *w, struct burst *b, struct ask *ask)
{
	const struct nat *n = w->rs->nat;
	struct last last = {.dst = 0, .addr = -1};
	uint16_t kept = 0;

	for (uint16_t i = 0; i < b->n; i++) {
		struct rte_mbuf *m = b->pkt[i];
		struct ask *a = &ask[kept];

		if (unlikely(!ask_quick(w, m, pkt_meta(m), &last, a)) && !ask_any(w, m, a))
			continue;
		a->hash = nat_hash_out(n, a->addr, (enum nat_proto)a->proto, a->port, &a->src);
		flow_index_prefetch(&n->flow_out, a->hash);
		b->pkt[kept++] = m;
	}
	b->n = kept;
}

/* Flows of a burst, and the legs that they lead to: those of one subscriber in a row share it. */
struct found {
	struct nat_flow *f[LANE_MAX]; /* NULL: none yet */
	uint8_t run[LANE_MAX];	      /* of packets that have a flow: which leg */
	struct leg *leg[LANE_MAX];    /* by run; NULL: the subscriber has none now */
	uint32_t subscriber[LANE_MAX];
	uint16_t runs;
};
_Static_assert(LANE_MAX <= UINT8_MAX + 1, "runs are kept in bytes");

static void flows_find(struct nat *n, const struct ask *ask, uint16_t cnt, struct found *v)
{
	struct flow_probe probe;
	uint32_t last = 0;

	for (uint16_t i = 0; i < cnt; i++) {
		uint32_t ref = flow_index_first(&n->flow_out, ask[i].hash, &probe);

		v->f[i] = ref == FLOW_NONE ? NULL : &n->flows[ref];
		rte_prefetch0(v->f[i]); /* NULL is harmless */
	}
	v->runs = 0;
	for (uint16_t i = 0; i < cnt; i++) {
		const struct ask *a = &ask[i];
		struct nat_flow *f = v->f[i];

		/* A tag is right by chance once in thousands of times: the first is the one. */
		if (unlikely(f == NULL || !nat_flow_is_out(f, a->addr, (enum nat_proto)a->proto,
							   a->port, &a->src))) {
			if (f != NULL)
				f = nat_flow_find_out(n, a->hash, a->addr, (enum nat_proto)a->proto,
						      a->port, &a->src);
			v->f[i] = f;
			if (f == NULL)
				continue;
		}
		if (v->runs == 0 || f->subscriber != last) {
			last = f->subscriber;
			v->subscriber[v->runs++] = last;
			rte_prefetch0(&n->legs->subscribers[last]);
		}
		v->run[i] = (uint8_t)(v->runs - 1);
	}
}

/* From subscriber to leg to way and key: each is a line that tells where the next one is. */
static void legs_find(const struct worker *w, struct found *v)
{
	for (uint16_t i = 0; i < v->runs; i++) {
		v->leg[i] = leg_of(w, v->subscriber[i]);
		rte_prefetch0(v->leg[i]);
	}
	for (uint16_t i = 0; i < v->runs; i++)
		if (likely(v->leg[i] != NULL))
			leg_prefetch_way(w->rs->dp->legs, v->leg[i]);
}

/* The leg that packets went to last, and what its link takes. */
struct room {
	const struct leg *leg; /* NULL: none yet */
	uint16_t bytes;
};

static __attribute__((noinline)) void room_set(const struct worker *w, struct room *r,
					       const struct leg *leg)
{
	r->leg = leg;
	r->bytes = seal_inner_mtu(w, leg);
}

/* False: not done, the long way has the name of what is in the way. */
static __rte_always_inline bool quick_in(struct worker *w, struct rte_mbuf *m, struct nat_flow *f,
					 struct leg *leg, struct room *r)
{
	struct pkt_meta *meta = pkt_meta(m);
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, meta->l3);
	uint16_t len = meta->l3_len;

	if (unlikely(leg == NULL || !nat_quick_fits(f)))
		return false;
	if (unlikely(len > RS_INNER_MIN)) {
		if (leg != r->leg)
			room_set(w, r, leg);
		if (len > r->bytes)
			return false;
	}
	nat_flow_touch(w->rs->nat, f, false, 0, w->now);
	nat_quick_write(ip, ip_v4(&f->vip), leg->vip4, nat_quick_dport(ip, f->in_port));
	pkt_cut(m, meta->l3, len);
	meta->leg = leg;
	burst_push(&w->stats, &w->lanes.seal, m);
	return true;
}

static __attribute__((noinline)) void any_in(struct worker *w, struct rte_mbuf *m,
					     struct nat_flow *f)
{
	struct nat_pass p = pass_of(m);
	int addr;

	p.f = f;
	if (is_plain(w, &p, &addr)) /* as when it was asked about */
		in_packet(w, &p, (uint16_t)addr);
}

static void no_nat(struct worker *w, struct burst *b)
{
	for (uint16_t i = 0; i < b->n; i++)
		burst_drop(&w->stats, b->pkt[i], DROP_NO_ROLE);
	b->n = 0;
}

void nat_in_stage(struct worker *w)
{
	struct burst *b = &w->lanes.gn;
	struct room room = {.leg = NULL};
	struct ask ask[LANE_MAX];
	struct found v;

	if (unlikely(w->rs == NULL || w->rs->nat == NULL)) {
		no_nat(w, b);
		return;
	}
	asks_make(w, b, ask);
	flows_find(w->rs->nat, ask, b->n, &v);
	legs_find(w, &v);
	for (uint16_t i = 0; i < b->n; i++)
		if (unlikely(!ask[i].is_quick || v.f[i] == NULL ||
			     !quick_in(w, b->pkt[i], v.f[i], v.leg[v.run[i]], &room)))
			any_in(w, b->pkt[i], v.f[i]);
	b->n = 0;
}
