/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/node_impl.h"

#include <stdio.h>
#include <stdlib.h>

static const uint64_t BIND_RETRY_NS = 300 * NODE_MS;
static const uint64_t BIND_HELD_NS = 1100 * NODE_MS;
static const uint64_t BIND_UNANSWERED_NS = 7 * NODE_SEC;
static const uint64_t OPEN_WITHIN_NS = 20 * NODE_SEC;
enum { BIND_TRIES_MAX = 8, BIND_SHIFT_MAX = 4 };

struct path *path_find(const struct node *n, uint64_t id)
{
	struct path *p;

	TAILQ_FOREACH(p, &n->paths, link)
	if (!p->chan.is_dead && p->id == id)
		return p;
	return NULL;
}

static bool message_is_whole(const struct msg *m)
{
	const uint64_t need = HAS(PATH_ID) | HAS(SIDE) | HAS(PATH_KEY) | HAS(PEER_VIPS) |
			      HAS(PEER_KEY) | HAS(SUITES) | HAS(GRANT);

	return (m->has & need) == need && m->suites_n == 1 && m->grants_n == 1 &&
	       wire_is_path_id(m->path_id) && m->path_id != 0 && m->side <= 1 &&
	       (!ip_is_none(&m->peer_vips.v4) || !ip_is_none(&m->peer_vips.v6));
}

static int init_chan(struct path *p, struct node *n, const struct msg *m)
{
	const struct vips *own = &n->registrar.vips;
	struct assoc_conf conf = {
		.kind = HS_PATH,
		.suite = p->suite,
		.is_side_a = p->is_side_a,
		.id = p->id,
		.limits = n->conf.tuning.limits,
		.path = {.fqdn_a = p->is_side_a ? n->name : p->peer,
			 .fqdn_b = p->is_side_a ? p->peer : n->name,
			 .vip4_a = p->is_side_a ? own->v4 : p->vips.v4,
			 .vip6_a = p->is_side_a ? own->v6 : p->vips.v6,
			 .vip4_b = p->is_side_a ? p->vips.v4 : own->v4,
			 .vip6_b = p->is_side_a ? p->vips.v6 : own->v6},
	};
	int ret;

	memcpy(conf.peer_key, m->peer_key, sizeof(conf.peer_key));
	memcpy(conf.psk, m->path_key, sizeof(conf.psk));
	ret = chan_init(&p->chan, n, &path_chan_ops, &conf);
	explicit_bzero(conf.psk, sizeof(conf.psk));
	p->chan.peer_vips = p->vips;
	return ret;
}

static void lifetime(struct path *p, const struct msg *m)
{
	struct node *n = p->chan.node;
	uint64_t life = ((m->has & HAS(LIFETIME)) != 0 ? m->lifetime_sec : 86400) * NODE_SEC;

	p->told_ns = n->now;
	p->expires_ns = n->now + life;
	p->renew_ns = n->now + life / 2 + rng_below(n->conf.rng, life / 20 + 1);
}

static struct path *create(struct node *n, const struct msg *m, struct leg *l)
{
	struct path *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->id = m->path_id;
	p->is_side_a = m->side == 0;
	p->suite = m->suites[0];
	p->vips = m->peer_vips;
	snprintf(p->peer, sizeof(p->peer), "%s", m->peer_name);
	if (init_chan(p, n, m) < 0) {
		free(p);
		return NULL;
	}
	p->leg = l;
	p->preferred = m->route;
	p->is_same_site = (m->has & HAS(SAME_SITE)) != 0;
	p->peer_nat = m->nat;
	p->peer_location = m->peer_location;
	snprintf(p->reason, sizeof(p->reason), "%s", m->reason_text);
	p->created_ns = n->now;
	lifetime(p, m);
	TAILQ_INSERT_TAIL(&n->paths, p, link);
	n->paths_n++;
	registrar_peer_vips(n, &p->vips);
	prober_candidates(p, m->candidates, m->candidates_n,
			  (m->has & HAS(OBSERVED)) != 0 ? &m->observed : NULL);
	return p;
}

