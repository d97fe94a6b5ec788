/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_NEIGH_H
#define APPLIANCE_NEIGH_H

/* The control side of the next-hop array: entries are keyed by (interface, address), entered into
 * the kernel as managed neighbours (NTF_EXT_MANAGED, Linux 5.16), which the kernel then resolves
 * and keeps fresh, and updated from its notifications. Packets that met an unresolved next hop
 * wait here, few and not for long. Control lcore only.
 */
#include "appliance/nexthop.h"
#include "appliance/pipeline/stats.h"
#include "appliance/rcu.h"
#include "common/ip.h"

#include <linux/netlink.h>
#include <stdbool.h>
#include <stdint.h>

struct iface;
struct mailbox;
struct rte_mbuf;
struct neigh_table;

struct neigh_config {
	struct nexthop *nexthops; /* n entries, zeroed; entry 0 stays "no route" */
	uint32_t n;
	struct iface *ifaces; /* their glean entries are made here */
	uint16_t n_ifaces;
	uint32_t hold_per_nexthop, hold_total;
	struct rcu *rcu;
	struct lcore_stats *stats; /* of the caller: held, drops */
	struct mailbox *out;	   /* of the worker that sends what was held */
};

/* NULL with errno. */
struct neigh_table *neigh_create(const struct neigh_config *c);
/* Drops what is held as DROP_STOPPING and takes our entries back from the kernel. */
void neigh_destroy(struct neigh_table *t);

/* The index for (iface, ip), made if it is not there; NEXTHOP_NONE when the table is full. */
uint32_t neigh_get(struct neigh_table *t, uint16_t iface, const struct ip_addr *ip);

/* A message RTM_NEWNEIGH or RTM_DELNEIGH. */
void neigh_event(struct neigh_table *t, const struct nlmsghdr *nlh);

/* Keep m until its next hop is resolved; it is gone afterwards in any case. idx is not GLEAN. */
void neigh_hold(struct neigh_table *t, uint32_t idx, struct rte_mbuf *m, uint64_t now);

/* Time passes: held packets grow old, entries that nobody uses are given up. True when entries
 * went away, so that the routes must be published anew.
 */
bool neigh_tick(struct neigh_table *t, uint64_t now);

/* For the route mirror: references by routes keep an entry. */
void neigh_refs_clear(struct neigh_table *t);
void neigh_ref(struct neigh_table *t, uint32_t idx);

/* Call fn for each entry that stands for one address. */
void neigh_walk(struct neigh_table *t,
		void (*fn)(void *ctx, uint32_t idx, const struct nexthop *nh), void *ctx);

/* Entries were made since the last call: the routes must be published. */
bool neigh_changed(struct neigh_table *t);

#endif
