/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PIPELINE_TUPLE_H
#define PIPELINE_TUPLE_H

/* What a NAT looks at in an IP packet, of either family. Pure. */
#include "appliance/nat_pool.h"
#include "appliance/pipeline/drop.h"
#include "common/ip.h"

#include <stdbool.h>

enum tuple_class {
	TUPLE_UDP = NAT_UDP,
	TUPLE_TCP = NAT_TCP,
	TUPLE_QUERY = NAT_ICMP, /* ICMP echo; its identifier is both ports */
	TUPLE_ERROR,		/* ICMP error */
	TUPLE_PIECE,		/* of a datagram: no ports */
	TUPLE_OTHER,
};

struct tuple {
	struct ip_addr src, dst;
	uint16_t len;	       /* of the IP packet */
	uint16_t l4;	       /* offset of the upper layer from the IP header */
	uint16_t sport, dport; /* of UDP, TCP; TUPLE_QUERY: identifier */
	uint8_t class;	       /* enum tuple_class */
	uint8_t proto;	       /* IPPROTO_ */
	uint8_t ttl, tos, tcp_flags;
	bool v6;
	bool df; /* must not be cut: IPv4 with DF; IPv6 always */
};

/* ip: len bytes that hold at least the packet. DROP_MAX, or why it cannot be used; lengths below are
 * then checked as far as t tells about them: a UDP header is whole, a TCP header with its options, 8
 * bytes of ICMP.
 */
enum drop_reason tuple_parse(const uint8_t *ip, uint16_t len, struct tuple *t);

#endif
