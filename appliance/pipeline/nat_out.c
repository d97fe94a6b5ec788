/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/iface.h"
#include "appliance/pipeline/nat.h"
#include "appliance/pipeline/nat_quick.h"
#include "appliance/pipeline/outer.h"
#include "appliance/pipeline/seal.h"
#include "appliance/worker.h"

#include <rte_prefetch.h>

/* RS-N, node to general host: VIP_MN becomes an address and port of the pool, VIP_GN the real
 * address. Three loops: read the packets and fetch the buckets; fetch the flows; translate.
 */

static enum nat_proto proto_of(const struct tuple *t)
{
	return (enum nat_proto)t->class;
}

/* A destination that control allowed may have become the box's own since. */
static bool is_refused(const struct worker *w, const struct nat_flow *f)
{
	return (local_lookup(w->local, &f->rip, NULL) & (LOCAL_BOX | LOCAL_POOL)) == LOCAL_BOX;
}

static enum drop_reason flow_open(struct worker *w, struct nat_pass *p)
{
	struct nat *n = w->rs->nat;
	enum drop_reason why = DROP_MAX;

	p->f = nat_flow_open(n, p->leg->subscriber, proto_of(&p->t), p->t.sport, &p->t.dst, w->now,
			     &why);
	if (p->f == NULL)
		return why;
	return is_refused(w, p->f) ? DROP_REFUSED_DEST : DROP_MAX;
}

static __rte_always_inline uint32_t nexthop_of(const struct worker *w, struct nat_flow *f,
					       uint32_t gen)
{
	/* With the routes the box's addresses may have changed as well. */
	if (unlikely(f->route_gen != gen)) {
		f->nexthop = is_refused(w, f) ? NEXTHOP_NONE : route_lookup(w, &f->rip);
		f->route_gen = gen;
	}
	return f->nexthop;
}

/* What p will measure behind the translation. */
static uint32_t size_out(const struct nat_pass *p)
{
	bool to_v6 = (p->f->kind & NAT_KIND_OUT6) != 0;

	if (to_v6 == p->t.v6)
		return p->t.len;
	return (uint32_t)(p->t.len - p->t.l4) + (to_v6 ? IP6_HDR_LEN : IP4_HDR_LEN);
}

static enum drop_reason translate(struct worker *w, struct nat_pass *p)
{
	struct nat_flow *f = p->f;
	bool query = p->t.class == TUPLE_QUERY;
	struct rewrite r = {
		.src = nat_pool_addr(w->rs->nat->pool, f->addr),
		.dst = &f->rip,
		.sport = f->port,
		.dport = query ? f->port : p->t.dport,
		/* Only a SYN has one to be lowered. */
		.mss = p->t.tcp_flags & NAT_TCP_SYN ? nat_mss(seal_inner_mtu(w, p->leg), p->t.v6)
						    : 0,
		.id = w->rs->ip_id++,
	};

	nat_flow_touch(w->rs->nat, f, true, p->t.tcp_flags, w->now);
	return rewrite_packet(&p->c, &p->t, &r);
}

/* To another node behind this RS: its public address is in our own pool (RFC 4787 REQ-9). */
static void to_pool(struct worker *w, struct nat_pass *p, int addr)
{
	enum drop_reason why;

	if (w->rs->nat->cfg.refuse_hairpin)
		why = DROP_REFUSED_DEST;
	else
		why = translate(w, p);
	if (why != DROP_MAX)
		nat_drop(w, p, why);
	else
		nat_hairpin(w, p, (uint16_t)addr, p->t.dport);
}

