/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/ctl.h"

#include "common/base64.h"
#include "common/join.h"
#include "dc/core.h"
#include "dc/peer_dc.h"
#include "dc/relay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { EXPIRES_DEFAULT_S = 86400 };

static json_t *refusal(const char *text)
{
	return json_pack("{s:s}", "error", text);
}

/* ---- enrolment ---- */

struct add {
	struct dc *dc;
	dc_ctl_answer answer;
	void *arg;
	struct join join;
};

static json_t *invitation(const struct join *j)
{
	char key[BASE64_KEY_SIZE], token[BASE64_KEY_SIZE], text[JOIN_TEXT_MAX];
	json_t *a;

	base64_encode(j->dc_key, sizeof(j->dc_key), false, key);
	base64_encode(j->token, sizeof(j->token), false, token);
	join_format(j, text);
	a = json_pack("{s:s, s:s, s:s, s:s, s:I, s:s}", "name", j->name, "dc", j->dc,
		      "dc_public_key", key, "token", token, "expires_at", (json_int_t)j->expires_s,
		      "join", text);
	explicit_bzero(token, sizeof(token));
	explicit_bzero(text, sizeof(text));
	return a;
}

static void added(void *arg, int status)
{
	struct add *add = arg;

	add->answer(add->arg, status == 0 ? invitation(&add->join)
					  : refusal("the store could not write it down"));
	explicit_bzero(add, sizeof(*add));
	free(add);
}

