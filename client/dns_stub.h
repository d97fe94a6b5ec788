/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLIENT_DNS_STUB_H
#define CLIENT_DNS_STUB_H

/* The node's stub resolver: what an application asks is the trigger of NTMobile [N-06, N-07].
 *
 *	application -> dns_stub_query() --+-- not ours ------> send_upstream() -> dns_stub_upstream()
 *	                                  |                                        | untouched
 *	                                  +-- NTMobile name -> start_direction()   v
 *	                                  |   (parked)         dns_stub_direction() -> send_reply()
 *	                                  +-- PTR of a VIP, known name ------------> send_reply()
 *
 * A name is NTMobile's when it stands under a suffix that the DC announced or under the relay
 * policy, when its answer holds an address in a VIP range, or when its CNAME chain leads to such a
 * name. All questions for one name wait for one direction. Such a name is never answered with a
 * real address: without a DC it is SERVFAIL after DNS_STUB_WAIT_NS. Every other name works as if
 * the stub were not there.
 *
 * Pure: messages and now (ns, monotonic) in, calls of the ops out; no socket, clock or thread. One
 * thread owns a stub; ops may call back into it. All memory is taken at creation: full tables are
 * refused by SERVFAIL and counted.
 */
#include "common/dns_name.h"
#include "common/ip.h"
#include "common/rng.h"

enum {
	DNS_STUB_TTL_SEC = 30,	    /* of A and AAAA that hold VIPs, and how long they are kept */
	DNS_STUB_NEGATIVE_SEC = 10, /* how long "not an NTMobile name" is believed */
	DNS_STUB_UPSTREAMS_MAX = 4,
	DNS_STUB_NAMES_MAX = 64, /* suffixes, relay names, exempt names: each */
	DNS_STUB_RANGES_MAX = 32,
	DNS_STUB_QUERY_LEN_MAX = 512, /* longer questions are refused */
};

/* A parked question: SERVFAIL is promised within 1.5 s, and a busy machine wants its part of that. */
#define DNS_STUB_WAIT_NS UINT64_C(1400000000)
#define DNS_STUB_UDP_WAIT_NS UINT64_C(1000000000) /* one try at one upstream */
#define DNS_STUB_TCP_WAIT_NS UINT64_C(3000000000)

/* Where a question came from and its answer goes; handed back as it was given. */
struct dns_stub_from {
	struct endpoint peer;
	uint64_t tag; /* the shell's: socket, or number of the TCP connection */
	bool tcp;     /* answers up to 65,535 bytes instead of what the question allows */
};

struct dns_stub_ops {
	/* Send msg to an upstream server from a socket of its own with a random source port, bound
	 * to that server; by TCP, with the two bytes of length (common/dns_frame.h) put before it.
	 * What comes back goes to dns_stub_upstream() with the same xid. An error other than
	 * -EINPROGRESS means the next server is tried.
	 */
	int (*send_upstream)(void *ctx, uint32_t xid, const struct endpoint *server, bool tcp,
			     const uint8_t *msg, size_t len);
	/* Close that socket. Called once for each xid whose send_upstream() did not fail. */
	void (*end_upstream)(void *ctx, uint32_t xid);
	void (*send_reply)(void *ctx, const struct dns_stub_from *to, const uint8_t *msg,
			   size_t len);
	/* Find the way to a name (lower case, no closing dot) and say dns_stub_direction(), maybe
	 * before returning. Not called again for the name until then or for 6 s.
	 */
	void (*start_direction)(void *ctx, const char *name);
};

/* clang-format off */
#define DNS_STUB_COUNTERS(X)                                                              \
	X(QUERIES,        queries,        "questions that came in")                       \
	/* how each of them ended (those in flight have not yet) */                       \
	X(FORWARDED,      forwarded,      "answered as upstream did")                     \
	X(VIPS,           vips,           "answered for an NTMobile name")                \
	X(DIRECT,         direct,         "answered at once: known name, PTR, refusal")   \
	X(DIRECTION_LOST, direction_lost, "SERVFAIL: no direction in time")               \
	X(UPSTREAM_LOST,  upstream_lost,  "SERVFAIL: no upstream answered")               \
	X(DROP_SHORT,     drop_short,     "shorter than a header")                        \
	X(DROP_RESPONSE,  drop_response,  "a response where a question belongs")          \
	X(DROP_REPEATED,  drop_repeated,  "the same question is in flight")               \
	X(DROP_GONE,      drop_gone,      "its TCP connection closed first")              \
	X(QUERIES_FULL,   queries_full,   "SERVFAIL: table of questions full")            \
	X(NAMES_FULL,     names_full,     "SERVFAIL: table of names full")                \
	X(TOO_LONG,       too_long,       "SERVFAIL: question or alias chain too long")   \
	/* not ends of a question */                                                      \
	X(DIRECTIONS,     directions,     "directions asked for")                         \
	X(DIRECTION_UNASKED, direction_unasked, "result for a name nobody waits for")     \
	X(UPSTREAM_SENT,  upstream_sent,  "questions sent upstream, repeats included")    \
	X(UPSTREAM_RETRY, upstream_retry, "next upstream tried")                          \
	X(UPSTREAM_TCP,   upstream_tcp,   "truncated by UDP, asked again by TCP")         \
	X(UPSTREAM_ALIEN, upstream_alien, "upstream message that answers no open question") \
	X(UPSTREAM_BAD,   upstream_bad,   "malformed upstream answer")                    \
	X(TRUNCATED,      truncated,      "answer larger than the application takes")     \
	X(HINTS_REMOVED,  hints_removed,  "HTTPS or SVCB answers cleared of address hints") \
	X(REAL_REMOVED,   real_removed,   "real addresses kept from an answer")
