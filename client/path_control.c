/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/node_impl.h"

static const uint64_t CREDIT_NS = 1 * NODE_SEC;

static void alive_done(void *ctx, void *arg, const struct msg *m)
{
	struct path *p = ctx;

	p->alive_out = false;
	if (m == NULL && p->state == PATH_UP)
		path_lost(p, "the peer does not answer any more");
}

void path_alive(struct path *p)
{
	struct node *n = p->chan.node;
	struct msg *m = &n->tx;

	if (p->chan.index == 0)
		return;
	if (p->alive_out) {
		control_resend(&p->chan.control, n->now);
		return;
	}
	msg_init(m, MSG_KEEP_ALIVE, false, 0);
	m->has = HAS(LOCATION);
	m->location = n->location;
	p->alive_out = chan_request(&p->chan, m, NULL, alive_done, &p->tag_alive) == 0;
}

/* Side B may not start one: it asks. */
static void ask_rekey(struct path *p)
{
	struct node *n = p->chan.node;
	struct msg *m = &n->tx;

	msg_init(m, MSG_KEEP_ALIVE, false, 0);
	m->has = HAS(LOCATION) | HAS(REKEY);
	m->location = n->location;
	chan_request(&p->chan, m, NULL, NULL, NULL);
}

void path_rekey(struct path *p)
{
	if (p->is_side_a)
		assoc_rekey(&p->chan.assoc, p->chan.node->now);
	else
		ask_rekey(p);
}

static void update_done(void *ctx, void *arg, const struct msg *m)
{
	struct path *p = ctx;

	p->update_out = false;
	p->has_straight = false;
}

void path_tell(struct path *p)
{
	struct node *n = p->chan.node;
	struct msg *m = &n->tx;

	if (p->state != PATH_UP)
		return;
	control_cancel(&p->chan.control, &p->tag_update);
	msg_init(m, MSG_PATH_UPDATE, false, 0);
	m->has = HAS(LOCATION) | HAS(NAT);
	m->location = n->location;
	m->nat = mover_nat(n);
	link_candidates(n, m, false);
	p->update_out = true;
	if (chan_request(&p->chan, m, control_resend_move_ms, update_done, &p->tag_update) < 0)
		p->update_out = false;
}

void path_moved(struct path *p)
{
	struct node *n = p->chan.node;

	if (p->state != PATH_UP) {
		/* A new address: a new handshake. */
		if (p->is_side_a && p->leg->is_up)
			assoc_start(&p->chan.assoc, n->now);
		return;
	}
	p->has_straight = false;
	if (p->is_direct) {
		p->straight = p->chan.dest[p->chan.number];
		p->straight.link = n->link;
		p->has_straight = link_reaches(n, n->link, &p->straight.to.ip);
		path_use_relay(p, "own address changed");
	}
	path_tell(p);
	prober_start(p);
	if (p->has_straight)
		prober_ask(p, &p->straight);
}

static void peer_moved(struct path *p, const struct msg *m)
{
	struct node *n = p->chan.node;

	p->peer_location = m->location;
	if ((m->has & HAS(NAT)) != 0)
		p->peer_nat = m->nat;
	if ((m->has & HAS(CANDIDATE)) != 0)
		prober_candidates(p, m->candidates, m->candidates_n, NULL);
	why_note(n, p->peer, "the peer moved");
	/* Where it was may be dead: the relay knows the new place as soon as the peer told it. */
	if (p->is_direct) {
		struct datapath_dest old = p->chan.dest[p->chan.number];

		path_use_relay(p, "the peer moved");
		prober_start(p);
		prober_ask(p, &old);
		return;
	}
	prober_start(p);
}

static void on_update(struct path *p, const struct datapath_rx *rx, struct msg *m)
{
	struct node *n = p->chan.node;
	uint32_t txn = m->txn;

	if (m->location > p->peer_location) {
		peer_moved(p, m);
	} else if (m->location == p->peer_location) {
		if ((m->has & HAS(NAT)) != 0)
			p->peer_nat = m->nat;
		if ((m->has & HAS(CANDIDATE)) != 0)
			prober_candidates(p, m->candidates, m->candidates_n, NULL);
		if (!p->is_direct)
			prober_start(p);
	}
	msg_init(&n->tx, MSG_PATH_UPDATE, true, txn);
	n->tx.has = HAS(LOCATION);
	n->tx.location = n->location;
	chan_answer(&p->chan, &n->tx);
}

