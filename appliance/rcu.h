/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_RCU_H
#define APPLIANCE_RCU_H

/* When what a worker may still be reading can be freed. Workers report a quiescent state once per
 * pass and are offline while they sleep; the control lcore unpublishes a thing, then hands it here.
 */
#include <rte_rcu_qsbr.h>
#include <stdint.h>

enum { RCU_PENDING_MAX = 1024 };

struct rcu_item {
	void (*fn)(void *p);
	void *p;
	uint64_t token;
};

struct rcu {
	struct rte_rcu_qsbr *qsbr;
	uint32_t head, tail; /* of the ring below; control lcore only, as all of it */
	struct rcu_item pending[RCU_PENDING_MAX];
};

/* readers: how many lcores report. 0 or -ENOMEM. */
int rcu_init(struct rcu *r, uint32_t readers);
/* Runs all that is pending; no reader may be left. */
void rcu_fini(struct rcu *r);

/* fn(p) runs on the control lcore once every reader has passed a quiescent state. Waits for that
 * here only when RCU_PENDING_MAX are pending. Control lcore.
 */
void rcu_defer(struct rcu *r, void (*fn)(void *p), void *p);

/* Run what is due. Control lcore, every turn of its loop. */
void rcu_poll(struct rcu *r);

/* Reader side, its own thread; id is below readers. */
static inline void rcu_online(const struct rcu *r, uint32_t id)
{
	rte_rcu_qsbr_thread_online(r->qsbr, id);
}
static inline void rcu_offline(const struct rcu *r, uint32_t id)
{
	rte_rcu_qsbr_thread_offline(r->qsbr, id);
}
/* The token of grace periods that have begun. Read before anything that is to be held. */
static inline uint64_t rcu_token(const struct rcu *r)
{
	return __atomic_load_n(&r->qsbr->token, __ATOMIC_ACQUIRE);
}
/* Nothing is held that was read before rcu_token() gave token: like rcu_quiescent() at that moment,
 * though things read since are still held. token never goes back.
 */
static inline void rcu_quiescent_at(const struct rcu *r, uint32_t id, uint64_t token)
{
	uint64_t *cnt = &r->qsbr->qsbr_cnt[id].cnt;

	if (__atomic_load_n(cnt, __ATOMIC_RELAXED) != token)
		__atomic_store_n(cnt, token, __ATOMIC_RELEASE);
}
static inline void rcu_quiescent(const struct rcu *r, uint32_t id)
{
	rte_rcu_qsbr_quiescent(r->qsbr, id);
}

#endif
