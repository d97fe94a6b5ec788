/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/dns_io.h"
#include "common/bytes.h"
#include "common/log.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

LOG_TYPE("dns");

enum {
	LISTEN_MAX = 2,
	CONNS_MAX = 32,
	UPSTREAM_MAX = 512,
	MESSAGE_MAX = 65535,
	BURST = 32, /* questions taken per wake-up of a socket */
};

/* An application's TCP connection: questions in, answers out, each behind two bytes of length. */
struct conn {
	struct loop_fd fd;
	struct dns_io *io;
	uint64_t tag;	  /* generation and slot: a late answer finds nobody */
	uint64_t used_ns; /* last time something came in */
	struct endpoint peer;
	size_t in_len;
	uint8_t in[2 + DNS_STUB_QUERY_LEN_MAX];
	uint8_t *out;
	size_t out_len, out_at;
};

struct upstream {
	struct loop_fd fd;
	struct dns_io *io;
	uint32_t xid;
	bool is_used, is_tcp;
	uint8_t *out; /* TCP: question not sent yet */
	size_t out_len, out_at;
	uint8_t *in;
	size_t in_len;
};

struct listener {
	struct loop_fd udp, tcp;
	struct dns_io *io;
};

struct dns_io {
	struct loop *loop;
	struct dns_io_conf conf;
	struct dns_stub *stub;
	struct listener listen[LISTEN_MAX];
	struct conn conns[CONNS_MAX];
	struct upstream up[UPSTREAM_MAX];
	uint64_t generation;
	uint8_t buf[MESSAGE_MAX + 2];
};

enum { TAG_UDP = 0, TAG_TCP = 1 << 16, TAG_SLOT = 0xffff };

static void fd_close(struct loop *l, struct loop_fd *f)
{
	if (f->fd < 0)
		return;
	loop_remove(l, f);
	close(f->fd);
	f->fd = -1;
}

/* ---- applications ---- */

static void conn_end(struct conn *c, bool tell)
{
	fd_close(c->io->loop, &c->fd);
	free(c->out);
	c->out = NULL;
	if (tell)
		dns_stub_conn_closed(c->io->stub, c->tag);
	c->tag = 0;
}

static void conn_flush(struct conn *c)
{
	while (c->out_at < c->out_len) {
		ssize_t n = send(c->fd.fd, c->out + c->out_at, c->out_len - c->out_at,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN) {
			loop_change(c->io->loop, &c->fd, EPOLLIN | EPOLLOUT);
			return;
		}
		if (n < 0) {
			conn_end(c, true);
			return;
		}
		c->out_at += (size_t)n;
	}
	c->out_len = c->out_at = 0;
	loop_change(c->io->loop, &c->fd, EPOLLIN);
}

static void conn_queue(struct conn *c, const uint8_t *msg, size_t len)
{
	uint8_t *bigger;

	if (c->out_at > 0) { /* what went needs no room any more */
		c->out_len -= c->out_at;
		memmove(c->out, c->out + c->out_at, c->out_len);
		c->out_at = 0;
	}
	bigger = realloc(c->out, c->out_len + 2 + len);

	/* An application that asks and never reads keeps at most a message or two here. */
	if (bigger == NULL || c->out_len > 4 * MESSAGE_MAX) {
		c->out = bigger != NULL ? bigger : c->out;
		conn_end(c, true);
		return;
	}
	c->out = bigger;
	store_be16(c->out + c->out_len, (uint16_t)len);
	memcpy(c->out + c->out_len + 2, msg, len);
	c->out_len += 2 + len;
	conn_flush(c);
}

