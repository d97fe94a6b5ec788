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

enum { TCP_SYN = 2 };

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

static uint32_t nexthop_of(const struct worker *w, struct nat_flow *f)
{
	uint32_t gen = fib_generation(w->fib);

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
		.mss = p->t.tcp_flags & TCP_SYN ? nat_mss(seal_inner_mtu(w, p->leg), p->t.v6) : 0,
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
	struct nat_exit e = {.lane = &w->lanes.tx, .nexthop = nexthop_of(w, p->f)};
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

static struct nat_ask ask_of(const struct nat_pass *p)
{
	if (likely(p->is_quick))
		return (struct nat_ask){.vip = nat_quick_dst(p->c.ip),
					.subscriber = p->leg->subscriber,
					.port = load_be16(p->c.ip + QUICK_AT_SPORT),
					.proto = (uint8_t)nat_quick_proto(p->c.ip)};
	return (struct nat_ask){.vip = p->t.dst,
				.subscriber = p->leg->subscriber,
				.port = p->t.sport,
				.proto = (uint8_t)proto_of(&p->t)};
}

/* False: not done, the long way has the name of what is in the way. */
static __rte_always_inline bool quick_out(struct worker *w, const struct nat_pass *p)
{
	struct nat *n = w->rs->nat;
	struct nat_flow *f = p->f;
	uint32_t nexthop = nexthop_of(w, f);

	if (unlikely(nexthop == NEXTHOP_NONE ||
		     p->c.len > w->ifaces[w->nexthops[nexthop].iface].mtu))
		return false;
	nat_flow_touch(n, f, true, 0, w->now);
	nat_quick_write(p->c.ip, ip_v4(nat_pool_addr(n->pool, f->addr)), ip_v4(&f->rip),
			nat_quick_sport(p->c.ip, f->port));
	pkt_meta(p->m)->nexthop = nexthop;
	burst_push(&w->stats, &w->lanes.tx, p->m);
	return true;
}

/* First packets of flows, where there are any in the burst. */
static void open_missing(struct worker *w, const struct nat_ask *ask, uint16_t n,
			 struct nat_flow **f, enum drop_reason *why)
{
	bool was_there[LANE_MAX];

	for (uint16_t i = 0; i < n; i++)
		was_there[i] = f[i] != NULL;
	nat_flow_open_bulk(w->rs->nat, ask, n, w->now, f, why);
	for (uint16_t i = 0; i < n; i++)
		if (!was_there[i] && f[i] != NULL)
			why[i] = is_refused(w, f[i]) ? DROP_REFUSED_DEST : DROP_MAX;
}

void nat_out_stage(struct worker *w)
{
	struct burst *b = &w->lanes.nat_out;
	struct nat *n = w->rs->nat;
	struct nat_pass pass[LANE_MAX];
	struct nat_ask ask[LANE_MAX];
	struct nat_flow *f[LANE_MAX];
	enum drop_reason why[LANE_MAX];
	uint16_t kept = 0;

	for (uint16_t i = 0; i < b->n; i++) {
		struct nat_pass *p = &pass[kept];
		struct rte_mbuf *m = b->pkt[i];

		if (unlikely(n == NULL)) {
			burst_drop(&w->stats, m, DROP_NO_ROLE);
			continue;
		}
		p->m = m;
		p->c = (struct cut){rte_pktmbuf_mtod(m, uint8_t *), rte_pktmbuf_data_len(m)};
		p->leg = pkt_meta(m)->leg;
		p->iface = pkt_meta(m)->iface;
		p->f = NULL;
		p->is_quick = (pkt_meta(m)->flags & PKT_PLAIN) != 0;
		if (unlikely(!p->is_quick && !is_plain(w, p)))
			continue;
		ask[kept] = ask_of(p);
		nat_ask_hash(n, &ask[kept]);
		why[kept] = DROP_MAX;
		kept++;
	}
	b->n = 0;
	if (kept > 0 && unlikely(!nat_flow_find_bulk(n, ask, kept, f)))
		open_missing(w, ask, kept, f, why);
	for (uint16_t i = 0; i < kept; i++) {
		struct nat_pass *p = &pass[i];

		p->f = f[i];
		if (likely(p->is_quick && f[i] != NULL && why[i] == DROP_MAX &&
			   nat_quick_fits(f[i]) && quick_out(w, p)))
			continue;
		if (!p->is_quick || is_plain(w, p))
			out_packet(w, p, why[i]);
	}
}
