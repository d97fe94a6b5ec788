/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/udp.h"

#include <errno.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { V4, V6, SOCKET_BUFFER = 4 << 20 };

static int option(int fd, int level, int name, int v)
{
	return setsockopt(fd, level, name, &v, sizeof(v)) < 0 ? -errno : 0;
}

static int family_options(int fd, int family)
{
	int ret;

	/* DF always, and the route's size is ours to find: the kernel's guess is not used. */
	if (family == V4) {
		ret = option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
		option(fd, IPPROTO_IP, IP_RECVTOS, 1);
		return ret;
	}
	ret = option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (ret == 0)
		ret = option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
	option(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
	return ret;
}

static int open_one(int family, const char *ifname, uint16_t *port, uint32_t mark)
{
	int fd = socket(family == V4 ? AF_INET : AF_INET6,
			SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct endpoint any = {.port = *port};
	struct sockaddr_storage ss;
	socklen_t len;
	int ret;

	if (fd < 0)
		return -errno;
	if (family == V4)
		any.ip = ip_from_v4(0);
	ret = family_options(fd, family);
	if (ret == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, ifname, (socklen_t)strlen(ifname)) < 0)
		ret = -errno;
	if (ret == 0 && mark != 0)
		ret = option(fd, SOL_SOCKET, SO_MARK, (int)mark);
	option(fd, IPPROTO_UDP, UDP_GRO, 1);
	option(fd, SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_BUFFER);
	option(fd, SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_BUFFER);
	len = endpoint_to_sockaddr(&any, family == V6, &ss);
	if (ret == 0 && bind(fd, (void *)&ss, len) < 0)
		ret = -errno;
	len = sizeof(ss);
	if (ret == 0 && getsockname(fd, (void *)&ss, &len) < 0)
		ret = -errno;
	if (ret < 0) {
		close(fd);
		return ret;
	}
	endpoint_from_sockaddr(&ss, &any);
	*port = any.port;
	return fd;
}

int udp_open(struct udp_link *l, const char *ifname, unsigned int ifindex, uint16_t port,
	     uint32_t mark)
{
	memset(l, 0, sizeof(*l));
	l->ifindex = ifindex;
	l->port = port;
	l->fd[V6] = -1;
	l->fd[V4] = open_one(V4, ifname, &l->port, mark);
	if (l->fd[V4] < 0)
		return l->fd[V4];
	l->fd[V6] = open_one(V6, ifname, &l->port, mark);
	if (l->fd[V6] == -EAFNOSUPPORT)
		l->fd[V6] = -1; /* a kernel without IPv6 */
	if (l->fd[V6] < -1) {
		int ret = l->fd[V6];

		l->fd[V6] = -1;
		udp_close(l);
		return ret;
	}
	return 0;
}

void udp_close(struct udp_link *l)
{
	for (int f = V4; f <= V6; f++) {
		if (l->fd[f] >= 0)
			close(l->fd[f]);
		l->fd[f] = -1;
	}
}

/* ---- sending ---- */

union control {
	struct cmsghdr align;
	uint8_t b[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(uint16_t)) + 64];
};

static void cmsg_put(struct msghdr *mh, size_t *used, int level, int type, const void *v, size_t n)
{
	struct cmsghdr *c = (struct cmsghdr *)((uint8_t *)mh->msg_control + *used);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(n);
	memcpy(CMSG_DATA(c), v, n);
	*used += CMSG_SPACE(n);
}

static void control_fill(struct msghdr *mh, union control *ctl, const struct udp_batch *b,
			 int family, bool gso)
{
	int tos = b->tos;
	size_t used = 0;

	memset(ctl, 0, sizeof(*ctl));
	mh->msg_control = ctl;
	if (tos != 0)
		cmsg_put(mh, &used, family == V4 ? IPPROTO_IP : IPPROTO_IPV6,
			 family == V4 ? IP_TOS : IPV6_TCLASS, &tos, sizeof(tos));
	if (gso)
		cmsg_put(mh, &used, IPPROTO_UDP, UDP_SEGMENT, &b->size, sizeof(b->size));
	mh->msg_controllen = used;
	if (used == 0)
		mh->msg_control = NULL;
}

/* Without GSO: one message per packet, one call for all. Returns packets that went. */
static unsigned int send_each(const struct udp_batch *b, int fd, int family,
			      struct sockaddr_storage *ss, socklen_t ss_len)
{
	struct mmsghdr msgs[UDP_BATCH_PACKETS];
	struct iovec iov[UDP_BATCH_PACKETS];
	union control ctl;
	unsigned int n = 0;
	int ret;

	memset(msgs, 0, sizeof(msgs));
	for (size_t off = 0; off < b->len; off += b->size, n++) {
		iov[n].iov_base = (void *)(b->buf + off);
		iov[n].iov_len = b->len - off < b->size ? b->len - off : b->size;
		msgs[n].msg_hdr.msg_name = ss;
		msgs[n].msg_hdr.msg_namelen = ss_len;
		msgs[n].msg_hdr.msg_iov = &iov[n];
		msgs[n].msg_hdr.msg_iovlen = 1;
		control_fill(&msgs[n].msg_hdr, &ctl, b, family, false);
	}
	ret = sendmmsg(fd, msgs, n, 0);
	return ret < 0 ? 0 : (unsigned int)ret;
}

