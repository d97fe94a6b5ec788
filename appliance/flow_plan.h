/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_FLOW_PLAN_H
#define APPLIANCE_FLOW_PLAN_H

/* Which packets a port should put on which worker's queue, so that nothing has to be handed over: the
 * worker's UDP endpoint at each address of the box, the NAT addresses that it has alone, and its ports
 * of those that it shares. In order of worth, for a port may take only the first few.
 *
 * Pure; what a port makes of it is flow_port.h's.
 */
#include "appliance/iface.h"
#include "appliance/local.h"
#include "appliance/nat_pool.h"
#include "common/ip.h"

#include <stdbool.h>
#include <stdint.h>

enum { FLOW_RULES_MAX = 1024 };

/* In order of worth. Ports tend to take or refuse all rules of a kind. */
enum flow_kind {
	FLOW_ENDPOINT,	/* address and UDP port */
	FLOW_ADDRESSES, /* several addresses by prefix, any packet */
	FLOW_ADDRESS,	/* one address, any packet */
	FLOW_UDP_PORTS, /* address and bits of the UDP port */
	FLOW_TCP_PORTS,
	FLOW_KINDS
};

/* What is not compared is zero. */
struct flow_rule {
	uint8_t kind;	  /* enum flow_kind */
	uint8_t priority; /* 1 gives way to 0: only where rules overlap, for few ports know more */
	uint16_t queue;	  /* the worker's number */
	uint16_t vlan;	  /* 0: untagged */
	uint16_t port, mask; /* of the destination, host order; mask 0: any */
	struct ip_prefix dst;
};

struct flow_plan {
	uint32_t n;	 /* rules */
	uint32_t wanted; /* with those that had no room here */
	struct flow_rule rule[FLOW_RULES_MAX];
};

struct flow_plan_config {
	uint16_t port; /* DPDK's number; interfaces elsewhere are left out */
	uint16_t n_workers, base_port;
	/* A bit per family and tagging (0: IPv4, 1: IPv6, 2 and 3: the same in a VLAN) where the port takes
	 * no prefixes: each address has a rule.
	 */
	uint8_t one_by_one;
	const struct iface *ifaces;
	uint16_t n_ifaces;
	const struct local_addr *addrs; /* of the box */
	uint32_t n_addrs;
	const struct nat_range *ranges;
	uint32_t n_ranges;
};

void flow_plan_make(struct flow_plan *p, const struct flow_plan_config *c);

bool flow_rule_equal(const struct flow_rule *a, const struct flow_rule *b);

#endif
