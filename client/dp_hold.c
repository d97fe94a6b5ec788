/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/dp_impl.h"

/* Packets that wait for a path, its keys, its route or the route's size. Each waits at most
 * DATAPATH_HOLD_NS in all, however often it is tried again.
 */

static void keep(struct dp *dp, struct dp_vip *v, struct dp_held_pkt *h)
{
	if (v->held_n++ == 0)
		LIST_INSERT_HEAD(&dp->waiting, v, waiting);
	TAILQ_INSERT_TAIL(&v->held, h, link);
	dp->held++;
}

static struct dp_held_pkt *take(struct dp *dp, struct dp_vip *v)
{
	struct dp_held_pkt *h = TAILQ_FIRST(&v->held);

	TAILQ_REMOVE(&v->held, h, link);
	dp->held--;
	if (--v->held_n == 0)
		LIST_REMOVE(v, waiting);
	return h;
}

void dp_hold(struct dp *dp, uint64_t now, struct dp_vip *v, const uint8_t *pkt, size_t len)
{
	struct dp_held_pkt *h = TAILQ_FIRST(&dp->hold_free);

	if (v->held_n >= DATAPATH_HOLD_MAX || h == NULL) {
		dp_count(dp, DP_TX_HOLD_FULL);
		return;
	}
	TAILQ_REMOVE(&dp->hold_free, h, link);
	/* On the way back from dp_hold_release() pkt stands in h already. */
	memmove(h->buf.room + DP_HEADROOM, pkt, len);
	h->len = (uint16_t)len;
	h->until_ns = now + DATAPATH_HOLD_NS;
	keep(dp, v, h);
	dp_count(dp, DP_HELD);
}

/* A packet that still cannot go is put back by dp_tx() with its old time limit. */
void dp_hold_release(struct dp *dp, uint64_t now, struct dp_vip *v)
{
	for (unsigned int n = v->held_n; n > 0 && v->held_n > 0; n--) {
		struct dp_held_pkt *h = take(dp, v);
		uint64_t until_ns = h->until_ns;
		unsigned int before = v->held_n;

		TAILQ_INSERT_HEAD(&dp->hold_free, h, link);
		dp_tx(dp, now, v, h->buf.room + DP_HEADROOM, h->len);
		if (v->held_n > before) {
			TAILQ_LAST(&v->held, dp_held_list)->until_ns = until_ns;
			dp->counters[DP_HELD]--;
		} else {
			dp_count(dp, DP_RELEASED);
		}
	}
}

void dp_hold_release_assoc(struct dp *dp, uint64_t now, struct dp_assoc *a)
{
	struct dp_vip *v;

	LIST_FOREACH(v, &a->vips, of_assoc)
	dp_hold_release(dp, now, v);
}

static void refuse_one(struct dp *dp, struct dp_vip *v, enum dp_counter c)
{
	struct dp_held_pkt *h = take(dp, v);

	dp_icmp_unreachable(dp, h->buf.room + DP_HEADROOM, h->len);
	dp_count(dp, c);
	TAILQ_INSERT_HEAD(&dp->hold_free, h, link);
}

void dp_hold_refuse(struct dp *dp, struct dp_vip *v, enum dp_counter c)
{
	while (v->held_n > 0)
		refuse_one(dp, v, c);
}

uint64_t dp_hold_expire(struct dp *dp, uint64_t now)
{
	struct dp_vip *v = LIST_FIRST(&dp->waiting), *next;
	uint64_t due = DP_NEVER;

	for (; v != NULL; v = next) {
		next = LIST_NEXT(v, waiting);
		while (v->held_n > 0 && TAILQ_FIRST(&v->held)->until_ns <= now)
			refuse_one(dp, v, DP_TX_HOLD_EXPIRED);
		if (v->held_n > 0 && TAILQ_FIRST(&v->held)->until_ns < due)
			due = TAILQ_FIRST(&v->held)->until_ns;
		if (v->held_n == 0 && v->assoc == NULL)
			dp_vip_free(dp, v);
	}
	return due;
}
