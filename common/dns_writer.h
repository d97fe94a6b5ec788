/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_DNS_WRITER_H
#define COMMON_DNS_WRITER_H

/* Composes a DNS message in a buffer that already holds the question, with names compressed.
 *
 * Pure; no allocation, no system call. A writer and its buffer belong to one thread.
 */
#include "common/dns_rr.h"

enum {
	DNS_OPT_LEN = 11, /* without options */
	DNS_UDP_MIN = 512,
	DNS_UDP_MAX = 1232, /* fits an IPv6 minimum MTU with room to spare */
	DNS_WRITER_SEEN_MAX = 32,
};

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

/* Start behind the header and a question of question_len bytes about name, which stands in buf (0:
 * none does). limit is the size of the message at most, and at least DNS_HEADER_LEN + question_len.
 */
void dns_writer_init(struct dns_writer *w, uint8_t *buf, size_t limit, const struct dns_name *name,
		     uint16_t question_len);

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

/* Append OPT, offering DNS_UDP_MAX. The buffer has DNS_OPT_LEN (+ 4 + cookie_len with a cookie)
 * bytes beyond limit for it: the caller kept them back.
 */
void dns_writer_opt(struct dns_writer *w, uint8_t ext_rcode, bool do_bit, const uint8_t *cookie,
		    uint8_t cookie_len);

/* Put the header in and return the length of the message. */
size_t dns_writer_finish(struct dns_writer *w, uint16_t id, uint16_t flags, bool has_question);

#endif
