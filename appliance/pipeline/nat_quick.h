/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PIPELINE_NAT_QUICK_H
#define PIPELINE_NAT_QUICK_H

/* The quick way through both directions of the NAT: what nearly all of its packets are, IPv4 without
 * options, whole, UDP or TCP that neither opens nor ends, on a flow that is there and stays in IPv4.
 * One look says whether a packet is such a one, one more function writes it anew in registers. All else
 * goes by tuple.c and rewrite.c, which are also its twins in the tests: the bytes are the same.
 *
 * Inlined into nat_out.c and nat_in.c; nat_quick_is() and nat_quick_write() are pure.
 */
#include "appliance/nat_flow.h"
#include "appliance/pipeline/nat.h"
#include "appliance/pipeline/outer.h"

enum {
	QUICK_TCP_HDR = 20,
	QUICK_TCP_ODD = 1 | 2 | 4, /* FIN, SYN, RST */
	QUICK_PORTS_END = IP4_HDR_LEN + UDP_HDR_LEN,
	QUICK_AT_SPORT = IP4_HDR_LEN,
	QUICK_AT_DPORT = IP4_HDR_LEN + 2,
};

/* ip: len bytes, all of them the packet's. What tuple_parse() checks of such a packet holds then. */
static __rte_always_inline bool nat_quick_is(const uint8_t *ip, uint16_t len)
{
	uint16_t l4 = (uint16_t)(len - IP4_HDR_LEN), udp, off;

	if (unlikely(len < QUICK_PORTS_END || ip[0] != 0x45 || load_be16(ip + 2) != len ||
		     (load_be16(ip + 6) & 0x3fff) != 0 || ip[8] <= 1))
		return false;
	if (ip[9] == IPPROTO_UDP) {
		udp = load_be16(ip + IP4_HDR_LEN + 4);
		return udp >= UDP_HDR_LEN && udp <= l4;
	}
	if (ip[9] != IPPROTO_TCP || l4 < QUICK_TCP_HDR)
		return false;
	off = (uint16_t)((ip[IP4_HDR_LEN + 12] >> 4) * 4);
	return off >= QUICK_TCP_HDR && off <= l4 && (ip[IP4_HDR_LEN + 13] & QUICK_TCP_ODD) == 0;
}

static inline enum nat_proto nat_quick_proto(const uint8_t *ip)
{
	return ip[9] == IPPROTO_TCP ? NAT_TCP : NAT_UDP;
}

static inline struct ip_addr nat_quick_src(const uint8_t *ip)
{
	uint32_t a;

	memcpy(&a, ip + 12, sizeof(a));
	return ip_from_v4(a);
}

static inline struct ip_addr nat_quick_dst(const uint8_t *ip)
{
	uint32_t a;

	memcpy(&a, ip + 16, sizeof(a));
	return ip_from_v4(a);
}

/* A flow that such a packet can take: IPv4 on both sides, and not to a node behind this RS. */
static inline bool nat_quick_fits(const struct nat_flow *f)
{
	return (f->kind & (NAT_KIND_IN6 | NAT_KIND_OUT6)) == 0 && (f->state & NAT_HAIRPIN) == 0;
}

/* New addresses as they stand in a header, both ports likewise as the four bytes they are; the TTL goes
 * down by one. Needs nat_quick_is(ip).
 */
static __rte_always_inline void nat_quick_write(uint8_t *ip, uint32_t src, uint32_t dst,
						uint32_t ports)
{
	bool is_udp = ip[9] == IPPROTO_UDP;
	uint8_t *l4 = ip + IP4_HDR_LEN, *at = l4 + (is_udp ? 6 : 16);
	uint32_t old_src, old_dst, old_ports, ttl;
	uint64_t first, now = (uint64_t)src + dst, sum;
	uint16_t check;

	memcpy(&first, ip, sizeof(first));
	memcpy(&ttl, ip + 8, sizeof(ttl));
	memcpy(&old_src, ip + 12, sizeof(old_src));
	memcpy(&old_dst, ip + 16, sizeof(old_dst));
	memcpy(&old_ports, l4, sizeof(old_ports));
	memcpy(&check, at, sizeof(check));

	ttl = (ttl & 0xffff) - 1; /* its byte is the first; the checksum counts as zero */
	sum = (first & UINT32_MAX) + (first >> 32) + ttl + now;
	ttl |= (uint32_t)(uint16_t)~csum_fold(sum) << 16;
	memcpy(ip + 8, &ttl, sizeof(ttl));
	memcpy(ip + 12, &src, sizeof(src));
	memcpy(ip + 16, &dst, sizeof(dst));
	memcpy(l4, &ports, sizeof(ports));

	if (is_udp && check == 0) /* none was sent */
		return;
	check = csum_replace(check, (uint64_t)old_src + old_dst + old_ports, now + ports);
	if (is_udp && check == 0)
		check = 0xffff;
	memcpy(at, &check, sizeof(check));
}

/* The ports of the packet, as the four bytes they are, with another source or destination. */
static inline uint32_t nat_quick_sport(const uint8_t *ip, uint16_t sport)
{
	uint32_t p;

	memcpy(&p, ip + QUICK_AT_SPORT, sizeof(p));
	return (p & 0xffff0000) | __builtin_bswap16(sport);
}

static inline uint32_t nat_quick_dport(const uint8_t *ip, uint16_t dport)
{
	uint32_t p;

	memcpy(&p, ip + QUICK_AT_SPORT, sizeof(p));
	return (p & 0xffff) | (uint32_t)__builtin_bswap16(dport) << 16;
}

#endif
