/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/pipeline/pipeline.h"
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
 * The words on the lines are lanes (pipeline.h). A packet ends in a NIC queue, in the ring of
 * another thread, or under a name in drop.h.
 */
typedef void (*stage_fn)(struct worker *w);

/* Inlined with constants: the call of fn is a direct one. */
static __rte_always_inline void run(struct worker *w, enum stage s, stage_fn fn, uint16_t packets)
{
	struct stage_stats *st = &w->stats.stage[s];
	uint64_t from;

	if (packets == 0)
		return;
	from = rte_rdtsc();
	fn(w);
	st->calls++;
	st->packets += packets;
	st->cycles += rte_rdtsc() - from;
}

/* rx is counted when it found something: idle polls would hide what a packet costs. */
static void run_rx(struct worker *w)
{
	struct stage_stats *st = &w->stats.stage[STAGE_rx];
	uint16_t before = w->lanes.rx.n;
	uint64_t from = rte_rdtsc();

	rx_stage(w);
	if (w->lanes.rx.n == before)
		return;
	st->calls++;
	st->packets += w->lanes.rx.n - before;
	st->cycles += rte_rdtsc() - from;
}

unsigned int pipeline_run(struct worker *w)
{
	struct lanes *l = &w->lanes;
	unsigned int found;

	run_rx(w);
	found = l->rx.n + l->tx.n + l->frame.n;
	if (found == 0)
		return 0;
	run(w, STAGE_parse, parse_stage, l->rx.n);
	run(w, STAGE_relay, relay_stage, l->ntm.n);
	run(w, STAGE_switch, switch_stage, l->path.n);
	run(w, STAGE_open, open_stage, l->open.n);
	run(w, STAGE_nat_out, nat_out_stage, l->nat_out.n);
	run(w, STAGE_nat_in, nat_in_stage, l->gn.n);
	run(w, STAGE_seal, seal_stage, l->seal.n);
	run(w, STAGE_tx, tx_stage, l->tx.n + l->frame.n);
	run(w, STAGE_hand, hand_stage, l->control.n + l->dc.n + l->local.n);
	return found;
}
