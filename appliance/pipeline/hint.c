/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/pipeline/hint.h"

#include "appliance/pipeline/outer.h"
#include "appliance/rs_worker.h"
#include "appliance/worker.h"
#include "common/wire.h"

enum {
	ICMP_HDR = 8,
	ICMP4_UNREACHABLE = 3,
	ICMP4_FRAG_NEEDED = 4,
	ICMP6_TOO_BIG = 2,
};

/* What the error quotes of our packet: addresses, ports and the NTM header. */
struct quote {
	struct endpoint src, dst;
	const uint8_t *ntm;
};

/* False where the router quoted too little of it, or something that we did not send by UDP. */
static bool quote_parse(const uint8_t *p, uint16_t len, bool v6, struct quote *q)
{
	uint16_t ip_len;
	uint32_t a;

	if (len < (v6 ? IP6_HDR_LEN : IP4_HDR_LEN))
		return false;
	ip_len = v6 ? IP6_HDR_LEN : (p[0] & 15) * 4;
	if (p[0] >> 4 != (v6 ? 6 : 4) || ip_len < IP4_HDR_LEN ||
	    (v6 ? p[6] : p[9]) != IPPROTO_UDP || len < ip_len + UDP_HDR_LEN + WIRE_HDR_LEN)
		return false;
	if (v6) {
		memcpy(q->src.ip.b, p + 8, 16);
		memcpy(q->dst.ip.b, p + 24, 16);
	} else {
		memcpy(&a, p + 12, 4);
		q->src.ip = ip_from_v4(a);
		memcpy(&a, p + 16, 4);
		q->dst.ip = ip_from_v4(a);
	}
	q->src.port = load_be16(p + ip_len);
	q->dst.port = load_be16(p + ip_len + 2);
	q->ntm = p + ip_len + UDP_HDR_LEN;
	return true;
}

/* Does the quoted packet look like one of ours? A path's destination must be the recorded one. */
static bool quote_is_ours(const struct worker *w, const struct quote *q, uint64_t id, uint8_t *side)
{
	const struct path_record *rec;

	if (rs_local_find(w->rs->dp, &q->src) < 0)
		return false;
	if (!wire_is_path_id(id))
		return true; /* control knows where it sent to */
	rec = relay_table_find(w->rs->dp->paths, id);
	if (rec == NULL)
		return false;
	*side = q->ntm[1] & WIRE_SIDE_A ? RS_SIDE_B : RS_SIDE_A;
	return ip_equal(&rec->side[*side].ip, &q->dst.ip) && rec->side[*side].port == q->dst.port;
}

static uint16_t told_mtu(const uint8_t *icmp, bool v6)
{
	uint32_t mtu;

	if (v6)
		mtu = icmp[0] == ICMP6_TOO_BIG ? load_be32(icmp + 4) : 0;
	else
		mtu = icmp[0] == ICMP4_UNREACHABLE && icmp[1] == ICMP4_FRAG_NEEDED
			      ? load_be16(icmp + 6)
			      : 0;
	return mtu > UINT16_MAX ? UINT16_MAX : (uint16_t)mtu;
}

/* Anybody can send an ICMP error, and what becomes of one costs control some time. */
static bool may_tell(struct worker *w)
{
	if (w->now < w->rs->hint_next_ns)
		return false;
	w->rs->hint_next_ns = w->now + RS_HINT_NS;
	return true;
}

void hint_icmp(struct worker *w, struct rte_mbuf *m)
{
	struct pkt_meta *meta = pkt_meta(m);
	const uint8_t *icmp = pkt_l4(m);
	uint16_t len = (uint16_t)(meta->l3_len - (meta->l4 - meta->l3));
	bool v6 = (meta->flags & PKT_IPV6) != 0;
	struct quote q;
	struct rs_event ev;
	uint8_t side = 0;

	if (len < ICMP_HDR || !quote_parse(icmp + ICMP_HDR, len - ICMP_HDR, v6, &q) ||
	    !quote_is_ours(w, &q, load_be64(q.ntm + 8), &side)) {
		burst_drop(&w->stats, m, DROP_ICMP_STRANGE);
		return;
	}
	if (!may_tell(w)) {
		burst_drop(&w->stats, m, DROP_CONTROL_LIMIT);
		return;
	}
	ev = (struct rs_event){
		.type = RS_EV_ICMP_ERROR,
		.side = side,
		.icmp_type = icmp[0],
		.icmp_code = icmp[1],
		.local = (uint16_t)rs_local_find(w->rs->dp, &q.src),
		.mtu = told_mtu(icmp, v6),
		.len = len,
		.src = q.dst,
		.id = load_be64(q.ntm + 8),
	};
	rs_event_put(w, RS_CLASS_HINT, &ev);
	w->stats.consumed++;
	rte_pktmbuf_free(m);
}
