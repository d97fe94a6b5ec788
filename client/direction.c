/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/node_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { TTL_SEC = 30 };
#define DIRECTION_WAIT_NS CONTROL_GIVE_UP_NS

static void fill_path(const struct node *n, const struct path *p, struct node_direction *d)
{
	*d = (struct node_direction){
		.status = NODE_DIRECTION_PATH,
		.name = p->peer,
		.vips = p->vips,
		.ttl_sec = TTL_SEC,
	};
}

/* A general host may have a binding per family. */
static bool fill_binding(const struct node *n, const char *name, struct node_direction *d)
{
	const struct binding *v4 = binding_by_name(n, name, true);
	const struct binding *v6 = binding_by_name(n, name, false);

	if (v4 == NULL && v6 == NULL)
		return false;
	*d = (struct node_direction){
		.status = NODE_DIRECTION_GN,
		.name = v4 != NULL ? v4->name : v6->name,
		.ttl_sec = TTL_SEC,
	};
	if (v4 != NULL)
		d->vips.v4 = v4->vip_gn;
	if (v6 != NULL)
		d->vips.v6 = v6->vip_gn;
	return true;
}

static bool is_known(struct node *n, const char *name, const struct ip_addr *vip,
		     struct node_direction *d)
{
	const struct path *p = name != NULL ? path_by_name(n, name) : path_by_vip(n, vip);
	const struct binding *b;

	if (p != NULL && p->state != PATH_FAILED) {
		fill_path(n, p, d);
		return true;
	}
	if (name != NULL)
		return fill_binding(n, name, d);
	b = binding_by_vip(n, vip);
	return b != NULL && fill_binding(n, b->name, d);
}

static void finish(struct node *n, struct direction *d, const struct node_direction *res)
{
	TAILQ_REMOVE(&n->directions, d, link);
	n->directions_n--;
	for (unsigned int i = 0; i < d->waiters_n; i++)
		d->waiters[i].done(n->ctx, d->waiters[i].arg, res);
	/* Nothing came of it: packets that wait for the address get their answer. */
	if (d->name[0] == '\0' && res->status != NODE_DIRECTION_PATH &&
	    res->status != NODE_DIRECTION_GN)
		n->dp.ops->vip_refuse(n->dp.dp, n->now, &d->vip);
	free(d);
}

static enum node_direction_status status_of(uint16_t error)
{
	switch (error) {
	case MSG_ERR_NOT_NTM:
		return NODE_DIRECTION_NOT_NTM;
	case MSG_ERR_UNKNOWN_NAME:
		return NODE_DIRECTION_UNKNOWN;
	case MSG_ERR_UNREACHABLE:
		return NODE_DIRECTION_UNREACHABLE;
	default:
		return NODE_DIRECTION_REFUSED;
	}
}

static void asked_done(void *ctx, void *arg, const struct msg *m)
{
	struct node *n = ((struct registrar *)ctx)->chan.node;
	struct direction *d = arg;
	struct node_direction res = {.status = NODE_DIRECTION_NO_DC, .name = d->name};
	char name[NAME_MAX_LEN + 1];
	uint16_t error;

	if (m == NULL && n->now < d->until_ns) {
		d->is_asked = false; /* the DC has forgotten us: once more when it knows us again */
		n->has_dead = true;
		return;
	}
	if (m == NULL) {
		finish(n, d, &res);
		return;
	}
	error = (m->has & HAS(ERROR)) != 0 ? m->error : direction_take(n, m);
	if (error != 0) {
		res.status = status_of(error);
		res.error = error;
		if (d->name[0] != '\0')
			why_note(n, d->name, "direction refused: %s", msg_error_text(error));
		if (error == MSG_ERR_REGISTER)
			registrar_register(n);
		finish(n, d, &res);
		return;
	}
	snprintf(name, sizeof(name), "%s", m->peer_name);
	if (!is_known(n, name, NULL, &res))
		res.status = NODE_DIRECTION_REFUSED;
	finish(n, d, &res);
}

static int ask(struct node *n, struct direction *d)
{
	const struct path *p = d->name[0] != '\0' ? path_by_name(n, d->name) : NULL;
	struct msg *m = &n->tx;

	msg_init(m, MSG_DIRECTION, false, 0);
	m->has = HAS(LOCATION);
	m->location = n->location;
	if (p != NULL) { /* a renewal; without it the DC takes the path for lost */
		m->has |= HAS(PATH_ID);
		m->path_id = p->id;
	}
	if (d->name[0] != '\0') {
		m->has |= HAS(PEER_NAME);
		snprintf(m->peer_name, sizeof(m->peer_name), "%s", d->name);
	} else {
		m->has |= HAS(PEER_VIP);
		m->peer_vip = d->vip;
		node_count(n, NODE_DIRECTIONS_VIP);
	}
	link_candidates(n, m, true);
	node_count(n, NODE_DIRECTIONS);
	d->is_asked = true;
	return chan_request(&n->registrar.chan, m, NULL, asked_done, d);
}

