/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_PORT_H
#define APPLIANCE_PORT_H

/* Ethernet ports: any device DPDK drives, one receive and one send queue per worker. */
#include "appliance/config.h"
#include "appliance/iface.h"

#include <rte_common.h>
#include <rte_mempool.h>
#include <stdbool.h>
#include <stdint.h>

struct port_info {
	uint16_t id;
	uint16_t mtu;
	bool rx_checksum; /* the port verifies IP and UDP sums, and says so per packet */
	bool tx_checksum; /* the port writes them where a packet's flags ask for it */
	bool rss;	  /* spreads packets over its queues by outer addresses and UDP ports */
	bool vlan_strip;  /* notes VLAN tags beside the packet */
	int socket;	  /* NUMA node, SOCKET_ID_ANY where there is none */
	char device[256]; /* as in config */
	uint16_t n_members;
	uint16_t members[CONFIG_MEMBERS_MAX];
};

struct port_config {
	uint16_t queues;
	uint16_t descriptors;
	uint16_t mtu;
	struct rte_mempool *pool;
	unsigned int n_members; /* of a net_bonding device */
	const char (*members)[256];
};

enum {
	PORT_LINK_BYTES = 18,	/* Ethernet header and VLAN tag */
	PORT_SLOT_HEAD = 66,	/* what AF_PACKET puts in front of a frame */
	PORT_SLOT_ALIGN = 1024, /* four of them are whole pages */
	PORT_SLOT_MIN = 2048,
};

/* Bytes that hold a frame of this MTU, at every kind of port: in one buffer, never in segments. */
static inline uint32_t port_slot(uint32_t mtu)
{
	uint32_t slot = RTE_ALIGN_CEIL(mtu + PORT_LINK_BYTES + PORT_SLOT_HEAD, PORT_SLOT_ALIGN);

	return RTE_MAX(slot, (uint32_t)PORT_SLOT_MIN);
}

/* Is it a PCI address, to be given to the EAL, or a virtual device, to be made by port_open()? */
bool port_is_pci(const char *device);

/* Does it join others? Those are config's members. */
bool port_is_bond(const char *device);

/* Find or make the device and its members, set it up with the MTU and queues given; not yet started. 0 or -errno
 * after a line in the log. Main thread, before workers run.
 */
int port_open(const char *device, const struct port_config *c, struct port_info *info);
int port_start(const struct port_info *info);
/* Stop and close; a virtual device goes away. */
void port_close(struct port_info *info);

/* A pool whose mbufs have room for struct pkt_meta. Its ring lets plain threads take and give
 * without stalling an lcore. On that NUMA node, or SOCKET_ID_ANY. NULL with rte_errno.
 */
struct rte_mempool *port_pool_create(const char *name, uint32_t packets, uint32_t bytes, int node);

#endif
