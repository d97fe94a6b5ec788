/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DC_COUNTERS_H
#define DC_COUNTERS_H

/* What the DC counts. Handshake verdicts (HS_VERDICTS), session verdicts and the engine's own
 * counters are counted beside these where they arise.
 */
/* clang-format off */
#define DC_COUNTERS(X)                                                                             \
	X(RX_PACKETS,        "packets taken in")                                                   \
	X(TX_PACKETS,        "packets sent")                                                       \
	X(RX_SHORT,          "shorter than a header")                                              \
	X(RX_BAD_VERSION,    "unknown version")                                                    \
	X(RX_BAD_TYPE,       "unknown type")                                                       \
	X(RX_RESERVED,       "reserved header bits are not zero")                                  \
	X(RX_PATH_ID,        "a Path ID: this is no end of a path")                                \
	X(RX_WRONG_TYPE,     "data or probe for a control association")                            \
	X(RX_UNKNOWN_INDEX,  "association index that is not known here")                           \
	X(RX_NOT_WAITING,    "handshake 2, cookie or reset that nobody waits for")                 \
	X(RX_SEALED_BAD,     "sealed packet that did not open (see session verdicts)")             \
	X(RESET_SENT,        "told a stranger that its association is forgotten")                  \
	X(RESTART_TOLD,      "told after a restart, unasked, that the association is forgotten")   \
	X(RESET_LIMITED,     "reset held back by the rate limit")                                  \
	X(HS_RATE_COOKIE,    "cookies asked for because of the handshake rate")                    \
	X(HS_BAD_PAYLOAD,    "handshake payload without what it must have")                        \
	X(HS_WRONG_NAME,     "handshake for another DC's name, or a name that is not the key's")   \
	X(HS_UNKNOWN_KEY,    "handshake by a static key that is not enrolled")                     \
	X(HS_UNKNOWN_TOKEN,  "handshake by a join token that is not known")                        \
	X(HS_EXPIRED_TOKEN,  "handshake by a join token past its time")                            \
	X(HS_TOKEN_TAKEN,    "join token used already by another key")                             \
	X(HS_WRONG_KIND,     "handshake of a kind that the key is not enrolled for")               \
	X(MSG_BAD,           "control message that cannot be understood")                          \
	X(MSG_STRAY,         "answer that nobody waits for")                                       \
	X(MSG_WRONG_PARTY,   "control message from a party that may not send it")                  \
	X(MSG_NO_MEMORY,     "request refused: no memory")                                         \
	X(REG_OK,            "registrations taken")                                                \
	X(REG_STALE,         "registration with an older location number")                         \
	X(REG_NO_VIP,        "registration refused: pool exhausted")                               \
	X(REG_NOT_STORED,    "registration refused: the store failed")                             \
	X(REG_NO_RS,         "registration answered without a relay server")                       \
	X(KEEPALIVE_OK,      "keep-alives answered")                                               \
	X(KEEPALIVE_UNKNOWN, "keep-alive of a node that must register first")                      \
	X(DIR_ASKED,         "directions asked for")                                               \
	X(DIR_OK,            "directions given")                                                   \
	X(DIR_SHARED,        "second asker of a pair in work: same path")                          \
	X(DIR_NEGATIVE_HIT,  "refused from the cache of failures")                                 \
	X(DIR_UNKNOWN_NAME,  "no such name")                                                       \
	X(DIR_UNREACHABLE,   "peer is not registered now")                                         \
	X(DIR_REFUSED_DST,   "general host whose address is not allowed")                          \
	X(DIR_NOT_NTM,       "general host outside of the relay policy")                           \
	X(DIR_NO_PATH,       "Table 1 has no path")                                                \
	X(DIR_NO_RS,         "no relay server could take it")                                      \
	X(DIR_NO_SUITE,      "no suite in common")                                                 \
	X(DIR_NO_VIP,        "block for general hosts exhausted")                                  \
	X(DIR_FULL,          "a table is full")                                                    \
	X(DIR_TIMEOUT,       "a third party did not answer")                                       \
	X(DIR_BAD,           "direction request that makes no sense")                              \
	X(DIR_NOT_REGISTERED, "direction asked for before registration")                           \
	X(ROUTE_UNACKED,     "route direction that the node did not acknowledge")                  \
	X(INFO_OK,           "information given to another DC")                                    \
	X(INFO_REFUSED,      "information asked for without the right to it")                      \
	X(PEER_ZONE,         "peer DC claimed a zone that is not its own")                         \
	X(PEER_OVERLAP,      "peer DC's pool overlaps one of ours or of another")                  \
	X(PEER_AUTHORITY,    "peer DC spoke for a name or address that is not its own")            \
	X(RS_DOWN,           "relay servers lost")                                                 \
	X(RS_REFUSED_ROW,    "rows that a relay server refused")                                   \
	X(RS_TIMEOUT,        "relay directions without an answer")                                 \
	X(RELEASED,          "paths and bindings released by their ends")                          \
	X(EXPIRED,           "paths, grants and bindings past their time")                         \
	X(STORE_FAILED,      "writes that the store refused")
/* clang-format on */

enum dc_counter {
#define X(name, text) DC_COUNT_##name,
	DC_COUNTERS(X)
#undef X
		DC_COUNT_MAX
};

const char *dc_counter_name(enum dc_counter c); /* "rx_short" */
const char *dc_counter_text(enum dc_counter c);

#endif