void udp_flush(struct udp_batch *b, struct udp_counters *c)
{
	int family = ip_is_v4(&b->to.ip) ? V4 : V6, fd;
	struct iovec iov = {b->buf, b->len};
	struct sockaddr_storage ss;
	struct msghdr mh = {.msg_name = &ss, .msg_iov = &iov, .msg_iovlen = 1};
	union control ctl;
	unsigned int sent = b->n;

	if (b->n == 0)
		return;
	fd = b->link->fd[family];
	mh.msg_namelen = endpoint_to_sockaddr(&b->to, false, &ss);
	c->tx_calls++;
	if (b->n > 1 && b->link->no_gso) {
		sent = send_each(b, fd, family, &ss, mh.msg_namelen);
	} else {
		control_fill(&mh, &ctl, b, family, b->n > 1);
		if (sendmsg(fd, &mh, 0) < 0) {
			sent = 0;
			if (b->n > 1 && (errno == EIO || errno == EINVAL)) {
				sent = send_each(b, fd, family, &ss, mh.msg_namelen);
				/* EINVAL also says "larger than the link": then none goes. */
				b->link->no_gso = sent == b->n;
			}
		}
	}
	c->tx_packets += sent;
	c->tx_errors += b->n - sent;
	if (sent == b->n)
		c->tx_bytes += b->len;
	b->n = 0;
	b->len = 0;
}

static bool fits(const struct udp_batch *b, const struct udp_link *l, const struct endpoint *to,
		 uint8_t tos, size_t len)
{
	return b->n > 0 && !b->is_closed && b->link == l && b->tos == tos && len <= b->size &&
	       b->n < UDP_BATCH_PACKETS && b->len + len <= UDP_BATCH_BYTES &&
	       endpoint_equal(&b->to, to);
}

void udp_add(struct udp_batch *b, struct udp_counters *c, struct udp_link *l,
	     const struct endpoint *to, uint8_t tos, const uint8_t *pkt, size_t len)
{
	int family = ip_is_v4(&to->ip) ? V4 : V6;

	if (l->fd[family] < 0 || len > UDP_BATCH_BYTES) {
		c->tx_errors++;
		return;
	}
	if (!fits(b, l, to, tos, len)) {
		udp_flush(b, c);
		b->link = l;
		b->to = *to;
		b->tos = tos;
		b->size = (uint16_t)len;
		b->is_closed = false;
	}
	memcpy(b->buf + b->len, pkt, len);
	b->len += len;
	b->n++;
	b->is_closed = len < b->size;
}

/* ---- receiving ---- */

struct udp_rx {
	struct mmsghdr msgs[UDP_RX_MSGS];
	struct iovec iov[UDP_RX_MSGS];
	struct sockaddr_storage from[UDP_RX_MSGS];
	union control ctl[UDP_RX_MSGS];
	uint8_t buf[UDP_RX_MSGS][UDP_RX_BYTES];
};

struct udp_rx *udp_rx_create(void)
{
	return calloc(1, sizeof(struct udp_rx));
}

void udp_rx_destroy(struct udp_rx *rx)
{
	free(rx);
}

static void cmsg_read(struct msghdr *mh, size_t *size, uint8_t *tos)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c != NULL; c = CMSG_NXTHDR(mh, c)) {
		int v = 0;

		memcpy(&v, CMSG_DATA(c),
		       c->cmsg_len - CMSG_LEN(0) < sizeof(v) ? c->cmsg_len - CMSG_LEN(0)
							     : sizeof(v));
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
			*size = (size_t)v;
		else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS)
			*tos = (uint8_t)v;
		else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS)
			*tos = (uint8_t)v;
	}
}

int udp_receive(struct udp_link *l, int family, struct udp_rx *rx, struct udp_counters *c,
		udp_packet packet, void *ctx)
{
	int n;

	for (int i = 0; i < UDP_RX_MSGS; i++) {
		rx->iov[i] = (struct iovec){rx->buf[i], UDP_RX_BYTES};
		rx->msgs[i].msg_hdr = (struct msghdr){
			.msg_name = &rx->from[i],
			.msg_namelen = sizeof(rx->from[i]),
			.msg_iov = &rx->iov[i],
			.msg_iovlen = 1,
			.msg_control = &rx->ctl[i],
			.msg_controllen = sizeof(rx->ctl[i]),
		};
	}
	n = recvmmsg(l->fd[family], rx->msgs, UDP_RX_MSGS, MSG_DONTWAIT, NULL);
	if (n <= 0)
		return 0;
	c->rx_calls++;
	for (int i = 0; i < n; i++) {
		size_t len = rx->msgs[i].msg_len, size = len;
		struct endpoint from;
		uint8_t tos = 0;

		cmsg_read(&rx->msgs[i].msg_hdr, &size, &tos);
		/* A socket of one of our two families hears from no other. */
		endpoint_from_sockaddr(&rx->from[i], &from);
		c->rx_bytes += len;
		/* Also one without bytes is a packet, for who counts them. */
		for (size_t off = 0, one; off < len || off == 0; off += one > 0 ? one : 1) {
			one = size > 0 && len - off > size ? size : len - off;
			c->rx_packets++;
			packet(ctx, &from, tos, rx->buf[i] + off, one);
		}
	}
	return n;
}
