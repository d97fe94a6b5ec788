/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/node_impl.h"

#include <stdio.h>

static const uint64_t PROBE_GAP_NS = 50 * NODE_MS;
static const uint64_t SEEN_GAP_NS = 40 * NODE_MS;
static const uint64_t LATER_NS = 30 * NODE_SEC;
static const uint64_t ACTIVE_NS = 60 * NODE_SEC;
static const uint64_t FORGIVE_NS = 60 * NODE_SEC;
static const uint64_t SETTLE_NS = 1 * NODE_SEC;
/* Between the starts of rounds: 0, 2, 6, 14, 30 s after the first. */
static const uint64_t gap_sec[] = {0, 2, 4, 8, 16};
enum { GAPS = sizeof(gap_sec) / sizeof(gap_sec[0]), FAILURES_SHIFT_MAX = 6 };

static bool has(const struct prober *pr, const struct endpoint *ep)
{
	for (int i = 0; i < pr->told_n + pr->seen_n; i++)
		if (endpoint_equal(&pr->candidates[i].ep, ep))
			return true;
	return false;
}

void prober_candidates(struct path *p, const struct candidate *c, uint8_t n,
		       const struct endpoint *observed)
{
	struct prober *pr = &p->prober;

	pr->told_n = 0;
	pr->seen_n = 0;
	if (observed != NULL && observed->port != 0)
		pr->candidates[pr->told_n++] =
			(struct candidate){.kind = CANDIDATE_DC, .ep = *observed};
	for (int i = 0; i < n && pr->told_n < MSG_CANDIDATES_MAX; i++)
		if (!has(pr, &c[i].ep))
			pr->candidates[pr->told_n++] = c[i];
}

bool prober_may_try(const struct path *p, const struct candidate *c)
{
	const struct node *n = p->chan.node;

	if (n->link == LINK_NONE || c->ep.port == 0 || !ip_is_unicast(&c->ep.ip) ||
	    !link_reaches(n, n->link, &c->ep.ip) || link_is_own(n, &c->ep) ||
	    leg_is_any_source(n, &c->ep))
		return false;
	return !ip_is_private(&c->ep.ip) || p->is_same_site ||
	       link_is_on_link(n, n->link, &c->ep.ip);
}

static void round_begin(struct path *p)
{
	struct prober *pr = &p->prober;

	pr->round_ns = 0;
	pr->burst = 0;
	pr->next_ns = p->chan.node->now;
}

void prober_start(struct path *p)
{
	struct node *n = p->chan.node;
	struct prober *pr = &p->prober;
	uint64_t wait = 0;

	if (!n->conf.tuning.optimise || p->state != PATH_UP || p->is_direct)
		return;
	if (pr->failures > 0 && n->now - pr->failed_ns < FORGIVE_NS)
		wait = SETTLE_NS << (pr->failures < FAILURES_SHIFT_MAX ? pr->failures
								       : FAILURES_SHIFT_MAX);
	pr->round = 0;
	pr->asked = 0;
	pr->answered = 0;
	pr->next_ns = 0;
	pr->round_ns = n->now + wait;
	if (wait == 0)
		round_begin(p);
}

void prober_stop(struct path *p)
{
	p->prober.round_ns = 0;
	p->prober.next_ns = 0;
}

void prober_ask(struct path *p, const struct datapath_dest *to)
{
	struct prober *pr = &p->prober;
	struct prober_ask *a = &pr->asks[pr->next_number % PROBER_OUTSTANDING];

	*a = (struct prober_ask){
		.number = pr->next_number++,
		.to = *to,
		.sent_ns = p->chan.node->now,
	};
	pr->asked++;
	mtu_ask(&p->chan, chan_spare(&p->chan), to, a->number, 0);
}

/* The round is over, and nothing was found. */
static void round_end(struct path *p)
{
	struct node *n = p->chan.node;
	struct prober *pr = &p->prober;
	char words[NODE_WHY_TEXT_MAX];

	pr->next_ns = 0;
	pr->round++;
	pr->round_ns = n->now + (pr->round < GAPS ? gap_sec[pr->round] * NODE_SEC : LATER_NS);
	if (pr->round == 1 || pr->round == GAPS)
		why_note(n, p->peer, "%s", prober_reason(p, words, sizeof(words)));
}

static void burst(struct path *p)
{
	struct node *n = p->chan.node;
	struct prober *pr = &p->prober;

	if (pr->burst++ >= PROBER_PROBES) {
		round_end(p);
		return;
	}
	pr->next_ns = n->now + PROBE_GAP_NS;
	for (int i = 0; i < pr->told_n + pr->seen_n; i++) {
		struct datapath_dest to = {.link = n->link, .to = pr->candidates[i].ep};

		if (prober_may_try(p, &pr->candidates[i]))
			prober_ask(p, &to);
	}
}

