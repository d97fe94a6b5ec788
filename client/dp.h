/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLIENT_DP_H
#define CLIENT_DP_H

/* The portable packet path behind client/datapath.h, over common/session.h: for the TUN datapath
 * and the simulation. Pure; one thread; no allocation per packet (held packets and parts live in
 * fixed pools made at create, a replay window comes from the session pool).
 *
 *	inner -> dp_output: own VIP? -> VIP table -> size, MSS clamp -> seal in place -> emit
 *	outer -> dp_input: header -> association table -> open in place -> inner and address checks
 *	      -> join parts -> ECN, MSS clamp -> deliver
 */
#include "client/datapath.h"

enum {
	DP_HEADROOM = WIRE_HDR_LEN, /* writable bytes before an inner packet */
	DP_TAILROOM = 32,	    /* and behind it: padding and tag */
	DP_PACKET_MAX = 2048,	    /* longest inner or outer packet taken */
};

/* Each packet given to dp_output() or dp_input() raises exactly one counter of its kind at its end;
 * dp_conserves() checks the sums.
 */
/* clang-format off */
#define DP_COUNTERS(X)                                                                             \
	X(IN_OUTER,        "outer packets taken in")                                               \
	X(IN_INNER,        "inner packets taken in")                                               \
	/* ends of an inner packet */                                                              \
	X(TX_DATA,         "inner packets sealed and sent")                                        \
	X(TX_BAD_INNER,    "drop: not an IP packet")                                               \
	X(TX_NOT_OWN,      "drop: source is not an own VIP")                                       \
	X(TX_NOT_UNICAST,  "drop: destination is not unicast")                                     \
	X(TX_HOLD_FULL,    "drop: too many packets wait for this VIP")                             \
	X(TX_HOLD_TABLE,   "drop: no room to wait for another VIP")                                \
	X(TX_HOLD_EXPIRED, "drop: waited too long, unreachable sent")                              \
	X(TX_UNREACHABLE,  "drop: no path, unreachable sent")                                      \
	X(TX_TOO_BIG,      "drop: larger than the route takes, too-big sent")                      \
	X(TX_NO_ROUTE,     "drop: no route to send by")                                            \
	X(TX_NO_CREDIT,    "drop: address not proven and credit used up")                          \
	X(TX_SEAL,         "drop: could not be sealed")                                            \
	/* ends of an outer packet */                                                              \
	X(RX_DATA,         "outer packets delivered whole")                                        \
	X(RX_PART_HELD,    "parts that wait for the other part")                                   \
	X(RX_PART_JOINED,  "parts that completed a packet, delivered")                             \
	X(RX_BODY,         "control and probe packets given to the core")                          \
	X(RX_RAW,          "handshakes and unknown IDs given to the core")                         \
	X(RX_SHORT,        "drop: shorter than a header")                                          \
	X(RX_BAD_HEADER,   "drop: version, type or reserved bits")                                 \
	X(RX_LONG,         "drop: longer than any packet of ours")                                 \
	X(RX_REFLECTED,    "drop: our own packet came back")                                       \
	X(RX_EPOCH,        "drop: no keys for the epoch")                                          \
	X(RX_REPLAY,       "drop: seen before, or older than the window")                          \
	X(RX_AUTH,         "drop: tag did not verify")                                             \
	X(RX_KEY_EXPIRED,  "drop: data under a key past its hard limit")                           \
	X(RX_SESSION,      "drop: any other verdict of the session")                               \
	X(RX_BAD_INNER,    "drop: inner packet malformed")                                         \
	X(RX_NOT_PEER,     "drop: inner source is not the peer's")                                 \
	X(RX_NOT_OURS,     "drop: inner destination is not an own VIP")                            \
	X(RX_PART_BAD,     "drop: joined parts are not one good packet")                           \
	X(RX_ECN,          "drop: congestion marked on a packet that cannot carry it")             \
	/* besides */                                                                              \
	X(HELD,            "packets that had to wait")                                             \
	X(RELEASED,        "packets that waited and went on")                                      \
	X(MISSES,          "directions asked for by a packet")                                     \
	X(TX_PARTS,        "inner packets sent as two parts")                                      \
	X(TX_FRAGMENTED,   "inner IPv4 packets fragmented")                                        \
	X(TX_BODY,         "control and probe packets sent")                                       \
	X(TX_PACKETS,      "outer packets sent")                                                   \
	X(MSS_CLAMPED,     "TCP handshakes whose MSS was lowered")                                 \
	X(ICMP_SENT,       "ICMP errors made for the own host")                                    \
	X(PART_EXPIRED,    "parts whose other part did not come in time, or made room")
/* clang-format on */

enum dp_counter {
#define X(name, help) DP_##name,
	DP_COUNTERS(X)
#undef X
		DP_COUNTER_COUNT
};

const char *dp_counter_name(enum dp_counter c); /* "tx_no_key" */
const char *dp_counter_help(enum dp_counter c);

struct dp;

struct dp_ops {
	/* Send pkt on link. tos: of the outer header (DSCP and ECN of the inner one). */
	void (*emit)(void *ctx, uint8_t link, const struct endpoint *to, uint8_t tos,
		     const uint8_t *pkt, size_t len);
	/* An inner packet for the own host. */
	void (*deliver)(void *ctx, uint8_t *pkt, size_t len);
};

struct dp_params {
	uint32_t assocs;  /* most associations, 0: 1056 */
	uint32_t vips;	  /* most VIPs in the table, 0: 4096 */
	uint32_t windows; /* replay windows, 0: three for each association */
	uint16_t mtu;	  /* of the tunnel */
	struct rng *rng;  /* for the keys of hash tables; outlives the dp */
};

/* NULL: no memory. events' ctx is set by dp_attach() before any packet. */
struct dp *dp_create(const struct dp_params *p, const struct dp_ops *ops, void *ctx,
		     const struct datapath_events *events);
void dp_attach(struct dp *dp, void *events_ctx);
void dp_destroy(struct dp *dp);
/* What node_create() wants. */
struct datapath dp_datapath(struct dp *dp);

/* An inner packet from the own host; DP_HEADROOM bytes before it and DP_TAILROOM behind it are
 * overwritten.
 */
void dp_output(struct dp *dp, uint64_t now, uint8_t *pkt, size_t len);
/* An outer packet (UDP payload); opened in place. tos: of the outer header, 0 if not known. */
void dp_input(struct dp *dp, uint64_t now, uint8_t link, const struct endpoint *from, uint8_t tos,
	      uint8_t *pkt, size_t len);
/* Expire held packets and parts, report due rekeys; returns when to call again. */
uint64_t dp_poll(struct dp *dp, uint64_t now);

const uint64_t *dp_counters(const struct dp *dp); /* DP_COUNTER_COUNT */
uint32_t dp_held(const struct dp *dp);
/* In = ends + held, both ways. */
bool dp_conserves(const struct dp *dp);

#endif
