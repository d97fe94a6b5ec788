/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DC_TIMERS_H
#define DC_TIMERS_H

/* Deadlines of many objects: a binary heap of timers that live inside their owners. Setting and
 * cancelling cost O(log n), the next deadline O(1). One thread.
 */
#include <stdbool.h>
#include <stdint.h>

struct timer {
	uint64_t at_ns;
	uint32_t pos; /* in the heap, from 1; 0: not set */
	void (*fire)(void *owner, uint64_t now);
	void *owner;
};

struct timers {
	struct timer **heap; /* heap[0] unused */
	uint32_t n, cap;
};

/* 0 or -ENOMEM. cap: how many may be set at once before the heap has to grow. */
int timers_init(struct timers *t, uint32_t cap);
void timers_fini(struct timers *t);

/* Before its first use. */
void timer_init(struct timer *tm, void (*fire)(void *owner, uint64_t now), void *owner);
/* Set or move; UINT64_MAX cancels. Cannot fail up to cap timers; past it, a heap that cannot grow
 * leaves the timer unset and returns false.
 */
bool timer_set(struct timers *t, struct timer *tm, uint64_t at_ns);
void timer_cancel(struct timers *t, struct timer *tm);

/* UINT64_MAX: none. */
uint64_t timers_next(const struct timers *t);
/* Fire what is due, each once; a timer is unset when it fires and may be set again from there, but
 * a time not after now waits for the next call.
 */
void timers_run(struct timers *t, uint64_t now);

#endif
