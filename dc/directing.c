/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/directing.h"

#include "dc/core.h"
#include "dc/peer_dc.h"

#include <errno.h>
#include <stdlib.h>

#define DIRECTION_PATIENCE_NS 5000000000ULL

int directing_create(struct dc *dc)
{
	struct directing *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return -ENOMEM;
	dc->directing = g;
	TAILQ_INIT(&g->list);
	g->next_lookup = rng_u64(dc->rng) | 1;
	if (table_init(&g->by_pair, dc->params.directions_max, dc->rng) < 0 ||
	    table_init(&g->lookups, dc->params.directions_max * 2, dc->rng) < 0)
		return -ENOMEM;
	return 0;
}

static void direction_free(struct direction *d)
{
	struct dc *dc = d->dc;

	relay_cancel(dc, d);
	dc_write_cancel(dc, d);
	if (d->cn.peer != NULL)
		peer_cancel(d->cn.peer, d);
	if (d->path != NULL)
		d->path->is_busy = false;
	for (int i = 0; i < DIRECTION_LOOKUPS; i++)
		if (d->lookups[i].id != 0)
			table_del(&dc->directing->lookups, &d->lookups[i].by_id);
	timer_cancel(&dc->timers, &d->timer);
	table_del(&dc->directing->by_pair, &d->by_pair);
	TAILQ_REMOVE(&dc->directing->list, d, link);
	dc->directing->n--;
	free(d);
}

void directing_destroy(struct dc *dc)
{
	struct directing *g = dc->directing;

	if (g == NULL)
		return;
	while (!TAILQ_EMPTY(&g->list))
		direction_free(TAILQ_FIRST(&g->list));
	table_fini(&g->by_pair);
	table_fini(&g->lookups);
	free(g);
	dc->directing = NULL;
}

/* ---- failures remembered ---- */

/* How long a failure is believed. What an operator or a booting peer may mend at any time: briefly. */
static uint64_t negative_life(uint16_t code)
{
	switch (code) {
	case MSG_ERR_UNKNOWN_NAME:
	case MSG_ERR_NOT_NTM:
	case MSG_ERR_REFUSED_DST:
		return 5 * DC_NS_PER_SEC;
	case MSG_ERR_UNREACHABLE:
	case MSG_ERR_TIMEOUT:
	case MSG_ERR_NO_RS:
		return DC_NS_PER_SEC;
	default:
		return 0; /* depends on who asks */
	}
}

static struct negative *negative_slot(struct dc *dc, const char *name, uint64_t *hash)
{
	*hash = table_hash(&dc->directing->by_pair, name, strlen(name));
	return &dc->directing->negatives[*hash % NEGATIVE_SLOTS];
}

static uint16_t negative_find(struct dc *dc, uint64_t now, const char *name)
{
	uint64_t hash;
	const struct negative *n = negative_slot(dc, name, &hash);

	return n->hash == hash && n->until_ns > now ? n->code : 0;
}

static void negative_add(struct dc *dc, uint64_t now, const char *name, uint16_t code)
{
	uint64_t hash;
	struct negative *n = negative_slot(dc, name, &hash);

	if (negative_life(code) == 0)
		return;
	*n = (struct negative){hash, now + negative_life(code), code};
}

/* ---- the end ---- */

static void count_end(struct dc *dc, uint16_t code)
{
	static const struct {
		uint16_t code;
		uint16_t counter;
	} rows[] = {
		{0, DC_COUNT_DIR_OK},
		{MSG_ERR_UNKNOWN_NAME, DC_COUNT_DIR_UNKNOWN_NAME},
		{MSG_ERR_UNREACHABLE, DC_COUNT_DIR_UNREACHABLE},
		{MSG_ERR_REFUSED_DST, DC_COUNT_DIR_REFUSED_DST},
		{MSG_ERR_NOT_NTM, DC_COUNT_DIR_NOT_NTM},
		{MSG_ERR_NO_PATH, DC_COUNT_DIR_NO_PATH},
		{MSG_ERR_NO_RS, DC_COUNT_DIR_NO_RS},
		{MSG_ERR_NO_SUITE, DC_COUNT_DIR_NO_SUITE},
		{MSG_ERR_NO_VIP, DC_COUNT_DIR_NO_VIP},
		{MSG_ERR_FULL, DC_COUNT_DIR_FULL},
		{MSG_ERR_TIMEOUT, DC_COUNT_DIR_TIMEOUT},
	};

	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].code == code) {
			dc_count(dc, rows[i].counter);
			return;
		}
	dc_count(dc, DC_COUNT_DIR_BAD);
}

