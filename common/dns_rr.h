/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_DNS_RR_H
#define COMMON_DNS_RR_H

/* Walks the records of a DNS message, which is untrusted input: bounded by the message.
 *
 * Pure, any thread.
 */
#include "common/dns_name.h"

enum dns_section { DNS_ANSWER, DNS_AUTHORITY, DNS_ADDITIONAL, DNS_SECTIONS };

struct dns_rr {
	enum dns_section section;
	uint16_t type;
	uint16_t class;
	uint32_t ttl;
	size_t rdata; /* offset in the message */
	uint16_t rdlen;
	struct dns_name owner;
};

struct dns_rr_walk {
	const uint8_t *msg;
	size_t len;
	size_t off;
	uint16_t left[DNS_SECTIONS];
};

/* Begin behind the question. -EBADMSG. */
int dns_rr_walk_init(struct dns_rr_walk *w, const uint8_t *msg, size_t len);
/* 1 with a record, 0 at the end, -EBADMSG. */
int dns_rr_next(struct dns_rr_walk *w, struct dns_rr *rr);
/* Of a type that tells addresses: A, AAAA, and SVCB and HTTPS by their hints. */
bool dns_rr_shows_addr(const struct dns_rr *rr);
/* Walk it once: is every record whole? */
bool dns_reply_valid(const uint8_t *msg, size_t len);

#endif
