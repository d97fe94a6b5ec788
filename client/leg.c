/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/leg_impl.h"

#include <stdlib.h>

enum {
	ROW_LEN = 4 + 12 + 5, /* group, PATH_ID, SIDE */
	HANDSHAKE_FIELD = 4,
	LOCATION_FIELD = 12,
	/* Of the payload of a handshake 1 that stays within 512 bytes. */
	PAYLOAD_ROOM = WIRE_HS1_PADDED - WIRE_HS1_NOISE - NOISE_NN_1_OVERHEAD - HS_OWN_TLV_LEN,
	TIMEOUTS_MAX = 3,
};
static const uint64_t SILENT_NS = 1 * NODE_SEC;
static const uint64_t TICK_NS = 250 * NODE_MS;
static const uint64_t IDLE_NS = 2 * NODE_SEC;
static const uint64_t FRUITLESS_NS = 5 * NODE_SEC;
static const uint64_t RENEW_NS = 30 * NODE_SEC;

static struct leg *of(struct chan *c)
{
	return (struct leg *)c;
}

bool leg_dest(const struct leg *l, struct datapath_dest *dest)
{
	const struct node *n = l->chan.node;

	if (l->chan.has_route && l->chan.index != 0) {
		*dest = l->chan.dest[l->chan.number];
		return true;
	}
	return link_pick(n, n->link, l->eps, l->eps_n, dest) == 0;
}

bool leg_is_source(const struct leg *l, const struct endpoint *from)
{
	for (int i = 0; i < l->eps_n; i++)
		if (endpoint_equal(&l->eps[i], from))
			return true;
	return false;
}

bool leg_is_any_source(const struct node *n, const struct endpoint *from)
{
	const struct leg *l;

	TAILQ_FOREACH(l, &n->legs, link)
	if (leg_is_source(l, from))
		return true;
	return false;
}

static void op_send(struct chan *c, const uint8_t *pkt, size_t len, unsigned int try)
{
	struct datapath_dest dest;

	if (leg_dest(of(c), &dest))
		node_send_raw(c->node, &dest, pkt, len);
}

/* Rows of the paths that wait to be bound, with A's handshake where there is room for it. */
static void op_payload(struct chan *c, struct msg *m)
{
	struct leg *l = of(c);
	size_t room = PAYLOAD_ROOM - LOCATION_FIELD;
	struct path *p;

	m->has = HAS(LOCATION);
	m->location = c->node->location;
	TAILQ_FOREACH(p, &c->node->paths, link)
	{
		struct msg_path *row = &m->paths[m->paths_n];

		if (p->leg != l || p->chan.is_dead || m->paths_n >= MSG_PATHS_MAX || room < ROW_LEN)
			continue;
		room -= ROW_LEN;
		leg_fill_row(row, p);
		if (p->is_side_a && p->state == PATH_OPENING && p->is_relayed_try &&
		    p->hs1_len > 0 && room >= HANDSHAKE_FIELD + (size_t)p->hs1_len) {
			row->has |= HAS(HANDSHAKE);
			row->handshake = p->hs1;
			row->handshake_len = p->hs1_len;
			room -= HANDSHAKE_FIELD + (size_t)p->hs1_len;
		}
		m->paths_n++;
	}
	if (m->paths_n > 0)
		m->has |= HAS(PATH);
}

static void op_answer(struct chan *c, const struct msg *m)
{
	struct leg *l = of(c);
	struct path *p;

	l->timeouts = 0;
	if ((m->has & HAS(OBSERVED)) != 0)
		leg_observed(l, &m->observed);
	leg_rows(l, m);
	/* The RS is there after all, under the session we had: it may know an older place of ours. */
	if (!l->is_up && c->index != 0) {
		l->is_up = true;
		mover_location(c->node);
		leg_moved(l);
	}
	/* Those that had no room in the handshake. */
	TAILQ_FOREACH(p, &c->node->paths, link)
	if (p->leg == l && l->is_up && !p->is_bound && p->bind_at_ns == 0)
		p->bind_at_ns = c->node->now + 1;
}

static void op_installed(struct chan *c)
{
	struct datapath_dest dest = {.link = c->node->rx_link, .to = c->node->rx_from};

	chan_route(c, &dest, 0, 0);
}

static void op_up(struct chan *c)
{
	struct leg *l = of(c);
	struct path *p;

	l->is_up = true;
	l->timeouts = 0;
	mtu_start(&l->mtu, c);
	binding_rebind(c->node, l);
	leg_active(l);
	TAILQ_FOREACH(p, &c->node->paths, link)
	if (p->leg == l && !p->chan.is_dead)
		path_leg_up(p);
}

