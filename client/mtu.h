/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLIENT_MTU_H
#define CLIENT_MTU_H

/* Search for the largest outer packet of the route in use: one full-size probe with the route's
 * first packets, all sizes if that stays unanswered, the smallest in the end (docs/protocol.md
 * section 4). And sending probes, for this and for the prober.
 */
#include "client/chan.h"
#include "common/probe.h"

enum { MTU_SMALLEST = 1280 };

struct mtu_search {
	unsigned int step; /* 0: not running */
	uint64_t next_ns;
	uint32_t first_number; /* of this search; older answers are about another route */
	uint16_t best;
};

/* Ask for size (0: a plain probe of 100 bytes) under route number; to NULL: the route's remote. */
int mtu_ask(struct chan *c, uint8_t number, const struct datapath_dest *to, uint32_t probe_number,
	    uint16_t size);
/* Answer an ask straight back to where it came from. body is changed. */
void mtu_reply(struct chan *c, const struct datapath_rx *rx, const struct probe *p,
	       const uint8_t *body, size_t len);

/* The route in use is new: find out its size. */
void mtu_start(struct mtu_search *s, struct chan *c);
uint64_t mtu_poll(struct mtu_search *s, struct chan *c);
void mtu_answer(struct mtu_search *s, struct chan *c, const struct probe *p);

#endif
