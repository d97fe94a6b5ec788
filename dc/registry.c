/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/registry.h"

#include "dc/core.h"
#include "dc/place.h"

#include <errno.h>
#include <stdlib.h>

int registry_init(struct dc *dc)
{
	struct registry *r = &dc->registry;
	uint32_t max = dc->params.nodes_max + dc->params.rss_max + DC_PEERS_MAX;

	TAILQ_INIT(&r->parties);
	r->pool4 = &dc->pool4;
	r->pool6 = &dc->pool6;
	if (table_init(&r->by_name, max, dc->rng) < 0 || table_init(&r->by_key, max, dc->rng) < 0 ||
	    table_init(&r->by_token, dc->params.tokens_max, dc->rng) < 0 ||
	    table_init(&r->by_vip, 2 * dc->params.nodes_max, dc->rng) < 0)
		return -ENOMEM; /* registry_fini() takes what there is */
	return 0;
}

void registry_fini(struct dc *dc)
{
	struct registry *r = &dc->registry;
	struct party *p;

	while (!TAILQ_EMPTY(&r->parties)) {
		p = TAILQ_FIRST(&r->parties);
		registry_remove(dc, p);
		p->writes = 0;
		registry_free(p);
	}
	table_fini(&r->by_name);
	table_fini(&r->by_key);
	table_fini(&r->by_token);
	table_fini(&r->by_vip);
}

struct party *registry_by_name(struct dc *dc, enum party_kind kind, const char *name)
{
	struct table *t = &dc->registry.by_name;
	struct table_link *l = table_first(t, table_hash(t, name, strlen(name)));

	for (; l != NULL; l = table_next(l)) {
		struct party *p = table_entry(l, struct party, by_name);

		if (p->kind == kind && strcmp(p->name, name) == 0)
			return p;
	}
	return NULL;
}

struct party *registry_by_key(struct dc *dc, const uint8_t key[NOISE_KEY_LEN])
{
	struct table *t = &dc->registry.by_key;
	struct table_link *l = table_first(t, table_hash(t, key, NOISE_KEY_LEN));

	for (; l != NULL; l = table_next(l)) {
		struct party *p = table_entry(l, struct party, by_key);

		if (memcmp(p->key, key, NOISE_KEY_LEN) == 0)
			return p;
	}
	return NULL;
}

struct party *registry_by_token(struct dc *dc, uint64_t id)
{
	struct table *t = &dc->registry.by_token;
	struct table_link *l = table_first(t, table_hash(t, &id, sizeof(id)));

	for (; l != NULL; l = table_next(l)) {
		struct party *p = table_entry(l, struct party, by_token);

		if (p->token.id == id)
			return p;
	}
	return NULL;
}

struct node *registry_by_vip(struct dc *dc, const struct ip_addr *vip)
{
	struct table *t = &dc->registry.by_vip;
	struct table_link *l = table_first(t, table_hash(t, vip->b, sizeof(vip->b)));

	for (; l != NULL; l = table_next(l)) {
		struct node *n = ip_is_v4(vip) ? table_entry(l, struct node, by_vip4)
					       : table_entry(l, struct node, by_vip6);

		if (ip_equal(ip_is_v4(vip) ? &n->vips.v4 : &n->vips.v6, vip))
			return n;
	}
	return NULL;
}

void *registry_add(struct dc *dc, enum party_kind kind, const char *name, size_t size)
{
	struct registry *r = &dc->registry;
	struct party *p = calloc(1, size);

	if (p == NULL)
		return NULL;
	p->kind = (uint8_t)kind;
	memcpy(p->name, name, strnlen(name, NAME_MAX_LEN));
	table_add(&r->by_name, &p->by_name, table_hash(&r->by_name, p->name, strlen(p->name)));
	TAILQ_INSERT_TAIL(&r->parties, p, link);
	r->nodes_n += kind == PARTY_NODE;
	r->rss_n += kind == PARTY_RS;
	return p;
}

static void drop_key(struct dc *dc, struct party *p)
{
	if (p->has_key)
		table_del(&dc->registry.by_key, &p->by_key);
	p->has_key = false;
}

int registry_set_key(struct dc *dc, struct party *p, const uint8_t key[NOISE_KEY_LEN])
{
	struct table *t = &dc->registry.by_key;
	struct party *other = registry_by_key(dc, key);

	if (other != NULL && other != p)
		return -EEXIST;
	drop_key(dc, p);
	memcpy(p->key, key, sizeof(p->key));
	p->has_key = true;
	table_add(t, &p->by_key, table_hash(t, p->key, sizeof(p->key)));
	return 0;
}

void registry_set_token(struct dc *dc, struct party *p, const struct join_token *tok)
{
	struct table *t = &dc->registry.by_token;

	if (p->token.is_open)
		table_del(t, &p->by_token);
	explicit_bzero(&p->token, sizeof(p->token));
	if (tok == NULL || !tok->is_open)
		return;
	p->token = *tok;
	table_add(t, &p->by_token, table_hash(t, &p->token.id, sizeof(p->token.id)));
}

static void add_vips(struct dc *dc, struct node *n, const struct vips *v)
{
	struct table *t = &dc->registry.by_vip;

	n->vips = *v;
	n->has_vips = true;
	table_add(t, &n->by_vip4, table_hash(t, n->vips.v4.b, sizeof(n->vips.v4.b)));
	table_add(t, &n->by_vip6, table_hash(t, n->vips.v6.b, sizeof(n->vips.v6.b)));
}

int registry_take_vips(struct dc *dc, struct node *n)
{
	struct vips v;

	if (pool_take(&dc->pool4, &v.v4) < 0)
		return -ENOSPC;
	if (pool_take(&dc->pool6, &v.v6) < 0) {
		pool_give(&dc->pool4, &v.v4);
		return -ENOSPC;
	}
	add_vips(dc, n, &v);
	return 0;
}

int registry_claim_vips(struct dc *dc, struct node *n, const struct vips *v)
{
	int ret = pool_claim(&dc->pool4, &v->v4);

	if (ret < 0)
		return ret;
	ret = pool_claim(&dc->pool6, &v->v6);
	if (ret < 0) {
		pool_give(&dc->pool4, &v->v4);
		return ret;
	}
	add_vips(dc, n, v);
	return 0;
}

static void drop_vips(struct dc *dc, struct node *n)
{
	if (!n->has_vips)
		return;
	table_del(&dc->registry.by_vip, &n->by_vip4);
	table_del(&dc->registry.by_vip, &n->by_vip6);
	pool_give(&dc->pool4, &n->vips.v4);
	pool_give(&dc->pool6, &n->vips.v6);
	n->has_vips = false;
}

void registry_remove(struct dc *dc, struct party *p)
{
	struct registry *r = &dc->registry;

	place_gone(dc, p);
	if (p->staged != NULL)
		channel_destroy(p->staged);
	p->staged = NULL;
	if (p->ch != NULL)
		channel_destroy(p->ch);
	p->ch = NULL;
	if (p->kind == PARTY_NODE)
		drop_vips(dc, party_node(p));
	drop_key(dc, p);
	registry_set_token(dc, p, NULL);
	table_del(&r->by_name, &p->by_name);
	TAILQ_REMOVE(&r->parties, p, link);
	r->nodes_n -= p->kind == PARTY_NODE;
	r->rss_n -= p->kind == PARTY_RS;
	p->is_expelled = true;
}

void registry_free(struct party *p)
{
	if (p->writes > 0)
		return;
	explicit_bzero(p->psk, sizeof(p->psk));
	free(p);
}
