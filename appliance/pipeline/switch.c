/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/iface.h"
#include "appliance/path_count.h"
#include "appliance/pipeline/switch_quick.h"
#include "appliance/pipeline/switch_quick6.h"
#include "appliance/rs_worker.h"
#include "appliance/worker.h"
#include "common/wire.h"

/* RS-S: from the leg of one side of a path to the leg of the other. The outer IP and UDP headers are
 * written anew, in the family of the other side; the NTM packet is not touched.
 *
 * Who may send is decided by the direction bit and the recorded source address alone: an RS-S has
 * no key. The tag check of the peer does the rest.
 */

_Static_assert(LANE_MAX <= UINT8_MAX, "places are kept in bytes");

/* At most one event per path side in this time and worker's burst; control limits further. */
enum { STRANGER_EVENT_MS = RS_STRANGER_EVENT_NS / 1000000 };

/* One hop. */
struct pass {
	struct hops *h;
	uint16_t i;
	const struct path_record *rec;
	uint8_t *ntm, *ip;
	unsigned int from, to; /* RS_SIDE_ */
};

/* One about which there is something to ask. */
struct odd {
	uint8_t i;
	uint8_t from; /* RS_SIDE_ */
	bool is_stranger;
};

struct odds {
	uint16_t n;
	struct odd odd[LANE_MAX];
};

static struct path_ctl *ctl_of(const struct worker *w, const struct path_record *rec)
{
	const struct rs_dp *dp = w->rs->dp;

	return &dp->path_ctl[relay_table_number(dp->paths, rec)];
}

/* The outer source as two words: what is put together from pieces in memory would have to be waited for. */
struct source {
	uint64_t ip[2];
	uint16_t port;
};

static __rte_always_inline struct source source_of(const struct pass *p)
{
	struct source s = {.port = load_be16(p->ntm - UDP_HDR_LEN)};
	uint32_t v4;

	if (p->ip[0] >> 4 == 6) {
		memcpy(s.ip, p->ip + 8, 16);
		return s;
	}
	memcpy(&v4, p->ip + 12, 4);
	s.ip[1] = (uint64_t)v4 << 32 | 0xffff0000; /* ::ffff:a.b.c.d */
	return s;
}

static __rte_always_inline bool side_is(const struct path_side *side, const struct source *s)
{
	uint64_t high, low;

	memcpy(&high, side->ip.b, 8);
	memcpy(&low, side->ip.b + 8, 8);
	return ((high ^ s->ip[0]) | (low ^ s->ip[1])) == 0 && side->port == s->port;
}

/* Take one from a counter that several workers share; false when none is left. */
static bool take_one(_Atomic uint16_t *left)
{
	uint16_t v = atomic_load_explicit(left, memory_order_relaxed);

	while (v > 0) {
		if (atomic_compare_exchange_weak_explicit(left, &v, v - 1, memory_order_relaxed,
							  memory_order_relaxed))
			return true;
	}
	return false;
}

/* Of one side of a path once in a while, and where there is room: else it is tried again by the next one. */
static __rte_always_inline bool stranger_is_news(struct worker *w, struct path_ctl *ctl,
						 unsigned int from)
{
	uint32_t ms = (uint32_t)(w->now / 1000000);
	uint32_t last = atomic_load_explicit(&ctl->event_ms[from], memory_order_relaxed);

	if (last != 0 && ms - last < STRANGER_EVENT_MS)
		return false;
	if (unlikely(rte_ring_full(w->rs->events[RS_CLASS_HINT]))) {
		w->rs->events_lost++;
		return false;
	}
	atomic_store_explicit(&ctl->event_ms[from], ms == 0 ? 1 : ms, memory_order_relaxed);
	return true;
}

static __attribute__((noinline)) void tell_stranger(struct worker *w, const struct odd *o)
{
	const struct hops *h = &w->hops;
	struct rs_event ev = {
		.type = RS_EV_WRONG_SOURCE,
		.side = o->from,
		.len = h->len[o->i],
		.id = h->rec[o->i]->id,
	};
	struct endpoint dst;
	int local;

	hop_endpoints(h, o->i, &ev.src, &dst);
	local = rs_local_find(w->rs->dp, &dst);
	ev.local = local < 0 ? 0 : (uint16_t)local;
	rs_event_put(w, RS_CLASS_HINT, &ev);
}

/* A source that is not the recorded one: perhaps the NAT in front of the node made a new mapping. Some of
 * its packets may pass until control has asked who it is.
 */
