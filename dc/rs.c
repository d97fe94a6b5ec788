/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/core.h"
#include "dc/directing.h"
#include "dc/relay.h"

#include <stdlib.h>

static void send_rows(struct dc *dc, uint64_t now, struct rs *rs);

static void silent(void *owner, uint64_t now)
{
	struct rs *rs = owner;

	rs_down(rs->dc, rs);
}

struct party *rs_add(struct dc *dc, const char *name, uint64_t id)
{
	struct relay *r = dc->relay;
	struct rs *rs = registry_add(dc, PARTY_RS, name, sizeof(*rs));

	if (rs == NULL)
		return NULL;
	rs->dc = dc;
	rs->id = id != 0 ? id : rng_u64(dc->rng) | 1;
	for (int t = 0; t < ROW_TYPES; t++) {
		TAILQ_INIT(&rs->rows[t]);
		TAILQ_INIT(&rs->todo[t]);
	}
	timer_init(&rs->timer, silent, rs);
	r->rss[r->rss_n++] = rs;
	return &rs->p;
}

void rs_remove(struct dc *dc, struct rs *rs)
{
	struct relay *r = dc->relay;

	struct party *p;

	rs_down(dc, rs);
	dc_write_cancel(dc, rs);
	relay_leave(dc, dc->now, rs);
	TAILQ_FOREACH(p, &dc->registry.parties, link)
	if (p->kind == PARTY_NODE)
		registration_forget_rs(party_node(p), rs);
	relay_forget_rs(dc, rs);
	timer_cancel(&dc->timers, &rs->timer);
	for (uint32_t i = 0; i < r->rss_n; i++) {
		if (r->rss[i] != rs)
			continue;
		r->rss[i] = r->rss[--r->rss_n];
		break;
	}
}

void rs_opened(struct dc *dc, struct rs *rs)
{
	rs->needs_rows = true;
	rs->is_sending_rows = false;
	rs->location = 0;
}

bool rs_any_up(const struct dc *dc)
{
	for (uint32_t i = 0; i < dc->relay->rss_n; i++)
		if (dc->relay->rss[i]->is_up)
			return true;
	return false;
}

bool rs_has_address(const struct rs *rs, const struct ip_addr *a)
{
	for (unsigned int i = 0; i < rs->endpoints_n; i++)
		if (ip_equal(&rs->endpoints[i].ip, a))
			return true;
	return false;
}

void rs_down(struct dc *dc, struct rs *rs)
{
	struct row *row;

	if (rs->is_up)
		dc_count(dc, DC_COUNT_RS_DOWN);
	rs->is_up = false;
	rs->is_sending_rows = false;
	for (int t = 0; t < ROW_TYPES; t++) {
		TAILQ_FOREACH(row, &rs->rows[t], link)
		row->is_there = false;
		TAILQ_FOREACH(row, &rs->todo[t], link)
		row->is_there = false;
	}
}

static void alive(struct dc *dc, uint64_t now, struct rs *rs)
{
	rs->status_ns = now;
	rs->is_suspect = false;
	timer_set(&dc->timers, &rs->timer,
		  now + (uint64_t)dc->params.rs_silent_sec * DC_NS_PER_SEC);
}

/* Everything that lives is told again, grants before what names them. */
static void queue_rows(struct rs *rs)
{
	struct row *row;

	for (int t = 0; t < ROW_TYPES; t++) {
		TAILQ_CONCAT(&rs->todo[t], &rs->rows[t], link);
		TAILQ_FOREACH(row, &rs->todo[t], link)
		row->is_todo = true;
	}
}

void rs_registered(struct dc *dc, uint64_t now, struct rs *rs, const struct msg *m)
{
	rs->endpoints_n = 0;
	rs->families = 0;
	rs->location = m->location;
	for (unsigned int i = 0; i < m->candidates_n && rs->endpoints_n < MSG_ENDPOINTS_MAX; i++) {
		const struct endpoint *ep = &m->candidates[i].ep;

		if (!ip_is_unicast(&ep->ip))
			continue;
		rs->endpoints[rs->endpoints_n++] = *ep;
		rs->families |= ip_is_v4(&ep->ip) ? FAMILY_V4 : FAMILY_V6;
	}
	rs->is_up = true;
	alive(dc, now, rs);
	if (!rs->needs_rows)
		return;
	rs->needs_rows = false;
	queue_rows(rs);
	send_rows(dc, now, rs);
}

void rs_status(struct dc *dc, uint64_t now, struct rs *rs, const struct msg_load *load)
{
	rs->load = *load;
	rs->assigned = 0;
	alive(dc, now, rs);
}

/* The RS has just been told of their leave again. If it was started anew it knows no leg, and a node at
 * rest would not notice: it is to look after its own.
 */
static void tell_nodes(struct dc *dc, uint64_t now, const struct msg *answer)
{
	for (unsigned int i = 0; i < answer->grants_n; i++) {
		const struct grant *g = grant_by_id(dc, answer->grants[i].key_id);
		struct node *n = g != NULL ? registry_by_vip(dc, &g->vips.v6) : NULL;

		if (n == NULL || !node_is_reachable(n))
			continue;
		msg_init(&dc->tx, MSG_KEEP_ALIVE, false, 0);
		channel_request(n->p.ch, now, &dc->tx, NULL, NULL);
	}
}

static void rows_sent(void *ctx, void *arg, const struct msg *m)
{
	struct channel *ch = ctx;
	struct rs *rs = arg;
	struct dc *dc = ch->dc;

	rs->is_sending_rows = false;
	if (m == NULL) {
		dc_count(dc, DC_COUNT_RS_TIMEOUT);
		rs_down(dc, rs);
		rs->needs_rows = true;
		return;
	}
	relay_answer(dc, rs, m);
	tell_nodes(dc, dc->now, m);
	send_rows(dc, dc->now, rs);
}

/* One page of what waits to be told, all of one type; the next goes when it is answered. */
static void send_rows(struct dc *dc, uint64_t now, struct rs *rs)
{
	struct msg *m = &dc->tx;
	unsigned int n = 0;
	int t = 0;

	if (rs->is_sending_rows || rs->p.ch == NULL)
		return;
	while (t < ROW_TYPES && TAILQ_EMPTY(&rs->todo[t]))
		t++;
	if (t == ROW_TYPES)
		return;
	msg_init(m, MSG_RELAY_DIRECTION, false, 0);
	while (!TAILQ_EMPTY(&rs->todo[t])) {
		struct row *row = TAILQ_FIRST(&rs->todo[t]);

		if (!row_add(dc, now, row, m))
			break;
		TAILQ_REMOVE(&rs->todo[t], row, link);
		TAILQ_INSERT_TAIL(&rs->rows[t], row, link);
		row->is_todo = false;
		n++;
	}
	if (n > 0 && channel_request(rs->p.ch, now, m, rows_sent, rs) == 0)
		rs->is_sending_rows = true;
}
