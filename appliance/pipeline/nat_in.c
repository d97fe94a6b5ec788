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

/* For this worker, and such as nat_quick.h means; then of t is set what the look-up needs. A port that the
 * pool does not have leads to no flow, and the long way has a name for that.
 */
static __rte_always_inline bool is_quick(struct worker *w, struct nat_pass *p, struct last *l)
{
	const struct nat_pool *pool = w->rs->nat->pool;
	uint32_t dst;

	if (unlikely((pkt_meta(p->m)->flags & PKT_PLAIN) == 0 && !nat_quick_is(p->c.ip, p->c.len)))
		return false;
	memcpy(&dst, p->c.ip + 16, sizeof(dst));
	if (unlikely(dst != l->dst))
		last_set(pool, l, dst);
	if (unlikely(l->addr < 0))
		return false;
	p->t.src = nat_quick_src(p->c.ip);
	p->t.dport = load_be16(p->c.ip + QUICK_AT_DPORT);
	p->t.class = (uint8_t)nat_quick_proto(p->c.ip);
	return likely(l->owner == w->id) ||
	       (l->owner < 0 && nat_pool_owner(pool, (uint16_t)l->addr, p->t.dport) == w->id);
}

/* False: not done, the long way has the name of what is in the way. */
static __rte_always_inline bool quick_in(struct worker *w, const struct nat_pass *p)
{
	struct nat_flow *f = p->f;
	struct rte_mbuf *m = p->m;

	if (unlikely(p->leg == NULL || !nat_quick_fits(f) ||
		     (p->c.len > RS_INNER_MIN && p->c.len > seal_inner_mtu(w, p->leg))))
		return false;
	nat_flow_touch(w->rs->nat, f, false, 0, w->now);
	nat_quick_write(p->c.ip, ip_v4(&f->vip), p->leg->vip4,
			nat_quick_dport(p->c.ip, f->in_port));
	pkt_cut(m, (int)pkt_meta(m)->l3, p->c.len);
	pkt_meta(m)->leg = p->leg;
	burst_push(&w->stats, &w->lanes.seal, m);
	return true;
}

/* From subscriber to leg to way and key: each is a line that tells where the next one is. */
static void fetch_legs(const struct worker *w, struct nat_pass *pass, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		pass[i].leg = pass[i].f == NULL ? NULL : leg_of(w, pass[i].f->subscriber);
		rte_prefetch0(pass[i].leg);
	}
	for (uint16_t i = 0; i < n; i++)
		if (likely(pass[i].leg != NULL))
			leg_prefetch_way(w->rs->dp->legs, pass[i].leg);
}

void nat_in_stage(struct worker *w)
{
	struct burst *b = &w->lanes.gn;
	struct nat *n = w->rs != NULL ? w->rs->nat : NULL;
	struct nat_pass pass[LANE_MAX];
	uint64_t hash[LANE_MAX];
	struct flow_probe probe;
	uint16_t kept = 0;
	uint32_t ref;
	struct last last = {.dst = 0, .addr = -1};
	int addr[LANE_MAX];

	for (uint16_t i = 0; i < b->n; i++) {
		struct nat_pass *p = &pass[kept];
		struct rte_mbuf *m = b->pkt[i];

		if (unlikely(n == NULL)) {
			burst_drop(&w->stats, m, DROP_NO_ROLE);
			continue;
		}
		p->m = m;
		p->leg = NULL;
		p->f = NULL;
		p->iface = pkt_meta(m)->iface;
		p->c = (struct cut){pkt_l3(m), pkt_meta(m)->l3_len};
		p->is_quick = is_quick(w, p, &last);
		addr[kept] = last.addr;
		if (unlikely(!p->is_quick && !is_plain(w, p, &addr[kept])))
			continue;
		hash[kept] = nat_hash_out(n, (uint16_t)addr[kept], proto_of(&p->t), p->t.dport,
					  &p->t.src);
		flow_index_prefetch(&n->flow_out, hash[kept]);
		kept++;
	}
	b->n = 0;
	for (uint16_t i = 0; i < kept; i++) {
		ref = flow_index_first(&n->flow_out, hash[i], &probe);
		pass[i].f = ref == FLOW_NONE ? NULL : &n->flows[ref];
		rte_prefetch0(pass[i].f); /* NULL is harmless */
	}
	for (uint16_t i = 0; i < kept; i++) {
		struct nat_pass *p = &pass[i];

		/* A tag is right by chance once in thousands of times: the first is the one. */
		if (unlikely(p->f != NULL &&
			     !nat_flow_is_out(p->f, (uint16_t)addr[i], proto_of(&p->t), p->t.dport,
					      &p->t.src)))
			p->f = flow_find(n, p, (uint16_t)addr[i], hash[i]);
		if (likely(p->f != NULL))
			rte_prefetch0(&n->legs->subscribers[p->f->subscriber]);
	}
	fetch_legs(w, pass, kept);
	for (uint16_t i = 0; i < kept; i++) {
		struct nat_pass *p = &pass[i];

		if (likely(p->is_quick && p->f != NULL && quick_in(w, p)))
			continue;
		if (!p->is_quick || is_plain(w, p, &addr[i]))
			in_packet(w, p, (uint16_t)addr[i]);
	}
}
