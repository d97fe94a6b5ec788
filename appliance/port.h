/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_PORT_H
#define APPLIANCE_PORT_H

/* Ethernet ports: any device DPDK drives, one receive and one send queue per worker. */
#include "appliance/config.h"
#include "appliance/iface.h"

#include <rte_mempool.h>
#include <stdint.h>

struct port_info {
	uint16_t id;
	uint16_t mtu;
	bool rx_checksum; /* the port verifies IP and UDP sums, and says so per packet */
	char device[256]; /* as in config */
};

struct port_config {
	uint16_t queues;
	uint16_t descriptors;
	uint16_t mtu;
	struct rte_mempool *pool;
};

/* Is it a PCI address, to be given to the EAL, or a virtual device, to be made by port_open()? */
bool port_is_pci(const char *device);

/* Find or make the device, set it up with the MTU and queues given; not yet started. 0 or -errno
 * after a line in the log. Main thread, before workers run.
 */
int port_open(const char *device, const struct port_config *c, struct port_info *info);
int port_start(const struct port_info *info);
/* Stop and close; a virtual device goes away. */
void port_close(const struct port_info *info);

/* A pool whose mbufs have room for struct pkt_meta. Its ring lets plain threads take and give
 * without stalling an lcore. NULL with rte_errno.
 */
struct rte_mempool *port_pool_create(const char *name, uint32_t packets, uint32_t bytes);

#endif
