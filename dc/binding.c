/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/core.h"
#include "dc/record.h"
#include "dc/relay.h"

#include <errno.h>
#include <stdlib.h>

/* General hosts of a node: numbers in its block, kept for a while after use so that no connection of
 * yesterday ends at another host today.
 */

static uint64_t binding_name_hash(struct dc *dc, const struct node *n, const char *name)
{
	return table_hash(&dc->relay->bindings, name, strlen(name)) ^ (uintptr_t)n;
}

static uint64_t binding_number_hash(struct dc *dc, const struct node *n, uint32_t number)
{
	struct {
		uintptr_t node;
		uintptr_t number;
	} key = {(uintptr_t)n, number};

	return table_hash(&dc->relay->bindings_by_number, &key, sizeof(key));
}

static struct binding *same_name(struct table_link *l, const struct node *n, const char *name)
{
	for (; l != NULL; l = table_next(l)) {
		struct binding *b = table_entry(l, struct binding, by_name);

		if (b->node == n && strcmp(b->name, name) == 0)
			return b;
	}
	return NULL;
}

struct binding *binding_find(struct dc *dc, const struct node *n, const char *name)
{
	return same_name(table_first(&dc->relay->bindings, binding_name_hash(dc, n, name)), n,
			 name);
}

struct binding *binding_find_next(const struct binding *b)
{
	return same_name(table_next(&b->by_name), b->node, b->name);
}

struct binding *binding_by_number(struct dc *dc, const struct node *n, uint32_t number)
{
	struct table_link *l =
		table_first(&dc->relay->bindings_by_number, binding_number_hash(dc, n, number));

	for (; l != NULL; l = table_next(l)) {
		struct binding *b = table_entry(l, struct binding, by_number);

		if (b->node == n && b->number == number)
			return b;
	}
	return NULL;
}

struct binding *binding_by_vip(struct dc *dc, const struct node *n, const struct ip_addr *vip)
{
	int64_t number = pool_number(ip_is_v4(vip) ? &dc->params.gn4 : &dc->params.gn6, vip);

	return number < 0 ? NULL : binding_by_number(dc, n, (uint32_t)number);
}

struct ip_addr binding_vip(const struct dc *dc, const struct binding *b, bool v6)
{
	return pool_address(v6 ? &dc->params.gn6 : &dc->params.gn4, b->number);
}

/* The next number of this node's block that nothing rests on. */
static int64_t next_number(struct dc *dc, struct node *n)
{
	uint32_t size4 = pool_size(&dc->params.gn4), size6 = pool_size(&dc->params.gn6);
	uint32_t size = size4 < size6 ? size4 : size6;

	for (uint32_t tried = POOL_RESERVED; tried < size; tried++) {
		if (n->gn_next < POOL_RESERVED || n->gn_next >= size)
			n->gn_next = POOL_RESERVED;
		if (binding_by_number(dc, n, n->gn_next) == NULL)
			return n->gn_next++;
		n->gn_next++;
	}
	return -1;
}

static void binding_due(void *owner, uint64_t now)
{
	struct binding *b = owner;
	struct dc *dc = b->dc;

	if (b->is_live) {
		dc_count(dc, DC_COUNT_EXPIRED);
		binding_end(dc, now, b);
		return;
	}
	binding_free(dc, b);
}

static struct binding *binding_make(struct dc *dc, struct node *n, const char *name,
				    uint32_t number)
{
	struct binding *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->dc = dc;
	row_init(&b->row, ROW_BINDING);
	b->node = n;
	b->number = number;
	memcpy(b->name, name, strnlen(name, NAME_MAX_LEN));
	timer_init(&b->timer, binding_due, b);
	table_add(&dc->relay->bindings, &b->by_name, binding_name_hash(dc, n, b->name));
	table_add(&dc->relay->bindings_by_number, &b->by_number,
		  binding_number_hash(dc, n, number));
	n->bindings_n++;
	return b;
}

