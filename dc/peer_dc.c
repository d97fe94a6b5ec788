/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/peer_dc.h"

#include "dc/core.h"

#include <errno.h>
#include <stdlib.h>

enum { OPEN_AGAIN_SEC = 5 };

static void open_peer(void *owner, uint64_t now);

int peers_create(struct dc *dc)
{
	dc->peers = calloc(1, sizeof(*dc->peers));
	if (dc->peers == NULL)
		return -ENOMEM;
	for (unsigned int i = 0; i < dc->params.peers_n; i++) {
		const struct dc_peer_conf *c = &dc->params.peers[i];
		struct peer_dc *peer = registry_add(dc, PARTY_PEER, c->name, sizeof(*peer));

		if (peer == NULL)
			return -ENOMEM;
		peer->dc = dc;
		peer->conf = *c;
		peer->p.has_psk = true;
		memcpy(peer->p.psk, c->psk, sizeof(peer->p.psk));
		timer_init(&peer->timer, open_peer, peer);
		dc->peers->list[dc->peers->n++] = peer;
		if (registry_set_key(dc, &peer->p, c->key) < 0)
			return -EEXIST;
	}
	return 0;
}

void peers_stop(struct dc *dc)
{
	for (unsigned int i = 0; dc->peers != NULL && i < dc->peers->n; i++)
		timer_cancel(&dc->timers, &dc->peers->list[i]->timer);
}

void peers_destroy(struct dc *dc)
{
	free(dc->peers);
	dc->peers = NULL;
}

static bool we_open(const struct peer_dc *peer)
{
	return memcmp(peer->dc->self.pub, peer->conf.key, NOISE_KEY_LEN) < 0;
}

static void open_peer(void *owner, uint64_t now)
{
	struct peer_dc *peer = owner;
	struct dc *dc = peer->dc;
	struct assoc_conf conf = {
		.kind = HS_DC_DC,
		.suite = SUITE_DEFAULT,
		.is_side_a = true,
		.is_control_only = true,
		.id = WIRE_ID_NONE,
		.limits = dc->params.limits,
	};

	if (!we_open(peer) || peer->conf.endpoint.port == 0)
		return;
	if (peer->p.ch == NULL) {
		memcpy(conf.peer_key, peer->conf.key, sizeof(conf.peer_key));
		memcpy(conf.psk, peer->conf.psk, sizeof(conf.psk));
		peer->p.ch = channel_create(dc, &peer->p, &conf);
	}
	if (peer->p.ch != NULL)
		channel_open(peer->p.ch, now, &peer->conf.endpoint);
	else
		timer_set(&dc->timers, &peer->timer, now + OPEN_AGAIN_SEC * DC_NS_PER_SEC);
}

void peers_start(struct dc *dc, uint64_t now)
{
	for (unsigned int i = 0; i < dc->peers->n; i++)
		open_peer(dc->peers->list[i], now);
}

static struct peer_dc *peer_of(struct channel *ch)
{
	return (struct peer_dc *)(void *)ch->party;
}

void peer_failed(struct dc *dc, uint64_t now, struct channel *ch)
{
	timer_set(&dc->timers, &peer_of(ch)->timer, now + OPEN_AGAIN_SEC * DC_NS_PER_SEC);
}

/* ---- Associate ---- */

/* Blocks for general hosts are each node's own, may be the same at every DC and are not told; but a
 * peer's VIPs may not lie in ours, where our nodes look for general hosts.
 */
static bool overlaps_ours(const struct dc *dc, const struct ip_prefix *p)
{
	return prefix_overlaps(p, &dc->params.pool4) || prefix_overlaps(p, &dc->params.pool6) ||
	       prefix_overlaps(p, &dc->params.gn4) || prefix_overlaps(p, &dc->params.gn6);
}

static bool overlaps_others(const struct dc *dc, const struct peer_dc *self,
			    const struct ip_prefix *p)
{
	for (unsigned int i = 0; i < dc->peers->n; i++) {
		const struct peer_dc *other = dc->peers->list[i];

		for (unsigned int k = 0; other != self && k < other->pools_n; k++)
			if (prefix_overlaps(p, &other->pools[k]))
				return true;
	}
	return false;
}

static uint16_t check_claims(struct dc *dc, const struct peer_dc *peer, const struct msg *m)
{
	for (unsigned int i = 0; i < m->zones_n; i++) {
		if (peer_speaks_for(peer, m->zones[i]))
			continue;
		dc_count(dc, DC_COUNT_PEER_ZONE);
		return MSG_ERR_NOT_ALLOWED;
	}
	for (unsigned int i = 0; i < m->pools_n; i++) {
		if (!overlaps_ours(dc, &m->pools[i]) && !overlaps_others(dc, peer, &m->pools[i]))
			continue;
		dc_count(dc, DC_COUNT_PEER_OVERLAP);
		return MSG_ERR_POOL_OVERLAP;
	}
	return 0;
}