static void op_confirm(struct chan *c)
{
	leg_keepalive(of(c));
}

/* No RS, or one that does not know the key any more: ask the DC for another grant. Paths that do
 * without the relay keep the leg, and it goes on trying.
 */
static void give_up(struct leg *l)
{
	struct node *n = l->chan.node;
	struct path *p;

	l->is_up = false;
	TAILQ_FOREACH(p, &n->paths, link)
	if (p->leg == l && !p->chan.is_dead)
		path_leg_lost(p);
	binding_leg_lost(n, l);
	n->has_dead = true;
	if (l->is_home)
		registrar_register(n);
}

static void op_failed(struct chan *c, enum assoc_failure why, uint16_t code)
{
	struct leg *l = of(c);
	struct path *p;

	if (why == ASSOC_RESET) {
		l->is_up = false;
		TAILQ_FOREACH(p, &c->node->paths, link)
		if (p->leg == l)
			p->is_bound = false;
		/* It may have been the DC's process as well, and then our key is no good there. */
		if (l->is_home)
			registrar_register(c->node);
		return;
	}
	l->timeouts += why == ASSOC_TIMEOUT ? 1 : TIMEOUTS_MAX;
	if (l->timeouts >= TIMEOUTS_MAX && !l->is_up)
		give_up(l);
	else if (l->is_home && l->timeouts == 1)
		registrar_register(c->node);
}

static const struct chan_ops chan_ops = {
	.send = op_send,
	.payload = op_payload,
	.answer = op_answer,
	.installed = op_installed,
	.up = op_up,
	.failed = op_failed,
	.confirm = op_confirm,
	.request = leg_request,
};

struct leg *leg_of(struct chan *c)
{
	return c != NULL && c->ops == &chan_ops ? of(c) : NULL;
}

static struct leg *find(const struct node *n, uint64_t rs_id)
{
	struct leg *l;

	TAILQ_FOREACH(l, &n->legs, link)
	if (!l->chan.is_dead && l->rs_id == rs_id)
		return l;
	return NULL;
}

struct leg *leg_home(const struct node *n)
{
	struct leg *l;

	TAILQ_FOREACH(l, &n->legs, link)
	if (!l->chan.is_dead && l->is_home)
		return l;
	return NULL;
}

static struct leg *create(struct node *n, const struct msg_grant *g)
{
	struct assoc_conf conf = {
		.kind = HS_LEG,
		.suite = SUITE_DEFAULT,
		.is_side_a = true,
		.id = g->key_id,
		.limits = n->conf.tuning.limits,
	};
	struct leg *l;

	if (n->legs_n >= NODE_LEGS_MAX || g->endpoints_n == 0)
		return NULL;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return NULL;
	memcpy(conf.psk, g->temp_key, sizeof(conf.psk));
	if (chan_init(&l->chan, n, &chan_ops, &conf) < 0) {
		free(l);
		return NULL;
	}
	l->rs_id = g->rs_id;
	l->eps_n = g->endpoints_n;
	memcpy(l->eps, g->endpoints, sizeof(l->eps));
	TAILQ_INSERT_TAIL(&n->legs, l, link);
	n->legs_n++;
	return l;
}

/* Another temporary key of the same RS: the next handshake uses it; where the RS does not answer
 * under the old one, that is now.
 */
static void renew(struct leg *l, const struct msg_grant *g)
{
	struct assoc *a = &l->chan.assoc;
	struct node *n = l->chan.node;
	struct path *p;

	if (a->conf.id == g->key_id)
		return;
	a->conf.id = g->key_id;
	memcpy(a->conf.psk, g->temp_key, sizeof(a->conf.psk));
	if (l->is_up) {
		/* To the RS it is another leg: everything is bound to it anew. */
		TAILQ_FOREACH(p, &n->paths, link)
		if (p->leg == l)
			p->is_bound = false;
		assoc_rekey(a, n->now);
		return;
	}
	if (g->endpoints_n > 0) {
		l->eps_n = g->endpoints_n;
		memcpy(l->eps, g->endpoints, sizeof(l->eps));
	}
	assoc_stop(a);
}

void leg_open(struct leg *l)
{
	if (!l->is_up && assoc_pending_index(&l->chan.assoc) == 0)
		assoc_start(&l->chan.assoc, l->chan.node->now);
}

bool leg_is_needed(const struct leg *l)
{
	const struct path *p;
	const struct binding *b;

	if (l->is_home)
		return true;
	TAILQ_FOREACH(p, &l->chan.node->paths, link)
	if (p->leg == l)
		return true;
	TAILQ_FOREACH(b, &l->chan.node->bindings, link)
	if (b->leg == l)
		return true;
	return false;
}

