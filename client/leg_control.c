/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/leg_impl.h"

/* Too many moves without proof: the RS counts over 10 s. */
static const uint64_t BUSY_NS = 3 * NODE_SEC;

void leg_fill_row(struct msg_path *row, const struct path *p)
{
	*row = (struct msg_path){
		.has = HAS(PATH_ID) | HAS(SIDE),
		.path_id = p->id,
		.side = p->is_side_a ? 0 : 1,
	};
}

void leg_rows(struct leg *l, const struct msg *m)
{
	for (int i = 0; i < m->paths_n; i++) {
		const struct msg_path *row = &m->paths[i];
		struct path *p = path_find(l->chan.node, row->path_id);

		if (p == NULL || p->leg != l)
			continue;
		path_bound(p, row->bound, (row->has & HAS(ERROR)) != 0 ? row->error : 0);
	}
}

void leg_observed(struct leg *l, const struct endpoint *seen)
{
	struct node *n = l->chan.node;
	bool is_first = ip_is_none(&l->observed.ip);
	bool is_same = endpoint_equal(&l->observed, seen);

	l->observed = *seen;
	if (is_same || !l->is_home)
		return;
	if (is_first)
		mover_tell(n);
	else
		mover_observed(n, "RS");
}

static void bind_done(void *ctx, void *arg, const struct msg *m)
{
	struct leg *l = ctx;

	/* Each path tries again by its own timer. */
	if (m == NULL || (m->has & HAS(ERROR)) != 0)
		return;
	leg_observed(l, &m->observed);
	leg_rows(l, m);
}

void leg_bind(struct leg *l, struct path *p, const uint8_t *hs1, size_t len)
{
	struct node *n = l->chan.node;
	struct msg *m = &n->tx;

	if (!l->is_up || l->chan.index == 0)
		return;
	msg_init(m, MSG_TUNNEL, false, 0);
	m->has = HAS(LOCATION) | HAS(PATH);
	m->location = n->location;
	m->paths_n = 1;
	leg_fill_row(&m->paths[0], p);
	if (hs1 != NULL) {
		m->paths[0].has |= HAS(HANDSHAKE);
		m->paths[0].handshake = hs1;
		m->paths[0].handshake_len = (uint16_t)len;
	}
	chan_request(&l->chan, m, NULL, bind_done, &l->tag_bind);
}

void leg_release(struct leg *l, const struct path *p)
{
	struct node *n = l->chan.node;
	struct msg *m = &n->tx;

	if (!l->is_up)
		return;
	msg_init(m, MSG_RELEASE, false, 0);
	m->has = HAS(PATH);
	m->paths_n = 1;
	m->paths[0] = (struct msg_path){.has = HAS(PATH_ID) | HAS(REMOVE), .path_id = p->id};
	chan_request(&l->chan, m, NULL, NULL, NULL);
}

static void keepalive_done(void *ctx, void *arg, const struct msg *m)
{
	struct leg *l = ctx;
	struct node *n = l->chan.node;

	l->keepalive_out = false;
	if (m == NULL) {
		/* The RS may be away, or has lost us without a way to say so. */
		l->is_up = false;
		assoc_start(&l->chan.assoc, n->now);
		return;
	}
	if ((m->has & HAS(ERROR)) != 0)
		return;
	l->rtt_ns = n->now - l->asked_ns;
	leg_observed(l, &m->observed);
}

void leg_keepalive(struct leg *l)
{
	struct node *n = l->chan.node;
	struct msg *m = &n->tx;

	if (l->chan.index == 0)
		return;
	if (l->keepalive_out) {
		control_resend(&l->chan.control, n->now);
		return;
	}
	msg_init(m, MSG_KEEP_ALIVE, false, 0);
	m->has = HAS(LOCATION);
	m->location = n->location;
	l->asked_ns = n->now;
	l->keepalive_out = chan_request(&l->chan, m, NULL, keepalive_done, &l->tag_keepalive) == 0;
}

static void update_done(void *ctx, void *arg, const struct msg *m);

static void update(struct leg *l, const uint8_t *challenge)
{
	struct node *n = l->chan.node;
	struct msg *m = &n->tx;

	control_cancel(&l->chan.control, &l->tag_update);
	msg_init(m, MSG_LEG_UPDATE, false, 0);
	m->has = HAS(LOCATION);
	m->location = n->location;
	if (challenge != NULL) {
		m->has |= HAS(CHALLENGE);
		memcpy(m->challenge, challenge, CHALLENGE_LEN);
	}
	chan_request(&l->chan, m, control_resend_move_ms, update_done, &l->tag_update);
}

