/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/core.h"
#include "dc/peer_dc.h"

#include <stdlib.h>

/* Information and Route Direction between DCs, as the one who asks (DC_MN) and as the one who is
 * asked (DC_CN).
 */

static struct peer_dc *peer_of(struct channel *ch)
{
	return (struct peer_dc *)(void *)ch->party;
}

static bool in_pools(const struct peer_dc *peer, const struct vips *v)
{
	return !ip_is_none(&v->v6) && peer_by_vip(peer->dc, &v->v6) == peer &&
	       (ip_is_none(&v->v4) || peer_by_vip(peer->dc, &v->v4) == peer);
}

/* ---- asking ---- */

static bool take_end(struct direction *d, const struct msg *m)
{
	struct end *e = &d->cn;
	bool by_vip = !ip_is_none(&d->vip);

	if (!peer_speaks_for(e->peer, m->peer_name) || !in_pools(e->peer, &m->peer_vips))
		return false;
	if (by_vip ? !ip_equal(&m->peer_vips.v4, &d->vip) && !ip_equal(&m->peer_vips.v6, &d->vip)
		   : strcmp(m->peer_name, e->name) != 0)
		return false;
	memcpy(e->name, m->peer_name, sizeof(e->name));
	e->vips = m->peer_vips;
	memcpy(e->key, m->peer_key, sizeof(e->key));
	e->location = m->peer_location;
	e->observed = m->observed;
	e->candidates_n = m->candidates_n;
	memcpy(e->candidates, m->candidates, sizeof(e->candidates));
	e->suites_n = m->suites_n;
	memcpy(e->suites, m->suites, sizeof(e->suites));
	e->nat = (m->has & HAS(NAT)) != 0 ? m->nat : NAT_UNKNOWN;
	e->mtu = (m->has & HAS(MTU)) != 0 ? m->mtu : 0;
	return true;
}

static void informed(void *ctx, void *arg, const struct msg *m)
{
	struct direction *d = arg;
	struct dc *dc = d->dc;

	if (m == NULL) {
		direction_finish(d, dc->now, MSG_ERR_TIMEOUT);
		return;
	}
	if ((m->has & HAS(ERROR)) != 0) {
		direction_finish(d, dc->now, m->error);
		return;
	}
	if (!take_end(d, m)) {
		dc_count(dc, DC_COUNT_PEER_AUTHORITY);
		direction_finish(d, dc->now, MSG_ERR_UNREACHABLE);
		return;
	}
	direction_decide(d, dc->now);
}

void direction_ask_peer(struct direction *d, uint64_t now, struct peer_dc *peer)
{
	struct dc *dc = d->dc;
	struct channel *ch = peer_channel(peer);
	struct msg *m = &dc->tx;

	d->cn.peer = peer;
	if (ch == NULL) {
		direction_finish(d, now, MSG_ERR_TIMEOUT);
		return;
	}
	msg_init(m, MSG_INFORMATION, false, 0);
	m->has |= HAS(NAME) | HAS(VIPS) | HAS(PEER_NAME) | HAS(LOCATION) | HAS(CANDIDATE) |
		  HAS(OBSERVED) | HAS(SUITES) | HAS(NAT);
	memcpy(m->name, d->mn.name, sizeof(m->name));
	m->vips = d->mn.vips;
	/* By address: the name stands for the zone that the address must be of. */
	memcpy(m->peer_name, ip_is_none(&d->vip) ? d->cn.name : peer->conf.zones[0],
	       sizeof(m->peer_name));
	if (!ip_is_none(&d->vip)) {
		m->has |= HAS(PEER_VIP);
		m->peer_vip = d->vip;
	}
	m->location = d->mn.location;
	m->candidates_n = d->mn.candidates_n;
	memcpy(m->candidates, d->mn.candidates, sizeof(m->candidates));
	m->observed = d->mn.observed;
	m->suites_n = d->mn.suites_n;
	memcpy(m->suites, d->mn.suites, sizeof(m->suites));
	m->nat = d->mn.nat;
	if (channel_request(ch, now, m, informed, d) < 0)
		direction_finish(d, now, MSG_ERR_BUSY);
}

/* ---- being asked ---- */

