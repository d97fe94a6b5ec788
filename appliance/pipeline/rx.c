/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/worker.h"

#include <rte_ethdev.h>

/* Which port is asked first goes round, so that a full one cannot starve the others. No packet is
 * touched here: parse counts the bytes once it has asked for the lines they stand in.
 */
void rx_stage(struct worker *w)
{
	struct burst *rx = &w->lanes.rx;
	uint16_t before = rx->n;

	for (uint16_t i = 0; i < w->n_ports && rx->n < BURST_MAX; i++) {
		uint16_t port = w->ports[(w->stats.loops + i) % w->n_ports];

		rx->n += rte_eth_rx_burst(port, w->id, rx->pkt + rx->n, BURST_MAX - rx->n);
	}
	w->stats.rx += rx->n - before;
}
