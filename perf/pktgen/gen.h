/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PKTGEN_GEN_H
#define PKTGEN_GEN_H

/* The generator's loop: sends at a rate, receives, and keeps a ledger for each way. One lcore does
 * both, so that one clock and no lock are needed; packets that the port does not take at once are
 * not sent again but counted as refused, which is what a full receive ring of the RS looks like
 * through net_ring and memif.
 *
 * One thread.
 */
#include "perf/pktgen/ledger.h"
#include "perf/pktgen/pace.h"
#include "perf/pktgen/stall.h"
#include "perf/pktgen/traffic.h"

#include <stdatomic.h>

enum {
	GEN_SIZES_MAX = 64,
	GEN_SLICE_MS = 10,
	GEN_SECONDS_MAX = 3600,
	GEN_DRAIN_MS = 1000,
	GEN_TICK_US = 1000
};

/* Frames that are no data of ours: the control conversation, ARP. Takes the packet. */
typedef void (*gen_other_fn)(void *ctx, struct rte_mbuf *m, enum traffic_kind kind);

struct gen_conf {
	double pps; /* over all ways */
	double seconds;
	unsigned int weight[WAYS]; /* share of each way; 0: none */
	unsigned int n_sizes;
	uint16_t size[GEN_SIZES_MAX]; /* inner bytes, taken in turn */
	bool in_order;		      /* streams in turn instead of drawn */
};

struct gen {
	struct plan *plan;
	struct traffic traffic;
	struct ledger ledger[WAYS];
	struct rte_mempool *pool;
	uint16_t port[TRAFFIC_SIDES];
	int mark_port;	    /* port to note in what is sent (net_ring does not); -1: none */
	gen_other_fn other; /* NULL: counted and freed */
	void *ctx;
	/* Called about every GEN_TICK_US, also in the middle of a run; NULL: never. */
	void (*tick)(void *ctx);
	uint64_t tick_tsc;
	const _Atomic bool *quit; /* NULL, or: end early */

	/* Of one run. */
	struct pace pace;
	struct stall_log stalls;
	uint64_t kind[TRAFFIC_CORRUPT + 1]; /* frames received, by kind */
	uint64_t no_mbuf;
	uint64_t from_tsc, to_tsc; /* of sending */
	uint64_t turn[WAYS];	   /* sizes and streams taken so far */
	uint64_t draw;
};

struct gen_setup {
	struct plan *plan;
	struct rte_mempool *pool;
	unsigned int window_bits;
	double seconds_max; /* longest run to come */
	uint32_t check_every;
};

/* 0 or -ENOMEM; gen_fini() in any case. Ports, MACs and other are the caller's to set. */
int gen_init(struct gen *g, const struct gen_setup *s);
void gen_fini(struct gen *g);

/* Send for c->seconds, then wait for what is under way (at most GEN_DRAIN_MS after the last arrival).
 * All ways' ledgers and the fields above then hold the result.
 */
void gen_run(struct gen *g, const struct gen_conf *c);

/* Receive for a while without sending; other() and tick() do their work. */
void gen_listen(struct gen *g, uint64_t tsc);

/* Have every flow send until its mapping is known, at most pps packets a second. 0, -ETIMEDOUT, or
 * -EINTR when asked to quit.
 */
int gen_learn(struct gen *g, double pps, double seconds);

/* Make n packets as gen_run() would send them, and hand each frame to fn with its time of sending in
 * ns from the first, instead of to a port. Ends early where fn says so. 0, -ENOMEM or fn's error.
 */
typedef int (*gen_frame_fn)(void *ctx, uint64_t at_ns, const uint8_t *frame, uint16_t len);
int gen_make(struct gen *g, const struct gen_conf *c, uint64_t n, gen_frame_fn fn, void *ctx);

/* Sent, and neither received nor known to be lost yet. */
uint64_t gen_under_way(const struct gen *g);

#endif
