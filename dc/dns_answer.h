/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DC_DNS_ANSWER_H
#define DC_DNS_ANSWER_H

/* The DC's authoritative answers: a query in a buffer becomes its answer in the same buffer.
 *
 * One thread (the DC lcore) owns a server. Answering does no allocation, no logging and no system
 * call. Another thread may swap in new zones (dns_server_swap).
 *
 * RDATA of NTM4 (65401) and NTM6 (65402), written by others as in RFC 3597 (TYPE65401 \# ...):
 *
 *	 0                   1
 *	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
 *	+---------------+---------------+
 *	| family: 4, 6  | flags         |	flags bit 0: the node has the other record too;
 *	+---------------+---------------+	the rest is sent as 0 and ignored
 *	| VIP, 4 or 16 bytes            |
 *	+-------------------------------+
 *	| FQDN of the node's DC, wire   |
 *	| format, never compressed      |
 *	+-------------------------------+
 */
#include "dc/dns_cookie.h"
#include "dc/dns_nodes.h"
#include "dc/dns_rrl.h"
#include "dc/dns_wire.h"
#include "dc/dns_zone.h"

#include <stdatomic.h>

enum {
	DNS_NODE_TTL_SEC = 30,
	DNS_NTM_FLAG_DUAL = 0x01,
	DNS_NTM_HEAD_LEN = 2,
	DNS_NTM_RDATA_MAX = DNS_NTM_HEAD_LEN + 16 + DNS_NAME_MAX,
};

/* Each query ends as exactly one of the first group, so
 * queries = no_error + no_data + nx_domain + referral + ... + rrl_dropped.
 */
/* clang-format off */
#define DNS_COUNTERS(X)                                                                    \
	X(NO_ERROR,    no_error,    "answered with records")                               \
	X(NO_DATA,     no_data,     "the name exists, the type does not")                  \
	X(NX_DOMAIN,   nx_domain,   "the name does not exist")                             \
	X(REFERRAL,    referral,    "below a delegation")                                  \
	X(REFUSED,     refused,     "not our zone or class, or a transfer")                \
	X(FORM_ERR,    form_err,    "malformed query")                                     \
	X(NOT_IMP,     not_imp,     "opcode or type that is not served")                   \
	X(NOT_AUTH,    not_auth,    "signed with a key nobody shares with us")             \
	X(BAD_VERS,    bad_vers,    "EDNS version above 0")                                \
	X(SERV_FAIL,   serv_fail,   "no zone loaded yet")                                  \
	X(RRL_SLIPPED, rrl_slipped, "above the rate: answered empty with TC")              \
	X(RRL_DROPPED, rrl_dropped, "above the rate: not answered")                        \
	X(SHORT,       drop_short,  "shorter than a header, or no room for an answer")     \
	X(RESPONSE,    drop_response, "a response, which is never answered")               \
	/* of those above: */                                                              \
	X(QUERIES,     queries,     "all that came in")                                    \
	X(TCP,         tcp,         "by TCP")                                              \
	X(TRUNCATED,   truncated,   "did not fit: TC set")                                 \
	X(UNPROVEN,    unproven,    "of these, for the limit to sources without a cookie") \
	X(COOKIE_GOOD, cookie_good, "with a valid server cookie")                          \
	X(COOKIE_NEW,  cookie_new,  "with a client cookie alone")                          \
	X(COOKIE_BAD,  cookie_bad,  "with a server cookie that is not ours or too old")
/* clang-format on */

enum dns_counter {
#define X(sym, name, text) DNS_COUNT_##sym,
	DNS_COUNTERS(X)
#undef X
		DNS_COUNT_MAX
};

struct dns_server {
	_Atomic(const struct dns_zones *) zones; /* NULL: SERVFAIL */
	struct dns_nodes *nodes;		 /* not owned */
	struct dns_rrl *rrl;			 /* not owned; NULL: no limit */
	struct dns_cookie_secret cookie;
	struct dns_name dc; /* what NTM4 and NTM6 name */
	uint32_t node_ttl;
	/* By UDP an answer to a source without a valid cookie has at most so many times the bytes of
	 * its question, or it is empty with TC (a cookie option may make that 16 bytes longer than
	 * the question). 0: no such limit.
	 */
	uint32_t unproven_factor;
	uint64_t count[DNS_COUNT_MAX]; /* written by the owner alone */
};

struct dns_from {
	struct ip_addr src;
	bool tcp;	   /* no rate limit, answers up to 65,535 bytes */
	uint64_t now;	   /* ns, monotonic */
	uint32_t unix_sec; /* wall clock, for cookies */
};

/* nodes may hold no entry yet; secret is for the cookies. */
void dns_server_init(struct dns_server *s, struct dns_nodes *nodes, const struct dns_name *dc,
		     const uint8_t secret[DNS_COOKIE_SECRET_LEN]);

/* Publish the zones and get the old ones back, which may be destroyed when the owner has returned from
 * the dns_answer() it may be in. Any one control thread.
 */
const struct dns_zones *dns_server_swap(struct dns_server *s, const struct dns_zones *zones);

/* Turn the query of len bytes in buf into its answer, in place. room is the size of buf: from
 * DNS_UDP_MIN up, 65,535 at most is used, and by UDP never more than DNS_UDP_MAX nor than the
 * client takes. Returns the length of the answer, or 0 when there is to be none (counted).
 */
size_t dns_answer(struct dns_server *s, const struct dns_from *from, uint8_t *buf, size_t len,
		  size_t room);

/* The RDATA above into out (DNS_NTM_RDATA_MAX bytes); returns its length. */
uint16_t dns_ntm_rdata(const struct dns_node *node, bool v6, const struct dns_name *dc,
		       uint8_t *out);

const char *dns_counter_name(enum dns_counter c);
const char *dns_counter_text(enum dns_counter c);

#endif
