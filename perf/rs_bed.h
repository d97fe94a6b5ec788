/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_RS_BED_H
#define PERF_RS_BED_H

/* A worker with the real pipeline between two rings that DPDK's net_ring driver makes a port of: what
 * waits in `in` is received, what is sent lands in `out`. Packets are put back into their first form
 * between slices, outside of the measured time, and there are so many of them that each is cold when
 * it is received again.
 */
#include "appliance/iface.h"
#include "appliance/rs_worker.h"
#include "appliance/worker.h"
#include "perf/bench.h"

#include <rte_ring.h>

enum {
	BED_PACKETS = (1 << 18) / BENCH_SMALLER, /* 256 k */
	BED_FRAME_MAX = 128,			 /* bytes of a frame that are put back */
	BED_WORKERS_MAX = 2,
};

struct rs_bed {
	struct rs_dp *dp;
	struct worker *w;
	struct rte_mempool *pool;
	struct rte_ring *in, *out;
	/* The port has a queue per worker of the data path; in and out are those of this bed's. */
	struct rte_ring *queue_in[BED_WORKERS_MAX], *queue_out[BED_WORKERS_MAX];
	struct rs_bed *first; /* NULL, or whose tables, port and routes this one uses */
	uint16_t n_workers;
	uint32_t n_packets;
	uint16_t port;
	struct nexthop nexthops[2];
	struct iface iface;
	struct fib *fib;
	struct local_table *local;
	struct rte_mbuf **pkt;		 /* all, in the order they go in */
	uint8_t (*frame)[BED_FRAME_MAX]; /* their first bytes */
	uint16_t frame_len;
};

/* The worker's own endpoint is 192.0.2.1:4700, and [2001:db8::1]:4700 behind those of all workers (local
 * number n_workers); everything else is behind one resolved next hop. 0 or -errno; rs_bed_down() in any case.
 */
int rs_bed_up(struct rs_bed *b, const char *name, const struct rs_dp_config *cfg);
/* The same with fewer packets than BED_PACKETS. */
int rs_bed_up_with(struct rs_bed *b, const char *name, const struct rs_dp_config *cfg,
		   uint32_t packets);
/* The worker beside the first one's, with packets of its own, on the same tables; its endpoint is
 * 192.0.2.1:4701. Taken down before the first.
 */
int rs_bed_beside(struct rs_bed *b, const char *name, struct rs_bed *first);
void rs_bed_down(struct rs_bed *b);

/* Make frame i out of the NTM packet of len bytes in UDP from src to the worker's endpoint. */
void rs_bed_frame(struct rs_bed *b, uint32_t i, const struct endpoint *src, const uint8_t *ntm,
		  uint16_t len);

/* Put n packets back into `in`. */
void rs_bed_refill(struct rs_bed *b, uint32_t n);

/* Whether `in` or what the worker received ahead has packets left. */
bool rs_bed_has_more(const struct rs_bed *b);
/* Run the pipeline until nothing is left; n is how many there were. Aborts unless all came out. */
void rs_bed_run(struct rs_bed *b, uint32_t n);
/* The I/O floor: rx burst, a touch of the first 128 bytes, tx burst. */
void rs_bed_run_io(struct rs_bed *b, uint32_t n);

#endif
