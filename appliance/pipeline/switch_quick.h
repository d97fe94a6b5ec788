/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PIPELINE_SWITCH_QUICK_H
#define PIPELINE_SWITCH_QUICK_H

/* The quick way through the switch: IPv4 to IPv4 on a path about which there is nothing to ask, as nearly
 * all are. What fails here anywhere is not touched and goes by switch.c, which is also its twin in the
 * tests: the bytes are the same.
 *
 * Inlined into switch.c.
 */
#include "appliance/iface.h"
#include "appliance/path_count.h"
#include "appliance/pipeline/outer.h"
#include "appliance/rs_worker.h"
#include "appliance/worker.h"
#include "common/wire.h"

/* Of a burst, in registers: what is stored to packets might alias anything in memory. */
struct common {
	const struct rs_local *locals;
	struct rs_worker *rs;
	uint32_t mark;
	uint32_t nexthop,
		room; /* the last one met, NEXTHOP_NONE at first; IP bytes that its link takes */
};

static inline struct common common_of(const struct worker *w)
{
	return (struct common){
		.locals = w->rs->dp->locals,
		.rs = w->rs,
		.mark = path_route_mark(fib_generation(w->fib)),
		.nexthop = NEXTHOP_NONE,
	};
}

static __rte_always_inline uint32_t word_at(const uint8_t *p)
{
	uint32_t w;

	memcpy(&w, p, sizeof(w));
	return w;
}

/* The source gives way to ours, the destination to the other side's: addresses, ports, TTL and the two
 * checksums change (RFC 1624), and a fragment ID of any value becomes 0 with DF, as in outer.h.
 */
static __rte_always_inline void rewrite4(uint8_t *ip, const struct path_side *to,
					 const struct rs_local *own)
{
	uint8_t *udp = ip + IP4_HDR_LEN;
	const uint32_t id = rte_cpu_to_be_32(IP4_DF), src = ip_v4(&own->ep.ip),
		       dst = ip_v4(&to->ip),
		       ports = rte_cpu_to_be_32((uint32_t)own->ep.port << 16 | to->port);
	uint32_t ttl = word_at(ip + 8), ports_was = word_at(udp);
	/* 0xffff << 40: as in csum_replace(). */
	uint64_t moved = (0xffffULL << 40) + src + dst - word_at(ip + 12) - word_at(ip + 16);
	/* The TTL is the low byte of its word: one less is one less in the sum. */
	uint64_t sum = moved + id - word_at(ip + 4) - 1 + (uint16_t) ~(ttl >> 16);
	uint16_t check;

	ttl = ((ttl - 1) & 0xffff) | (uint32_t)(uint16_t)~csum_fold(sum) << 16;
	memcpy(ip + 4, &id, 4);
	memcpy(ip + 8, &ttl, 4);
	memcpy(ip + 12, &src, 4);
	memcpy(ip + 16, &dst, 4);
	memcpy(udp, &ports, 4);
	memcpy(&check, udp + 6, 2);
	if (unlikely(check == 0))
		return;
	check = (uint16_t)~csum_fold(moved + ports - ports_was + (uint16_t)~check);
	if (unlikely(check == 0))
		check = 0xffff;
	memcpy(udp + 6, &check, 2);
}

/* What the link of a next hop takes; false where there is none. */
static __attribute__((noinline)) bool common_nexthop(const struct worker *w, uint32_t nexthop,
						     struct common *c)
{
	if (nexthop == NEXTHOP_NONE)
		return false;
	c->nexthop = nexthop;
	c->room = w->ifaces[w->nexthops[nexthop].iface].mtu;
	return true;
}

/* False: not done and not touched, it takes the long way. */
static __rte_always_inline bool switch_common(struct worker *w, struct hops *hops, uint16_t i,
					      struct common *c)
{
	const struct path_record *rec = hops->rec[i];
	uint8_t *ntm = hops->ntm[i], *udp = ntm - UDP_HDR_LEN, *ip = udp - IP4_HDR_LEN;
	const unsigned int from = ntm[1] & WIRE_SIDE_A ? RS_SIDE_A : RS_SIDE_B;
	const struct path_side *side = &rec->side[from], *to = &rec->side[from ^ 1];
	const uint32_t size = IP4_HDR_LEN + UDP_HDR_LEN + (uint32_t)hops->len[i];
	uint64_t route = atomic_load_explicit(&rec->route, memory_order_relaxed);
	uint32_t nexthop = (uint32_t)(route >> (from == RS_SIDE_A ? PATH_NEXTHOP_BITS : 0)) &
			   PATH_NEXTHOP_MASK;

	if (unlikely((side->flags & SIDE_PLAIN4) == 0 || hops->ip_len[i] != IP4_HDR_LEN ||
		     word_at(ip + 12) != ip_v4(&side->ip) || load_be16(udp) != side->port ||
		     route >> (2 * PATH_NEXTHOP_BITS) != c->mark || ip[8] <= 1 ||
		     load_be16(ip + 2) != size))
		return false;
	if (unlikely(nexthop != c->nexthop) && !common_nexthop(w, nexthop, c))
		return false;
	if (unlikely(size > c->room))
		return false;
	path_count_add(c->rs, rec, from, (uint16_t)size);
	rewrite4(ip, to, &c->locals[to->local]);
	hops->nexthop[i] = nexthop;
	return true;
}

#endif
