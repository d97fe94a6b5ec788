/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_RELAY_BUCKET_H
#define APPLIANCE_RELAY_BUCKET_H

/* Inside of the relay table, shared by its writer (relay_table.c) and its look-ups
 * (relay_lookup.c) and by nobody else.
 *
 * A path has two buckets. It lies in the first, and only when that is full in the second; the
 * first bucket then counts it (in the low byte of its head), so that a look-up of an unknown Path ID
 * reads one line unless the bucket did overflow. An entry is moved from its first bucket to its
 * second, never back: a reader that goes in this order cannot miss it, for it is entered and counted
 * there before it is taken away here.
 *
 * A bucket has whole Path IDs, so that a look-up need not touch the record to be sure. A way that is
 * filled anew between the reader's look at its key and that at its reference shows in the head: the
 * head is stored after a key is taken away and before another reference is stored.
 */
#include "appliance/relay_table.h"

#include <rte_branch_prediction.h>

enum {
	RELAY_WAYS = 5,
	OVERFLOW_MAX = 255,
	HEAD_FREED = 256, /* added to the head for each key taken away */
};

struct relay_bucket {
	_Atomic uint64_t key[RELAY_WAYS]; /* relay_key(); 0: way is free */
	_Atomic uint32_t ref[RELAY_WAYS]; /* record */
	_Atomic uint32_t head; /* low byte: paths in second buckets; above: keys taken away */
} __rte_aligned(64);

struct retired {
	uint64_t token;
	uint32_t ref;
	bool with_number; /* path deleted: its number is free again too */
};

struct relay_table {
	/* Readers; constant after creation. */
	struct relay_bucket *buckets;
	struct path_record *records;
	uint32_t n_buckets;
	uint64_t secret[4];
	relay_lookup_fn lookup;

	uint32_t *numbers; /* by record; each is written before its record is published */

	/* Writer. */
	void (*released)(void *ctx, const struct path_record *rec, uint32_t number);
	void *ctx;
	enum relay_isa isa;
	struct rte_rcu_qsbr *qsbr;
	uint32_t paths_max, n_records;
	uint32_t count;
	uint32_t *free_refs, n_free_refs;
	uint32_t *free_numbers, n_free_numbers;
	struct retired *retired; /* ring of n_records, oldest at retired_head */
	uint32_t retired_head, n_retired;
};

static inline uint64_t fold_mul(uint64_t a, uint64_t b)
{
	unsigned __int128 p = (unsigned __int128)a * b;

	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static inline uint64_t relay_hash(const struct relay_table *t, uint64_t id)
{
	uint64_t h = fold_mul(id ^ t->secret[0], t->secret[1]);

	return fold_mul(h ^ t->secret[2], t->secret[3]);
}

/* As it stands in a bucket: never 0. The top bit of a Path ID is 0. */
static inline uint64_t relay_key(uint64_t id)
{
	return id << 1 | 1;
}

static inline uint32_t first_bucket(const struct relay_table *t, uint64_t hash)
{
	return (uint32_t)((hash >> 32) * t->n_buckets >> 32);
}

static inline uint32_t second_bucket(const struct relay_table *t, uint64_t hash)
{
	uint32_t b = (uint32_t)((uint64_t)(uint32_t)hash * t->n_buckets >> 32);

	if (unlikely(b == first_bucket(t, hash)))
		b = b + 1 == t->n_buckets ? 0 : b + 1;
	return b;
}

static inline uint32_t bucket_overflow(const struct relay_bucket *b)
{
	return atomic_load_explicit(&b->head, memory_order_acquire) & OVERFLOW_MAX;
}

relay_lookup_fn relay_lookup_variant(enum relay_isa isa); /* NULL: not on this CPU */

#endif
