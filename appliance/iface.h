/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_IFACE_H
#define APPLIANCE_IFACE_H

/* An interface: a VLAN of a port, with a TAP through which Linux has its part. Made at start in
 * the order of config, constant while workers run.
 */
#include <rte_ether.h>
#include <stdbool.h>
#include <stdint.h>

struct iface {
	uint16_t index; /* in app->ifaces */
	uint16_t port;	/* DPDK port id; several interfaces may share one */
	uint16_t vlan;	/* 0: untagged */
	uint16_t mtu;	/* bytes of IP */
	uint8_t side;	/* enum config_side */
	bool keep_tap;
	bool flow_rules;	   /* the port is asked for rules that sort its packets */
	bool tx_checksum;	   /* the port writes IPv4 and UDP sums of what asks for it */
	struct rte_ether_addr mac; /* the port's, and the TAP's */
	char name[16];		   /* of the TAP */
	int tap_fd;		   /* of the TAP thread once that runs */
	int tap_index;		   /* Linux's ifindex of the TAP */
	uint32_t glean;		   /* next hop that stands for its on-link prefixes */
};

#endif
