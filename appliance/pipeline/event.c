/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/rs_worker.h"
#include "appliance/worker.h"

#include <rte_ring_elem.h>

/* From a worker to RS control. A packet goes up without what is around the NTM part. */
void rs_event_put(struct worker *w, enum rs_event_class c, struct rs_event *ev)
{
	struct rs_worker *rs = w->rs;
	struct rte_mbuf *m = ev->m;

	if (m != NULL) {
		struct pkt_meta *meta = pkt_meta(m);

		rte_pktmbuf_adj(m, meta->data);
		rte_pktmbuf_trim(m, rte_pktmbuf_data_len(m) - meta->data_len);
	}
	ev->worker = (uint8_t)w->id;
	ev->now_ns = w->now;
	if (likely(rte_ring_sp_enqueue_elem(rs->events[c], ev, sizeof(*ev)) == 0)) {
		w->stats.to_control += m != NULL;
		rs->event_put = true;
		return;
	}
	if (m != NULL)
		burst_drop(&w->stats, m, DROP_CONTROL_FULL);
	else
		rs->events_lost++;
}