/* The full, lower-case name of args, or a refusal. */
static const char *full_name(const struct dc *dc, const json_t *args, enum dc_kind *kind,
			     char name[NAME_MAX_LEN + 1])
{
	const char *given = json_string_value(json_object_get(args, "name"));
	const char *as = json_string_value(json_object_get(args, "kind"));
	int n;

	if (given == NULL)
		return "a name is wanted";
	if (as != NULL && strcmp(as, "rs") != 0 && strcmp(as, "node") != 0)
		return "kind is node or rs";
	*kind = as != NULL && strcmp(as, "rs") == 0 ? DC_RS : DC_NODE;
	n = strchr(given, '.') != NULL
		    ? snprintf(name, NAME_MAX_LEN + 1, "%s", given)
		    : snprintf(name, NAME_MAX_LEN + 1, "%s.%s", given, dc->params.zones[0]);
	if (n < 1 || n > NAME_MAX_LEN)
		return "the name is too long";
	if (name[n - 1] == '.')
		name[n - 1] = '\0';
	for (char *c = name; *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	return name_is_valid(name, strlen(name)) ? NULL : "that is not a valid name";
}

static const char *enrol_text(int err)
{
	switch (err) {
	case -EINVAL:
		return "the name is not below a zone of this DC";
	case -ENOSPC:
		return "the table is full";
	default:
		return "no memory";
	}
}

void dc_ctl_node_add(struct dc *dc, uint64_t now, const json_t *args, dc_ctl_answer answer,
		     void *arg)
{
	const json_t *e = json_object_get(args, "expires_s");
	json_int_t expires = e != NULL ? json_integer_value(e) : EXPIRES_DEFAULT_S;
	char name[NAME_MAX_LEN + 1];
	enum dc_kind kind;
	const char *why = full_name(dc, args, &kind, name);
	struct add *add;
	int ret;

	if (why == NULL && (expires < 0 || expires > UINT32_MAX))
		why = "expires_s is out of range";
	if (why != NULL) {
		answer(arg, refusal(why));
		return;
	}
	add = calloc(1, sizeof(*add));
	if (add == NULL) {
		answer(arg, refusal("no memory"));
		return;
	}
	add->answer = answer;
	add->arg = arg;
	memcpy(add->join.name, name, sizeof(name));
	memcpy(add->join.dc, dc->params.name, sizeof(dc->params.name));
	memcpy(add->join.dc_key, dc->self.pub, sizeof(add->join.dc_key));
	add->join.expires_s =
		expires == 0 ? 0 : dc_real(dc, now) / DC_NS_PER_SEC + (uint64_t)expires;
	ret = dc_enrol(dc, now, kind, name, (uint32_t)expires, add->join.token, added, add);
	if (ret < 0) {
		free(add);
		answer(arg, refusal(enrol_text(ret)));
	}
}

struct del {
	dc_ctl_answer answer;
	void *arg;
	char name[NAME_MAX_LEN + 1];
};

static void deleted(void *arg, int status)
{
	struct del *d = arg;

	d->answer(d->arg, status == 0 ? json_pack("{s:s, s:s}", "name", d->name, "state", "deleted")
				      : refusal("the store could not write it down"));
	free(d);
}

void dc_ctl_node_del(struct dc *dc, uint64_t now, const json_t *args, dc_ctl_answer answer,
		     void *arg)
{
	struct del *d = calloc(1, sizeof(*d));
	const char *why = "no memory";
	enum dc_kind kind = DC_NODE;
	int ret;

	if (d != NULL)
		why = full_name(dc, args, &kind, d->name);
	if (why != NULL) {
		free(d);
		answer(arg, refusal(why));
		return;
	}
	d->answer = answer;
	d->arg = arg;
	ret = dc_expel(dc, now, kind, d->name, deleted, d);
	if (ret < 0) {
		free(d);
		answer(arg, refusal(ret == -ENOENT ? "no such name" : "no memory"));
	}
}

/* ---- what there is ---- */

static const char *nat_name(uint8_t nat)
{
	static const char *const names[] = {"unknown", "none", "independent", "dependent"};

	return nat < sizeof(names) / sizeof(names[0]) ? names[nat] : "unknown";
}

static const char *state_of(const struct party *p)
{
	if (p->kind == PARTY_NODE && party_node(p)->is_registered)
		return node_is_reachable(party_node(p)) ? "registered" : "silent";
	if (p->kind == PARTY_RS && rs_of_party(p)->is_up)
		return "registered";
	return p->has_key ? "enrolled" : "invited";
}

static void put_addr(json_t *o, const char *name, const struct ip_addr *a)
{
	char text[IP_TEXT_MAX];

	json_object_set_new(o, name, json_string(ip_format(a, text)));
}

static void put_endpoint(json_t *o, const char *name, const struct endpoint *ep)
{
	char text[ENDPOINT_TEXT_MAX];

	json_object_set_new(o, name, json_string(endpoint_format(ep, text)));
}

static json_t *party_json(struct party *p, uint64_t now)
{
	json_t *o = json_pack("{s:s, s:s, s:s}", "name", p->name, "kind",
			      p->kind == PARTY_RS ? "rs" : "node", "state", state_of(p));

	if (p->kind == PARTY_NODE && party_node(p)->has_vips) {
		put_addr(o, "vip4", &party_node(p)->vips.v4);
		put_addr(o, "vip6", &party_node(p)->vips.v6);
	}
	if (p->kind == PARTY_NODE && party_node(p)->is_registered)
		json_object_set_new(o, "nat", json_string(nat_name(party_node(p)->nat)));
	if (p->ch != NULL && p->ch->is_up) {
		put_endpoint(o, "endpoint", &p->ch->remote);
		json_object_set_new(o, "seen_s",
				    json_real((double)(now - p->ch->heard_ns) / DC_NS_PER_SEC));
	}
	return o;
}

void dc_ctl_node_list(struct dc *dc, uint64_t now, const json_t *args, dc_ctl_answer answer,
		      void *arg)
{
	json_t *list = json_array();
	struct party *p;

	TAILQ_FOREACH(p, &dc->registry.parties, link)
	if (p->kind != PARTY_PEER)
		json_array_append_new(list, party_json(p, now));
	answer(arg, json_pack("{s:o}", "nodes", list));
}

json_t *dc_ctl_status(const struct dc *dc)
{
	json_int_t registered = 0, rss = 0, peers = 0;
	char key[BASE64_KEY_SIZE];
	const struct party *p;

	TAILQ_FOREACH(p, &dc->registry.parties, link)
	registered += p->kind == PARTY_NODE && party_node(p)->is_registered;
	for (uint32_t i = 0; i < dc->relay->rss_n; i++)
		rss += dc->relay->rss[i]->is_up;
	for (unsigned int i = 0; i < dc->peers->n; i++)
		peers += peer_channel(dc->peers->list[i]) != NULL;
	base64_encode(dc->self.pub, sizeof(dc->self.pub), false, key);
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "zone",
			 dc->params.zones[0], "name", dc->params.name, "public_key", key, "nodes",
			 (json_int_t)dc->registry.nodes_n, "registered", registered, "rss", rss,
			 "peers", peers, "paths", (json_int_t)dc->relay->paths.n, "grants",
			 (json_int_t)dc->relay->grants.n, "general_hosts",
			 (json_int_t)dc->relay->bindings.n, "directions",
			 (json_int_t)dc->directing->n);
}

