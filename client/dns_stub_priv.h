/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLIENT_DNS_STUB_PRIV_H
#define CLIENT_DNS_STUB_PRIV_H

/* What the files of the stub resolver share; nobody else includes this.
 *
 *	dns_stub.c           what to do with a question; lists; timers
 *	dns_stub_names.c     names: asked for, known, not NTMobile
 *	dns_stub_upstream.c  a question on its way through the upstream servers
 *	dns_stub_reply.c     composing what the application gets
 */
#include "client/dns_msg.h"
#include "client/dns_stub.h"

enum {
	STUB_ROUNDS_MAX = 3, /* a question that upstream and DC send to and fro is given up */
	STUB_XID_INDEX_BITS = 12,
};

#define STUB_ASK_NS UINT64_C(6000000000) /* after which a direction may be asked for again */
#define STUB_NS_PER_SEC UINT64_C(1000000000)

enum stub_state { STUB_FREE, STUB_UPSTREAM, STUB_PARKED };

/* A question of an application until it is answered. */
struct stub_query {
	enum stub_state state;
	bool is_filtered; /* of an NTMobile name: upstream's addresses must not come through */
	bool is_passed;	  /* failed open: upstream decides alone */
	bool by_tcp;	  /* upstream */
	bool is_open;	  /* the shell has a socket under the xid */
	uint8_t server;
	uint8_t tries;
	uint8_t rounds;
	uint16_t id;  /* upstream */
	uint32_t gen; /* in the xid: one per try */
	uint64_t deadline;
	struct dns_stub_from from;
	struct dns_request rq;
	struct dns_name target; /* parked for: the question's name, or where its aliases lead */
	uint16_t chain_len;
	uint8_t chain[DNS_CHAIN_LEN_MAX];
	uint16_t len;
	uint8_t msg[DNS_STUB_QUERY_LEN_MAX]; /* as it came; the id is upstream's */
};

enum stub_name_state { STUB_NAME_FREE, STUB_NAME_ASKED, STUB_NAME_VIPS, STUB_NAME_NOT_NTM };

struct stub_name {
	struct dns_name name;
	enum stub_name_state state;
	bool is_forever;
	uint64_t until; /* fresh (or asked) until; a stale VIPS entry still serves PTR */
	struct ip_addr vip4, vip6;
};

struct dns_stub {
	struct dns_stub_ops ops;
	void *ctx;
	struct rng *rng;
	bool relay_fails_open;
	uint32_t queries_n, names_n;
	struct stub_query *queries; /* one more than queries_n, for refusals when full */
	struct stub_name *names;
	struct dns_name lists[DNS_STUB_LISTS][DNS_STUB_NAMES_MAX];
	unsigned int list_n[DNS_STUB_LISTS];
	struct ip_prefix ranges[DNS_STUB_RANGES_MAX];
	unsigned int range_n;
	struct endpoint upstreams[DNS_STUB_UPSTREAMS_MAX];
	unsigned int upstream_n;
	unsigned int upstream_good; /* answered last: asked first */
	uint64_t count[DNS_STUB_COUNTERS_N];
	uint8_t reply[UINT16_MAX];
};

/* dns_stub.c */
bool stub_list_has(const struct dns_stub *s, enum dns_stub_list which, const struct dns_name *n);
bool stub_name_is_ours(const struct dns_stub *s, const struct dns_name *n);
/* q is about q->target, an NTMobile name: answer, forward or park it. */
void stub_settle(struct dns_stub *s, uint64_t now, struct stub_query *q);
/* The way to q->target was not found: SERVFAIL, or by config the open way. */
void stub_fail(struct dns_stub *s, uint64_t now, struct stub_query *q);

/* dns_stub_names.c */
struct stub_name *stub_name_find(struct dns_stub *s, const struct dns_name *n);
struct stub_name *stub_name_find_vip(struct dns_stub *s, const struct ip_addr *vip);
/* Find or make; may take the place of what is merely remembered. NULL when full. */
struct stub_name *stub_name_get(struct dns_stub *s, uint64_t now, const struct dns_name *n);
bool stub_name_is_fresh(const struct stub_name *e, uint64_t now);
/* The DC has just said that this is no NTMobile name, whatever it looks like. */
bool stub_name_is_other(struct dns_stub *s, uint64_t now, const struct dns_name *n);
/* An NTMobile name by the lists that is not known to be none: its real address must not be seen. */
bool stub_name_is_hidden(struct dns_stub *s, uint64_t now, const struct dns_name *n);
uint64_t stub_names_expire(struct dns_stub *s, uint64_t now);
/* The relay policy becomes these n names: what was found for others of it is no longer believed. */
void stub_names_let_go(struct dns_stub *s, const struct dns_name *relay, unsigned int n);

/* dns_stub_upstream.c */
void stub_forward(struct dns_stub *s, uint64_t now, struct stub_query *q);
void stub_upstream_close(struct dns_stub *s, struct stub_query *q);
/* This try is over without an answer. */
void stub_upstream_next(struct dns_stub *s, uint64_t now, struct stub_query *q);

/* dns_stub_reply.c: each answers q, frees it and counts how it ended. */
void stub_reply_rcode(struct dns_stub *s, struct stub_query *q, int rcode,
		      enum dns_stub_counter end);
void stub_reply_vips(struct dns_stub *s, struct stub_query *q, const struct ip_addr *vip4,
		     const struct ip_addr *vip6);
/* name NULL: the address is nobody's. */
void stub_reply_ptr(struct dns_stub *s, struct stub_query *q, const struct dns_name *name);
/* Upstream's answer as it is, but for the id. */
void stub_reply_raw(struct dns_stub *s, struct stub_query *q, const uint8_t *msg, size_t len);
/* Upstream's answer without the addresses of NTMobile names; where the question is for one
 * (is_filtered), without any address and hint.
 */
void stub_reply_filtered(struct dns_stub *s, uint64_t now, struct stub_query *q, const uint8_t *msg,
			 size_t len);

#endif
