/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_FLOW_PORT_H
#define APPLIANCE_FLOW_PORT_H

/* The flow rules (rte_flow) that one port has taken. That a port knows none, refuses some or has no room
 * is nothing wrong: what no rule takes goes where RSS puts it, and on from there by ring. Control
 * lcore, while the port is started; workers may run.
 */
#include "appliance/flow_plan.h"

#include <stddef.h>

struct rte_flow;

struct flow_entered {
	struct flow_rule rule;
	struct rte_flow *flow;
};

struct flow_port {
	uint16_t port;	  /* DPDK's number */
	bool none;	  /* it knows no flow rules */
	bool full;	  /* it has no room for more */
	uint32_t wanted;  /* by the last plan */
	uint64_t refused; /* a bit per shape of rules: flow_port_refusals() tells their names */
	char why[96];	  /* what the driver said first, "" for nothing */
	uint32_t n;
	struct flow_entered entered[FLOW_RULES_MAX];
};

/* fp is zeroed memory but for its port, or was synchronised before: take away what the plan does not
 * have, enter what is missing, endpoints before all. Cannot fail.
 */
void flow_port_sync(struct flow_port *fp, const struct flow_plan *plan);

/* Take all rules away. */
void flow_port_clear(struct flow_port *fp);

/* Where it took endpoints and refused prefixes of addresses, rules of one address each may do: for
 * one_by_one of flow_plan.h.
 */
uint8_t flow_port_singles(const struct flow_port *fp);

/* What it refused, in words; "" for nothing. */
void flow_port_refusals(const struct flow_port *fp, char *text, size_t size);

#endif
