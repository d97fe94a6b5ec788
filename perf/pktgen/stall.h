/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PKTGEN_STALL_H
#define PKTGEN_STALL_H

/* What of a trial's losses the stalls of generator and RS can explain (appliance/stall.h); ticks are
 * TSC cycles here.
 */
#include "appliance/stall.h"
#include "perf/pktgen/ledger.h"

/* A stall of length T excuses at most rate * T packets, and only those that were sent from two slices
 * before it began until after_tsc after its end: a ring that it filled is drained with what speed is
 * left over. left is scratch of as many entries as the ledger has slices, and tells afterwards what
 * is unexplained.
 */
enum { STALL_AFTER_MS = 100 };
uint64_t stall_explain(const struct ledger *l, const struct stall_log *const *logs, unsigned int n,
		       double rate_per_tsc, uint64_t after_tsc, uint64_t *left);

#endif
