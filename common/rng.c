/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/rng.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

static void fill_system(struct rng *r, void *buf, size_t len)
{
	if (RAND_bytes(buf, (int)len) != 1)
		abort();
}

void rng_init_system(struct rng *r)
{
	memset(r, 0, sizeof(*r));
	r->fill = fill_system;
}

static uint64_t rotl(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

static uint64_t next_seeded(struct rng *r)
{
	uint64_t *s = r->state;
	uint64_t out = rotl(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return out;
}

static void fill_seeded(struct rng *r, void *buf, size_t len)
{
	uint8_t *p = buf;

	while (len > 0) {
		uint64_t v = next_seeded(r);
		size_t n = len < sizeof(v) ? len : sizeof(v);

		memcpy(p, &v, n);
		p += n;
		len -= n;
	}
}

void rng_init_seeded(struct rng *r, uint64_t seed)
{
	memset(r, 0, sizeof(*r));
	r->fill = fill_seeded;
	for (int i = 0; i < 4; i++) { /* splitmix64 spreads a small seed over the state */
		uint64_t z = (seed += 0x9e3779b97f4a7c15ULL);

		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
		z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
		r->state[i] = z ^ z >> 31;
	}
}

uint64_t rng_u64(struct rng *r)
{
	uint64_t v;

	rng_fill(r, &v, sizeof(v));
	return v;
}

uint64_t rng_below(struct rng *r, uint64_t bound)
{
	uint64_t limit = UINT64_MAX - UINT64_MAX % bound; /* the unbiased part */
	uint64_t v;

	do {
		v = rng_u64(r);
	} while (v >= limit);
	return v % bound;
}
