/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/node_impl.h"

/* While data flows, the way is watched; an idle path costs no timer (the datapath wakes it). */

static const uint64_t TICK_NS = 100 * NODE_MS;
static const uint64_t IDLE_NS = 2 * NODE_SEC;
static const uint64_t DIRECT_SILENT_NS = 500 * NODE_MS;
static const uint64_t RELAY_SILENT_NS = 1 * NODE_SEC;
static const uint64_t PEER_SILENT_NS = 3 * NODE_SEC;
static const uint64_t ALIVE_GAP_NS = 5 * NODE_SEC;
enum { MISSES = 3 };

void path_active(struct path *p)
{
	if (p->tick_ns == 0)
		p->tick_ns = p->chan.node->now + TICK_NS;
}

/* A probe every 100 ms; the third one's answer is late by more than the route's round trip: gone. */
static void watch_direct(struct path *p, const struct datapath_stats *st)
{
	struct node *n = p->chan.node;
	uint64_t wait = MISSES * TICK_NS + p->prober.rtt_ns;

	if (st->route_waiting_since_ns == 0 ||
	    n->now - st->route_waiting_since_ns < DIRECT_SILENT_NS) {
		p->silent_probes = 0;
		return;
	}
	if (p->silent_probes == 0) {
		node_count(n, NODE_SILENT);
		p->silent_first_ns = n->now;
	}
	if (p->silent_probes >= MISSES && n->now - p->silent_first_ns >= wait) {
		prober_failed(p);
		path_use_relay(p, "direct route silent while sending, 3 probes unanswered");
		prober_start(p);
		return;
	}
	p->silent_probes++;
	mtu_ask(&p->chan, p->chan.number, NULL, p->prober.next_number++, 0);
}

static void watch_relay(struct path *p, const struct datapath_stats *st)
{
	struct node *n = p->chan.node;

	if (st->route_waiting_since_ns == 0 ||
	    n->now - st->route_waiting_since_ns < RELAY_SILENT_NS)
		return;
	if (!p->leg->keepalive_out && st->waiting_since_ns != 0 &&
	    n->now - st->waiting_since_ns >= RELAY_SILENT_NS)
		leg_keepalive(p->leg);
	/* The peer may well be heard by another way and yet not hear us: it must answer. */
	if (n->now - st->route_waiting_since_ns >= PEER_SILENT_NS && !p->alive_out &&
	    n->now >= p->alive_next_ns) {
		p->alive_next_ns = n->now + ALIVE_GAP_NS;
		path_alive(p);
	}
}

uint64_t path_watch(struct path *p)
{
	struct node *n = p->chan.node;
	struct datapath_stats st;

	if (p->tick_ns == 0)
		return NODE_NEVER;
	if (n->now < p->tick_ns)
		return p->tick_ns;
	p->tick_ns = 0;
	if (p->state != PATH_UP || !chan_stats(&p->chan, &st))
		return NODE_NEVER;
	if (n->now - st.last_tx_ns > IDLE_NS && p->silent_probes == 0) {
		n->dp.ops->watch(n->dp.dp, p->chan.index);
		return NODE_NEVER;
	}
	assoc_used(&p->chan.assoc, n->now);
	if (p->is_direct)
		watch_direct(p, &st);
	else
		watch_relay(p, &st);
	if (!p->chan.is_dead)
		p->tick_ns = n->now + TICK_NS;
	return p->tick_ns;
}
