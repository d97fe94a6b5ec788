/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PKTGEN_TRAFFIC_H
#define PKTGEN_TRAFFIC_H

/* Frames of a plan: made, and recognised when they come out of the RS.
 *
 * What is inside of every packet, sealed or plain:
 *
 *	IPv4 20 | UDP 8 | magic 4 | stream 4 | sequence 8 | filler up to the inner length
 *
 * with right checksums. Sealed packets carry the sequence in their NTM header as well, one count
 * per way: to a leg's or path's replay window that is an increasing sequence with gaps. So RS-S
 * packets are accounted for without opening them; one in `check_every` is opened all the same and
 * looked at to the last byte, as are the others' headers and checksums. What RS-N seals is always
 * opened, for the sequence there is the RS's own.
 *
 * One thread.
 */
#include "perf/pktgen/plan.h"

#include <rte_ether.h>
#include <rte_mbuf.h>

enum {
	TRAFFIC_BURST = AEAD_BURST,
	TRAFFIC_INNER_MIN = 20 + 8 + 16,
	TRAFFIC_INNER_MAX = 8900,
	TRAFFIC_TTL = 64,
};

/* Where nodes are, and where general hosts are; may be one port. */
enum traffic_side { TRAFFIC_ACCESS, TRAFFIC_OUTSIDE, TRAFFIC_SIDES };

struct traffic {
	struct plan *plan;
	struct rte_ether_addr own_mac[TRAFFIC_SIDES], rs_mac[TRAFFIC_SIDES];
	uint32_t check_every; /* 1: all; 0: none */
	uint32_t check_count;
	uint64_t corrupt;	 /* looked at and not as it should be */
	const char *corrupt_why; /* of the first one */
	uint8_t filler[TRAFFIC_INNER_MAX];
};

/* What is to be made. */
struct traffic_item {
	uint32_t stream;
	uint16_t inner; /* bytes of the inner packet, or of the plain one */
	uint64_t seq;
};

/* What a frame turned out to be. */
enum traffic_kind {
	TRAFFIC_DATA,	 /* way, stream and seq are set */
	TRAFFIC_CONTROL, /* NTM for a node, but no data: handshakes, control, probes */
	TRAFFIC_LINK,	 /* ARP, ND and the like */
	TRAFFIC_STRANGE, /* nothing we wait for */
	TRAFFIC_CORRUPT, /* counted, see corrupt_why */
};

struct traffic_found {
	uint8_t kind;
	uint8_t way;
	uint32_t stream;
	uint64_t seq;
};

/* check_every: see above. filler is drawn from the plan's random numbers. */
void traffic_init(struct traffic *t, struct plan *p, uint32_t check_every);

/* Bytes of the frame that carries `inner` bytes a way, without FCS. */
uint16_t traffic_frame_len(const struct plan *p, enum way w, uint16_t inner);

/* Make n <= TRAFFIC_BURST frames of one way, in mbufs with room for them. WAY_IN: only of flows whose
 * mapping is known.
 */
void traffic_make(struct traffic *t, enum way w, const struct traffic_item *item, unsigned int n,
		  struct rte_mbuf **m);
/* Recognise n <= TRAFFIC_BURST frames. Sealed ones may be opened in place. A WAY_OUT packet tells
 * the plan the public end of its flow.
 */
void traffic_find(struct traffic *t, struct rte_mbuf **m, unsigned int n,
		  struct traffic_found *out);

#endif
