/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/core.h"
#include "dc/directing.h"
#include "dc/peer_dc.h"
#include "dc/record.h"

#include <stdio.h>

/* Names that are not ours: whose zone is it (NS), is a DC its name server (TXT), and where is the
 * host (A, AAAA), all asked at once. With the mark the DC that speaks for the name is asked; without
 * it the name is a general host, and an RS-N is told of it.
 */

enum { WAIT_RELAY = 1, WAIT_STORE = 2 };
enum { ADDR_A, ADDR_AAAA };

static void ask(struct direction *d, enum dc_lookup_type type, const char *name, uint8_t ns)
{
	struct directing *g = d->dc->directing;

	for (int i = 0; i < DIRECTION_LOOKUPS; i++) {
		struct lookup *l = &d->lookups[i];

		if (l->id != 0)
			continue;
		l->d = d;
		l->id = g->next_lookup;
		g->next_lookup += 2; /* odd, so never 0 */
		l->type = (uint8_t)type;
		l->ns = ns;
		table_add(&g->lookups, &l->by_id, table_hash(&g->lookups, &l->id, sizeof(l->id)));
		d->dc->ops->lookup(d->dc->ctx, l->id, type, name);
		return;
	}
}

void direction_lookup(struct direction *d, uint64_t now)
{
	d->zone = d->cn.name;
	ask(d, DC_LOOKUP_A, d->cn.name, 0);
	ask(d, DC_LOOKUP_AAAA, d->cn.name, 0);
	ask(d, DC_LOOKUP_NS, d->zone, 0);
}

static bool is_waiting(const struct direction *d)
{
	for (int i = 0; i < DIRECTION_LOOKUPS; i++)
		if (d->lookups[i].id != 0)
			return true;
	return false;
}

/* ---- general hosts ---- */

static bool is_inner(const struct dc *dc, const struct ip_addr *a)
{
	for (unsigned int i = 0; i < dc->params.inner_n; i++)
		if (prefix_contains(&dc->params.inner[i], a))
			return true;
	return false;
}

/* Never: our own machines, virtual addresses of anybody, what is not one host's unicast address. The
 * RS refuses the same by itself.
 */
static bool is_forbidden(struct dc *dc, const struct ip_addr *a)
{
	const struct ip_prefix *pools[] = {&dc->params.pool4, &dc->params.pool6, &dc->params.gn4,
					   &dc->params.gn6};

	if (!ip_is_unicast(a) || (!ip_is_global_unicast(a) && !is_inner(dc, a)))
		return true;
	for (unsigned int i = 0; i < sizeof(pools) / sizeof(pools[0]); i++)
		if (prefix_contains(pools[i], a))
			return true;
	for (unsigned int i = 0; i < dc->params.own_n; i++)
		if (ip_equal(&dc->params.own[i], a))
			return true;
	for (uint32_t i = 0; i < dc->relay->rss_n; i++)
		if (rs_has_address(dc->relay->rss[i], a))
			return true;
	return peer_by_vip(dc, a) != NULL;
}

static bool in_relay_policy(const struct dc *dc, const char *name)
{
	if (dc->params.relay_suffixes_n == 0)
		return true;
	for (unsigned int i = 0; i < dc->params.relay_suffixes_n; i++)
		if (name_is_under(name, dc->params.relay_suffixes[i]))
			return true;
	return false;
}

/* Drop what may not be reached, also an AAAA of a mapped address, which is no IPv6 host. False:
 * nothing is left.
 */
static bool filter(struct direction *d)
{
	bool any = false;

	for (int f = ADDR_A; f <= ADDR_AAAA; f++) {
		uint8_t kept = 0;

		for (uint8_t i = 0; i < d->addrs_n[f]; i++)
			if (ip_is_v4(&d->addrs[f][i]) == (f == ADDR_A) &&
			    !is_forbidden(d->dc, &d->addrs[f][i]))
				d->addrs[f][kept++] = d->addrs[f][i];
		d->addrs_n[f] = kept;
		any = any || kept > 0;
	}
	return any;
}

static bool is_current(const struct direction *d, const struct ip_addr *rip)
{
	if (ip_is_none(rip))
		return true;
	for (int f = ADDR_A; f <= ADDR_AAAA; f++)
		for (uint8_t i = 0; i < d->addrs_n[f]; i++)
			if (ip_equal(&d->addrs[f][i], rip))
				return true;
	return false;
}

/* The binding that this name has had, if the host is still where it was; else a new one, so that a
 * virtual address never changes its host.
 */
static struct binding *binding_for(struct direction *d)
{
	struct binding *b = binding_find(d->dc, d->mn.node, d->cn.name);

	for (; b != NULL; b = binding_find_next(b))
		if (is_current(d, &b->rip4) && is_current(d, &b->rip6))
			return b;
	return binding_add(d->dc, d->mn.node, d->cn.name);
}

