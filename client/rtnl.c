/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/rtnl.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <time.h>

enum { BUFFER = 16384, PROTO_NTM = 158 /* of /etc/iproute2/rt_protos: none has it */ };

int rtnl_open(struct rtnl *r, unsigned int groups)
{
	r->nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (r->nl == NULL)
		return -errno;
	if (mnl_socket_bind(r->nl, groups, MNL_SOCKET_AUTOPID) < 0) {
		int err = -errno;

		mnl_socket_close(r->nl);
		r->nl = NULL;
		return err;
	}
	r->seq = (uint32_t)time(NULL);
	r->port = mnl_socket_get_portid(r->nl);
	return 0;
}

void rtnl_close(struct rtnl *r)
{
	if (r->nl != NULL)
		mnl_socket_close(r->nl);
	r->nl = NULL;
}

static int talk(struct rtnl *r, struct nlmsghdr *nlh,
		int (*cb)(const struct nlmsghdr *nlh, void *arg), void *arg)
{
	char *buf;
	ssize_t n;
	int ret = -ENOMEM;

	nlh->nlmsg_seq = ++r->seq;
	buf = malloc(BUFFER);
	if (buf == NULL)
		return ret;
	if (mnl_socket_sendto(r->nl, nlh, nlh->nlmsg_len) < 0)
		goto out_errno;
	do {
		n = mnl_socket_recvfrom(r->nl, buf, BUFFER);
		if (n < 0)
			goto out_errno;
		ret = mnl_cb_run(buf, (size_t)n, r->seq, r->port, cb, arg);
	} while (ret > MNL_CB_STOP);
	if (ret == MNL_CB_ERROR)
		goto out_errno;
	free(buf);
	return 0;

out_errno:
	ret = -errno;
	free(buf);
	return ret;
}

int rtnl_link_up(struct rtnl *r, unsigned int ifindex, uint32_t mtu, uint32_t queue)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifm;

	nlh->nlmsg_type = RTM_NEWLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	ifm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifm));
	ifm->ifi_index = (int)ifindex;
	ifm->ifi_change = ifm->ifi_flags = IFF_UP;
	mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	mnl_attr_put_u32(nlh, IFLA_TXQLEN, queue);
	return talk(r, nlh, NULL, NULL);
}

static void put_ip(struct nlmsghdr *nlh, uint16_t attr, const struct ip_addr *ip)
{
	bool v4 = ip_is_v4(ip);

	mnl_attr_put(nlh, attr, v4 ? 4 : 16, ip->b + (v4 ? 12 : 0));
}

int rtnl_addr(struct rtnl *r, unsigned int ifindex, const struct ip_addr *ip, bool add)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifaddrmsg *ifa;
	int ret;

	nlh->nlmsg_type = add ? RTM_NEWADDR : RTM_DELADDR;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | (add ? NLM_F_CREATE | NLM_F_REPLACE : 0);
	ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));
	ifa->ifa_family = ip_is_v4(ip) ? AF_INET : AF_INET6;
	ifa->ifa_prefixlen = ip_is_v4(ip) ? 32 : 128;
	ifa->ifa_flags = IFA_F_NODAD;
	ifa->ifa_scope = RT_SCOPE_UNIVERSE;
	ifa->ifa_index = ifindex;
	put_ip(nlh, IFA_LOCAL, ip);
	put_ip(nlh, IFA_ADDRESS, ip);
	ret = talk(r, nlh, NULL, NULL);
	return ret == -EEXIST || (!add && ret == -EADDRNOTAVAIL) ? 0 : ret;
}

int rtnl_route(struct rtnl *r, unsigned int ifindex, const struct ip_prefix *p,
	       const struct ip_addr *src, bool add)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	bool v4 = ip_is_v4(&p->ip);
	struct rtmsg *rtm;
	int ret;

	nlh->nlmsg_type = add ? RTM_NEWROUTE : RTM_DELROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | (add ? NLM_F_CREATE | NLM_F_REPLACE : 0);
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = v4 ? AF_INET : AF_INET6;
	rtm->rtm_dst_len = v4 ? p->len - 96 : p->len;
	rtm->rtm_table = RT_TABLE_MAIN;
	rtm->rtm_protocol = PROTO_NTM;
	rtm->rtm_type = RTN_UNICAST;
	rtm->rtm_scope = v4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	put_ip(nlh, RTA_DST, &p->ip);
	mnl_attr_put_u32(nlh, RTA_OIF, ifindex);
	if (src != NULL && !ip_is_none(src))
		put_ip(nlh, RTA_PREFSRC, src);
	ret = talk(r, nlh, NULL, NULL);
	return !add && ret == -ESRCH ? 0 : ret;
}

int rtnl_dump(struct rtnl *r, uint16_t type, uint8_t family,
	      int (*cb)(const struct nlmsghdr *nlh, void *arg), void *arg)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtgenmsg *gen;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	gen = mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	gen->rtgen_family = family;
	return talk(r, nlh, cb, arg);
}
