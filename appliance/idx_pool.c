/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/idx_pool.h"

#include <rte_rcu_qsbr.h>

#include <errno.h>
#include <stdlib.h>

struct idx_retired {
	uint64_t token;
	uint32_t idx;
};

int idx_pool_init(struct idx_pool *p, uint32_t size, struct rte_rcu_qsbr *qsbr,
		  idx_pool_freed freed, void *ctx)
{
	*p = (struct idx_pool){.size = size, .step = 1, .qsbr = qsbr, .freed = freed, .ctx = ctx};
	p->free_idx = malloc((size_t)size * sizeof(*p->free_idx));
	p->retired = malloc((size_t)size * sizeof(*p->retired));
	if (p->free_idx == NULL || p->retired == NULL) {
		idx_pool_fini(p);
		return -ENOMEM;
	}
	return 0;
}

void idx_pool_fini(struct idx_pool *p)
{
	free(p->free_idx);
	free(p->retired);
	*p = (struct idx_pool){.size = 0};
}

static uint32_t gcd(uint32_t a, uint32_t b)
{
	while (b != 0) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* A step that shares no factor with the size meets each entry once; by the golden ratio, those that were
 * taken at about the same time stay apart, however many they are.
 */
void idx_pool_spread(struct idx_pool *p)
{
	p->step = (uint32_t)((uint64_t)p->size * 618 / 1000) + 1;
	while (gcd(p->step, p->size) != 1)
		p->step++;
}

int idx_pool_take(struct idx_pool *p, uint32_t *idx)
{
	if (p->n_free == 0 && p->fresh == p->size)
		idx_pool_reclaim(p);
	if (p->n_free > 0)
		*idx = p->free_idx[--p->n_free];
	else if (p->fresh < p->size)
		*idx = (uint32_t)((uint64_t)p->fresh++ * p->step % p->size);
	else
		return -ENOSPC;
	return 0;
}

void idx_pool_give_back(struct idx_pool *p, uint32_t idx)
{
	p->free_idx[p->n_free++] = idx;
}

void idx_pool_retire(struct idx_pool *p, uint32_t idx)
{
	struct idx_retired *r = &p->retired[(p->head + p->n_retired) % p->size];

	r->token = p->qsbr != NULL ? rte_rcu_qsbr_start(p->qsbr) : 0;
	r->idx = idx;
	p->n_retired++;
}

void idx_pool_reclaim(struct idx_pool *p)
{
	while (p->n_retired > 0) {
		const struct idx_retired *r = &p->retired[p->head];

		if (p->qsbr != NULL && rte_rcu_qsbr_check(p->qsbr, r->token, false) != 1)
			return;
		if (p->freed != NULL)
			p->freed(p->ctx, r->idx);
		p->free_idx[p->n_free++] = r->idx;
		p->head = (p->head + 1) % p->size;
		p->n_retired--;
	}
	/* From the start again: the ring touches as much memory as ever waited at once. */
	p->head = 0;
}
