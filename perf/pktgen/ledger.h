/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PKTGEN_LEDGER_H
#define PKTGEN_LEDGER_H

/* What was sent one way and what became of it: every packet is received once, or lost; besides it
 * may come twice or out of order. Each way has its own ledger and its own sequence from 0.
 *
 *	sent = received + refused + lost		after ledger_close()
 *
 * A ring of slots holds the latest sequences with their times of sending. A slot that is used again
 * before its packet came makes that packet a lost one, in the slice of time in which it was sent;
 * should it come later still, it is counted as late. Order is judged per stream after RFC 4737: a
 * packet whose sequence is below the highest of its stream that came before it is reordered.
 *
 * One thread. Memory: 16 bytes per slot, 8 per stream, 16 per slice.
 */
#include "perf/pktgen/hist.h"

#include <stdbool.h>
#include <stddef.h>

struct ledger_conf {
	unsigned int window_bits; /* 2^window_bits packets may be under way */
	uint32_t streams;
	uint64_t slice_tsc; /* length of a slice */
	uint32_t slices;    /* the last one takes all that comes after */
};

struct ledger_slot {
	uint64_t tsc; /* when it was sent; LEDGER_DONE: settled */
	uint64_t seq;
};

struct ledger_slice {
	uint64_t sent;
	uint64_t lost; /* refused ones among them */
};

#define LEDGER_DONE UINT64_MAX

struct ledger {
	struct ledger_conf conf;
	struct ledger_slot *slot;
	uint64_t *highest; /* by stream: greatest sequence that came, plus one */
	struct ledger_slice *slice;
	uint64_t start_tsc;
	uint64_t next_seq, base_seq; /* base_seq: the first one since ledger_start() */

	/* Since ledger_start(). */
	uint64_t sent, received, refused, lost, duplicate, reordered, late;
	uint64_t foreign; /* sequences that were never sent, or before ledger_start() */
	uint64_t sent_bytes, received_bytes;
	struct hist latency; /* in TSC cycles */
};

/* 0 or -ENOMEM; ledger_fini() in any case. */
int ledger_init(struct ledger *l, const struct ledger_conf *conf);
void ledger_fini(struct ledger *l);

/* A new trial: all figures to zero; sequences go on, so that no key sees one twice. */
void ledger_start(struct ledger *l, uint64_t now_tsc);
/* The trial is over: whatever has not come is lost. */
void ledger_close(struct ledger *l);

/* A sequence for a packet that is sent at tsc. About one cache line. */
uint64_t ledger_sent(struct ledger *l, uint64_t tsc, uint32_t bytes);
/* The port did not take the packet: it counts as lost, by name. */
void ledger_refused(struct ledger *l, uint64_t seq);

enum ledger_verdict { LEDGER_OK, LEDGER_DUPLICATE, LEDGER_LATE, LEDGER_FOREIGN };
/* A packet came at tsc. Cost: two cache lines, of slot and stream. */
enum ledger_verdict ledger_received(struct ledger *l, uint64_t seq, uint32_t stream, uint64_t tsc,
				    uint32_t bytes);

/* Have the lines of a packet that is about to be settled fetched. */
static inline void ledger_prefetch(const struct ledger *l, uint64_t seq, uint32_t stream)
{
	__builtin_prefetch(&l->slot[seq & ((1ULL << l->conf.window_bits) - 1)], 1);
	if (stream < l->conf.streams)
		__builtin_prefetch(&l->highest[stream], 1);
}

#endif
