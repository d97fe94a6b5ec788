/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PKTGEN_HIST_H
#define PKTGEN_HIST_H

/* A histogram of 64-bit values whose buckets grow with the value: 64 of equal width per power of
 * two, so a quantile is never off by more than 1/64 of itself. One writer; plain memory, no pointer.
 */
#include <stdint.h>

enum {
	HIST_SUB_BITS = 6,
	HIST_SUB = 1 << HIST_SUB_BITS,
	HIST_BUCKETS = (64 - HIST_SUB_BITS + 1) * HIST_SUB,
};

struct hist {
	uint64_t count, sum, min, max;
	uint64_t bucket[HIST_BUCKETS];
};

void hist_init(struct hist *h);

/* Bucket of a value: exact below 64, then by the highest six bits behind the leading one. */
static inline unsigned int hist_bucket(uint64_t v)
{
	unsigned int shift;

	if (v < HIST_SUB)
		return (unsigned int)v;
	shift = 63 - (unsigned int)__builtin_clzll(v) - HIST_SUB_BITS;
	return (shift + 1) * HIST_SUB + (unsigned int)(v >> shift) - HIST_SUB;
}

static inline void hist_add(struct hist *h, uint64_t v)
{
	h->count++;
	h->sum += v;
	if (v < h->min)
		h->min = v;
	if (v > h->max)
		h->max = v;
	h->bucket[hist_bucket(v)]++;
}

/* The least value v such that per_mille of all values lie at or below the end of v's bucket: the
 * upper end of that bucket, cut at the greatest value seen. 0 where nothing was added.
 */
uint64_t hist_quantile(const struct hist *h, unsigned int per_mille);

#endif