static __rte_always_inline enum drop_reason stranger(struct worker *w, const struct odd *o,
						     struct path_ctl *ctl)
{
	if (stranger_is_news(w, ctl, o->from))
		tell_stranger(w, o);
	if (likely(!take_one(&ctl->strays[o->from])))
		return DROP_PATH_SOURCE;
	w->stats.path_stranger++;
	return DROP_MAX;
}

/* Whether it can be one at all, which the quick way through parse leaves to this place. */
static __rte_always_inline enum drop_reason
stranger_can_be(const struct worker *w, const struct pass *p, const struct source *s)
{
	struct endpoint src = {.port = s->port};

	memcpy(&src.ip, s->ip, sizeof(s->ip));
	if (!source_can_be(w, &src))
		return DROP_IP_SOURCE;
	return side_is(&p->rec->side[p->to], s) ? DROP_PATH_DIRECTION : DROP_MAX;
}

/* Before both legs are confirmed: a few handshake packets, no data. */
static enum drop_reason unconfirmed(const struct pass *p, struct path_ctl *ctl)
{
	uint8_t type = p->ntm[0] & 15;

	if (wire_type_is_sealed(type))
		return DROP_LEG_UNCONFIRMED;
	return take_one(&ctl->handshakes) ? DROP_MAX : DROP_LEG_UNCONFIRMED;
}

static enum drop_reason credit(struct worker *w, const struct pass *p, const struct path_ctl *ctl)
{
	uint32_t leg = ctl->leg[p->to];

	if (leg == 0 ||
	    leg_credit_take(&w->rs->dp->legs->credit[leg - 1], hop_size(p->h, p->i), w->now))
		return DROP_MAX;
	return DROP_LEG_CREDIT;
}

/* May it pass, as far as the notes about its path tell? DROP_MAX: yes. */
static enum drop_reason admit_noted(struct worker *w, const struct pass *p, struct path_ctl *ctl)
{
	const struct path_side *from = &p->rec->side[p->from], *to = &p->rec->side[p->to];

	if ((from->flags & to->flags & SIDE_CONFIRMED) == 0) {
		enum drop_reason why = unconfirmed(p, ctl);

		if (why != DROP_MAX)
			return why;
	}
	return to->flags & SIDE_CREDIT ? credit(w, p, ctl) : DROP_MAX;
}

static __attribute__((noinline)) uint64_t route_renew(const struct worker *w,
						      struct path_record *rec, uint32_t mark)
{
	uint64_t a = route_lookup(w, &rec->side[RS_SIDE_A].ip);
	uint64_t b = route_lookup(w, &rec->side[RS_SIDE_B].ip);
	uint64_t route = (uint64_t)mark << (2 * PATH_NEXTHOP_BITS) | b << PATH_NEXTHOP_BITS | a;

	atomic_store_explicit(&rec->route, route, memory_order_relaxed);
	return route;
}

/* The next hop kept in the record, looked up again by whoever first meets a new routing table.
 * Workers that do it at the same time write what is valid for both of them until their next quiescent
 * state.
 */
static __rte_always_inline uint32_t nexthop_of(const struct worker *w, const struct pass *p,
					       uint32_t mark)
{
	struct path_record *rec = (struct path_record *)(uintptr_t)p->rec;
	uint64_t route = atomic_load_explicit(&rec->route, memory_order_relaxed);

	if (unlikely(route >> (2 * PATH_NEXTHOP_BITS) != mark))
		route = route_renew(w, rec, mark);
	return (uint32_t)(route >> (p->to == RS_SIDE_B ? PATH_NEXTHOP_BITS : 0)) &
	       PATH_NEXTHOP_MASK;
}

static __attribute__((noinline)) void tell_too_big(struct worker *w, struct pass pass, uint16_t mtu)
{
	const struct pass *p = &pass;
	struct endpoint src, dst;
	struct rs_event ev = {
		.type = RS_EV_TOO_BIG,
		.side = (uint8_t)p->to,
		.local = p->rec->side[p->to].local,
		.mtu = mtu,
		.len = p->h->len[p->i],
		.id = p->rec->id,
	};

	if (unlikely(rte_ring_full(w->rs->events[RS_CLASS_HINT]))) {
		w->rs->events_lost++;
		return;
	}
	hop_endpoints(p->h, p->i, &src, &dst);
	ev.src = src;
	rs_event_put(w, RS_CLASS_HINT, &ev);
}