static void begin(struct path *p)
{
	struct node *n = p->chan.node;
	bool try_direct = p->preferred == ROUTE_DIRECT && p->is_side_a;

	p->is_relayed_try = !try_direct;
	if (try_direct)
		p->fallback_ns = n->now + n->conf.tuning.direct_wait_ns;
	why_note(n, p->peer, "path %016llx: side %c, %s; %s", (unsigned long long)p->id,
		 p->is_side_a ? 'A' : 'B',
		 p->preferred == ROUTE_DIRECT	  ? "direct first"
		 : p->preferred == ROUTE_OPTIMISE ? "relay, then look for a direct way"
						  : "relay",
		 p->reason);
	if (p->is_side_a) {
		assoc_start(&p->chan.assoc, n->now);
	} else {
		path_bind(p);
		node_early_take(n, p->id);
	}
	leg_open(p->leg);
}

/* The DC repeats a path: new key and lifetime for the same ID. */
static uint16_t refresh(struct path *p, const struct msg *m)
{
	struct assoc *a = &p->chan.assoc;

	if (memcmp(a->conf.peer_key, m->peer_key, sizeof(a->conf.peer_key)) != 0 ||
	    p->is_side_a != (m->side == 0))
		return MSG_ERR_ID_TAKEN;
	memcpy(a->conf.psk, m->path_key, sizeof(a->conf.psk));
	lifetime(p, m);
	prober_candidates(p, m->candidates, m->candidates_n,
			  (m->has & HAS(OBSERVED)) != 0 ? &m->observed : NULL);
	if (leg_take_grant(p->chan.node, &m->grants[0], false) != NULL)
		leg_open(p->leg);
	if (p->state == PATH_OPENING && p->is_side_a)
		assoc_start(a, p->chan.node->now);
	return 0;
}

uint16_t path_take(struct node *n, const struct msg *m)
{
	struct path *p;
	struct leg *l;

	if (!message_is_whole(m) || strcmp(m->peer_name, n->name) == 0)
		return MSG_ERR_BAD_MESSAGE;
	if (m->suites[0] >= 32 || (n->conf.suites >> m->suites[0] & 1) == 0)
		return MSG_ERR_NO_SUITE;
	p = path_find(n, m->path_id);
	if (p != NULL)
		return refresh(p, m);
	if (n->paths_n >= NODE_PATHS_MAX)
		return MSG_ERR_FULL;
	if (!node_pin_check(n, m->peer_name, m->peer_key))
		return MSG_ERR_NOT_ALLOWED;
	l = leg_take_grant(n, &m->grants[0], false);
	if (l == NULL)
		return MSG_ERR_NO_RS;
	p = create(n, m, l);
	if (p == NULL)
		return MSG_ERR_FULL;
	begin(p);
	return 0;
}

static void destroy(struct path *p)
{
	struct node *n = p->chan.node;

	chan_fini(&p->chan);
	TAILQ_REMOVE(&n->paths, p, link);
	n->paths_n--;
	explicit_bzero(p, sizeof(*p));
	free(p);
}

void path_fini_all(struct node *n)
{
	struct path *p;

	while ((p = TAILQ_FIRST(&n->paths)) != NULL)
		destroy(p);
}

void path_reap(struct node *n)
{
	struct path *p = TAILQ_FIRST(&n->paths), *next;

	for (; p != NULL; p = next) {
		next = TAILQ_NEXT(p, link);
		if (p->chan.is_dead)
			destroy(p);
	}
}

/* Tell the DC that the path is over; the RS is told by leg_release(). */
static void release_at_dc(struct path *p)
{
	struct node *n = p->chan.node;
	struct msg *m = &n->tx;

	if (n->registrar.chan.index == 0)
		return;
	msg_init(m, MSG_RELEASE, false, 0);
	m->has = HAS(PATH);
	m->paths_n = 1;
	m->paths[0] = (struct msg_path){.has = HAS(PATH_ID) | HAS(REMOVE), .path_id = p->id};
	chan_request(&n->registrar.chan, m, NULL, NULL, NULL);
}

