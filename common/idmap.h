/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_IDMAP_H
#define COMMON_IDMAP_H

/* From a 64-bit id (Path ID, key id, association index) to a pointer, for control threads: open
 * addressing with linear probing, keyed so that chosen ids cannot pile up in one place.
 *
 * One thread. Grows by doubling up to max; 16 bytes per slot, at most 3/4 full.
 */
#include "common/rng.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct idmap_slot {
	uint64_t id;
	void *val; /* NULL: free */
};

struct idmap {
	struct idmap_slot *slots;
	size_t mask; /* slots - 1 */
	size_t used;
	size_t max;
	uint64_t key[2];
};

/* 0 or -ENOMEM. max: entries it will ever hold. */
int idmap_init(struct idmap *m, size_t max, struct rng *rng);
void idmap_fini(struct idmap *m);
/* NULL where there is none. */
void *idmap_get(const struct idmap *m, uint64_t id);
/* val is not NULL. 0, -EEXIST, -ENOSPC (max reached) or -ENOMEM. */
int idmap_put(struct idmap *m, uint64_t id, void *val);
/* The value that was there, or NULL. */
void *idmap_del(struct idmap *m, uint64_t id);
/* Walk: *at starts at 0; NULL at the end. Nothing may be put or deleted meanwhile. */
void *idmap_next(const struct idmap *m, size_t *at);

#endif