void direction_finish(struct direction *d, uint64_t now, uint16_t code)
{
	struct dc *dc = d->dc;

	count_end(dc, code);
	if (code != 0)
		negative_add(dc, now, d->cn.name, code);
	for (unsigned int i = 0; code != 0 && i < d->askers_n; i++)
		if (d->askers[i].node->p.ch != NULL)
			channel_refuse_txn(d->askers[i].node->p.ch, now, MSG_DIRECTION,
					   d->askers[i].txn, code);
	direction_free(d);
}

static void late(void *owner, uint64_t now)
{
	direction_finish(owner, now, MSG_ERR_TIMEOUT);
}

void directing_forget_node(struct dc *dc, uint64_t now, struct node *n)
{
	struct direction *d, *next;

	for (d = TAILQ_FIRST(&dc->directing->list); d != NULL; d = next) {
		next = TAILQ_NEXT(d, link);
		if (d->mn.node == n || d->cn.node == n)
			direction_finish(d, now, MSG_ERR_UNREACHABLE);
	}
}

/* ---- the ends ---- */

bool node_is_reachable(const struct node *n)
{
	return n->is_registered && !n->is_silent && n->p.ch != NULL && n->p.ch->is_up;
}

void end_from_node(struct end *e, struct node *n)
{
	memset(e, 0, sizeof(*e));
	e->node = n;
	e->vips = n->vips;
	memcpy(e->key, n->p.key, sizeof(e->key));
	e->location = n->location;
	e->observed = n->observed;
	e->candidates_n = n->candidates_n;
	memcpy(e->candidates, n->candidates, sizeof(e->candidates));
	e->suites_n = n->suites_n;
	memcpy(e->suites, n->suites, sizeof(e->suites));
	e->nat = n->nat;
	e->mtu = n->mtu;
	memcpy(e->name, n->p.name, sizeof(e->name));
}

/* ---- the request ---- */

static uint64_t pair_hash(struct dc *dc, const char *a, const char *b)
{
	const struct table *t = &dc->directing->by_pair;

	/* Unordered: the sum of both. */
	return table_hash(t, a, strlen(a)) + table_hash(t, b, strlen(b));
}

static struct direction *find(struct dc *dc, const char *a, const char *b)
{
	struct table_link *l = table_first(&dc->directing->by_pair, pair_hash(dc, a, b));

	for (; l != NULL; l = table_next(l)) {
		struct direction *d = table_entry(l, struct direction, by_pair);

		if ((strcmp(d->mn.name, a) == 0 && strcmp(d->cn.name, b) == 0) ||
		    (strcmp(d->mn.name, b) == 0 && strcmp(d->cn.name, a) == 0))
			return d;
	}
	return NULL;
}

/* An address of ours to the name behind it; another DC's address stays one. */
static uint16_t resolve_vip(struct dc *dc, const struct node *n, const struct ip_addr *vip,
			    char name[NAME_MAX_LEN + 1], struct peer_dc **peer)
{
	const struct binding *b;
	const struct node *other;

	*peer = NULL;
	if (prefix_contains(&dc->params.pool4, vip) || prefix_contains(&dc->params.pool6, vip)) {
		other = registry_by_vip(dc, vip);
		if (other == NULL)
			return MSG_ERR_UNKNOWN_NAME;
		memcpy(name, other->p.name, sizeof(other->p.name));
		return 0;
	}
	b = binding_by_vip(dc, n, vip);
	if (b != NULL) {
		memcpy(name, b->name, sizeof(b->name));
		return 0;
	}
	*peer = peer_by_vip(dc, vip);
	if (*peer == NULL)
		return MSG_ERR_UNKNOWN_NAME;
	ip_format(vip, name);
	return 0;
}

/* What the request says of its sender is news for the registry. */
static void note_asker(struct node *n, const struct msg *m)
{
	n->location = m->location;
	if ((m->has & HAS(CANDIDATE)) != 0) {
		n->candidates_n = m->candidates_n;
		memcpy(n->candidates, m->candidates, sizeof(n->candidates));
	}
	if ((m->has & HAS(SUITES)) != 0) {
		n->suites_n = m->suites_n;
		memcpy(n->suites, m->suites, sizeof(n->suites));
	}
}

static struct direction *direction_new(struct dc *dc, uint64_t now, struct node *n,
				       const char *name)
{
	struct directing *g = dc->directing;
	struct direction *d;

	if (g->n >= dc->params.directions_max)
		return NULL;
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return NULL;
	d->dc = dc;
	end_from_node(&d->mn, n);
	memcpy(d->cn.name, name, strlen(name) + 1);
	timer_init(&d->timer, late, d);
	timer_set(&dc->timers, &d->timer, now + DIRECTION_PATIENCE_NS);
	table_add(&g->by_pair, &d->by_pair, pair_hash(dc, d->mn.name, d->cn.name));
	TAILQ_INSERT_TAIL(&g->list, d, link);
	g->n++;
	return d;
}

