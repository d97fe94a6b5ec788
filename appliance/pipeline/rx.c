/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/worker.h"

#include <rte_ethdev.h>

/* Which port is asked first goes round, so that a full one cannot starve the others. No packet is
 * touched here: parse counts the bytes once it has asked for the lines they stand in.
 */
static void receive(struct worker *w, struct burst *b)
{
	for (uint16_t i = 0; i < w->n_ports && b->n < BURST_MAX; i++) {
		uint16_t port = w->ports[(w->stats.loops + i) % w->n_ports];

		b->n += rte_eth_rx_burst(port, w->id, b->pkt + b->n, BURST_MAX - b->n);
	}
}

/* While there is more than a burst, the next one is received before this one is worked on: its lines
 * come out of memory meanwhile (quick.c, switch.c). Below that nothing is received early, so nothing
 * waits. Packets count as received when their turn comes.
 */
void rx_stage(struct worker *w)
{
	struct burst *rx = &w->lanes.rx, *ahead = &w->lanes.ahead;
	uint16_t before = rx->n;

	memcpy(rx->pkt + rx->n, ahead->pkt, ahead->n * sizeof(ahead->pkt[0]));
	rx->n += ahead->n;
	ahead->n = 0;
	receive(w, rx);
	if (rx->n >= BURST_MAX)
		receive(w, ahead);
	w->stats.rx += rx->n - before;
}

void rx_flush(struct worker *w)
{
	struct burst *ahead = &w->lanes.ahead;

	w->stats.rx += ahead->n;
	for (uint16_t i = 0; i < ahead->n; i++)
		burst_drop(&w->stats, ahead->pkt[i], DROP_STOPPING);
	ahead->n = 0;
}
