/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/relay_bucket.h"

#include <rte_cpuflags.h>
#include <rte_prefetch.h>

#include <immintrin.h>

/* One way of the bucket, by plain loads. Also the obvious twin of the vector variants. */
static const struct path_record *find_in(const struct relay_table *t, uint32_t bucket, uint32_t tag,
					 uint64_t id)
{
	const struct relay_bucket *b = &t->buckets[bucket];

	for (unsigned int i = 0; i < RELAY_WAYS; i++) {
		/* pairs with the release store of the tag in way_fill() */
		if (atomic_load_explicit(&b->tag[i], memory_order_acquire) != tag)
			continue;
		uint32_t ref = atomic_load_explicit(&b->ref[i], memory_order_acquire) & REF_MASK;

		if (t->records[ref].id == id)
			return &t->records[ref];
	}
	return NULL;
}

const struct path_record *relay_table_find(const struct relay_table *t, uint64_t id)
{
	uint64_t hash = relay_hash(t, id);
	uint32_t tag = hash_tag(hash), bucket = hash_bucket(t, hash);
	const struct path_record *r = find_in(t, bucket, tag, id);

	/* The order of the two loads is what relay_bucket.h promises movers. */
	if (r != NULL || bucket_overflow(&t->buckets[bucket]) == 0)
		return r;
	return find_in(t, other_bucket(t, bucket, tag), tag, id);
}

typedef uint32_t (*match_fn)(const struct relay_bucket *b, uint32_t tag);

static __rte_always_inline uint32_t match_scalar(const struct relay_bucket *b, uint32_t tag)
{
	uint32_t hits = 0;

	for (unsigned int i = 0; i < RELAY_WAYS; i++)
		hits |= (uint32_t)(atomic_load_explicit(&b->tag[i], memory_order_relaxed) == tag)
			<< i;
	return hits;
}

/* A vector load of the tags: each 32-bit lane is read whole on x86, which is all that is needed. */
static __rte_always_inline uint32_t match_avx2(const struct relay_bucket *b, uint32_t tag)
{
	__m256i tags = _mm256_load_si256((const __m256i *)(const void *)b->tag);
	__m256i eq = _mm256_cmpeq_epi32(tags, _mm256_set1_epi32((int)tag));

	return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(eq));
}

__attribute__((target("avx512f,avx512vl"))) static __rte_always_inline uint32_t
match_avx512(const struct relay_bucket *b, uint32_t tag)
{
	__m256i tags = _mm256_load_si256((const __m256i *)(const void *)b->tag);

	return _mm256_cmpeq_epi32_mask(tags, _mm256_set1_epi32((int)tag));
}

/* Three passes, so that the lines of all keys are under way together: hash and fetch the buckets;
 * compare tags and fetch the records; compare the whole Path ID.
 */
static __rte_always_inline void lookup_with(const struct relay_table *t, const uint64_t *id,
					    uint16_t n, const struct path_record **out,
					    match_fn match)
{
	uint32_t bucket[RELAY_BULK_MAX], tag[RELAY_BULK_MAX];

	for (uint16_t i = 0; i < n; i++) {
		uint64_t hash = relay_hash(t, id[i]);

		bucket[i] = hash_bucket(t, hash);
		tag[i] = hash_tag(hash);
		rte_prefetch0(&t->buckets[bucket[i]]);
	}
	for (uint16_t i = 0; i < n; i++) {
		const struct relay_bucket *b = &t->buckets[bucket[i]];
		uint32_t hits = match(b, tag[i]);

		if (likely(hits != 0)) {
			uint32_t way = (uint32_t)__builtin_ctz(hits);
			/* pairs with the release store of ref in relay_table_set() */
			uint32_t ref = atomic_load_explicit(&b->ref[way], memory_order_acquire);

			out[i] = &t->records[ref & REF_MASK];
			rte_prefetch0(out[i]);
		} else {
			out[i] = unlikely(bucket_overflow(b) != 0) ? relay_table_find(t, id[i])
								   : NULL;
		}
	}
	for (uint16_t i = 0; i < n; i++) {
		/* Same tag, other path, or a way that was filled anew between two loads. */
		if (out[i] != NULL && unlikely(out[i]->id != id[i]))
			out[i] = relay_table_find(t, id[i]);
	}
}

static void lookup_scalar(const struct relay_table *t, const uint64_t *id, uint16_t n,
			  const struct path_record **out)
{
	lookup_with(t, id, n, out, match_scalar);
}

static void lookup_avx2(const struct relay_table *t, const uint64_t *id, uint16_t n,
			const struct path_record **out)
{
	lookup_with(t, id, n, out, match_avx2);
}

__attribute__((target("avx512f,avx512vl"))) static void
lookup_avx512(const struct relay_table *t, const uint64_t *id, uint16_t n,
	      const struct path_record **out)
{
	lookup_with(t, id, n, out, match_avx512);
}

relay_lookup_fn relay_lookup_variant(enum relay_isa isa)
{
	switch (isa) {
	case RELAY_SCALAR:
		return lookup_scalar;
	case RELAY_AVX2:
		return rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX2) > 0 ? lookup_avx2 : NULL;
	case RELAY_AVX512:
		return rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX512VL) > 0 ? lookup_avx512 : NULL;
	default:
		return NULL;
	}
}

void relay_table_lookup_bulk(const struct relay_table *t, const uint64_t *id, uint16_t n,
			     const struct path_record **out)
{
	t->lookup(t, id, n, out);
}
