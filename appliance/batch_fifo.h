/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_BATCH_FIFO_H
#define APPLIANCE_BATCH_FIFO_H

/* The crypto of one worker, in batches that others may help with, kept in order.
 *
 * A worker (the owner) that has more than it can do puts batches at the end of its FIFO. Whoever has
 * time takes the oldest that nobody has, does the cipher in place, marks it done. The owner takes
 * finished batches from the front, in the order they were put, so that replay windows, NAT and the
 * wire see the packets as if one thread had done it all: scatter, and gather in order.
 *
 * A batch passes through FREE -> READY (owner) -> TAKEN (whoever) -> DONE (the same) -> FREE (owner).
 * Its number is part of the state, so that a helper that looks late takes none of the next round.
 * Nobody waits for anybody: a front that is not done yet is looked at again in the next pass.
 *
 * What helpers follow (keys, packet bytes) stays valid until the owner has popped the batch: the
 * owner reports no quiescent state past the token of its first batch (rcu_quiescent_at()).
 */
#include "appliance/aead.h"

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	BATCH_SLOTS = 32, /* a power of two */
	BATCH_NOTE = 64,  /* bytes of what a stage notes about a packet */
	BATCH_HELPERS_MAX = 32,
};

enum batch_state { BATCH_FREE, BATCH_READY, BATCH_TAKEN, BATCH_DONE };

struct worker;
struct batch;

/* The part that any worker may do, with its own engine: touches the batch and its packets alone. */
typedef void (*batch_work_fn)(struct aead *a, struct batch *b);
/* What the owner does with a batch that is done. */
typedef void (*batch_finish_fn)(struct worker *w, struct batch *b);

struct batch {
	_Atomic uint32_t state; /* number << 2 | enum batch_state */
	uint16_t n;
	uint64_t token; /* of the pass it was put in; rcu.h */
	batch_work_fn work;
	batch_finish_fn finish;
	struct aead_op op[AEAD_BURST];
	uint8_t note[AEAD_BURST * BATCH_NOTE] __rte_aligned(64); /* the stage's own array */
} __rte_cache_aligned;

struct batch_fifo {
	struct batch
		own; /* for what is not shared: one and the same, so that it stays in the cache */
	struct batch *slots; /* NULL: nothing is ever shared */
	/* Owner. */
	uint32_t head, tail, claim; /* numbers; from head on the first that may be READY is claim */
	uint32_t packets;	    /* in the batches from head to tail */
	uint32_t pressure;	    /* share.h */
	uint32_t helpers;	    /* workers that have time, as last seen */
	bool on;
	uint32_t cursor[BATCH_HELPERS_MAX]; /* as a helper: the next number to look at, by owner */
	/* Written by the owner, each seldom, read by helpers. */
	_Atomic uint32_t offered __rte_cache_aligned; /* tail */
	_Atomic bool busy __rte_cache_aligned;	      /* has no time to help */
} __rte_cache_aligned;

/* Without shared there is own alone. NULL when out of memory. Main thread. */
struct batch_fifo *batch_fifo_create(bool shared);
/* The lcores have stopped, and the owner has popped what it put. */
void batch_fifo_destroy(struct batch_fifo *f);

/* ---- owner ---- */

static inline bool batch_fifo_is_empty(const struct batch_fifo *f)
{
	return f->head == f->tail;
}

static inline unsigned int batch_fifo_room(const struct batch_fifo *f)
{
	return BATCH_SLOTS - (f->tail - f->head);
}

/* The next free slot, to be filled; NULL when there is none. */
static inline struct batch *batch_next(struct batch_fifo *f)
{
	return likely(batch_fifo_room(f) > 0) ? &f->slots[f->tail % BATCH_SLOTS] : NULL;
}

/* The batch that batch_next() gave is whole: helpers may take it from here on. */
void batch_put(struct batch_fifo *f);

/* The oldest that nobody has, now the owner's; NULL when no more than keep of them wait for
 * helpers. *waiting: how many wait then.
 */
struct batch *batch_claim(struct batch_fifo *f, unsigned int keep, unsigned int *waiting);

/* The first, if it is done; still in the FIFO. */
static inline struct batch *batch_first_done(struct batch_fifo *f)
{
	struct batch *b = &f->slots[f->head % BATCH_SLOTS];

	if (batch_fifo_is_empty(f))
		return NULL;
	/* pairs with batch_done() */
	return atomic_load_explicit(&b->state, memory_order_acquire) == (f->head << 2 | BATCH_DONE)
		       ? b
		       : NULL;
}

/* Away with the first, whose packets are dealt with. */
void batch_pop(struct batch_fifo *f);

/* ---- whoever has a batch ---- */

/* The oldest batch of another worker's FIFO that nobody has, looking on from *cursor; NULL: none. */
struct batch *batch_take(struct batch_fifo *f, uint32_t *cursor);

static inline void batch_done(struct batch *b)
{
	uint32_t number = atomic_load_explicit(&b->state, memory_order_relaxed) & ~3u;

	atomic_store_explicit(&b->state, number | BATCH_DONE, memory_order_release);
}

#endif
