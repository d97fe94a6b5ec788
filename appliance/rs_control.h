/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_RS_CONTROL_H
#define APPLIANCE_RS_CONTROL_H

/* Control of the relay server: legs, paths, bindings, moves, and the association with the DC
 * (docs/protocol.md 6.4, 6.6, 6.7, 7). It decides; the data path (appliance/rs_dp.h) carries out.
 *
 * Pure: bytes and now (steady ns) in, ops out, no clock, no socket, no log. One thread, the control
 * lcore, for everything. Memory: about 5 kB per leg, 200 bytes per path.
 */
#include "appliance/rs_dp.h"
#include "common/assoc.h"
#include "common/msg.h"
#include "common/noise.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rs_control;

/* clang-format off */
#define RS_CONTROL_COUNTERS(X)                                                                     \
	X(legs_opened,        "leg handshakes that a sealed packet proved")                        \
	X(leg_limit,          "leg handshakes refused: too many of one association")               \
	X(hs_stray,           "handshake answers, cookies, resets that nobody waits for")          \
	X(leg_early,          "leg handshakes kept for a grant that is not here yet")              \
	X(leg_early_dropped,  "such handshakes whose grant never came, or no room")                \
	X(leg_unopened,       "control packets that did not open")                                 \
	X(leg_bad,            "control bodies or probes that cannot be understood")                \
	X(leg_not_allowed,    "messages an RS does not take from a node")                          \
	X(binds,              "sides of paths bound")                                              \
	X(binds_early,        "binds kept for a path that is not here yet")                        \
	X(binds_refused,      "binds refused: unknown path, or another's side")                    \
	X(hs_held,            "handshake 1 held until the other side is bound")                    \
	X(hs_held_dropped,    "held handshakes whose other side never came")                       \
	X(moves,              "legs moved")                                                        \
	X(moves_proven,       "moves proven by a challenge, or to an address proven before")       \
	X(moves_stale,        "leg updates with a location number that is not greater")            \
	X(moves_refused,      "leg updates refused: address that cannot be, or too many unproven") \
	X(challenges,         "challenges sent to a new source")                                   \
	X(challenges_held,    "challenges not sent: limit, or longer than their cause")            \
	X(challenges_wrong,   "challenge answers that do not fit")                                 \
	X(hints,              "sizes told by ICMP about what a leg is sent")                       \
	X(hints_strange,      "ICMP errors about nothing that a leg is sent, or without a size")   \
	X(resets,             "resets sent for a forgotten index")                                 \
	X(resets_held,        "resets not sent: limit, not shorter than their cause, index in use")\
	X(dc_unopened,        "packets of the DC association that did not open")                   \
	X(dc_bad,             "messages of the DC that cannot be understood")                      \
	X(dc_rows,            "rows taken from the DC")                                            \
	X(dc_rows_old,        "rows of a request that a later one had overtaken")                  \
	X(dc_rows_refused,    "rows refused")                                                      \
	X(dc_failures,        "handshakes with the DC that failed")                                \
	X(expired,            "grants, paths and bindings whose life ended")                       \
	X(dp_full,            "data path tables that were full")
/* clang-format on */

enum rs_control_counter {
#define X(name, help) RS_C_##name,
	RS_CONTROL_COUNTERS(X)
#undef X
		RS_C_COUNT,
};

struct rs_control_ops {
	/* A packet to a node from own endpoint number local. */
	void (*send)(void *ctx, uint16_t local, const struct endpoint *to, const uint8_t *pkt,
		     size_t len);
	void (*send_dc)(void *ctx, const struct endpoint *to, const uint8_t *pkt, size_t len);
	/* Run hs_job_run() elsewhere, then rs_control_filed() on this thread. NULL: inline. */
	void (*compute)(void *ctx, struct hs_job *job);
	/* The lasting PSK with the DC, to be stored before the join token is forgotten. Negative: it is
	 * not, and the token stays.
	 */
	int (*save_psk)(void *ctx, const uint8_t psk[KEY_LEN]);
	/* How busy the workers are, per mille. */
	uint32_t (*busy)(void *ctx);
};

enum { RS_DC_ENDPOINTS_MAX = 4, RS_PUBLIC_MAX = 64 };

