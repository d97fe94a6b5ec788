/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/dp_impl.h"
#include "common/inner.h"

static enum dp_counter drop_of(enum session_verdict v)
{
	switch (v) {
	case SESSION_REFLECTED:
		return DP_RX_REFLECTED;
	case SESSION_EPOCH_UNKNOWN:
		return DP_RX_EPOCH;
	case SESSION_REPLAY:
	case SESSION_OLD:
		return DP_RX_REPLAY;
	case SESSION_AUTH:
		return DP_RX_AUTH;
	case SESSION_KEY_EXPIRED:
		return DP_RX_KEY_EXPIRED;
	default:
		return DP_RX_SESSION;
	}
}

/* docs/protocol.md section 4: on a path the source is the peer's VIP; from RS-N it is a VIP_GN bound
 * to this very leg. The destination is our own VIP.
 */
static enum dp_counter check_addrs(const struct dp *dp, const struct dp_assoc *a,
				   const uint8_t *pkt, size_t len)
{
	const struct vips *peer = &a->conf.peer;
	struct ip_addr src, dst;
	const struct dp_vip *v;

	if (!dp_packet_addrs(pkt, len, &src, &dst))
		return DP_RX_BAD_INNER;
	if (!ip_equal(&dst, ip_is_v4(&dst) ? &dp->own.v4 : &dp->own.v6))
		return DP_RX_NOT_OURS;
	if (!ip_is_none(&peer->v4) || !ip_is_none(&peer->v6))
		return ip_equal(&src, ip_is_v4(&src) ? &peer->v4 : &peer->v6) ? DP_RX_DATA
									      : DP_RX_NOT_PEER;
	v = dp_vip_find(dp, &src);
	return v != NULL && v->assoc == a ? DP_RX_DATA : DP_RX_NOT_PEER;
}

static enum dp_counter deliver(struct dp *dp, struct dp_assoc *a, uint8_t tos, uint8_t *body,
			       size_t len, enum dp_counter good)
{
	bool is_padded = suite_is_cbc(session_suite(a->session));
	enum dp_counter end;
	size_t inner_len;

	if (inner_check(body, len, is_padded, &inner_len) != INNER_OK)
		return good == DP_RX_DATA ? DP_RX_BAD_INNER : DP_RX_PART_BAD;
	end = check_addrs(dp, a, body, inner_len);
	if (end != DP_RX_DATA)
		return end;
	if (!dp_packet_ecn(body, tos))
		return DP_RX_ECN;
	if (dp_packet_clamp(body, inner_len, dp->mtu))
		dp_count(dp, DP_MSS_CLAMPED);
	a->rx_bytes += inner_len;
	dp->ops->deliver(dp->ctx, body, inner_len);
	return good;
}

static enum dp_counter data(struct dp *dp, uint64_t now, struct dp_assoc *a, uint8_t tos,
			    const struct session_meta *meta, uint8_t *body, size_t len)
{
	uint64_t bad = dp->counters[DP_RX_PART_BAD];
	uint8_t *joined;
	size_t total;

	if (meta->type == WIRE_DATA)
		return deliver(dp, a, tos, body, len, DP_RX_DATA);
	total = dp_part_join(dp, now, a, meta, body, len, &joined);
	if (total > 0)
		return deliver(dp, a, tos, joined, total, DP_RX_PART_JOINED);
	/* Counted by dp_part_join() already. */
	return dp->counters[DP_RX_PART_BAD] > bad ? DP_RX_PART_BAD : DP_RX_PART_HELD;
}

/* Has the peer's side of this route moved? Remembers the source of the greatest sequence. */
static bool note_source(struct dp_assoc *a, const struct datapath_rx *rx)
{
	struct dp_route *r = &a->route[rx->route];
	bool is_new = r->has_source &&
		      (r->source_link != rx->link || !endpoint_equal(&r->source, &rx->from));

	if (!rx->is_highest)
		return false;
	r->has_source = true;
	r->source = rx->from;
	r->source_link = rx->link;
	return is_new;
}

