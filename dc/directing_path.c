/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/core.h"
#include "dc/directing.h"
#include "dc/peer_dc.h"

#include <stdio.h>

/* Both ends are known: Table 1, the rows at an RS, then Route Direction to both at once. The asker
 * does not wait for the other end's acknowledgement; where none comes, the path is withdrawn.
 */

#define PATH_JUST_TOLD_NS CONTROL_GIVE_UP_NS

static uint8_t end_families(const struct end *e)
{
	struct direction_end c;

	direction_classify(e->candidates, e->candidates_n, &e->observed, &c);
	return (uint8_t)(((c.nets & (NET_G4 | NET_P4)) != 0 ? FAMILY_V4 : 0) |
			 ((c.nets & NET_V6) != 0 ? FAMILY_V6 : 0));
}

static uint32_t suite_set(const struct end *e)
{
	uint32_t set = 0;

	for (unsigned int i = 0; i < e->suites_n; i++)
		if (e->suites[i] < SUITE_COUNT)
			set |= 1U << e->suites[i];
	return set;
}

static bool is_asker(const struct direction *d, const struct node *n)
{
	for (unsigned int i = 0; i < d->askers_n; i++)
		if (d->askers[i].node == n)
			return true;
	return false;
}

/* What end `to` is told of end `of`. */
static void fill_route(const struct direction *d, uint64_t now, const struct end *to,
		       const struct end *of, struct msg *m)
{
	const struct path *p = d->path;
	bool is_a = ip_equal(&p->a.vips.v6, &to->vips.v6);

	m->has |= HAS(RELAY_TYPE) | HAS(PEER_NAME) | HAS(PATH_ID) | HAS(SIDE) | HAS(PATH_KEY) |
		  HAS(PEER_VIPS) | HAS(PEER_KEY) | HAS(SUITES) | HAS(ROUTE) | HAS(LIFETIME) |
		  HAS(GRANT) | HAS(CANDIDATE) | HAS(OBSERVED) | HAS(PEER_LOCATION) | HAS(REASON) |
		  HAS(NAT);
	m->relay_type = RELAY_SWITCH;
	memcpy(m->peer_name, of->name, sizeof(m->peer_name));
	m->path_id = p->id;
	m->side = is_a ? 0 : 1;
	memcpy(m->path_key, p->key, sizeof(m->path_key));
	m->peer_vips = of->vips;
	memcpy(m->peer_key, of->key, sizeof(m->peer_key));
	m->suites_n = 1;
	m->suites[0] = p->suite;
	m->route = p->why->route;
	m->lifetime_sec = (uint32_t)((p->until_ns - now) / DC_NS_PER_SEC);
	grant_fill(is_a ? p->a.grant : p->b.grant, now, &m->grants[0]);
	m->grants_n = 1;
	m->candidates_n = of->candidates_n;
	memcpy(m->candidates, of->candidates, sizeof(m->candidates));
	m->observed = of->observed;
	m->peer_location = of->location;
	m->nat = of->nat;
	m->reason = direction_row_number(p->why);
	snprintf(m->reason_text, sizeof(m->reason_text), "%s: %s", p->why->id, p->why->text);
	if (p->is_same_site)
		m->has |= HAS(SAME_SITE);
	if (of->mtu != 0) {
		m->has |= HAS(MTU);
		m->mtu = of->mtu;
	}
}

void release_send(struct dc *dc, uint64_t now, struct node *n, uint64_t path_id)
{
	struct msg *m = &dc->tx;

	if (n->p.ch == NULL)
		return;
	msg_init(m, MSG_RELEASE, false, 0);
	m->has |= HAS(PATH);
	m->paths[0].has = HAS(PATH_ID) | HAS(REMOVE);
	m->paths[0].path_id = path_id;
	m->paths_n = 1;
	channel_request(n->p.ch, now, m, NULL, NULL);
}

/* The path is no good: its own ends but `except` hear it. */
static void withdraw(struct dc *dc, uint64_t now, struct path *p, const struct node *except)
{
	uint64_t id = p->id;
	struct node *nodes[2] = {p->nodes[0], p->nodes[1]};

	path_remove(dc, now, p);
	for (int i = 0; i < 2; i++)
		if (nodes[i] != NULL && nodes[i] != except)
			release_send(dc, now, nodes[i], id);
}