void peer_information(struct dc *dc, uint64_t now, struct channel *ch, struct msg *m)
{
	struct peer_dc *peer = peer_of(ch);
	struct msg *out = &dc->tx;
	struct node *n = NULL;
	struct party *p;

	if (!peer->is_associated || !peer_speaks_for(peer, m->name) || !in_pools(peer, &m->vips)) {
		dc_count(dc, DC_COUNT_INFO_REFUSED);
		channel_refuse(ch, now, m, MSG_ERR_NOT_ALLOWED);
		return;
	}
	if ((m->has & HAS(PEER_VIP)) != 0) {
		n = registry_by_vip(dc, &m->peer_vip);
	} else {
		p = registry_by_name(dc, PARTY_NODE, m->peer_name);
		n = p != NULL ? party_node(p) : NULL;
	}
	if (n == NULL || !node_is_reachable(n)) {
		channel_refuse(ch, now, m, n == NULL ? MSG_ERR_UNKNOWN_NAME : MSG_ERR_UNREACHABLE);
		return;
	}
	dc_count(dc, DC_COUNT_INFO_OK);
	msg_init(out, MSG_INFORMATION, true, m->txn);
	out->has |= HAS(PEER_NAME) | HAS(PEER_VIPS) | HAS(PEER_KEY) | HAS(PEER_LOCATION) |
		    HAS(SUITES) | HAS(CANDIDATE) | HAS(OBSERVED) | HAS(NAT) | HAS(MTU);
	memcpy(out->peer_name, n->p.name, sizeof(out->peer_name));
	out->peer_vips = n->vips;
	memcpy(out->peer_key, n->p.key, sizeof(out->peer_key));
	out->peer_location = n->location;
	out->suites_n = n->suites_n;
	memcpy(out->suites, n->suites, sizeof(out->suites));
	out->candidates_n = n->candidates_n;
	memcpy(out->candidates, n->candidates, sizeof(out->candidates));
	out->observed = n->observed;
	out->nat = n->nat;
	out->mtu = n->mtu;
	channel_answer(ch, now, out);
}

/* A Route Direction of another DC on its way to our node; answered when the node has. */
struct forward {
	struct dc *dc;
	struct peer_dc *peer;
	uint32_t txn;
};

static void forwarded(void *ctx, void *arg, const struct msg *m)
{
	struct forward *f = arg;
	struct dc *dc = f->dc;
	struct channel *back = f->peer->p.ch;
	struct channel *ch = ctx;
	struct msg *out = &dc->tx;

	if (m == NULL)
		party_node(ch->party)->is_silent = true;
	if (back == NULL) {
		free(f);
		return;
	}
	if (m == NULL || (m->has & HAS(ERROR)) != 0) {
		channel_refuse_txn(back, dc->now, MSG_ROUTE_DIRECTION, f->txn,
				   m == NULL ? MSG_ERR_UNREACHABLE : m->error);
	} else {
		msg_init(out, MSG_ROUTE_DIRECTION, true, f->txn);
		channel_answer(back, dc->now, out);
	}
	free(f);
}

static struct node *addressee(struct dc *dc, const struct peer_dc *peer, const struct msg *m)
{
	const uint64_t needed = HAS(NAME) | HAS(VIPS) | HAS(PEER_VIPS) | HAS(PATH_ID);
	struct party *p;

	if (!peer->is_associated || (m->has & needed) != needed || m->relay_type != RELAY_SWITCH ||
	    !peer_speaks_for(peer, m->peer_name) || !in_pools(peer, &m->peer_vips))
		return NULL;
	p = registry_by_name(dc, PARTY_NODE, m->name);
	if (p == NULL || !ip_equal(&party_node(p)->vips.v6, &m->vips.v6) ||
	    !ip_equal(&party_node(p)->vips.v4, &m->vips.v4))
		return NULL;
	return party_node(p);
}

void peer_route_direction(struct dc *dc, uint64_t now, struct channel *ch, struct msg *m)
{
	struct peer_dc *peer = peer_of(ch);
	struct node *n = addressee(dc, peer, m);
	uint32_t txn = m->txn;
	struct forward *f;

	if (n == NULL) {
		dc_count(dc, DC_COUNT_PEER_AUTHORITY);
		channel_refuse(ch, now, m, MSG_ERR_NOT_ALLOWED);
		return;
	}
	if (!node_is_reachable(n)) {
		channel_refuse(ch, now, m, MSG_ERR_UNREACHABLE);
		return;
	}
	f = calloc(1, sizeof(*f));
	if (f == NULL) {
		channel_refuse(ch, now, m, MSG_ERR_BUSY);
		return;
	}
	f->dc = dc;
	f->peer = peer;
	f->txn = txn;
	/* The same fields, without whom it is for: the node knows. */
	dc->tx = *m;
	dc->tx.has &= ~(HAS(NAME) | HAS(VIPS));
	dc->tx.pad_to = 0;
	if (channel_request(n->p.ch, now, &dc->tx, forwarded, f) < 0) {
		free(f);
		channel_refuse_txn(ch, now, MSG_ROUTE_DIRECTION, txn, MSG_ERR_BUSY);
	}
}
