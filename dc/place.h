/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DC_PLACE_H
#define DC_PLACE_H

/* Who was where when the DC went down (docs/protocol.md section 3, Reset).
 *
 * A node hears from a DC only when it asks, and asks again after up to a quarter of an hour. So the
 * place of each registered party is written down, not waited for, and a DC that was started again
 * sends there what it would answer a packet from there with: the reset of that index, whose token
 * only this DC can make. Told up to PLACE_TIMES, until the party has an association again, relay
 * servers first; at most half the rate of handshakes that the DC takes without a cookie. DC lcore
 * only.
 */
#include "dc/channel.h"

enum { PLACE_TIMES = 4 };

struct places {
	struct timer timer;
	struct party *next;
	unsigned int sweep; /* two of each time: others, then nodes */
	uint64_t began_ns;
};

/* The party has just registered over ch: written down where it changed. */
void place_note(struct dc *dc, const struct channel *ch);
/* A record of the store. 0, also for a party that is none any more, or -EBADMSG. */
int place_load(struct dc *dc, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len);
/* It is expelled: its record goes too. */
void place_delete(struct dc *dc, const struct party *p);
/* The struct goes out of the registry. */
void place_gone(struct dc *dc, const struct party *p);
/* All is loaded. */
void places_start(struct dc *dc, uint64_t now);

#endif
