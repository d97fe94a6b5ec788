/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PIPELINE_BURST_H
#define PIPELINE_BURST_H

/* A handful of packets, and the two ways a packet leaves one: into another burst, or dropped by
 * name. All of it belongs to one worker.
 */
#include "appliance/pipeline/stats.h"

#include <rte_mbuf.h>

enum {
	BURST_MAX = 64,		  /* packets taken from a port queue at once */
	LANE_MAX = 2 * BURST_MAX, /* a pass may make packets: fragments, parts, released ones */
};

struct burst {
	uint16_t n;
	struct rte_mbuf *pkt[LANE_MAX];
};

/* Count and free. The caller forgets m. */
static inline void burst_drop(struct lcore_stats *st, struct rte_mbuf *m, enum drop_reason why)
{
	st->drops[why]++;
	rte_pktmbuf_free(m);
}

/* Append m; a full burst drops it as DROP_LANE_FULL. Ownership passes to the burst. */
static inline void burst_push(struct lcore_stats *st, struct burst *b, struct rte_mbuf *m)
{
	if (unlikely(b->n == LANE_MAX)) {
		burst_drop(st, m, DROP_LANE_FULL);
		return;
	}
	b->pkt[b->n++] = m;
}

#endif
