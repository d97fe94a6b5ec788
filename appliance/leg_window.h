/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_LEG_WINDOW_H
#define APPLIANCE_LEG_WINDOW_H

/* Replay windows of a key's routes. Each key there can be has one of its own, for the first route that a packet
 * has proven authentic on. Further ones, which a node needs for a while when it moves, come out of a spare part
 * for all legs; when that is used up the key's window of another route changes over to the new one, and the
 * old route goes on later from where it was, its older packets counting as seen. So no route of no key is
 * ever without a window, and nothing can be replayed.
 */
#include "appliance/leg_table.h"

#include <errno.h>

/* In leg_key.window: LEG_REF_NONE, entry + 1, or, of a route whose window was taken away, this bit and
 * the number that would have been next.
 */
#define LEG_WINDOW_LEFT (1u << 31)

/* Into windows, of which there are so many for that many keys. 0 or -ENOMEM; freed by leg_windows_fini(), also
 * what is half made. Main thread.
 */
uint32_t leg_windows_count(uint32_t keys_max);
int leg_windows_init(struct leg_table *t);
void leg_windows_fini(struct leg_table *t);

/* A window for a route that has none. The owner of the key's leg; cannot fail for sequences below 2^31,
 * which is all that keys are good for; else NULL.
 */
struct replay *leg_window_take(struct leg_table *t, struct leg_key *key, unsigned int route);
/* All of a key that nobody reads any more go back. Control. */
void leg_windows_give(struct leg_table *t, struct leg_key *key);

/* The window of a route, NULL where there is none at present. */
static inline struct replay *leg_window(const struct leg_table *t, const struct leg_key *key,
					unsigned int route)
{
	uint32_t at = key->window[route];

	return at == LEG_REF_NONE || (at & LEG_WINDOW_LEFT) != 0 ? NULL : &t->windows[at - 1];
}

/* Before the tag: may a packet of this sequence be fresh? */
static inline bool leg_window_check(const struct leg_table *t, const struct leg_key *key,
				    unsigned int route, uint64_t seq)
{
	uint32_t at = key->window[route];

	if (unlikely(at == LEG_REF_NONE))
		return true;
	if (unlikely(at & LEG_WINDOW_LEFT))
		return seq >= (at & ~LEG_WINDOW_LEFT);
	return replay_check(&t->windows[at - 1], seq) == REPLAY_FRESH;
}

#endif
