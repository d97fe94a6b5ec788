/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_FLOW_DEV_H
#define TESTS_UNIT_FLOW_DEV_H

/* A NIC in software: an Ethernet device of several receive queues that sorts what comes by the wire as
 * hardware does, by its flow rules (masks and priorities included), else by RSS (Toeplitz). What a
 * rule's packets are is read from the pattern alone, so whoever enters a wrong one gets what he asked
 * for. One thread.
 */
#include <rte_mbuf.h>

#include <stdint.h>

/* What real ones do not take. */
enum flow_dev_quirk {
	FLOW_DEV_NO_RULES = 1 << 0, /* has no flow operations at all */
	FLOW_DEV_NO_PREFIX = 1 << 1,
	FLOW_DEV_NO_PORT_BITS = 1 << 2,
	FLOW_DEV_NO_PRIORITY = 1 << 3,
	FLOW_DEV_NO_VLAN = 1 << 4,
	FLOW_DEV_REFUSES = 1 << 5, /* has the operations and takes no rule */
	FLOW_DEV_SAYS_YES = 1 << 6 /* finds rules valid, and then does not take them */
};

struct flow_dev_config {
	unsigned int quirks; /* enum flow_dev_quirk */
	uint32_t room;	     /* rules that it takes at most */
};

struct flow_dev_counts {
	uint32_t rules;
	uint32_t unasked;	  /* creations that its validation would have said no to */
	uint32_t no_room;	  /* creations refused for want of room */
	uint64_t by_rule, by_rss; /* packets */
	uint64_t
		conflicts; /* packets that rules of one priority want at different queues: undefined */
};

/* Make one that port_open() finds under its name, which must look like a PCI address: a virtual device
 * would be asked for from the bus. -1: this is not the DPDK whose drivers this one is like.
 */
int flow_dev_create(const char *name, const struct flow_dev_config *c);

/* The frame comes by the wire. It is the device's, until it comes out of a queue. */
void flow_dev_wire(uint16_t port, struct rte_mbuf *m);

struct flow_dev_counts *flow_dev_counts(uint16_t port);

#endif
