/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_NAT_OPEN_H
#define APPLIANCE_NAT_OPEN_H

/* What nat_flow.c and nat_open.c share of a flow's life. Owning worker only. */
#include "appliance/nat_flow.h"

/* Hang it on the wheel where it is looked at next. */
void nat_flow_hang(struct nat *n, struct nat_flow *f);

static inline uint16_t nat_subscriber_flows(const struct nat *n, uint32_t subscriber)
{
	return atomic_load_explicit(&n->legs->subscribers[subscriber].flows, memory_order_relaxed);
}

/* Single writer; control reads it to know when the number can be given to another node. */
static inline void nat_subscriber_count(struct nat *n, uint32_t subscriber, int by)
{
	atomic_store_explicit(&n->legs->subscribers[subscriber].flows,
			      (uint16_t)(nat_subscriber_flows(n, subscriber) + by),
			      memory_order_release);
}

#endif