/* Sum of the addresses and ports of the headers as they came: they lie side by side. */
static __rte_always_inline uint64_t sum_received(const struct pass *p, bool from_v6)
{
	const uint8_t *addr = p->ip + (from_v6 ? 8 : 12);
	uint64_t sum;
	uint32_t w;

	memcpy(&w, p->ntm - UDP_HDR_LEN, 4);
	sum = w;
	for (unsigned int i = 0; i < (from_v6 ? 32 : 8); i += 4) {
		memcpy(&w, addr + i, 4);
		sum += w;
	}
	return sum;
}

/* The checksum covers addresses and ports of both legs' outer headers (RFC 1624). */
static __rte_always_inline void rewrite_udp(const struct pass *p, const struct path_side *to,
					    const struct rs_local *own, bool from_v6)
{
	uint8_t *udp = p->ntm - UDP_HDR_LEN;
	uint64_t old = sum_received(p, from_v6);
	uint16_t check;

	memcpy(&check, udp + 6, 2);
	store_be32(udp, (uint32_t)own->ep.port << 16 | to->port);
	if (unlikely(check == 0))
		return;
	check = csum_replace(check, old, own->sum + csum_ip(&to->ip) + csum_be16(to->port));
	if (unlikely(check == 0))
		check = 0xffff;
	memcpy(udp + 6, &check, 2);
}

/* Outer headers for the other side. Called with constants for the families, so that each pair has its
 * own code.
 */
static __rte_always_inline enum drop_reason rewrite(struct worker *w, const struct pass *p,
						    uint32_t mark, bool from_v6, bool to_v6)
{
	const struct path_side *to = &p->rec->side[p->to];
	const struct rs_local *own = &w->rs->dp->locals[to->local];
	const unsigned int hdr = to_v6 ? IP6_HDR_LEN : IP4_HDR_LEN;
	uint16_t udp_len = (uint16_t)(UDP_HDR_LEN + p->h->len[p->i]), mtu;
	struct outer o = {
		.src = &own->ep.ip,
		.dst = &to->ip,
		.tos = from_v6 ? (uint8_t)(load_be16(p->ip) >> 4) : p->ip[1],
		.ttl = from_v6 ? p->ip[7] : p->ip[8],
		.proto = IPPROTO_UDP,
		.flow = to_v6 ? flow_label(p->rec->id, p->to) : 0,
	};
	uint32_t nexthop;

	if (unlikely(o.ttl <= 1))
		return DROP_IP_TTL;
	o.ttl--;
	if (to_v6 && unlikely((p->ntm[-2] | p->ntm[-1]) == 0))
		return DROP_UDP_NO_CHECKSUM;
	nexthop = nexthop_of(w, p, mark);
	if (unlikely(nexthop == NEXTHOP_NONE))
		return DROP_NO_ROUTE;
	mtu = w->ifaces[w->nexthops[nexthop].iface].mtu;
	if (unlikely(hdr + udp_len > mtu)) {
		tell_too_big(w, *p, mtu);
		return DROP_MTU;
	}
	path_count_add(w->rs, p->rec, p->from, hop_size(p->h, p->i));
	rewrite_udp(p, to, own, from_v6);
	if (to_v6)
		outer_write6(p->ntm - UDP_HDR_LEN, udp_len, &o);
	else
		outer_write4(p->ntm - UDP_HDR_LEN, udp_len, &o);
	/* 20 bytes more or less in front; the headroom has them. */
	p->h->ip_len[p->i] = (uint16_t)hdr;
	p->h->nexthop[p->i] = nexthop;
	return DROP_MAX;
}

static __rte_always_inline struct pass pass_of(struct hops *h, uint16_t i)
{
	const unsigned int from = h->ntm[i][1] & WIRE_SIDE_A ? RS_SIDE_A : RS_SIDE_B;

	return (struct pass){
		.h = h,
		.i = i,
		.rec = h->rec[i],
		.ntm = h->ntm[i],
		.ip = hop_ip(h, i),
		.from = from,
		.to = RS_SIDE_A + RS_SIDE_B - from,
	};
}

static __attribute__((noinline)) enum drop_reason rewrite_any(struct worker *w, uint16_t i,
							      uint32_t mark)
{
	const struct pass p = pass_of(&w->hops, i);
	bool from_v6 = p.ip[0] >> 4 == 6, to_v6 = !ip_is_v4(&p.rec->side[p.to].ip);

	if (from_v6)
		return to_v6 ? rewrite(w, &p, mark, true, true) : rewrite(w, &p, mark, true, false);
	return to_v6 ? rewrite(w, &p, mark, false, true) : rewrite(w, &p, mark, false, false);
}