static void add_row(const struct direction *d, uint64_t now, bool v6, struct msg *m)
{
	const struct binding *b = d->binding;
	const struct ip_addr *rip = v6 ? &b->rip6 : &b->rip4;
	struct msg_binding *out = &m->bindings[m->bindings_n];

	if (ip_is_none(rip))
		return;
	memset(out, 0, sizeof(*out));
	out->has = HAS(NUMBER) | HAS(VIP_GN) | HAS(RIP_GN) | HAS(LIFETIME);
	out->number = 2 * b->number + v6;
	out->vip_gn = binding_vip(d->dc, b, v6);
	out->rip_gn = *rip;
	out->lifetime_sec = (uint32_t)((b->until_ns - now) / DC_NS_PER_SEC);
	m->bindings_n++;
}

static void deliver(struct direction *d, uint64_t now)
{
	struct dc *dc = d->dc;
	struct msg *m = &dc->tx;

	for (unsigned int i = 0; i < d->askers_n; i++) {
		struct channel *ch = d->askers[i].node->p.ch;

		if (ch == NULL)
			continue;
		msg_init(m, MSG_ROUTE_DIRECTION, true, d->askers[i].txn);
		m->has |=
			HAS(RELAY_TYPE) | HAS(PEER_NAME) | HAS(GRANT) | HAS(BINDING) | HAS(REASON);
		m->relay_type = RELAY_NAT;
		memcpy(m->peer_name, d->cn.name, sizeof(m->peer_name));
		grant_fill(d->grant, now, &m->grants[0]);
		m->grants_n = 1;
		add_row(d, now, false, m);
		add_row(d, now, true, m);
		m->reason = d->gn_row;
		snprintf(m->reason_text, sizeof(m->reason_text), "%s", d->gn_text);
		channel_answer(ch, now, m);
	}
	direction_finish(d, now, 0);
}

static void gn_step(struct direction *d, uint64_t now)
{
	if (d->waits != 0)
		return;
	if (d->status == 0) {
		deliver(d, now);
		return;
	}
	/* It rests, as after any use: the RS may have heard of it. */
	if (d->binding->is_live && !d->binding->row.is_there)
		binding_end(d->dc, now, d->binding);
	direction_finish(d, now, d->status);
}

static void gn_placed(struct dc *dc, uint64_t now, void *arg, uint16_t status, struct rs *rs,
		      struct grant *a, struct grant *b)
{
	struct direction *d = arg;

	d->waits &= (uint8_t)~WAIT_RELAY;
	d->rs = rs;
	d->grant = a;
	if (status != 0)
		d->status = status;
	gn_step(d, now);
}

static void gn_stored(struct dc *dc, uint64_t now, void *arg, int status)
{
	struct direction *d = arg;

	d->waits &= (uint8_t)~WAIT_STORE;
	if (status == 0)
		d->binding->is_stored = true;
	else
		d->status = MSG_ERR_BUSY;
	gn_step(d, now);
}

/* That these addresses rest for a day must survive a restart, so it is stored before they are told. */
static int store_binding(struct direction *d)
{
	const struct binding *b = d->binding;
	struct dc_write *w = dc_write_new(DC_TABLE_BINDING);
	struct record_binding r = {.until = b->rest_real, .rip4 = b->rip4, .rip6 = b->rip6};

	if (w == NULL)
		return -1;
	memcpy(r.name, b->name, sizeof(r.name));
	w->key_len = (uint16_t)record_binding_key(d->mn.node->p.name, b->number, w->key);
	w->value_len = (uint16_t)record_binding_encode(&r, w->value);
	return dc_write_submit(d->dc, w, NULL, gn_stored, d);
}

static void bind_host(struct direction *d, uint64_t now)
{
	struct dc *dc = d->dc;
	struct relay_want w = {.a = d->mn.vips, .families_a = node_families(d->mn.node)};

	w.binding = d->binding;
	w.rip4 = d->addrs_n[ADDR_A] > 0 ? d->addrs[ADDR_A][0] : w.rip4;
	w.rip6 = d->addrs_n[ADDR_AAAA] > 0 ? d->addrs[ADDR_AAAA][0] : w.rip6;
	w.families_gn = (uint8_t)((d->addrs_n[ADDR_A] > 0 ? FAMILY_V4 : 0) |
				  (d->addrs_n[ADDR_AAAA] > 0 ? FAMILY_V6 : 0));
	/* General hosts know the RS as their peer: it stays the same while it lives. */
	w.prefer[0] = d->binding->row.rs;
	w.prefer[1] = d->mn.node->home;
	d->waits = WAIT_RELAY | WAIT_STORE;
	relay_ask(dc, now, &w, gn_placed, d);
	if (!d->binding->is_stored && d->status == 0 && store_binding(d) == 0)
		return;
	if (!d->binding->is_stored && d->status == 0)
		d->status = MSG_ERR_BUSY;
	d->waits &= (uint8_t)~WAIT_STORE;
	gn_step(d, now);
}

