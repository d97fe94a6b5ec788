/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/dp_impl.h"
#include "common/bytes.h"
#include "common/inner.h"
#include "common/seal.h"

#include <errno.h>

enum {
	IPV4_HDR_MIN = 20,
	IPV4_DF = 0x4000,
	IPV4_MF = 0x2000,
	IPV4_OFFSET = 0x1fff,
	IPV6_NEXT_FRAGMENT = 44,
};

static size_t udp_overhead(const struct datapath_route *r)
{
	return ip_is_v4(&r->to.ip) ? DP_UDP_OVERHEAD_V4 : DP_UDP_OVERHEAD_V6;
}

uint16_t dp_fit(const struct dp_route *r, uint8_t suite)
{
	size_t room = r->conf.outer - udp_overhead(&r->conf);

	if (room <= WIRE_OVERHEAD)
		return 0;
	room -= WIRE_OVERHEAD;
	return (uint16_t)(suite_is_cbc(suite) ? room / SUITE_BLOCK_LEN * SUITE_BLOCK_LEN : room);
}

/* Take len bytes from the credit of an unproven address; false where it is used up. */
static bool spend(struct datapath_route *r, uint64_t now, size_t len)
{
	if (r->credit_until_ns == 0)
		return true;
	if (now >= r->credit_until_ns || r->credit_bytes < len)
		return false;
	r->credit_bytes -= (uint32_t)len;
	return true;
}

/* Seal the body at pkt (DP_HEADROOM before it) and send it by a's sending route. DP_HELD: not with
 * these keys, which are past their limit; nothing was sent and pkt is as it was.
 */
static enum dp_counter seal_and_emit(struct dp *dp, uint64_t now, struct dp_assoc *a, uint8_t type,
				     uint8_t tos, uint8_t *pkt, size_t len)
{
	struct dp_route *r = &a->route[a->use];
	enum session_verdict v;
	size_t out;

	if (!spend(&r->conf, now, WIRE_OVERHEAD + len))
		return DP_TX_NO_CREDIT;
	v = session_seal_in_place(a->session, now, type, a->use, pkt - DP_HEADROOM, len,
				  DP_HEADROOM + len + DP_TAILROOM, &out);
	if (v == SESSION_KEY_EXPIRED)
		return DP_HELD;
	if (v != SESSION_OK)
		return DP_TX_SEAL;
	r->st.tx_packets++;
	r->st.tx_bytes += len;
	r->st.last_tx_ns = now;
	dp_count(dp, DP_TX_PACKETS);
	dp->ops->emit(dp->ctx, r->conf.link, &r->conf.to, tos, pkt - DP_HEADROOM, out);
	return DP_TX_DATA;
}

/* The second half is copied away first: the tag of the first will stand where it begins. */
static enum dp_counter send_parts(struct dp *dp, uint64_t now, struct dp_assoc *a, uint8_t *pkt,
				  size_t len)
{
	size_t half = (len / 2 + SUITE_BLOCK_LEN - 1) / SUITE_BLOCK_LEN * SUITE_BLOCK_LEN;
	uint8_t *second = dp->scratch[0].room + DP_HEADROOM, tos = dp_packet_tos(pkt);
	enum dp_counter end;

	memcpy(second, pkt + half, len - half);
	end = seal_and_emit(dp, now, a, WIRE_DATA_FIRST, tos, pkt, half);
	if (end != DP_TX_DATA)
		return end;
	dp_count(dp, DP_TX_PARTS);
	return seal_and_emit(dp, now, a, WIRE_DATA_SECOND, tos, second, len - half);
}

/* RFC 791: fragments of at most fit bytes; options are few and are copied whole into each. */
static enum dp_counter send_fragments(struct dp *dp, uint64_t now, struct dp_assoc *a, uint8_t *pkt,
				      size_t len, uint16_t fit)
{
	size_t ihl = (size_t)(pkt[0] & 15) * 4, step = (fit - ihl) & ~(size_t)7;
	uint16_t field = load_be16(pkt + 6);
	uint8_t *p = dp->scratch[0].room + DP_HEADROOM;
	enum dp_counter end = DP_TX_DATA;

	dp_count(dp, DP_TX_FRAGMENTED);
	for (size_t at = ihl; at < len && end == DP_TX_DATA; at += step) {
		size_t n = len - at < step ? len - at : step;
		bool more = at + n < len || (field & IPV4_MF) != 0;

		memcpy(p, pkt, ihl);
		memcpy(p + ihl, pkt + at, n);
		store_be16(p + 2, (uint16_t)(ihl + n));
		store_be16(p + 6, (uint16_t)(((field & IPV4_OFFSET) + (at - ihl) / 8) |
					     (more ? IPV4_MF : 0)));
		store_be16(p + 10, 0);
		store_be16(p + 10, dp_csum(0, p, ihl));
		end = seal_and_emit(dp, now, a, WIRE_DATA, dp_packet_tos(pkt), p, ihl + n);
	}
	return end;
}

static bool may_fragment(const uint8_t *pkt)
{
	return pkt[0] >> 4 == 4 && (load_be16(pkt + 6) & IPV4_DF) == 0;
}

