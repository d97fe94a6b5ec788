/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_FLOW_INDEX_H
#define APPLIANCE_FLOW_INDEX_H

/* Hash -> number of a record, for tables that one worker owns: eight 16-bit tags and eight
 * references to a cache line, one vector compare per look-up. The caller compares the whole key in
 * the record and goes on with flow_index_next() where it is another one's.
 *
 * A full bucket passes entries on to the next one and counts them, so that a look-up stops at the
 * first bucket that never overflowed. Sized for at most 5 of 8 ways taken, it can always take
 * another entry. The hash must be keyed where strangers choose the key.
 */
#include <emmintrin.h>
#include <stdint.h>

enum { FLOW_WAYS = 8 };
#define FLOW_NONE UINT32_MAX

struct flow_bucket {
	uint16_t tag[FLOW_WAYS]; /* 0: free */
	uint32_t ref[FLOW_WAYS];
	uint32_t passed; /* entries that lie further on and came by here */
	uint32_t pad[3];
} __attribute__((aligned(64)));

struct flow_index {
	struct flow_bucket *buckets;
	uint32_t mask;
	uint32_t n;
};

struct flow_probe {
	uint32_t bucket;
	uint32_t hits; /* ways of the bucket that are still to be tried */
	uint16_t tag;
};

/* For up to n entries. 0 or -ENOMEM. */
int flow_index_init(struct flow_index *ix, uint32_t n);
void flow_index_fini(struct flow_index *ix);
void flow_index_add(struct flow_index *ix, uint64_t hash, uint32_t ref);
/* The entry must be there. */
void flow_index_del(struct flow_index *ix, uint64_t hash, uint32_t ref);

static inline uint16_t flow_tag(uint64_t hash)
{
	return (uint16_t)(hash >> 48) | 1;
}

static inline uint32_t flow_home(const struct flow_index *ix, uint64_t hash)
{
	return (uint32_t)hash & ix->mask;
}

static inline void flow_index_prefetch(const struct flow_index *ix, uint64_t hash)
{
	_mm_prefetch((const char *)&ix->buckets[flow_home(ix, hash)], _MM_HINT_T0);
}

static inline uint32_t flow_match(const struct flow_bucket *b, uint16_t tag)
{
	__m128i tags = _mm_load_si128((const __m128i *)(const void *)b->tag);
	__m128i eq = _mm_cmpeq_epi16(tags, _mm_set1_epi16((short)tag));

	return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(eq, _mm_setzero_si128()));
}

/* The next record that may be it, FLOW_NONE when there is none left. */
static inline uint32_t flow_index_next(const struct flow_index *ix, struct flow_probe *p)
{
	const struct flow_bucket *b = &ix->buckets[p->bucket];

	while (p->hits == 0) {
		if (b->passed == 0)
			return FLOW_NONE;
		p->bucket = (p->bucket + 1) & ix->mask;
		b = &ix->buckets[p->bucket];
		p->hits = flow_match(b, p->tag);
	}
	uint32_t way = (uint32_t)__builtin_ctz(p->hits);

	p->hits &= p->hits - 1;
	return b->ref[way];
}

static inline uint32_t flow_index_first(const struct flow_index *ix, uint64_t hash,
					struct flow_probe *p)
{
	p->bucket = flow_home(ix, hash);
	p->tag = flow_tag(hash);
	p->hits = flow_match(&ix->buckets[p->bucket], p->tag);
	return flow_index_next(ix, p);
}

#endif
