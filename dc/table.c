/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int table_init(struct table *t, uint32_t max, struct rng *rng)
{
	uint32_t n = 8;

	while (n < max && n < 1U << 30)
		n *= 2;
	t->bucket = calloc(n, sizeof(t->bucket[0]));
	if (t->bucket == NULL)
		return -ENOMEM;
	t->mask = n - 1;
	t->n = 0;
	t->seed = rng_u64(rng);
	return 0;
}

void table_fini(struct table *t)
{
	free(t->bucket);
	memset(t, 0, sizeof(*t));
}

static uint64_t mix(uint64_t h)
{
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ULL;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ULL;
	return h ^ h >> 32;
}

uint64_t table_hash(const struct table *t, const void *key, size_t len)
{
	const uint8_t *p = key;
	uint64_t h = t->seed ^ len;

	for (; len >= 8; len -= 8, p += 8) {
		uint64_t v;

		memcpy(&v, p, sizeof(v));
		h = mix(h ^ v);
	}
	for (; len > 0; len--, p++)
		h = (h ^ *p) * 0x100000001b3ULL;
	return mix(h);
}

void table_add(struct table *t, struct table_link *l, uint64_t hash)
{
	struct table_link **b = &t->bucket[hash & t->mask];

	l->hash = hash;
	l->next = *b;
	*b = l;
	t->n++;
}

void table_del(struct table *t, struct table_link *l)
{
	struct table_link **at = &t->bucket[l->hash & t->mask];

	for (; *at != NULL; at = &(*at)->next) {
		if (*at != l)
			continue;
		*at = l->next;
		l->next = NULL;
		t->n--;
		return;
	}
}

static struct table_link *find(struct table_link *l, uint64_t hash)
{
	while (l != NULL && l->hash != hash)
		l = l->next;
	return l;
}

struct table_link *table_first(const struct table *t, uint64_t hash)
{
	return find(t->bucket[hash & t->mask], hash);
}

struct table_link *table_next(const struct table_link *l)
{
	return find(l->next, l->hash);
}
