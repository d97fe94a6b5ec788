/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/neigh.h"
#include "appliance/iface.h"
#include "appliance/mailbox.h"
#include "appliance/nl.h"
#include "appliance/pipeline/burst.h"
#include "appliance/pipeline/meta.h"
#include "common/bytes.h"
#include "common/log.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

LOG_TYPE("neigh");

/* By linux/rtnetlink.h of 5.16; older headers lack them. */
enum { ATTR_FLAGS_EXT = 15, EXT_MANAGED = 1 };

enum { USED_CHECK_SEC = 60, IDLE_MAX_SEC = 600, HOLD_MAX_SEC = 4 };
static const uint64_t SEC = 1000000000ULL;

struct held {
	struct rte_mbuf *m;
	uint32_t idx;
	uint64_t since;
};

struct neigh_table {
	struct neigh_config c;
	struct nl nl;	    /* its own: requests are made in the middle of others' dumps */
	uint32_t next_free; /* where the search for a free entry begins */
	uint32_t mask;
	uint32_t *bucket; /* first entry of a chain, 0: none */
	uint32_t *chain;  /* by index */
	uint64_t checked; /* when the used bits were looked at */
	bool changed;
	uint32_t n_held;
	struct held held[]; /* c.hold_total, oldest first */
};

static uint64_t word_of(const uint8_t *mac, enum nexthop_state state)
{
	uint64_t word = 0;

	if (mac != NULL)
		memcpy(&word, mac, 6);
	return word | (uint64_t)state << 48;
}

static void set_word(struct nexthop *nh, uint64_t word)
{
	atomic_store_explicit(&nh->word, word, memory_order_release);
}

static enum nexthop_state state_of(const struct nexthop *nh)
{
	return nexthop_state(atomic_load_explicit(&nh->word, memory_order_relaxed));
}

static uint32_t hash(uint16_t iface, const struct ip_addr *ip)
{
	uint64_t h = (load_be64(ip->b) ^ load_be64(ip->b + 8) ^ iface) * 0x9e3779b97f4a7c15ULL;

	return (uint32_t)(h >> 32);
}

/* 0 where there is none. */
static uint32_t find(const struct neigh_table *t, uint16_t iface, const struct ip_addr *ip)
{
	uint32_t i = t->bucket[hash(iface, ip) & t->mask];

	while (i != 0 && (t->c.nexthops[i].iface != iface || !ip_equal(&t->c.nexthops[i].ip, ip)))
		i = t->chain[i];
	return i;
}

/* Tell the kernel that we use (or no longer use) a neighbour. */
static int request(struct neigh_table *t, const struct nexthop *nh, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh = nl_begin(&t->nl, type, flags);
	struct ndmsg *ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));
	bool v4 = ip_is_v4(&nh->ip);

	ndm->ndm_family = v4 ? AF_INET : AF_INET6;
	ndm->ndm_ifindex = t->c.ifaces[nh->iface].tap_index;
	ndm->ndm_state = type == RTM_NEWNEIGH ? NUD_NONE : 0;
	mnl_attr_put(nlh, NDA_DST, v4 ? 4 : 16, nh->ip.b + (v4 ? 12 : 0));
	if (type == RTM_NEWNEIGH)
		mnl_attr_put_u32(nlh, ATTR_FLAGS_EXT, EXT_MANAGED);
	return nl_do(&t->nl, nlh);
}

static uint32_t free_entry(struct neigh_table *t)
{
	for (uint32_t i = 0; i < t->c.n; i++) {
		uint32_t at = (t->next_free + i) % t->c.n;

		if (at != NEXTHOP_NONE && state_of(&t->c.nexthops[at]) == NEXTHOP_FREE) {
			t->next_free = at + 1;
			return at;
		}
	}
	return NEXTHOP_NONE;
}

struct neigh_table *neigh_create(const struct neigh_config *c)
{
	uint32_t buckets = rte_align32pow2(c->n);
	struct neigh_table *t = calloc(1, sizeof(*t) + c->hold_total * sizeof(struct held));
	int ret;

