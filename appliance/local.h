/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_LOCAL_H
#define APPLIANCE_LOCAL_H

/* Which destination addresses are ours, and whose they are then: the box's own (NTM, DNS, else the
 * kernel's) or of the NAT pool. An immutable snapshot, made by the control lcore from the
 * addresses of the interfaces and the configured pools, and replaced whole under RCU.
 */
#include "common/ip.h"

#include <stdbool.h>
#include <stdint.h>

enum local_kind {
	LOCAL_BOX = 1 << 0,  /* on an interface of ours */
	LOCAL_POOL = 1 << 1, /* of the NAT pool; with LOCAL_BOX: shared, told apart by port */
};

/* A range of the NAT pool; ports count where the address is the box's own as well. */
struct local_pool {
	struct ip_prefix prefix;
	uint16_t port_min, port_max;
	bool is_shared; /* local_create() sets it: an address in it is the box's as well */
};

struct local_addr {
	struct ip_addr ip;
	uint16_t iface;
};

struct local_table;

/* NULL with errno. Control lcore. The arrays are copied. */
struct local_table *local_create(const struct local_addr *addrs, uint32_t n_addrs,
				 const struct local_pool *pools, uint32_t n_pools);
void local_destroy(struct local_table *t);

/* enum local_kind bits, 0: not ours. pool, if not NULL, gets the range for LOCAL_POOL. Workers,
 * between two quiescent reports. One probe for the box's addresses, then a walk over the pools,
 * which are few.
 */
unsigned int local_lookup(const struct local_table *t, const struct ip_addr *ip,
			  const struct local_pool **pool);

/* The box's addresses, for those who must refuse or print them. */
const struct local_addr *local_addrs(const struct local_table *t, uint32_t *n);

#endif
