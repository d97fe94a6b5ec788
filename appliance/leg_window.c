/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/leg_window.h"

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include <stdlib.h>

enum { SPARE_PART = 16 }; /* one more window for so small a part of the keys */

/* Of the spare ones: workers of all legs take from it. */
static int ring_create(struct leg_table *t)
{
	uint32_t size = rte_align32pow2(t->windows_max - t->keys_max + 1);
	ssize_t bytes = rte_ring_get_memsize_elem(sizeof(uint32_t), size);
	unsigned int flags = RING_F_SP_ENQ | RING_F_MC_HTS_DEQ;

	if (bytes < 0)
		return -ENOMEM;
	t->spare_windows = aligned_alloc(RTE_CACHE_LINE_SIZE,
					 RTE_ALIGN_CEIL((size_t)bytes, RTE_CACHE_LINE_SIZE));
	if (t->spare_windows == NULL ||
	    rte_ring_init(t->spare_windows, "rs_windows", size, flags) != 0)
		return -ENOMEM;
	for (uint32_t w = t->keys_max + 1; w <= t->windows_max; w++)
		rte_ring_enqueue_elem(t->spare_windows, &w, sizeof(w));
	return 0;
}

uint32_t leg_windows_count(uint32_t keys_max)
{
	return keys_max + keys_max / SPARE_PART + 1;
}

int leg_windows_init(struct leg_table *t)
{
	t->windows_max = leg_windows_count(t->keys_max);
	return ring_create(t);
}

void leg_windows_fini(struct leg_table *t)
{
	free(t->spare_windows);
}

/* Which of the key's windows another route can have: NULL when it has none at all. */
static uint32_t *other_of(struct leg_key *key, unsigned int route)
{
	for (unsigned int r = 0; r < RTE_DIM(key->window); r++)
		if (r != route && key->window[r] != LEG_REF_NONE &&
		    (key->window[r] & LEG_WINDOW_LEFT) == 0)
			return &key->window[r];
	return NULL;
}

/* Everything before next counts as seen. */
static struct replay *window_begin(struct leg_table *t, uint32_t at, uint32_t left)
{
	struct replay *r = &t->windows[at - 1];

	r->next = left & ~LEG_WINDOW_LEFT;
	memset(r->bits, r->next == 0 ? 0 : 0xff, sizeof(r->bits));
	return r;
}

struct replay *leg_window_take(struct leg_table *t, struct leg_key *key, unsigned int route)
{
	uint32_t *other = other_of(key, route), left = key->window[route], at;

	if (other == NULL) {
		at = (uint32_t)(key - t->keys) + 1;
	} else if (rte_ring_dequeue_elem(t->spare_windows, &at, sizeof(at)) != 0) {
		at = *other;
		if (t->windows[at - 1].next >= LEG_WINDOW_LEFT)
			return NULL;
		*other = LEG_WINDOW_LEFT | (uint32_t)t->windows[at - 1].next;
	}
	key->window[route] = at;
	return window_begin(t, at, left == LEG_REF_NONE ? LEG_WINDOW_LEFT : left);
}

void leg_windows_give(struct leg_table *t, struct leg_key *key)
{
	for (unsigned int r = 0; r < RTE_DIM(key->window); r++) {
		uint32_t w = key->window[r];

		if ((w & LEG_WINDOW_LEFT) == 0 && w > t->keys_max)
			rte_ring_enqueue_elem(t->spare_windows, &w, sizeof(w));
	}
}
