/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/worker.h"

#include <rte_ethdev.h>

/* Which port is asked first goes round, so that a full one cannot starve the others. */
void rx_stage(struct worker *w)
{
	struct burst *rx = &w->lanes.rx;
	uint64_t bytes = 0;
	uint16_t before = rx->n;

	for (uint16_t i = 0; i < w->n_ports && rx->n < BURST_MAX; i++) {
		uint16_t port = w->ports[(w->stats.loops + i) % w->n_ports];

		rx->n += rte_eth_rx_burst(port, w->id, rx->pkt + rx->n, BURST_MAX - rx->n);
	}
	for (uint16_t i = before; i < rx->n; i++) {
		pkt_meta(rx->pkt[i])->flags = 0;
		bytes += rte_pktmbuf_pkt_len(rx->pkt[i]);
	}
	w->stats.rx += rx->n - before;
	w->stats.rx_bytes += bytes;
}
