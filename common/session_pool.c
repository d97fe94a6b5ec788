/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/session_state.h"

#include <stdlib.h>
#include <string.h>

/* Windows are given back to a free list, threaded through their own memory. */
union pool_entry {
	struct replay window;
	union pool_entry *next_free;
};

struct session_pool {
	union pool_entry *free;
	uint32_t in_use;
	uint32_t max;
};

struct session_pool *session_pool_create(uint32_t max)
{
	struct session_pool *p = calloc(1, sizeof(*p));

	if (p != NULL)
		p->max = max;
	return p;
}

void session_pool_destroy(struct session_pool *p)
{
	union pool_entry *e;

	if (p == NULL)
		return;
	while ((e = p->free) != NULL) {
		p->free = e->next_free;
		free(e);
	}
	free(p);
}

uint32_t session_pool_in_use(const struct session_pool *p)
{
	return p->in_use;
}

struct replay *session_pool_take(struct session_pool *p)
{
	union pool_entry *e = p->free;

	if (p->in_use == p->max)
		return NULL;
	if (e != NULL)
		p->free = e->next_free;
	else
		e = malloc(sizeof(*e));
	if (e == NULL)
		return NULL;
	p->in_use++;
	memset(e, 0, sizeof(*e));
	return &e->window;
}

void session_pool_give(struct session_pool *p, struct replay *r)
{
	union pool_entry *e = (union pool_entry *)r;

	if (r == NULL)
		return;
	e->next_free = p->free;
	p->free = e;
	p->in_use--;
}
