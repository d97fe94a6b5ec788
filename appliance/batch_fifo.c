/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/batch_fifo.h"

#include <stdlib.h>
#include <string.h>

_Static_assert((BATCH_SLOTS & (BATCH_SLOTS - 1)) == 0, "numbers wrap around");

static void *zeroed(size_t bytes)
{
	void *p = aligned_alloc(RTE_CACHE_LINE_SIZE, bytes);

	return p == NULL ? NULL : memset(p, 0, bytes);
}

struct batch_fifo *batch_fifo_create(bool shared)
{
	struct batch_fifo *f = zeroed(sizeof(*f));

	if (f == NULL || !shared)
		return f;
	f->slots = zeroed(BATCH_SLOTS * sizeof(*f->slots));
	if (f->slots == NULL) {
		free(f);
		return NULL;
	}
	return f;
}

void batch_fifo_destroy(struct batch_fifo *f)
{
	if (f == NULL)
		return;
	free(f->slots);
	free(f);
}

void batch_put(struct batch_fifo *f)
{
	struct batch *b = &f->slots[f->tail % BATCH_SLOTS];

	f->packets += b->n;
	atomic_store_explicit(&b->state, f->tail << 2 | BATCH_READY, memory_order_release);
	f->tail++;
	/* pairs with batch_take() */
	atomic_store_explicit(&f->offered, f->tail, memory_order_release);
}

static bool take(struct batch *b, uint32_t number)
{
	uint32_t ready = number << 2 | BATCH_READY;

	/* Looked at before it is written: a batch that somebody works on keeps its line. */
	return atomic_load_explicit(&b->state, memory_order_relaxed) == ready &&
	       atomic_compare_exchange_strong_explicit(&b->state, &ready, number << 2 | BATCH_TAKEN,
						       memory_order_acquire, memory_order_relaxed);
}

struct batch *batch_claim(struct batch_fifo *f, unsigned int keep, unsigned int *waiting)
{
	unsigned int ready = 0;

	if ((int32_t)(f->claim - f->head) < 0)
		f->claim = f->head;
	for (uint32_t i = f->claim; i != f->tail; i++) {
		uint32_t state = atomic_load_explicit(&f->slots[i % BATCH_SLOTS].state,
						      memory_order_relaxed);

		if ((state & 3) == BATCH_READY)
			ready++;
		else if (ready == 0)
			f->claim = i + 1;
	}
	*waiting = ready;
	for (uint32_t i = f->claim; ready > keep && i != f->tail; i++) {
		struct batch *b = &f->slots[i % BATCH_SLOTS];

		if (!take(b, i))
			continue;
		*waiting = ready - 1;
		return b;
	}
	return NULL;
}

void batch_pop(struct batch_fifo *f)
{
	struct batch *b = &f->slots[f->head % BATCH_SLOTS];

	f->packets -= b->n;
	atomic_store_explicit(&b->state, f->head << 2 | BATCH_FREE, memory_order_relaxed);
	f->head++;
}

struct batch *batch_take(struct batch_fifo *f, uint32_t *cursor)
{
	/* pairs with batch_put() */
	uint32_t tail = atomic_load_explicit(&f->offered, memory_order_acquire);

	if (f->slots == NULL)
		return NULL;
	if (tail - *cursor > BATCH_SLOTS)
		*cursor = tail - BATCH_SLOTS; /* away for a round or more */
	while (*cursor != tail) {
		uint32_t number = (*cursor)++;
		struct batch *b = &f->slots[number % BATCH_SLOTS];

		if (take(b, number))
			return b;
	}
	return NULL;
}
