/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_IDX_POOL_H
#define APPLIANCE_IDX_POOL_H

/* Which entries of an array are free, and which are waiting for the readers to let go of them.
 * Control lcore alone. An entry that came back is taken first, then the lowest that was never used, so that a
 * table used a little touches little memory: of the pool itself nothing before entries come back.
 */
#include <stdint.h>

struct rte_rcu_qsbr;

/* What to do with an entry once no reader can see it (wipe keys, say); may be NULL. */
typedef void (*idx_pool_freed)(void *ctx, uint32_t idx);

struct idx_pool {
	uint32_t size, fresh; /* so many were ever used */
	uint32_t step;	      /* from one of those to the next */
	uint32_t n_free, head, n_retired;
	uint32_t *free_idx;	     /* that came back */
	struct idx_retired *retired; /* ring, oldest at head */
	struct rte_rcu_qsbr *qsbr;   /* NULL: no readers, retired is free at once */
	idx_pool_freed freed;
	void *ctx;
};

/* 0 or -ENOMEM. */
int idx_pool_init(struct idx_pool *p, uint32_t size, struct rte_rcu_qsbr *qsbr,
		  idx_pool_freed freed, void *ctx);
void idx_pool_fini(struct idx_pool *p); /* zeroed memory is fine */
/* Entries taken one after the other are to lie far apart: of an array whose entries share cache lines and are
 * written by different lcores. Before the first is taken.
 */
void idx_pool_spread(struct idx_pool *p);

/* 0 or -ENOSPC: all taken, or still waiting for a grace period. */
int idx_pool_take(struct idx_pool *p, uint32_t *idx);
/* No reader ever saw it. */
void idx_pool_give_back(struct idx_pool *p, uint32_t idx);
/* Unpublished; free once all readers have passed a quiescent state. */
void idx_pool_retire(struct idx_pool *p, uint32_t idx);
void idx_pool_reclaim(struct idx_pool *p);

static inline uint32_t idx_pool_used(const struct idx_pool *p)
{
	return p->fresh - p->n_free - p->n_retired;
}

#endif
