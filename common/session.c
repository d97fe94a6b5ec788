/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/session.h"
#include "common/hash.h"
#include "common/session_state.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

const struct session_limits session_limits_default = {
	.rekey_after_ns = 120 * 1000000000ULL,
	.rekey_after_packets = 1ULL << 28,
	.reject_after_ns = 180 * 1000000000ULL,
	.reject_after_packets = 1ULL << 29,
	.control_rekey_ns = 6 * 3600 * 1000000000ULL,
};

struct session *session_create(uint64_t own_index, bool is_side_a,
			       const struct session_limits *limits, struct session_pool *pool)
{
	struct session *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->own_index = own_index;
	s->is_side_a = is_side_a;
	s->limits = *limits;
	s->pool = pool;
	s->tx = SESSION_NO_EPOCH;
	s->next = SESSION_NO_EPOCH;
	return s;
}

void session_destroy(struct session *s)
{
	if (s == NULL)
		return;
	for (uint8_t e = 0; e < WIRE_EPOCHS; e++)
		session_slot_clear(s, e);
	OPENSSL_cleanse(s, sizeof(*s));
	free(s);
}

uint64_t session_index(const struct session *s)
{
	return s->own_index;
}

void session_slot_clear(struct session *s, uint8_t epoch)
{
	struct session_slot *slot = &s->slot[epoch];

	seal_key_destroy(slot->send);
	seal_key_destroy(slot->receive);
	for (int r = 0; r < WIRE_ROUTES; r++)
		session_pool_give(s->pool, slot->route[r].window);
	memset(slot, 0, sizeof(*slot));
}

bool session_slot_is_expired(const struct session *s, const struct session_slot *slot,
			     uint64_t packets, uint64_t now)
{
	return now - slot->since_ns >= s->limits.reject_after_ns ||
	       packets >= s->limits.reject_after_packets;
}

/* Keep the epoch we send in, the one before it, and drop all others. */
static void keep_two(struct session *s, uint8_t current, uint8_t previous)
{
	for (uint8_t e = 0; e < WIRE_EPOCHS; e++) {
		if (e != current && e != previous)
			session_slot_clear(s, e);
	}
	s->tx = current;
	s->next = SESSION_NO_EPOCH;
}

void session_slot_heard(struct session *s, uint8_t epoch)
{
	s->slot[epoch].is_heard = true;
	if (epoch == s->next)
		keep_two(s, epoch, s->tx);
}

static bool print_is_known(const struct session *s, const uint8_t *print)
{
	for (unsigned int i = 0; i < SESSION_PRINTS && i < s->prints_n; i++) {
		if (memcmp(s->prints[i], print, SESSION_PRINT_LEN) == 0)
			return true;
	}
	return false;
}

/* Refuse keys that were here before: their sequence numbers would start again. */
static int remember(struct session *s, const struct epoch_keys *k)
{
	uint8_t a[HASH_LEN], b[HASH_LEN];

	hash_sha256(k->send.key, sizeof(k->send.key), k->send.enc, sizeof(k->send.enc), a);
	hash_sha256(k->recv.key, sizeof(k->recv.key), k->recv.enc, sizeof(k->recv.enc), b);
	if (print_is_known(s, a) || print_is_known(s, b) || memcmp(a, b, sizeof(a)) == 0)
		return -EEXIST;
	memcpy(s->prints[s->prints_n++ % SESSION_PRINTS], a, SESSION_PRINT_LEN);
	memcpy(s->prints[s->prints_n++ % SESSION_PRINTS], b, SESSION_PRINT_LEN);
	return 0;
}

static int slot_fill(struct session_slot *slot, uint64_t now, const struct epoch_keys *k)
{
	memset(slot, 0, sizeof(*slot));
	slot->send = seal_key_create(&k->send, SEAL_SEND);
	slot->receive = seal_key_create(&k->recv, SEAL_RECEIVE);
	slot->since_ns = now;
	slot->peer_index = k->peer_index;
	if (slot->send != NULL && slot->receive != NULL)
		return 0;
	seal_key_destroy(slot->send);
	seal_key_destroy(slot->receive);
	return -ENOMEM;
}

static int check_install(const struct session *s, const struct epoch_keys *k)
{
	if (k->own_index != s->own_index || k->is_side_a != s->is_side_a ||
	    k->epoch >= WIRE_EPOCHS || !suite_is_known(k->send.suite) ||
	    k->send.suite != k->recv.suite)
		return -EINVAL;
	/* Keys in use stay; a path's first, that the peer never answered under, may be replaced. */
	if (k->epoch == s->tx && s->slot[k->epoch].is_heard)
		return -EBUSY;
	return 0;
}

int session_install(struct session *s, uint64_t now, const struct epoch_keys *k)
{
	struct session_slot fresh;
	int ret = check_install(s, k);

	if (ret < 0)
		return ret;
	ret = slot_fill(&fresh, now, k);
	if (ret < 0)
		return ret;
	ret = remember(s, k);
	if (ret < 0) {
		seal_key_destroy(fresh.send);
		seal_key_destroy(fresh.receive);
		return ret;
	}
	if (s->next != SESSION_NO_EPOCH)
		session_slot_clear(s, s->next);
	session_slot_clear(s, k->epoch);
	s->slot[k->epoch] = fresh;
	s->suite = k->send.suite;
	s->stats.rekeys++;
	if (k->epoch == s->tx)
		return 0;
	if (k->may_send)
		keep_two(s, k->epoch, s->tx);
	else
		s->next = k->epoch;
	return 0;
}

static const struct session_slot *sending_slot(const struct session *s)
{
	return s->tx == SESSION_NO_EPOCH ? NULL : &s->slot[s->tx];
}

bool session_can_send(const struct session *s, uint64_t now)
{
	const struct session_slot *slot = sending_slot(s);

	return slot != NULL && !session_slot_is_expired(s, slot, slot->sent, now);
}

bool session_rekey_due(const struct session *s, uint64_t now)
{
	const struct session_slot *slot = sending_slot(s);

	if (slot == NULL || !slot->is_used_for_data)
		return false;
	/* A next epoch will be used when the peer is heard in it; past the limit that is too late. */
	if (s->next != SESSION_NO_EPOCH && !session_slot_is_expired(s, slot, slot->sent, now))
		return false;
	return now - slot->since_ns >= s->limits.rekey_after_ns ||
	       slot->sent >= s->limits.rekey_after_packets ||
	       slot->received >= s->limits.rekey_after_packets;
}

int session_epoch(const struct session *s)
{
	return s->tx == SESSION_NO_EPOCH ? -ENOENT : s->tx;
}

uint8_t session_suite(const struct session *s)
{
	return s->suite;
}

const struct session_stats *session_stats(const struct session *s)
{
	return &s->stats;
}

/* clang-format off */
static const char *const names[] = {
#define X(name, text) #name,
	SESSION_VERDICTS(X)
#undef X
};

static const char *const texts[] = {
#define X(name, text) text,
	SESSION_VERDICTS(X)
#undef X
};
/* clang-format on */

const char *session_verdict_name(enum session_verdict v)
{
	return (unsigned int)v < SESSION_VERDICT_COUNT ? names[v] : "unknown";
}

const char *session_verdict_text(enum session_verdict v)
{
	return (unsigned int)v < SESSION_VERDICT_COUNT ? texts[v] : "unknown";
}