static void to_host(struct worker *w, struct nat_pass *p)
{
	struct nat_exit e = {.lane = &w->lanes.tx,
			     .nexthop = nexthop_of(w, p->f, fib_generation(w->fib))};
	enum drop_reason why;

	if (unlikely(e.nexthop == NEXTHOP_NONE)) {
		nat_drop(w, p, is_refused(w, p->f) ? DROP_REFUSED_DEST : DROP_NO_ROUTE);
		return;
	}
	e.mtu = w->ifaces[w->nexthops[e.nexthop].iface].mtu;
	if (unlikely(size_out(p) > e.mtu && p->t.df)) {
		bool grows = (p->f->kind & NAT_KIND_OUT6) != 0 && !p->t.v6;

		nat_too_big(w, p, (uint16_t)(grows ? e.mtu - 20 : e.mtu), true);
		return;
	}
	why = translate(w, p);
	if (unlikely(why != DROP_MAX)) {
		nat_drop(w, p, why);
		return;
	}
	nat_emit(w, p, &e);
}

/* With its flow, unless why says something already. */
static void out_packet(struct worker *w, struct nat_pass *p, enum drop_reason why)
{
	if (unlikely(why == DROP_MAX && p->t.ttl <= 1))
		why = DROP_IP_TTL;
	if (unlikely(why != DROP_MAX)) {
		nat_drop(w, p, why);
		return;
	}
	if (unlikely(p->f->state & NAT_HAIRPIN))
		to_pool(w, p, nat_pool_addr_find(w->rs->nat->pool, &p->f->rip));
	else
		to_host(w, p);
}

void nat_out_packet(struct worker *w, struct nat_pass *p)
{
	out_packet(w, p, p->f == NULL ? flow_open(w, p) : DROP_MAX);
}

static struct nat_pass pass_of(struct rte_mbuf *m)
{
	return (struct nat_pass){
		.m = m,
		.c = {rte_pktmbuf_mtod(m, uint8_t *), rte_pktmbuf_data_len(m)},
		.leg = pkt_meta(m)->leg,
		.iface = pkt_meta(m)->iface,
	};
}

/* False: p was taken by another way, or dropped. */
static bool is_plain(struct worker *w, struct nat_pass *p)
{
	enum drop_reason why = tuple_parse(p->c.ip, p->c.len, &p->t);

	if (unlikely(why != DROP_MAX)) {
		nat_drop(w, p, why);
		return false;
	}
	switch (p->t.class) {
	case TUPLE_UDP:
	case TUPLE_TCP:
	case TUPLE_QUERY:
		return true;
	case TUPLE_PIECE:
		nat_piece_out(w, p);
		return false;
	case TUPLE_ERROR:
		nat_error_out(w, p);
		return false;
	default:
		nat_drop(w, p, DROP_NAT_PROTO);
		return false;
	}
}

/* ---- bursts ---- */

/* False: p was taken by another way, or dropped. */
static bool ask_any(struct worker *w, struct rte_mbuf *m, struct nat_ask *a)
{
	struct nat_pass p = pass_of(m);

	if (!is_plain(w, &p))
		return false;
	*a = (struct nat_ask){.vip = p.t.dst,
			      .subscriber = p.leg->subscriber,
			      .port = p.t.sport,
			      .proto = (uint8_t)proto_of(&p.t)};
	return true;
}

static __rte_always_inline void ask_quick(struct rte_mbuf *m, struct nat_ask *a)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);

	a->vip = nat_quick_dst(ip);
	a->subscriber = pkt_meta(m)->leg->subscriber;
	a->port = load_be16(ip + QUICK_AT_SPORT);
	a->proto = (uint8_t)nat_quick_proto(ip);
}

/* What they ask for, of those that stay in b. */
static void asks_make(struct worker *w, struct burst *b, struct nat_ask *ask)
{
	const struct nat *n = w->rs->nat;
	uint16_t kept = 0;

	for (uint16_t i = 0; i < b->n; i++) {
		struct rte_mbuf *m = b->pkt[i];

		if (likely(pkt_meta(m)->flags & PKT_PLAIN))
			ask_quick(m, &ask[kept]);
		else if (!ask_any(w, m, &ask[kept]))
			continue;
		nat_ask_hash(n, &ask[kept]);
		b->pkt[kept++] = m;
	}
	b->n = kept;
}