struct rs_control_params {
	char name[NAME_MAX_LEN + 1];
	char dc_name[NAME_MAX_LEN + 1];
	uint8_t dc_key[NOISE_KEY_LEN];
	struct endpoint dc[RS_DC_ENDPOINTS_MAX]; /* tried in turn */
	unsigned int dc_n;
	struct noise_keypair self;
	uint8_t psk[KEY_LEN]; /* lasting PSK, or the join token where has_token */
	bool has_token;
	uint8_t reset_secret[RESET_SECRET_LEN];
	int64_t clock_offset_ns;
	uint32_t suites; /* set of suites a leg may have */
	struct session_limits limits;
	uint32_t legs_max, paths_max;
	uint32_t handshakes_max; /* in work at once */
};

/* dp, rng, ops and ctx outlive it. NULL: no memory. */
struct rs_control *rs_control_create(const struct rs_control_params *p,
				     const struct rs_control_ops *ops, struct rs_dp *dp,
				     struct rng *rng, void *ctx);
void rs_control_destroy(struct rs_control *rs);

/* Types 3, 4, 5, 8 for this host, from a node. */
void rs_control_handshake(struct rs_control *rs, uint64_t now, uint16_t local,
			  const struct endpoint *from, const uint8_t *pkt, size_t len);
/* Types 6 and 7 of a leg, sealed; also RS_EV_UNKNOWN_INDEX, which may be answered by a reset. */
void rs_control_leg_packet(struct rs_control *rs, uint64_t now, uint16_t local,
			   const struct endpoint *from, const uint8_t *pkt, size_t len);
/* Anything from the DC's endpoint that is not for another role of this process. */
void rs_control_dc_packet(struct rs_control *rs, uint64_t now, const struct endpoint *from,
			  const uint8_t *pkt, size_t len);
/* RS_EV_WRONG_SOURCE and RS_EV_REBIND, RS_EV_EPOCH_SEEN, RS_EV_KEY_SOFT. */
void rs_control_stray(struct rs_control *rs, uint64_t now, uint64_t path_id, unsigned int side,
		      uint16_t local, const struct endpoint *from, size_t len);
void rs_control_rebind(struct rs_control *rs, uint64_t now, uint64_t index, uint16_t local,
		       const struct endpoint *from, size_t len);
void rs_control_epoch_seen(struct rs_control *rs, uint64_t now, uint64_t index, uint8_t epoch);
void rs_control_key_soft(struct rs_control *rs, uint64_t now, uint64_t index);
/* RS_EV_ICMP_ERROR about a sealed packet, which went to a node's own index at to. Anybody can send one:
 * a size is believed, a death is not, and what it costs does not depend on how many legs there are.
 */
void rs_control_too_big(struct rs_control *rs, uint64_t peer_index, const struct endpoint *to,
			uint16_t mtu);
/* A job that compute() took has run. */
void rs_control_filed(struct rs_control *rs, uint64_t now, struct hs_job *job);

/* Do what is due; returns when to call again. */
uint64_t rs_control_poll(struct rs_control *rs, uint64_t now);
/* Tell the nodes nothing and the DC that we end; drain refuses new grants. */
void rs_control_drain(struct rs_control *rs, bool on);

const uint64_t *rs_control_counters(const struct rs_control *rs);
/* Handshakes of legs, and answers of the DC to ours. */
uint64_t rs_control_verdicts(const struct rs_control *rs, enum hs_verdict v);
bool rs_control_has_dc(const struct rs_control *rs);
uint32_t rs_control_legs(const struct rs_control *rs);
uint32_t rs_control_paths(const struct rs_control *rs);

struct rs_leg_info {
	uint64_t key_id, index;
	struct vips vips;
	struct endpoint peer;
	bool is_up, is_confirmed;
	uint64_t location, since_ns;
	uint32_t paths, bindings;
};

struct rs_path_info {
	uint64_t id;
	bool is_bound[RS_SIDES];
	struct endpoint peer[RS_SIDES];
};

/* Walk for display; a callback that returns false ends it. */
void rs_control_each_leg(const struct rs_control *rs,
			 bool (*each)(void *arg, const struct rs_leg_info *i), void *arg);
void rs_control_each_path(const struct rs_control *rs,
			  bool (*each)(void *arg, const struct rs_path_info *i), void *arg);

#endif
