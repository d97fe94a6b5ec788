/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/node_impl.h"

#include <stdio.h>
#include <stdlib.h>

/* General hosts under a leg: VIP_GN goes into the leg's association, nothing else is needed. */

static const uint64_t POLL_NS = 10 * NODE_SEC;

static void point(struct node *n, const struct binding *b)
{
	if (b->leg->is_up && b->leg->chan.index != 0)
		n->dp.ops->vip_set(n->dp.dp, n->now, &b->vip_gn, b->leg->chan.index);
}

static void drop(struct node *n, struct binding *b)
{
	n->dp.ops->vip_del(n->dp.dp, n->now, &b->vip_gn);
	TAILQ_REMOVE(&n->bindings, b, link);
	n->bindings_n--;
	free(b);
}

static struct binding *find(const struct node *n, const struct ip_addr *vip)
{
	struct binding *b;

	TAILQ_FOREACH(b, &n->bindings, link)
	if (ip_equal(&b->vip_gn, vip))
		return b;
	return NULL;
}

static uint16_t take_row(struct node *n, const struct msg *m, const struct msg_binding *row,
			 struct leg *l)
{
	const uint64_t need = HAS(NUMBER) | HAS(VIP_GN) | HAS(RIP_GN);
	struct binding *b = find(n, &row->vip_gn);
	uint64_t life = (row->has & HAS(LIFETIME)) != 0 ? row->lifetime_sec : 86400;

	if ((row->has & need) != need || !node_owns_vip(n, &row->vip_gn))
		return MSG_ERR_BAD_MESSAGE;
	if (b == NULL) {
		if (n->bindings_n >= NODE_BINDINGS_MAX)
			return MSG_ERR_FULL;
		b = calloc(1, sizeof(*b));
		if (b == NULL)
			return MSG_ERR_FULL;
		TAILQ_INSERT_TAIL(&n->bindings, b, link);
		n->bindings_n++;
	}
	snprintf(b->name, sizeof(b->name), "%s", m->peer_name);
	b->number = row->number;
	b->vip_gn = row->vip_gn;
	b->rip_gn = row->rip_gn;
	b->leg = l;
	b->expires_ns = n->now + life * NODE_SEC;
	point(n, b);
	return 0;
}

uint16_t binding_take(struct node *n, const struct msg *m, struct leg *l)
{
	uint16_t error = 0;

	for (int i = 0; i < m->bindings_n && error == 0; i++)
		error = take_row(n, m, &m->bindings[i], l);
	if (error == 0)
		why_note(n, m->peer_name, "general host through RS-N: %s", m->reason_text);
	return error;
}

const struct binding *binding_by_name(const struct node *n, const char *name, bool v4)
{
	const struct binding *b;

	TAILQ_FOREACH(b, &n->bindings, link)
	if (ip_is_v4(&b->vip_gn) == v4 && b->expires_ns > n->now && strcmp(b->name, name) == 0)
		return b;
	return NULL;
}

const struct binding *binding_by_vip(const struct node *n, const struct ip_addr *vip)
{
	const struct binding *b = find(n, vip);

	return b != NULL && b->expires_ns > n->now ? b : NULL;
}

void binding_rebind(struct node *n, struct leg *l)
{
	struct binding *b;

	TAILQ_FOREACH(b, &n->bindings, link)
	if (b->leg == l)
		point(n, b);
}

void binding_renew(struct node *n, struct leg *l)
{
	struct binding *b;

	TAILQ_FOREACH(b, &n->bindings, link)
	if (b->leg == l)
		direction_renew(n, b->name);
}

void binding_leg_lost(struct node *n, struct leg *l)
{
	struct binding *b = TAILQ_FIRST(&n->bindings), *next;

	for (; b != NULL; b = next) {
		next = TAILQ_NEXT(b, link);
		if (b->leg == l && !l->is_home)
			drop(n, b);
	}
}

void binding_remove(struct node *n, const struct msg *m)
{
	struct binding *b = TAILQ_FIRST(&n->bindings), *next;

	for (; b != NULL; b = next) {
		next = TAILQ_NEXT(b, link);
		for (int i = 0; i < m->bindings_n; i++) {
			if (m->bindings[i].number != b->number)
				continue;
			drop(n, b);
			break;
		}
	}
}

uint64_t binding_poll(struct node *n)
{
	struct binding *b = TAILQ_FIRST(&n->bindings), *next;
	uint64_t due = NODE_NEVER;

	for (; b != NULL; b = next) {
		next = TAILQ_NEXT(b, link);
		if (b->expires_ns <= n->now)
			drop(n, b);
		else
			due = node_min(due, b->expires_ns + POLL_NS);
	}
	return due;
}

void binding_fini(struct node *n)
{
	struct binding *b;

	while ((b = TAILQ_FIRST(&n->bindings)) != NULL) {
		TAILQ_REMOVE(&n->bindings, b, link);
		free(b);
	}
}