/* The proof goes back from the very address that the RS asks about: at once as the answer it waits
 * for, and in an update that is resent until answered. Were the proof lost, the RS would send
 * nothing here any more.
 */
static void prove(struct leg *l, const struct msg *m)
{
	struct node *n = l->chan.node;
	uint32_t txn = m->txn;

	node_count(n, NODE_CHALLENGES);
	msg_init(&n->tx, MSG_CHALLENGE, true, txn);
	n->tx.has = HAS(CHALLENGE);
	memcpy(n->tx.challenge, m->challenge, CHALLENGE_LEN);
	chan_answer(&l->chan, &n->tx);
	mover_location(n);
	update(l, m->challenge);
}

static void paths_follow(struct leg *l)
{
	struct path *p;

	TAILQ_FOREACH(p, &l->chan.node->paths, link)
	if (p->leg == l && !p->chan.is_dead)
		path_leg_moved(p);
}

/* The update that went out before the newest is answered too: its challenge is as good. */
static void update_done(void *ctx, void *arg, const struct msg *m)
{
	struct leg *l = ctx;
	struct node *n = l->chan.node;

	if (m == NULL) {
		if (!l->is_on_trial) {
			l->is_up = false;
			assoc_start(&l->chan.assoc, n->now);
		}
		return;
	}
	if ((m->has & HAS(ERROR)) != 0) {
		/* Spent by another message to this RS, a handshake say, or lost with clock and state. */
		if (m->error == MSG_ERR_STALE) {
			if (!mover_known(n, m))
				mover_location(n);
			update(l, NULL);
		} else if (m->error == MSG_ERR_BUSY) {
			l->update_at_ns = n->now + BUSY_NS;
		}
		return;
	}
	if ((m->has & HAS(CHALLENGE)) != 0)
		prove(l, m);
	if (l->is_on_trial) {
		struct datapath_dest dest = l->trial;

		l->is_on_trial = false;
		l->chan.detour = NULL;
		chan_route(&l->chan, &dest, 0, 0);
		mtu_start(&l->mtu, &l->chan);
		l->observed = m->observed;
		paths_follow(l);
		mover_trial_good(n, dest.link);
		return;
	}
	leg_observed(l, &m->observed);
}

void leg_update(struct leg *l)
{
	update(l, NULL);
}

void leg_moved(struct leg *l)
{
	struct node *n = l->chan.node;
	struct datapath_dest dest;

	l->is_on_trial = false;
	l->update_at_ns = 0;
	l->chan.detour = NULL;
	if (link_pick(n, n->link, l->eps, l->eps_n, &dest) < 0)
		return;
	if (l->chan.index == 0) {
		assoc_start(&l->chan.assoc, n->now);
		return;
	}
	/* As the first answer from the new place: this is no second move. */
	memset(&l->observed, 0, sizeof(l->observed));
	chan_route(&l->chan, &dest, 0, 0);
	mtu_start(&l->mtu, &l->chan);
	update(l, NULL);
	leg_active(l);
	paths_follow(l);
}

void leg_trial(struct leg *l, uint8_t link)
{
	struct node *n = l->chan.node;

	if (l->chan.index == 0 || link_pick(n, link, l->eps, l->eps_n, &l->trial) < 0)
		return;
	l->is_on_trial = true;
	l->chan.detour = &l->trial;
	update(l, NULL);
}

/* The RS saw a packet of ours from another address: the NAT has rebound us. */
static void challenged(struct leg *l, const struct msg *m)
{
	struct node *n = l->chan.node;

	node_count(n, NODE_CHALLENGES);
	mover_location(n);
	update(l, m->challenge);
}

void leg_request(struct chan *c, const struct datapath_rx *rx, struct msg *m)
{
	struct leg *l = (struct leg *)c;
	struct node *n = c->node;

	switch (m->type) {
	case MSG_CHALLENGE:
		challenged(l, m);
		return;
	case MSG_KEEP_ALIVE:
		if ((m->has & HAS(REKEY)) != 0)
			assoc_rekey(&c->assoc, n->now);
		msg_init(&n->tx, m->type, true, m->txn);
		n->tx.has = HAS(OBSERVED);
		n->tx.observed = rx->from;
		chan_answer(c, &n->tx);
		return;
	case MSG_RELEASE:
		for (int i = 0; i < m->paths_n; i++) {
			struct path *p = path_find(n, m->paths[i].path_id);

			if (p != NULL && p->leg == l)
				p->is_bound = false;
		}
		msg_init(&n->tx, MSG_RELEASE, true, m->txn);
		chan_answer(c, &n->tx);
		return;
	default:
		chan_refuse(c, m, MSG_ERR_NOT_ALLOWED);
	}
}
