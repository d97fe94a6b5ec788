/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/idmap.h"

#include <errno.h>
#include <stdlib.h>

enum { SLOTS_MIN = 64 };

int idmap_init(struct idmap *m, size_t max, struct rng *rng)
{
	m->slots = calloc(SLOTS_MIN, sizeof(*m->slots));
	if (m->slots == NULL)
		return -ENOMEM;
	m->mask = SLOTS_MIN - 1;
	m->used = 0;
	m->max = max;
	m->key[0] = rng_u64(rng);
	m->key[1] = rng_u64(rng) | 1;
	return 0;
}

void idmap_fini(struct idmap *m)
{
	free(m->slots);
	m->slots = NULL;
	m->used = 0;
}

/* Folded 128-bit product with secret operands: two ids collide for one key in 2^64. */
static size_t home(const struct idmap *m, uint64_t id)
{
	unsigned __int128 p = (unsigned __int128)(id ^ m->key[0]) * (m->key[1] ^ (id >> 32));

	return (size_t)((uint64_t)p ^ (uint64_t)(p >> 64)) & m->mask;
}

static size_t find(const struct idmap *m, uint64_t id)
{
	size_t i = home(m, id);

	while (m->slots[i].val != NULL && m->slots[i].id != id)
		i = (i + 1) & m->mask;
	return i;
}

void *idmap_get(const struct idmap *m, uint64_t id)
{
	return m->slots[find(m, id)].val;
}

static int grow(struct idmap *m)
{
	struct idmap_slot *old = m->slots;
	size_t n = m->mask + 1;
	struct idmap_slot *slots = calloc(2 * n, sizeof(*slots));

	if (slots == NULL)
		return -ENOMEM;
	m->slots = slots;
	m->mask = 2 * n - 1;
	for (size_t i = 0; i < n; i++)
		if (old[i].val != NULL)
			m->slots[find(m, old[i].id)] = old[i];
	free(old);
	return 0;
}

int idmap_put(struct idmap *m, uint64_t id, void *val)
{
	size_t i = find(m, id);

	if (m->slots[i].val != NULL)
		return -EEXIST;
	if (m->used >= m->max)
		return -ENOSPC;
	if ((m->used + 1) * 4 > (m->mask + 1) * 3) {
		int ret = grow(m);

		if (ret < 0)
			return ret;
		i = find(m, id);
	}
	m->slots[i] = (struct idmap_slot){id, val};
	m->used++;
	return 0;
}

void *idmap_del(struct idmap *m, uint64_t id)
{
	size_t i = find(m, id), hole = i;
	void *val = m->slots[i].val;

	if (val == NULL)
		return NULL;
	/* Close the gap: move back whatever probed past the hole. */
	for (;;) {
		size_t h;

		i = (i + 1) & m->mask;
		if (m->slots[i].val == NULL)
			break;
		h = home(m, m->slots[i].id);
		if (((i - h) & m->mask) < ((i - hole) & m->mask))
			continue;
		m->slots[hole] = m->slots[i];
		hole = i;
	}
	m->slots[hole].val = NULL;
	m->used--;
	return val;
}

void *idmap_next(const struct idmap *m, size_t *at)
{
	while (*at <= m->mask) {
		void *val = m->slots[(*at)++].val;

		if (val != NULL)
			return val;
	}
	return NULL;
}
