/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_MSG_H
#define COMMON_MSG_H

/* Control messages as values: one struct, one table of fields, one encoder and one decoder for all
 * of them (docs/protocol.md section 8). A message says which fields it has by the bits of has;
 * what each type requires and allows is a row in msg.c, checked both ways.
 *
 * Pure; no allocation; any thread. A struct msg is about 6 kB: keep one per core, not per peer.
 */
#include "common/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	MSG_HDR_LEN = 8,
	MSG_MAX = 1200, /* body of one control packet, header included */
	NAME_MAX_LEN = 253,
	MSG_CANDIDATES_MAX = 8,
	MSG_ENDPOINTS_MAX = 4,
	MSG_PREFIXES_MAX = 8,
	MSG_NAMES_MAX = 8,
	MSG_GRANTS_MAX = 4,
	MSG_PATHS_MAX = 16,
	MSG_BINDINGS_MAX = 8,
	MSG_SUITES_MAX = 8,
	MSG_HANDSHAKE_MAX = 512,
	MSG_TEXT_MAX = 96,
	RESET_TOKEN_LEN = 16,
	CHALLENGE_LEN = 16,
	KEY_LEN = 32,
};

/* The seeds' names where they have one (M-01..M-10). A request and its answer share the number. */
enum msg_type {
	MSG_REGISTRATION = 1,	 /* node -> DC */
	MSG_KEEP_ALIVE = 2,	 /* node -> DC, node -> RS, end -> end */
	MSG_DIRECTION = 3,	 /* node -> DC; answered by ROUTE_DIRECTION or an error */
	MSG_INFORMATION = 4,	 /* DC_MN -> DC_CN */
	MSG_RELAY_DIRECTION = 5, /* DC -> RS; its answer is the Relay Response */
	MSG_ROUTE_DIRECTION = 6, /* DC -> node, DC_MN -> DC_CN; its answer is the acknowledgement */
	MSG_TUNNEL = 7,		 /* node -> RS: bind paths */
	MSG_LEG_UPDATE = 8,	 /* node -> RS: I am here now */
	MSG_CHALLENGE = 9,	 /* RS -> node, end -> end, and the proof that comes back */
	MSG_PATH_UPDATE = 10,	 /* end -> end: location and candidates */
	MSG_STATUS = 11,	 /* RS -> DC: load */
	MSG_RELEASE = 12,	 /* whoever ends a path or binding */
	MSG_ASSOCIATE = 13,	 /* DC -> DC: zones and pools, once per association */
	MSG_TYPE_MAX = 13,
};

/* Field numbers on the wire and bits of has. M: sent with the must-understand bit. */
/* clang-format off */
#define MSG_FIELDS(X)                                                                              \
	X(PAD,          0, "filler, ignored")                                                      \
	X(ATTEMPT,      1, "attempt number of a handshake")                                        \
	X(RESET_TOKEN,  2, "token a forgotten association answers with")                           \
	X(ERROR,        3, "refusal: code and text")                                               \
	X(NAME,         4, "FQDN of the sender, or of the node a relayed message is for")          \
	X(PEER_NAME,    5, "FQDN of the other end")                                                \
	X(TOKEN_ID,     6, "which join token is the PSK of this handshake")                        \
	X(LASTING_PSK,  7, "PSK of all later handshakes")                                          \
	X(LOCATION,     8, "location number of the sender or subject")                             \
	X(CANDIDATE,    9, "an address the subject may be reached at")                             \
	X(OBSERVED,    10, "the outer source the answerer saw")                                    \
	X(VIPS,        11, "VIPv4 and VIPv6 of the subject")                                       \
	X(PEER_VIPS,   12, "VIPv4 and VIPv6 of the other end")                                     \
	X(VIP_RANGE,   13, "a block whose addresses are reached through NTMobile")                 \
	X(SUFFIX,      14, "names below this one are NTMobile names")                              \
	X(GRANT,       15, "leave to have a leg at an RS")                                         \
	X(RS_ID,       16, "which RS")                                                             \
	X(KEY_ID,      17, "which temporary key; of a path row: side A's")                         \
	X(TEMP_KEY,    18, "temporary key: PSK of the leg")                                        \
	X(LIFETIME,    19, "seconds this row is good for")                                         \
	X(ENDPOINT,    20, "where to send")                                                        \
	X(PATH,        21, "a path row")                                                           \
	X(PATH_ID,     22, "Path ID")                                                              \
	X(SIDE,        23, "0: the receiver is side A, 1: side B")                                 \
	X(PATH_KEY,    24, "path key: PSK of the ends' handshake")                                 \
	X(SUITES,      25, "suites, the preferred first; where a choice was made: one")            \
	X(ROUTE,       26, "what Table 1 prefers for this path")                                   \
	X(BINDING,     27, "a general host's row")                                                 \
	X(NUMBER,      28, "number of a binding")                                                  \
	X(VIP_GN,      29, "address the node uses for a general host")                             \
	X(RIP_GN,      30, "real address of the general host")                                     \
	X(PEER_KEY,    31, "static public key of the other end")                                   \
	X(HANDSHAKE,   32, "side A's handshake 1 of the path, for the RS to send on")              \
	X(CHALLENGE,   33, "bytes to send back sealed")                                            \
	X(BOUND,       34, "bit 0: this side bound, bit 1: the other side bound")                  \
	X(MTU,         35, "largest inner packet the sender takes")                                \
	X(REKEY,       36, "side B asks side A for new keys")                                      \
	X(LOAD,        37, "legs, paths, busy per mille of an RS")                                 \
	X(NAT,         38, "NAT class the sender found")                                           \
	X(KEEPALIVE,   39, "seconds between keep-alives")                                          \
	X(REASON,      40, "row of Table 1 that decided, in words")                                \
	X(PEER_VIP,    41, "the address asked for, instead of a name")                             \
	X(POOL,        42, "VIP pool of a DC")                                                     \
	X(ZONE,        43, "zone a DC speaks for")                                                 \
	X(KEY_ID_B,    44, "temporary key of side B of a path row")                                \
	X(REMOVE,      45, "the row is withdrawn")                                                 \
	X(TICKET,      46, "reserved: sealed rows for an RS that forgot them")                     \
	X(BACKUP,      47, "reserved: a grant at the backup RS")                                   \
	X(STANDBY,     48, "reserved: standby keys and rows")                                      \
	X(SAME_SITE,   49, "both ends share a public address: private candidates may be tried")    \
	X(PEER_LOCATION, 50, "location number of the other end")                                   \
	X(RELAY_TYPE,  51, "0: switch (RS-S), 1: NAT (RS-N)")                                          \
	X(INDEX,       52, "sealed copy of the index that stands in clear in a handshake")
