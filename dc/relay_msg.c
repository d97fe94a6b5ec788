/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/core.h"
#include "dc/relay.h"

/* Rows in Relay Directions and their answers (docs/protocol.md section 6.4). */

/* A row whose time is over is told as one second: the RS forgets it by itself. */
static uint32_t seconds_left(uint64_t now, uint64_t until)
{
	return until > now + DC_NS_PER_SEC ? (uint32_t)((until - now) / DC_NS_PER_SEC) : 1;
}

void grant_fill(const struct grant *g, uint64_t now, struct msg_grant *out)
{
	memset(out, 0, sizeof(*out));
	out->has = HAS(RS_ID) | HAS(KEY_ID) | HAS(TEMP_KEY) | HAS(LIFETIME) | HAS(ENDPOINT);
	out->rs_id = g->row.rs->id;
	out->key_id = g->key_id;
	memcpy(out->temp_key, g->temp_key, sizeof(out->temp_key));
	out->lifetime_sec = seconds_left(now, g->until_ns);
	out->endpoints_n = g->endpoints_n;
	memcpy(out->endpoints, g->endpoints, sizeof(out->endpoints));
}

static bool add_grant(uint64_t now, const struct grant *g, struct msg *m)
{
	struct msg_grant *out;

	if (m->grants_n == MSG_GRANTS_MAX)
		return false;
	out = &m->grants[m->grants_n++];
	memset(out, 0, sizeof(*out));
	out->has = HAS(KEY_ID) | HAS(TEMP_KEY) | HAS(VIPS) | HAS(LIFETIME);
	out->key_id = g->key_id;
	memcpy(out->temp_key, g->temp_key, sizeof(out->temp_key));
	out->vips = g->vips;
	out->lifetime_sec = seconds_left(now, g->until_ns);
	m->has |= HAS(GRANT);
	return true;
}

static bool add_path(uint64_t now, const struct path *p, struct msg *m)
{
	struct msg_path *out;

	if (m->paths_n == MSG_PATHS_MAX)
		return false;
	out = &m->paths[m->paths_n++];
	memset(out, 0, sizeof(*out));
	out->has = HAS(PATH_ID) | HAS(KEY_ID) | HAS(KEY_ID_B) | HAS(LIFETIME);
	out->path_id = p->id;
	out->key_id = p->a.grant->key_id;
	out->key_id_b = p->b.grant->key_id;
	out->lifetime_sec = seconds_left(now, p->until_ns);
	m->has |= HAS(PATH);
	return true;
}

static bool add_binding(struct dc *dc, uint64_t now, const struct binding *b, struct msg *m)
{
	if (m->bindings_n + 2 > MSG_BINDINGS_MAX)
		return false;
	for (unsigned int v6 = 0; v6 < 2; v6++) {
		const struct ip_addr *rip = v6 ? &b->rip6 : &b->rip4;
		struct msg_binding *out = &m->bindings[m->bindings_n];

		if (ip_is_none(rip))
			continue;
		memset(out, 0, sizeof(*out));
		out->has = HAS(KEY_ID) | HAS(NUMBER) | HAS(VIP_GN) | HAS(RIP_GN) | HAS(LIFETIME);
		out->key_id = b->grant->key_id;
		out->number = 2 * b->number + v6;
		out->vip_gn = binding_vip(dc, b, v6);
		out->rip_gn = *rip;
		out->lifetime_sec = seconds_left(now, b->until_ns);
		m->bindings_n++;
		m->has |= HAS(BINDING);
	}
	return true;
}

bool row_add(struct dc *dc, uint64_t now, const struct row *r, struct msg *m)
{
	switch ((enum row_type)r->type) {
	case ROW_GRANT:
		return add_grant(now, table_entry(r, const struct grant, row), m);
	case ROW_PATH:
		return add_path(now, table_entry(r, const struct path, row), m);
	case ROW_BINDING:
		return add_binding(dc, now, table_entry(r, const struct binding, row), m);
	case ROW_TYPES:
		break;
	}
	return false;
}

static void remove_binding(const struct binding *b, struct msg *m)
{
	for (unsigned int v6 = 0; v6 < 2; v6++) {
		struct msg_binding *out = &m->bindings[m->bindings_n];

		if (ip_is_none(v6 ? &b->rip6 : &b->rip4))
			continue;
		memset(out, 0, sizeof(*out));
		out->has = HAS(KEY_ID) | HAS(NUMBER) | HAS(REMOVE);
		out->key_id = b->grant->key_id;
		out->number = 2 * b->number + v6;
		m->bindings_n++;
		m->has |= HAS(BINDING);
	}
}