/* The other end (or its DC) has heard, or has not. */
static void acknowledged(void *ctx, void *arg, const struct msg *m)
{
	struct channel *ch = ctx;
	struct path *p = arg;
	struct dc *dc = ch->dc;
	bool is_node = ch->party->kind == PARTY_NODE;

	if (m != NULL && (m->has & HAS(ERROR)) == 0)
		return;
	dc_count(dc, DC_COUNT_ROUTE_UNACKED);
	if (m == NULL && is_node)
		party_node(ch->party)->is_silent = true;
	if (!p->is_busy)
		withdraw(dc, dc->now, p, is_node ? party_node(ch->party) : NULL);
}

static void tell_own(struct direction *d, uint64_t now, const struct end *to, const struct end *of)
{
	struct dc *dc = d->dc;
	struct msg *m = &dc->tx;

	for (unsigned int i = 0; i < d->askers_n; i++) {
		if (d->askers[i].node != to->node || to->node->p.ch == NULL)
			continue;
		msg_init(m, MSG_ROUTE_DIRECTION, true, d->askers[i].txn);
		fill_route(d, now, to, of, m);
		channel_answer(to->node->p.ch, now, m);
	}
	if (is_asker(d, to->node) || to->node->p.ch == NULL)
		return;
	msg_init(m, MSG_ROUTE_DIRECTION, false, 0);
	fill_route(d, now, to, of, m);
	control_cancel(&to->node->p.ch->control, d->path); /* an older one of the same path */
	channel_request(to->node->p.ch, now, m, acknowledged, d->path);
}

static void tell(struct direction *d, uint64_t now, const struct end *to, const struct end *of)
{
	struct msg *m = &d->dc->tx;
	struct channel *ch;

	if (to->node != NULL) {
		tell_own(d, now, to, of);
		return;
	}
	ch = peer_channel(to->peer);
	if (ch == NULL)
		return;
	msg_init(m, MSG_ROUTE_DIRECTION, false, 0);
	fill_route(d, now, to, of, m);
	m->has |= HAS(NAME) | HAS(VIPS);
	memcpy(m->name, to->name, sizeof(m->name));
	m->vips = to->vips;
	control_cancel(&ch->control, d->path);
	channel_request(ch, now, m, acknowledged, d->path);
}

static void placed(struct dc *dc, uint64_t now, void *arg, uint16_t status, struct rs *rs,
		   struct grant *a, struct grant *b)
{
	struct direction *d = arg;

	if (status != 0) {
		struct path *p = d->path;
		/* A path that never came to be is forgotten; an older one lives on where it is. */
		bool is_new = p->row.rs == NULL || !p->was_told;

		d->path = NULL;
		p->is_busy = false;
		if (is_new)
			path_remove(dc, now, p);
		direction_finish(d, now, status);
		return;
	}
	d->path->was_told = true;
	d->path->told_ns = now;
	tell(d, now, &d->cn, &d->mn);
	tell(d, now, &d->mn, &d->cn);
	memset(dc->tx.path_key, 0, sizeof(dc->tx.path_key));
	direction_finish(d, now, 0);
}

/* Who asks for a path and does not name it has lost it with its keys, and the other end must not go
 * on with the old one; unless both were told a moment ago, to an asker who was here then: that is
 * only its own question crossing the other's.
 */
static bool has_lost_it(const struct direction *d, uint64_t now, const struct path *p)
{
	const struct channel *ch = d->mn.node != NULL ? d->mn.node->p.ch : NULL;

	if (!p->was_told || p->is_busy || d->known_path == p->id)
		return false;
	return now > p->told_ns + PATH_JUST_TOLD_NS ||
	       (ch != NULL && p->told_ns < ch->assoc.live.since_ns);
}

