/* SPDX-License-Identifier: BSD-3-Clause */
/* Which of the paths to one peer carries its VIPs. */
#include "client/node_impl.h"

static const uint64_t LOSER_GRACE_NS = 3 * NODE_SEC;
/* Two that were asked for at one time, by both ends or of two DCs, are told within this. */
static const uint64_t CROSSING_NS = CONTROL_GIVE_UP_NS;

/* A way for its data: the RS forgets paths when it restarts. */
static bool has_way(const struct path *p)
{
	return p->is_direct || p->is_bound;
}

/* Both ends must choose alike: one that is up; one with a way, which both learn of their RS; one made
 * long after the other, for who asks for another path has lost the first, be it that nobody knows; the
 * one that was renewed; the smaller Path ID.
 */
static bool is_better(const struct path *p, const struct path *q)
{
	uint64_t life = p->expires_ns - p->created_ns;

	if ((p->state == PATH_UP) != (q->state == PATH_UP))
		return p->state == PATH_UP;
	if (has_way(p) != has_way(q))
		return has_way(p);
	if (p->created_ns > q->created_ns + CROSSING_NS)
		return true;
	if (q->created_ns > p->created_ns + CROSSING_NS)
		return false;
	if (p->expires_ns > q->expires_ns + life / 4)
		return true;
	if (q->expires_ns > p->expires_ns + life / 4)
		return false;
	return p->id < q->id;
}

struct path *path_by_name(const struct node *n, const char *name)
{
	struct path *p, *best = NULL;

	TAILQ_FOREACH(p, &n->paths, link)
	if (!p->chan.is_dead && strcmp(p->peer, name) == 0 && (best == NULL || is_better(p, best)))
		best = p;
	return best;
}

struct path *path_by_vip(const struct node *n, const struct ip_addr *vip)
{
	struct path *p;

	TAILQ_FOREACH(p, &n->paths, link)
	if (!p->chan.is_dead && ip_equal(vip, ip_is_v4(vip) ? &p->vips.v4 : &p->vips.v6))
		return path_by_name(n, p->peer);
	return NULL;
}

void path_vips_set(struct path *p)
{
	const struct datapath *dp = &p->chan.node->dp;
	uint64_t now = p->chan.node->now;

	if (p->chan.index == 0)
		return;
	if (!ip_is_none(&p->vips.v4))
		dp->ops->vip_set(dp->dp, now, &p->vips.v4, p->chan.index);
	if (!ip_is_none(&p->vips.v6))
		dp->ops->vip_set(dp->dp, now, &p->vips.v6, p->chan.index);
}

void path_settle(struct path *p)
{
	struct node *n = p->chan.node;
	struct path *best = path_by_name(n, p->peer), *q;

	if (best == NULL)
		return;
	path_vips_set(best);
	TAILQ_FOREACH(q, &n->paths, link)
	{
		/* One that opens may be the better one as soon as it is up. */
		if (q == best || q->chan.is_dead || q->state != PATH_UP || best->state != PATH_UP ||
		    strcmp(q->peer, best->peer) != 0)
			continue;
		q->expires_ns = node_min(q->expires_ns, n->now + LOSER_GRACE_NS);
	}
}
