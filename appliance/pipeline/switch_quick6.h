/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PIPELINE_SWITCH_QUICK6_H
#define PIPELINE_SWITCH_QUICK6_H

/* The quick way through the switch where a side of the path is of IPv6: as switch_quick.h, for what that
 * leaves over. What fails here anywhere is not touched and goes by switch.c, which is the twin in the tests
 * of this as well.
 *
 * Inlined into switch.c.
 */
#include "appliance/pipeline/switch_quick.h"

#include <immintrin.h>

static __rte_always_inline uint64_t long_at(const void *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof(w));
	return w;
}

/* One's complement: what is carried out of a sum comes in again below, so that words of any width sum to the
 * same remainder.
 */
static __rte_always_inline uint64_t sum2(uint64_t a, uint64_t b)
{
	unsigned long long sum;
	unsigned char carry = _addcarry_u64(0, a, b, &sum);

	(void)_addcarry_u64(carry, sum, 0, &sum);
	return sum;
}

static __rte_always_inline uint64_t sum4(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	unsigned long long sum;
	unsigned char carry = _addcarry_u64(0, a, b, &sum);

	carry = _addcarry_u64(carry, sum, c, &sum);
	carry = _addcarry_u64(carry, sum, d, &sum);
	(void)_addcarry_u64(carry, sum, 0, &sum);
	return sum;
}

/* Of both addresses of a header. */
static __rte_always_inline uint64_t sum_addresses(const uint8_t *ip, bool v6)
{
	if (!v6)
		return long_at(ip + 12);
	return sum4(long_at(ip + 8), long_at(ip + 16), long_at(ip + 24), long_at(ip + 32));
}

/* Our port and the other side's, and the checksum over what changes with them; addresses: the sum of those
 * that give way. What comes instead is not 0, so that no sum is.
 */
static __rte_always_inline void rewrite_udp6(uint8_t *udp, uint64_t addresses,
					     const struct path_side *to, const struct rs_local *own)
{
	const uint32_t ports = rte_cpu_to_be_32((uint32_t)own->ep.port << 16 | to->port);
	const uint64_t was = sum2(addresses, word_at(udp));
	uint64_t small = (uint64_t)own->sum + csum_be16(to->port);
	uint16_t check;

	memcpy(&check, udp + 6, 2);
	small += (uint16_t)~check;
	memcpy(udp, &ports, 4);
	check = (uint16_t)~csum_fold(sum4(~was, long_at(to->ip.b), long_at(to->ip.b + 8), small));
	if (unlikely(check == 0))
		check = 0xffff;
	memcpy(udp + 6, &check, 2);
}

/* A flow label per path and direction (RFC 6437), so that routers keep a path on one way. */
static __rte_always_inline uint32_t flow_label(uint64_t id, unsigned int to)
{
	return (uint32_t)((id * 0x9e3779b97f4a7c15ULL) >> 44) ^ to;
}

/* IPv6 by IPv6, which keeps its place: class and hop limit come out of the old header. */
static __rte_always_inline void rewrite6(uint8_t *ip, uint16_t udp_len, uint32_t flow,
					 const struct path_side *to, const struct rs_local *own)
{
	/* In memory order: 4 bits of version, class and flow label, length, next header, hop limit. */
	const uint64_t kept = 0xff0000000000f00f, one_hop = 1ULL << 56;
	uint64_t first = (long_at(ip) & kept) - one_hop;

	first |= 0x60 | rte_cpu_to_be_32(flow) | (uint64_t)rte_cpu_to_be_16(udp_len) << 32 |
		 (uint64_t)IPPROTO_UDP << 48;
	memcpy(ip, &first, 8);
	memcpy(ip + 8, own->ep.ip.b, 16);
	memcpy(ip + 24, to->ip.b, 16);
}

/* From one family to the other: 20 bytes more or less in front. */
static __rte_always_inline void rewrite_across(const uint8_t *ip, uint8_t *udp, uint16_t udp_len,
					       uint32_t flow, const struct path_side *to,
					       const struct rs_local *own, bool from_v6)
{
	const struct outer o = {
		.src = &own->ep.ip,
		.dst = &to->ip,
		.tos = from_v6 ? (uint8_t)(load_be16(ip) >> 4) : ip[1],
		.ttl = (uint8_t)(ip[from_v6 ? 7 : 8] - 1),
		.proto = IPPROTO_UDP,
		.flow = flow,
	};

	if (from_v6)
		outer_write4(udp, udp_len, &o);
	else
		outer_write6(udp, udp_len, &o);
}

static __rte_always_inline bool source_is(const struct path_side *side, const uint8_t *ip,
					  const uint8_t *udp, bool v6)
{
	uint64_t high = v6 ? long_at(ip + 8) : 0;
	uint64_t low = v6 ? long_at(ip + 16) : (uint64_t)word_at(ip + 12) << 32 | 0xffff0000;

	return ((high ^ long_at(side->ip.b)) | (low ^ long_at(side->ip.b + 8))) == 0 &&
	       load_be16(udp) == side->port;
}