struct binding *binding_add(struct dc *dc, struct node *n, const char *name)
{
	int64_t number;

	if (dc->relay->bindings.n >= dc->params.bindings_max ||
	    n->bindings_n >= dc->params.gn_per_node)
		return NULL;
	number = next_number(dc, n);
	return number < 0 ? NULL : binding_make(dc, n, name, (uint32_t)number);
}

void binding_place(struct dc *dc, uint64_t now, struct binding *b, struct rs *rs, struct grant *g)
{
	uint64_t life = (uint64_t)dc->params.binding_lifetime_sec * DC_NS_PER_SEC;

	row_attach(&b->row, rs);
	if (b->grant != g)
		b->row.is_there = false;
	grant_use(&b->grant, g);
	/* Told again only when half of its time is over: a name is asked for often. */
	if (b->is_live && b->row.is_there && now + life / 2 < b->until_ns)
		return;
	b->row.is_there = false;
	b->is_live = true;
	b->is_stored = false;
	b->until_ns = now + life;
	b->rest_real =
		dc_real(dc, b->until_ns) + (uint64_t)dc->params.gn_quarantine_sec * DC_NS_PER_SEC;
	timer_set(&dc->timers, &b->timer, b->until_ns);
}

void binding_end(struct dc *dc, uint64_t now, struct binding *b)
{
	if (b->is_live && b->row.rs != NULL && now < b->until_ns)
		row_withdraw(dc, now, &b->row);
	row_detach(&b->row);
	grant_use(&b->grant, NULL);
	b->is_live = false;
	timer_set(&dc->timers, &b->timer, b->rest_real - (uint64_t)dc->params.real_offset_ns);
}

static void drop(struct dc *dc, struct binding *b)
{
	timer_cancel(&dc->timers, &b->timer);
	table_del(&dc->relay->bindings, &b->by_name);
	table_del(&dc->relay->bindings_by_number, &b->by_number);
	row_detach(&b->row);
	grant_use(&b->grant, NULL);
	b->node->bindings_n--;
	free(b);
}

void binding_free(struct dc *dc, struct binding *b)
{
	struct dc_write *w = dc_write_new(DC_TABLE_BINDING);

	if (w != NULL) {
		w->is_delete = true;
		w->key_len = (uint16_t)record_binding_key(b->node->p.name, b->number, w->key);
		dc_write_submit(dc, w, NULL, NULL, NULL);
	}
	drop(dc, b);
}

void binding_fini(struct dc *dc)
{
	struct table *t = &dc->relay->bindings;

	for (uint32_t i = 0; t->bucket != NULL && i <= t->mask; i++)
		while (t->bucket[i] != NULL)
			drop(dc, table_entry(t->bucket[i], struct binding, by_name));
}

int relay_load_binding(struct dc *dc, const uint8_t *key, size_t key_len, const uint8_t *value,
		       size_t len)
{
	char name[NAME_MAX_LEN + 1];
	struct record_binding r;
	struct binding *b;
	struct party *p;
	uint32_t number;

	if (record_binding_key_decode(key, key_len, name, &number) < 0 ||
	    record_binding_decode(&r, value, len) < 0)
		return -EBADMSG;
	p = registry_by_name(dc, PARTY_NODE, name);
	if (p == NULL)
		return 0; /* of a node expelled since */
	if (dc->relay->bindings.n >= dc->params.bindings_max)
		return -ENOSPC;
	b = binding_make(dc, party_node(p), r.name, number);
	if (b == NULL)
		return -ENOMEM;
	b->is_stored = true;
	b->rip4 = r.rip4;
	b->rip6 = r.rip6;
	b->rest_real = r.until;
	if (number >= party_node(p)->gn_next)
		party_node(p)->gn_next = number + 1;
	timer_set(&dc->timers, &b->timer,
		  r.until > (uint64_t)dc->params.real_offset_ns
			  ? r.until - (uint64_t)dc->params.real_offset_ns
			  : 0);
	return 0;
}
