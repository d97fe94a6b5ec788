/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_EAL_H
#define APPLIANCE_EAL_H

/* DPDK's environment, started with arguments built from config. */
#include "appliance/config.h"

/* lcore numbers: control is the main one, then the workers, then the DC. */
enum { LCORE_CONTROL = 0, LCORE_WORKER_0 = 1 };

static inline unsigned int lcore_dc(const struct config *c)
{
	return LCORE_WORKER_0 + c->lcores.workers;
}

/* 0 or -errno after a line in the log. Main thread, once per process. */
int eal_start(const struct config *c);

/* Also takes away /run/dpdk/<prefix>, which the EAL leaves behind. */
void eal_stop(void);

/* "0@0-1,1@0-1": for the EAL and for the start-up line. -EINVAL when a CPU set is malformed. */
int eal_lcore_map(const struct config *c, char *buf, size_t size);

#endif
