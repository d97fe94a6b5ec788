/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PIPELINE_SHARE_H
#define PIPELINE_SHARE_H

/* Who does the cipher of a worker's packets: itself at once, or whoever has time.
 *
 * As long as a worker keeps up, open and seal do it at once (batch_fifo.own). When its ports have
 * given it full bursts for SHARE_PRESSURE_ON passes, that is, when its legs bring more than one
 * worker can do, batches go into its FIFO, others help, and share_stage finishes them in order; it
 * goes on until the bursts are short again. Nothing is shared when no other worker has time.
 */
#include "appliance/batch_fifo.h"
#include "appliance/rs_worker.h"
#include "appliance/worker.h"

enum {
	SHARE_PRESSURE_ON = 8,
	SHARE_PRESSURE_MAX = 16,
	SHARE_BURST_SHORT = BURST_MAX / 4, /* shorter bursts take the pressure off */
	SHARE_BURST_BUSY = BURST_MAX / 2,  /* who gets as many has no time for others */
	/* Slots that one pass may fill: open's lane by AEAD_BURST, seal's by half of it. */
	SHARE_RESERVE = LANE_MAX / AEAD_BURST + 2 * LANE_MAX / AEAD_BURST,
};

static inline bool share_pending(const struct worker *w)
{
	return w->rs != NULL && !batch_fifo_is_empty(w->rs->fifo);
}

/* May a pass take packets in? Not while there might be no slot for them: they wait in the port's
 * queue and in the mailbox then.
 */
static inline bool share_room(const struct worker *w)
{
	return !share_pending(w) || batch_fifo_room(w->rs->fifo) >= SHARE_RESERVE;
}

/* How many packets the ports gave in this pass; those that the mailbox brought do not count. */
static inline void share_load(struct worker *w, unsigned int packets)
{
	struct batch_fifo *f = w->rs != NULL ? w->rs->fifo : NULL;

	if (f == NULL || f->slots == NULL)
		return;
	if (packets >= BURST_MAX)
		f->pressure += f->pressure < SHARE_PRESSURE_MAX;
	else if (packets < SHARE_BURST_SHORT)
		f->pressure -= f->pressure > 0;
	if (f->pressure == 0)
		f->on = false;
}

/* A batch to fill with at most AEAD_BURST packets; NULL when there is no room, which share_room()
 * rules out. The stage then gives it to share_commit() or, empty, forgets it.
 */
struct batch *share_begin(struct worker *w);
/* b has n, op, work and finish: done at once, or put. */
void share_commit(struct worker *w, struct batch *b);

/* The worker's turn for others: does one batch of a worker that cannot keep up. packets: what its own
 * last pass found. True if there was one. Outside of pipeline_run().
 */
bool share_help(struct worker *w, unsigned int packets);

/* The token past which the worker may report no quiescent state; only while share_pending(). */
static inline uint64_t share_token(const struct worker *w)
{
	const struct batch_fifo *f = w->rs->fifo;

	return f->slots[f->head % BATCH_SLOTS].token;
}

#endif