/* clang-format on */

enum dns_stub_counter {
#define X(sym, name, text) DNS_STUB_##sym,
	DNS_STUB_COUNTERS(X)
#undef X
		DNS_STUB_COUNTERS_N
};

struct dns_stub_conf {
	uint32_t queries_max;  /* in flight, 1 to 4,096; 0: 256 (1.4 kB each) */
	uint32_t names_max;    /* names waited for or known, 1 to 65,536; 0: 512 (0.3 kB each) */
	bool relay_fails_open; /* names of the relay policy alone: no DC means the real answer */
};

struct dns_stub;

/* conf may be NULL. ops is copied, rng (ids of upstream questions) outlives the stub. NULL with
 * errno set (EINVAL, ENOMEM).
 */
struct dns_stub *dns_stub_create(const struct dns_stub_conf *conf, const struct dns_stub_ops *ops,
				 void *ctx, struct rng *rng);
/* Nothing in flight is answered; the ops are not called. */
void dns_stub_destroy(struct dns_stub *s);

/* The lists may be set anew at any time; each is copied. -E2BIG: too many, the old stay. */
enum dns_stub_list {
	DNS_STUB_SUFFIXES, /* from the Registration answer */
	DNS_STUB_RELAY,	   /* config: general hosts that go through an RS */
	DNS_STUB_EXEMPT,   /* always upstream (exact names), as the DC's own host name must be */
	DNS_STUB_LISTS
};
int dns_stub_set_names(struct dns_stub *s, enum dns_stub_list which, const struct dns_name *names,
		       unsigned int n);
int dns_stub_set_ranges(struct dns_stub *s, const struct ip_prefix *ranges, unsigned int n);
int dns_stub_set_upstreams(struct dns_stub *s, const struct endpoint *servers, unsigned int n);

/* A question from an application. */
void dns_stub_query(struct dns_stub *s, uint64_t now, const struct dns_stub_from *from,
		    const uint8_t *msg, size_t len);
/* The application closed this TCP connection: its questions are forgotten. */
void dns_stub_conn_closed(struct dns_stub *s, uint64_t tag);

/* A message, or (failed) an error or the end of the connection, from the socket of xid. A stale xid
 * is counted and ignored.
 */
void dns_stub_upstream(struct dns_stub *s, uint64_t now, uint32_t xid, const uint8_t *msg,
		       size_t len);
void dns_stub_upstream_failed(struct dns_stub *s, uint64_t now, uint32_t xid);

enum dns_stub_result {
	DNS_STUB_IS_VIPS,    /* the way is known, or being made: answer with these */
	DNS_STUB_IS_NOT_NTM, /* the DC says so, or knows no such name: DNS alone decides */
	DNS_STUB_IS_FAILED,  /* no DC, unreachable, refused */
};
/* The result of start_direction(name). vip4, vip6: none where the peer lacks one; looked at only
 * with DNS_STUB_IS_VIPS. A result nobody waits for any more is kept for the next question.
 */
void dns_stub_direction(struct dns_stub *s, uint64_t now, const char *name,
			enum dns_stub_result result, const struct ip_addr *vip4,
			const struct ip_addr *vip6);

/* Tell what is known without asking: the own name (forever) or a peer that opened a path to us, for
 * A, AAAA and PTR. Counts as fresh for DNS_STUB_TTL_SEC. -EINVAL bad name, -ENOSPC.
 */
int dns_stub_learn(struct dns_stub *s, uint64_t now, const char *name, const struct ip_addr *vip4,
		   const struct ip_addr *vip6, bool forever);
/* Ask anew next time: the path or binding is gone. */
void dns_stub_forget(struct dns_stub *s, const char *name);

/* Do what is due; returns when to call again (absolute), UINT64_MAX for never. */
uint64_t dns_stub_poll(struct dns_stub *s, uint64_t now);

uint64_t dns_stub_count(const struct dns_stub *s, enum dns_stub_counter c);
const char *dns_stub_counter_name(enum dns_stub_counter c);
const char *dns_stub_counter_text(enum dns_stub_counter c);

#endif