/* A path that nobody uses is not worth later rounds. */
static bool is_worth_it(struct path *p)
{
	struct datapath_stats st;

	if (p->prober.round < GAPS)
		return true;
	return chan_stats(&p->chan, &st) && p->chan.node->now - st.last_tx_ns < ACTIVE_NS;
}

uint64_t prober_poll(struct path *p)
{
	struct node *n = p->chan.node;
	struct prober *pr = &p->prober;

	if (p->state != PATH_UP || p->is_direct)
		return NODE_NEVER;
	if (pr->round_ns != 0 && n->now >= pr->round_ns) {
		if (is_worth_it(p))
			round_begin(p);
		else
			pr->round_ns = n->now + LATER_NS;
	}
	if (pr->next_ns != 0 && n->now >= pr->next_ns)
		burst(p);
	if (pr->next_ns != 0)
		return pr->next_ns;
	return pr->round_ns != 0 ? pr->round_ns : NODE_NEVER;
}

/* It came through from there: our answer opened our NAT for it, its own opened the peer's. */
void prober_seen(struct path *p, const struct datapath_rx *rx)
{
	struct prober *pr = &p->prober;
	struct datapath_dest to = {.link = rx->link, .to = rx->from};
	const struct prober_ask *last;

	if (p->state != PATH_UP || p->is_direct || !p->chan.node->conf.tuning.optimise ||
	    leg_is_source(p->leg, &rx->from))
		return;
	if (!has(pr, &rx->from) && pr->told_n + pr->seen_n < PROBER_CANDIDATES)
		pr->candidates[pr->told_n + pr->seen_n++] =
			(struct candidate){.kind = CANDIDATE_LOCAL, .ep = rx->from};
	for (unsigned int i = 0; i < PROBER_OUTSTANDING; i++) {
		last = &pr->asks[i];
		if (endpoint_equal(&last->to.to, &rx->from) &&
		    p->chan.node->now - last->sent_ns < SEEN_GAP_NS)
			return;
	}
	if (pr->failures > 0 && p->chan.node->now - pr->failed_ns < SETTLE_NS)
		return;
	prober_ask(p, &to);
}

void prober_answer(struct path *p, const struct datapath_rx *rx, const struct probe *probe)
{
	struct node *n = p->chan.node;
	struct prober *pr = &p->prober;
	struct prober_ask *a = &pr->asks[probe->number % PROBER_OUTSTANDING];

	if (a->sent_ns == 0 || a->number != probe->number ||
	    !endpoint_equal(&a->to.to, &rx->from) || a->to.link != rx->link) {
		/* Answers to the watch's probes prove their route by coming. */
		if (!p->is_direct)
			node_count(n, NODE_PROBE_STRAY);
		return;
	}
	pr->answered++;
	if (p->is_direct || rx->link != n->link)
		return;
	pr->rtt_ns = n->now - a->sent_ns;
	a->sent_ns = 0;
	prober_stop(p);
	path_use_direct(p, &a->to, 0, "its probe was answered");
}

void prober_failed(struct path *p)
{
	struct node *n = p->chan.node;
	struct prober *pr = &p->prober;

	if (n->now - pr->failed_ns > FORGIVE_NS)
		pr->failures = 0;
	pr->failures++;
	pr->failed_ns = n->now;
}

const char *prober_reason(const struct path *p, char *buf, size_t cap)
{
	const struct node *n = p->chan.node;
	const struct prober *pr = &p->prober;
	unsigned int usable = 0;

	for (int i = 0; i < pr->told_n + pr->seen_n; i++)
		usable += prober_may_try(p, &pr->candidates[i]) ? 1 : 0;
	if (p->is_direct)
		snprintf(buf, cap, "direct route works");
	else if (usable == 0)
		snprintf(buf, cap, "no address of the peer that this link could reach");
	else if (pr->asked == 0)
		snprintf(buf, cap, "no probes sent yet");
	else if (pr->answered > 0)
		snprintf(buf, cap, "probes are answered, the direct route failed %u times lately",
			 pr->failures);
	else if (mover_nat(n) == NAT_DEPENDENT)
		snprintf(buf, cap,
			 "probes unanswered; observed ports at DC and RS differ: "
			 "address-dependent mapping (symmetric NAT)");
	else if (p->peer_nat == NAT_DEPENDENT)
		snprintf(buf, cap,
			 "probes unanswered; the peer's observed ports at DC and RS differ: "
			 "address-dependent mapping (symmetric NAT)");
	else
		snprintf(buf, cap, "probes unanswered: filtered on the way or at the peer");
	return buf;
}
