/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_RNG_H
#define COMMON_RNG_H

/* Where random bytes come from. Protocol code takes one of these instead of calling the system,
 * so that a simulation with a printed seed repeats to the byte.
 */
#include <stddef.h>
#include <stdint.h>

struct rng {
	void (*fill)(struct rng *r, void *buf, size_t len);
	uint64_t state[4]; /* of the seeded generator only */
};

/* OpenSSL's RAND_bytes; aborts when it fails, for there is no safe way on. Any thread. */
void rng_init_system(struct rng *r);
/* xoshiro256**, for tests and simulations: repeatable, and no secret. */
void rng_init_seeded(struct rng *r, uint64_t seed);

static inline void rng_fill(struct rng *r, void *buf, size_t len)
{
	r->fill(r, buf, len);
}

uint64_t rng_u64(struct rng *r);
/* Uniform in [0, bound); bound > 0. */
uint64_t rng_below(struct rng *r, uint64_t bound);

#endif
