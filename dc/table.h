/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DC_TABLE_H
#define DC_TABLE_H

/* A hash table of links inside the objects themselves: look-up by any key of bytes in O(1), no
 * allocation but the buckets at init. Keys are enrolled names, own random numbers and addresses of
 * our pools; the seed keeps others from choosing collisions. One thread.
 */
#include "common/rng.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_link {
	struct table_link *next;
	uint64_t hash;
};

struct table {
	struct table_link **bucket;
	uint32_t mask;
	uint32_t n;
	uint64_t seed;
};

/* Buckets for about max entries; more are taken, slower. 0 or -ENOMEM. */
int table_init(struct table *t, uint32_t max, struct rng *rng);
/* Forgets the links, which are their owners'. */
void table_fini(struct table *t);

uint64_t table_hash(const struct table *t, const void *key, size_t len);
void table_add(struct table *t, struct table_link *l, uint64_t hash);
void table_del(struct table *t, struct table_link *l);
/* Entries with this hash, the caller compares keys: for (l = table_first(); l; l = table_next(l)). */
struct table_link *table_first(const struct table *t, uint64_t hash);
struct table_link *table_next(const struct table_link *l);

#define table_entry(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

#endif
