/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_HANDSHAKE_H
#define COMMON_HANDSHAKE_H

/* Handshake 1 and 2 as bytes (layouts in common/wire.h), and the Diffie-Hellman work on them as
 * jobs that any thread can run. States and timers are in common/assoc.h and common/responder.h;
 * most callers want those.
 *
 * The sealed payload of both is TLVs: ATTEMPT (handshake 1), INDEX (not on a path: a sealed copy of
 * the index in clear, so that nobody can change it) and RESET_TOKEN written by this layer, then the
 * caller's, then padding. A handshake 2 with an ERROR field makes no keys; the stale
 * answer is ERROR{1} with ATTEMPT{greatest known}.
 *
 * Prologue: "NTM1" | kind | ID of handshake 1 | suite | byte 1 of handshake 1; of a path:
 *	"NTM1" | kind | Path ID | suite | len, FQDN of A | len, FQDN of B |
 *	VIPv4 and VIPv6 of A | VIPv4 and VIPv6 of B (16 bytes each) | byte 1 of handshake 1
 */
#include "common/ip.h"
#include "common/keys.h"
#include "common/noise.h"
#include "common/reset.h"
#include "common/rng.h"
#include "common/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hs_kind {
	HS_NODE_DC = 1,
	HS_DC_DC = 2,
	HS_RS_DC = 3,
	HS_PATH = 4,
	HS_LEG = 5,
	HS_KIND_COUNT = 6,
};

enum {
	/* Same numbers as FIELD_* and MSG_ERR_STALE in common/msg.h. */
	HS_TLV_PAD = 0,
	HS_TLV_ATTEMPT = 1,
	HS_TLV_RESET_TOKEN = 2,
	HS_TLV_ERROR = 3, /* code 2 bytes, text */
	HS_TLV_INDEX = 52,
	HS_ERROR_STALE = 1,

	HS_NAME_MAX = 255,
	HS_PROLOGUE_MAX = 4 + 1 + 8 + 1 + 2 * (1 + HS_NAME_MAX) + 4 * 16 + 1,
	/* What this layer's own fields take of a payload: ATTEMPT, INDEX, RESET_TOKEN. */
	HS_OWN_TLV_LEN = 12 + 12 + 20,
	/* Room for the caller's TLVs: handshake 1 to a DC without growing past 512, at most, and on
	 * a path. Of handshake 2: never longer than the handshake 1 it answers.
	 */
	HS_PAYLOAD_DC_512 = WIRE_HS1_PADDED - WIRE_HS1_NOISE - NOISE_IK_1_OVERHEAD -
			    2 * WIRE_MAC_LEN - HS_OWN_TLV_LEN,
	HS_PAYLOAD_PATH_MAX =
		WIRE_HS1_PATH_MAX - WIRE_HS1_NOISE - NOISE_IK_1_OVERHEAD - HS_OWN_TLV_LEN,
	HS_PAYLOAD_MAX = WIRE_HS1_MAX,
};

#define HS_VERDICTS(X)                                                                             \
	X(OK, "taken")                                                                             \
	X(SHORT, "handshake packet too short")                                                     \
	X(LONG, "handshake packet longer than its kind allows")                                    \
	X(UNPADDED, "handshake 1 to a DC or RS below 512 bytes")                                   \
	X(BAD_HEADER, "header fields a handshake cannot have")                                     \
	X(BAD_KIND, "kind does not fit the ID, or is not served here")                             \
	X(BAD_SUITE, "suite unknown or not enabled")                                               \
	X(BAD_INDEX, "the sender's own index cannot be one")                                       \
	X(BAD_MAC1, "MAC1 is wrong")                                                               \
	X(COOKIE_SENT, "under load: answered with a cookie")                                       \
	X(REPEATED, "identical handshake 1: answered with the same handshake 2")                   \
	X(IN_WORK, "identical handshake 1 while the first is computed")                            \
	X(BUSY, "no room for another handshake in work")                                           \
	X(UNKNOWN_ID, "no path or temporary key with this ID")                                     \
	X(AUTH, "Noise message did not verify")                                                    \
	X(PEER_KEY, "static key is not the peer's")                                                \
	X(BAD_PAYLOAD, "payload is malformed or lacks a field")                                    \
	X(STALE, "attempt number is not greater than the last")                                    \
	X(BAD_EPOCH, "epoch is in use")                                                            \
	X(REFUSED, "refused by the owner")                                                         \
	X(UNEXPECTED, "no handshake waits for this")                                               \
	X(BAD_COOKIE, "cookie did not verify")                                                     \
	X(BAD_TOKEN, "reset token is wrong")                                                       \
	X(NO_MEMORY, "no memory")