	if (t == NULL)
		return NULL;
	t->c = *c;
	t->mask = buckets - 1;
	t->bucket = calloc(buckets, sizeof(uint32_t));
	t->chain = calloc(c->n, sizeof(uint32_t));
	ret = t->bucket == NULL || t->chain == NULL ? -ENOMEM : nl_open(&t->nl, 0);
	if (ret < 0) {
		free(t->bucket);
		free(t->chain);
		free(t);
		errno = -ret;
		return NULL;
	}
	for (uint16_t i = 0; i < c->n_ifaces; i++) {
		struct iface *f = &c->ifaces[i];

		f->glean = free_entry(t);
		c->nexthops[f->glean].iface = i;
		set_word(&c->nexthops[f->glean], word_of(NULL, NEXTHOP_GLEAN));
	}
	return t;
}

void neigh_destroy(struct neigh_table *t)
{
	if (t == NULL)
		return;
	for (uint32_t i = 0; i < t->n_held; i++)
		burst_drop(t->c.stats, t->held[i].m, DROP_STOPPING);
	t->c.stats->held -= t->n_held;
	for (uint32_t b = 0; b <= t->mask; b++)
		for (uint32_t i = t->bucket[b]; i != 0; i = t->chain[i])
			(void)request(t, &t->c.nexthops[i], RTM_DELNEIGH, 0);
	nl_close(&t->nl);
	free(t->bucket);
	free(t->chain);
	free(t);
}

uint32_t neigh_get(struct neigh_table *t, uint16_t iface, const struct ip_addr *ip)
{
	uint32_t *bucket = &t->bucket[hash(iface, ip) & t->mask];
	uint32_t i = find(t, iface, ip);
	struct nexthop *nh;
	int ret;

	if (i != 0)
		return i;
	i = free_entry(t);
	if (i == NEXTHOP_NONE)
		return NEXTHOP_NONE;
	nh = &t->c.nexthops[i];
	nh->iface = iface;
	nh->ip = *ip;
	nh->refs = 0;
	nh->idle_since_ns = 0;
	atomic_store_explicit(&nh->used, 1, memory_order_relaxed);
	set_word(nh, word_of(NULL, NEXTHOP_PENDING));
	t->chain[i] = *bucket;
	*bucket = i;
	t->changed = true;
	ret = request(t, nh, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
	if (ret < 0)
		LOG_RL(WARN, "%s: kernel refuses a neighbour: %s", t->c.ifaces[iface].name,
		       strerror(-ret));
	return i;
}

/* Back to a worker, which takes the next hop as given: the new host route may not be out yet. */
static void resend(struct neigh_table *t, uint32_t idx, struct rte_mbuf *m)
{
	pkt_meta(m)->flags |= PKT_UNHELD;
	pkt_meta(m)->nexthop = idx;
	if (mailbox_send(t->c.out, MAIL_IP, 0, m) < 0)
		burst_drop(t->c.stats, m, DROP_MAILBOX_FULL);
	else
		t->c.stats->steered++;
}

/* Send or drop what waits for idx. */
static void release(struct neigh_table *t, uint32_t idx, bool resolved)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < t->n_held; i++) {
		struct held *h = &t->held[i];

		if (h->idx != idx) {
			t->held[kept++] = *h;
			continue;
		}
		t->c.stats->held--;
		if (resolved)
			resend(t, idx, h->m);
		else
			burst_drop(t->c.stats, h->m, DROP_NEIGH_FAILED);
	}
	t->n_held = kept;
}

static uint16_t iface_by_tap(const struct neigh_table *t, int index)
{
	for (uint16_t i = 0; i < t->c.n_ifaces; i++)
		if (t->c.ifaces[i].tap_index == index)
			return i;
	return IFACE_NONE;
}

void neigh_event(struct neigh_table *t, const struct nlmsghdr *nlh)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	const uint8_t *mac = NULL;
	struct ip_addr ip = {.b = {0}};
	struct nlattr *attr;
	uint16_t iface = iface_by_tap(t, ndm->ndm_ifindex);
	uint32_t idx;

	mnl_attr_for_each(attr, nlh, sizeof(*ndm))
	{
		if (mnl_attr_get_type(attr) == NDA_LLADDR && mnl_attr_get_payload_len(attr) == 6)
			mac = mnl_attr_get_payload(attr);
		else if (mnl_attr_get_type(attr) == NDA_DST && ndm->ndm_family == AF_INET)
			ip = ip_from_v4(mnl_attr_get_u32(attr));
		else if (mnl_attr_get_type(attr) == NDA_DST && mnl_attr_get_payload_len(attr) == 16)
			memcpy(ip.b, mnl_attr_get_payload(attr), 16);
	}
	idx = iface == IFACE_NONE ? 0 : find(t, iface, &ip);
	if (idx == 0)
		return;
	if (nlh->nlmsg_type == RTM_DELNEIGH) { /* flushed by hand, or by the link going down */
		set_word(&t->c.nexthops[idx], word_of(NULL, NEXTHOP_PENDING));
		(void)request(t, &t->c.nexthops[idx], RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
	} else if (ndm->ndm_state & (NUD_FAILED | NUD_INCOMPLETE)) {
		bool failed = ndm->ndm_state & NUD_FAILED;

		set_word(&t->c.nexthops[idx],
			 word_of(NULL, failed ? NEXTHOP_FAILED : NEXTHOP_PENDING));
		if (failed)
			release(t, idx, false);
	} else if (mac != NULL) {
		set_word(&t->c.nexthops[idx], word_of(mac, NEXTHOP_READY));
		release(t, idx, true);
	}
}

