/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_STALL_H
#define APPLIANCE_STALL_H

/* Times at which a poll loop stood still: a gap of more than STALL_NS between two turns. No turn of a
 * worker takes so long, so its CPU was somebody else's: an interrupt, another task, another guest of
 * the machine. Packets that come meanwhile and find a full ring are lost, which says nothing about
 * the loop; who counts losses can tell them apart by these times.
 *
 * Times are ticks of the owner's: ns or TSC. One writer, the loop itself; readers on other threads
 * may see an entry half written, and take it for a hint.
 */
#include <stdint.h>

enum { STALL_NS = 100000, STALL_KEEP = 2048 };

struct stall {
	uint64_t from, to;
};

struct stall_log {
	uint64_t limit, last; /* last 0: nothing to compare with */
	uint64_t count, total, max;
	struct stall stall[STALL_KEEP]; /* the latest; number i lies at i modulo STALL_KEEP */
};

static inline void stall_init(struct stall_log *l, uint64_t limit)
{
	l->limit = limit;
	l->last = 0;
	l->count = l->total = l->max = 0;
}

static inline void stall_add(struct stall_log *l, uint64_t from, uint64_t to)
{
	l->stall[l->count % STALL_KEEP] = (struct stall){from, to};
	l->count++;
	l->total += to - from;
	if (to - from > l->max)
		l->max = to - from;
}

/* Once per turn. A few cycles. */
static inline void stall_turn(struct stall_log *l, uint64_t now)
{
	if (__builtin_expect(now - l->last > l->limit && l->last != 0, 0))
		stall_add(l, l->last, now);
	l->last = now;
}

/* The loop goes to sleep of its own will. */
static inline void stall_rest(struct stall_log *l)
{
	l->last = 0;
}

/* How many of the latest there are to read. */
static inline uint32_t stall_kept(const struct stall_log *l)
{
	return l->count < STALL_KEEP ? (uint32_t)l->count : STALL_KEEP;
}

#endif
