/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DC_POOL_H
#define DC_POOL_H

/* Virtual addresses out of a prefix: a number in the pool and an address are the same thing. A node
 * keeps its address for good, so an address goes back only when the node is expelled, and is then
 * the last to be given again. One thread. One bit per address, at most POOL_MAX of them.
 */
#include "common/ip.h"

enum {
	POOL_RESERVED =
		16, /* the first addresses: a node uses some for itself (its stub resolver) */
	POOL_MAX = 1 << 24,
};

struct pool {
	struct ip_prefix prefix;
	uint32_t size; /* numbers 0 .. size - 1; the last address of an IPv4 prefix is left out */
	uint32_t used;
	uint32_t next; /* where the search goes on */
	uint64_t *bits;
};

/* max bounds the memory: no more than that many addresses beyond the reserved ones are used.
 * 0, -EINVAL (prefix too small or its host bits not zero), -ENOMEM.
 */
int pool_init(struct pool *p, const struct ip_prefix *prefix, uint32_t max);
void pool_fini(struct pool *p);

/* A free address. 0 or -ENOSPC. */
int pool_take(struct pool *p, struct ip_addr *out);
/* This address, which the store says is in use. 0, -EEXIST, or -ERANGE when it is not of the pool. */
int pool_claim(struct pool *p, const struct ip_addr *a);
/* No effect for an address that is not of the pool. */
void pool_give(struct pool *p, const struct ip_addr *a);

/* The address of a number, and back (-ERANGE). Pure. */
struct ip_addr pool_address(const struct ip_prefix *prefix, uint32_t number);
int64_t pool_number(const struct ip_prefix *prefix, const struct ip_addr *a);
/* How many numbers a prefix has, at most POOL_MAX. */
uint32_t pool_size(const struct ip_prefix *prefix);

#endif