/* A path that is there keeps its side A and its suite: its association has them. */
static struct path *choose_path(struct direction *d, uint64_t now, const struct direction_row *row,
				uint8_t suite)
{
	const struct end *a = row->cn_is_a ? &d->cn : &d->mn;
	const struct end *b = row->cn_is_a ? &d->mn : &d->cn;
	struct path *p = path_find(d->dc, &a->vips, &b->vips);
	bool mn_is_a;

	if (p != NULL && has_lost_it(d, now, p))
		withdraw(d->dc, now, p, d->mn.node);
	p = path_get(d->dc, now, &a->vips, &b->vips);
	if (p == NULL)
		return NULL;
	if (!p->was_told)
		p->suite = suite;
	mn_is_a = ip_equal(&p->a.vips.v6, &d->mn.vips.v6);
	p->nodes[0] = mn_is_a ? d->mn.node : d->cn.node;
	p->nodes[1] = mn_is_a ? d->cn.node : d->mn.node;
	p->why = row;
	p->is_busy = true;
	return p;
}

void direction_decide(struct direction *d, uint64_t now)
{
	struct dc *dc = d->dc;
	struct direction_end mn, cn;
	const struct direction_row *row;
	struct relay_want w = {.prefer = {NULL}};
	uint8_t suite = 0;

	direction_classify(d->mn.candidates, d->mn.candidates_n, &d->mn.observed, &mn);
	direction_classify(d->cn.candidates, d->cn.candidates_n, &d->cn.observed, &cn);
	row = direction_choose(&mn, &cn);
	if (row == NULL) {
		direction_finish(d, now, MSG_ERR_NO_PATH);
		return;
	}
	if (suite_pick(d->mn.suites, d->mn.suites_n, suite_set(&d->cn), dc->params.suites, &suite) <
	    0) {
		direction_finish(d, now, MSG_ERR_NO_SUITE);
		return;
	}
	d->path = choose_path(d, now, row, suite);
	if (d->path == NULL) {
		direction_finish(d, now, MSG_ERR_FULL);
		return;
	}
	d->path->is_same_site = direction_same_site(&mn, &cn);
	w.a = d->path->a.vips;
	w.b = d->path->b.vips;
	w.families_a = end_families(&d->mn);
	w.families_b = end_families(&d->cn);
	w.prefer[0] = d->path->row.rs;
	w.prefer[1] = d->mn.node != NULL ? d->mn.node->home : NULL;
	w.prefer[2] = d->cn.node != NULL ? d->cn.node->home : NULL;
	w.path = d->path;
	relay_ask(dc, now, &w, placed, d);
}

void directing_path_gone(struct dc *dc, struct path *p)
{
	for (int i = 0; i < 2; i++)
		if (p->nodes[i] != NULL && p->nodes[i]->p.ch != NULL)
			control_cancel(&p->nodes[i]->p.ch->control, p);
	peers_cancel(dc, p);
}

/* ---- Release ---- */

static bool release_path(struct dc *dc, uint64_t now, struct node *n, const struct msg_path *row)
{
	struct path *p = (row->has & HAS(PATH_ID)) != 0 ? path_by_id(dc, row->path_id) : NULL;

	if (p == NULL || (row->has & HAS(REMOVE)) == 0 || (p->nodes[0] != n && p->nodes[1] != n))
		return false;
	if (!p->is_busy)
		withdraw(dc, now, p, n);
	return true;
}

static bool release_binding(struct dc *dc, uint64_t now, struct node *n,
			    const struct msg_binding *row)
{
	struct binding *b =
		(row->has & HAS(NUMBER)) != 0 ? binding_by_number(dc, n, row->number / 2) : NULL;

	if (b == NULL || (row->has & HAS(REMOVE)) == 0 || !b->is_live)
		return false;
	binding_end(dc, now, b);
	return true;
}

void directing_release(struct dc *dc, uint64_t now, struct channel *ch, struct msg *m)
{
	struct node *n = party_node(ch->party);
	uint32_t txn = m->txn;
	struct msg *out = &dc->tx;

	for (unsigned int i = 0; i < m->paths_n; i++)
		if (release_path(dc, now, n, &m->paths[i]))
			dc_count(dc, DC_COUNT_RELEASED);
	for (unsigned int i = 0; i < m->bindings_n; i++)
		if (release_binding(dc, now, n, &m->bindings[i]))
			dc_count(dc, DC_COUNT_RELEASED);
	msg_init(out, MSG_RELEASE, true, txn);
	channel_answer(ch, now, out);
}
