/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/core.h"
#include "dc/directing.h"
#include "dc/relay.h"

#include <stdlib.h>

/* Rows as objects: made, renewed, expired. What is said of them to an RS is in relay_msg.c. */

static uint64_t lifetime(const struct dc *dc)
{
	return (uint64_t)dc->params.key_lifetime_sec * DC_NS_PER_SEC;
}

void row_init(struct row *r, enum row_type type)
{
	memset(r, 0, sizeof(*r));
	r->type = (uint8_t)type;
}

void row_detach(struct row *r)
{
	if (r->rs == NULL)
		return;
	TAILQ_REMOVE(r->is_todo ? &r->rs->todo[r->type] : &r->rs->rows[r->type], r, link);
	r->rs = NULL;
	r->is_todo = false;
	r->is_there = false;
}

void row_attach(struct row *r, struct rs *rs)
{
	if (r->rs == rs)
		return;
	row_detach(r);
	r->rs = rs;
	TAILQ_INSERT_TAIL(&rs->rows[r->type], r, link);
}

/* ---- grants ---- */

static uint64_t grant_hash(struct dc *dc, const struct rs *rs, const struct vips *v)
{
	struct {
		uint64_t rs;
		struct ip_addr vip;
	} key = {rs->id, v->v6};

	return table_hash(&dc->relay->grants, &key, sizeof(key));
}

struct grant *grant_find(struct dc *dc, const struct rs *rs, const struct vips *v)
{
	struct table_link *l = table_first(&dc->relay->grants, grant_hash(dc, rs, v));

	for (; l != NULL; l = table_next(l)) {
		struct grant *g = table_entry(l, struct grant, by_vip);

		if (g->row.rs == rs && ip_equal(&g->vips.v6, &v->v6))
			return g;
	}
	return NULL;
}

struct grant *grant_by_id(struct dc *dc, uint64_t key_id)
{
	struct table *t = &dc->relay->grants_by_id;
	struct table_link *l = table_first(t, table_hash(t, &key_id, sizeof(key_id)));

	for (; l != NULL; l = table_next(l)) {
		struct grant *g = table_entry(l, struct grant, by_id);

		if (g->key_id == key_id)
			return g;
	}
	return NULL;
}

void grant_free(struct dc *dc, struct grant *g)
{
	timer_cancel(&dc->timers, &g->timer);
	table_del(&dc->relay->grants, &g->by_vip);
	table_del(&dc->relay->grants_by_id, &g->by_id);
	row_detach(&g->row);
	explicit_bzero(g->temp_key, sizeof(g->temp_key));
	free(g);
}

/* Those who use it have a longer life only where it was renewed; it waits for the last of them. */
static void grant_expired(void *owner, uint64_t now)
{
	struct grant *g = owner;
	struct dc *dc = g->row.rs->dc;

	if (g->users > 0) {
		timer_set(&dc->timers, &g->timer, now + 60 * DC_NS_PER_SEC);
		return;
	}
	dc_count(dc, DC_COUNT_EXPIRED);
	grant_free(dc, g);
}

/* A new key id and key; the row has to be told again, and so has whatever names the old id. */
static void grant_renew(struct dc *dc, uint64_t now, struct grant *g)
{
	struct table *t = &dc->relay->grants_by_id;
	struct row *row;

	if (g->key_id != 0)
		table_del(t, &g->by_id);
	do {
		g->key_id = rng_u64(dc->rng) | WIRE_ID_INDEX;
	} while (g->key_id == WIRE_ID_NONE || grant_by_id(dc, g->key_id) != NULL);
	table_add(t, &g->by_id, table_hash(t, &g->key_id, sizeof(g->key_id)));
	rng_fill(dc->rng, g->temp_key, sizeof(g->temp_key));
	g->made_ns = now;
	g->until_ns = now + lifetime(dc);
	g->row.is_there = false;
	timer_set(&dc->timers, &g->timer, g->until_ns);
	if (g->users == 0)
		return;
	TAILQ_FOREACH(row, &g->row.rs->rows[ROW_PATH], link)
	{
		struct path *p = table_entry(row, struct path, row);

		if (p->a.grant == g || p->b.grant == g)
			row->is_there = false;
	}
	TAILQ_FOREACH(row, &g->row.rs->rows[ROW_BINDING], link)
	if (table_entry(row, struct binding, row)->grant == g)
		row->is_there = false;
}

bool grant_is_due(const struct dc *dc, uint64_t now, const struct grant *g)
{
	return g == NULL || now >= g->made_ns + lifetime(dc) / 2;
}

struct grant *grant_get(struct dc *dc, uint64_t now, struct rs *rs, const struct vips *v)
{
	struct grant *g = grant_find(dc, rs, v);

