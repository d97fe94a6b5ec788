/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/timers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int timers_init(struct timers *t, uint32_t cap)
{
	t->n = 0;
	t->cap = cap;
	t->heap = calloc((size_t)cap + 1, sizeof(t->heap[0]));
	return t->heap != NULL ? 0 : -ENOMEM;
}

void timers_fini(struct timers *t)
{
	free(t->heap);
	memset(t, 0, sizeof(*t));
}

void timer_init(struct timer *tm, void (*fire)(void *owner, uint64_t now), void *owner)
{
	tm->at_ns = UINT64_MAX;
	tm->pos = 0;
	tm->fire = fire;
	tm->owner = owner;
}

static void place(struct timers *t, uint32_t pos, struct timer *tm)
{
	t->heap[pos] = tm;
	tm->pos = pos;
}

static void up(struct timers *t, uint32_t pos)
{
	struct timer *tm = t->heap[pos];

	for (; pos > 1 && t->heap[pos / 2]->at_ns > tm->at_ns; pos /= 2)
		place(t, pos, t->heap[pos / 2]);
	place(t, pos, tm);
}

static void down(struct timers *t, uint32_t pos)
{
	struct timer *tm = t->heap[pos];

	while (pos * 2 <= t->n) {
		uint32_t kid = pos * 2;

		if (kid < t->n && t->heap[kid + 1]->at_ns < t->heap[kid]->at_ns)
			kid++;
		if (t->heap[kid]->at_ns >= tm->at_ns)
			break;
		place(t, pos, t->heap[kid]);
		pos = kid;
	}
	place(t, pos, tm);
}

static bool grow(struct timers *t)
{
	struct timer **heap = realloc(t->heap, (2 * (size_t)t->cap + 2) * sizeof(heap[0]));

	if (heap == NULL)
		return false;
	t->heap = heap;
	t->cap = 2 * t->cap + 1;
	return true;
}

bool timer_set(struct timers *t, struct timer *tm, uint64_t at_ns)
{
	if (at_ns == UINT64_MAX) {
		timer_cancel(t, tm);
		return true;
	}
	if (tm->pos == 0) {
		if (t->n == t->cap && !grow(t))
			return false;
		tm->at_ns = at_ns;
		place(t, ++t->n, tm);
		up(t, tm->pos);
		return true;
	}
	tm->at_ns = at_ns;
	up(t, tm->pos);
	down(t, tm->pos);
	return true;
}

void timer_cancel(struct timers *t, struct timer *tm)
{
	uint32_t pos = tm->pos;
	struct timer *last;

	if (pos == 0)
		return;
	tm->pos = 0;
	tm->at_ns = UINT64_MAX;
	last = t->heap[t->n--];
	if (last == tm)
		return;
	place(t, pos, last);
	up(t, pos);
	down(t, last->pos);
}

uint64_t timers_next(const struct timers *t)
{
	return t->n > 0 ? t->heap[1]->at_ns : UINT64_MAX;
}

void timers_run(struct timers *t, uint64_t now)
{
	/* Bounded by what is there now: a timer set again for this moment waits its turn. */
	for (uint32_t left = t->n; left > 0 && timers_next(t) <= now; left--) {
		struct timer *tm = t->heap[1];

		timer_cancel(t, tm);
		tm->fire(tm->owner, now);
	}
}
