/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/tap.h"
#include "appliance/nl.h"
#include "common/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

LOG_TYPE("tap");

static int fail(const struct iface *f, const char *what, int err)
{
	LOG(ERR, "%s: %s: %s", f->name, what, strerror(-err));
	return err;
}

static int attach(struct iface *f)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return fail(f, "/dev/net/tun", -errno);
	memcpy(ifr.ifr_name, f->name, sizeof(f->name));
	if (ioctl(fd, TUNSETIFF, &ifr) < 0 || ioctl(fd, TUNSETPERSIST, 1) < 0) {
		int err = -errno;

		close(fd);
		return fail(f,
			    err == -EBUSY ? "TAP is in use by another process"
					  : "TAP cannot be made (is CAP_NET_ADMIN there?)",
			    err);
	}
	f->tap_fd = fd;
	f->tap_index = (int)if_nametoindex(f->name);
	return 0;
}

static int set_link(const struct iface *f, struct nl *nl)
{
	struct nlmsghdr *nlh = nl_begin(nl, RTM_NEWLINK, 0);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));

	ifi->ifi_family = AF_UNSPEC;
	ifi->ifi_index = f->tap_index;
	ifi->ifi_change = IFF_UP;
	ifi->ifi_flags = IFF_UP;
	mnl_attr_put(nlh, IFLA_ADDRESS, sizeof(f->mac), &f->mac);
	mnl_attr_put_u32(nlh, IFLA_MTU, f->mtu);
	return nl_do(nl, nlh);
}

static unsigned int family_of(const struct ip_addr *ip)
{
	return ip_is_v4(ip) ? AF_INET : AF_INET6;
}

static void put_ip(struct nlmsghdr *nlh, uint16_t type, const struct ip_addr *ip)
{
	if (ip_is_v4(ip))
		mnl_attr_put(nlh, type, 4, ip->b + 12);
	else
		mnl_attr_put(nlh, type, 16, ip->b);
}

static struct nlmsghdr *begin_address(struct nl *nl, uint16_t type, uint16_t flags, int index,
				      const struct ip_addr *ip, uint8_t len)
{
	struct nlmsghdr *nlh = nl_begin(nl, type, flags);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));

	ifa->ifa_family = family_of(ip);
	ifa->ifa_prefixlen = ip_is_v4(ip) ? len - 96 : len;
	ifa->ifa_index = (unsigned int)index;
	/* Configured by hand, used at once: a start does not wait a second for DAD. */
	ifa->ifa_flags = ip_is_v4(ip) ? 0 : IFA_F_NODAD;
	put_ip(nlh, IFA_LOCAL, ip);
	put_ip(nlh, IFA_ADDRESS, ip);
	return nlh;
}

/* Addresses that a crashed predecessor left on the TAP. */
struct stale {
	const struct config_iface *c;
	int index;
	uint32_t n;
	struct ip_addr ip[64];
	uint8_t len[64];
};

static bool is_wanted(const struct config_iface *c, const struct ip_addr *ip, uint8_t len)
{
	struct ip_addr want;
	uint8_t want_len;

	for (uint32_t i = 0; i < c->n_addresses; i++)
		if (config_address_parse(c->addresses[i], &want, &want_len) == 0 &&
		    ip_equal(&want, ip) && want_len == len)
			return true;
	return false;
}

static int note_stale(const struct nlmsghdr *nlh, void *ctx)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	struct stale *s = ctx;
	struct nlattr *attr;
	struct ip_addr ip = {.b = {0}};
	uint8_t len = ifa->ifa_family == AF_INET ? ifa->ifa_prefixlen + 96 : ifa->ifa_prefixlen;

	if ((int)ifa->ifa_index != s->index || ifa->ifa_scope == RT_SCOPE_LINK)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, nlh, sizeof(*ifa))
	{
		if (mnl_attr_get_type(attr) != IFA_ADDRESS)
			continue;
		if (ifa->ifa_family == AF_INET)
			ip = ip_from_v4(mnl_attr_get_u32(attr));
		else
			memcpy(ip.b, mnl_attr_get_payload(attr), 16);
	}
	if (!is_wanted(s->c, &ip, len) && s->n < 64) {
		s->ip[s->n] = ip;
		s->len[s->n++] = len;
	}
	return MNL_CB_OK;
}

static int set_addresses(const struct iface *f, const struct config_iface *c, struct nl *nl)
{
	struct stale s = {.c = c, .index = f->tap_index};
	struct nlmsghdr *nlh = nl_begin(nl, RTM_GETADDR, 0);
	struct ip_addr ip;
	uint8_t len;
	int ret;

	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifaddrmsg));
	ret = nl_dump(nl, nlh, note_stale, &s);
	for (uint32_t i = 0; i < s.n && ret == 0; i++)
		ret = nl_do(nl,
			    begin_address(nl, RTM_DELADDR, 0, f->tap_index, &s.ip[i], s.len[i]));
	for (uint32_t i = 0; i < c->n_addresses && ret == 0; i++) {
		ret = config_address_parse(c->addresses[i], &ip, &len);
		if (ret == 0)
			ret = nl_do(nl, begin_address(nl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE,
						      f->tap_index, &ip, len));
	}
	return ret;
}

static int add_default_route(const struct iface *f, const struct ip_addr *gw, uint32_t table,
			     struct nl *nl)
{
	struct nlmsghdr *nlh = nl_begin(nl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));

	rtm->rtm_family = family_of(gw);
	rtm->rtm_table = table < 256 ? table : RT_TABLE_UNSPEC;
	rtm->rtm_protocol = RTPROT_STATIC;
	rtm->rtm_scope = RT_SCOPE_UNIVERSE;
	rtm->rtm_type = RTN_UNICAST;
	mnl_attr_put_u32(nlh, RTA_TABLE, table);
	mnl_attr_put_u32(nlh, RTA_OIF, (uint32_t)f->tap_index);
	put_ip(nlh, RTA_GATEWAY, gw);
	return nl_do(nl, nlh);
}

int tap_open(struct iface *f, const struct config_iface *c, uint32_t route_table, struct nl *nl)
{
	int ret = attach(f);

	if (ret < 0)
		return ret;
	ret = set_link(f, nl);
	if (ret < 0)
		return fail(f, "MAC address, MTU or state not taken", ret);
	if (c->n_addresses == 1 && strcmp(c->addresses[0], "kernel") == 0)
		return 0;
	ret = set_addresses(f, c, nl);
	if (ret < 0)
		return fail(f, "addresses not taken", ret);
	for (uint32_t i = 0; i < c->n_gateways; i++) {
		ret = add_default_route(f, &c->gateways[i], route_table, nl);
		if (ret < 0)
			return fail(f, "default route not taken (is the gateway on-link?)", ret);
	}
	return 0;
}

void tap_close(struct iface *f)
{
	if (f->tap_fd < 0)
		return;
	if (!f->keep_tap && ioctl(f->tap_fd, TUNSETPERSIST, 0) < 0)
		LOG(WARN, "%s stays behind: %s", f->name, strerror(errno));
	close(f->tap_fd);
	f->tap_fd = -1;
}
