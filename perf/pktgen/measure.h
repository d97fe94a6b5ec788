/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PKTGEN_MEASURE_H
#define PKTGEN_MEASURE_H

/* From options to results: sets up ports, plan and RS, runs once or searches, prints and writes. */
#include "perf/pktgen/options.h"

#include <stdatomic.h>

/* Main lcore, after rte_eal_init(). 0, or -errno after a line on stderr that says what failed. */
int measure(const struct options *o, const _Atomic bool *quit);

#endif