static __attribute__((noinline)) enum drop_reason rewrite_noted(struct worker *w, uint16_t i,
								uint32_t mark, struct path_ctl *ctl)
{
	const struct pass p = pass_of(&w->hops, i);
	enum drop_reason why = admit_noted(w, &p, ctl);

	return why == DROP_MAX ? rewrite_any(w, i, mark) : why;
}

/* Those that need their paths' notes, a flood of strangers perhaps: the notes are asked for all together. */
static __attribute__((noinline)) void switch_odds(struct worker *w, const struct odds *odds,
						  uint32_t mark, uint8_t *why)
{
	struct path_ctl *ctl[LANE_MAX];

	for (uint16_t k = 0; k < odds->n; k++) {
		ctl[k] = ctl_of(w, w->hops.rec[odds->odd[k].i]);
		rte_prefetch0(ctl[k]);
	}
	for (uint16_t k = 0; k < odds->n; k++) {
		const struct odd *o = &odds->odd[k];
		enum drop_reason r = o->is_stranger ? stranger(w, o, ctl[k]) : DROP_MAX;

		if (r == DROP_MAX)
			r = rewrite_noted(w, o->i, mark, ctl[k]);
		why[o->i] = (uint8_t)r;
	}
}

/* What will be needed first: the number that leads to the notes, and the second mbuf line to free it. */
static __rte_always_inline void odd_fetch(const struct worker *w, const struct pass *p)
{
	relay_table_number_fetch(w->rs->dp->paths, p->rec);
	rte_prefetch0((uint8_t *)p->h->m[p->i] + RTE_CACHE_LINE_SIZE);
}

/* One hop, as far as it and its path's record tell. What its path's notes have to tell joins the odds, with
 * no reason to be dropped so far.
 */
static __rte_always_inline enum drop_reason switch_one(struct worker *w, uint16_t i, uint32_t mark,
						       struct odds *odds)
{
	const struct pass p = pass_of(&w->hops, i);
	const struct path_side *from = &p.rec->side[p.from], *to = &p.rec->side[p.to];
	const unsigned int both = from->flags & to->flags;
	const struct source s = source_of(&p);
	const bool is_stranger = !side_is(from, &s);
	enum drop_reason why = DROP_MAX;

	if ((both & SIDE_BOUND) == 0)
		return DROP_PATH_UNBOUND;
	if (!is_stranger && (both & SIDE_CONFIRMED) != 0 && (to->flags & SIDE_CREDIT) == 0)
		return rewrite_any(w, i, mark);
	odd_fetch(w, &p);
	if (is_stranger)
		why = stranger_can_be(w, &p, &s);
	if (why == DROP_MAX)
		odds->odd[odds->n++] = (struct odd){(uint8_t)i, (uint8_t)p.from, is_stranger};
	return why;
}

/* ---- the stage ---- */

/* The rest: those of other families at once, those with questions all together. */
static __attribute__((noinline)) void switch_rest(struct worker *w, const uint8_t *rest, uint16_t n,
						  uint32_t mark)
{
	uint8_t why[LANE_MAX];
	struct odds odds;
	bool all = true;

	memset(why, DROP_MAX, sizeof(why));
	odds.n = 0;
	for (uint16_t k = 0; k < n; k++) {
		enum drop_reason r = switch_one(w, rest[k], mark, &odds);

		why[rest[k]] = (uint8_t)r;
		all &= r == DROP_MAX;
	}
	if (odds.n > 0)
		switch_odds(w, &odds, mark, why);
	if (unlikely(!all || odds.n > 0))
		hops_sift(&w->stats, &w->hops, why);
}

void switch_stage(struct worker *w)
{
	struct common c = common_of(w);
	struct hops *h = &w->hops;
	const struct burst *ahead = &w->lanes.ahead;
	const uint16_t n = h->n, n_ahead = ahead->n;
	struct left left;

	left.n6 = left.n_across = left.n = 0;
	for (uint16_t i = 0; i < n; i++) {
		if (i < n_ahead)
			rte_prefetch0(rte_pktmbuf_mtod(ahead->pkt[i], void *));
		if (unlikely(!switch_common(w, h, i, &c)))
			leave(&left, h, i);
	}
	if (left.n6 > 0)
		switch_left6(w, &left, c);
	if (left.n_across > 0)
		switch_left_across(w, &left, c);
	if (unlikely(left.n > 0))
		switch_rest(w, left.at, left.n, c.mark);
	w->quick.known = RTE_MIN(n, n_ahead);
	w->quick.known_two = left.n6 == n;
	w->stats.relayed += h->n;
}