static __rte_always_inline unsigned int side_of(const struct hops *hops, uint16_t i)
{
	return hops->ntm[i][1] & WIRE_SIDE_A ? RS_SIDE_A : RS_SIDE_B;
}

/* Called with constants for the families. False: not done and not touched, it takes the long way. */
static __rte_always_inline bool switch_between(struct worker *w, struct hops *hops, uint16_t i,
					       struct common *c, bool from_v6, bool to_v6)
{
	const struct path_record *rec = hops->rec[i];
	const unsigned int from = side_of(hops, i);
	const struct path_side *side = &rec->side[from], *to = &rec->side[from ^ 1];
	const struct rs_local *own = &c->locals[to->local];
	uint8_t *udp = hops->ntm[i] - UDP_HDR_LEN;
	const uint32_t from_hdr = from_v6 ? IP6_HDR_LEN : IP4_HDR_LEN,
		       to_hdr = to_v6 ? IP6_HDR_LEN : IP4_HDR_LEN;
	uint8_t *ip = udp - from_hdr;
	const uint16_t udp_len = (uint16_t)(UDP_HDR_LEN + hops->len[i]);
	const uint32_t flow = to_v6 ? flow_label(rec->id, from ^ 1) & FLOW_LABEL_MASK : 0;
	uint64_t route = atomic_load_explicit(&rec->route, memory_order_relaxed);
	uint32_t nexthop = (uint32_t)(route >> (from == RS_SIDE_A ? PATH_NEXTHOP_BITS : 0)) &
			   PATH_NEXTHOP_MASK;

	if (unlikely(hops->ip_len[i] != from_hdr || ip[0] >> 4 != (from_v6 ? 6 : 4) ||
		     (from_v6 != to_v6 && ip_is_v4(&to->ip) == to_v6) ||
		     !source_is(side, ip, udp, from_v6) ||
		     route >> (2 * PATH_NEXTHOP_BITS) != c->mark || ip[from_v6 ? 7 : 8] <= 1 ||
		     (udp[6] | udp[7]) == 0))
		return false;
	if (unlikely(nexthop != c->nexthop) && !common_nexthop(w, nexthop, c))
		return false;
	if (unlikely(to_hdr + udp_len > c->room))
		return false;
	path_count_add(c->rs, rec, from, (uint16_t)(from_hdr + udp_len));
	rewrite_udp6(udp, sum_addresses(ip, from_v6), to, own);
	if (from_v6 && to_v6)
		rewrite6(ip, udp_len, flow, to, own);
	else
		rewrite_across(ip, udp, udp_len, flow, to, own, from_v6);
	if (from_v6 != to_v6)
		hops->ip_len[i] = (uint16_t)to_hdr;
	hops->nexthop[i] = nexthop;
	return true;
}

/* What the quick way of IPv4 left over: places of those of IPv6, of those from one family to the other, and
 * of the rest.
 */
struct left {
	uint16_t n6, n_across, n;
	uint8_t at6[LANE_MAX], across[LANE_MAX], at[LANE_MAX];
};

/* From IPv4 to IPv6 a packet grows by 20 bytes, into a line that nobody has read. */
static __rte_always_inline void leave(struct left *left, const struct hops *hops, uint16_t i)
{
	const unsigned int flags = hops->rec[i]->side[side_of(hops, i)].flags;

	if (flags & SIDE_PLAIN6) {
		left->at6[left->n6++] = (uint8_t)i;
	} else if (flags & SIDE_PLAIN_ACROSS) {
		__builtin_prefetch(hops->ntm[i] - UDP_HDR_LEN - IP6_HDR_LEN - RTE_ETHER_HDR_LEN, 1);
		left->across[left->n_across++] = (uint8_t)i;
	} else {
		left->at[left->n++] = (uint8_t)i;
	}
}

static __attribute__((noinline)) void switch_left6(struct worker *w, struct left *left,
						   struct common c)
{
	const struct burst *ahead = &w->lanes.ahead;
	const uint16_t n6 = left->n6, n_ahead = ahead->n;

	for (uint16_t k = 0; k < n6; k++) {
		if (k < n_ahead) /* their Path IDs lie in the second line */
			rte_prefetch0(rte_pktmbuf_mtod_offset(ahead->pkt[k], void *,
							      RTE_CACHE_LINE_SIZE));
		if (unlikely(!switch_between(w, &w->hops, left->at6[k], &c, true, true)))
			left->at[left->n++] = left->at6[k];
	}
}

static __attribute__((noinline)) void switch_left_across(struct worker *w, struct left *left,
							 struct common c)
{
	struct hops *hops = &w->hops;

	for (uint16_t k = 0; k < left->n_across; k++) {
		const uint16_t i = left->across[k];

		if (unlikely(!(hops->ip_len[i] == IP4_HDR_LEN
				       ? switch_between(w, hops, i, &c, false, true)
				       : switch_between(w, hops, i, &c, true, false))))
			left->at[left->n++] = (uint8_t)i;
	}
}

#endif
