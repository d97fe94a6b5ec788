/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PKTGEN_STALL_H
#define PKTGEN_STALL_H

/* Times at which a poll loop stood still: a gap of more than STALL_US between two readings of the
 * TSC. Nobody's code here takes that long, so the CPU was somebody else's (an interrupt, another
 * task, another guest). Packets that arrive meanwhile and find a full ring are lost, which says
 * nothing about the loop; stall_explain() tells how many of the lost ones that may be.
 *
 * One writer, the loop itself; read after it has stopped, or for hints.
 */
#include "perf/pktgen/ledger.h"

#include <stdint.h>

enum { STALL_US = 100, STALL_KEEP = 4096 };

struct stall {
	uint64_t from_tsc, to_tsc;
};

struct stall_log {
	uint64_t limit_tsc, last_tsc;
	uint64_t count, total_tsc, max_tsc;
	uint32_t kept; /* the first STALL_KEEP are kept, all are counted */
	struct stall stall[STALL_KEEP];
};

static inline void stall_init(struct stall_log *l, uint64_t tsc_hz)
{
	l->limit_tsc = tsc_hz / 1000000 * STALL_US;
	l->last_tsc = 0;
	l->count = l->total_tsc = l->max_tsc = 0;
	l->kept = 0;
}

static inline void stall_add(struct stall_log *l, uint64_t from_tsc, uint64_t to_tsc)
{
	uint64_t gap = to_tsc - from_tsc;

	l->count++;
	l->total_tsc += gap;
	if (gap > l->max_tsc)
		l->max_tsc = gap;
	if (l->kept < STALL_KEEP)
		l->stall[l->kept++] = (struct stall){from_tsc, to_tsc};
}

/* Once per turn of the loop. */
static inline void stall_turn(struct stall_log *l, uint64_t now_tsc)
{
	if (__builtin_expect(now_tsc - l->last_tsc > l->limit_tsc && l->last_tsc != 0, 0))
		stall_add(l, l->last_tsc, now_tsc);
	l->last_tsc = now_tsc;
}

/* How many of a ledger's lost packets the logs can explain. A stall of length T excuses at most
 * rate * T packets, and only those that were sent from two slices before it began until
 * after_tsc after its end: a ring that it filled is drained with what speed is left over. left is
 * scratch of as many entries as the ledger has slices, and tells afterwards what is unexplained.
 */
enum { STALL_AFTER_MS = 100 };
uint64_t stall_explain(const struct ledger *l, const struct stall_log *const *logs, unsigned int n,
		       double rate_per_tsc, uint64_t after_tsc, uint64_t *left);

#endif