struct leg *leg_take_grant(struct node *n, const struct msg_grant *g, bool is_home)
{
	const uint64_t need = HAS(KEY_ID) | HAS(TEMP_KEY);
	struct leg *l = find(n, g->rs_id), *home;

	if ((g->has & need) != need || wire_is_path_id(g->key_id) || g->key_id == WIRE_ID_NONE)
		return NULL;
	if (l != NULL) {
		renew(l, g);
	} else {
		l = create(n, g);
		if (l == NULL)
			return NULL;
	}
	if ((g->has & HAS(LIFETIME)) != 0) {
		uint64_t life = g->lifetime_sec * NODE_SEC;

		l->expires_ns = n->now + life;
		l->renew_ns = n->now + life / 2 + rng_below(n->conf.rng, life / 20 + 1);
	}
	if (is_home && !l->is_home) {
		home = leg_home(n);
		if (home != NULL)
			home->is_home = false;
		l->is_home = true;
	}
	return l;
}

static void destroy(struct leg *l)
{
	struct node *n = l->chan.node;

	chan_fini(&l->chan);
	TAILQ_REMOVE(&n->legs, l, link);
	n->legs_n--;
	free(l);
}

void leg_fini_all(struct node *n)
{
	struct leg *l;

	while ((l = TAILQ_FIRST(&n->legs)) != NULL)
		destroy(l);
}

void leg_reap(struct node *n)
{
	struct leg *l = TAILQ_FIRST(&n->legs), *next;

	for (; l != NULL; l = next) {
		next = TAILQ_NEXT(l, link);
		if (!l->is_up && l->timeouts >= TIMEOUTS_MAX && !leg_is_needed(l))
			destroy(l);
	}
}

void leg_active(struct leg *l)
{
	l->tick_ns = l->chan.node->now + TICK_NS;
}

/* The RS answers, but no general host does: after a restart of RS and DC its bindings may be gone. */
static void watch_bindings(struct leg *l, const struct datapath_stats *st)
{
	struct node *n = l->chan.node;

	if (st->rx_bytes != l->rx_bytes) {
		l->rx_bytes = st->rx_bytes;
		l->fruitless_ns = 0;
		return;
	}
	if (l->fruitless_ns == 0)
		l->fruitless_ns = n->now;
	if (n->now - l->fruitless_ns < FRUITLESS_NS || n->now - l->renewed_ns < RENEW_NS)
		return;
	l->renewed_ns = n->now;
	binding_renew(n, l);
}

/* The RS-N tunnel is watched like a relay route: data goes out and nothing comes back. */
static uint64_t watch(struct leg *l)
{
	struct node *n = l->chan.node;
	struct datapath_stats st;

	if (l->tick_ns == 0)
		return NODE_NEVER;
	if (n->now < l->tick_ns)
		return l->tick_ns;
	if (!chan_stats(&l->chan, &st) || n->now - st.last_tx_ns > IDLE_NS) {
		l->tick_ns = 0;
		n->dp.ops->watch(n->dp.dp, l->chan.index);
		return NODE_NEVER;
	}
	assoc_used(&l->chan.assoc, n->now);
	if (st.waiting_since_ns != 0 && n->now - st.waiting_since_ns >= SILENT_NS)
		leg_keepalive(l);
	watch_bindings(l, &st);
	l->tick_ns = n->now + TICK_NS;
	return l->tick_ns;
}

/* The DC gives the home leg's next key with a registration; any other leg's with a direction, which
 * its paths ask for by themselves.
 */
static uint64_t poll_renewal(struct leg *l)
{
	struct node *n = l->chan.node;

	if (l->renew_ns == 0 || !l->is_home)
		return NODE_NEVER;
	if (n->now >= l->renew_ns) {
		l->renew_ns = n->now + 600 * NODE_SEC;
		registrar_register(n);
	}
	return l->renew_ns;
}

uint64_t leg_poll_all(struct node *n)
{
	uint64_t due = NODE_NEVER;
	struct leg *l;

	TAILQ_FOREACH(l, &n->legs, link)
	{
		if (l->chan.is_dead)
			continue;
		due = node_min(due, chan_poll(&l->chan));
		if (l->chan.is_dead)
			continue;
		due = node_min(due, mtu_poll(&l->mtu, &l->chan));
		due = node_min(due, watch(l));
		due = node_min(due, poll_renewal(l));
		if (l->update_at_ns != 0 && n->now >= l->update_at_ns) {
			l->update_at_ns = 0;
			mover_location(n);
			leg_update(l);
		}
		if (l->update_at_ns != 0)
			due = node_min(due, l->update_at_ns);
	}
	return due;
}
