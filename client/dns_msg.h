/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLIENT_DNS_MSG_H
#define CLIENT_DNS_MSG_H

/* DNS messages as a forwarder sees them: questions of applications, and answers of resolvers it
 * looks into. Everything here is untrusted input; walks are bounded by the message.
 *
 * Pure, any thread.
 */
#include "common/dns_rr.h"
#include "common/dns_writer.h"
#include "common/ip.h"

struct dns_question {
	uint16_t type;
	uint16_t class;
	uint16_t len; /* bytes on the wire, from DNS_HEADER_LEN */
	struct dns_name name;
};

/* A question and what its EDNS record says. */
struct dns_request {
	uint16_t id;
	uint16_t flags;
	uint16_t udp_size; /* 512 without EDNS */
	bool has_edns;
	bool do_bit;
	struct dns_question q;
};

/* DNS_NOERROR, or the rcode to refuse it with: NOTIMP for another opcode, FORMERR. The caller has
 * seen that a header is there and that QR is 0.
 */
int dns_request_read(const uint8_t *msg, size_t len, struct dns_request *r);

/* Is msg a response to this question asked under this id? Errors may come without a question. */
bool dns_reply_matches(const uint8_t *msg, size_t len, uint16_t id, const struct dns_question *q);

/* The CNAMEs that lead from a question to the name whose records answer it. */
enum { DNS_CHAIN_LEN_MAX = 1024, DNS_CHAIN_HOPS_MAX = 16 };

struct dns_chain {
	struct dns_name last; /* the question's own name where there is no CNAME */
	bool is_cut;	      /* data ended before the chain, or the chain is a loop */
	uint16_t len;
	uint8_t data[DNS_CHAIN_LEN_MAX]; /* per hop: TTL (4 bytes), target (wire) */
};

typedef bool (*dns_chain_stop)(void *arg, const struct dns_name *name);

/* Of a message that dns_reply_valid() passed. Follows no further than the first name for which
 * stop() says so (the question's own included): that is last then, and the return value true.
 */
bool dns_chain_read(const uint8_t *msg, size_t len, const struct dns_question *q,
		    dns_chain_stop stop, void *arg, struct dns_chain *c);
/* Append the chain's CNAMEs, beginning at owner; *last becomes the final target. */
bool dns_chain_write(struct dns_writer *w, const struct dns_name *owner, const uint8_t *data,
		     uint16_t len, struct dns_name *last);

/* Does an A or AAAA of name in the answer section hold an address in one of the ranges? */
bool dns_reply_addr_in(const uint8_t *msg, size_t len, const struct dns_name *name,
		       const struct ip_prefix *ranges, unsigned int n);

/* RDATA of SVCB or HTTPS (RFC 9460) without ipv4hint and ipv6hint, in place, also out of the
 * "mandatory" list. Returns the new length, -EBADMSG when malformed.
 */
int dns_svcb_strip(uint8_t *rdata, size_t len);

/* The address whose PTR a name under in-addr.arpa or ip6.arpa is for: 1 with the address, 0 when it
 * is no such name or no whole address, 2 when it stands below a whole address.
 */
int dns_reverse_parse(const struct dns_name *n, struct ip_addr *a);

#endif
