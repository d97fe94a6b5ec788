/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLIENT_RTNL_H
#define CLIENT_RTNL_H

/* The little of rtnetlink that the daemon needs to own an interface: requests with an answer.
 * Blocking, but only on the kernel of this host. One thread per socket.
 */
#include "common/ip.h"

#include <stdbool.h>
#include <stdint.h>

struct mnl_socket;
struct nlmsghdr;

struct rtnl {
	struct mnl_socket *nl;
	uint32_t seq;
	unsigned int port;
};

/* 0 or -errno. groups: RTMGRP_* to listen to, 0 for none. */
int rtnl_open(struct rtnl *r, unsigned int groups);
void rtnl_close(struct rtnl *r);

/* queue: packets that may wait on the way out. */
int rtnl_link_up(struct rtnl *r, unsigned int ifindex, uint32_t mtu, uint32_t queue);
/* Host address (/32, /128), no duplicate address detection. Adding one that is there is no error. */
int rtnl_addr(struct rtnl *r, unsigned int ifindex, const struct ip_addr *ip, bool add);
/* Route to the interface, with src as preferred source where it is not none. */
int rtnl_route(struct rtnl *r, unsigned int ifindex, const struct ip_prefix *p,
	       const struct ip_addr *src, bool add);

/* Ask for everything of a type (RTM_GETLINK, RTM_GETADDR); cb as of libmnl's mnl_cb_run. */
int rtnl_dump(struct rtnl *r, uint16_t type, uint8_t family,
	      int (*cb)(const struct nlmsghdr *nlh, void *arg), void *arg);

#endif
