/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/dp_impl.h"
#include "common/bytes.h"

enum {
	IPV4_HDR = 20,
	IPV6_HDR = 40,
	TCP_HDR = 20,
	PROTO_TCP = 6,
	TCP_SYN = 2,
	TCP_OPT_END = 0,
	TCP_OPT_NOP = 1,
	TCP_OPT_MSS = 2,
	ECN_MASK = 3,
	ECN_NOT = 0,
	ECN_ECT1 = 1,
	ECN_CE = 3,
};

uint32_t dp_csum_add(uint32_t sum, const uint8_t *p, size_t len)
{
	for (; len > 1; p += 2, len -= 2)
		sum += load_be16(p);
	if (len > 0)
		sum += (uint32_t)*p << 8;
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

uint16_t dp_csum(uint32_t sum, const uint8_t *p, size_t len)
{
	return (uint16_t)~dp_csum_add(sum, p, len);
}

/* RFC 1624, equation 3. */
static void csum_replace(uint8_t *field, uint16_t from, uint16_t to)
{
	uint32_t sum = (uint16_t)~load_be16(field) + (uint32_t)(uint16_t)~from + to;

	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	store_be16(field, (uint16_t)~sum);
}

bool dp_packet_addrs(const uint8_t *pkt, size_t len, struct ip_addr *src, struct ip_addr *dst)
{
	uint32_t be;

	if (len >= IPV4_HDR && pkt[0] >> 4 == 4) {
		memcpy(&be, pkt + 12, 4);
		*src = ip_from_v4(be);
		memcpy(&be, pkt + 16, 4);
		*dst = ip_from_v4(be);
		return true;
	}
	if (len >= IPV6_HDR && pkt[0] >> 4 == 6) {
		memcpy(src->b, pkt + 8, 16);
		memcpy(dst->b, pkt + 24, 16);
		return true;
	}
	return false;
}

uint8_t dp_packet_tos(const uint8_t *pkt)
{
	if (pkt[0] >> 4 == 4)
		return pkt[1];
	return (uint8_t)(pkt[0] << 4 | pkt[1] >> 4);
}

static void ecn_set(uint8_t *pkt, uint8_t ecn)
{
	uint16_t from;

	if (pkt[0] >> 4 == 6) {
		pkt[1] = (uint8_t)((pkt[1] & ~(ECN_MASK << 4)) | ecn << 4);
		return;
	}
	from = load_be16(pkt);
	pkt[1] = (uint8_t)((pkt[1] & ~ECN_MASK) | ecn);
	csum_replace(pkt + 10, from, load_be16(pkt));
}

bool dp_packet_ecn(uint8_t *pkt, uint8_t outer_tos)
{
	uint8_t inner = dp_packet_tos(pkt) & ECN_MASK, outer = outer_tos & ECN_MASK;

	if (inner == ECN_NOT)
		return outer != ECN_CE;
	if (inner != ECN_CE && (outer == ECN_CE || outer == ECN_ECT1) && outer != inner)
		ecn_set(pkt, outer);
	return true;
}

/* Offset of the TCP header of an unfragmented packet, 0 for anything else. */
static size_t tcp_offset(const uint8_t *pkt, size_t len)
{
	size_t at;

	if (pkt[0] >> 4 == 6)
		return len >= IPV6_HDR + TCP_HDR && pkt[6] == PROTO_TCP ? IPV6_HDR : 0;
	at = (size_t)(pkt[0] & 15) * 4;
	if (pkt[9] != PROTO_TCP || (load_be16(pkt + 6) & 0x3fff) != 0 || len < at + TCP_HDR)
		return 0;
	return at;
}

/* Of the MSS value in TCP's options; 0 where there is none. */
static size_t mss_offset(const uint8_t *tcp, size_t len)
{
	size_t at = TCP_HDR, end = (size_t)(tcp[12] >> 4) * 4;

	if (end > len)
		return 0;
	while (at + 1 < end && tcp[at] != TCP_OPT_END) {
		if (tcp[at] == TCP_OPT_NOP) {
			at++;
			continue;
		}
		if (tcp[at] == TCP_OPT_MSS && tcp[at + 1] == 4 && at + 4 <= end)
			return at + 2;
		if (tcp[at + 1] < 2)
			return 0;
		at += tcp[at + 1];
	}
	return 0;
}

bool dp_packet_clamp(uint8_t *pkt, size_t len, uint16_t mtu)
{
	size_t tcp = tcp_offset(pkt, len), opt;
	uint16_t limit, mss;

	if (tcp == 0 || (pkt[tcp + 13] & TCP_SYN) == 0)
		return false;
	opt = mss_offset(pkt + tcp, len - tcp);
	if (opt == 0)
		return false;
	limit = (uint16_t)(mtu - TCP_HDR - (pkt[0] >> 4 == 4 ? IPV4_HDR : IPV6_HDR));
	mss = load_be16(pkt + tcp + opt);
	if (mss <= limit)
		return false;
	store_be16(pkt + tcp + opt, limit);
	if ((opt & 1) == 0) {
		csum_replace(pkt + tcp + 16, mss, limit);
	} else {
		/* The value stands across two 16-bit words of the sum. */
		csum_replace(pkt + tcp + 16, __builtin_bswap16(mss), __builtin_bswap16(limit));
	}
	return true;
}