void neigh_hold(struct neigh_table *t, uint32_t idx, struct rte_mbuf *m, uint64_t now)
{
	uint32_t same = 0;

	if (state_of(&t->c.nexthops[idx]) == NEXTHOP_READY) { /* resolved on the way here */
		resend(t, idx, m);
		return;
	}
	for (uint32_t i = 0; i < t->n_held; i++)
		same += t->held[i].idx == idx;
	if (same >= t->c.hold_per_nexthop || t->n_held == t->c.hold_total) {
		burst_drop(t->c.stats, m, DROP_NEIGH_PENDING);
		return;
	}
	t->held[t->n_held++] = (struct held){.m = m, .idx = idx, .since = now};
	t->c.stats->held++;
}

static void drop_old(struct neigh_table *t, uint64_t now)
{
	uint32_t old = 0;

	while (old < t->n_held && now - t->held[old].since > HOLD_MAX_SEC * SEC) {
		burst_drop(t->c.stats, t->held[old].m, DROP_NEIGH_PENDING);
		old++;
	}
	t->c.stats->held -= old;
	t->n_held -= old;
	memmove(t->held, t->held + old, t->n_held * sizeof(t->held[0]));
}

static void free_now(void *p)
{
	set_word(p, word_of(NULL, NEXTHOP_FREE));
}

static void unlink_entry(struct neigh_table *t, uint32_t idx)
{
	struct nexthop *nh = &t->c.nexthops[idx];
	uint32_t *at = &t->bucket[hash(nh->iface, &nh->ip) & t->mask];

	while (*at != idx)
		at = &t->chain[*at];
	*at = t->chain[idx];
	release(t, idx, false);
	(void)request(t, nh, RTM_DELNEIGH, 0);
	rcu_defer(t->c.rcu, free_now, nh); /* workers may hold the index for one more pass */
}

static bool is_idle(struct nexthop *nh, uint64_t now)
{
	if (atomic_exchange_explicit(&nh->used, 0, memory_order_relaxed) != 0 || nh->refs > 0 ||
	    nh->idle_since_ns == 0)
		nh->idle_since_ns = now;
	return now - nh->idle_since_ns > IDLE_MAX_SEC * SEC;
}

bool neigh_tick(struct neigh_table *t, uint64_t now)
{
	bool gone = false;

	drop_old(t, now);
	if (now - t->checked < USED_CHECK_SEC * SEC)
		return false;
	t->checked = now;
	for (uint32_t b = 0; b <= t->mask; b++) {
		for (uint32_t i = t->bucket[b], next; i != 0; i = next) {
			next = t->chain[i];
			if (is_idle(&t->c.nexthops[i], now)) {
				unlink_entry(t, i);
				gone = true;
			}
		}
	}
	return gone;
}

void neigh_refs_clear(struct neigh_table *t)
{
	for (uint32_t i = 0; i < t->c.n; i++)
		t->c.nexthops[i].refs = 0;
}

void neigh_ref(struct neigh_table *t, uint32_t idx)
{
	t->c.nexthops[idx].refs++;
}

void neigh_walk(struct neigh_table *t,
		void (*fn)(void *ctx, uint32_t idx, const struct nexthop *nh), void *ctx)
{
	for (uint32_t b = 0; b <= t->mask; b++)
		for (uint32_t i = t->bucket[b]; i != 0; i = t->chain[i])
			fn(ctx, i, &t->c.nexthops[i]);
}

bool neigh_changed(struct neigh_table *t)
{
	bool changed = t->changed;

	t->changed = false;
	return changed;
}
