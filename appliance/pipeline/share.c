/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/pipeline/share.h"

#include <rte_cycles.h>

enum { KEEP_PER_HELPER = 2 }; /* batches that wait for each, so that it finds one when it looks */

/* ---- owner ---- */

static unsigned int helpers_count(const struct worker *w)
{
	const struct rs_dp *dp = w->rs->dp;
	unsigned int n = 0;

	for (uint16_t i = 0; i < dp->n_workers; i++) {
		const struct batch_fifo *f = dp->workers[i].fifo;

		n += i != w->id && !atomic_load_explicit(&f->busy, memory_order_relaxed);
	}
	return n;
}

struct batch *share_begin(struct worker *w)
{
	struct batch_fifo *f = w->rs->fifo;

	if (likely(batch_fifo_is_empty(f) && !f->on))
		return &f->own;
	return batch_next(f);
}

void share_commit(struct worker *w, struct batch *b)
{
	struct batch_fifo *f = w->rs->fifo;

	if (b->n == 0)
		return;
	if (likely(b == &f->own)) {
		b->work(w->rs->aead, b);
		b->finish(w, b);
		return;
	}
	b->token = w->rcu_token;
	w->stats.held += b->n;
	w->stats.shared += b->n;
	batch_put(f);
}

/* Sharing begins under pressure, where somebody has time; share_load() ends it. */
static void decide(struct worker *w)
{
	struct batch_fifo *f = w->rs->fifo;

	f->helpers = f->pressure > 0 ? helpers_count(w) : 0;
	if (f->helpers == 0)
		f->on = false;
	else if (f->pressure >= SHARE_PRESSURE_ON)
		f->on = true;
}

/* Packets that are under way in this pass; each may become one of the tx lane. */
static unsigned int lanes_used(const struct worker *w)
{
	const struct lanes *l = &w->lanes;

	return (unsigned int)l->tx.n + l->nat_out.n + l->gn.n + l->seal.n;
}

static void finish_some(struct worker *w)
{
	struct batch_fifo *f = w->rs->fifo;
	struct batch *b;

	while ((b = batch_first_done(f)) != NULL) {
		unsigned int used = lanes_used(w);

		if (used != 0 && used + b->n > LANE_MAX)
			return;
		w->stats.held -= b->n;
		b->finish(w, b);
		batch_pop(f);
	}
}

static void wake_helpers(struct worker *w)
{
	const struct rs_dp *dp = w->rs->dp;

	for (uint16_t i = 0; i < dp->n_workers; i++)
		if (i != w->id &&
		    !atomic_load_explicit(&dp->workers[i].fifo->busy, memory_order_relaxed))
			w->wake_peers |= UINT32_C(1) << i;
}

void share_stage(struct worker *w)
{
	struct batch_fifo *f = w->rs->fifo;
	unsigned int keep, waiting;
	struct batch *b;

	decide(w);
	keep = f->on ? RTE_MIN(f->helpers * KEEP_PER_HELPER, BATCH_SLOTS / 4u) : 0;
	while ((b = batch_claim(f, keep, &waiting)) != NULL) {
		b->work(w->rs->aead, b);
		batch_done(b);
	}
	if (waiting > 0)
		wake_helpers(w);
	finish_some(w);
}

/* ---- helper ---- */

static void busy_say(struct batch_fifo *f, bool busy)
{
	if (atomic_load_explicit(&f->busy, memory_order_relaxed) != busy)
		atomic_store_explicit(&f->busy, busy, memory_order_relaxed);
}

bool share_help(struct worker *w, unsigned int packets)
{
	struct stage_stats *st = &w->stats.stage[STAGE_help];
	struct batch_fifo *own = w->rs != NULL ? w->rs->fifo : NULL;
	uint64_t from;

	if (own == NULL || own->slots == NULL)
		return false;
	busy_say(own, packets >= SHARE_BURST_BUSY || own->on);
	if (packets >= SHARE_BURST_BUSY || own->on)
		return false;
	for (uint16_t i = 1; i < w->n_workers; i++) {
		uint16_t peer = (uint16_t)((w->id + i) % w->n_workers);
		struct batch *b = batch_take(w->rs->dp->workers[peer].fifo, &own->cursor[peer]);

		if (b == NULL)
			continue;
		from = rte_rdtsc();
		b->work(w->rs->aead, b);
		w->stats.helped += b->n;
		st->packets += b->n;
		batch_done(b);
		st->calls++;
		st->cycles += rte_rdtsc() - from;
		return true;
	}
	return false;
}
