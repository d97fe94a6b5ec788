/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_SESSION_STATE_H
#define COMMON_SESSION_STATE_H

/* The inside of a session, for session.c, session_packet.c and session_pool.c alone. */
#include "common/replay.h"
#include "common/seal.h"
#include "common/session.h"

enum {
	SESSION_PRINT_LEN = 16,
	SESSION_PRINTS = 16, /* fingerprints kept of keys once installed */
	SESSION_NO_EPOCH = 0xff,
};

struct session_direction {
	uint64_t next_seq;     /* to send */
	struct replay *window; /* NULL until the route is first received on */
};

/* Keys of one epoch; slot number = epoch number. At most three of the four are in use. */
struct session_slot {
	struct seal_key *send; /* NULL: the slot is empty */
	struct seal_key *receive;
	bool is_heard; /* a packet was received under these keys */
	bool is_used_for_data;
	uint64_t since_ns;
	uint64_t peer_index;
	uint64_t sent, received;
	struct session_direction route[WIRE_ROUTES];
};

struct session {
	uint64_t own_index;
	bool is_side_a;
	uint8_t tx;   /* epoch we send in, SESSION_NO_EPOCH before the first */
	uint8_t next; /* installed, not yet heard, not yet sent in; or SESSION_NO_EPOCH */
	uint8_t suite;
	struct session_limits limits;
	struct session_pool *pool;
	struct session_slot slot[WIRE_EPOCHS];
	uint8_t prints[SESSION_PRINTS][SESSION_PRINT_LEN];
	unsigned int prints_n; /* ever made */
	struct session_stats stats;
};

/* A zeroed window, or NULL when the pool is empty. */
struct replay *session_pool_take(struct session_pool *p);
void session_pool_give(struct session_pool *p, struct replay *r);

void session_slot_clear(struct session *s, uint8_t epoch);
bool session_slot_is_expired(const struct session *s, const struct session_slot *slot,
			     uint64_t packets, uint64_t now);
/* The first packet under slot[epoch] came in. */
void session_slot_heard(struct session *s, uint8_t epoch);

#endif
