/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/numa.h"
#include "appliance/eal.h"
#include "appliance/port.h"
#include "common/log.h"

#include <rte_ethdev.h>
#include <rte_lcore.h>

#include <errno.h>
#include <linux/mempolicy.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

LOG_TYPE("numa");

static int node_of(const char *device)
{
	uint16_t id;

	if (!port_is_pci(device) || rte_eth_dev_get_port_by_name(device, &id) != 0)
		return SOCKET_ID_ANY;
	return rte_eth_dev_socket_id(id);
}

int numa_of_ports(const struct config *c)
{
	int node = SOCKET_ID_ANY;

	for (uint32_t i = 0; i < c->n_ifaces && node < 0; i++) {
		node = node_of(c->ifaces[i].port);
		for (uint32_t m = 0; m < c->ifaces[i].n_members && node < 0; m++)
			node = node_of(c->ifaces[i].members[m]);
	}
	return node;
}

int numa_prefer(int node)
{
	unsigned long mask;

	if (node < 0 || node >= (int)(8 * sizeof(mask)))
		return 0;
	mask = 1UL << node;
	/* The C library has no call for this. */
	if (syscall(SYS_set_mempolicy, MPOL_PREFERRED, &mask, 8 * sizeof(mask)) < 0) {
		LOG(WARN, "node %d cannot be preferred for tables: %s", node, strerror(errno));
		return -errno;
	}
	return 0;
}

void numa_check_workers(const struct config *c, int node)
{
	for (uint32_t i = 0; i < c->lcores.workers && node >= 0; i++) {
		int own = (int)rte_lcore_to_socket_id(LCORE_WORKER_0 + i);

		if (own != node)
			LOG(WARN, "worker %u runs on NUMA node %d, the ports are at node %d", i,
			    own, node);
	}
}
