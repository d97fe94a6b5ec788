/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PIPELINE_META_H
#define PIPELINE_META_H

/* What the stages know about a packet: it lies in the private area of the mbuf, between the mbuf
 * and its data. What the lanes behind parse need of it is in the first line. Valid wherever the mbuf
 * goes, through rings too. Packets in hops.h have none yet.
 */
#include "common/ip.h"

#include <rte_common.h>
#include <rte_mbuf.h>

struct leg; /* appliance/relay_table.h */

enum {
	NEXTHOP_NONE = 0, /* index 0 of the next-hop array is "no route" */
	IFACE_NONE = 0xffff,
};

/* Set by parse in meta->flags. */
enum pkt_flag {
	PKT_IPV6 = 1 << 0,	/* the IP header it came with is IPv6 */
	PKT_FRAGMENT = 1 << 1,	/* a piece of a datagram: l4 is valid in the first piece only */
	PKT_FRAG_MORE = 1 << 2, /* more pieces follow */
	PKT_L4_GOOD = 1 << 3,	/* the port verified the L4 checksum */
	PKT_STEERED = 1 << 4,	/* came from another worker: never steered again */
	PKT_ICMP_ERROR = 1 << 5,
	PKT_SHARED_ADDR = 1 << 6, /* pool address that is the box's own as well */
	PKT_UNHELD = 1 << 7,	  /* was held for its next hop once: not held again */
	PKT_FRAG_LATER = 1 << 8,  /* a piece other than the first: l4 is no header */
	PKT_PLAIN = 1 << 9,	  /* in the nat_out and gn lanes: nat_quick_is() says so */
};

struct pkt_meta {
	/* Written by relay for the stages behind it; the RS's own. */
	union {
		struct leg *leg;
		void *ptr;
	};
	/* Written by the stage that puts the packet into the tx lane. */
	uint32_t nexthop; /* index for nexthop_get(), from route_lookup() */
	uint16_t msg;	  /* enum mail_type with which hand_stage passes the packet on */

	/* Written by parse. Offsets count from rte_pktmbuf_mtod() of the frame as received, which
	 * starts at the Ethernet header (a VLAN tag is already stripped). In the gn lane only those
	 * marked with * are set.
	 */
	uint16_t flags;		  /* * enum pkt_flag */
	uint16_t iface;		  /* * interface it came in on */
	uint16_t l3;		  /* * offset of the IP header */
	uint16_t l3_len;	  /* * bytes from the IP header to the end of the IP packet */
	uint16_t l4;		  /* offset of the header behind IP and its extensions */
	uint16_t data;		  /* offset of the UDP payload */
	uint16_t data_len;	  /* bytes of UDP payload, from the UDP header, validated */
	uint8_t proto;		  /* IPPROTO_ of the header at l4 */
	struct endpoint src, dst; /* outer source and destination; ports of UDP and TCP only */
} __rte_cache_aligned;

_Static_assert(offsetof(struct pkt_meta, src) < 64, "what lanes behind parse need is one line");

/* Cannot fail: pools are made by port.c with room for it. */
static inline struct pkt_meta *pkt_meta(struct rte_mbuf *m)
{
	return (struct pkt_meta *)(m + 1);
}

/* Make the data of m the len bytes that begin off bytes behind, or in front of, where they begin now. For
 * packets of one buffer, whose room the caller knows: DPDK's own ways to trim and append look into the
 * second line of the mbuf, which nothing else needs.
 */
static inline void pkt_cut(struct rte_mbuf *m, int off, uint16_t len)
{
	m->data_off = (uint16_t)(m->data_off + off);
	m->data_len = len;
	m->pkt_len = len;
}

static inline uint8_t *pkt_l3(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, uint8_t *, pkt_meta(m)->l3);
}

static inline uint8_t *pkt_l4(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, uint8_t *, pkt_meta(m)->l4);
}

static inline uint8_t *pkt_data(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, uint8_t *, pkt_meta(m)->data);
}

#endif
