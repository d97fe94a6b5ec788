/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/session.h"
#include "common/session_state.h"

#include <string.h>

static enum session_verdict count(struct session *s, enum session_verdict v)
{
	s->stats.verdicts[v]++;
	return v;
}

static enum session_verdict check_send(const struct session *s, uint64_t now, uint8_t type,
				       uint8_t route)
{
	const struct session_slot *slot = &s->slot[s->tx & (WIRE_EPOCHS - 1)];

	if (!wire_type_is_sealed(type) || route >= WIRE_ROUTES)
		return SESSION_BAD_TYPE;
	if (s->tx == SESSION_NO_EPOCH)
		return SESSION_NO_KEY;
	if (slot->route[route].next_seq > WIRE_SEQ_MAX)
		return SESSION_SEQUENCE_END;
	if (wire_type_is_data(type) && session_slot_is_expired(s, slot, slot->sent, now))
		return SESSION_KEY_EXPIRED;
	return SESSION_OK;
}

enum session_verdict session_seal_in_place(struct session *s, uint64_t now, uint8_t type,
					   uint8_t route, uint8_t *pkt, size_t body_len, size_t cap,
					   size_t *out_len)
{
	enum session_verdict v = check_send(s, now, type, route);
	struct session_slot *slot;
	int n;

	/* Keys that expired unused are wanted now: without this nothing would ever renew them. */
	if (v == SESSION_KEY_EXPIRED)
		s->slot[s->tx].is_used_for_data = true;
	if (v != SESSION_OK)
		return count(s, v);
	if (cap < WIRE_HDR_LEN)
		return count(s, SESSION_NO_ROOM);
	slot = &s->slot[s->tx];
	wire_build(pkt, type, wire_flags(s->is_side_a, s->tx, route), slot->route[route].next_seq,
		   slot->peer_index);
	n = seal_packet(slot->send, pkt, body_len, cap);
	if (n < 0)
		return count(s, SESSION_NO_ROOM);
	slot->route[route].next_seq++;
	slot->sent++;
	slot->is_used_for_data |= wire_type_is_data(type);
	s->stats.route[route].sent++;
	*out_len = (size_t)n;
	return count(s, SESSION_OK);
}

enum session_verdict session_seal(struct session *s, uint64_t now, uint8_t type, uint8_t route,
				  const uint8_t *body, size_t len, uint8_t *out, size_t cap,
				  size_t *out_len)
{
	if (cap < WIRE_HDR_LEN || cap - WIRE_HDR_LEN < len)
		return count(s, SESSION_NO_ROOM);
	if (len > 0)
		memcpy(out + WIRE_HDR_LEN, body, len);
	return session_seal_in_place(s, now, type, route, out, len, cap, out_len);
}

/* Everything that can be said before the tag is verified. */
static enum session_verdict check_open(const struct session *s, uint64_t now, size_t len,
				       const uint8_t *pkt, struct wire_fields *f)
{
	const struct session_slot *slot;
	const struct replay *window;

	if (len < WIRE_OVERHEAD)
		return SESSION_SHORT;
	if (wire_parse(pkt, len, f) != WIRE_OK)
		return SESSION_BAD_HEADER;
	if (!wire_type_is_sealed(f->type))
		return SESSION_BAD_TYPE;
	if (f->id != s->own_index)
		return SESSION_BAD_ID;
	if (f->is_from_a == s->is_side_a)
		return SESSION_REFLECTED;
	slot = &s->slot[f->epoch];
	if (slot->receive == NULL)
		return SESSION_EPOCH_UNKNOWN;
	if (wire_type_is_data(f->type) && session_slot_is_expired(s, slot, slot->received, now))
		return SESSION_KEY_EXPIRED;
	window = slot->route[f->route].window;
	if (window == NULL)
		return SESSION_OK;
	switch (replay_check(window, f->seq)) {
	case REPLAY_SEEN:
		return SESSION_REPLAY;
	case REPLAY_OLD:
		return SESSION_OLD;
	default:
		return SESSION_OK;
	}
}

/* A packet proven authentic: windows, counters, epochs. */
static void note_received(struct session *s, uint64_t now, const struct wire_fields *f,
			  struct session_meta *meta)
{
	struct session_slot *slot = &s->slot[f->epoch];
	struct replay *window = slot->route[f->route].window;
	struct session_route *stats = &s->stats.route[f->route];

	meta->type = f->type;
	meta->route = f->route;
	meta->epoch = f->epoch;
	meta->seq = f->seq;
	meta->is_new_epoch = !slot->is_heard;
	meta->is_highest = f->seq >= window->next;
	if (meta->is_highest)
		stats->lost += f->seq - window->next;
	else
		stats->lost--;
	replay_commit(window, f->seq);
	stats->received++;
	stats->last_ns = now;
	slot->received++;
	slot->is_used_for_data |= wire_type_is_data(f->type);
	if (!slot->is_heard)
		session_slot_heard(s, f->epoch);
}

enum session_verdict session_open(struct session *s, uint64_t now, const uint8_t *pkt, size_t len,
				  uint8_t *out, size_t *out_len, struct session_meta *meta)
{
	struct wire_fields f;
	enum session_verdict v = check_open(s, now, len, pkt, &f);
	struct session_slot *slot;
	int n;

	if (v != SESSION_OK)
		return count(s, v);
	slot = &s->slot[f.epoch];
	n = seal_open(slot->receive, pkt, len, out);
	if (n < 0)
		return count(s, SESSION_AUTH);
	/* Only now, so that nobody but the peer can make us take windows. */
	if (slot->route[f.route].window == NULL) {
		slot->route[f.route].window = session_pool_take(s->pool);
		if (slot->route[f.route].window == NULL)
			return count(s, SESSION_NO_WINDOW);
	}
	note_received(s, now, &f, meta);
	*out_len = (size_t)n;
	return count(s, SESSION_OK);
}
