/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PKTGEN_SEARCH_H
#define PKTGEN_SEARCH_H

/* The highest rate without loss (RFC 2544 section 26.1), by halving: a trial either passes or fails,
 * and the rate between the last pass and the least failure is tried next. Pure: the caller runs the
 * trials. Rates are packets per second.
 *
 *	search_init(&s, low, high, 0.005);
 *	while (search_next(&s, &rate))
 *		search_result(&s, rate, passed);
 *	s.best
 */
#include <stdbool.h>

enum { SEARCH_TRIALS_MAX = 40 };

struct search {
	double best;	   /* highest that passed; 0: none did */
	double worst;	   /* least that failed, or the upper limit while none did */
	double resolution; /* ends when worst - best <= resolution * worst */
	double low;
	unsigned int trials;
	bool high_tried;
};

/* high is tried first: a generator that is slower than the RS is done at once. Below low there is
 * nothing to find.
 */
void search_init(struct search *s, double low, double high, double resolution);
bool search_next(const struct search *s, double *rate);
void search_result(struct search *s, double rate, bool passed);

#endif
