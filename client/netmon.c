/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/netmon.h"
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

LOG_TYPE("netmon");

enum { SCAN_TRIES = 5 };

struct scan {
	struct netmon *m;
	struct node_link found[NODE_LINKS_MAX];
	unsigned int ifindex[NODE_LINKS_MAX];
	unsigned int n;
};

int netmon_open(struct netmon *m, const struct netmon_ops *ops, void *ctx)
{
	int ret = rtnl_open(&m->events, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
						RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE);

	if (ret < 0)
		return ret;
	ret = rtnl_open(&m->asks, 0);
	if (ret < 0) {
		rtnl_close(&m->events);
		return ret;
	}
	m->ops = ops;
	m->ctx = ctx;
	fcntl(netmon_fd(m), F_SETFL, O_NONBLOCK);
	return 0;
}

void netmon_close(struct netmon *m)
{
	rtnl_close(&m->events);
	rtnl_close(&m->asks);
}

int netmon_fd(const struct netmon *m)
{
	return mnl_socket_get_fd(m->events.nl);
}

/* Best first: as config lists them, else cable before radio before cellular. 0: not to be used. */
static uint8_t preference(const struct netmon *m, const char *name)
{
	for (uint32_t i = 0; i < m->names_n; i++)
		if (strcmp(m->names[i], name) == 0)
			return (uint8_t)(200 - i);
	if (m->names_n > 0)
		return 0;
	if (strncmp(name, "wl", 2) == 0)
		return 60;
	if (strncmp(name, "ww", 2) == 0 || strncmp(name, "rmnet", 5) == 0)
		return 20;
	return 100;
}

static int link_cb(const struct nlmsghdr *nlh, void *arg)
{
	struct scan *s = arg;
	const struct ifinfomsg *ifm = mnl_nlmsg_get_payload(nlh);
	struct node_link *l = &s->found[s->n];
	struct nlattr *a;

	if ((ifm->ifi_flags & (IFF_UP | IFF_LOOPBACK)) != IFF_UP ||
	    (ifm->ifi_flags & IFF_LOWER_UP) == 0 || (unsigned int)ifm->ifi_index == s->m->skip ||
	    s->n == NODE_LINKS_MAX)
		return MNL_CB_OK;
	memset(l, 0, sizeof(*l));
	mnl_attr_for_each(a, nlh, sizeof(*ifm))
	{
		if (mnl_attr_get_type(a) == IFLA_IFNAME)
			snprintf(l->name, sizeof(l->name), "%s", mnl_attr_get_str(a));
		else if (mnl_attr_get_type(a) == IFLA_MTU)
			l->mtu = mnl_attr_get_u32(a) > UINT16_MAX ? UINT16_MAX
								  : (uint16_t)mnl_attr_get_u32(a);
	}
	l->preference = preference(s->m, l->name);
	if (l->preference != 0)
		s->ifindex[s->n++] = (unsigned int)ifm->ifi_index;
	return MNL_CB_OK;
}

static int addr_cb(const struct nlmsghdr *nlh, void *arg)
{
	const uint32_t unusable =
		IFA_F_TENTATIVE | IFA_F_TEMPORARY | IFA_F_DEPRECATED | IFA_F_DADFAILED;
	struct scan *s = arg;
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	const uint8_t *local = NULL, *address = NULL;
	uint32_t flags = ifa->ifa_flags;
	struct node_link *l = NULL;
	struct ip_addr ip;
	struct nlattr *a;

	for (unsigned int i = 0; i < s->n; i++)
		if (s->ifindex[i] == ifa->ifa_index)
			l = &s->found[i];
	if (l == NULL || ifa->ifa_scope >= RT_SCOPE_LINK || l->addrs_n == NODE_LINK_ADDRS_MAX)
		return MNL_CB_OK;
	mnl_attr_for_each(a, nlh, sizeof(*ifa))
	{
		if (mnl_attr_get_type(a) == IFA_LOCAL)
			local = mnl_attr_get_payload(a);
		else if (mnl_attr_get_type(a) == IFA_ADDRESS)
			address = mnl_attr_get_payload(a);
		else if (mnl_attr_get_type(a) == IFA_FLAGS)
			flags = mnl_attr_get_u32(a);
	}
	local = local != NULL ? local : address;
	if (local == NULL || (flags & unusable) != 0)
		return MNL_CB_OK;
	if (ifa->ifa_family == AF_INET) {
		uint32_t be;

		memcpy(&be, local, 4);
		ip = ip_from_v4(be);
	} else {
		memcpy(ip.b, local, 16);
	}
	l->addrs[l->addrs_n++] = ip;
	l->prefixes[l->prefixes_n].ip = ip;
	l->prefixes[l->prefixes_n++].len =
		(uint8_t)(ifa->ifa_prefixlen + (ifa->ifa_family == AF_INET ? 96 : 0));
	return MNL_CB_OK;
}

