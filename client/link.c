/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/link.h"
#include "client/node_impl.h"

#include <errno.h>

enum { OUTER_DEFAULT = 1500 };

static bool is_link_local(const struct ip_addr *a)
{
	if (ip_is_v4(a))
		return a->b[12] == 169 && a->b[13] == 254;
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

static bool is_usable_addr(const struct ip_addr *a)
{
	return ip_is_unicast(a) && !is_link_local(a);
}

bool link_is_usable(const struct node *n, uint8_t number)
{
	const struct link *l;

	if (number >= NODE_LINKS_MAX || !n->links[number].is_up)
		return false;
	l = &n->links[number];
	for (int i = 0; i < l->conf.addrs_n; i++)
		if (is_usable_addr(&l->conf.addrs[i]))
			return true;
	return false;
}

bool link_reaches(const struct node *n, uint8_t number, const struct ip_addr *ip)
{
	const struct link *l;

	if (number >= NODE_LINKS_MAX || !n->links[number].is_up)
		return false;
	l = &n->links[number];
	for (int i = 0; i < l->conf.addrs_n; i++)
		if (is_usable_addr(&l->conf.addrs[i]) &&
		    ip_is_v4(&l->conf.addrs[i]) == ip_is_v4(ip))
			return true;
	return false;
}

int link_pick(const struct node *n, uint8_t number, const struct endpoint *eps, uint8_t eps_n,
	      struct datapath_dest *dest)
{
	for (int i = 0; i < eps_n; i++) {
		if (!link_reaches(n, number, &eps[i].ip))
			continue;
		*dest = (struct datapath_dest){.link = number, .to = eps[i]};
		return 0;
	}
	return -EHOSTUNREACH;
}

uint8_t link_best(const struct node *n)
{
	uint8_t best = LINK_NONE;

	if (link_is_usable(n, n->link))
		best = n->link;
	for (uint8_t i = 0; i < NODE_LINKS_MAX; i++) {
		if (!link_is_usable(n, i))
			continue;
		if (best == LINK_NONE ||
		    n->links[i].conf.preference > n->links[best].conf.preference)
			best = i;
	}
	return best;
}

bool link_is_own(const struct node *n, const struct endpoint *ep)
{
	for (int i = 0; i < NODE_LINKS_MAX; i++) {
		const struct link *l = &n->links[i];

		if (!l->is_up || l->conf.port != ep->port)
			continue;
		for (int j = 0; j < l->conf.addrs_n; j++)
			if (ip_equal(&l->conf.addrs[j], &ep->ip))
				return true;
	}
	return false;
}

bool link_is_on_link(const struct node *n, uint8_t number, const struct ip_addr *ip)
{
	const struct link *l;

	if (number >= NODE_LINKS_MAX)
		return false;
	l = &n->links[number];
	for (int i = 0; i < l->conf.prefixes_n; i++)
		if (prefix_contains(&l->conf.prefixes[i], ip))
			return true;
	return false;
}

uint16_t link_mtu(const struct node *n, uint8_t number)
{
	uint16_t mtu = number < NODE_LINKS_MAX ? n->links[number].conf.mtu : 0;

	return mtu == 0 || mtu > OUTER_DEFAULT ? OUTER_DEFAULT : mtu;
}

static void add(struct msg *m, uint8_t kind, uint8_t link, const struct endpoint *ep)
{
	if (m->candidates_n >= MSG_CANDIDATES_MAX || ip_is_none(&ep->ip) || ep->port == 0)
		return;
	for (int i = 0; i < m->candidates_n; i++)
		if (endpoint_equal(&m->candidates[i].ep, ep))
			return;
	m->candidates[m->candidates_n++] =
		(struct candidate){.kind = kind, .link = link, .ep = *ep};
}

static void add_link(const struct node *n, struct msg *m, uint8_t number)
{
	const struct link *l = &n->links[number];
	struct endpoint ep = {.port = l->conf.port};

	for (int i = 0; l->is_up && i < l->conf.addrs_n; i++) {
		ep.ip = l->conf.addrs[i];
		if (is_usable_addr(&ep.ip))
			add(m, CANDIDATE_LOCAL, number, &ep);
	}
}

void link_candidates(const struct node *n, struct msg *m, bool is_for_dc)
{
	const struct leg *home = leg_home(n);

	m->candidates_n = 0;
	if (n->link != LINK_NONE)
		add_link(n, m, n->link);
	/* The DC knows what it sees, and decides by what is our own. */
	if (is_for_dc)
		home = NULL;
	if (home != NULL)
		add(m, CANDIDATE_RS, n->link, &home->observed);
	if (!is_for_dc)
		add(m, CANDIDATE_DC, n->link, &n->registrar.observed);
	for (uint8_t i = 0; i < NODE_LINKS_MAX; i++)
		if (i != n->link)
			add_link(n, m, i);
	if (m->candidates_n > 0)
		m->has |= HAS(CANDIDATE);
}
