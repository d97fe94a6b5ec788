/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
#ifndef COMMON_REPLAY_H
#define COMMON_REPLAY_H

/* Which sequence numbers were seen: a window of the last 2048, a bit each. Check before the tag is
 * verified, commit after; a forger can then never move the window. O(1) amortised, 264 bytes.
 *
 * Owner: one thread, or the caller's lock. Zeroed memory is a fresh window.
 */
#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <linux/types.h>
#include <stdbool.h>
#endif

enum {
	REPLAY_WINDOW = 2048,
	REPLAY_WORD_BITS = 64,
	REPLAY_WORDS = REPLAY_WINDOW / REPLAY_WORD_BITS,
};

struct replay {
	__u64 next;		  /* greatest seen + 1; 0: none yet */
	__u64 bits[REPLAY_WORDS]; /* bit of sequence s: s mod 2048, valid for [next - 2048, next) */
};

enum replay_verdict { REPLAY_FRESH, REPLAY_SEEN, REPLAY_OLD };

static inline enum replay_verdict replay_check(const struct replay *r, __u64 seq)
{
	unsigned int bit = seq % REPLAY_WINDOW;

	if (seq >= r->next)
		return REPLAY_FRESH;
	if (r->next - seq > REPLAY_WINDOW)
		return REPLAY_OLD;
	return r->bits[bit / REPLAY_WORD_BITS] >> (bit % REPLAY_WORD_BITS) & 1 ? REPLAY_SEEN
									       : REPLAY_FRESH;
}

/* Forget the bits of sequences [from, to): they stand for numbers that left the window. */
static inline void replay_clear(struct replay *r, __u64 from, __u64 to)
{
	unsigned int bit, n, i;

	if (to - from >= REPLAY_WINDOW) {
		for (i = 0; i < REPLAY_WORDS; i++)
			r->bits[i] = 0;
		return;
	}
	while (from < to) {
		bit = from % REPLAY_WORD_BITS;
		n = REPLAY_WORD_BITS - bit;
		if (n > to - from)
			n = (unsigned int)(to - from);
		r->bits[from % REPLAY_WINDOW / REPLAY_WORD_BITS] &=
			~((n == REPLAY_WORD_BITS ? ~(__u64)0 : ((__u64)1 << n) - 1) << bit);
		from += n;
	}
}

/* After a packet that replay_check() called FRESH has proven authentic. */
static inline void replay_commit(struct replay *r, __u64 seq)
{
	unsigned int bit = seq % REPLAY_WINDOW;

	if (seq >= r->next) {
		/* Its own bit is set below in any case: the packet that is next in turn clears none. */
		if (seq > r->next)
			replay_clear(r, r->next, seq);
		r->next = seq + 1;
	}
	r->bits[bit / REPLAY_WORD_BITS] |= (__u64)1 << (bit % REPLAY_WORD_BITS);
}

#endif
