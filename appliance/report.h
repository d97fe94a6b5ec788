/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_REPORT_H
#define APPLIANCE_REPORT_H

/* The figures of the process as JSON in the shapes of docs/control-socket.md, for ntmctl and for
 * DPDK's telemetry socket. Counters are read while their owners write: each is whole, together
 * they are not of one moment. Any plain thread, while the app is up.
 */
#include "appliance/pipeline/stats.h"

#include <jansson.h>

struct app;

/* Sums over workers, control, DC and TAP threads. */
void report_sum(const struct app *app, struct lcore_stats *sum);

/* New references. */
json_t *report_stats(const struct app *app);
json_t *report_status(const struct app *app);
json_t *report_lcores(const struct app *app);
json_t *report_nexthops(const struct app *app);

#endif
