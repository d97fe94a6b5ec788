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

static struct path_ctl *ctl_of(const struct worker *w, const struct path_record *rec)
{
	const struct rs_dp *dp = w->rs->dp;

	return &dp->path_ctl[relay_table_number(dp->paths, rec)];
}

static bool side_is(const struct path_side *s, const struct endpoint *e)
{
	return s->port == e->port && ip_equal(&s->ip, &e->ip);
}

/* The same, straight from the headers. */
static __rte_always_inline bool side_is_source(const struct path_side *s, const struct pass *p)
{
	uint64_t high, low, src[2];

	memcpy(&high, s->ip.b, 8);
	memcpy(&low, s->ip.b + 8, 8);
	if (p->ip[0] >> 4 == 6) {
		memcpy(src, p->ip + 8, 16);
	} else {
		uint32_t v4;

		memcpy(&v4, p->ip + 12, 4);
		src[0] = 0;
		src[1] = (uint64_t)v4 << 32 | 0xffff0000; /* ::ffff:a.b.c.d */
	}
	return ((high ^ src[0]) | (low ^ src[1])) == 0 &&
	       s->port == load_be16(p->ntm - UDP_HDR_LEN);
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
static bool stranger_is_news(struct worker *w, const struct pass *p, struct path_ctl *ctl)
{
	uint32_t ms = (uint32_t)(w->now / 1000000);
	uint32_t last = atomic_load_explicit(&ctl->event_ms[p->from], memory_order_relaxed);

	if (last != 0 && ms - last < STRANGER_EVENT_MS)
		return false;
	if (unlikely(rte_ring_full(w->rs->events[RS_CLASS_HINT]))) {
		w->rs->events_lost++;
		return false;
	}
	atomic_store_explicit(&ctl->event_ms[p->from], ms == 0 ? 1 : ms, memory_order_relaxed);
	return true;
}

static __attribute__((noinline)) void tell_stranger(struct worker *w, const struct pass *p,
						    const struct endpoint *src,
						    const struct endpoint *dst)
{
	int local = rs_local_find(w->rs->dp, dst);
	struct rs_event ev = {
		.type = RS_EV_WRONG_SOURCE,
		.side = (uint8_t)p->from,
		.local = local < 0 ? 0 : (uint16_t)local,
		.len = p->h->len[p->i],
		.src = *src,
		.id = p->rec->id,
	};

	rs_event_put(w, RS_CLASS_HINT, &ev);
}

/* A source that is not the recorded one: perhaps the NAT in front of the node made a new mapping. The
 * quick way through parse leaves it to this place whether it can be one at all; the recorded one can.
 */
static enum drop_reason stranger(struct worker *w, const struct pass *p)
{
	struct path_ctl *ctl = ctl_of(w, p->rec);
	struct endpoint src, dst;

	hop_endpoints(p->h, p->i, &src, &dst);
	if (!source_can_be(w, &src))
		return DROP_IP_SOURCE;
	if (side_is(&p->rec->side[p->to], &src))
		return DROP_PATH_DIRECTION;
	if (stranger_is_news(w, p, ctl))
		tell_stranger(w, p, &src, &dst);
	if (!take_one(&ctl->strays[p->from]))
		return DROP_PATH_SOURCE;
	w->stats.path_stranger++;
	return DROP_MAX;
}

/* Before both legs are confirmed: a few handshake packets, no data. */
static enum drop_reason unconfirmed(struct worker *w, const struct pass *p)
{
	uint8_t type = p->ntm[0] & 15;

	if (wire_type_is_sealed(type))
		return DROP_LEG_UNCONFIRMED;
	return take_one(&ctl_of(w, p->rec)->handshakes) ? DROP_MAX : DROP_LEG_UNCONFIRMED;
}

static enum drop_reason credit(struct worker *w, const struct pass *p)
{
	struct rs_dp *dp = w->rs->dp;
	uint32_t leg = ctl_of(w, p->rec)->leg[p->to];

	if (leg == 0 || leg_credit_take(&dp->legs->credit[leg - 1], hop_size(p->h, p->i), w->now))
		return DROP_MAX;
	return DROP_LEG_CREDIT;
}

/* May it pass? DROP_MAX: yes. */
static enum drop_reason admit(struct worker *w, const struct pass *p)
{
	const struct path_side *from = &p->rec->side[p->from], *to = &p->rec->side[p->to];
	const unsigned int both = from->flags & to->flags;
	enum drop_reason why;

	if ((both & SIDE_BOUND) == 0)
		return DROP_PATH_UNBOUND;
	if (!side_is_source(from, p)) {
		why = stranger(w, p);
		if (why != DROP_MAX)
			return why;
	}
	if ((both & SIDE_CONFIRMED) == 0) {
		why = unconfirmed(w, p);
		if (why != DROP_MAX)
			return why;
	}
	return to->flags & SIDE_CREDIT ? credit(w, p) : DROP_MAX;
}

/* From the recorded source, both sides bound and confirmed, none on credit: nothing to ask. */
static __rte_always_inline bool is_plain(const struct pass *p)
{
	const struct path_side *from = &p->rec->side[p->from], *to = &p->rec->side[p->to];
	const unsigned int both = SIDE_BOUND | SIDE_CONFIRMED;

	return (from->flags & to->flags & both) == both && (to->flags & SIDE_CREDIT) == 0 &&
	       side_is_source(from, p);
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

/* By value, as all that is called from the loop: a pass whose address is given away could not stay in
 * registers while the packet is written.
 */
static __attribute__((noinline)) enum drop_reason
rewrite_other(struct worker *w, struct pass pass, uint32_t mark, bool from_v6, bool to_v6)
{
	const struct pass *p = &pass;

	if (from_v6)
		return to_v6 ? rewrite(w, p, mark, true, true) : rewrite(w, p, mark, true, false);
	return rewrite(w, p, mark, false, true);
}

static __rte_always_inline enum drop_reason rewrite_any(struct worker *w, const struct pass *p,
							uint32_t mark)
{
	bool from_v6 = p->ip[0] >> 4 == 6, to_v6 = !ip_is_v4(&p->rec->side[p->to].ip);

	if (likely(!from_v6 && !to_v6))
		return rewrite(w, p, mark, false, false);
	return rewrite_other(w, *p, mark, from_v6, to_v6);
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

/* Hops about which there is something to ask, a flood of strangers perhaps: what they need of their
 * paths' notes is fetched for all of them first.
 */
static __attribute__((noinline)) void switch_odd(struct worker *w, const uint8_t *odd, uint16_t n,
						 uint32_t mark, uint8_t *why)
{
	const struct relay_table *t = w->rs->dp->paths;
	struct hops *h = &w->hops;

	for (uint16_t k = 0; k < n; k++) {
		relay_table_number_fetch(t, h->rec[odd[k]]);
		rte_prefetch0((uint8_t *)h->m[odd[k]] + RTE_CACHE_LINE_SIZE); /* to be freed */
	}
	for (uint16_t k = 0; k < n; k++)
		rte_prefetch0(ctl_of(w, h->rec[odd[k]]));
	for (uint16_t k = 0; k < n; k++) {
		const struct pass p = pass_of(h, odd[k]);
		enum drop_reason r = admit(w, &p);

		why[odd[k]] = (uint8_t)(r == DROP_MAX ? rewrite_any(w, &p, mark) : r);
	}
}

/* ---- the stage ---- */

/* The rest: IPv6 by its own quick way, other pairs of families at once, those with questions all together. */
static __attribute__((noinline)) void switch_rest(struct worker *w, const uint8_t *rest, uint16_t n,
						  struct common *c)
{
	struct hops *h = &w->hops;
	uint8_t why[LANE_MAX], odd[LANE_MAX];
	uint16_t n_odd = 0;
	bool all = true;

	memset(why, DROP_MAX, sizeof(why));
	/* IPv4 that becomes IPv6 grows into a line in front of its own. */
	for (uint16_t k = 0; k < n; k++)
		if (h->ip_len[rest[k]] != IP6_HDR_LEN)
			rte_prefetch0(h->ntm[rest[k]] - UDP_HDR_LEN - IP6_HDR_LEN);
	for (uint16_t k = 0; k < n; k++) {
		struct pass p;

		if (h->ip_len[rest[k]] == IP6_HDR_LEN && switch_common6(w, h, rest[k], c))
			continue;
		p = pass_of(h, rest[k]);
		if (unlikely(!is_plain(&p))) {
			odd[n_odd++] = rest[k];
			continue;
		}
		why[rest[k]] = (uint8_t)rewrite_any(w, &p, c->mark);
		all &= why[rest[k]] == DROP_MAX;
	}
	if (n_odd > 0)
		switch_odd(w, odd, n_odd, c->mark, why);
	if (unlikely(!all || n_odd > 0))
		hops_sift(&w->stats, h, why);
}

void switch_stage(struct worker *w)
{
	struct common c = common_of(w);
	struct hops *h = &w->hops;
	const struct burst *ahead = &w->lanes.ahead;
	const uint16_t n = h->n, n_ahead = ahead->n;
	const bool two_lines = w->quick.known_lines > 1;
	uint8_t rest[LANE_MAX];
	uint16_t n_rest = 0;

	for (uint16_t i = 0; i < n; i++) {
		if (i < n_ahead) {
			const uint8_t *p = rte_pktmbuf_mtod(ahead->pkt[i], const uint8_t *);

			rte_prefetch0(p);
			if (two_lines)
				rte_prefetch0(p + RTE_CACHE_LINE_SIZE);
		}
		if (unlikely(!switch_common(w, h, i, &c)))
			rest[n_rest++] = (uint8_t)i;
	}
	if (unlikely(n_rest > 0))
		switch_rest(w, rest, n_rest, &c);
	w->quick.known = RTE_MIN(n, n_ahead);
	w->stats.relayed += h->n;
}
