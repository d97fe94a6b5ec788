/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PIPELINE_HOPS_H
#define PIPELINE_HOPS_H

/* Packets on their way from one stage to the next as a structure of arrays that stays in the first-level
 * cache: those of relay paths from parse to tx, and data for legs of this worker from parse to open. What
 * these stages have to know about a packet is here, so that of the packet itself only the lines with its
 * headers and the first line of its mbuf are touched, and pkt_meta not at all.
 *
 * All of it belongs to one worker. A packet that leaves this way for another lane gets its pkt_meta then:
 * hop_leave(), and hop_note() where it is to look as parse.c leaves it.
 */
#include "appliance/pipeline/burst.h"
#include "appliance/pipeline/meta.h"
#include "appliance/pipeline/outer.h"
#include "common/bytes.h"

#include <string.h>

struct hops {
	uint16_t n;
	/* parse, or relay for what came by the ntm lane */
	struct rte_mbuf *m[LANE_MAX];
	uint8_t *ntm[LANE_MAX]; /* NTM header; the UDP header is in front of it */
	uint64_t id[LANE_MAX];
	uint16_t len[LANE_MAX];	   /* bytes of the NTM packet */
	uint16_t ip_len[LANE_MAX]; /* bytes of the IP header with all that follows up to UDP */
	union {
		uint32_t place[LANE_MAX]; /* of paths: in the relay table; its line is on its way */
		struct {		  /* for legs: as in pkt_meta */
			uint16_t iface, flags;
		} note[LANE_MAX];
	};
	/* relay */
	union {
		const struct path_record *rec[LANE_MAX];
		struct leg *leg[LANE_MAX];
	};
	/* of paths: switch, which has written the outer headers anew and ip_len with them */
	uint32_t nexthop[LANE_MAX];
};

static inline uint8_t *hop_ip(const struct hops *h, uint16_t i)
{
	return h->ntm[i] - UDP_HDR_LEN - h->ip_len[i];
}

/* Bytes from the IP header to the end of the NTM packet. */
static inline uint16_t hop_size(const struct hops *h, uint16_t i)
{
	return (uint16_t)(h->ip_len[i] + UDP_HDR_LEN + h->len[i]);
}

static inline bool hop_is_v6(const struct hops *h, uint16_t i)
{
	return hop_ip(h, i)[0] >> 4 == 6;
}

/* Outer source and destination, as the headers say at this moment. */
static inline void outer_endpoints(const uint8_t *ip, const uint8_t *udp, struct endpoint *src,
				   struct endpoint *dst)
{
	uint32_t v4;

	if (ip[0] >> 4 == 6) {
		memcpy(src->ip.b, ip + 8, 16);
		memcpy(dst->ip.b, ip + 24, 16);
	} else {
		memcpy(&v4, ip + 12, 4);
		src->ip = ip_from_v4(v4);
		memcpy(&v4, ip + 16, 4);
		dst->ip = ip_from_v4(v4);
	}
	src->port = load_be16(udp);
	dst->port = load_be16(udp + 2);
}

static inline void hop_endpoints(const struct hops *h, uint16_t i, struct endpoint *src,
				 struct endpoint *dst)
{
	outer_endpoints(hop_ip(h, i), h->ntm[i] - UDP_HDR_LEN, src, dst);
}

/* Keep hop i as the k-th; k <= i. What a step drops it leaves out this way. */
static inline void hop_keep(struct hops *h, uint16_t k, uint16_t i)
{
	if (likely(k == i))
		return;
	h->m[k] = h->m[i];
	h->ntm[k] = h->ntm[i];
	h->id[k] = h->id[i];
	h->place[k] = h->place[i];
	h->len[k] = h->len[i];
	h->ip_len[k] = h->ip_len[i];
	h->rec[k] = h->rec[i];
	h->nexthop[k] = h->nexthop[i];
}

/* Those with a reason in why (enum drop_reason, DROP_MAX: none) are counted by it and freed together; the
 * others move up.
 */
void hops_sift(struct lcore_stats *st, struct hops *h, const uint8_t *why);

/* Make the mbuf of hop i what the tx lane takes: data from the IP header on, pkt_meta with what the
 * stages behind it read. The caller forgets the hop.
 */
static inline struct rte_mbuf *hop_leave(const struct hops *h, uint16_t i)
{
	struct rte_mbuf *m = h->m[i];
	struct pkt_meta *meta = pkt_meta(m);

	memset(meta, 0, sizeof(*meta));
	meta->flags = hop_is_v6(h, i) ? PKT_IPV6 : 0;
	meta->nexthop = h->nexthop[i];
	m->data_off = (uint16_t)(hop_ip(h, i) - (uint8_t *)m->buf_addr);
	m->data_len = hop_size(h, i);
	m->pkt_len = m->data_len;
	return m;
}

/* The mbuf of packet i for a leg, unchanged since it was received, with what parse.c would have noted about
 * it. The caller forgets the packet here.
 */
struct rte_mbuf *hop_note(const struct hops *h, uint16_t i);

#endif