static bool has_pools(const struct peer_dc *peer, const struct msg *m)
{
	if (peer->pools_n != m->pools_n)
		return false;
	for (unsigned int i = 0; i < m->pools_n; i++)
		if (peer->pools[i].len != m->pools[i].len ||
		    !ip_equal(&peer->pools[i].ip, &m->pools[i].ip))
			return false;
	return true;
}

/* Nodes route what their last registration named: they hear of a peer's pools by another one. */
static void announce_anew(struct dc *dc)
{
	struct party *p;

	TAILQ_FOREACH(p, &dc->registry.parties, link)
	if (p->kind == PARTY_NODE)
		party_node(p)->wants_register = true;
}

static uint16_t take_claims(struct dc *dc, struct peer_dc *peer, const struct msg *m)
{
	uint16_t code = check_claims(dc, peer, m);

	peer->is_associated = code == 0;
	if (code != 0) {
		peer->pools_n = 0;
		return code;
	}
	if (!has_pools(peer, m))
		announce_anew(dc);
	peer->pools_n = m->pools_n;
	memcpy(peer->pools, m->pools, sizeof(peer->pools));
	return 0;
}

static void put_claims(const struct dc *dc, struct msg *m)
{
	m->has |= HAS(ZONE) | HAS(POOL);
	for (unsigned int i = 0; i < dc->params.zones_n; i++)
		memcpy(m->zones[m->zones_n++], dc->params.zones[i], sizeof(m->zones[0]));
	m->pools[m->pools_n++] = dc->params.pool4;
	m->pools[m->pools_n++] = dc->params.pool6;
}

static void associated(void *ctx, void *arg, const struct msg *m)
{
	struct channel *ch = ctx;
	struct peer_dc *peer = peer_of(ch);

	/* It does not want our pools: nothing can be asked of it. */
	if (m == NULL || (m->has & HAS(ERROR)) != 0)
		peer->is_associated = false;
	else
		take_claims(ch->dc, peer, m);
}

void peer_opened(struct dc *dc, uint64_t now, struct channel *ch)
{
	struct msg *m = &dc->tx;

	peer_of(ch)->is_associated = false;
	msg_init(m, MSG_ASSOCIATE, false, 0);
	put_claims(dc, m);
	channel_request(ch, now, m, associated, NULL);
}

void peer_associate(struct dc *dc, uint64_t now, struct channel *ch, struct msg *m)
{
	uint16_t code = take_claims(dc, peer_of(ch), m);
	struct msg *out = &dc->tx;

	if (code != 0) {
		channel_refuse(ch, now, m, code);
		return;
	}
	place_note(dc, ch);
	msg_init(out, MSG_ASSOCIATE, true, m->txn);
	put_claims(dc, out);
	channel_answer(ch, now, out);
}

/* ---- who speaks for what ---- */

struct peer_dc *peer_by_name(struct dc *dc, const char *name)
{
	return (struct peer_dc *)(void *)registry_by_name(dc, PARTY_PEER, name);
}

struct peer_dc *peer_by_vip(struct dc *dc, const struct ip_addr *vip)
{
	for (unsigned int i = 0; i < dc->peers->n; i++) {
		struct peer_dc *peer = dc->peers->list[i];

		for (unsigned int k = 0; k < peer->pools_n; k++)
			if (prefix_contains(&peer->pools[k], vip))
				return peer;
	}
	return NULL;
}

bool peer_speaks_for(const struct peer_dc *peer, const char *name)
{
	for (unsigned int i = 0; i < peer->conf.zones_n; i++)
		if (name_is_under(name, peer->conf.zones[i]))
			return true;
	return false;
}

struct channel *peer_channel(const struct peer_dc *peer)
{
	return peer->is_associated && peer->p.ch != NULL && peer->p.ch->is_up ? peer->p.ch : NULL;
}

void peer_cancel(struct peer_dc *peer, const void *arg)
{
	if (peer->p.ch != NULL)
		control_cancel(&peer->p.ch->control, arg);
}

void peers_cancel(struct dc *dc, const void *arg)
{
	for (unsigned int i = 0; i < dc->peers->n; i++)
		peer_cancel(dc->peers->list[i], arg);
}

/* Its zones are known by config: a node asks us about names there also while the peer is away, and
 * gets no address that it could not reach.
 */
void peers_announce(const struct dc *dc, struct msg *m)
{
	for (unsigned int i = 0; i < dc->peers->n; i++) {
		const struct peer_dc *peer = dc->peers->list[i];

		for (unsigned int k = 0; k < peer->pools_n && m->ranges_n < MSG_PREFIXES_MAX; k++)
			m->ranges[m->ranges_n++] = peer->pools[k];
		for (unsigned int k = 0; k < peer->conf.zones_n && m->suffixes_n < MSG_NAMES_MAX;
		     k++)
			memcpy(m->suffixes[m->suffixes_n++], peer->conf.zones[k],
			       sizeof(m->suffixes[0]));
	}
}
