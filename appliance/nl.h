/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_NL_H
#define APPLIANCE_NL_H

/* rtnetlink requests with their answers, over libmnl. Blocking, but the kernel answers at once.
 * One thread per struct nl.
 */
#include <libmnl/libmnl.h>
#include <stdint.h>

struct nl {
	struct mnl_socket *sock;
	uint32_t seq;
	char buf[32768]; /* for the request being built, then for the answers */
};

/* groups: RTMGRP_* bits to listen to, 0 for a socket of requests only. 0 or -errno. */
int nl_open(struct nl *n, unsigned int groups);
void nl_close(struct nl *n);

/* Begin a request in n->buf: type and flags (NLM_F_REQUEST is added). */
struct nlmsghdr *nl_begin(struct nl *n, uint16_t type, uint16_t flags);

/* Send it and wait for the acknowledgement. 0 or the kernel's -errno. */
int nl_do(struct nl *n, struct nlmsghdr *nlh);

/* Send it as a dump; cb per message. 0 or -errno, -EINTR if the table changed meanwhile. */
int nl_dump(struct nl *n, struct nlmsghdr *nlh, mnl_cb_t cb, void *ctx);

/* Deliver what has arrived on a listening socket, without waiting. 0; -ENOBUFS when the kernel had
 * to drop notifications: the caller reads everything anew.
 */
int nl_events(struct nl *n, mnl_cb_t cb, void *ctx);

#endif