static void put_count(json_t *o, const char *name, uint64_t v)
{
	char lower[64];
	size_t i = 0;

	for (; name[i] != '\0' && i + 1 < sizeof(lower); i++)
		lower[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] - 'A' + 'a' : name[i]);
	lower[i] = '\0';
	json_object_set_new(o, lower, json_integer((json_int_t)v));
}

json_t *dc_ctl_counters(const struct dc *dc)
{
	json_t *o = json_object(), *hs = json_object(), *sessions = json_object();
	const struct party *p;
	uint64_t v[SESSION_VERDICT_COUNT];

	for (int c = 0; c < DC_COUNT_MAX; c++)
		put_count(o, dc_counter_name((enum dc_counter)c), dc->count[c]);
	for (int c = 0; c < HS_VERDICT_COUNT; c++)
		put_count(hs, hs_verdict_name((enum hs_verdict)c), gate_verdicts(dc, c));
	memcpy(v, dc->session_verdicts, sizeof(v));
	TAILQ_FOREACH(p, &dc->registry.parties, link)
	{
		for (int i = 0; p->ch != NULL && i < CHANNEL_SESSIONS; i++) {
			const struct session *s = p->ch->sessions[i].s;

			for (int c = 0; s != NULL && c < SESSION_VERDICT_COUNT; c++)
				v[c] += session_stats(s)->verdicts[c];
		}
	}
	for (int c = 0; c < SESSION_VERDICT_COUNT; c++)
		put_count(sessions, session_verdict_name((enum session_verdict)c), v[c]);
	json_object_set_new(o, "handshake", hs);
	json_object_set_new(o, "session", sessions);
	return o;
}

static const char *kind_name(const struct party *p)
{
	static const char *const names[] = {
		[PARTY_NODE] = "node-dc", [PARTY_RS] = "rs-dc", [PARTY_PEER] = "dc-dc"};

	return names[p->kind];
}

void dc_ctl_sessions(const struct dc *dc, uint64_t now, json_t *list)
{
	const struct party *p;
	char id[17];

	TAILQ_FOREACH(p, &dc->registry.parties, link)
	{
		const struct assoc_life *l;
		json_t *o;

		if (p->ch == NULL || !p->ch->assoc.live.is_used)
			continue;
		l = &p->ch->assoc.live;
		snprintf(id, sizeof(id), "%016" PRIx64, l->own_index);
		o = json_pack("{s:s, s:s, s:s, s:s, s:i, s:f}", "id", id, "kind", kind_name(p),
			      "peer", p->name, "state", p->ch->is_up ? "up" : "opening", "epoch",
			      (int)l->epoch, "age_s", (double)(now - l->since_ns) / DC_NS_PER_SEC);
		put_endpoint(o, "endpoint", &p->ch->remote);
		json_array_append_new(list, o);
	}
}

static const char *end_name(const struct path *p, int i, const struct path_end *e, char *buf)
{
	return p->nodes[i] != NULL ? p->nodes[i]->p.name : ip_format(&e->vips.v6, buf);
}

static json_t *path_json(const struct path *p, uint64_t now)
{
	static const char *const routes[] = {
		[ROUTE_RELAY] = "relay", [ROUTE_DIRECT] = "direct", [ROUTE_OPTIMISE] = "optimise"};
	char id[17], a[IP_TEXT_MAX], b[IP_TEXT_MAX];
	char peer[2 * NAME_MAX_LEN + 8];

	snprintf(id, sizeof(id), "%016" PRIx64, p->id);
	snprintf(peer, sizeof(peer), "%s <-> %s", end_name(p, 0, &p->a, a),
		 end_name(p, 1, &p->b, b));
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:f}", "id", id, "peer", peer, "route",
			 p->why != NULL ? routes[p->why->route] : "none", "reason",
			 p->why != NULL ? p->why->text : "", "rs", p->row.rs->p.name, "age_s",
			 (double)(now - p->made_ns) / DC_NS_PER_SEC);
}

void dc_ctl_paths(const struct dc *dc, uint64_t now, json_t *list)
{
	const struct row *row;

	for (uint32_t i = 0; i < dc->relay->rss_n; i++) {
		const struct rs *rs = dc->relay->rss[i];

		TAILQ_FOREACH(row, &rs->rows[ROW_PATH], link)
		json_array_append_new(list,
				      path_json(table_entry(row, const struct path, row), now));
		TAILQ_FOREACH(row, &rs->todo[ROW_PATH], link)
		json_array_append_new(list,
				      path_json(table_entry(row, const struct path, row), now));
	}
}
