/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/limiter.h"

static const uint64_t SEC = 1000000000ULL;

void limiter_init(struct limiter *l, uint32_t per_sec, struct rng *rng)
{
	memset(l, 0, sizeof(*l));
	l->per_sec = per_sec > 0 ? per_sec : 1;
	l->seed = rng_u64(rng);
}

static uint64_t bucket(const struct limiter *l, const struct ip_addr *a)
{
	uint64_t v;

	memcpy(&v, ip_is_v4(a) ? a->b + 8 : a->b, sizeof(v));
	v = (v ^ l->seed) * 0x9e3779b97f4a7c15ULL;
	v = (v ^ v >> 29) * 0xbf58476d1ce4e5b9ULL;
	return (v ^ v >> 32) % LIMITER_BUCKETS;
}

bool limiter_pass(struct limiter *l, uint64_t now, const struct ip_addr *a)
{
	uint64_t *until = &l->until_ns[bucket(l, a)];
	uint64_t step = SEC / l->per_sec;

	if (*until < now)
		*until = now;
	if (*until + step > now + SEC)
		return false;
	*until += step;
	return true;
}
