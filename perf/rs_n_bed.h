/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_RS_N_BED_H
#define PERF_RS_N_BED_H

/* The bed of rs_bed.h with nodes on one side and a general host on the other: legs with keys, a
 * binding each, NAT flows that exist already. Two sets of frames lie ready: sealed ones of the nodes
 * ("open") and plain ones of the host ("seal"); one of them is put back before each slice.
 */
#include "perf/rs_bed.h"

#include "common/rng.h"

enum { RS_N_FRAME_MAX = 1536, RS_N_HEAD = 42 /* Ethernet, IPv4, UDP */ };
enum rs_n_side { RS_N_OPEN, RS_N_SEAL };

struct rs_n_config {
	const char *name;
	uint8_t suite;
	uint16_t inner;		/* bytes of the inner IP packet */
	uint32_t legs, flows;	/* flow f is of leg f % legs */
	uint32_t packets;	/* of a slice; packet i is of flow i % flows, in shuffled order */
	struct rs_dp_config dp; /* what is not zero stands; the rest is filled in */
};

struct rs_n_bed {
	struct rs_bed bed;
	struct rs_n_config cfg;
	struct rng rng;
	struct endpoint *pub; /* by flow */
	uint32_t *order;      /* flow of packet i */
	uint32_t *seq;	      /* of packet i in its leg */
	uint64_t *index;      /* by leg */
	uint32_t *key;	      /* by leg: entry in the table's arrays */
	struct keys *send;    /* by leg: what the node seals with */
	uint8_t (*frame[2])[RS_N_FRAME_MAX];
	uint16_t len[2];
};

/* 0 or -errno, everything given back then. */
int rs_n_bed_up(struct rs_n_bed **out, const struct rs_n_config *cfg);
void rs_n_bed_down(struct rs_n_bed *n);

/* Put the frames of one side back, and the nodes and the worker to where nothing was sent yet. */
void rs_n_bed_refill(struct rs_n_bed *n, enum rs_n_side side);
/* The two halves of it: each of the first `packets` becomes frame[i] and waits again; nothing was sent
 * yet.
 */
void rs_n_bed_put(struct rs_n_bed *n, uint8_t (*frame)[RS_N_FRAME_MAX], uint16_t len,
		  uint32_t packets);
void rs_n_bed_forget(struct rs_n_bed *n);

/* Packet i as its node seals it from an inner port of the caller's choice, into frame; its length. */
uint16_t rs_n_bed_frame(struct rs_n_bed *n, uint32_t i, uint16_t in_port, uint8_t *frame);

/* NTM header of packet i as it was refilled for opening. */
static inline uint8_t *rs_n_bed_ntm(const struct rs_n_bed *n, uint64_t i)
{
	return rte_pktmbuf_mtod_offset(n->bed.pkt[i], uint8_t *, RS_N_HEAD);
}

/* Leg of packet i. */
static inline uint32_t rs_n_bed_leg(const struct rs_n_bed *n, uint64_t i)
{
	return n->order[i] % n->cfg.legs;
}

#endif
