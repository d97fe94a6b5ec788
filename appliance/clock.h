/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_CLOCK_H
#define APPLIANCE_CLOCK_H

/* One monotonic time for all threads of the appliance, in nanoseconds, without a system call.
 * It runs on the TSC, which is the same on all lcores of a machine DPDK runs on.
 */
#include <stdint.h>

struct clock {
	uint64_t base_tsc;
	uint64_t mult; /* ns per cycle, times 2^32 */
};

/* After rte_eal_init(), before other threads exist. */
void clock_init(struct clock *c);

/* Never 0, so that 0 may mean "never". Any thread; about 30 cycles. */
uint64_t clock_ns(const struct clock *c);

/* The TSC at a time of clock_ns(), to within a few cycles: for programs that compare times with ours. */
uint64_t clock_tsc(const struct clock *c, uint64_t ns);

#endif