static struct direction *find(const struct node *n, const char *name, const struct ip_addr *vip)
{
	struct direction *d;

	TAILQ_FOREACH(d, &n->directions, link)
	if (name != NULL ? strcmp(d->name, name) == 0
			 : d->name[0] == '\0' && ip_equal(&d->vip, vip))
		return d;
	return NULL;
}

static struct direction *create(struct node *n, const char *name, const struct ip_addr *vip)
{
	struct direction *d;

	if (n->directions_n >= DIRECTIONS_MAX)
		return NULL;
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return NULL;
	if (name != NULL)
		snprintf(d->name, sizeof(d->name), "%s", name);
	else
		d->vip = *vip;
	d->until_ns = n->now + DIRECTION_WAIT_NS;
	if (registrar_is_registered(n) && ask(n, d) < 0) {
		free(d);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&n->directions, d, link);
	n->directions_n++;
	return d;
}

int node_direction_start(struct node *n, uint64_t now, const char *name, const struct ip_addr *vip,
			 node_direction_done done, void *arg)
{
	struct node_direction res = {.status = NODE_DIRECTION_NO_DC, .name = name};
	struct direction *d;

	node_now(n, now);
	if (name != NULL ? !name_is_valid(name, strlen(name)) : vip == NULL)
		return -EINVAL;
	if (is_known(n, name, vip, &res)) {
		done(n->ctx, arg, &res);
		return 0;
	}
	d = find(n, name, vip);
	if (d != NULL && d->waiters_n >= DIRECTION_WAITERS_MAX)
		return -ENOBUFS;
	if (d == NULL)
		d = create(n, name, vip);
	if (d == NULL)
		return -ENOBUFS;
	d->waiters[d->waiters_n++] = (struct direction_waiter){.done = done, .arg = arg};
	return 0;
}

void node_direction_cancel(struct node *n, node_direction_done done, void *arg)
{
	struct direction *d;

	TAILQ_FOREACH(d, &n->directions, link)
	{
		for (unsigned int i = 0; i < d->waiters_n; i++) {
			if (d->waiters[i].done != done || d->waiters[i].arg != arg)
				continue;
			d->waiters[i] = d->waiters[--d->waiters_n];
			i--;
		}
	}
}

void direction_miss(struct node *n, const struct ip_addr *vip)
{
	struct path *p = path_by_vip(n, vip);

	/* Its handshake is on the way; or it is up, and the packet goes now. */
	if (p != NULL) {
		path_settle(p);
		return;
	}
	if (!node_owns_vip(n, vip)) {
		n->dp.ops->vip_refuse(n->dp.dp, n->now, vip);
		return;
	}
	if (find(n, NULL, vip) == NULL && create(n, NULL, vip) == NULL)
		n->dp.ops->vip_refuse(n->dp.dp, n->now, vip);
}

void direction_renew(struct node *n, const char *name)
{
	if (n->registrar.chan.index != 0 && find(n, name, NULL) == NULL)
		create(n, name, NULL);
}

uint16_t direction_take(struct node *n, const struct msg *m)
{
	struct leg *l;
	uint16_t error;

	if ((m->has & (HAS(RELAY_TYPE) | HAS(PEER_NAME))) != (HAS(RELAY_TYPE) | HAS(PEER_NAME)))
		return MSG_ERR_BAD_MESSAGE;
	if (m->relay_type == RELAY_SWITCH)
		return path_take(n, m);
	if (m->relay_type != RELAY_NAT || m->grants_n != 1 || m->bindings_n == 0)
		return MSG_ERR_BAD_MESSAGE;
	l = leg_take_grant(n, &m->grants[0], false);
	if (l == NULL)
		return MSG_ERR_NO_RS;
	error = binding_take(n, m, l);
	leg_open(l);
	return error;
}

uint64_t direction_poll(struct node *n)
{
	struct node_direction res = {.status = NODE_DIRECTION_NO_DC};
	uint64_t due = UINT64_MAX;
	struct direction *d, *next;

	for (d = TAILQ_FIRST(&n->directions); d != NULL; d = next) {
		next = TAILQ_NEXT(d, link);
		if (d->is_asked)
			continue;
		if (registrar_is_registered(n) && ask(n, d) == 0)
			continue;
		if (d->until_ns <= n->now) {
			res.name = d->name;
			finish(n, d, &res);
			continue;
		}
		due = node_min(due, d->until_ns);
	}
	return due;
}

void direction_fini(struct node *n)
{
	struct direction *d;

	while ((d = TAILQ_FIRST(&n->directions)) != NULL) {
		TAILQ_REMOVE(&n->directions, d, link);
		free(d);
	}
}
