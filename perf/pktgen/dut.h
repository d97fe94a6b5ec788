/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PKTGEN_DUT_H
#define PKTGEN_DUT_H

/* The RS under test in the generator's own process: one worker with the appliance's whole packet
 * path on an lcore of its own, between two rings that net_ring makes ports of. There is no control
 * lcore and no Linux here; paths, legs, keys and bindings are entered by the functions that control
 * would call (appliance/rs_dp.h). For everything around it measure a real ntm-appliance.
 *
 * Main thread, but for dut_main().
 */
#include "appliance/clock.h"
#include "appliance/iface.h"
#include "appliance/rs_worker.h"
#include "appliance/worker.h"
#include "perf/pktgen/plan.h"
#include "perf/pktgen/stall.h"

#include <stdatomic.h>

struct dut {
	struct clock clock;
	struct rng rng;
	struct rs_dp *dp;
	struct worker *w;
	struct rte_ring *in, *out;
	uint16_t port, gen_port; /* the worker's, and the generator's end of the same rings */
	struct nexthop nexthops[2];
	struct iface iface;
	struct fib *fib;
	struct local_table *local;
	_Atomic bool stop;
	_Atomic uint32_t epoch; /* raised by the generator: the loop begins its stall log anew */
	struct stall_log stalls;
};

struct dut_conf {
	const struct plan *plan;
	struct rte_mempool *pool;
	uint32_t ring; /* packets that each ring holds; a power of two */
	struct rte_ether_addr gen_mac;
};

/* 0 or -errno; dut_down() in any case, after its lcore has ended. */
int dut_up(struct dut *d, const struct dut_conf *conf);
void dut_down(struct dut *d);

/* Enter what the plan holds, and fill in what the RS decides: endpoints, indexes, keys. -errno. */
int dut_install(struct dut *d, struct plan *p);

/* Main function of its lcore; arg is the struct dut. Ends at d->stop. */
int dut_main(void *arg);

#endif
