/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_NUMA_H
#define APPLIANCE_NUMA_H

/* Memory next to the ports: packets cross the sockets' link as seldom as config allows. */
#include "appliance/config.h"

/* The NUMA node of the first PCI port that says one, or SOCKET_ID_ANY. After the EAL's start. */
int numa_of_ports(const struct config *c);
/* Tables that are mapped from now on, by this thread and those it makes, come from that node while
 * it has memory. SOCKET_ID_ANY: nothing changes. 0 or -errno, after a line in the log.
 */
int numa_prefer(int node);
/* A warning for each worker whose CPU is on another node than the ports. */
void numa_check_workers(const struct config *c, int node);

#endif
