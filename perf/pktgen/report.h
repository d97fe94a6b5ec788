/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PKTGEN_REPORT_H
#define PKTGEN_REPORT_H

/* What a run of the generator found, for people and as JSON. */
#include "perf/pktgen/gen.h"

#include <jansson.h>

/* Sums over all ways of one run, and what the stall logs say. */
struct report {
	double seconds, offered_pps, received_pps;
	uint64_t sent, received, refused, lost; /* lost does not count the refused ones */
	uint64_t duplicate, reordered, late, foreign, corrupt, forfeited;
	uint64_t explained; /* of refused + lost, by stalls */
	uint64_t stalls_gen, stalls_rs;
	double stall_max_us;
	double stalled;	  /* part of the time for which generator or RS had no CPU */
	bool gen_limited; /* the generator, not the RS, kept below the rate that was asked for */
};

/* rs: its stalls, empty where nobody can tell. 0 or -ENOMEM. */
int report_make(struct report *r, const struct gen *g, const struct stall_log *rs,
		double asked_pps);

/* One line per way, then the sums. */
void report_print(const struct report *r, const struct gen *g);
/* An object; the caller's reference. drops: {name: count} of the RS, or NULL; not taken over. */
json_t *report_json(const struct report *r, const struct gen *g, json_t *drops);

#endif