static void on_keepalive(struct path *p, const struct datapath_rx *rx, struct msg *m)
{
	struct node *n = p->chan.node;
	uint32_t txn = m->txn;

	if ((m->has & HAS(REKEY)) != 0 && p->is_side_a)
		assoc_rekey(&p->chan.assoc, n->now);
	msg_init(&n->tx, MSG_KEEP_ALIVE, true, txn);
	n->tx.has = HAS(OBSERVED) | HAS(LOCATION);
	n->tx.observed = rx->from;
	n->tx.location = n->location;
	chan_answer(&p->chan, &n->tx);
}

/* Straight back to the address that is asked about. */
static void on_challenge(struct path *p, const struct datapath_rx *rx, struct msg *m)
{
	struct node *n = p->chan.node;
	const struct datapath_dest back = {.link = rx->link, .to = rx->from};
	uint32_t txn = m->txn;

	node_count(n, NODE_CHALLENGES);
	msg_init(&n->tx, MSG_CHALLENGE, true, txn);
	n->tx.has = HAS(CHALLENGE);
	memcpy(n->tx.challenge, m->challenge, CHALLENGE_LEN);
	p->chan.detour = &back;
	chan_answer(&p->chan, &n->tx);
	p->chan.detour = NULL;
}

void path_request(struct chan *c, const struct datapath_rx *rx, struct msg *m)
{
	struct path *p = (struct path *)c;

	/* A sends by the relay: what opened straight for its handshake may be closed for data. */
	if (p->is_tentative) {
		p->is_tentative = false;
		if (p->is_direct && leg_is_source(p->leg, &rx->from))
			path_use_relay(p, "the peer sends by relay");
	}
	switch (m->type) {
	case MSG_KEEP_ALIVE:
		on_keepalive(p, rx, m);
		return;
	case MSG_PATH_UPDATE:
		on_update(p, rx, m);
		return;
	case MSG_CHALLENGE:
		on_challenge(p, rx, m);
		return;
	default:
		chan_refuse(c, m, MSG_ERR_NOT_ALLOWED);
	}
}

static void challenge_done(void *ctx, void *arg, const struct msg *m)
{
	struct path *p = ctx;
	struct node *n = p->chan.node;

	p->challenge_until_ns = 0;
	if (m != NULL && (m->has & HAS(CHALLENGE)) != 0 &&
	    memcmp(m->challenge, p->challenge, CHALLENGE_LEN) == 0 &&
	    endpoint_equal(&n->rx_from, &p->challenged.to)) {
		chan_outer(&p->chan, p->chan.outer[p->chan.number]);
		return;
	}
	if (p->is_direct && endpoint_equal(&p->chan.dest[p->chan.number].to, &p->challenged.to)) {
		prober_failed(p);
		path_use_relay(p, "the peer's new address was not proven");
	}
}

/* The peer's packets come from another address: send there on credit, and have it proven. */
void path_source_moved(struct path *p, const struct datapath_rx *rx)
{
	struct node *n = p->chan.node;
	struct msg *m = &n->tx;

	if (p->state != PATH_UP || !p->is_direct || p->challenge_until_ns > n->now ||
	    leg_is_source(p->leg, &rx->from) || !ip_is_unicast(&rx->from.ip) ||
	    rx->from.port == 0 || endpoint_equal(&p->chan.dest[p->chan.number].to, &rx->from))
		return;
	p->challenged = (struct datapath_dest){.link = rx->link, .to = rx->from};
	p->challenge_until_ns = n->now + CREDIT_NS;
	path_use_direct(p, &p->challenged, CREDIT_NS, "its packets come from there now");
	rng_fill(n->conf.rng, p->challenge, CHALLENGE_LEN);
	control_cancel(&p->chan.control, &p->tag_challenge);
	msg_init(m, MSG_CHALLENGE, false, 0);
	m->has = HAS(CHALLENGE);
	memcpy(m->challenge, p->challenge, CHALLENGE_LEN);
	chan_request(&p->chan, m, control_resend_move_ms, challenge_done, &p->tag_challenge);
}

void path_probe(struct path *p, const struct datapath_rx *rx, const uint8_t *body, size_t len)
{
	struct node *n = p->chan.node;
	struct probe probe;

	if (probe_parse(body, len, &probe) < 0) {
		node_count(n, NODE_PROBE_BAD);
		return;
	}
	if (probe.kind == PROBE_ASK) {
		mtu_reply(&p->chan, rx, &probe, body, len);
		if (probe.outer_size == 0)
			prober_seen(p, rx);
	} else if (probe.outer_size != 0) {
		mtu_answer(&p->mtu, &p->chan, &probe);
	} else {
		prober_answer(p, rx, &probe);
	}
}