/* Not waited for: a row that is not withdrawn ends with its lifetime. */
void row_withdraw(struct dc *dc, uint64_t now, const struct row *r)
{
	struct msg *m = &dc->tx;

	if (!r->rs->is_up || r->rs->p.ch == NULL)
		return;
	msg_init(m, MSG_RELAY_DIRECTION, false, 0);
	switch ((enum row_type)r->type) {
	case ROW_GRANT:
		m->grants[0].has = HAS(KEY_ID) | HAS(REMOVE);
		m->grants[0].key_id = table_entry(r, const struct grant, row)->key_id;
		m->grants_n = 1;
		m->has |= HAS(GRANT);
		break;
	case ROW_PATH:
		m->paths[0].has = HAS(PATH_ID) | HAS(REMOVE);
		m->paths[0].path_id = table_entry(r, const struct path, row)->id;
		m->paths_n = 1;
		m->has |= HAS(PATH);
		break;
	case ROW_BINDING:
		if (table_entry(r, const struct binding, row)->grant == NULL)
			return;
		remove_binding(table_entry(r, const struct binding, row), m);
		break;
	case ROW_TYPES:
		return;
	}
	channel_request(r->rs->p.ch, now, m, NULL, NULL);
}

static uint16_t first(uint16_t status, uint16_t error)
{
	return status != 0 ? status : error;
}

/* An RS that was restarted may have put the leg elsewhere: the node has to hear of it. */
static void endpoints_changed(struct dc *dc, const struct rs *rs, const struct grant *g)
{
	struct node *n = registry_by_vip(dc, &g->vips.v6);

	if (n != NULL && n->home == rs)
		n->wants_register = true;
}

static bool same_endpoints(const struct grant *g, const struct msg_grant *in)
{
	if (g->endpoints_n != in->endpoints_n)
		return false;
	for (unsigned int i = 0; i < in->endpoints_n; i++)
		if (!endpoint_equal(&g->endpoints[i], &in->endpoints[i]))
			return false;
	return true;
}

static uint16_t answer_grant(struct dc *dc, struct rs *rs, const struct msg_grant *in)
{
	struct grant *g = (in->has & HAS(KEY_ID)) != 0 ? grant_by_id(dc, in->key_id) : NULL;

	if (g == NULL || g->row.rs != rs)
		return 0; /* withdrawn or renewed since */
	if ((in->has & HAS(ERROR)) != 0) {
		g->row.is_there = false;
		return in->error;
	}
	if ((in->has & HAS(ENDPOINT)) == 0 || in->endpoints_n == 0)
		return MSG_ERR_BAD_MESSAGE;
	if (g->endpoints_n != 0 && !same_endpoints(g, in))
		endpoints_changed(dc, rs, g);
	g->endpoints_n = in->endpoints_n;
	memcpy(g->endpoints, in->endpoints, sizeof(g->endpoints));
	g->row.is_there = true;
	return 0;
}

static uint16_t answer_path(struct dc *dc, struct rs *rs, const struct msg_path *in)
{
	struct path *p = (in->has & HAS(PATH_ID)) != 0 ? path_by_id(dc, in->path_id) : NULL;

	if (p == NULL || p->row.rs != rs)
		return 0;
	if ((in->has & HAS(ERROR)) != 0) {
		p->row.is_there = false;
		return in->error;
	}
	p->row.is_there = true;
	return 0;
}

/* Both halves of a binding come in one message; one refusal refuses it. */
static uint16_t answer_binding(struct dc *dc, struct rs *rs, const struct msg_binding *in)
{
	struct grant *g = (in->has & HAS(KEY_ID)) != 0 ? grant_by_id(dc, in->key_id) : NULL;
	struct node *n = g != NULL ? registry_by_vip(dc, &g->vips.v6) : NULL;
	struct binding *b = n != NULL && (in->has & HAS(NUMBER)) != 0
				    ? binding_by_number(dc, n, in->number / 2)
				    : NULL;

	if (b == NULL || b->row.rs != rs)
		return 0;
	if ((in->has & HAS(ERROR)) != 0) {
		b->row.is_there = false;
		return in->error;
	}
	b->row.is_there = true;
	return 0;
}

uint16_t relay_answer(struct dc *dc, struct rs *rs, const struct msg *m)
{
	uint16_t status = (m->has & HAS(ERROR)) != 0 ? m->error : 0;

	if ((m->has & HAS(LOAD)) != 0)
		rs->load = m->load;
	for (unsigned int i = 0; i < m->grants_n; i++)
		status = first(status, answer_grant(dc, rs, &m->grants[i]));
	for (unsigned int i = 0; i < m->paths_n; i++)
		status = first(status, answer_path(dc, rs, &m->paths[i]));
	for (unsigned int i = 0; i < m->bindings_n; i++)
		status = first(status, answer_binding(dc, rs, &m->bindings[i]));
	if (status != 0)
		dc_count(dc, DC_COUNT_RS_REFUSED_ROW);
	return status;
}
