/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/bytes.h"
#include "dc/core.h"
#include "dc/record.h"
#include "dc/relay.h"

#include <errno.h>
#include <stdlib.h>

/* Durable changes on their way to the store and back. A write carries its party, so that an expelled
 * one outlives its last write, and what to call when it is committed.
 */
struct write_owner {
	LIST_ENTRY(write_owner) link;
	struct party *party; /* NULL for records of no party */
	void (*done)(struct dc *dc, uint64_t now, void *arg, int status);
	void *arg;
};

enum { ATTEMPT_STEP_SEC = 3600 };

struct dc_write *dc_write_new(uint8_t table)
{
	struct dc_write *w = calloc(1, sizeof(*w));

	if (w != NULL)
		w->table = table;
	return w;
}

int dc_write_submit(struct dc *dc, struct dc_write *w, struct party *p,
		    void (*done)(struct dc *dc, uint64_t now, void *arg, int status), void *arg)
{
	struct write_owner *o = calloc(1, sizeof(*o));

	if (o == NULL) {
		free(w);
		return -ENOMEM;
	}
	o->party = p;
	o->done = done;
	o->arg = arg;
	LIST_INSERT_HEAD(&dc->writes, o, link);
	if (p != NULL)
		p->writes++;
	w->owner = o;
	dc->ops->store(dc->ctx, w);
	return 0;
}

void dc_write_cancel(struct dc *dc, const void *arg)
{
	struct write_owner *o;

	LIST_FOREACH(o, &dc->writes, link)
	if (o->arg == arg)
		o->done = NULL;
}

void dc_store_done(struct dc *dc, uint64_t now, struct dc_write *w)
{
	struct write_owner *o = w->owner;
	struct party *p = o->party;

	dc->now = now;
	LIST_REMOVE(o, link);
	if (w->status < 0)
		dc_count(dc, DC_COUNT_STORE_FAILED);
	if (o->done != NULL)
		o->done(dc, now, o->arg, w->status);
	if (p != NULL) {
		p->writes--;
		if (p->is_expelled)
			registry_free(p);
	}
	explicit_bzero(w->value, sizeof(w->value));
	free(w);
	free(o);
}

void dc_writes_fini(struct dc *dc)
{
	while (!LIST_EMPTY(&dc->writes)) {
		struct write_owner *o = LIST_FIRST(&dc->writes);

		LIST_REMOVE(o, link);
		if (o->done != NULL)
			o->done(dc, dc->now, o->arg, -ECANCELED);
		free(o);
	}
}

static uint8_t table_of(const struct party *p)
{
	return p->kind == PARTY_NODE ? DC_TABLE_NODE : DC_TABLE_RS;
}

static struct dc_write *party_write(const struct party *p)
{
	struct dc_write *w = dc_write_new(table_of(p));

	if (w == NULL)
		return NULL;
	w->key_len = (uint16_t)strlen(p->name);
	memcpy(w->key, p->name, w->key_len);
	return w;
}

int dc_write_party(struct dc *dc, struct party *p,
		   void (*done)(struct dc *dc, uint64_t now, void *arg, int status), void *arg)
{
	struct record_party r = {
		.has_key = p->has_key,
		.has_psk = p->has_psk,
		.has_token = p->token.is_open,
		.token_used = p->token.is_used,
		.token = p->token,
	};
	struct dc_write *w = party_write(p);

	if (w == NULL)
		return -ENOMEM;
	memcpy(r.key, p->key, sizeof(r.key));
	memcpy(r.psk, p->psk, sizeof(r.psk));
	if (p->kind == PARTY_NODE) {
		r.has_vips = party_node(p)->has_vips;
		r.vips = party_node(p)->vips;
	} else {
		r.rs_id = rs_of_party(p)->id;
	}
	w->value_len = (uint16_t)record_party_encode(&r, w->value);
	explicit_bzero(&r, sizeof(r));
	return dc_write_submit(dc, w, p, done, arg);
}

int dc_delete_party(struct dc *dc, struct party *p,
		    void (*done)(struct dc *dc, uint64_t now, void *arg, int status), void *arg)
{
	struct dc_write *w = party_write(p);

	if (w == NULL)
		return -ENOMEM;
	w->is_delete = true;
	place_delete(dc, p);
	return dc_write_submit(dc, w, p, done, arg);
}