static void note_activity(struct dp_assoc *a, uint64_t now, const struct datapath_rx *rx)
{
	const struct datapath_route *out = &a->route[a->use].conf;

	a->last_rx_ns = now;
	a->waiting_since_ns = 0;
	if (a->has_use && out->link == rx->link && endpoint_equal(&out->to, &rx->from))
		a->route_waiting_since_ns = 0;
	if (rx->route < DATAPATH_ROUTES) {
		a->route[rx->route].st.last_rx_ns = now;
		a->route[rx->route].st.rx_packets++;
	}
}

/* Events may delete the association: it is looked up again after each. */
static void opened(struct dp *dp, uint64_t now, struct dp_assoc *a, uint8_t tos,
		   const struct session_meta *meta, struct datapath_rx *rx, uint8_t *body,
		   size_t len)
{
	uint64_t id = a->conf.id;
	bool is_moved;

	note_activity(a, now, rx);
	is_moved = meta->route < DATAPATH_ROUTES && note_source(a, rx);
	if (meta->is_new_epoch) {
		dp->events->heard(dp->events_ctx, now, id, meta->epoch);
		a = idmap_get(&dp->assocs, id);
		if (a == NULL) {
			dp_count(dp, DP_RX_SESSION);
			return;
		}
		/* The responder may send under it from here on. */
		dp_hold_release_assoc(dp, now, a);
	}
	if (wire_type_is_data(meta->type)) {
		enum dp_counter end = data(dp, now, a, tos, meta, body, len);

		if (end != DP_RX_PART_BAD && end != DP_RX_PART_HELD)
			dp_count(dp, end);
		dp_rekey_check(dp, now, a);
	} else {
		dp_count(dp, DP_RX_BODY);
		dp->events->body(dp->events_ctx, now, rx, body, len);
	}
	if (is_moved && idmap_get(&dp->assocs, id) != NULL)
		dp->events->moved(dp->events_ctx, now, rx);
}

static void sealed(struct dp *dp, uint64_t now, struct dp_assoc *a, uint8_t tos,
		   struct datapath_rx *rx, uint8_t *pkt, size_t len)
{
	struct session_meta meta;
	enum session_verdict v;
	size_t body_len;

	v = session_open(a->session, now, pkt, len, pkt + WIRE_HDR_LEN, &body_len, &meta);
	if (v != SESSION_OK) {
		dp_count(dp, drop_of(v));
		return;
	}
	rx->id = a->conf.id;
	rx->type = meta.type;
	rx->route = meta.route;
	rx->is_highest = meta.is_highest;
	opened(dp, now, a, tos, &meta, rx, pkt + WIRE_HDR_LEN, body_len);
}

void dp_input(struct dp *dp, uint64_t now, uint8_t link, const struct endpoint *from, uint8_t tos,
	      uint8_t *pkt, size_t len)
{
	struct datapath_rx rx = {.link = link, .from = *from, .outer_len = (uint16_t)len};
	struct wire_fields f;
	enum wire_verdict v;
	struct dp_assoc *a = NULL;

	dp_count(dp, DP_IN_OUTER);
	if (len > DP_PACKET_MAX) {
		dp_count(dp, DP_RX_LONG);
		return;
	}
	v = wire_parse(pkt, len, &f);
	if (v != WIRE_OK) {
		dp_count(dp, v == WIRE_SHORT ? DP_RX_SHORT : DP_RX_BAD_HEADER);
		return;
	}
	if (wire_type_is_sealed(f.type))
		a = idmap_get(&dp->assocs, f.id);
	if (a == NULL) {
		dp_count(dp, DP_RX_RAW);
		dp->events->raw(dp->events_ctx, now, link, from, pkt, len);
		return;
	}
	sealed(dp, now, a, tos, &rx, pkt, len);
}
