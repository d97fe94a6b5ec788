/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/node_impl.h"

static const uint64_t TRIAL_NS = 3 * NODE_SEC;
static const uint64_t TRIAL_AGAIN_NS = 30 * NODE_SEC;
static const uint64_t INSIST_NS = 1 * NODE_SEC;
static const uint64_t SILENT_NS = 1 * NODE_SEC;
static const uint64_t SILENT_AGAIN_NS = 10 * NODE_SEC;
static const uint64_t STATE_STEP_NS = 3600 * NODE_SEC;

uint64_t mover_location(struct node *n)
{
	uint64_t real = n->now + (uint64_t)n->conf.realtime_offset_ns;

	n->location = real > n->location ? real : n->location + 1;
	if (n->location >= n->state.location) {
		n->state.location = n->location + STATE_STEP_NS;
		if (n->ops->save_state(n->ctx, &n->state) < 0)
			node_count(n, NODE_SAVE_FAILED);
	}
	return n->location;
}

/* Half of all numbers, as a clock has them in the year 2262: whoever lies cannot use up the rest. */
#define LOCATION_TOLD_MAX (UINT64_C(1) << 63)

bool mover_known(struct node *n, const struct msg *refusal)
{
	if ((refusal->has & HAS(LOCATION)) == 0 || refusal->location <= n->location ||
	    refusal->location > LOCATION_TOLD_MAX)
		return false;
	n->location = refusal->location;
	mover_location(n);
	return true;
}

enum msg_nat mover_nat(const struct node *n)
{
	const struct endpoint *dc = &n->registrar.observed;
	const struct leg *home = leg_home(n);

	if (dc->port == 0)
		return NAT_UNKNOWN;
	if (link_is_own(n, dc))
		return NAT_NONE;
	if (home == NULL || home->observed.port == 0 ||
	    ip_is_v4(&home->observed.ip) != ip_is_v4(&dc->ip))
		return NAT_UNKNOWN;
	return endpoint_equal(dc, &home->observed) ? NAT_INDEPENDENT : NAT_DEPENDENT;
}

/* Everything at once and in parallel; legs first, for they bring the data back. */
static void move(struct node *n, const char *why)
{
	struct leg *l;
	struct path *p;

	mover_location(n);
	node_count(n, NODE_MOVES);
	node_event(n, NODE_EV_MOVED, "", "%s", why);
	n->mover.asked_ns = 0;
	memset(&n->registrar.observed, 0, sizeof(n->registrar.observed));
	memset(&n->seen_told, 0, sizeof(n->seen_told));
	TAILQ_FOREACH(l, &n->legs, link)
	if (l->chan.index == 0 || !l->chan.has_route || l->is_on_trial ||
	    l->chan.dest[l->chan.number].link != n->link || n->mover.trial == LINK_NONE)
		leg_moved(l);
	TAILQ_FOREACH(p, &n->paths, link)
	if (!p->chan.is_dead)
		path_moved(p);
	registrar_moved(n);
}

static void trial_end(struct node *n)
{
	n->mover.trial = LINK_NONE;
	n->mover.trial_until_ns = 0;
}

/* An RS may have moved us there before its answer was lost. Nobody else has heard of it. */
static void trial_undo(struct node *n)
{
	struct leg *l;

	mover_location(n);
	node_event(n, NODE_EV_MOVED, "", "the other link led nowhere");
	TAILQ_FOREACH(l, &n->legs, link)
	if (l->is_on_trial)
		leg_moved(l);
}

static void trial_begin(struct node *n, uint8_t link)
{
	struct leg *l;

	node_count(n, NODE_TRIALS);
	mover_location(n);
	n->mover.trial = link;
	n->mover.trial_until_ns = n->now + TRIAL_NS;
	TAILQ_FOREACH(l, &n->legs, link)
	leg_trial(l, link);
}

static bool has_leg_up(const struct node *n)
{
	const struct leg *l;

	TAILQ_FOREACH(l, &n->legs, link)
	if (l->is_up)
		return true;
	return false;
}

void mover_links(struct node *n, bool has_changed)
{
	uint8_t best = link_best(n);
	bool was_usable = link_is_usable(n, n->link);

	if (best == n->link) {
		if (n->mover.trial != LINK_NONE && !link_is_usable(n, n->mover.trial)) {
			trial_end(n);
			trial_undo(n);
		}
		if (best != LINK_NONE && has_changed)
			move(n, "address changed");
		return;
	}
	/* The old one still works: the new one must show first that it leads anywhere. */
	if (was_usable && has_leg_up(n)) {
		if (n->mover.trial != best)
			trial_begin(n, best);
		return;
	}
	trial_end(n);
	n->link = best;
	if (best != LINK_NONE)
		move(n, "another link");
	else
		registrar_moved(n);
}

void mover_trial_good(struct node *n, uint8_t link)
{
	if (n->mover.trial == LINK_NONE || n->mover.trial != link)
		return;
	n->link = link;
	n->mover.trial_until_ns = 0;
	move(n, "another link, proven");
	trial_end(n);
	/* The better one was silent, and may not stay so. */
	if (link_best(n) != link)
		n->mover.trial_next_ns = n->now + TRIAL_AGAIN_NS;
}

