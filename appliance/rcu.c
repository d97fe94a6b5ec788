/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/rcu.h"

#include <rte_malloc.h>

#include <errno.h>

int rcu_init(struct rcu *r, uint32_t readers)
{
	r->head = 0;
	r->tail = 0;
	r->qsbr = rte_zmalloc("ntm_qsbr", rte_rcu_qsbr_get_memsize(readers), RTE_CACHE_LINE_SIZE);
	if (r->qsbr == NULL)
		return -ENOMEM;
	rte_rcu_qsbr_init(r->qsbr, readers);
	for (uint32_t i = 0; i < readers; i++)
		rte_rcu_qsbr_thread_register(r->qsbr, i);
	return 0;
}

static void run_first(struct rcu *r)
{
	struct rcu_item *it = &r->pending[r->head % RCU_PENDING_MAX];

	r->head++;
	it->fn(it->p);
}

void rcu_fini(struct rcu *r)
{
	if (r->qsbr == NULL)
		return;
	while (r->head != r->tail)
		run_first(r);
	rte_free(r->qsbr);
	r->qsbr = NULL;
}

void rcu_defer(struct rcu *r, void (*fn)(void *p), void *p)
{
	struct rcu_item *it;

	if (r->tail - r->head == RCU_PENDING_MAX) {
		rte_rcu_qsbr_check(r->qsbr, r->pending[r->head % RCU_PENDING_MAX].token, true);
		run_first(r);
	}
	it = &r->pending[r->tail % RCU_PENDING_MAX];
	it->fn = fn;
	it->p = p;
	it->token = rte_rcu_qsbr_start(r->qsbr);
	r->tail++;
}

void rcu_poll(struct rcu *r)
{
	while (r->head != r->tail &&
	       rte_rcu_qsbr_check(r->qsbr, r->pending[r->head % RCU_PENDING_MAX].token, false) == 1)
		run_first(r);
}
