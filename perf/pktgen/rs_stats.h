/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PKTGEN_RS_STATS_H
#define PKTGEN_RS_STATS_H

/* What the RS itself says about a run: drops by name, and when its workers stood still. From the
 * worker in this process, from the control socket of an appliance, or from nobody. One thread.
 */
#include "perf/pktgen/dut.h"

#include <jansson.h>

struct rs_stats {
	struct dut *dut;    /* the worker in this process, or NULL */
	const char *socket; /* of another process; NULL: nobody can be asked */

	json_t *before; /* {name: count}; NULL: not known */
	struct stall_log stalls;
};

void rs_stats_begin(struct rs_stats *s);
/* Drops since rs_stats_begin() by name, those that are not zero; the caller's reference. NULL where
 * nobody could be asked. since: TSC from which on stalls count.
 */
json_t *rs_stats_end(struct rs_stats *s, uint64_t since);
/* Of the run that rs_stats_end() ended; empty where nobody could be asked. */
const struct stall_log *rs_stats_stalls(const struct rs_stats *s);
void rs_stats_fini(struct rs_stats *s);

#endif
