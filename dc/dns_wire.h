/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DC_DNS_WIRE_H
#define DC_DNS_WIRE_H

/* DNS messages as an authoritative server sees them: a query, read once into a plain struct. The
 * answer is composed with common/dns_writer.h.
 *
 * Pure, any thread; no allocation, no system call.
 */
#include "common/dns_frame.h"
#include "common/dns_writer.h"

enum {
	DNS_COOKIE_CLIENT_LEN = 8,
	DNS_COOKIE_SERVER_LEN = 16, /* ours, RFC 9018; foreign ones are 8 to 32 */
	DNS_COOKIE_MAX = 40,
};

struct dns_query {
	uint16_t id;
	uint16_t flags;
	uint16_t type;
	uint16_t class;
	uint16_t question_len; /* of name, type and class at offset 12; 0 until they were read */
	uint16_t udp_size;     /* 512 to 65535: what the client says it takes */
	uint8_t edns_version;
	uint8_t cookie_len; /* 0 is none, 8 a client cookie alone, 16-40 with a server cookie */
	bool has_edns;
	bool do_bit;
	uint8_t cookie[DNS_COOKIE_MAX];
	struct dns_name name; /* lower case; the question in the buffer keeps its spelling */
};

/* What dns_query_parse() says besides an rcode. */
enum { DNS_QUERY_SHORT = -1, DNS_QUERY_IS_RESPONSE = -2 };

/* Read a message of len bytes. Returns DNS_NOERROR, the rcode to refuse it with (FORMERR, NOTIMP,
 * NOTAUTH, BADVERS), or a negative value for what must not be answered at all. From 0 up, id and
 * flags are set; question_len, has_edns and the rest as far as reading came.
 */
int dns_query_parse(const uint8_t *msg, size_t len, struct dns_query *q);

#endif
