/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_WORKER_H
#define APPLIANCE_WORKER_H

/* A worker: the state of one packet lcore. Everything here is written by that lcore alone, except
 * what the comments say; other threads reach it through its mailbox.
 */
#include "appliance/bell.h"
#include "appliance/fib.h"
#include "appliance/local.h"
#include "appliance/mailbox.h"
#include "appliance/nexthop.h"
#include "appliance/pipeline/hops.h"
#include "appliance/pipeline/meta.h"
#include "appliance/pipeline/pipeline.h"
#include "appliance/pipeline/quick.h"
#include "appliance/stall.h"

#include <rte_mempool.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { WORKERS_MAX = 32, PORTS_MAX = 16 };

struct app;
struct iface;
struct relay_table; /* appliance/relay_table.h */
struct rs_worker;   /* the RS's own state per worker: keys, NAT, pieces; made before start */

struct port_burst {
	uint16_t n;
	uint64_t bytes;
	struct rte_mbuf *pkt[3 * LANE_MAX]; /* the hops, the tx lane and the frame lane */
};

struct worker {
	/* Set before the lcore starts, then constant. */
	const struct app *app;
	uint16_t id; /* 0.. in order of config; also the queue number at every port */
	uint16_t lcore;
	uint16_t n_workers;
	uint16_t n_ifaces;
	uint16_t n_ports;
	uint16_t ports[PORTS_MAX];    /* port ids; each queue is polled by its one owner */
	struct bell bells[PORTS_MAX]; /* by place in ports[]; idle.mode adaptive */
	const struct iface *ifaces;
	struct nexthop *nexthops;
	uint32_t n_nexthops;
	uint16_t ntm_port, alt_port, base_port; /* base_port + id is this worker's endpoint */
	bool has_rs, has_dc;
	struct rte_mempool *pool; /* packets; private area is struct pkt_meta */
	struct mailbox *control, *dc, *tap;
	struct mailbox *peers[WORKERS_MAX]; /* mailboxes of the workers, by id */
	struct rs_worker *rs;

	/* Taken anew at the start of each pass; the snapshots live until its end. */
	uint64_t now;	    /* ns of clock.h */
	uint64_t rcu_token; /* rcu.h */
	const struct fib *fib;
	const struct local_table *local;

	/* In; any thread puts. On lines of its own: who steers to this worker reads them, and what
	 * stands around them is written at each pass.
	 */
	struct mailbox mailbox __rte_cache_aligned;
	struct port_burst *out
		__rte_cache_aligned; /* by place in ports[]: what tx_stage collects */
	uint32_t wake_peers;	     /* bit per worker that got a steered packet in this pass */
	struct lcore_stats stats;
	struct lanes lanes;
	struct hops hops;	 /* beside the lanes: packets of paths */
	struct hops sealed;	 /* and data for legs of this worker */
	struct quick quick;	 /* what quick.c knows */
	struct stall_log stalls; /* in ns of now */
} __rte_cache_aligned;

/* The next hop of dst. A few tens of cycles; see fib.h for when it can be kept. */
static inline uint32_t route_lookup(const struct worker *w, const struct ip_addr *dst)
{
	return fib_lookup(w->fib, dst);
}

/* A next hop kept by a flow or path, with the generation it was looked up in. */
struct route_hint {
	uint32_t generation;
	uint32_t nexthop;
};

/* The kept next hop if it still stands, else a look-up, which is then kept. The hint's owner only:
 * for records shared between workers keep the hint in a local.
 */
static inline uint32_t route_hinted(const struct worker *w, struct route_hint *h,
				    const struct ip_addr *dst)
{
	uint32_t generation = fib_generation(w->fib);

	if (unlikely(h->generation != generation)) {
		h->nexthop = fib_lookup(w->fib, dst);
		h->generation = generation;
	}
	return h->nexthop;
}

/* Whether an NTM packet can come from there at all: unicast, a port, and no address of ours. What comes
 * from where a leg or path is on record needs no such question.
 */
static inline bool source_can_be(const struct worker *w, const struct endpoint *src)
{
	return ip_is_unicast(&src->ip) && src->port != 0 &&
	       local_lookup(w->local, &src->ip, NULL) == 0;
}

/* A packet of this worker's pool, empty, its pkt_meta zeroed; counted as created. NULL, with
 * nothing counted, when the pool is empty: the caller drops what it was for as DROP_NO_MBUF.
 */
static inline struct rte_mbuf *worker_alloc(struct worker *w)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->pool);

	if (likely(m != NULL)) {
		memset(pkt_meta(m), 0, sizeof(struct pkt_meta));
		w->stats.created++;
	}
	return m;
}

/* Give the frame m, untouched since parse, to another worker. Counts steer_miss; a full mailbox
 * drops it as DROP_MAILBOX_FULL. A frame that was steered already is dropped as DROP_WRONG_WORKER.
 */
void worker_steer(struct worker *w, struct rte_mbuf *m, uint16_t to);

/* The lcore's main function: arg is the struct worker. Returns when app_stopping(). */
int worker_main(void *arg);

#endif