static void attempts_stored(struct dc *dc, uint64_t now, void *arg, int status)
{
	dc->attempt_stored = status == 0 ? (uint64_t)(uintptr_t)arg : dc->attempt_stored;
	dc->attempt_writing = false;
}

/* A step is written when half of it is used; until it is there numbers go on from the clock, which
 * is the greater one unless it was set back.
 */
void dc_attempts_reserve(struct dc *dc)
{
	uint64_t step = (uint64_t)ATTEMPT_STEP_SEC * DC_NS_PER_SEC;
	uint64_t real = dc_real(dc, dc->now);
	uint64_t top = dc->attempts.last > real ? dc->attempts.last : real;
	struct dc_write *w;

	if (dc->attempt_writing || top + step / 2 < dc->attempt_stored)
		return;
	w = dc_write_new(DC_TABLE_META);
	if (w == NULL)
		return;
	w->key_len = 7;
	memcpy(w->key, "attempt", 7);
	w->value[0] = RECORD_FORMAT;
	store_be64(w->value + 1, top + step);
	w->value_len = 9;
	dc->attempt_writing = true;
	if (dc_write_submit(dc, w, NULL, attempts_stored, (void *)(uintptr_t)(top + step)) < 0)
		dc->attempt_writing = false;
}

void dc_publish(struct dc *dc, const struct node *n, bool is_gone)
{
	struct dc_name name = {.name = n->p.name, .vips = n->vips};

	if (dc->ops->publish != NULL && n->has_vips)
		dc->ops->publish(dc->ctx, &name, is_gone);
}

static int load_party(struct dc *dc, enum party_kind kind, const char *name, const uint8_t *value,
		      size_t len)
{
	struct record_party r;
	struct party *p;
	bool is_node = kind == PARTY_NODE;

	if (record_party_decode(&r, value, len) < 0 || registry_by_name(dc, kind, name) != NULL)
		return -EBADMSG;
	if (is_node ? dc->registry.nodes_n >= dc->params.nodes_max
		    : dc->registry.rss_n >= dc->params.rss_max)
		return -ENOSPC;
	p = is_node ? registry_add(dc, kind, name, sizeof(struct node)) : rs_add(dc, name, r.rs_id);
	if (p == NULL)
		return -ENOMEM;
	if (r.has_key && registry_set_key(dc, p, r.key) < 0)
		return -EBADMSG;
	p->has_psk = r.has_psk;
	memcpy(p->psk, r.psk, sizeof(p->psk));
	if (r.has_token)
		registry_set_token(dc, p, &r.token);
	/* Addresses of another pool than the configured one: the node is given new ones. */
	if (is_node && r.has_vips && registry_claim_vips(dc, party_node(p), &r.vips) == 0)
		party_node(p)->is_stored = r.has_psk;
	explicit_bzero(&r, sizeof(r));
	return 0;
}

static int load_meta(struct dc *dc, const uint8_t *key, size_t key_len, const uint8_t *value,
		     size_t len)
{
	if (key_len != 7 || memcmp(key, "attempt", 7) != 0)
		return 0; /* the shell's own */
	if (len != 9 || value[0] != RECORD_FORMAT)
		return -EBADMSG;
	dc->attempt_stored = load_be64(value + 1);
	hs_attempt_raise(&dc->attempts, dc->attempt_stored);
	return 0;
}

int dc_load(struct dc *dc, uint8_t table, const uint8_t *key, size_t key_len, const uint8_t *value,
	    size_t value_len)
{
	char name[NAME_MAX_LEN + 1] = "";

	switch (table) {
	case DC_TABLE_META:
		return load_meta(dc, key, key_len, value, value_len);
	case DC_TABLE_NODE:
	case DC_TABLE_RS:
		if (!name_is_valid((const char *)key, key_len))
			return -EBADMSG;
		memcpy(name, key, key_len);
		return load_party(dc, table == DC_TABLE_NODE ? PARTY_NODE : PARTY_RS, name, value,
				  value_len);
	case DC_TABLE_BINDING:
		return relay_load_binding(dc, key, key_len, value, value_len);
	case DC_TABLE_PLACE:
		return place_load(dc, key, key_len, value, value_len);
	default:
		return -EBADMSG;
	}
}