	if (g != NULL) {
		if (grant_is_due(dc, now, g))
			grant_renew(dc, now, g);
		return g;
	}
	if (dc->relay->grants.n >= dc->params.grants_max)
		return NULL;
	g = calloc(1, sizeof(*g));
	if (g == NULL)
		return NULL;
	row_init(&g->row, ROW_GRANT);
	row_attach(&g->row, rs);
	g->vips = *v;
	timer_init(&g->timer, grant_expired, g);
	table_add(&dc->relay->grants, &g->by_vip, grant_hash(dc, rs, v));
	grant_renew(dc, now, g);
	return g;
}

void grant_use(struct grant **at, struct grant *g)
{
	if (*at != NULL)
		(*at)->users--;
	*at = g;
	if (g != NULL)
		g->users++;
}

/* ---- paths ---- */

static uint64_t pair_hash(struct dc *dc, const struct vips *a, const struct vips *b)
{
	struct ip_addr key[2];
	bool is_less = memcmp(&a->v6, &b->v6, sizeof(a->v6)) < 0;

	key[0] = is_less ? a->v6 : b->v6;
	key[1] = is_less ? b->v6 : a->v6;
	return table_hash(&dc->relay->paths, key, sizeof(key));
}

struct path *path_find(struct dc *dc, const struct vips *a, const struct vips *b)
{
	struct table_link *l = table_first(&dc->relay->paths, pair_hash(dc, a, b));

	for (; l != NULL; l = table_next(l)) {
		struct path *p = table_entry(l, struct path, by_pair);

		if ((ip_equal(&p->a.vips.v6, &a->v6) && ip_equal(&p->b.vips.v6, &b->v6)) ||
		    (ip_equal(&p->a.vips.v6, &b->v6) && ip_equal(&p->b.vips.v6, &a->v6)))
			return p;
	}
	return NULL;
}

struct path *path_by_id(struct dc *dc, uint64_t id)
{
	struct table *t = &dc->relay->paths_by_id;
	struct table_link *l = table_first(t, table_hash(t, &id, sizeof(id)));

	for (; l != NULL; l = table_next(l)) {
		struct path *p = table_entry(l, struct path, by_id);

		if (p->id == id)
			return p;
	}
	return NULL;
}

void path_new_id(struct dc *dc, struct path *p)
{
	struct table *t = &dc->relay->paths_by_id;

	if (p->id != 0)
		table_del(t, &p->by_id);
	do {
		p->id = rng_u64(dc->rng) & ~WIRE_ID_INDEX;
	} while (p->id == 0 || path_by_id(dc, p->id) != NULL);
	table_add(t, &p->by_id, table_hash(t, &p->id, sizeof(p->id)));
	p->row.is_there = false;
}

static void path_free(struct dc *dc, struct path *p)
{
	timer_cancel(&dc->timers, &p->timer);
	table_del(&dc->relay->paths, &p->by_pair);
	table_del(&dc->relay->paths_by_id, &p->by_id);
	grant_use(&p->a.grant, NULL);
	grant_use(&p->b.grant, NULL);
	row_detach(&p->row);
	explicit_bzero(p->key, sizeof(p->key));
	free(p);
}

static void path_expired(void *owner, uint64_t now)
{
	struct path *p = owner;

	if (p->is_busy) {
		timer_set(&p->dc->timers, &p->timer, now + DC_NS_PER_SEC);
		return;
	}
	dc_count(p->dc, DC_COUNT_EXPIRED);
	directing_path_gone(p->dc, p);
	path_free(p->dc, p);
}

static void path_renew(struct dc *dc, uint64_t now, struct path *p)
{
	rng_fill(dc->rng, p->key, sizeof(p->key));
	p->made_ns = now;
	p->until_ns = now + lifetime(dc);
	p->row.is_there = false;
	timer_set(&dc->timers, &p->timer, p->until_ns);
}

struct path *path_get(struct dc *dc, uint64_t now, const struct vips *a, const struct vips *b)
{
	struct path *p = path_find(dc, a, b);

	if (p != NULL) {
		if (now >= p->made_ns + lifetime(dc) / 2)
			path_renew(dc, now, p);
		return p;
	}
	if (dc->relay->paths.n >= dc->params.paths_max)
		return NULL;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	p->dc = dc;
	row_init(&p->row, ROW_PATH);
	p->a.vips = *a;
	p->b.vips = *b;
	timer_init(&p->timer, path_expired, p);
	table_add(&dc->relay->paths, &p->by_pair, pair_hash(dc, a, b));
	path_new_id(dc, p);
	path_renew(dc, now, p);
	return p;
}

void path_place(struct dc *dc, struct path *p, struct rs *rs, struct grant *a, struct grant *b)
{
	if (p->row.rs != NULL && p->row.rs != rs && p->row.is_there && p->row.rs->is_up)
		row_withdraw(dc, dc->now, &p->row);
	row_attach(&p->row, rs);
	if (p->a.grant != a || p->b.grant != b)
		p->row.is_there = false;
	grant_use(&p->a.grant, a);
	grant_use(&p->b.grant, b);
}

void path_remove(struct dc *dc, uint64_t now, struct path *p)
{
	directing_path_gone(dc, p);
	if (p->row.rs != NULL)
		row_withdraw(dc, now, &p->row);
	path_free(dc, p);
}