void mover_asked(struct node *n)
{
	if (n->mover.asked_ns != 0)
		return;
	n->mover.asked_ns = n->now;
	n->mover.insisted_ns = 0;
}

void mover_heard(struct node *n, uint8_t link)
{
	if (link == n->link)
		n->mover.asked_ns = 0;
}

/* The best of those not in use. */
static uint8_t other_link(const struct node *n)
{
	uint8_t best = LINK_NONE;

	for (uint8_t i = 0; i < NODE_LINKS_MAX; i++)
		if (i != n->link && link_is_usable(n, i) &&
		    (best == LINK_NONE ||
		     n->links[i].conf.preference > n->links[best].conf.preference))
			best = i;
	return best;
}

/* Packets of a path or of general hosts are as good a sign of life as an answer. */
static bool has_heard_data(const struct node *n)
{
	struct datapath_stats st;
	const struct leg *l;
	const struct path *p;

	TAILQ_FOREACH(l, &n->legs, link)
	if (chan_stats(&l->chan, &st) && st.last_rx_ns > n->mover.asked_ns)
		return true;
	TAILQ_FOREACH(p, &n->paths, link)
	if (!p->chan.is_dead && chan_stats(&p->chan, &st) && st.last_rx_ns > n->mover.asked_ns)
		return true;
	return false;
}

/* The link in use has its carrier and yet nobody answers over it, neither RS nor DC: another one is
 * tried. Where both are away the other link is no better, and nothing is lost by trying.
 */
static uint64_t poll_silence(struct node *n)
{
	struct mover *mv = &n->mover;
	uint8_t other = other_link(n);

	if (mv->asked_ns == 0 || mv->trial != LINK_NONE || n->link == LINK_NONE ||
	    other == LINK_NONE)
		return NODE_NEVER;
	if (n->now < mv->silent_next_ns)
		return mv->silent_next_ns;
	if (n->now < mv->asked_ns + INSIST_NS)
		return mv->asked_ns + INSIST_NS;
	if (mv->insisted_ns == 0) {
		mv->insisted_ns = n->now;
		registrar_insist(n);
	}
	if (n->now < mv->insisted_ns + SILENT_NS)
		return mv->insisted_ns + SILENT_NS;
	if (has_heard_data(n)) {
		mv->asked_ns = 0;
		return NODE_NEVER;
	}
	mv->asked_ns = 0;
	mv->silent_next_ns = n->now + SILENT_AGAIN_NS;
	node_count(n, NODE_SILENT_LINK);
	if (has_leg_up(n)) {
		trial_begin(n, other);
		return mv->trial_until_ns;
	}
	n->link = other;
	mv->trial_next_ns = n->now + TRIAL_AGAIN_NS;
	move(n, "the link in use was silent");
	return mv->trial_next_ns;
}

void mover_observed(struct node *n, const char *who)
{
	struct leg *l;
	struct path *p;

	/* A trial or move in flight tells it all itself. */
	if (n->mover.trial != LINK_NONE)
		return;
	mover_location(n);
	node_count(n, NODE_MOVES);
	node_event(n, NODE_EV_MOVED, "", "the NAT changed our address, seen by %s", who);
	TAILQ_FOREACH(l, &n->legs, link)
	if (l->is_up)
		leg_update(l);
	TAILQ_FOREACH(p, &n->paths, link)
	if (!p->chan.is_dead)
		path_tell(p);
	registrar_register(n);
}

void mover_tell(struct node *n)
{
	const struct leg *home = leg_home(n);
	enum msg_nat nat = mover_nat(n);
	bool is_seen = home != NULL && home->observed.port != 0 &&
		       !endpoint_equal(&home->observed, &n->seen_told);
	struct path *p;

	/* Without a DC the RS alone says where a peer could reach us. */
	if (nat == n->nat_told && !is_seen)
		return;
	n->nat_told = nat;
	if (is_seen)
		n->seen_told = home->observed;
	TAILQ_FOREACH(p, &n->paths, link)
	if (!p->chan.is_dead)
		path_tell(p);
	if (nat != NAT_UNKNOWN && registrar_is_registered(n))
		registrar_register(n);
}

uint64_t mover_poll(struct node *n)
{
	struct mover *mv = &n->mover;
	uint64_t silence;
	uint8_t best;

	if (mv->trial_until_ns != 0 && n->now >= mv->trial_until_ns) {
		trial_end(n);
		mv->trial_next_ns = n->now + TRIAL_AGAIN_NS;
		trial_undo(n);
	}
	if (mv->trial_next_ns != 0 && n->now >= mv->trial_next_ns) {
		mv->trial_next_ns = 0;
		best = link_best(n);
		if (best != n->link && best != LINK_NONE && mv->trial == LINK_NONE)
			mover_links(n, false);
	}
	silence = poll_silence(n);
	if (mv->trial_until_ns != 0)
		return mv->trial_until_ns;
	return node_min(silence, mv->trial_next_ns != 0 ? mv->trial_next_ns : NODE_NEVER);
}
