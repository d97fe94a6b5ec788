/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/local.h"
#include "common/bytes.h"

#include <rte_common.h>

#include <stdlib.h>

struct local_table {
	uint32_t mask; /* slots - 1; at most half of the slots are used */
	uint32_t n_addrs, n_pools;
	struct local_addr *addrs;
	struct local_pool *pools;
	uint32_t slots[]; /* index into addrs, plus one; 0 is empty */
};

static uint32_t hash(const struct ip_addr *ip)
{
	uint64_t h = (load_be64(ip->b) ^ load_be64(ip->b + 8)) * 0x9e3779b97f4a7c15ULL;

	return (uint32_t)(h >> 32);
}

/* The slot that holds ip, or the empty one where it belongs. */
static uint32_t slot_of(const struct local_table *t, const struct ip_addr *ip)
{
	uint32_t i = hash(ip) & t->mask;

	while (t->slots[i] != 0 && !ip_equal(&t->addrs[t->slots[i] - 1].ip, ip))
		i = (i + 1) & t->mask;
	return i;
}

struct local_table *local_create(const struct local_addr *addrs, uint32_t n_addrs,
				 const struct local_pool *pools, uint32_t n_pools)
{
	uint32_t n_slots = rte_align32pow2(2 * n_addrs + 2);
	struct local_table *t = calloc(1, sizeof(*t) + n_slots * sizeof(t->slots[0]));

	if (t == NULL)
		return NULL;
	t->mask = n_slots - 1;
	t->addrs = calloc(n_addrs + 1, sizeof(*addrs));
	t->pools = calloc(n_pools + 1, sizeof(*pools));
	if (t->addrs == NULL || t->pools == NULL) {
		local_destroy(t);
		return NULL;
	}
	for (uint32_t i = 0; i < n_addrs; i++) {
		t->addrs[t->n_addrs++] = addrs[i];
		t->slots[slot_of(t, &addrs[i].ip)] = t->n_addrs;
	}
	for (uint32_t i = 0; i < n_pools; i++) {
		struct local_pool *p = &t->pools[t->n_pools++];

		*p = pools[i];
		p->is_shared = false;
		for (uint32_t k = 0; k < n_addrs; k++)
			p->is_shared |= prefix_contains(&p->prefix, &addrs[k].ip);
	}
	return t;
}

void local_destroy(struct local_table *t)
{
	if (t == NULL)
		return;
	free(t->addrs);
	free(t->pools);
	free(t);
}

unsigned int local_lookup(const struct local_table *t, const struct ip_addr *ip,
			  const struct local_pool **pool)
{
	unsigned int kind = t->slots[slot_of(t, ip)] != 0 ? LOCAL_BOX : 0;

	for (uint32_t i = 0; i < t->n_pools; i++) {
		if (prefix_contains(&t->pools[i].prefix, ip)) {
			if (pool != NULL)
				*pool = &t->pools[i];
			return kind | LOCAL_POOL;
		}
	}
	return kind;
}

const struct local_addr *local_addrs(const struct local_table *t, uint32_t *n)
{
	*n = t->n_addrs;
	return t->addrs;
}
