/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/hs_cache.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKET = 8 };

struct entry {
	uint8_t key[32];
	uint8_t state; /* HS_CACHE_NEW: empty */
	uint16_t len;
	uint64_t until_ns;
	uint8_t answer[WIRE_HS2_MAX];
};

struct hs_cache {
	uint32_t buckets; /* a power of two */
	struct entry entry[];
};

static const uint64_t life_ns = HS_CACHE_LIFE_SEC * 1000000000ULL;

struct hs_cache *hs_cache_create(uint32_t entries)
{
	struct hs_cache *c;
	uint32_t buckets = 1;

	while (buckets * BUCKET < entries && buckets < 1u << 20)
		buckets *= 2;
	c = calloc(1, sizeof(*c) + (size_t)buckets * BUCKET * sizeof(c->entry[0]));
	if (c != NULL)
		c->buckets = buckets;
	return c;
}

void hs_cache_destroy(struct hs_cache *c)
{
	free(c);
}

/* Keys are SHA-256 of what a stranger sends: their first bytes are spread well enough, and a full
 * bucket costs only the oldest answers.
 */
static struct entry *bucket_of(struct hs_cache *c, const uint8_t *key)
{
	uint32_t h;

	memcpy(&h, key, sizeof(h));
	return &c->entry[(size_t)(h & (c->buckets - 1)) * BUCKET];
}

static struct entry *find(struct hs_cache *c, const uint8_t *key)
{
	struct entry *b = bucket_of(c, key);

	for (int i = 0; i < BUCKET; i++) {
		if (b[i].state != HS_CACHE_NEW && memcmp(b[i].key, key, sizeof(b[i].key)) == 0)
			return &b[i];
	}
	return NULL;
}

/* An empty entry, or the answer that ends first; NULL when all are in work. */
static struct entry *victim(struct hs_cache *c, const uint8_t *key)
{
	struct entry *b = bucket_of(c, key), *best = NULL;

	for (int i = 0; i < BUCKET; i++) {
		if (b[i].state == HS_CACHE_NEW)
			return &b[i];
		if (b[i].state == HS_CACHE_DONE && (best == NULL || b[i].until_ns < best->until_ns))
			best = &b[i];
	}
	return best;
}

enum hs_cache_state hs_cache_begin(struct hs_cache *c, uint64_t now, const uint8_t key[32],
				   const uint8_t **answer, size_t *len)
{
	struct entry *e = find(c, key);

	if (e != NULL && e->state == HS_CACHE_IN_WORK)
		return HS_CACHE_IN_WORK;
	if (e != NULL && now < e->until_ns) {
		*answer = e->answer;
		*len = e->len;
		return HS_CACHE_DONE;
	}
	if (e == NULL)
		e = victim(c, key);
	if (e == NULL)
		return HS_CACHE_FULL;
	memcpy(e->key, key, sizeof(e->key));
	e->state = HS_CACHE_IN_WORK;
	return HS_CACHE_NEW;
}

void hs_cache_finish(struct hs_cache *c, uint64_t now, const uint8_t key[32], const uint8_t *answer,
		     size_t len)
{
	struct entry *e = find(c, key);

	if (e == NULL || len > sizeof(e->answer))
		return;
	memcpy(e->answer, answer, len);
	e->len = (uint16_t)len;
	e->until_ns = now + life_ns;
	e->state = HS_CACHE_DONE;
}

void hs_cache_forget(struct hs_cache *c, const uint8_t key[32])
{
	struct entry *e = find(c, key);

	if (e != NULL)
		e->state = HS_CACHE_NEW;
}
