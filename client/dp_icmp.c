/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/dp_impl.h"
#include "common/bytes.h"

/* Errors that a router on the way would have sent: RFC 792, RFC 1191, RFC 4443. They are delivered
 * to the own host as from the packet's destination, which is an address the host accepts them from.
 */
enum {
	IPV4_HDR = 20,
	IPV6_HDR = 40,
	ICMP_HDR = 8,
	QUOTE_V4 = 548, /* the whole stays within 576 */
	QUOTE_V6 = 1280 - IPV6_HDR - ICMP_HDR,
	PROTO_ICMP = 1,
	PROTO_ICMPV6 = 58,
	ICMP_UNREACH = 3,
	ICMP_UNREACH_HOST = 1,
	ICMP_UNREACH_FRAG = 4,
	ICMP6_UNREACH = 1,
	ICMP6_UNREACH_ADDR = 3,
	ICMP6_TOO_BIG = 2,
	TTL = 64,
};

/* No error about an ICMP error, nor about a fragment but the first (RFC 1122 section 3.2.2). */
static bool is_answerable_v4(const uint8_t *pkt, size_t len)
{
	size_t ihl = (size_t)(pkt[0] & 15) * 4;

	if ((load_be16(pkt + 6) & 0x1fff) != 0)
		return false;
	if (pkt[9] != PROTO_ICMP)
		return true;
	return len > ihl && (pkt[ihl] == 8 || pkt[ihl] == 0);
}

static bool is_answerable_v6(const uint8_t *pkt, size_t len)
{
	return pkt[6] != PROTO_ICMPV6 || (len > IPV6_HDR && pkt[IPV6_HDR] >= 128);
}

static void error_v4(struct dp *dp, const uint8_t *pkt, size_t len, uint8_t code, uint16_t mtu)
{
	uint8_t *p = dp->scratch[1].room + DP_HEADROOM;
	size_t quote = len < QUOTE_V4 ? len : QUOTE_V4, total = IPV4_HDR + ICMP_HDR + quote;

	if (!is_answerable_v4(pkt, len))
		return;
	memset(p, 0, IPV4_HDR + ICMP_HDR);
	p[0] = 0x45;
	store_be16(p + 2, (uint16_t)total);
	p[8] = TTL;
	p[9] = PROTO_ICMP;
	memcpy(p + 12, pkt + 16, 4);
	memcpy(p + 16, pkt + 12, 4);
	store_be16(p + 10, dp_csum(0, p, IPV4_HDR));
	p[IPV4_HDR] = ICMP_UNREACH;
	p[IPV4_HDR + 1] = code;
	store_be16(p + IPV4_HDR + 6, mtu);
	memcpy(p + IPV4_HDR + ICMP_HDR, pkt, quote);
	store_be16(p + IPV4_HDR + 2, dp_csum(0, p + IPV4_HDR, ICMP_HDR + quote));
	dp_count(dp, DP_ICMP_SENT);
	dp->ops->deliver(dp->ctx, p, total);
}

static void error_v6(struct dp *dp, const uint8_t *pkt, size_t len, uint8_t type, uint8_t code,
		     uint32_t mtu)
{
	uint8_t *p = dp->scratch[1].room + DP_HEADROOM;
	size_t quote = len < QUOTE_V6 ? len : QUOTE_V6, body = ICMP_HDR + quote;
	uint32_t sum;

	if (!is_answerable_v6(pkt, len))
		return;
	memset(p, 0, IPV6_HDR + ICMP_HDR);
	p[0] = 0x60;
	store_be16(p + 4, (uint16_t)body);
	p[6] = PROTO_ICMPV6;
	p[7] = TTL;
	memcpy(p + 8, pkt + 24, 16);
	memcpy(p + 24, pkt + 8, 16);
	p[IPV6_HDR] = type;
	p[IPV6_HDR + 1] = code;
	store_be32(p + IPV6_HDR + 4, mtu);
	memcpy(p + IPV6_HDR + ICMP_HDR, pkt, quote);
	sum = dp_csum_add((uint32_t)body + PROTO_ICMPV6, p + 8, 32);
	store_be16(p + IPV6_HDR + 2, dp_csum(sum, p + IPV6_HDR, body));
	dp_count(dp, DP_ICMP_SENT);
	dp->ops->deliver(dp->ctx, p, IPV6_HDR + body);
}

void dp_icmp_too_big(struct dp *dp, const uint8_t *pkt, size_t len, uint16_t mtu)
{
	if (pkt[0] >> 4 == 4)
		error_v4(dp, pkt, len, ICMP_UNREACH_FRAG, mtu);
	else
		error_v6(dp, pkt, len, ICMP6_TOO_BIG, 0, mtu);
}

void dp_icmp_unreachable(struct dp *dp, const uint8_t *pkt, size_t len)
{
	if (pkt[0] >> 4 == 4)
		error_v4(dp, pkt, len, ICMP_UNREACH_HOST, 0);
	else
		error_v6(dp, pkt, len, ICMP6_UNREACH, ICMP6_UNREACH_ADDR, 0);
}
