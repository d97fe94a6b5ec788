/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/nl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

int nl_open(struct nl *n, unsigned int groups)
{
	int bytes = 4 << 20, fd;

	n->seq = 0;
	n->sock = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (n->sock == NULL)
		return -errno;
	if (mnl_socket_bind(n->sock, groups, MNL_SOCKET_AUTOPID) < 0) {
		int err = errno;

		nl_close(n);
		return -err;
	}
	fd = mnl_socket_get_fd(n->sock);
	if (groups != 0) { /* a full table's worth of events should fit; if not, -ENOBUFS says so */
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
		(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	}
	return 0;
}

void nl_close(struct nl *n)
{
	if (n->sock != NULL)
		mnl_socket_close(n->sock);
	n->sock = NULL;
}

struct nlmsghdr *nl_begin(struct nl *n, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(n->buf);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = ++n->seq;
	return nlh;
}

/* Answers until the end (an acknowledgement or NLMSG_DONE). */
static int answers(struct nl *n, mnl_cb_t cb, void *ctx)
{
	unsigned int port = mnl_socket_get_portid(n->sock);
	int ret;

	do {
		ssize_t got = mnl_socket_recvfrom(n->sock, n->buf, sizeof(n->buf));

		if (got < 0)
			return -errno;
		ret = mnl_cb_run(n->buf, (size_t)got, n->seq, port, cb, ctx);
		if (ret < 0)
			return -errno;
	} while (ret > MNL_CB_STOP);
	return 0;
}

int nl_do(struct nl *n, struct nlmsghdr *nlh)
{
	nlh->nlmsg_flags |= NLM_F_ACK;
	if (mnl_socket_sendto(n->sock, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	return answers(n, NULL, NULL);
}

int nl_dump(struct nl *n, struct nlmsghdr *nlh, mnl_cb_t cb, void *ctx)
{
	nlh->nlmsg_flags |= NLM_F_DUMP;
	if (mnl_socket_sendto(n->sock, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	return answers(n, cb, ctx);
}

int nl_events(struct nl *n, mnl_cb_t cb, void *ctx)
{
	for (;;) {
		ssize_t got = mnl_socket_recvfrom(n->sock, n->buf, sizeof(n->buf));

		if (got < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (mnl_cb_run(n->buf, (size_t)got, 0, 0, cb, ctx) < 0)
			return -errno;
	}
}