enum hs_verdict {
#define X(name, text) HS_##name,
	HS_VERDICTS(X)
#undef X
		HS_VERDICT_COUNT
};

const char *hs_verdict_name(enum hs_verdict v);
const char *hs_verdict_text(enum hs_verdict v);

/* What stands in clear in a handshake 1. */
struct hs_clear {
	uint64_t id;	     /* Path ID, key id, or WIRE_ID_NONE */
	uint64_t peer_index; /* the asker's own; of a path, the Path ID */
	uint8_t kind;
	uint8_t suite;
	uint8_t epoch;
	uint8_t flags; /* byte 1 */
};

/* What both ends of a path must have been told alike. Names lower case, without final dot. */
struct hs_path {
	const char *fqdn_a, *fqdn_b;
	struct ip_addr vip4_a, vip6_a, vip4_b, vip6_b; /* all zero where there is none */
};

/* Everything of a handshake 1 that can be said without any key. */
enum hs_verdict hs_clear_parse(const uint8_t *pkt, size_t len, struct hs_clear *c);

/* path: for HS_PATH only. Returns the length, at most HS_PROLOGUE_MAX. */
size_t hs_prologue(const struct hs_clear *c, const struct hs_path *path,
		   uint8_t out[HS_PROLOGUE_MAX]);

/* max(now, greatest so far + 1): one per host, shared by its associations. Keep last on disk in
 * steps of an hour, and start from the stored step. offset_ns: real time - steady time.
 */
struct hs_attempts {
	uint64_t last;
	int64_t offset_ns;
};

uint64_t hs_attempt_next(struct hs_attempts *a, uint64_t now);
/* A peer said that it knows a greater one. */
void hs_attempt_raise(struct hs_attempts *a, uint64_t greatest);

enum hs_work { HS_WRITE_1, HS_READ_1, HS_WRITE_2, HS_READ_2 };

/* One handshake at one end. Fill in the fields of a step, hs_job_run() on any thread, read the
 * results. About 5 kB; it points at nothing but its owner.
 */
struct hs_job {
	/* in */
	enum hs_work work;
	struct hs_clear clear; /* of handshake 1; peer_index is not used by the asker */
	uint8_t prologue[HS_PROLOGUE_MAX];
	uint16_t prologue_len;
	struct noise_keypair self;	 /* IK kinds */
	uint8_t peer_key[NOISE_KEY_LEN]; /* IK kinds. WRITE_1: in. READ_1: out */
	uint8_t psk[NOISE_PSK_LEN];
	uint64_t own_index;
	uint64_t attempt; /* WRITE_1 and a stale WRITE_2: in. READ: out, 0 where absent */
	uint16_t error;	  /* WRITE_2: refusal code or 0, in. READ_2: out. Not 0: no keys */
	uint8_t reset_token[RESET_TOKEN_BYTES];	     /* own, to hand over */
	uint8_t peer_reset_token[RESET_TOKEN_BYTES]; /* READ: out */
	uint8_t payload[HS_PAYLOAD_MAX];	     /* WRITE: caller's TLVs. READ: all TLVs */
	uint16_t payload_len;
	struct rng rng; /* see hs_job_seed() */

	/* WRITE: out, MACs of handshake 1 zero. READ: in. */
	uint8_t hs1[WIRE_HS1_MAX];
	uint16_t hs1_len;
	uint8_t hs2[WIRE_HS2_MAX];
	uint16_t hs2_len;

	/* out */
	enum hs_verdict verdict;
	uint64_t peer_index;
	struct epoch_keys keys; /* after READ_2 and WRITE_2, but is_fresh and may_send */

	/* between the steps; a READ_2 that fails leaves it as it was */
	struct noise noise;

	/* of whoever made it; never touched by hs_job_run() */
	void *owner;
	struct hs_job *next;
	struct endpoint from;
	uint16_t local; /* own endpoint, where the maker numbers them */
	uint64_t started_ns;
	uint8_t cache_key[32];
};

/* Give the job random bytes of its own, so that threads share nothing and simulations repeat. */
void hs_job_seed(struct hs_job *j, struct rng *rng);
/* Compute one step; j->verdict tells. No lock, no time, no allocation but OpenSSL's. */
void hs_job_run(struct hs_job *j);
void hs_job_wipe(struct hs_job *j);

#endif