void path_end(struct path *p, bool release, const char *why)
{
	struct node *n = p->chan.node;
	const struct datapath *dp = &n->dp;
	struct path *other;

	if (p->chan.is_dead)
		return;
	why_note(n, p->peer, "path %016llx ended: %s", (unsigned long long)p->id, why);
	node_event(n, NODE_EV_PATH_DOWN, p->peer, "%s", why);
	assoc_stop(&p->chan.assoc);
	if (release) {
		release_at_dc(p);
		leg_release(p->leg, p);
	}
	p->chan.is_dead = true;
	n->has_dead = true;
	/* VIPs go over to another path before they would be refused with this one. */
	other = path_by_name(n, p->peer);
	if (other != NULL)
		path_vips_set(other);
	dp->ops->assoc_del(dp->dp, n->now, p->id);
	p->chan.index = 0;
	p->chan.installed_index = 0;
	if (other == NULL) {
		dp->ops->vip_refuse(dp->dp, n->now, &p->vips.v4);
		dp->ops->vip_refuse(dp->dp, n->now, &p->vips.v6);
	}
}

void path_lost(struct path *p, const char *why)
{
	struct node *n = p->chan.node;
	struct datapath_stats st;
	bool is_wanted;
	char peer[NAME_MAX_LEN + 1];

	is_wanted = !chan_stats(&p->chan, &st) ||
		    (st.last_tx_ns != 0 && n->now - st.last_tx_ns < 10 * NODE_SEC);
	node_count(n, NODE_PATHS_LOST);
	snprintf(peer, sizeof(peer), "%s", p->peer);
	path_end(p, true, why);
	if (is_wanted)
		direction_renew(n, peer);
}

void path_bind(struct path *p)
{
	p->bind_at_ns = p->chan.node->now + BIND_UNANSWERED_NS;
	leg_bind(p->leg, p, NULL, 0);
}

void path_bound(struct path *p, uint8_t bound, uint16_t error)
{
	struct node *n = p->chan.node;

	if (error == 0 && (bound & 1) != 0) {
		p->is_bound = true;
		p->is_peer_bound = (bound & 2) != 0;
		p->bind_at_ns = 0;
		p->bind_tries = 0;
		return;
	}
	p->is_bound = false;
	if (error == 0 && p->bind_tries == 0) {
		/* The RS keeps the bind for a second, in case the DC's row comes, and then forgets it. */
		p->bind_at_ns = n->now + BIND_HELD_NS;
		p->bind_tries++;
		return;
	}
	/* A DC that forgot all since has no rows of the path for the RS, however long we wait. */
	if (p->bind_tries >= BIND_TRIES_MAX || p->created_ns < n->registrar.forgotten_ns) {
		why_note(n, p->peer, "the relay refuses the path: %s",
			 msg_error_text(error != 0 ? error : MSG_ERR_UNKNOWN_ID));
		if (p->is_direct && p->state == PATH_UP)
			p->bind_at_ns = n->now + 60 * NODE_SEC;
		else
			path_lost(p, "the relay does not know the path");
		return;
	}
	p->bind_at_ns =
		n->now + (BIND_RETRY_NS
			  << (p->bind_tries < BIND_SHIFT_MAX ? p->bind_tries : BIND_SHIFT_MAX));
	p->bind_tries++;
}

void path_leg_up(struct path *p)
{
	if (!p->is_bound)
		path_bind(p);
	if (p->state == PATH_UP && !p->is_direct)
		path_use_relay(p, "leg opened anew");
}

void path_leg_moved(struct path *p)
{
	if (p->state == PATH_UP && !p->is_direct)
		path_use_relay(p, "the leg moved");
}

void path_leg_lost(struct path *p)
{
	if (p->state != PATH_UP || !p->is_direct)
		path_lost(p, "the relay does not answer");
}