static void conn_ready(void *arg, uint32_t events)
{
	struct conn *c = arg;
	struct dns_stub_from from = {.peer = c->peer, .tag = c->tag, .tcp = true};
	ssize_t n;

	if ((events & EPOLLOUT) != 0)
		conn_flush(c);
	if (c->fd.fd < 0 || (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0)
		return;
	n = recv(c->fd.fd, c->in + c->in_len, sizeof(c->in) - c->in_len, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		conn_end(c, true);
		return;
	}
	c->in_len += (size_t)n;
	c->used_ns = loop_now();
	while (c->fd.fd >= 0 && c->in_len >= 2) {
		size_t len = load_be16(c->in);

		if (len > DNS_STUB_QUERY_LEN_MAX) {
			conn_end(c, true);
			return;
		}
		if (c->in_len < 2 + len)
			return;
		dns_stub_query(c->io->stub, loop_now(), &from, c->in + 2, len);
		c->in_len -= 2 + len;
		memmove(c->in, c->in + 2 + len, c->in_len);
	}
}

/* A free place; when all are taken, that of the connection nothing came on for longest (RFC 7766
 * section 6.2.3 lets a server end idle ones at any time).
 */
static struct conn *conn_place(struct dns_io *d)
{
	struct conn *oldest = &d->conns[0];

	for (int i = 0; i < CONNS_MAX; i++) {
		if (d->conns[i].tag == 0)
			return &d->conns[i];
		if (d->conns[i].used_ns < oldest->used_ns)
			oldest = &d->conns[i];
	}
	conn_end(oldest, true);
	return oldest;
}

static void tcp_ready(void *arg, uint32_t events)
{
	struct listener *l = arg;
	struct dns_io *d = l->io;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct conn *c;
	int fd = accept4(l->tcp.fd, (void *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	c = conn_place(d);
	memset(c, 0, sizeof(*c));
	c->io = d;
	c->used_ns = loop_now();
	c->tag = ++d->generation << 17 | TAG_TCP | (uint64_t)(c - d->conns);
	endpoint_from_sockaddr(&ss, &c->peer);
	c->fd = (struct loop_fd){.fd = fd, .ready = conn_ready, .arg = c};
	if (loop_add(d->loop, &c->fd, EPOLLIN) < 0)
		conn_end(c, false);
}

static void udp_ready(void *arg, uint32_t events)
{
	struct listener *l = arg;
	struct dns_io *d = l->io;

	for (int i = 0; i < BURST; i++) {
		struct dns_stub_from from = {.tag = (uint64_t)(l - d->listen)};
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);
		ssize_t n = recvfrom(l->udp.fd, d->buf, sizeof(d->buf), MSG_DONTWAIT, (void *)&ss,
				     &len);

		if (n < 0)
			return;
		endpoint_from_sockaddr(&ss, &from.peer);
		dns_stub_query(d->stub, loop_now(), &from, d->buf, (size_t)n);
	}
}

static void op_send_reply(void *ctx, const struct dns_stub_from *to, const uint8_t *msg, size_t len)
{
	struct dns_io *d = ctx;
	struct sockaddr_storage ss;
	socklen_t n;

	if (to->tcp) {
		struct conn *c = &d->conns[to->tag & TAG_SLOT];

		if (c->tag == to->tag)
			conn_queue(c, msg, len);
		return;
	}
	n = endpoint_to_sockaddr(&to->peer, false, &ss);
	sendto(d->listen[to->tag].udp.fd, msg, len, MSG_DONTWAIT, (void *)&ss, n);
}

/* ---- upstream ---- */

static struct upstream *upstream_find(struct dns_io *d, uint32_t xid)
{
	for (int i = 0; i < UPSTREAM_MAX; i++)
		if (d->up[i].is_used && d->up[i].xid == xid)
			return &d->up[i];
	return NULL;
}

static void upstream_end(struct upstream *u)
{
	fd_close(u->io->loop, &u->fd);
	free(u->out);
	free(u->in);
	u->out = u->in = NULL;
	u->is_used = false;
}

static void op_end_upstream(void *ctx, uint32_t xid)
{
	struct upstream *u = upstream_find(ctx, xid);

	if (u != NULL)
		upstream_end(u);
}

static void upstream_tcp_in(struct upstream *u)
{
	struct dns_io *d = u->io;
	ssize_t n;

	if (u->in == NULL)
		u->in = malloc(MESSAGE_MAX + 2);
	if (u->in == NULL) {
		dns_stub_upstream_failed(d->stub, loop_now(), u->xid);
		return;
	}
	n = recv(u->fd.fd, u->in + u->in_len, MESSAGE_MAX + 2 - u->in_len, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		dns_stub_upstream_failed(d->stub, loop_now(), u->xid);
		return;
	}
	u->in_len += (size_t)n;
	if (u->in_len >= 2 && u->in_len >= 2u + load_be16(u->in)) {
		size_t len = load_be16(u->in);

		memcpy(d->buf, u->in + 2, len); /* u may end in the call */
		dns_stub_upstream(d->stub, loop_now(), u->xid, d->buf, len);
	}
}

static bool upstream_tcp_out(struct upstream *u)
{
	while (u->out_at < u->out_len) {
		ssize_t n = send(u->fd.fd, u->out + u->out_at, u->out_len - u->out_at,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == ENOTCONN))
			return true;
		if (n < 0) {
			dns_stub_upstream_failed(u->io->stub, loop_now(), u->xid);
			return false;
		}
		u->out_at += (size_t)n;
	}
	loop_change(u->io->loop, &u->fd, EPOLLIN);
	return true;
}

static void upstream_ready(void *arg, uint32_t events)
{
	struct upstream *u = arg;
	struct dns_io *d = u->io;
	ssize_t n;

	if (u->is_tcp) {
		if ((events & EPOLLOUT) != 0 && !upstream_tcp_out(u))
			return;
		if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
			upstream_tcp_in(u);
		return;
	}
	n = recv(u->fd.fd, d->buf, sizeof(d->buf), MSG_DONTWAIT);
	if (n >= 0)
		dns_stub_upstream(d->stub, loop_now(), u->xid, d->buf, (size_t)n);
	else if (errno != EAGAIN)
		dns_stub_upstream_failed(d->stub, loop_now(), u->xid);
}

static int upstream_socket(struct dns_io *d, const struct endpoint *server, bool tcp)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(server, false, &ss);
	int fd = socket(ss.ss_family,
			(tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (d->conf.mark != 0)
		setsockopt(fd, SOL_SOCKET, SO_MARK, &d->conf.mark, sizeof(d->conf.mark));
	if (connect(fd, (void *)&ss, len) < 0 && errno != EINPROGRESS) {
		int ret = -errno;

		close(fd);
		return ret;
	}
	return fd;
}

static int upstream_send(struct upstream *u, const uint8_t *msg, size_t len)
{
	if (!u->is_tcp)
		return send(u->fd.fd, msg, len, MSG_DONTWAIT) < 0 ? -errno : 0;
	u->out = malloc(len + 2);
	if (u->out == NULL)
		return -ENOMEM;
	store_be16(u->out, (uint16_t)len);
	memcpy(u->out + 2, msg, len);
	u->out_len = len + 2;
	return 0;
}

static int op_send_upstream(void *ctx, uint32_t xid, const struct endpoint *server, bool tcp,
			    const uint8_t *msg, size_t len)
{
	struct dns_io *d = ctx;
	struct upstream *u = NULL;
	int ret;

	for (int i = 0; i < UPSTREAM_MAX && u == NULL; i++)
		if (!d->up[i].is_used)
			u = &d->up[i];
	if (u == NULL)
		return -ENOBUFS;
	memset(u, 0, sizeof(*u));
	ret = upstream_socket(d, server, tcp);
	if (ret < 0)
		return ret;
	u->io = d;
	u->xid = xid;
	u->is_used = true;
	u->is_tcp = tcp;
	u->fd = (struct loop_fd){.fd = ret, .ready = upstream_ready, .arg = u};
	ret = loop_add(d->loop, &u->fd, tcp ? EPOLLIN | EPOLLOUT : EPOLLIN);
	if (ret == 0)
		ret = upstream_send(u, msg, len);
	if (ret < 0)
		upstream_end(u);
	return ret;
}

static void op_start_direction(void *ctx, const char *name)
{
	struct dns_io *d = ctx;

	d->conf.start_direction(d->conf.ctx, name);
}

/* ---- life cycle ---- */

static int listen_one(struct dns_io *d, struct loop_fd *f, const struct endpoint *at, int type,
		      void (*ready)(void *arg, uint32_t events), struct listener *l)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(at, false, &ss);
	char text[ENDPOINT_TEXT_MAX];
	int one = 1, ret = 0;

	*f = (struct loop_fd){.ready = ready, .arg = l};
	f->fd = socket(ss.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (f->fd < 0)
		return -errno;
	if (type == SOCK_STREAM)
		setsockopt(f->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(f->fd, (void *)&ss, len) < 0 ||
	    (type == SOCK_STREAM && listen(f->fd, CONNS_MAX) < 0))
		ret = -errno;
	if (ret == 0)
		ret = loop_add(d->loop, f, EPOLLIN);
	if (ret < 0) {
		LOG(ERR, "cannot listen for DNS on %s: %s", endpoint_format(at, text),
		    strerror(-ret));
		close(f->fd);
		f->fd = -1;
	}
	return ret;
}

struct dns_io *dns_io_create(struct loop *loop, const struct dns_io_conf *conf, struct rng *rng)
{
	const struct dns_stub_ops ops = {
		.send_upstream = op_send_upstream,
		.end_upstream = op_end_upstream,
		.send_reply = op_send_reply,
		.start_direction = op_start_direction,
	};
	const struct dns_stub_conf stub_conf = {.relay_fails_open = conf->relay_fails_open};
	struct dns_io *d = calloc(1, sizeof(*d));
	int ret = 0;

	if (d == NULL)
		return NULL;
	d->loop = loop;
	d->conf = *conf;
	for (int i = 0; i < LISTEN_MAX; i++) {
		d->listen[i].io = d;
		d->listen[i].udp.fd = d->listen[i].tcp.fd = -1;
	}
	for (int i = 0; i < CONNS_MAX; i++)
		d->conns[i].fd.fd = -1;
	d->stub = dns_stub_create(&stub_conf, &ops, d, rng);
	if (d->stub == NULL)
		ret = -errno;
	for (unsigned int i = 0; i < conf->listen_n && i < LISTEN_MAX && ret == 0; i++) {
		struct listener *l = &d->listen[i];

		ret = listen_one(d, &l->udp, &conf->listen[i], SOCK_DGRAM, udp_ready, l);
		if (ret == 0)
			ret = listen_one(d, &l->tcp, &conf->listen[i], SOCK_STREAM, tcp_ready, l);
	}
	if (ret < 0) {
		dns_io_destroy(d);
		errno = -ret;
		return NULL;
	}
	return d;
}

void dns_io_destroy(struct dns_io *d)
{
	if (d == NULL)
		return;
	for (int i = 0; i < UPSTREAM_MAX; i++)
		if (d->up[i].is_used)
			upstream_end(&d->up[i]);
	for (int i = 0; i < CONNS_MAX; i++)
		if (d->conns[i].tag != 0)
			conn_end(&d->conns[i], false);
	for (int i = 0; i < LISTEN_MAX; i++) {
		fd_close(d->loop, &d->listen[i].udp);
		fd_close(d->loop, &d->listen[i].tcp);
	}
	if (d->stub != NULL)
		dns_stub_destroy(d->stub);
	free(d);
}

struct dns_stub *dns_io_stub(struct dns_io *d)
{
	return d->stub;
}

uint64_t dns_io_poll(struct dns_io *d, uint64_t now)
{
	return dns_stub_poll(d->stub, now);
}
