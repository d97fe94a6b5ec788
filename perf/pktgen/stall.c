/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/pktgen/stall.h"

/* Take from the slices that the stall may have hurt, at most budget packets; what was taken once is
 * not there for the next stall.
 */
static uint64_t take(const struct ledger *l, uint64_t *left, const struct stall *s, uint64_t budget,
		     uint64_t after_tsc)
{
	uint64_t before = 2 * l->conf.slice_tsc, got = 0, first, last;

	if (s->to <= l->start_tsc)
		return 0;
	first = s->from > l->start_tsc + before
			? (s->from - before - l->start_tsc) / l->conf.slice_tsc
			: 0;
	last = (s->to + after_tsc - l->start_tsc) / l->conf.slice_tsc;
	for (uint64_t i = first; i <= last && i < l->conf.slices && got < budget; i++) {
		uint64_t n = left[i] < budget - got ? left[i] : budget - got;

		left[i] -= n;
		got += n;
	}
	return got;
}

uint64_t stall_explain(const struct ledger *l, const struct stall_log *const *logs, unsigned int n,
		       double rate_per_tsc, uint64_t after_tsc, uint64_t *left)
{
	uint64_t explained = 0;

	for (uint32_t i = 0; i < l->conf.slices; i++)
		left[i] = l->slice[i].lost;
	for (unsigned int k = 0; k < n; k++) {
		for (uint32_t i = 0; i < stall_kept(logs[k]); i++) {
			const struct stall *s = &logs[k]->stall[i];
			double budget = rate_per_tsc * (double)(s->to - s->from) + 1;

			explained += take(l, left, s, (uint64_t)budget, after_tsc);
		}
	}
	return explained;
}