static bool add_asker(struct direction *d, struct node *n, uint32_t txn)
{
	if (d->askers_n == DIRECTION_ASKERS)
		return false;
	d->askers[d->askers_n++] = (struct asker){n, txn};
	return true;
}

static bool is_own_name(const struct dc *dc, const char *name)
{
	for (unsigned int i = 0; i < dc->params.zones_n; i++)
		if (name_is_under(name, dc->params.zones[i]))
			return true;
	return false;
}

static void start(struct direction *d, uint64_t now, struct peer_dc *peer)
{
	struct dc *dc = d->dc;
	struct party *p;

	if (peer != NULL) {
		direction_ask_peer(d, now, peer);
		return;
	}
	if (!is_own_name(dc, d->cn.name)) {
		direction_lookup(d, now);
		return;
	}
	p = registry_by_name(dc, PARTY_NODE, d->cn.name);
	if (p == NULL || !party_node(p)->has_vips) {
		direction_finish(d, now, MSG_ERR_UNKNOWN_NAME);
		return;
	}
	if (!node_is_reachable(party_node(p))) {
		direction_finish(d, now, MSG_ERR_UNREACHABLE);
		return;
	}
	end_from_node(&d->cn, party_node(p));
	direction_decide(d, now);
}

/* 0, or the reason to refuse at once. */
static uint16_t check(struct dc *dc, const struct node *n, const struct msg *m)
{
	bool by_name = (m->has & HAS(PEER_NAME)) != 0;
	bool by_vip = (m->has & HAS(PEER_VIP)) != 0;

	if (!n->is_registered) {
		dc_count(dc, DC_COUNT_DIR_NOT_REGISTERED);
		return MSG_ERR_REGISTER;
	}
	if (by_name == by_vip) {
		dc_count(dc, DC_COUNT_DIR_BAD);
		return MSG_ERR_BAD_MESSAGE;
	}
	if (m->location < n->location) {
		dc_count(dc, DC_COUNT_REG_STALE);
		return MSG_ERR_STALE;
	}
	return 0;
}

/* The name asked for; the refusal where there is none, counted. */
static uint16_t target(struct dc *dc, uint64_t now, const struct node *n, const struct msg *m,
		       char name[NAME_MAX_LEN + 1], struct peer_dc **peer)
{
	uint16_t code = 0;

	*peer = NULL;
	if ((m->has & HAS(PEER_VIP)) != 0)
		code = resolve_vip(dc, n, &m->peer_vip, name, peer);
	else
		memcpy(name, m->peer_name, sizeof(m->peer_name));
	if (code == 0 && strcmp(name, n->p.name) == 0)
		code = MSG_ERR_NO_PATH;
	if (code != 0) {
		count_end(dc, code);
		return code;
	}
	code = negative_find(dc, now, name);
	if (code != 0)
		dc_count(dc, DC_COUNT_DIR_NEGATIVE_HIT);
	return code;
}

void directing_request(struct dc *dc, uint64_t now, struct channel *ch, struct msg *m)
{
	struct node *n = party_node(ch->party);
	char name[NAME_MAX_LEN + 1] = "";
	struct peer_dc *peer = NULL;
	struct direction *d;
	uint16_t code;

	dc_count(dc, DC_COUNT_DIR_ASKED);
	code = check(dc, n, m);
	if (code == 0) {
		note_asker(n, m);
		code = target(dc, now, n, m, name, &peer);
	}
	if (code != 0) {
		channel_refuse(ch, now, m, code);
		return;
	}
	d = find(dc, n->p.name, name);
	if (d != NULL) {
		dc_count(dc, DC_COUNT_DIR_SHARED);
		if (!add_asker(d, n, m->txn))
			channel_refuse(ch, now, m, MSG_ERR_BUSY);
		return;
	}
	d = direction_new(dc, now, n, name);
	if (d != NULL && (m->has & HAS(PATH_ID)) != 0)
		d->known_path = m->path_id;
	if (d == NULL) {
		dc_count(dc, DC_COUNT_DIR_FULL);
		channel_refuse(ch, now, m, MSG_ERR_BUSY);
		return;
	}
	add_asker(d, n, m->txn);
	if (peer != NULL)
		d->vip = m->peer_vip;
	start(d, now, peer);
}
