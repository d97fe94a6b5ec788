/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/dc_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- the DC's shell ---- */

static void put_flight(struct world *w, const struct endpoint *src, const struct endpoint *dst,
		       const uint8_t *pkt, size_t len)
{
	struct flight *f = calloc(1, sizeof(*f));

	assert_true(len <= sizeof(f->pkt));
	f->at = w->now + w->delay;
	f->src = *src;
	f->dst = *dst;
	f->len = len;
	memcpy(f->pkt, pkt, len);
	TAILQ_INSERT_TAIL(&w->wire, f, link);
}

static void shell_send(void *ctx, const struct endpoint *local, const struct endpoint *to,
		       const uint8_t *pkt, size_t len)
{
	struct world *w = ctx;

	w->from_dc_bytes += len;
	put_flight(w, local->port != 0 ? local : &w->dc_addr, to, pkt, len);
}

static void shell_store(void *ctx, struct dc_write *wr)
{
	struct world *w = ctx;

	w->writes_n++;
	if (w->store_submit != NULL) {
		w->store_submit(w, wr);
	} else {
		wr->next = NULL;
		*w->writes_tail = wr;
		w->writes_tail = &wr->next;
	}
	if (w->write_at == 0)
		w->write_at = w->now + w->store_delay;
}

static void disk_apply(struct world *w, const struct dc_write *wr)
{
	struct world_record *r;

	TAILQ_FOREACH(r, &w->disk, link)
	if (r->table == wr->table && r->key_len == wr->key_len &&
	    memcmp(r->key, wr->key, r->key_len) == 0)
		break;
	if (r == NULL && !wr->is_delete) {
		r = calloc(1, sizeof(*r));
		r->table = wr->table;
		r->key_len = wr->key_len;
		memcpy(r->key, wr->key, wr->key_len);
		TAILQ_INSERT_TAIL(&w->disk, r, link);
	}
	if (r == NULL)
		return;
	if (wr->is_delete) {
		TAILQ_REMOVE(&w->disk, r, link);
		free(r);
		return;
	}
	r->value_len = wr->value_len;
	memcpy(r->value, wr->value, wr->value_len);
}

static void store_turn(struct world *w)
{
	struct dc_write *wr = w->writes, *next;

	w->writes = NULL;
	w->writes_tail = &w->writes;
	w->write_at = 0;
	if (w->store_wait != NULL)
		w->store_wait(w);
	for (; wr != NULL; wr = next) {
		next = wr->next;
		wr->status = 0;
		if (w->store_fails > 0) {
			w->store_fails--;
			wr->status = -5;
		} else {
			disk_apply(w, wr);
		}
		dc_store_done(w->dc, w->now, wr);
	}
}

static void fill_result(struct dc_lookup_result *r, const struct world_name *n)
{
	r->status = n->status;
	for (int i = 0; i < 4 && n->values[i] != NULL; i++) {
		if (n->type == DC_LOOKUP_TXT)
			r->has_mark = strcmp(n->values[i], "mark") == 0;
		else if (n->type == DC_LOOKUP_NS)
			snprintf(r->names[r->names_n++], sizeof(r->names[0]), "%s", n->values[i]);
		else
			assert_int_equal(ip_parse(n->values[i], &r->addrs[r->addrs_n++]), 0);
	}
}

static void shell_lookup(void *ctx, uint64_t id, enum dc_lookup_type type, const char *name)
{
	struct world *w = ctx;
	struct pending_lookup *l = calloc(1, sizeof(*l));

	w->lookups_n++;
	l->at = w->now + 20 * MS;
	l->id = id;
	l->r.status = DC_LOOKUP_NODATA;
	for (unsigned int i = 0; i < w->names_n; i++)
		if (strcmp(w->names[i].name, name) == 0 && w->names[i].type == type)
			fill_result(&l->r, &w->names[i]);
	TAILQ_INSERT_TAIL(&w->lookups, l, link);
}

static void shell_publish(void *ctx, const struct dc_name *n, bool is_gone)
{
	struct world *w = ctx;

	if (is_gone)
		w->unpublished++;
	else
		w->published++;
}

static const struct dc_ops shell_ops = {
	.send = shell_send,
	.store = shell_store,
	.lookup = shell_lookup,
	.publish = shell_publish,
};

/* ---- world ---- */

void world_init(struct world *w, uint64_t seed, unsigned int number)
{
	char text[64];

	memset(w, 0, sizeof(*w));
	rng_init_seeded(&w->rng, seed + number);
	w->now = 1000 * SEC;
	w->delay = 5 * MS;
	w->store_delay = 3 * MS;
	w->writes_tail = &w->writes;
	TAILQ_INIT(&w->wire);
	TAILQ_INIT(&w->peers);
	TAILQ_INIT(&w->disk);
	TAILQ_INIT(&w->lookups);
	dc_params_default(&w->params);
	snprintf(w->params.name, sizeof(w->params.name), "ns.dc%u.test", number);
	snprintf(w->params.zones[0], sizeof(w->params.zones[0]), "dc%u.test", number);
	w->params.zones_n = 1;
	w->params.nodes_max = 64;
	w->params.rss_max = 4;
	w->params.tokens_max = 64;
	w->params.paths_max = 64;
	w->params.grants_max = 64;
	w->params.bindings_max = 64;
	w->params.gn_per_node = 32;
	w->params.jobs_max = 16;
	w->params.real_offset_ns = (int64_t)(1700000000ULL * SEC);
	snprintf(text, sizeof(text), "240.%u.0.0/24", number);
	assert_int_equal(prefix_parse(text, &w->params.pool4), 0);
	snprintf(text, sizeof(text), "fd00:%u::/64", number);
	assert_int_equal(prefix_parse(text, &w->params.pool6), 0);
	noise_keypair_generate(&w->dc_kp, &w->rng);
	w->params.self = w->dc_kp;
	rng_fill(&w->rng, w->params.reset_secret, sizeof(w->params.reset_secret));
	snprintf(text, sizeof(text), "198.51.100.%u:5525", number);
	assert_int_equal(endpoint_parse(text, &w->dc_addr), 0);
}