void path_use_relay(struct path *p, const char *why)
{
	struct node *n = p->chan.node;
	struct datapath_dest dest;

	if (!leg_dest(p->leg, &dest))
		return;
	if (p->is_direct || !p->chan.has_route) {
		node_count(n, NODE_SWITCH_RELAY);
		p->switches++;
		why_note(n, p->peer, "by relay: %s", why);
		node_event(n, NODE_EV_ROUTE, p->peer, "relay: %s", why);
	}
	p->is_direct = false;
	p->silent_probes = 0;
	if (!p->is_bound && p->leg->is_up) {
		p->bind_tries = 0;
		path_bind(p);
	}
	chan_route(&p->chan, &dest, p->relay_outer, 0);
	mtu_start(&p->mtu, &p->chan);
	path_active(p);
}

void path_use_direct(struct path *p, const struct datapath_dest *dest, uint64_t credit_ns,
		     const char *why)
{
	struct node *n = p->chan.node;
	char to[ENDPOINT_TEXT_MAX];

	if (!p->is_direct && p->chan.has_route)
		p->relay_outer = p->chan.outer[p->chan.number];
	node_count(n, NODE_SWITCH_DIRECT);
	p->switches++;
	p->is_direct = true;
	p->is_tentative =
		false; /* proven: what A sent by the relay before says nothing against it */
	p->silent_probes = 0;
	endpoint_format(&dest->to, to);
	why_note(n, p->peer, "direct to %s: %s", to, why);
	node_event(n, NODE_EV_ROUTE, p->peer, "direct to %s: %s", to, why);
	chan_route(&p->chan, dest, 0, credit_ns);
	mtu_start(&p->mtu, &p->chan);
	path_active(p);
}

/* Only side A asks for another path in time: the DC tells B. */
static void poll_life(struct path *p)
{
	struct node *n = p->chan.node;
	char peer[NAME_MAX_LEN + 1];
	struct datapath_stats st;

	if (n->now >= p->expires_ns) {
		path_end(p, true, "its life is over");
		return;
	}
	if (n->now < p->renew_ns)
		return;
	p->renew_ns = NODE_NEVER;
	if (p->is_side_a && chan_stats(&p->chan, &st) &&
	    n->now - st.last_tx_ns < (p->expires_ns - p->created_ns) / 4) {
		snprintf(peer, sizeof(peer), "%s", p->peer);
		direction_renew(n, peer);
	}
}

/* Side A may have lost its memory, or its keys since; and B can but wait. As a path that is not open
 * is in the way of another to the same peer, either end gives it up.
 */
static uint64_t poll_opening(struct path *p)
{
	struct node *n = p->chan.node;

	if (p->state == PATH_UP)
		return NODE_NEVER;
	if (n->now < p->told_ns + OPEN_WITHIN_NS)
		return p->told_ns + OPEN_WITHIN_NS;
	path_end(p, true, p->is_side_a ? "the peer does not answer" : "the peer did not open it");
	return n->now;
}

static uint64_t poll(struct path *p)
{
	struct node *n = p->chan.node;
	uint64_t due;

	if (p->must_settle) {
		p->must_settle = false;
		path_settle(p);
	}
	due = chan_poll(&p->chan);
	if (!p->chan.is_dead)
		poll_life(p);
	if (!p->chan.is_dead)
		due = node_min(due, poll_opening(p));
	if (p->chan.is_dead)
		return n->now;
	if (p->fallback_ns != 0 && n->now >= p->fallback_ns)
		path_fallback(p);
	if (p->bind_at_ns != 0 && n->now >= p->bind_at_ns)
		path_bind(p);
	due = node_min(due, mtu_poll(&p->mtu, &p->chan));
	due = node_min(due, prober_poll(p));
	due = node_min(due, path_watch(p));
	if (p->chan.is_dead)
		return n->now;
	if (p->fallback_ns != 0)
		due = node_min(due, p->fallback_ns);
	if (p->bind_at_ns != 0)
		due = node_min(due, p->bind_at_ns);
	return node_min(due, node_min(p->expires_ns, p->renew_ns));
}

uint64_t path_poll_all(struct node *n)
{
	uint64_t due = NODE_NEVER;
	struct path *p;

	TAILQ_FOREACH(p, &n->paths, link)
	if (!p->chan.is_dead)
		due = node_min(due, poll(p));
	return due;
}
