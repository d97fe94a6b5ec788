/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLIENT_LINK_H
#define CLIENT_LINK_H

/* The local links: which can reach what, and what to tell others about where we are. */
#include "client/node.h"

enum { LINK_NONE = 0xff };

struct link {
	bool is_up;
	struct node_link conf;
};

/* Has link number an address that can talk to ep? */
bool link_reaches(const struct node *n, uint8_t number, const struct ip_addr *ip);
/* The first of eps that link reaches; -EHOSTUNREACH. */
int link_pick(const struct node *n, uint8_t number, const struct endpoint *eps, uint8_t eps_n,
	      struct datapath_dest *dest);
/* The best link that is up and has an address; the one in use wins a tie. LINK_NONE: none. */
uint8_t link_best(const struct node *n);
bool link_is_usable(const struct node *n, uint8_t number);
/* An own address and port of any link that is up? */
bool link_is_own(const struct node *n, const struct endpoint *ep);
bool link_is_on_link(const struct node *n, uint8_t number, const struct ip_addr *ip);
uint16_t link_mtu(const struct node *n, uint8_t number);

/* Own candidates: local ones; for a peer also what RS and DC see. */
void link_candidates(const struct node *n, struct msg *m, bool is_for_dc);

#endif
