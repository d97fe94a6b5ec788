/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLIENT_NETMON_H
#define CLIENT_NETMON_H

/* Watches links and addresses (rtnetlink, N-16) and says which of them can carry paths. Tentative,
 * temporary, deprecated and link-local addresses are no place to be reached at. One thread.
 */
#include "client/node.h"
#include "client/rtnl.h"

#include <net/if.h>

enum { NETMON_NAMES_MAX = 16 };

struct netmon_link {
	unsigned int ifindex; /* 0: not in use */
	bool is_seen;
	struct node_link link; /* number is the index in the table */
};

struct netmon_ops {
	/* A link is there, or changed; port is still 0. Return the UDP port opened on it, or -errno
	 * where it cannot be used.
	 */
	int (*up)(void *ctx, struct netmon_link *l);
	void (*down)(void *ctx, struct netmon_link *l);
};

struct netmon {
	struct rtnl events; /* listens */
	struct rtnl asks;   /* dumps */
	const struct netmon_ops *ops;
	void *ctx;
	const char (*names)[IFNAMSIZ]; /* links to use, best first; none: all */
	uint32_t names_n;
	unsigned int skip; /* ifindex of the TUN */
	struct netmon_link links[NODE_LINKS_MAX];
	uint64_t scans;
};

int netmon_open(struct netmon *m, const struct netmon_ops *ops, void *ctx);
void netmon_close(struct netmon *m);
int netmon_fd(const struct netmon *m);
/* The descriptor is readable: take the notices off, then scan. */
void netmon_ready(struct netmon *m);
/* Look at all links and addresses; tell what changed. */
void netmon_scan(struct netmon *m);

#endif
