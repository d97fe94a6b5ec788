/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/dp_impl.h"

/* Types 1 and 2: an inner packet in two outer ones with consecutive sequences of one route. Either
 * may come first; whichever does waits DP_PART_NS for the other.
 */

static void drop(struct dp *dp, struct dp_part *p)
{
	TAILQ_REMOVE(&dp->parts, p, link);
	p->assoc->parts_n--;
	TAILQ_INSERT_HEAD(&dp->parts_free, p, link);
}

static struct dp_part *find(struct dp *dp, const struct dp_assoc *a,
			    const struct session_meta *meta, uint64_t first_seq, bool is_second)
{
	struct dp_part *p;

	TAILQ_FOREACH(p, &dp->parts, link)
	if (p->assoc == a && p->first_seq == first_seq && p->is_second == is_second &&
	    p->epoch == meta->epoch && p->route == meta->route)
		return p;
	return NULL;
}

/* The oldest of this association makes room, or the oldest of all where the pool is empty. */
static void make_room(struct dp *dp, const struct dp_assoc *a)
{
	struct dp_part *p, *victim = TAILQ_FIRST(&dp->parts);

	if (a->parts_n >= DP_PARTS_PER_ASSOC) {
		TAILQ_FOREACH(p, &dp->parts, link)
		if (p->assoc == a)
			break;
		victim = p;
	} else if (!TAILQ_EMPTY(&dp->parts_free)) {
		return;
	}
	dp_count(dp, DP_PART_EXPIRED);
	drop(dp, victim);
}

static void wait_for_other(struct dp *dp, uint64_t now, struct dp_assoc *a,
			   const struct session_meta *meta, uint64_t first_seq, bool is_second,
			   const uint8_t *body, size_t len)
{
	struct dp_part *p;

	make_room(dp, a);
	p = TAILQ_FIRST(&dp->parts_free);
	TAILQ_REMOVE(&dp->parts_free, p, link);
	p->assoc = a;
	p->first_seq = first_seq;
	p->until_ns = now + DP_PART_NS;
	p->epoch = meta->epoch;
	p->route = meta->route;
	p->is_second = is_second;
	p->len = (uint16_t)len;
	memcpy(p->bytes, body, len);
	TAILQ_INSERT_TAIL(&dp->parts, p, link);
	a->parts_n++;
	dp_count(dp, DP_RX_PART_HELD);
}

size_t dp_part_join(struct dp *dp, uint64_t now, struct dp_assoc *a,
		    const struct session_meta *meta, const uint8_t *body, size_t len, uint8_t **out)
{
	bool is_second = meta->type == WIRE_DATA_SECOND;
	uint64_t first_seq = meta->seq - (is_second ? 1 : 0);
	struct dp_part *p = find(dp, a, meta, first_seq, !is_second);
	uint8_t *joined = dp->scratch[0].room + DP_HEADROOM;
	size_t total;

	if (p == NULL) {
		wait_for_other(dp, now, a, meta, first_seq, is_second, body, len);
		return 0;
	}
	total = p->len + len;
	if (total > DP_PACKET_MAX) {
		drop(dp, p);
		dp_count(dp, DP_RX_PART_BAD);
		return 0;
	}
	memcpy(joined + (is_second ? 0 : len), p->bytes, p->len);
	memcpy(joined + (is_second ? p->len : 0), body, len);
	drop(dp, p);
	*out = joined;
	return total;
}

void dp_parts_forget(struct dp *dp, const struct dp_assoc *a)
{
	struct dp_part *p = TAILQ_FIRST(&dp->parts), *next;

	for (; p != NULL; p = next) {
		next = TAILQ_NEXT(p, link);
		if (p->assoc == a) {
			dp_count(dp, DP_PART_EXPIRED);
			drop(dp, p);
		}
	}
}

/* They stand in the order of their time limits. */
uint64_t dp_parts_expire(struct dp *dp, uint64_t now)
{
	struct dp_part *p;

	while ((p = TAILQ_FIRST(&dp->parts)) != NULL && p->until_ns <= now) {
		dp_count(dp, DP_PART_EXPIRED);
		drop(dp, p);
	}
	return p != NULL ? p->until_ns : DP_NEVER;
}