static enum dp_counter send_sized(struct dp *dp, uint64_t now, struct dp_assoc *a, uint8_t *pkt,
				  size_t len)
{
	struct dp_route *r = &a->route[a->use];
	uint16_t fit = DATAPATH_SMALL_INNER, limit;

	if (r->conf.outer != 0)
		fit = dp_fit(r, session_suite(a->session));
	if (fit > dp->mtu)
		fit = dp->mtu;
	limit = fit > DATAPATH_SMALL_INNER ? fit : DATAPATH_SMALL_INNER;
	if (dp_packet_clamp(pkt, len, limit))
		dp_count(dp, DP_MSS_CLAMPED);
	if (len <= fit)
		return seal_and_emit(dp, now, a, WIRE_DATA, dp_packet_tos(pkt), pkt, len);
	if (len <= DATAPATH_SMALL_INNER)
		return send_parts(dp, now, a, pkt, len);
	if (may_fragment(pkt) && fit >= 576)
		return send_fragments(dp, now, a, pkt, len, fit);
	dp_icmp_too_big(dp, pkt, len, limit);
	return DP_TX_TOO_BIG;
}

/* Something that comes later is missing: keys, a route, or the size that the route takes. */
static bool must_wait(const struct dp_assoc *a, uint64_t now, size_t len)
{
	if (a == NULL || !a->has_use || !session_can_send(a->session, now))
		return true;
	return len > DATAPATH_SMALL_INNER && a->route[a->use].conf.outer == 0;
}

void dp_tx(struct dp *dp, uint64_t now, struct dp_vip *v, uint8_t *pkt, size_t len)
{
	struct dp_assoc *a = v->assoc;
	enum dp_counter end;

	if (must_wait(a, now, len)) {
		dp_hold(dp, now, v, pkt, len);
		/* After a rest the keys are too old for data, and nobody has made new ones. */
		if (a != NULL && session_epoch(a->session) >= 0 &&
		    !session_can_send(a->session, now))
			dp_rekey_tell(dp, now, a);
		return;
	}
	end = send_sized(dp, now, a, pkt, len);
	if (end == DP_HELD)
		dp_hold(dp, now, v, pkt, len);
	else
		dp_count(dp, end);
	if (end == DP_TX_DATA) {
		a->last_tx_ns = now;
		if (a->waiting_since_ns == 0)
			a->waiting_since_ns = now;
		if (a->route_waiting_since_ns == 0)
			a->route_waiting_since_ns = now;
	}
	dp_rekey_check(dp, now, a);
	if (a->is_watched) {
		a->is_watched = false;
		dp->events->active(dp->events_ctx, now, a->conf.id);
	}
}

static void miss(struct dp *dp, uint64_t now, const struct ip_addr *dst, uint8_t *pkt, size_t len)
{
	struct dp_vip *v = dp_vip_add(dp, dst);

	if (v == NULL) {
		dp_count(dp, DP_TX_HOLD_TABLE);
		return;
	}
	dp_hold(dp, now, v, pkt, len);
	if (v->held_n == 0) {
		dp_vip_free(dp, v);
		return;
	}
	dp_count(dp, DP_MISSES);
	dp->events->miss(dp->events_ctx, now, dst);
}

void dp_output(struct dp *dp, uint64_t now, uint8_t *pkt, size_t len)
{
	struct ip_addr src, dst;
	struct dp_vip *v;
	size_t inner_len;

	dp_count(dp, DP_IN_INNER);
	if (len > DP_PACKET_MAX || inner_check(pkt, len, false, &inner_len) != INNER_OK ||
	    !dp_packet_addrs(pkt, len, &src, &dst)) {
		dp_count(dp, DP_TX_BAD_INNER);
		return;
	}
	if (!ip_equal(&src, ip_is_v4(&src) ? &dp->own.v4 : &dp->own.v6)) {
		dp_count(dp, DP_TX_NOT_OWN);
		return;
	}
	v = dp_vip_find(dp, &dst);
	if (v != NULL) {
		dp_tx(dp, now, v, pkt, len);
	} else if (!ip_is_unicast(&dst)) {
		dp_count(dp, DP_TX_NOT_UNICAST);
	} else {
		miss(dp, now, &dst, pkt, len);
	}
}

int dp_send_body(struct dp *dp, uint64_t now, struct dp_assoc *a, uint8_t type, uint8_t number,
		 const struct datapath_dest *to, const uint8_t *body, size_t len)
{
	uint8_t *pkt = dp->scratch[1].room;
	const struct dp_route *r = &a->route[number];
	enum session_verdict v;
	size_t out;

	if (to == NULL && !r->is_set)
		return -ENOTCONN;
	if (DP_HEADROOM + len + DP_TAILROOM > sizeof(dp->scratch[1].room))
		return -EMSGSIZE;
	v = session_seal(a->session, now, type, number, body, len, pkt, sizeof(dp->scratch[1].room),
			 &out);
	if (v != SESSION_OK)
		return v == SESSION_NO_ROOM ? -EMSGSIZE : -ENOTCONN;
	dp_count(dp, DP_TX_BODY);
	dp_count(dp, DP_TX_PACKETS);
	if (to != NULL)
		dp->ops->emit(dp->ctx, to->link, &to->to, 0, pkt, out);
	else
		dp->ops->emit(dp->ctx, r->conf.link, &r->conf.to, 0, pkt, out);
	return 0;
}
