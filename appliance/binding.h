/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_BINDING_H
#define APPLIANCE_BINDING_H

/* General hosts under a subscriber: VIP_GN -> RIP_GN and back. Written by the control lcore, read by
 * workers when they make a flow and, now and then, when they check that it may live on.
 *
 * Two chained hashes over one array; an entry never changes while it can be seen, and is used again
 * after a grace period.
 */
#include "appliance/idx_pool.h"
#include "common/ip.h"

#include <stdatomic.h>
#include <stdbool.h>

struct rte_rcu_qsbr;

struct binding {
	struct ip_addr vip, rip;
	uint32_t subscriber;
	uint32_t number;
	_Atomic uint32_t next_vip, next_rip; /* entry + 1 */
	uint32_t next;			     /* control: of the subscriber */
} __attribute__((aligned(64)));

struct binding_table {
	struct binding *entries;
	_Atomic uint32_t *by_vip, *by_rip; /* entry + 1 */
	uint32_t mask;
	uint64_t secret[2];

	/* Control. */
	uint32_t *first; /* by subscriber: entry + 1 */
	uint32_t subscribers_max;
	struct idx_pool pool;
};

/* 0 or -ENOMEM. */
int binding_table_init(struct binding_table *t, uint32_t max, uint32_t subscribers_max,
		       struct rte_rcu_qsbr *qsbr, const uint64_t secret[2]);
void binding_table_fini(struct binding_table *t); /* zeroed memory is fine */

/* Control lcore. 0 also where exactly this binding is there; -EEXIST: number or vip is taken by
 * another; -ENOSPC; -ENOENT.
 */
int binding_table_add(struct binding_table *t, uint32_t subscriber, uint32_t number,
		      const struct ip_addr *vip, const struct ip_addr *rip);
int binding_del(struct binding_table *t, uint32_t subscriber, uint32_t number);
void binding_del_all(struct binding_table *t, uint32_t subscriber);

/* Workers between two quiescent reports, and control; NULL if there is none. */
const struct binding *binding_table_by_vip(const struct binding_table *t, uint32_t subscriber,
					   const struct ip_addr *vip);
/* What binding_table_by_vip() will read first, and then, once that is there. Hints. */
void binding_table_prefetch(const struct binding_table *t, uint32_t subscriber,
			    const struct ip_addr *vip);
void binding_table_prefetch_entry(const struct binding_table *t, uint32_t subscriber,
				  const struct ip_addr *vip);
/* One whose VIP is of the family asked for; any of them where several names of one host have one
 * each.
 */
const struct binding *binding_by_rip(const struct binding_table *t, uint32_t subscriber,
				     const struct ip_addr *rip, bool v4_vip);

#endif