void world_start(struct world *w)
{
	const char *why;
	struct world_record *r;

	w->dc = dc_create(&w->params, &shell_ops, w, &w->rng, &why);
	if (w->dc == NULL)
		fail_msg("dc_create: %s", why);
	for (int t = 0; t < DC_TABLE_COUNT; t++)
		TAILQ_FOREACH(r, &w->disk, link)
	if (r->table == t)
		assert_int_equal(
			dc_load(w->dc, r->table, r->key, r->key_len, r->value, r->value_len), 0);
	dc_start(w->dc, w->now);
}

static void forget_in_flight(struct world *w)
{
	while (w->writes != NULL) {
		struct dc_write *wr = w->writes;

		w->writes = wr->next;
		free(wr);
	}
	w->writes_tail = &w->writes;
	w->write_at = 0;
	while (!TAILQ_EMPTY(&w->lookups)) {
		struct pending_lookup *l = TAILQ_FIRST(&w->lookups);

		TAILQ_REMOVE(&w->lookups, l, link);
		free(l);
	}
}

void world_restart_dc(struct world *w)
{
	dc_destroy(w->dc);
	forget_in_flight(w);
	world_start(w);
}

void world_fini(struct world *w)
{
	while (!TAILQ_EMPTY(&w->peers))
		peer_free(TAILQ_FIRST(&w->peers));
	dc_destroy(w->dc);
	forget_in_flight(w);
	while (!TAILQ_EMPTY(&w->wire)) {
		struct flight *f = TAILQ_FIRST(&w->wire);

		TAILQ_REMOVE(&w->wire, f, link);
		free(f);
	}
	while (!TAILQ_EMPTY(&w->disk)) {
		struct world_record *r = TAILQ_FIRST(&w->disk);

		TAILQ_REMOVE(&w->disk, r, link);
		free(r);
	}
}

uint64_t world_count(const struct world *w, enum dc_counter c)
{
	return dc_counters(w->dc)[c];
}

void world_send(struct world *w, const struct endpoint *src, const uint8_t *pkt, size_t len)
{
	put_flight(w, src, &w->dc_addr, pkt, len);
}

/* ---- time ---- */

static void deliver(struct world *w, struct flight *f)
{
	struct peer *p;

	if (endpoint_equal(&f->dst, &w->dc_addr)) {
		dc_input(w->dc, w->now, &f->src, &f->dst, f->pkt, f->len);
		return;
	}
	TAILQ_FOREACH(p, &w->peers, link)
	if (endpoint_equal(&f->dst, &p->addr) && !p->is_deaf) {
		peer_input(p, f);
		return;
	}
	if (w->other != NULL && endpoint_equal(&f->dst, &w->other->dc_addr))
		dc_input(w->other->dc, w->now, &f->src, &f->dst, f->pkt, f->len);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The next thing due in this world, at most at end. */
static uint64_t next_due(struct world *w, uint64_t end)
{
	uint64_t at = earlier(end, dc_deadline(w->dc));
	struct flight *f = TAILQ_FIRST(&w->wire);
	struct pending_lookup *l = TAILQ_FIRST(&w->lookups);
	struct peer *p;

	if (f != NULL)
		at = earlier(at, f->at);
	if (l != NULL)
		at = earlier(at, l->at);
	if (w->write_at != 0 && !w->store_stuck)
		at = earlier(at, w->write_at);
	TAILQ_FOREACH(p, &w->peers, link)
	at = earlier(at, earlier(assoc_poll(&p->assoc, w->now), control_poll(&p->control, w->now)));
	return at;
}

static void turn(struct world *w)
{
	struct flight *f;
	struct pending_lookup *l;

	while ((f = TAILQ_FIRST(&w->wire)) != NULL && f->at <= w->now) {
		TAILQ_REMOVE(&w->wire, f, link);
		deliver(w, f);
		free(f);
	}
	while ((l = TAILQ_FIRST(&w->lookups)) != NULL && l->at <= w->now) {
		TAILQ_REMOVE(&w->lookups, l, link);
		dc_lookup_done(w->dc, w->now, l->id, &l->r);
		free(l);
	}
	if (w->write_at != 0 && w->write_at <= w->now && !w->store_stuck)
		store_turn(w);
	dc_poll(w->dc, w->now);
}

void world_run_both(struct world *a, struct world *b, uint64_t ns)
{
	uint64_t end = a->now + ns;

	while (a->now < end) {
		uint64_t at = next_due(a, end);

		if (b != NULL)
			at = earlier(at, next_due(b, end));
		if (at <= a->now)
			at = a->now + 1;
		a->now = at;
		turn(a);
		if (b != NULL) {
			b->now = at;
			turn(b);
		}
	}
}

void world_run(struct world *w, uint64_t ns)
{
	world_run_both(w, w->other, ns);
}
