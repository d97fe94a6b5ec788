/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/pktgen/search.h"

void search_init(struct search *s, double low, double high, double resolution)
{
	*s = (struct search){.worst = high, .resolution = resolution, .low = low};
}

bool search_next(const struct search *s, double *rate)
{
	if (s->trials >= SEARCH_TRIALS_MAX || s->worst < s->low)
		return false;
	if (!s->high_tried) {
		*rate = s->worst;
		return true;
	}
	if (s->best >= s->worst || s->worst - s->best <= s->resolution * s->worst)
		return false;
	*rate = (s->best + s->worst) / 2;
	return true;
}

void search_result(struct search *s, double rate, bool passed)
{
	s->high_tried = true;
	s->trials++;
	if (passed && rate > s->best)
		s->best = rate;
	if (!passed && rate < s->worst)
		s->worst = rate;
	if (s->best > s->worst)
		s->worst = s->best;
}
