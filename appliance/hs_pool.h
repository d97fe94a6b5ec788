/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_HS_POOL_H
#define APPLIANCE_HS_POOL_H

/* Plain threads for what would hold up an lcore: a handshake takes 0.2 to 0.3 ms. A job goes in
 * here and comes back to its owner's mailbox when it is done, in any order.
 */
#include <stdint.h>

struct hs_pool;
struct mailbox;

struct hs_pool_stats {
	uint64_t jobs, refused; /* refused: the queue was full */
	uint32_t waiting;	/* now */
};

/* queue: how many jobs may wait. NULL with errno. */
struct hs_pool *hs_pool_start(unsigned int threads, uint32_t queue);
/* Jobs that run are finished, jobs that wait are given to drop(arg) unrun. */
void hs_pool_stop(struct hs_pool *p, void (*drop)(void *arg));

/* fn(arg) runs on a thread of the pool; then done gets MAIL_DONE with `kind` and arg. 0; -ENOBUFS
 * when the queue is full: the job was not taken. Any thread.
 */
int hs_pool_submit(struct hs_pool *p, void (*fn)(void *arg), void *arg, struct mailbox *done,
		   uint32_t kind);

void hs_pool_stats(struct hs_pool *p, struct hs_pool_stats *st);

#endif
