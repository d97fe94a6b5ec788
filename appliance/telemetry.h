/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_TELEMETRY_H
#define APPLIANCE_TELEMETRY_H

/* The appliance's figures on DPDK's telemetry socket, for those who watch DPDK programs with
 * dpdk-telemetry.py and its exporters: /ntm/stats, /ntm/drops, /ntm/stages, /ntm/worker,N. They are
 * sums since start, as ntmctl shows them.
 */
struct app;

/* After the lcores have been launched. 0 or -errno; the handlers run on DPDK's own thread. */
int telemetry_start(struct app *app);
/* Before anything they read goes away. The commands answer with nothing afterwards. */
void telemetry_stop(void);

#endif
