/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_SESSION_H
#define COMMON_SESSION_H

/* The keys of one association at work: up to three epochs (previous, current, next), a send
 * sequence and a replay window per epoch and route, limits, counters. It seals and opens; when to
 * make new keys is assoc's business (common/assoc.h).
 *
 * Pure: time comes in as now (ns, any steady clock). One thread at a time per session and per
 * pool. No allocation per packet except a replay window from the pool when a route of an epoch is
 * first received on.
 */
#include "common/keys.h"
#include "common/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From config; tests rekey every 200 packets. */
struct session_limits {
	uint64_t rekey_after_ns;      /* soft: new keys are due after this much use */
	uint64_t rekey_after_packets; /* soft, sent or received under one key */
	uint64_t reject_after_ns;     /* hard, for data (types 0 to 2) only */
	uint64_t reject_after_packets;
	uint64_t control_rekey_ns; /* soft, associations that carry only control */
};

/* 120 s, 2^28, 180 s, 2^29, 6 h. */
extern const struct session_limits session_limits_default;

#define SESSION_VERDICTS(X)                                                                        \
	X(OK, "sealed or opened")                                                                  \
	X(SHORT, "packet shorter than header and tag")                                             \
	X(BAD_HEADER, "header is malformed")                                                       \
	X(BAD_TYPE, "type is not a sealed one")                                                    \
	X(BAD_ID, "packet is for another session")                                                 \
	X(REFLECTED, "direction bit says that we sent it")                                         \
	X(EPOCH_UNKNOWN, "no keys for the epoch")                                                  \
	X(REPLAY, "sequence seen before")                                                          \
	X(OLD, "sequence older than the window")                                                   \
	X(AUTH, "tag did not verify")                                                              \
	X(KEY_EXPIRED, "data under a key past its hard limit")                                     \
	X(NO_WINDOW, "pool of replay windows is empty")                                            \
	X(NO_KEY, "nothing to send under yet")                                                     \
	X(NO_ROOM, "buffer too small, or body that the suite cannot take")                         \
	X(SEQUENCE_END, "sequence numbers of the key are used up")

enum session_verdict {
#define X(name, text) SESSION_##name,
	SESSION_VERDICTS(X)
#undef X
		SESSION_VERDICT_COUNT
};

const char *session_verdict_name(enum session_verdict v); /* "KEY_EXPIRED" */
const char *session_verdict_text(enum session_verdict v);

/* Replay windows, shared by the sessions of one thread: 264 bytes each, at most max in use. */
struct session_pool;
struct session_pool *session_pool_create(uint32_t max);
/* After every session that used it. */
void session_pool_destroy(struct session_pool *p);
uint32_t session_pool_in_use(const struct session_pool *p);

/* Per route number, summed over epochs. Readers never reset. */
struct session_route {
	uint64_t sent;
	uint64_t received;
	uint64_t lost;	  /* gaps below the highest sequence; falls again when a late one arrives */
	uint64_t last_ns; /* last packet received */
};

struct session_stats {
	struct session_route route[WIRE_ROUTES];
	uint64_t verdicts[SESSION_VERDICT_COUNT]; /* of seal and open, OK included */
	uint64_t rekeys;
};

/* What is known of an opened packet, all of it authentic. */
struct session_meta {
	uint8_t type;
	uint8_t route;
	uint8_t epoch;
	bool is_new_epoch; /* the first packet under these keys: tell assoc_heard() */
	bool is_highest;   /* greatest sequence of its route so far: its source address is news */
	uint64_t seq;
};

struct session;

/* limits is copied; pool must outlive the session. own_index is the ID of packets to us. NULL: no
 * memory.
 */
struct session *session_create(uint64_t own_index, bool is_side_a,
			       const struct session_limits *limits, struct session_pool *pool);
/* Wipes every key. */
void session_destroy(struct session *s);
uint64_t session_index(const struct session *s);

/* Take the keys of a finished handshake; k may be wiped afterwards. Sequences start at 0 and
 * cannot be set. A next epoch that was never received in is replaced. 0, or: -EEXIST these very
 * keys are or were installed; -EBUSY the epoch is the current one; -EINVAL not this session's side
 * or index, or an unknown suite; -ENOMEM.
 */
int session_install(struct session *s, uint64_t now, const struct epoch_keys *k);

/* Seal body into out: header, body, tag. body and out must not overlap. *out_len is written only
 * for OK. Anything else: nothing was sent, no sequence number was used.
 */
enum session_verdict session_seal(struct session *s, uint64_t now, uint8_t type, uint8_t route,
				  const uint8_t *body, size_t len, uint8_t *out, size_t cap,
				  size_t *out_len);
/* The same without the copy: body_len bytes of body stand at pkt + WIRE_HDR_LEN already. */
enum session_verdict session_seal_in_place(struct session *s, uint64_t now, uint8_t type,
					   uint8_t route, uint8_t *pkt, size_t body_len, size_t cap,
					   size_t *out_len);
/* Open pkt into out, which has room for len - WIRE_OVERHEAD bytes and may be pkt + WIRE_HDR_LEN.
 * *out_len and *meta are written only for OK; for all else the session is unchanged but for the
 * verdict's counter. A CBC body comes with its padding: see inner_check().
 */
enum session_verdict session_open(struct session *s, uint64_t now, const uint8_t *pkt, size_t len,
				  uint8_t *out, size_t *out_len, struct session_meta *meta);

/* Can data be sent now? False before the first keys and past a hard limit. */
bool session_can_send(const struct session *s, uint64_t now);
/* A soft limit of the sending epoch is passed and it has carried data: side A calls assoc_rekey(),
 * side B asks for it.
 */
bool session_rekey_due(const struct session *s, uint64_t now);
/* Epoch we send in, or -ENOENT. */
int session_epoch(const struct session *s);
/* Suite of the sending epoch: inner_check() wants to know whether it is CBC. */
uint8_t session_suite(const struct session *s);
const struct session_stats *session_stats(const struct session *s);

#endif
