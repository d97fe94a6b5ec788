/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/core.h"
#include "dc/directing.h"
#include "dc/peer_dc.h"
#include "dc/relay.h"

#include <stdlib.h>

/* Registration of nodes and relay servers, keep-alives, Status (docs/protocol.md 6.1, 6.2, 6.9). */

enum { WAIT_STORE = 1, WAIT_RELAY = 2 };

/* A node's request that waits for the store or for its home RS. */
struct registration {
	struct dc *dc;
	struct node *node;
	uint32_t txn;
	uint64_t location;
	uint8_t waits;
	uint16_t error;
	struct rs *home;
	struct grant *grant;
	bool has_news; /* something durable was made for it */
};

static void registration_free(struct registration *r)
{
	struct dc *dc = r->dc;

	relay_cancel(dc, r);
	dc_write_cancel(dc, r);
	r->node->registering = NULL;
	explicit_bzero(r, sizeof(*r));
	free(r);
}

void registration_forget(struct dc *dc, struct node *n)
{
	if (n->registering != NULL)
		registration_free(n->registering);
	n->is_registered = false;
	n->location = 0;
	n->home = NULL;
}

void registration_forget_rs(struct node *n, const struct rs *rs)
{
	struct registration *r = n->registering;

	if (n->home == rs)
		n->home = NULL;
	if (r == NULL || r->home != rs)
		return;
	r->home = NULL;
	r->grant = NULL;
}

static void note_place(struct node *n, const struct msg *m, const struct endpoint *from,
		       uint64_t now)
{
	n->location = m->location;
	n->observed = *from;
	n->heard_ns = now;
	n->candidates_n = m->candidates_n;
	memcpy(n->candidates, m->candidates, sizeof(n->candidates));
	n->suites_n = m->suites_n;
	memcpy(n->suites, m->suites, sizeof(n->suites));
	n->mtu = (m->has & HAS(MTU)) != 0 ? m->mtu : 0;
	n->nat = (m->has & HAS(NAT)) != 0 ? m->nat : NAT_UNKNOWN;
}

