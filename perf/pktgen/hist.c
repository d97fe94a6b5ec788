/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/pktgen/hist.h"

#include <string.h>

void hist_init(struct hist *h)
{
	memset(h, 0, sizeof(*h));
	h->min = UINT64_MAX;
}

/* Greatest value that falls into bucket b. */
static uint64_t bucket_end(unsigned int b)
{
	unsigned int shift;

	if (b < HIST_SUB)
		return b;
	shift = b / HIST_SUB - 1;
	return ((uint64_t)(b % HIST_SUB + HIST_SUB + 1) << shift) - 1;
}

uint64_t hist_quantile(const struct hist *h, unsigned int per_mille)
{
	uint64_t want = (uint64_t)(((unsigned __int128)h->count * per_mille + 999) / 1000),
		 seen = 0;
	uint64_t end;

	if (h->count == 0)
		return 0;
	if (want == 0)
		want = 1;
	for (unsigned int b = 0; b < HIST_BUCKETS; b++) {
		seen += h->bucket[b];
		if (seen < want)
			continue;
		end = bucket_end(b);
		return end < h->max ? end : h->max;
	}
	return h->max;
}