/* clang-format on */

enum msg_field {
#define X(name, number, help) FIELD_##name = number,
	MSG_FIELDS(X)
#undef X
		FIELD_COUNT = 53,
};

#define HAS(field) (1ULL << FIELD_##field)

/* clang-format off */
#define MSG_ERRORS(X)                                                                              \
	X(STALE,        1, "attempt or location number is not greater than the last")              \
	X(UNKNOWN_NAME, 2, "no such name")                                                         \
	X(UNREACHABLE,  3, "the peer is not registered now")                                       \
	X(REFUSED_DST,  4, "destination is not allowed")                                           \
	X(NO_RS,        5, "no relay server can take it")                                          \
	X(FULL,         6, "a table is full")                                                      \
	X(NO_VIP,       7, "no free virtual address")                                              \
	X(BAD_MESSAGE,  8, "message cannot be understood")                                         \
	X(NOT_ALLOWED,  9, "not this sender's to ask")                                             \
	X(ID_TAKEN,    10, "Path ID or key id is in use")                                          \
	X(EXPIRED,     11, "key, token or row has expired")                                        \
	X(BUSY,        12, "try again later")                                                      \
	X(NO_PATH,     13, "Table 1 has no path for these two")                                    \
	X(POOL_OVERLAP,14, "address pools of two DCs overlap")                                     \
	X(REGISTER,    15, "register first")                                                       \
	X(UNKNOWN_ID,  16, "no such path, key or binding here")                                    \
	X(NO_SUITE,    17, "no suite in common")                                                   \
	X(TIMEOUT,     18, "no answer from a third party")                                         \
	X(NOT_NTM,     19, "a general host, and the policy wants no relay for it")
/* clang-format on */

enum msg_error {
#define X(name, number, text) MSG_ERR_##name = number,
	MSG_ERRORS(X)
#undef X
};

enum candidate_kind { CANDIDATE_LOCAL = 0, CANDIDATE_DC = 1, CANDIDATE_RS = 2 };

struct candidate {
	uint8_t kind;
	uint8_t link; /* sender's number of the local link; groups candidates, means no more */
	struct endpoint ep;
};

enum msg_route { ROUTE_RELAY = 0, ROUTE_DIRECT = 1, ROUTE_OPTIMISE = 2 };
enum msg_nat { NAT_UNKNOWN = 0, NAT_NONE = 1, NAT_INDEPENDENT = 2, NAT_DEPENDENT = 3 };
enum msg_relay { RELAY_SWITCH = 0, RELAY_NAT = 1 };

struct vips {
	struct ip_addr v4; /* ip_is_none() where there is none */
	struct ip_addr v6;
};

struct msg_load {
	uint32_t legs;
	uint32_t paths;
	uint32_t busy_permille;
};