static void put_ranges(struct dc *dc, struct msg *m)
{
	const struct ip_prefix *own[] = {&dc->params.pool4, &dc->params.pool6, &dc->params.gn4,
					 &dc->params.gn6};

	for (unsigned int i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		m->ranges[m->ranges_n++] = *own[i];
	for (unsigned int i = 0; i < dc->params.zones_n; i++)
		memcpy(m->suffixes[m->suffixes_n++], dc->params.zones[i], sizeof(m->suffixes[0]));
	peers_announce(dc, m);
	m->has |= HAS(VIP_RANGE) | HAS(SUFFIX);
}

static void respond(struct registration *r, uint64_t now)
{
	struct node *n = r->node;
	struct dc *dc = r->dc;
	struct msg *m = &dc->tx;

	msg_init(m, MSG_REGISTRATION, true, r->txn);
	m->has |= HAS(VIPS) | HAS(OBSERVED) | HAS(LOCATION) | HAS(KEEPALIVE);
	m->vips = n->vips;
	m->observed = n->observed;
	m->location = r->location;
	m->keepalive_sec = dc->params.keepalive_sec;
	put_ranges(dc, m);
	if (r->grant != NULL) {
		m->has |= HAS(GRANT);
		grant_fill(r->grant, now, &m->grants[0]);
		m->grants_n = 1;
	}
	if (n->p.token.is_open && n->p.token.is_used) {
		m->has |= HAS(LASTING_PSK);
		memcpy(m->lasting_psk, n->p.psk, sizeof(m->lasting_psk));
	}
	channel_answer(n->p.ch, now, m);
	explicit_bzero(m->lasting_psk, sizeof(m->lasting_psk));
}

static void step(struct registration *r, uint64_t now)
{
	struct node *n = r->node;
	struct dc *dc = r->dc;

	if (r->waits != 0)
		return;
	if (r->error != 0 || n->p.ch == NULL) {
		if (n->p.ch != NULL)
			channel_refuse_txn(n->p.ch, now, MSG_REGISTRATION, r->txn, r->error);
		registration_free(r);
		return;
	}
	if (!n->is_registered || r->has_news)
		dc_publish(dc, n, false);
	n->is_registered = true;
	n->home = r->home;
	n->wants_register = false;
	if (r->grant == NULL)
		dc_count(dc, DC_COUNT_REG_NO_RS);
	dc_count(dc, DC_COUNT_REG_OK);
	place_note(dc, n->p.ch);
	respond(r, now);
	registration_free(r);
}

static void stored(struct dc *dc, uint64_t now, void *arg, int status)
{
	struct registration *r = arg;

	r->waits &= (uint8_t)~WAIT_STORE;
	r->node->is_stored = status == 0;
	if (status < 0) {
		dc_count(dc, DC_COUNT_REG_NOT_STORED);
		r->error = MSG_ERR_BUSY;
	}
	step(r, now);
}

/* Without an RS the node is registered all the same: it may be found, and hears of one later. */
static void relayed(struct dc *dc, uint64_t now, void *arg, uint16_t status, struct rs *rs,
		    struct grant *a, struct grant *b)
{
	struct registration *r = arg;

	r->waits &= (uint8_t)~WAIT_RELAY;
	r->home = status == 0 ? rs : NULL;
	r->grant = status == 0 ? a : NULL;
	step(r, now);
}

uint8_t node_families(const struct node *n)
{
	struct direction_end e;

	direction_classify(n->candidates, n->candidates_n, &n->observed, &e);
	return (uint8_t)(((e.nets & (NET_G4 | NET_P4)) != 0 ? FAMILY_V4 : 0) |
			 ((e.nets & NET_V6) != 0 ? FAMILY_V6 : 0));
}

static void ask_home(struct registration *r, uint64_t now)
{
	struct relay_want w = {
		.a = r->node->vips,
		.families_a = node_families(r->node),
		.prefer = {r->node->home},
	};

	relay_ask(r->dc, now, &w, relayed, r);
}

/* VIPs and the lasting PSK, where it has none. 0: nothing new, 1: to be stored, or an error code. */
static int give(struct dc *dc, struct node *n, uint16_t *error)
{
	int news = 0;

	if (!n->has_vips) {
		if (registry_take_vips(dc, n) < 0) {
			*error = MSG_ERR_NO_VIP;
			return -1;
		}
		news = 1;
	}
	if (!n->p.has_psk) {
		rng_fill(dc->rng, n->p.psk, sizeof(n->p.psk));
		n->p.has_psk = true;
		news = 1;
	}
	if (news)
		n->is_stored = false;
	return !n->is_stored;
}

static void register_node(struct dc *dc, uint64_t now, struct channel *ch, struct msg *m)
{
	struct node *n = party_node(ch->party);
	struct registration *r;
	uint16_t error = 0;
	int news;

	if (m->location < n->location) {
		dc_count(dc, DC_COUNT_REG_STALE);
		channel_refuse_stale(ch, now, m, n->location);
		return;
	}
	if (n->registering != NULL) {
		/* An older one that still waits: this one says more. */
		channel_refuse_txn(ch, now, MSG_REGISTRATION, n->registering->txn, MSG_ERR_BUSY);
		registration_free(n->registering);
	}
	news = give(dc, n, &error);
	r = news < 0 ? NULL : calloc(1, sizeof(*r));
	if (r == NULL) {
		dc_count(dc, news < 0 ? DC_COUNT_REG_NO_VIP : DC_COUNT_MSG_NO_MEMORY);
		channel_refuse(ch, now, m, error != 0 ? error : MSG_ERR_BUSY);
		return;
	}
	r->dc = dc;
	r->node = n;
	r->txn = m->txn;
	r->location = m->location;
	r->has_news = news > 0;
	r->waits = WAIT_RELAY | (news > 0 ? WAIT_STORE : 0);
	n->registering = r;
	note_place(n, m, &ch->from, now);
	if (news > 0 && dc_write_party(dc, &n->p, stored, r) < 0) {
		r->waits = 0;
		r->error = MSG_ERR_BUSY;
		step(r, now);
		return;
	}
	ask_home(r, now);
}

/* ---- relay servers ---- */

static void rs_respond(struct dc *dc, uint64_t now, struct rs *rs, uint32_t txn)
{
	struct msg *m = &dc->tx;

	if (rs->p.ch == NULL)
		return;
	place_note(dc, rs->p.ch);
	msg_init(m, MSG_REGISTRATION, true, txn);
	m->has |= HAS(VIPS) | HAS(OBSERVED) | HAS(LOCATION) | HAS(KEEPALIVE);
	m->observed = rs->p.ch->from;
	m->location = rs->location;
	m->keepalive_sec = dc->params.keepalive_sec;
	if (rs->p.token.is_open && rs->p.token.is_used) {
		m->has |= HAS(LASTING_PSK);
		memcpy(m->lasting_psk, rs->p.psk, sizeof(m->lasting_psk));
	}
	channel_answer(rs->p.ch, now, m);
	explicit_bzero(m->lasting_psk, sizeof(m->lasting_psk));
}

static void rs_stored(struct dc *dc, uint64_t now, void *arg, int status)
{
	struct rs *rs = arg;

	rs->is_registering = false;
	if (status == 0) {
		dc_count(dc, DC_COUNT_REG_OK);
		rs_respond(dc, now, rs, rs->registering_txn);
		return;
	}
	dc_count(dc, DC_COUNT_REG_NOT_STORED);
	rs->p.has_psk = false;
	if (rs->p.ch != NULL)
		channel_refuse_txn(rs->p.ch, now, MSG_REGISTRATION, rs->registering_txn,
				   MSG_ERR_BUSY);
}

static void register_rs(struct dc *dc, uint64_t now, struct channel *ch, struct msg *m)
{
	struct rs *rs = rs_of_party(ch->party);
	uint32_t txn = m->txn;

	if (m->location < rs->location || m->candidates_n == 0) {
		dc_count(dc, DC_COUNT_REG_STALE);
		channel_refuse(ch, now, m,
			       m->candidates_n == 0 ? MSG_ERR_BAD_MESSAGE : MSG_ERR_STALE);
		return;
	}
	rs_registered(dc, now, rs, m);
	if (rs->is_registering) {
		rs->registering_txn = txn;
		return;
	}
	if (!rs->p.has_psk) {
		rng_fill(dc->rng, rs->p.psk, sizeof(rs->p.psk));
		rs->p.has_psk = true;
		rs->registering_txn = txn;
		rs->is_registering = dc_write_party(dc, &rs->p, rs_stored, rs) == 0;
		if (!rs->is_registering) {
			rs->p.has_psk = false;
			channel_refuse(ch, now, m, MSG_ERR_BUSY);
		}
		return;
	}
	dc_count(dc, DC_COUNT_REG_OK);
	rs_respond(dc, now, rs, txn);
}

void registration_request(struct dc *dc, uint64_t now, struct channel *ch, struct msg *m)
{
	if (ch->party->kind == PARTY_RS)
		register_rs(dc, now, ch, m);
	else
		register_node(dc, now, ch, m);
}

/* A node whose home RS is gone, or that has none while there is one, or whose leave there is past half
 * of its life, is told to register again: the answer to that brings a new one.
 */
static bool must_register(struct dc *dc, struct node *n, uint64_t now)
{
	if (!n->is_registered || n->wants_register)
		return true;
	if (n->home == NULL || !n->home->is_up)
		return rs_any_up(dc);
	return grant_is_due(dc, now, grant_find(dc, n->home, &n->vips));
}

void registration_keep_alive(struct dc *dc, uint64_t now, struct channel *ch, struct msg *m)
{
	struct party *p = ch->party;
	struct msg *out = &dc->tx;

	if (p->kind == PARTY_NODE) {
		party_node(p)->heard_ns = now;
		if (must_register(dc, party_node(p), now)) {
			dc_count(dc, DC_COUNT_KEEPALIVE_UNKNOWN);
			channel_refuse(ch, now, m, MSG_ERR_REGISTER);
			return;
		}
	}
	if (p->kind == PARTY_RS && !rs_of_party(p)->is_up) {
		dc_count(dc, DC_COUNT_KEEPALIVE_UNKNOWN);
		channel_refuse(ch, now, m, MSG_ERR_REGISTER);
		return;
	}
	dc_count(dc, DC_COUNT_KEEPALIVE_OK);
	msg_init(out, MSG_KEEP_ALIVE, true, m->txn);
	out->has |= HAS(OBSERVED);
	out->observed = ch->from;
	channel_answer(ch, now, out);
}

void registration_status(struct dc *dc, uint64_t now, struct channel *ch, struct msg *m)
{
	struct rs *rs = rs_of_party(ch->party);
	struct msg *out = &dc->tx;

	if (!rs->is_up) {
		channel_refuse(ch, now, m, MSG_ERR_REGISTER);
		return;
	}
	rs_status(dc, now, rs, &m->load);
	msg_init(out, MSG_STATUS, true, m->txn);
	channel_answer(ch, now, out);
}
