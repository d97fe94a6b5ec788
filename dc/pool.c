/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/pool.h"

#include "common/bytes.h"

#include <errno.h>
#include <stdlib.h>

enum { ADDR_BITS = 128, WORD_BITS = 64 };

uint32_t pool_size(const struct ip_prefix *prefix)
{
	unsigned int host = ADDR_BITS - prefix->len;
	uint32_t size = host < 24 ? 1U << host : (uint32_t)POOL_MAX;

	/* The last address of an IPv4 prefix is a broadcast address to some. */
	return ip_is_v4(&prefix->ip) && size > 1 ? size - 1 : size;
}

struct ip_addr pool_address(const struct ip_prefix *prefix, uint32_t number)
{
	struct ip_addr a = prefix->ip;

	store_be32(a.b + 12, load_be32(a.b + 12) | number);
	return a;
}

int64_t pool_number(const struct ip_prefix *prefix, const struct ip_addr *a)
{
	struct ip_addr base = *a;
	uint32_t number;

	if (!prefix_contains(prefix, a))
		return -ERANGE;
	number = load_be32(a->b + 12) ^ load_be32(prefix->ip.b + 12);
	base = pool_address(prefix, number);
	if (!ip_equal(&base, a) || number >= pool_size(prefix))
		return -ERANGE;
	return number;
}

static bool host_bits_are_zero(const struct ip_prefix *p)
{
	for (unsigned int bit = p->len; bit < ADDR_BITS; bit++)
		if ((p->ip.b[bit / 8] >> (7 - bit % 8) & 1) != 0)
			return false;
	return true;
}

int pool_init(struct pool *p, const struct ip_prefix *prefix, uint32_t max)
{
	memset(p, 0, sizeof(*p));
	if (prefix->len > ADDR_BITS || !host_bits_are_zero(prefix) ||
	    pool_size(prefix) <= POOL_RESERVED)
		return -EINVAL;
	p->prefix = *prefix;
	p->size = pool_size(prefix);
	/* Twice as many as can be in use, so that a given one rests before it is taken again. */
	if (max < POOL_MAX / 2 && p->size > POOL_RESERVED + 2 * max)
		p->size = POOL_RESERVED + 2 * max;
	p->next = POOL_RESERVED;
	p->bits = calloc((p->size + WORD_BITS - 1) / WORD_BITS, sizeof(p->bits[0]));
	return p->bits != NULL ? 0 : -ENOMEM;
}

void pool_fini(struct pool *p)
{
	free(p->bits);
	memset(p, 0, sizeof(*p));
}

static bool is_used(const struct pool *p, uint32_t n)
{
	return (p->bits[n / WORD_BITS] >> (n % WORD_BITS) & 1) != 0;
}

static void mark(struct pool *p, uint32_t n)
{
	p->bits[n / WORD_BITS] |= 1ULL << (n % WORD_BITS);
	p->used++;
}

int pool_take(struct pool *p, struct ip_addr *out)
{
	if (p->used >= p->size - POOL_RESERVED)
		return -ENOSPC;
	for (uint32_t tried = POOL_RESERVED; tried < p->size; tried++) {
		uint32_t n = p->next;

		p->next = n + 1 < p->size ? n + 1 : (uint32_t)POOL_RESERVED;
		if (is_used(p, n))
			continue;
		mark(p, n);
		*out = pool_address(&p->prefix, n);
		return 0;
	}
	return -ENOSPC;
}

int pool_claim(struct pool *p, const struct ip_addr *a)
{
	int64_t n = pool_number(&p->prefix, a);

	if (n < POOL_RESERVED || n >= p->size)
		return -ERANGE;
	if (is_used(p, (uint32_t)n))
		return -EEXIST;
	mark(p, (uint32_t)n);
	/* After a restart go on behind the highest: what was given back lately rests. */
	if ((uint32_t)n >= p->next)
		p->next = n + 1 < p->size ? (uint32_t)n + 1 : (uint32_t)POOL_RESERVED;
	return 0;
}

void pool_give(struct pool *p, const struct ip_addr *a)
{
	int64_t n = pool_number(&p->prefix, a);

	if (n < 0 || n >= p->size || !is_used(p, (uint32_t)n))
		return;
	p->bits[n / WORD_BITS] &= ~(1ULL << (n % WORD_BITS));
	p->used--;
}