/* First packets of flows, where there are any in the burst; why, of all. */
static __attribute__((noinline)) void open_missing(struct worker *w, const struct nat_ask *ask,
						   uint16_t n, struct nat_flow **f,
						   enum drop_reason *why)
{
	bool was_there[LANE_MAX];

	for (uint16_t i = 0; i < n; i++) {
		was_there[i] = f[i] != NULL;
		why[i] = DROP_MAX;
	}
	nat_flow_open_bulk(w->rs->nat, ask, n, w->now, f, why);
	for (uint16_t i = 0; i < n; i++)
		if (!was_there[i] && f[i] != NULL)
			why[i] = is_refused(w, f[i]) ? DROP_REFUSED_DEST : DROP_MAX;
}

/* What is the same for most of a burst. */
struct exit {
	const struct nat *n;
	uint64_t now;
	uint32_t gen;	  /* of the routes */
	uint32_t nexthop; /* the last one met, NEXTHOP_NONE at first */
	uint32_t room;	  /* bytes that its link takes */
};

/* False: not done, the long way has the name of what is in the way. */
static __rte_always_inline bool quick_out(struct worker *w, struct rte_mbuf *m, struct nat_flow *f,
					  struct exit *e)
{
	uint8_t *ip = rte_pktmbuf_mtod(m, uint8_t *);
	uint32_t nexthop = nexthop_of(w, f, e->gen);

	if (unlikely(nexthop != e->nexthop)) {
		if (nexthop == NEXTHOP_NONE)
			return false;
		e->nexthop = nexthop;
		e->room = w->ifaces[w->nexthops[nexthop].iface].mtu;
	}
	if (unlikely(rte_pktmbuf_data_len(m) > e->room || !nat_quick_fits(f)))
		return false;
	nat_flow_touch(e->n, f, true, 0, e->now);
	nat_quick_write(ip, ip_v4(nat_pool_addr(e->n->pool, f->addr)), ip_v4(&f->rip),
			nat_quick_sport(ip, f->port));
	pkt_meta(m)->nexthop = nexthop;
	burst_push(&w->stats, &w->lanes.tx, m);
	return true;
}

static __attribute__((noinline)) void any_out(struct worker *w, struct rte_mbuf *m,
					      struct nat_flow *f, enum drop_reason why)
{
	struct nat_pass p = pass_of(m);

	p.f = f;
	if (is_plain(w, &p)) /* as when it was asked about */
		out_packet(w, &p, why);
}

static void no_nat(struct worker *w, struct burst *b)
{
	for (uint16_t i = 0; i < b->n; i++)
		burst_drop(&w->stats, b->pkt[i], DROP_NO_ROLE);
	b->n = 0;
}

void nat_out_stage(struct worker *w)
{
	struct burst *b = &w->lanes.nat_out;
	struct exit e = {.n = w->rs->nat, .now = w->now, .gen = fib_generation(w->fib)};
	struct nat_ask ask[LANE_MAX];
	struct nat_flow *f[LANE_MAX];
	enum drop_reason why[LANE_MAX];
	bool all;

	if (unlikely(w->rs->nat == NULL)) {
		no_nat(w, b);
		return;
	}
	asks_make(w, b, ask);
	all = nat_flow_find_bulk(w->rs->nat, ask, b->n, f);
	if (unlikely(!all))
		open_missing(w, ask, b->n, f, why);
	for (uint16_t i = 0; i < b->n; i++) {
		struct rte_mbuf *m = b->pkt[i];
		bool quick = (pkt_meta(m)->flags & PKT_PLAIN) != 0 &&
			     (all || (f[i] != NULL && why[i] == DROP_MAX));

		if (unlikely(!quick || !quick_out(w, m, f[i], &e)))
			any_out(w, m, f[i], all ? DROP_MAX : why[i]);
	}
	b->n = 0;
}
