/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PKTGEN_TALK_H
#define PKTGEN_TALK_H

/* The control conversation with a real RS, so that it needs no back door for being measured: the
 * generator is the DC that the RS joins (rs.join, rs.dc), grants legs to its own nodes, tells paths
 * and general hosts, and opens the legs and binds the paths as nodes do. What comes of it, endpoints,
 * indexes and keys, is written into the plan.
 *
 *	WAITING -> GRANTS -> BINDINGS -> PATHS -> LEGS -> READY -> NO_PATHS -> NO_LEGS -> GONE
 *
 * Everything that both sides must know follows from the seed: DC key, join token, temporary keys. A
 * generator that comes back finds its legs again, one with another seed replaces them.
 *
 * Between the ends of a path no handshake is made: both are ours (plan.h), and an RS relays data as
 * soon as both sides are bound over confirmed legs.
 *
 * Pure: bytes and now (steady ns) in, send() out. One thread.
 */
#include "perf/pktgen/plan.h"

#include <stddef.h>

enum { TALK_PORT = 5525, TALK_ROW_SEC = 86400 };

enum talk_state {
	TALK_WAITING, /* for the RS to join */
	TALK_GRANTS,
	TALK_BINDINGS,
	TALK_PATHS,
	TALK_LEGS, /* handshakes, and both sides of every path bound */
	TALK_READY,
	TALK_NO_PATHS, /* the RS is told to forget them, and then the legs */
	TALK_NO_LEGS,
	TALK_GONE, /* the RS has forgotten all of it */
	TALK_FAILED,
};

typedef void (*talk_send_fn)(void *ctx, const struct endpoint *from, const struct endpoint *to,
			     const uint8_t *pkt, size_t len);

struct talk;

struct talk_conf {
	struct plan *plan;	 /* outlives it */
	struct endpoint dc;	 /* where the DC is: one of our addresses */
	int64_t clock_offset_ns; /* real time - now: for attempt numbers */
	talk_send_fn send;
	void *ctx;
};

/* NULL: no memory. */
struct talk *talk_create(const struct talk_conf *conf);
void talk_destroy(struct talk *t);

/* An NTM packet that is no data. */
void talk_input(struct talk *t, uint64_t now, const struct endpoint *from,
		const struct endpoint *to, const uint8_t *pkt, size_t len);
/* Timers; looks at a few nodes at a time, so that it may be called in the middle of a measurement:
 * every millisecond or so.
 */
void talk_poll(struct talk *t, uint64_t now);

enum talk_state talk_state(const struct talk *t);
const char *talk_why(const struct talk *t); /* of TALK_FAILED */
/* "legs 12 of 128" and the like, for people. */
void talk_progress(const struct talk *t, char *buf, size_t size);

/* New keys for legs that asked for them, or whose keys are older than age_ns: between trials, for
 * what is under way meanwhile may not open. READY again when done.
 */
void talk_rekey(struct talk *t, uint64_t now, uint64_t age_ns);
/* Have the RS forget everything, for the next one. */
void talk_leave(struct talk *t, uint64_t now);

/* The join string for the RS of a seed; buf has JOIN_TEXT_MAX bytes. */
const char *talk_join_text(uint64_t seed, char *buf);

#endif
