/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/relay_bucket.h"

#include <rte_cpuflags.h>
#include <rte_prefetch.h>

#include <immintrin.h>

/* The record in a bucket, by plain loads; who has it in hand is asked for its name as well. Also the
 * obvious twin of the variants below, and what they fall back to when the writer came between.
 */
static const struct path_record *find_in(const struct relay_table *t, uint32_t bucket, uint64_t id)
{
	const struct relay_bucket *b = &t->buckets[bucket];

	for (unsigned int i = 0; i < RELAY_WAYS; i++) {
		/* pairs with the release store of the key in way_fill() */
		if (atomic_load_explicit(&b->key[i], memory_order_acquire) != relay_key(id))
			continue;
		uint32_t ref = atomic_load_explicit(&b->ref[i], memory_order_acquire);

		if (t->records[ref].id == id)
			return &t->records[ref];
	}
	return NULL;
}

const struct path_record *relay_table_find(const struct relay_table *t, uint64_t id)
{
	uint64_t hash = relay_hash(t, id);
	uint32_t first = first_bucket(t, hash);
	const struct path_record *r = find_in(t, first, id);

	/* The order of the two loads is what relay_bucket.h promises movers. */
	if (r != NULL || bucket_overflow(&t->buckets[first]) == 0)
		return r;
	return find_in(t, second_bucket(t, hash), id);
}

/* Bit i: way i has the key. */
typedef uint32_t (*match_fn)(const struct relay_bucket *b, uint64_t key);

static __rte_always_inline uint32_t match_scalar(const struct relay_bucket *b, uint64_t key)
{
	uint32_t hits = 0;

	for (unsigned int i = 0; i < RELAY_WAYS; i++)
		hits |= (uint32_t)(atomic_load_explicit(&b->key[i], memory_order_acquire) == key)
			<< i;
	return hits;
}

/* A vector load of the keys: each 64-bit lane is read whole on x86, which is all that is needed. */
static __rte_always_inline uint32_t match_avx2(const struct relay_bucket *b, uint64_t key)
{
	__m256i keys = _mm256_load_si256((const __m256i *)(const void *)b->key);
	__m256i eq = _mm256_cmpeq_epi64(keys, _mm256_set1_epi64x((long long)key));
	bool fifth = atomic_load_explicit(&b->key[4], memory_order_acquire) == key;

	return (uint32_t)_mm256_movemask_pd(_mm256_castsi256_pd(eq)) | (uint32_t)fifth << 4;
}

__attribute__((target("avx512f"))) static __rte_always_inline uint32_t
match_avx512(const struct relay_bucket *b, uint64_t key)
{
	__m512i line = _mm512_load_si512((const void *)b);

	return _mm512_mask_cmpeq_epi64_mask((1 << RELAY_WAYS) - 1, line,
					    _mm512_set1_epi64((long long)key));
}

/* What is not in its first bucket though that did overflow, and what the writer disturbed: few. The
 * second buckets are fetched together, too.
 */
static __attribute__((noinline)) void find_rest(const struct relay_table *t, const uint64_t *id,
						const uint8_t *rest, uint16_t n,
						const struct path_record **out)
{
	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(&t->buckets[second_bucket(t, relay_hash(t, id[rest[i]]))]);
	for (uint16_t i = 0; i < n; i++)
		out[rest[i]] = relay_table_find(t, id[rest[i]]);
}

void relay_table_number_fetch(const struct relay_table *t, const struct path_record *rec)
{
	rte_prefetch0(&t->numbers[rec - t->records]);
}

uint32_t relay_table_place(const struct relay_table *t, uint64_t id)
{
	uint32_t bucket = first_bucket(t, relay_hash(t, id));

	rte_prefetch0(&t->buckets[bucket]);
	return bucket;
}

void relay_table_places(const struct relay_table *t, const uint64_t *id, uint16_t n,
			uint32_t *place)
{
	for (uint16_t i = 0; i < n; i++)
		place[i] = relay_table_place(t, id[i]);
}

/* The buckets are on their way: compare the keys. */
static __rte_always_inline void lookup_with(const struct relay_table *t, const uint64_t *id,
					    const uint32_t *place, uint16_t n,
					    const struct path_record **out, match_fn match)
{
	uint8_t rest[RELAY_BULK_MAX];
	uint16_t n_rest = 0;

	for (uint16_t i = 0; i < n; i++) {
		const struct relay_bucket *b = &t->buckets[place[i]];
		uint32_t head = atomic_load_explicit(&b->head, memory_order_acquire);
		uint32_t hits = match(b, relay_key(id[i]));
		/* A miss takes the last way, and no branch. */
		uint32_t way = (uint32_t)__builtin_ctz(hits | 1 << (RELAY_WAYS - 1));
		uint32_t ref = atomic_load_explicit(&b->ref[way], memory_order_acquire);

		out[i] = hits != 0 ? &t->records[ref] : NULL;
		/* pairs with the release store of the head in way_clear() */
		if (unlikely(atomic_load_explicit(&b->head, memory_order_relaxed) != head ||
			     (hits == 0 && (head & OVERFLOW_MAX) != 0)))
			rest[n_rest++] = (uint8_t)i;
	}
	if (unlikely(n_rest > 0))
		find_rest(t, id, rest, n_rest, out);
}

static void lookup_scalar(const struct relay_table *t, const uint64_t *id, const uint32_t *place,
			  uint16_t n, const struct path_record **out)
{
	lookup_with(t, id, place, n, out, match_scalar);
}

static void lookup_avx2(const struct relay_table *t, const uint64_t *id, const uint32_t *place,
			uint16_t n, const struct path_record **out)
{
	lookup_with(t, id, place, n, out, match_avx2);
}

__attribute__((target("avx512f"))) static void lookup_avx512(const struct relay_table *t,
							     const uint64_t *id,
							     const uint32_t *place, uint16_t n,
							     const struct path_record **out)
{
	lookup_with(t, id, place, n, out, match_avx512);
}

relay_lookup_fn relay_lookup_variant(enum relay_isa isa)
{
	switch (isa) {
	case RELAY_SCALAR:
		return lookup_scalar;
	case RELAY_AVX2:
		return rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX2) > 0 ? lookup_avx2 : NULL;
	case RELAY_AVX512:
		return rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX512F) > 0 ? lookup_avx512 : NULL;
	default:
		return NULL;
	}
}

void relay_table_lookup_placed(const struct relay_table *t, const uint64_t *id,
			       const uint32_t *place, uint16_t n, const struct path_record **out)
{
	t->lookup(t, id, place, n, out);
}

void relay_table_lookup_bulk(const struct relay_table *t, const uint64_t *id, uint16_t n,
			     const struct path_record **out)
{
	uint32_t place[RELAY_BULK_MAX];

	relay_table_places(t, id, n, place);
	t->lookup(t, id, place, n, out);
}