/* Fields of has in a grant: RS_ID KEY_ID TEMP_KEY LIFETIME VIPS ENDPOINT REMOVE ERROR. */
struct msg_grant {
	uint64_t has;
	uint64_t rs_id;
	uint64_t key_id;
	uint8_t temp_key[KEY_LEN];
	uint32_t lifetime_sec;
	struct vips vips;
	struct endpoint endpoints[MSG_ENDPOINTS_MAX];
	uint8_t endpoints_n;
	uint16_t error;
};

/* PATH_ID SIDE KEY_ID KEY_ID_B LIFETIME HANDSHAKE BOUND REMOVE ERROR. */
struct msg_path {
	uint64_t has;
	uint64_t path_id;
	uint64_t key_id;
	uint64_t key_id_b;
	uint32_t lifetime_sec;
	uint8_t side;
	uint8_t bound;
	uint16_t error;
	const uint8_t *handshake; /* decoded: into the message; encoded: the caller's */
	uint16_t handshake_len;
};

/* NUMBER VIP_GN RIP_GN KEY_ID LIFETIME REMOVE ERROR. */
struct msg_binding {
	uint64_t has;
	uint64_t key_id;
	uint32_t number;
	uint32_t lifetime_sec;
	struct ip_addr vip_gn;
	struct ip_addr rip_gn;
	uint16_t error;
};

struct msg {
	uint8_t type; /* enum msg_type */
	bool is_response;
	uint8_t part, of; /* part counts from 1; 1 of 1 where there is only one */
	uint32_t txn;
	uint16_t pad_to; /* encode: at least this long, by a PAD field; decode leaves it alone */
	uint64_t has;

	uint64_t attempt, location, peer_location, token_id;
	uint64_t rs_id, key_id, path_id;
	uint32_t lifetime_sec, keepalive_sec, number;
	uint16_t error, reason, mtu;
	uint8_t side, route, bound, nat, relay_type;
	uint8_t suites_n, suites[MSG_SUITES_MAX];
	char error_text[MSG_TEXT_MAX], reason_text[MSG_TEXT_MAX];
	char name[NAME_MAX_LEN + 1], peer_name[NAME_MAX_LEN + 1];
	uint8_t reset_token[RESET_TOKEN_LEN], challenge[CHALLENGE_LEN];
	uint8_t lasting_psk[KEY_LEN], temp_key[KEY_LEN], path_key[KEY_LEN], peer_key[KEY_LEN];
	struct endpoint observed;
	struct vips vips, peer_vips;
	struct ip_addr peer_vip, vip_gn, rip_gn;
	struct msg_load load;

	uint8_t candidates_n, endpoints_n, ranges_n, pools_n, suffixes_n, zones_n;
	uint8_t grants_n, paths_n, bindings_n;
	struct candidate candidates[MSG_CANDIDATES_MAX];
	struct endpoint endpoints[MSG_ENDPOINTS_MAX];
	struct ip_prefix ranges[MSG_PREFIXES_MAX], pools[MSG_PREFIXES_MAX];
	char suffixes[MSG_NAMES_MAX][NAME_MAX_LEN + 1], zones[MSG_NAMES_MAX][NAME_MAX_LEN + 1];
	struct msg_grant grants[MSG_GRANTS_MAX];
	struct msg_path paths[MSG_PATHS_MAX];
	struct msg_binding bindings[MSG_BINDINGS_MAX];
};

void msg_init(struct msg *m, enum msg_type type, bool is_response, uint32_t txn);

/* A control body: 8-byte header, then fields. Returns the length; -EMSGSIZE where cap is too
 * small; -EINVAL where a required field is absent or one is set that the type does not allow
 * (a programming error: the answer is a bug report, not a retry).
 */
int msg_encode(const struct msg *m, uint8_t *buf, size_t cap);

/* 0, or: -EBADMSG malformed, too many rows, field absent, twice or not allowed here;
 * -EOPNOTSUPP an unknown field with the must-understand bit; -ENOMSG an unknown type.
 * m is undefined after an error except type, is_response and txn (so that it can be refused).
 */
int msg_decode(struct msg *m, const uint8_t *buf, size_t len);

/* The same fields without the header, as they stand in a handshake's sealed payload; ATTEMPT and
 * RESET_TOKEN are allowed there. Decode checks nothing but the form: the caller names what it needs.
 */
int msg_encode_payload(const struct msg *m, uint8_t *buf, size_t cap);
int msg_decode_payload(struct msg *m, const uint8_t *buf, size_t len);

/* Make m the answer "no" to a request. */
void msg_refuse(struct msg *m, uint8_t type, uint32_t txn, enum msg_error code);

const char *msg_type_name(uint8_t type);
const char *msg_field_name(uint8_t field);
const char *msg_error_name(uint16_t code);
const char *msg_error_text(uint16_t code);

/* Lower-case letters, digits, hyphen, underscore and dots; labels of 1 to 63; no dot at the end. */
bool name_is_valid(const char *name, size_t len);
/* Is name equal to suffix or below it? Both valid names. */
bool name_is_under(const char *name, const char *suffix);

#endif