/* Host bits off: a prefix names a network. */
static void prefixes_mask(struct node_link *l)
{
	for (unsigned int i = 0; i < l->prefixes_n; i++)
		for (unsigned int bit = l->prefixes[i].len; bit < 128; bit++)
			l->prefixes[i].ip.b[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
}

static struct netmon_link *slot_of(struct netmon *m, unsigned int ifindex)
{
	for (int i = 0; i < NODE_LINKS_MAX; i++)
		if (m->links[i].ifindex == ifindex)
			return &m->links[i];
	return NULL;
}

static bool same(const struct node_link *a, const struct node_link *b)
{
	return a->preference == b->preference && a->addrs_n == b->addrs_n && a->mtu == b->mtu &&
	       memcmp(a->addrs, b->addrs, a->addrs_n * sizeof(a->addrs[0])) == 0 &&
	       memcmp(a->prefixes, b->prefixes, a->prefixes_n * sizeof(a->prefixes[0])) == 0;
}

static void link_seen(struct netmon *m, unsigned int ifindex, struct node_link *found)
{
	struct netmon_link *l = slot_of(m, ifindex);
	bool is_new = l == NULL;
	int port;

	if (is_new)
		l = slot_of(m, 0);
	if (l == NULL)
		return;
	l->is_seen = true;
	found->number = (uint8_t)(l - m->links);
	found->port = is_new ? 0 : l->link.port;
	if (!is_new && same(&l->link, found))
		return;
	l->ifindex = ifindex;
	l->link = *found;
	port = m->ops->up(m->ctx, l);
	if (port < 0) {
		LOG(ERR, "cannot use link name=%s: %s", found->name, strerror(-port));
		if (!is_new)
			m->ops->down(m->ctx, l);
		l->ifindex = 0;
	}
}

void netmon_scan(struct netmon *m)
{
	struct scan s = {.m = m};
	int ret = -EINTR;

	/* EINTR: something changed during the dump, which is when it matters. */
	for (int i = 0; i < SCAN_TRIES && ret == -EINTR; i++) {
		s.n = 0;
		ret = rtnl_dump(&m->asks, RTM_GETLINK, AF_UNSPEC, link_cb, &s);
		if (ret == 0)
			ret = rtnl_dump(&m->asks, RTM_GETADDR, AF_UNSPEC, addr_cb, &s);
	}
	if (ret < 0) {
		LOG_RL(ERR, "cannot list links: %s", strerror(-ret));
		return;
	}
	m->scans++;
	for (int i = 0; i < NODE_LINKS_MAX; i++)
		m->links[i].is_seen = false;
	for (unsigned int i = 0; i < s.n; i++) {
		prefixes_mask(&s.found[i]);
		if (s.found[i].addrs_n > 0)
			link_seen(m, s.ifindex[i], &s.found[i]);
	}
	for (int i = 0; i < NODE_LINKS_MAX; i++) {
		if (m->links[i].ifindex == 0 || m->links[i].is_seen)
			continue;
		m->ops->down(m->ctx, &m->links[i]);
		m->links[i].ifindex = 0;
	}
}

void netmon_ready(struct netmon *m)
{
	char buf[16384];

	/* What happened is read from the tables: notices may have been lost (ENOBUFS) anyway. */
	while (recv(netmon_fd(m), buf, sizeof(buf), MSG_DONTWAIT) > 0 || errno == ENOBUFS)
		errno = 0;
	netmon_scan(m);
}
