/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_RELAY_BUCKET_H
#define APPLIANCE_RELAY_BUCKET_H

/* Inside of the relay table, shared by its writer (relay_table.c) and its look-ups
 * (relay_lookup.c) and by nobody else.
 *
 * A path has two buckets. It lies in the first, and only when that is full in the second; the
 * first bucket then counts it (in the top byte of its ref[0]), so that a look-up of an unknown
 * Path ID reads one line unless the bucket did overflow. An entry is moved from its first bucket to
 * its second, never back: a reader that goes in this order cannot miss it, for it is entered and
 * counted there before it is taken away here.
 */
#include "appliance/relay_table.h"

#include <rte_branch_prediction.h>

enum {
	RELAY_WAYS = 8,
	REF_BITS = 24,
	REF_MASK = (1 << REF_BITS) - 1,
	OVERFLOW_MAX = 255,
};

struct relay_bucket {
	_Atomic uint32_t tag[RELAY_WAYS]; /* 0: way is free */
	_Atomic uint32_t ref[RELAY_WAYS]; /* record; top byte of ref[0]: paths in second buckets */
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
	uint32_t bucket_mask;
	uint64_t secret[4];
	relay_lookup_fn lookup;

	/* Writer. */
	enum relay_isa isa;
	struct rte_rcu_qsbr *qsbr;
	uint32_t paths_max, n_records, n_buckets;
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

static inline uint32_t hash_tag(uint64_t hash)
{
	uint32_t tag = (uint32_t)(hash >> 32);

	return likely(tag != 0) ? tag : 1;
}

static inline uint32_t hash_bucket(const struct relay_table *t, uint64_t hash)
{
	return (uint32_t)hash & t->bucket_mask;
}

/* From either bucket to the other: needs the tag alone, so an entry moves without its hash. */
static inline uint32_t other_bucket(const struct relay_table *t, uint32_t bucket, uint32_t tag)
{
	uint32_t step = (tag * 0x9e3779b1u) >> 4;

	return (bucket ^ (step | 1)) & t->bucket_mask;
}

static inline uint32_t bucket_overflow(const struct relay_bucket *b)
{
	return atomic_load_explicit(&b->ref[0], memory_order_acquire) >> REF_BITS;
}

relay_lookup_fn relay_lookup_variant(enum relay_isa isa); /* NULL: not on this CPU */

#endif
