/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DC_DIRECTION_H
#define DC_DIRECTION_H

/* Table 1 of the architecture paper as data: from what each end is to the path they take
 * (docs/protocol.md section 6.3; P-01 to P-10). Pure; any thread.
 */
#include "common/msg.h"

/* What an end is, as a set. */
enum direction_net {
	NET_G4 = 1, /* an IPv4 address of its own that is the one the DC sees */
	NET_P4 = 2, /* IPv4, but what the DC sees is none of its own: behind a NAT */
	NET_V6 = 4, /* a global IPv6 address of its own */
};

struct direction_end {
	uint8_t nets;
	struct ip_addr public4; /* IPv4 source that the DC sees, none where it sees none */
};

/* From an end's candidates and the source of its registration. */
void direction_classify(const struct candidate *c, unsigned int n, const struct endpoint *observed,
			struct direction_end *out);

struct direction_row {
	const char *id; /* of the requirement */
	uint8_t mn, cn; /* nets each must have one of */
	int8_t same;	/* same public address: 1 yes, 0 no, -1 whatever */
	uint8_t route;	/* enum msg_route */
	bool cn_is_a;	/* the peer opens, else the asker */
	const char *text;
};

/* The first row that fits, or NULL: no common way (an end without any address). */
const struct direction_row *direction_choose(const struct direction_end *mn,
					     const struct direction_end *cn);
/* Both behind NATs with the same public address. */
bool direction_same_site(const struct direction_end *mn, const struct direction_end *cn);
/* 1.. in order of the table: the code of REASON. */
uint16_t direction_row_number(const struct direction_row *row);

/* The other half of Table 1: a general host at rip. */
enum direction_gn {
	GN_RELAY,      /* through RS-N */
	GN_PLAIN,      /* same private network: plain packets without us, no mobility (P-08) */
	GN_IMPOSSIBLE, /* a private network the node is not in (P-09, P-10) */
};

struct direction_gn_row {
	const char *id;
	enum direction_gn way;
	const char *text;
};

/* is_inner: config lets the RS reach this address although it is not a global one. */
const struct direction_gn_row *direction_choose_gn(const struct direction_end *mn,
						   const struct candidate *c, unsigned int n,
						   const struct ip_addr *rip, bool is_inner);
uint16_t direction_gn_row_number(const struct direction_gn_row *row);

#endif
