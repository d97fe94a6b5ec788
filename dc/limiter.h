/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DC_LIMITER_H
#define DC_LIMITER_H

/* So many per second and source address, in fixed memory: sources that fall into the same bucket
 * share its rate, which can only make it stricter. IPv6 sources are counted by /64, for a host has
 * all of one. One thread.
 */
#include "common/ip.h"
#include "common/rng.h"

#include <stdbool.h>
#include <stdint.h>

enum { LIMITER_BUCKETS = 1024 };

struct limiter {
	uint32_t per_sec;
	uint64_t seed;
	uint64_t until_ns[LIMITER_BUCKETS]; /* when the last one allowed is paid for (GCRA) */
};

void limiter_init(struct limiter *l, uint32_t per_sec, struct rng *rng);
/* May one more go to or from a? A burst of one second's worth is allowed. */
bool limiter_pass(struct limiter *l, uint64_t now, const struct ip_addr *a);

#endif
