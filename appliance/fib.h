/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_FIB_H
#define APPLIANCE_FIB_H

/* Longest-prefix match over both families at once: an immutable snapshot of disjoint, sorted ranges
 * of the 128-bit address space (IPv4 lies at ::ffff:0:0/96), searched by halving.
 *
 * Why not rte_fib: in 22.11 it has no RCU, its smallest table takes 32 MB per family and routing
 * table, and labs run with 64. A snapshot of n routes takes 24 to 48 bytes each and is built in
 * O(n log n) by the control lcore; workers are spared most look-ups because paths and flows keep
 * their next hop for as long as fib_generation() stands still.
 */
#include "common/ip.h"

#include <stdint.h>

struct fib_route {
	struct ip_prefix prefix;
	uint32_t metric;  /* of equal prefixes the least wins */
	uint32_t nexthop; /* index; NEXTHOP_NONE for blackhole and unreachable */
};

struct fib;

/* NULL with errno. The array is sorted in place. Any thread. */
struct fib *fib_create(struct fib_route *routes, uint32_t n, uint32_t generation);
void fib_destroy(struct fib *f);

/* Index of the next hop, NEXTHOP_NONE where there is no route. Workers, between two quiescent
 * reports. log2(2n) steps.
 */
uint32_t fib_lookup(const struct fib *f, const struct ip_addr *dst);

/* Grows with every snapshot; a next hop kept from an older one must be looked up again. */
uint32_t fib_generation(const struct fib *f);
uint32_t fib_ranges(const struct fib *f);

#endif
