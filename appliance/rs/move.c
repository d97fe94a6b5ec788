/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a leg is: only a sealed Leg Update with a greater location number moves it, on credit until
 * a challenge comes back from the new address (docs/protocol.md section 7).
 */
#include "appliance/rs/rs.h"

#include "common/bytes.h"
#include "common/hash.h"

#include <openssl/crypto.h>

/* A challenge is a MAC over who is asked where and when: nothing to store, nothing to fill up. */
static void challenge_make(const struct rs_leg *l, uint64_t slot, const struct endpoint *ep,
			   uint8_t out[CHALLENGE_LEN])
{
	uint8_t in[8 + 8 + 16 + 2], mac[HASH_LEN];

	store_be64(in, l->key_id);
	store_be64(in + 8, slot);
	memcpy(in + 16, ep->ip.b, 16);
	store_be16(in + 32, ep->port);
	hash_hmac(l->rs->challenge_secret, sizeof(l->rs->challenge_secret), in, sizeof(in), mac);
	memcpy(out, mac, CHALLENGE_LEN);
}

static const uint64_t CHALLENGE_SLOT_NS = 5 * RS_SEC;

static bool challenge_fits(const struct rs_leg *l, uint64_t now, const struct endpoint *ep,
			   const uint8_t got[CHALLENGE_LEN])
{
	uint64_t slot = now / CHALLENGE_SLOT_NS;
	uint8_t want[CHALLENGE_LEN];

	for (uint64_t back = 0; back < 2 && back <= slot; back++) {
		challenge_make(l, slot - back, ep, want);
		if (CRYPTO_memcmp(want, got, CHALLENGE_LEN) == 0)
			return true;
	}
	return false;
}

static bool is_own(const struct rs_control *rs, const struct ip_addr *ip)
{
	for (uint16_t i = 0; i < rs_dp_local_count(rs->dp); i++)
		if (ip_equal(&rs_dp_local(rs->dp, i)->ip, ip))
			return true;
	return false;
}

bool move_address_ok(const struct rs_control *rs, const struct endpoint *ep)
{
	return ep->port != 0 && ip_is_unicast(&ep->ip) && !is_own(rs, &ep->ip);
}

static bool is_proven(const struct rs_leg *l, uint64_t now, const struct endpoint *ep)
{
	for (int i = 0; i < RS_PROVEN_MAX; i++)
		if (l->proven[i].until_ns > now && endpoint_equal(&l->proven[i].ep, ep))
			return true;
	return false;
}

static void proven_add(struct rs_leg *l, uint64_t now, const struct endpoint *ep)
{
	struct rs_proven *slot = &l->proven[0];

	for (int i = 0; i < RS_PROVEN_MAX; i++) {
		if (endpoint_equal(&l->proven[i].ep, ep)) {
			slot = &l->proven[i];
			break;
		}
		if (l->proven[i].until_ns < slot->until_ns)
			slot = &l->proven[i];
	}
	slot->ep = *ep;
	slot->until_ns = now + RS_PROVEN_NS;
}

static bool unproven_allowed(struct rs_leg *l, uint64_t now)
{
	if (now - l->unproven_since_ns >= RS_UNPROVEN_NS) {
		l->unproven_since_ns = now;
		l->unproven = 0;
	}
	return l->unproven < RS_UNPROVEN_MOVES && ++l->unproven != 0;
}

/* The old address stays proven for a while: people walk back and forth between two networks. */
static void leg_move(struct rs_leg *l, uint64_t now, uint16_t local, const struct endpoint *to,
		     bool proven)
{
	struct rs_control *rs = l->rs;

	if (l->is_confirmed && l->asked.port == 0)
		proven_add(l, now, &l->live.peer);
	l->live.peer = *to;
	/* The endpoint is for life, but a node may have come to the other family of it. */
	l->live.local = local;
	RS_COUNT(rs, moves);
	if (proven) {
		RS_COUNT(rs, moves_proven);
		proven_add(l, now, to);
		memset(&l->asked, 0, sizeof(l->asked));
		rs_dp_leg_endpoint_set(rs->dp, l->live.index, to, 0, 0);
		rs_dp_leg_confirm(rs->dp, l->live.index);
	} else {
		l->asked = *to;
		rs_dp_leg_endpoint_set(rs->dp, l->live.index, to, RS_CREDIT_BYTES,
				       now + RS_CREDIT_NS);
	}
	l->is_confirmed = true;
	path_publish_leg(rs, l);
}

