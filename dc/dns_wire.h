/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DC_DNS_WIRE_H
#define DC_DNS_WIRE_H

/* DNS messages as an authoritative server sees them: a query read once into a plain struct, and a
 * writer that composes the answer behind the question that already stands in the buffer.
 *
 * Pure; no allocation, no system call. A writer and its buffer belong to one thread.
 */
#include "common/dns_name.h"

enum {
	DNS_COOKIE_CLIENT_LEN = 8,
	DNS_COOKIE_SERVER_LEN = 16, /* ours, RFC 9018; foreign ones are 8 to 32 */
	DNS_COOKIE_MAX = 40,
	DNS_OPT_LEN = 11, /* without options */
	DNS_UDP_MIN = 512,
	DNS_UDP_MAX = 1232, /* fits an IPv6 minimum MTU with room to spare */
	DNS_WRITER_SEEN_MAX = 32,
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

enum dns_section { DNS_ANSWER, DNS_AUTHORITY, DNS_ADDITIONAL, DNS_SECTIONS };

/* pos never passes limit. seen[] are names in the message that a pointer may aim at. */
struct dns_writer {
	uint8_t *buf;
	size_t pos;
	size_t limit;
	uint16_t count[DNS_SECTIONS];
	uint8_t seen_n;
	struct {
		uint16_t at;
		uint8_t len; /* of the name beginning there, uncompressed */
	} seen[DNS_WRITER_SEEN_MAX];
};

/* Start behind header and question of q, which stand in buf; limit is the size of the message at
 * most and at least DNS_HEADER_LEN + q->question_len.
 */
void dns_writer_init(struct dns_writer *w, uint8_t *buf, size_t limit, const struct dns_query *q);

/* Append a record; rdata is uncompressed. Owner, and the names in types of RFC 1035 (RFC 3597
 * section 4 forbids it for others), are compressed. False, with nothing written, without room.
 */
bool dns_writer_rr(struct dns_writer *w, enum dns_section sec, const struct dns_name *owner,
		   uint16_t type, uint32_t ttl, const uint8_t *rdata, uint16_t len);

/* A point to go back to, so that a set of records goes in whole or not at all. */
struct dns_writer_mark {
	size_t pos;
	uint16_t count[DNS_SECTIONS];
	uint8_t seen_n;
};
struct dns_writer_mark dns_writer_save(const struct dns_writer *w);
void dns_writer_restore(struct dns_writer *w, const struct dns_writer_mark *m);

/* Append OPT. The caller kept DNS_OPT_LEN (+ 4 + cookie_len with a cookie) bytes below limit. */
void dns_writer_opt(struct dns_writer *w, uint8_t ext_rcode, bool do_bit, const uint8_t *cookie,
		    uint8_t cookie_len);

/* Put the header in and return the length of the message. */
size_t dns_writer_finish(struct dns_writer *w, uint16_t id, uint16_t flags, bool has_question);

/* DNS over TCP, RFC 1035 4.2.2: each message behind two bytes of length. Look at the len bytes
 * received so far: returns how many bytes the first frame takes and sets msg and msg_len to its
 * message in place, 0 when more bytes are needed, -EBADMSG when no DNS message is that short.
 */
int dns_frame_take(const uint8_t *buf, size_t len, const uint8_t **msg, size_t *msg_len);
/* Write the two bytes that go before a message of msg_len. */
void dns_frame_put(uint8_t out[2], size_t msg_len);

#endif
