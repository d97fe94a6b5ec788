/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/pipeline/pipeline.h"
#include "appliance/batch_fifo.h"
#include "appliance/pipeline/share.h"
#include "appliance/worker.h"

#include <rte_cycles.h>

/* The product, on one page. A worker lcore runs this chain to completion, again and again:
 *
 *   NIC rxq --> rx --> parse --ntm--> relay --path--> switch ------------------> tx --> NIC txq
 *                       | | |           |                                        ^
 *                       | | |           +--open--> open --nat_out--> nat_out ----+  RS-N, to GN
 *                       | | |           |            |                  |        |
 *                       | | +---gn-------------------|---> nat_in --> seal ------+  RS-N, to node
 *                       | |             |            |
 *                       | +--dc--+      +--control---+------- (tx: next hop unknown)
 *                       |        |      |
 *                     local      v      v
 *                       |     DC lcore control lcore
 *                       v                                    mailbox of the worker
 *                   TAP, Linux: ARP, ND, ICMP, TCP  ------->  (rx, tx and frame lanes)
 *
 * open and seal do the cipher of a burst at once, or, where a worker has more than it can do, put it
 * where others help; share then finishes it, in order (share.h).
 *
 * The words on the lines are lanes (pipeline.h); "path" and "open" stand for packets in arrays (hops.h),
 * which are taken out of the burst by quick.c at the head of parse. A packet ends in a NIC queue, in the ring of
 * another thread, or under a name in drop.h.
 */
typedef void (*stage_fn)(struct worker *w);

/* Run a stage that has packets; `from` is when the one before ended, and the return value is when
 * this one did: one look at the clock per stage. Inlined with constants: the call of fn is direct.
 */
static __rte_always_inline uint64_t run(struct worker *w, enum stage s, stage_fn fn,
					uint16_t packets, uint64_t from)
{
	struct stage_stats *st = &w->stats.stage[s];
	uint64_t now;

	if (packets == 0)
		return from;
	fn(w);
	now = rte_rdtsc();
	st->calls++;
	st->packets += packets;
	st->cycles += now - from;
	return now;
}

/* rx is counted when it found something: idle polls would hide what a packet costs. */
static uint64_t run_rx(struct worker *w)
{
	struct stage_stats *st = &w->stats.stage[STAGE_rx];
	uint64_t from = rte_rdtsc(), now;

	rx_stage(w);
	now = rte_rdtsc();
	if (w->lanes.rx.n > 0) {
		st->calls++;
		st->packets += w->lanes.rx.n;
		st->cycles += now - from;
	}
	return now;
}

/* Counts what it finished: the same packets were open's or seal's before. */
static uint64_t run_share(struct worker *w, uint64_t from)
{
	struct stage_stats *st = &w->stats.stage[STAGE_share];
	const struct batch_fifo *f = w->rs != NULL ? w->rs->fifo : NULL;
	uint64_t before, now;

	if (likely(f == NULL || (f->pressure == 0 && batch_fifo_is_empty(f))))
		return from;
	before = f->packets;
	share_stage(w);
	if (before == 0)
		return from;
	now = rte_rdtsc();
	st->calls++;
	st->packets += before - f->packets;
	st->cycles += now - from;
	return now;
}

/* From share on, over what stands in the lanes. */
static void run_rest(struct worker *w, uint64_t t)
{
	struct lanes *l = &w->lanes;

	t = run_share(w, t);
	t = run(w, STAGE_nat_out, nat_out_stage, l->nat_out.n, t);
	t = run(w, STAGE_nat_in, nat_in_stage, l->gn.n, t);
	t = run(w, STAGE_seal, seal_stage, l->seal.n, t);
	t = run(w, STAGE_tx, tx_stage, l->tx.n + l->frame.n + w->hops.n, t);
	run(w, STAGE_hand, hand_stage, l->control.n + l->dc.n + l->local.n, t);
}

void pipeline_flush(struct worker *w)
{
	rx_flush(w);
	if (w->rs == NULL)
		return;
	w->rs->fifo->pressure = 0;
	w->rs->fifo->on = false;
	while (share_pending(w))
		run_rest(w, rte_rdtsc());
}

unsigned int pipeline_run(struct worker *w)
{
	struct lanes *l = &w->lanes;
	const struct hops *h = &w->hops, *s = &w->sealed;
	unsigned int found;
	uint64_t t;

	t = likely(share_room(w)) ? run_rx(w) : rte_rdtsc();
	share_load(w, l->rx.n);
	found = l->rx.n + l->steered.n + l->tx.n + l->frame.n;
	if (found == 0 && likely(!share_pending(w)))
		return 0;
	t = run(w, STAGE_parse, parse_stage, l->rx.n + l->steered.n, t);
	t = run(w, STAGE_relay, relay_stage, l->ntm.n + h->n + s->n, t);
	t = run(w, STAGE_switch, switch_stage, h->n, t);
	t = run(w, STAGE_open, open_stage, s->n, t);
	run_rest(w, t);
	return found + share_pending(w);
}
