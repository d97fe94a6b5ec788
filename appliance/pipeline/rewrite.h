/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PIPELINE_REWRITE_H
#define PIPELINE_REWRITE_H

/* New addresses and one new port for an IP packet, in its own family or across (RFC 7915), with
 * incremental checksums. Pure: bytes in, bytes out.
 */
#include "appliance/pipeline/tuple.h"

/* Bytes that must be writable in front of a packet: IPv4 becomes IPv6. */
enum { REWRITE_HEADROOM = 20 };

struct rewrite {
	const struct ip_addr *src, *dst; /* of one family */
	uint16_t sport, dport;		 /* TUPLE_QUERY: sport is the identifier */
	uint16_t mss;			 /* most for the MSS option of a SYN; 0: leave it */
	uint16_t id;			 /* for an IPv4 header that is made new */
};

/* A packet in a buffer. */
struct cut {
	uint8_t *ip;
	uint16_t len;
};

/* t is what tuple_parse() said of c: UDP, TCP or a query. The TTL goes down by one; the caller has
 * seen that it is above 1. *c and *t are the new packet's afterwards. DROP_MAX or a reason.
 */
enum drop_reason rewrite_packet(struct cut *c, struct tuple *t, const struct rewrite *r);

#endif
