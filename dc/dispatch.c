/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/dispatch.h"

#include "dc/core.h"
#include "dc/directing.h"
#include "dc/peer_dc.h"
#include "dc/relay.h"

typedef void (*handler)(struct dc *dc, uint64_t now, struct channel *ch, struct msg *m);

/* Who may ask for what; everything else is refused and counted. */
static const handler handlers[PARTY_PEER + 1][MSG_TYPE_MAX + 1] = {
	[PARTY_NODE] =
		{
			[MSG_REGISTRATION] = registration_request,
			[MSG_KEEP_ALIVE] = registration_keep_alive,
			[MSG_DIRECTION] = directing_request,
			[MSG_RELEASE] = directing_release,
		},
	[PARTY_RS] =
		{
			[MSG_REGISTRATION] = registration_request,
			[MSG_KEEP_ALIVE] = registration_keep_alive,
			[MSG_STATUS] = registration_status,
		},
	[PARTY_PEER] =
		{
			[MSG_KEEP_ALIVE] = registration_keep_alive,
			[MSG_ASSOCIATE] = peer_associate,
			[MSG_INFORMATION] = peer_information,
			[MSG_ROUTE_DIRECTION] = peer_route_direction,
		},
};

void dispatch_request(struct dc *dc, uint64_t now, struct channel *ch, struct msg *m)
{
	handler h = m->type <= MSG_TYPE_MAX ? handlers[ch->party->kind][m->type] : NULL;

	/* A staged channel that got here was just proven, so it is staged no longer. */
	if (h == NULL || ch->is_staged) {
		dc_count(dc, DC_COUNT_MSG_WRONG_PARTY);
		channel_refuse(ch, now, m, MSG_ERR_NOT_ALLOWED);
		return;
	}
	if (ch->party->kind == PARTY_NODE)
		party_node(ch->party)->is_silent = false;
	h(dc, now, ch, m);
}

void dispatch_opened(struct dc *dc, uint64_t now, struct channel *ch)
{
	if (ch->party->kind == PARTY_RS)
		rs_opened(dc, rs_of_party(ch->party));
	if (ch->party->kind == PARTY_PEER)
		peer_opened(dc, now, ch);
}

void dispatch_failed(struct dc *dc, uint64_t now, struct channel *ch)
{
	if (ch->party->kind == PARTY_PEER)
		peer_failed(dc, now, ch);
}

int dispatch_names(struct dc *dc, const struct party *p, uint8_t *buf, size_t cap)
{
	struct msg *m = &dc->tx;

	msg_init(m, MSG_ASSOCIATE, false, 0);
	m->has = HAS(NAME) | HAS(PEER_NAME);
	memcpy(m->name, dc->params.name, sizeof(m->name));
	memcpy(m->peer_name, p->name, sizeof(m->peer_name));
	return msg_encode_payload(m, buf, cap);
}

/* Few, for anybody can make us look: those that we open ourselves (by the index that the peer is to
 * answer to), and of those that reset us the one whose index it is. That is peer DCs alone, at most
 * DC_PEERS_MAX.
 */
struct channel *dispatch_waiting(struct dc *dc, const struct wire_fields *f)
{
	for (unsigned int i = 0; i < dc->peers->n; i++) {
		struct channel *ch = dc->peers->list[i]->p.ch;

		if (ch == NULL)
			continue;
		if (f->type == WIRE_RESET
			    ? ch->assoc.live.is_used && ch->assoc.live.peer_index == f->id
			    : assoc_pending_index(&ch->assoc) == f->id)
			return ch;
	}
	return NULL;
}
