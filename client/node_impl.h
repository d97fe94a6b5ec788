/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLIENT_NODE_IMPL_H
#define CLIENT_NODE_IMPL_H

/* The node as its own files see it. */
#include "client/direction.h"
#include "client/leg.h"
#include "client/link.h"
#include "client/mover.h"
#include "client/path.h"
#include "client/registrar.h"
#include "client/why.h"
#include "common/responder.h"

#define NODE_NEVER UINT64_MAX
#define NODE_MS 1000000ULL
#define NODE_SEC 1000000000ULL

/* clang-format off */
#define NODE_COUNTERS(X)                                                                           \
	X(RAW,             "packets given to the core in clear")                                   \
	X(RAW_BAD,         "drop: clear packet that is no handshake or reset")                     \
	X(HS1_UNKNOWN,     "handshakes for a path not known yet, kept a second")                   \
	X(HS1_FULL,        "drop: too many handshakes for unknown paths")                          \
	X(HS1_EXPIRED,     "drop: no direction came for a kept handshake")                         \
	X(HS_STRAY,        "drop: handshake 2, cookie or reset nobody waits for")                  \
	X(HS_REFUSED,      "drop: handshake packet that was not taken")                            \
	X(UNKNOWN_ID,      "drop: sealed packet for an ID we do not have")                         \
	X(EARLY_DATA,      "drop: data of a path whose handshake 2 is still on the way")           \
	X(RESETS_SENT,     "resets sent for such")                                                 \
	X(RESETS_LIMITED,  "resets not sent: too many, or longer than the cause")                  \
	X(CONTROL_BAD,     "drop: control body malformed")                                         \
	X(CONTROL_STRAY,   "drop: answer nobody waits for")                                        \
	X(CONTROL_REFUSED, "requests of a peer refused")                                           \
	X(PROBE_BAD,       "drop: probe body malformed")                                           \
	X(PROBE_STRAY,     "drop: answer to a probe we did not send, or too late")                 \
	X(PROBES_SENT,     "probes sent")                                                          \
	X(PROBES_ANSWERED, "probes of peers answered")                                             \
	X(DIRECTIONS,      "Direction Requests made")                                              \
	X(DIRECTIONS_VIP,  "of these: by VIP, for a packet")                                       \
	X(MOVES,           "changes of address")                                                   \
	X(TRIALS,          "links tried before use")                                               \
	X(SILENT_LINK,     "nobody answered over the link in use, with another one there")         \
	X(CHALLENGES,      "challenges answered")                                                  \
	X(SWITCH_DIRECT,   "paths switched to a direct route")                                     \
	X(SWITCH_RELAY,    "paths switched to the relay")                                          \
	X(SILENT,          "routes found silent while sending")                                    \
	X(KEYS_CHANGED,    "peers that came with another key than the pinned one")                 \
	X(PATHS_LOST,      "paths that ended without being asked to")                              \
	X(WAKEUPS,         "polls that found something due")                                       \
	X(SAVE_FAILED,     "state that could not be written")
/* clang-format on */

enum node_counter {
#define X(name, help) NODE_##name,
	NODE_COUNTERS(X)
#undef X
		NODE_COUNTER_COUNT
};

enum { NODE_EARLY_MAX = 16, NODE_RESETS_PER_SEC = 10, NODE_RESPONDER_CACHE = 64 };

struct node_early {
	uint64_t until_ns; /* 0: free */
	uint64_t path_id;
	uint8_t link;
	uint16_t len;
	struct endpoint from;
	uint8_t pkt[WIRE_HS1_PATH_MAX];
};

struct node_pin {
	TAILQ_ENTRY(node_pin) link;
	char name[NAME_MAX_LEN + 1];
	uint8_t key[NOISE_KEY_LEN];
};

TAILQ_HEAD(chan_list, chan);
TAILQ_HEAD(pin_list, node_pin);

struct node {
	struct node_params conf; /* names point into the two below */
	char name[NAME_MAX_LEN + 1];
	char dc_name[NAME_MAX_LEN + 1];
	const struct node_ops *ops;
	void *ctx;
	struct datapath dp;
	uint64_t now;
	uint64_t location;
	struct node_state state; /* as saved */
	struct hs_attempts attempts;
	struct assoc_host host;
	struct responder *responder;
	struct link links[NODE_LINKS_MAX];
	uint8_t link; /* that carries everything now, LINK_NONE: none */
	struct mover mover;
	struct registrar registrar;
	struct chan_list chans;
	struct leg_list legs;
	struct path_list paths;
	struct direction_list directions;
	struct binding_list bindings;
	struct why_list whys;
	struct pin_list pins;
	unsigned int whys_n, paths_n, legs_n, bindings_n, directions_n;
	struct node_early early[NODE_EARLY_MAX];
	/* Where the packet that is being handled came from. */
	uint8_t rx_link;
	struct endpoint rx_from;
	uint64_t reset_window_ns;
	unsigned int resets;
	bool has_dead; /* something waits to be freed */
	/* What peers have been told since the last move: a NAT, and where the home RS sees us. */
	enum msg_nat nat_told;
	struct endpoint seen_told;
	uint64_t due_ns; /* what the last poll returned */
	uint64_t counters[NODE_COUNTER_COUNT];
	uint64_t verdicts[HS_VERDICT_COUNT]; /* answers to handshakes of ours */
	/* Scratch: incoming message, outgoing message, handshake payload. Each is good until the next
	 * of its kind is handled.
	 */
	struct msg rx, tx, hs;
};

static inline void node_count(struct node *n, enum node_counter c)
{
	n->counters[c]++;
}

static inline void node_now(struct node *n, uint64_t now)
{
	if (now > n->now)
		n->now = now;
}

static inline uint64_t node_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void node_event(struct node *n, enum node_event_kind kind, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void node_probe(struct node *n, struct chan *c, const struct datapath_rx *rx, const uint8_t *body,
		size_t len);
/* Write state where it lags behind what is in use. */
void node_save(struct node *n);
/* Give kept handshakes of this path to the responder. */
void node_early_take(struct node *n, uint64_t path_id);
void node_send_raw(struct node *n, const struct datapath_dest *to, const uint8_t *pkt, size_t len);
/* False: pinned another one and the config is strict. */
bool node_pin_check(struct node *n, const char *name, const uint8_t key[NOISE_KEY_LEN]);

#endif
