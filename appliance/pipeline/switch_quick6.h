/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PIPELINE_SWITCH_QUICK6_H
#define PIPELINE_SWITCH_QUICK6_H

/* The quick way through the switch for IPv6 to IPv6, as switch_quick.h is for IPv4: what fails here
 * anywhere is not touched and goes by switch.c.
 *
 * Inlined into switch.c.
 */
#include "appliance/pipeline/switch_quick.h"

/* Per path and direction (RFC 6437), so that routers keep a path on one way; bits above 20 are to be cut off. */
static __rte_always_inline uint32_t flow_label(uint64_t id, unsigned int to)
{
	return (uint32_t)((id * 0x9e3779b97f4a7c15ULL) >> 44) ^ to;
}

static __rte_always_inline bool is_ip6(const uint8_t *p, const struct ip_addr *ip)
{
	uint64_t have[2], want[2];

	memcpy(have, p, sizeof(have));
	memcpy(want, ip->b, sizeof(want));
	return ((have[0] ^ want[0]) | (have[1] ^ want[1])) == 0;
}

/* Of both addresses of a header, which lie side by side. */
static __rte_always_inline uint64_t sum_addrs6(const uint8_t *p)
{
	uint64_t w[4], sum = 0;

	memcpy(w, p, sizeof(w));
	for (unsigned int i = 0; i < 4; i++)
		sum += (w[i] & UINT32_MAX) + (w[i] >> 32);
	return sum;
}

/* Addresses, ports, hop limit, flow label and UDP's checksum change (RFC 1624); traffic class and lengths
 * stay.
 */
static __rte_always_inline void rewrite6(uint8_t *ip, const struct path_side *to,
					 const struct rs_local *own, uint32_t label)
{
	uint8_t *udp = ip + IP6_HDR_LEN;
	uint64_t old = sum_addrs6(ip + 8) + word_at(udp);
	uint16_t check;

	store_be32(ip, (load_be32(ip) & ~(uint32_t)FLOW_LABEL_MASK) | (label & FLOW_LABEL_MASK));
	ip[7]--;
	memcpy(ip + 8, own->ep.ip.b, 16);
	memcpy(ip + 24, to->ip.b, 16);
	store_be32(udp, (uint32_t)own->ep.port << 16 | to->port);
	memcpy(&check, udp + 6, 2);
	check = csum_replace(check, old, own->sum + csum_ip(&to->ip) + csum_be16(to->port));
	if (unlikely(check == 0))
		check = 0xffff;
	memcpy(udp + 6, &check, 2);
}

/* False: not done and not touched, it takes the long way. */
static __rte_always_inline bool switch_common6(struct worker *w, struct hops *hops, uint16_t i,
					       struct common *c)
{
	const struct path_record *rec = hops->rec[i];
	uint8_t *ntm = hops->ntm[i], *udp = ntm - UDP_HDR_LEN, *ip = udp - IP6_HDR_LEN;
	const unsigned int from = ntm[1] & WIRE_SIDE_A ? RS_SIDE_A : RS_SIDE_B;
	const struct path_side *side = &rec->side[from], *to = &rec->side[from ^ 1];
	const uint32_t udp_len = UDP_HDR_LEN + (uint32_t)hops->len[i];
	uint64_t route = atomic_load_explicit(&rec->route, memory_order_relaxed);
	uint32_t nexthop = (uint32_t)(route >> (from == RS_SIDE_A ? PATH_NEXTHOP_BITS : 0)) &
			   PATH_NEXTHOP_MASK;

	if (unlikely((side->flags & SIDE_PLAIN6) == 0 || hops->ip_len[i] != IP6_HDR_LEN ||
		     ip[0] >> 4 != 6 || !is_ip6(ip + 8, &side->ip) ||
		     load_be16(udp) != side->port || route >> (2 * PATH_NEXTHOP_BITS) != c->mark ||
		     ip[7] <= 1 || load_be16(ip + 4) != udp_len || (udp[6] | udp[7]) == 0))
		return false;
	if (unlikely(nexthop != c->nexthop) && !common_nexthop(w, nexthop, c))
		return false;
	if (unlikely(IP6_HDR_LEN + udp_len > c->room))
		return false;
	path_count_add(c->rs, rec, from, (uint16_t)(IP6_HDR_LEN + udp_len));
	rewrite6(ip, to, &c->locals[to->local], flow_label(rec->id, from ^ 1));
	hops->nexthop[i] = nexthop;
	return true;
}

#endif