static void update_answer(struct rs_leg *l, uint64_t now, const struct endpoint *from,
			  const struct msg *m, bool ask)
{
	struct msg *out = &l->rs->out;

	msg_init(out, MSG_LEG_UPDATE, true, m->txn);
	out->has = HAS(OBSERVED) | HAS(LOCATION);
	out->observed = *from;
	out->location = l->location;
	if (ask) {
		out->has |= HAS(CHALLENGE);
		challenge_make(l, now / CHALLENGE_SLOT_NS, from, out->challenge);
	}
	control_answer(&l->control, now, out);
	/* Repeated to where the request comes from next, it would prove this address from there. */
	if (ask)
		control_forget(&l->control, MSG_LEG_UPDATE, m->txn);
}

/* A challenge names the address that it was sent to, and proves it whoever hands it in: a copy of the
 * update that was faster than the update carries the proof for it.
 */
static bool proves(struct rs_leg *l, uint64_t now, const struct endpoint *from, const struct msg *m,
		   struct endpoint *at, uint16_t *local)
{
	if ((m->has & HAS(CHALLENGE)) == 0)
		return false;
	if (challenge_fits(l, now, from, m->challenge))
		return true;
	if (l->asked.port != 0 && challenge_fits(l, now, &l->asked, m->challenge)) {
		*at = l->asked;
		*local = l->live.local;
		return true;
	}
	if (l->challenged.port != 0 && challenge_fits(l, now, &l->challenged, m->challenge)) {
		*at = l->challenged;
		*local = l->challenged_local;
		return true;
	}
	return false;
}

/* Sent again because the answer was lost: it is where it says already. */
static bool is_again(const struct rs_leg *l, const struct endpoint *from, const struct msg *m)
{
	return m->location == l->location && endpoint_equal(from, &l->live.peer);
}

void move_update(struct rs_leg *l, uint64_t now, uint16_t local, const struct endpoint *from,
		 const struct msg *m)
{
	struct rs_control *rs = l->rs;
	struct endpoint at = *from;
	bool proven;

	if (m->location <= l->location && !is_again(l, from, m)) {
		RS_COUNT(rs, moves_stale);
		control_refuse_stale(&l->control, now, m->type, m->txn, l->location);
		return;
	}
	proven = proves(l, now, from, m, &at, &local) || is_proven(l, now, from);
	if (!move_address_ok(rs, &at)) {
		RS_COUNT(rs, moves_refused);
		return;
	}
	l->reply_to = at;
	l->reply_local = local;
	if (endpoint_equal(&at, &l->live.peer)) {
		l->location = m->location;
		if (proven && l->asked.port != 0)
			leg_move(l, now, local, &at, true);
		update_answer(l, now, &at, m, l->asked.port != 0);
		return;
	}
	if (!proven && !unproven_allowed(l, now)) {
		RS_COUNT(rs, moves_refused);
		control_refuse(&l->control, now, m->type, m->txn, MSG_ERR_BUSY);
		return;
	}
	l->location = m->location;
	leg_move(l, now, local, &at, proven);
	update_answer(l, now, &at, m, !proven);
}

void move_answered(struct rs_leg *l, uint64_t now, const struct msg *m)
{
	struct rs_control *rs = l->rs;

	if (l->asked.port == 0 || !challenge_fits(l, now, &l->asked, m->challenge)) {
		RS_COUNT(rs, challenges_wrong);
		return;
	}
	RS_COUNT(rs, moves_proven);
	proven_add(l, now, &l->asked);
	memset(&l->asked, 0, sizeof(l->asked));
	rs_dp_leg_confirm(rs->dp, l->live.index);
	path_publish_leg(rs, l);
}

enum { CHALLENGE_PACKET_LEN = WIRE_OVERHEAD + MSG_HDR_LEN + 4 + CHALLENGE_LEN };

void move_challenge(struct rs_leg *l, uint64_t now, uint16_t local, const struct endpoint *from,
		    size_t cause_len)
{
	struct rs_control *rs = l->rs;
	struct msg *m = &rs->out;
	uint8_t body[64];
	int n;

	if (l->live.index == 0 || cause_len < CHALLENGE_PACKET_LEN || !move_address_ok(rs, from) ||
	    now - l->challenged_ns < RS_CHALLENGE_GAP_NS ||
	    !rs_bucket_take(&rs->challenges, now, RS_CHALLENGES_PER_SEC)) {
		RS_COUNT(rs, challenges_held);
		return;
	}
	l->challenged_ns = now;
	l->challenged = *from;
	l->challenged_local = local;
	/* Sent once: resending towards an address nobody proved is not ours to do. */
	msg_init(m, MSG_CHALLENGE, false, (uint32_t)rng_u64(rs->rng));
	m->has = HAS(CHALLENGE);
	challenge_make(l, now / CHALLENGE_SLOT_NS, from, m->challenge);
	n = msg_encode(m, body, sizeof(body));
	if (n < 0)
		return;
	RS_COUNT(rs, challenges);
	leg_send(l, &l->live, now, WIRE_CONTROL, local, from, body, (size_t)n);
}