static void general_host(struct direction *d, uint64_t now)
{
	struct dc *dc = d->dc;
	struct direction_end mn;
	const struct direction_gn_row *row;
	const struct ip_addr *rip;

	if (!in_relay_policy(dc, d->cn.name)) {
		direction_finish(d, now, MSG_ERR_NOT_NTM);
		return;
	}
	if (!filter(d)) {
		direction_finish(d, now, MSG_ERR_REFUSED_DST);
		return;
	}
	rip = d->addrs_n[ADDR_A] > 0 ? &d->addrs[ADDR_A][0] : &d->addrs[ADDR_AAAA][0];
	direction_classify(d->mn.candidates, d->mn.candidates_n, &d->mn.observed, &mn);
	row = direction_choose_gn(&mn, d->mn.candidates, d->mn.candidates_n, rip,
				  is_inner(dc, rip));
	if (row->way != GN_RELAY) {
		direction_finish(d, now, MSG_ERR_NO_PATH);
		return;
	}
	d->gn_row = direction_gn_row_number(row);
	d->gn_text = row->text;
	d->binding = binding_for(d);
	if (d->binding == NULL) {
		direction_finish(d, now, MSG_ERR_NO_VIP);
		return;
	}
	bind_host(d, now);
}

/* ---- look-ups ---- */

/* All answers are in and none had the mark. */
static void unmarked(struct direction *d, uint64_t now)
{
	if (d->has_failed) {
		/* Perhaps an NTMobile name: its real address is nobody's to give. */
		direction_finish(d, now, MSG_ERR_TIMEOUT);
		return;
	}
	if (d->addrs_n[ADDR_A] + d->addrs_n[ADDR_AAAA] > 0) {
		general_host(d, now);
		return;
	}
	direction_finish(d, now,
			 d->statuses[ADDR_A] == DC_LOOKUP_FAILED ||
					 d->statuses[ADDR_AAAA] == DC_LOOKUP_FAILED
				 ? MSG_ERR_TIMEOUT
				 : MSG_ERR_UNKNOWN_NAME);
}

/* The mark alone proves nothing: the DC must be one that we know by its key. */
static void marked(struct direction *d, uint64_t now, const char *server)
{
	struct peer_dc *peer = peer_by_name(d->dc, server);

	if (peer == NULL || !peer_speaks_for(peer, d->cn.name)) {
		dc_count(d->dc, DC_COUNT_PEER_AUTHORITY);
		direction_finish(d, now, MSG_ERR_UNREACHABLE);
		return;
	}
	direction_ask_peer(d, now, peer);
}

static void got_addresses(struct direction *d, int family, const struct dc_lookup_result *r)
{
	d->statuses[family] = (uint8_t)r->status;
	if (r->status != DC_LOOKUP_OK)
		return;
	for (uint8_t i = 0; i < r->addrs_n && i < DC_LOOKUP_ADDRS_MAX; i++)
		d->addrs[family][d->addrs_n[family]++] = r->addrs[i];
}

/* The zone's servers, or the next shorter name. A top-level domain is nobody's DC. */
static void got_servers(struct direction *d, const struct dc_lookup_result *r)
{
	const char *dot = strchr(d->zone, '.');

	if (r->status == DC_LOOKUP_FAILED) {
		d->has_failed = true;
		return;
	}
	if (r->status == DC_LOOKUP_OK && r->names_n > 0) {
		for (uint8_t i = 0; i < r->names_n && d->ns_n < DIRECTION_NS_MAX; i++) {
			memcpy(d->ns[d->ns_n], r->names[i], sizeof(d->ns[0]));
			ask(d, DC_LOOKUP_TXT, d->ns[d->ns_n], d->ns_n);
			d->ns_n++;
		}
		return;
	}
	if (dot == NULL || strchr(dot + 1, '.') == NULL)
		return;
	d->zone = dot + 1;
	ask(d, DC_LOOKUP_NS, d->zone, 0);
}

void directing_lookup_done(struct dc *dc, uint64_t now, uint64_t id,
			   const struct dc_lookup_result *r)
{
	struct table *t = &dc->directing->lookups;
	struct table_link *link = table_first(t, table_hash(t, &id, sizeof(id)));
	struct lookup *l = NULL;
	struct direction *d;

	for (; link != NULL; link = table_next(link)) {
		l = table_entry(link, struct lookup, by_id);
		if (l->id == id)
			break;
	}
	if (link == NULL)
		return; /* its direction is over */
	d = l->d;
	table_del(t, &l->by_id);
	l->id = 0;
	switch ((enum dc_lookup_type)l->type) {
	case DC_LOOKUP_A:
		got_addresses(d, ADDR_A, r);
		break;
	case DC_LOOKUP_AAAA:
		got_addresses(d, ADDR_AAAA, r);
		break;
	case DC_LOOKUP_NS:
		got_servers(d, r);
		break;
	case DC_LOOKUP_TXT:
		if (r->status == DC_LOOKUP_OK && r->has_mark && d->cn.peer == NULL) {
			marked(d, now, d->ns[l->ns]);
			return;
		}
		d->has_failed = d->has_failed || r->status == DC_LOOKUP_FAILED;
		break;
	}
	if (d->cn.peer == NULL && !is_waiting(d))
		unmarked(d, now);
}
