/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/dns_tcp.h"
#include "appliance/app.h"
#include "appliance/config.h"
#include "appliance/iface.h"
#include "common/dns_frame.h"
#include "common/log.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

LOG_TYPE("dns-tcp");

enum {
	CONNECTIONS = 64,
	LISTENERS = 2 * CONFIG_IFACES_MAX,
	BACKLOG = 64,
	IDLE_SEC = 10, /* RFC 7766 6.2.3: seconds */
	MAILBOX = 128, /* above CONNECTIONS: an answer always finds room */
	POLL_MS = 500,
	DNS_PORT = 53,
};
static const uint64_t SEC = 1000000000ULL;

/* One connection and its one query; the buffer is the thread's, but while is_asked the lcore's. */
struct dns_tcp_query {
	int fd; /* -1: free */
	bool is_asked, is_broken;
	struct ip_addr src;
	uint64_t active_ns;
	size_t have;	  /* bytes received */
	size_t out, sent; /* bytes of the framed answer, and those written */
	size_t used;	  /* bytes of the query that is being answered */
	uint16_t len;	  /* of the query, then of the answer */
	uint8_t buf[DNS_FRAME_MAX];
	uint8_t answer[DNS_FRAME_MAX];
};

struct dns_tcp {
	struct app *app;
	uint16_t mail;
	pthread_t thread;
	bool has_thread;
	_Atomic bool stopping;
	struct mailbox back;
	int listener[LISTENERS];
	unsigned int n_listeners;
	struct dns_tcp_counters counters;
	struct dns_tcp_query con[CONNECTIONS];
};

static void close_con(struct dns_tcp_query *q)
{
	if (q->fd >= 0)
		close(q->fd);
	q->fd = -1;
	q->is_broken = true; /* a query at the lcore comes back to nobody */
}

/* A free place; when there is none, that of the connection that has been quiet for longest. */
static struct dns_tcp_query *place(struct dns_tcp *t)
{
	struct dns_tcp_query *oldest = NULL;

	for (unsigned int i = 0; i < CONNECTIONS; i++) {
		struct dns_tcp_query *q = &t->con[i];

		if (q->is_asked)
			continue;
		if (q->fd < 0)
			return q;
		if (oldest == NULL || q->active_ns < oldest->active_ns)
			oldest = q;
	}
	if (oldest != NULL) {
		t->counters.timed_out++;
		close_con(oldest);
	}
	return oldest;
}

static void accept_one(struct dns_tcp *t, int listener, uint64_t now)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct endpoint from;
	struct dns_tcp_query *q;
	int fd = accept4(listener, (void *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	q = place(t);
	if (q == NULL || endpoint_from_sockaddr(&ss, &from) < 0) {
		t->counters.refused++;
		close(fd);
		return;
	}
	q->fd = fd;
	q->src = from.ip;
	q->is_broken = false;
	q->active_ns = now;
	q->have = 0;
	q->out = 0;
	q->sent = 0;
	t->counters.accepted++;
}

/* The next whole query of the connection goes to the lcore, unless one is there already. */
static void ask(struct dns_tcp *t, struct dns_tcp_query *q)
{
	const uint8_t *msg;
	size_t len;
	int n;

	if (q->is_asked || q->out > 0)
		return;
	n = dns_frame_take(q->buf, q->have, &msg, &len);
	if (n < 0) {
		t->counters.malformed++;
		close_con(q);
	}
	if (n <= 0)
		return;
	memcpy(q->answer + DNS_FRAME_HEAD_LEN, msg, len);
	q->len = (uint16_t)len;
	q->used = (size_t)n;
	q->is_asked = true;
	t->counters.queries++;
	if (mailbox_send(&t->app->dc_mb, t->mail, 0, q) < 0) {
		q->is_asked = false;
		t->counters.refused++;
		close_con(q);
	}
}

static void receive(struct dns_tcp *t, struct dns_tcp_query *q, uint64_t now)
{
	ssize_t n = read(q->fd, q->buf + q->have, sizeof(q->buf) - q->have);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		close_con(q);
		return;
	}
	q->have += (size_t)n;
	q->active_ns = now;
	ask(t, q);
}

static void transmit(struct dns_tcp *t, struct dns_tcp_query *q, uint64_t now)
{
	ssize_t n = write(q->fd, q->answer + q->sent, q->out - q->sent);

	if (n < 0 && errno != EAGAIN) {
		close_con(q);
		return;
	}
	if (n > 0) {
		q->sent += (size_t)n;
		q->active_ns = now;
	}
	if (q->sent < q->out)
		return;
	q->out = 0;
	q->sent = 0;
	ask(t, q);
}

/* The lcore gave a query back with its answer. */
static void answered(struct dns_tcp *t, struct dns_tcp_query *q, uint64_t now)
{
	q->is_asked = false;
	if (q->is_broken)
		return;
	q->have -= q->used;
	memmove(q->buf, q->buf + q->used, q->have);
	if (q->len == 0) {
		close_con(q); /* nothing to say, RFC 7766 6.2.4 leaves no better way */
		return;
	}
	t->counters.answers++;
	dns_frame_put(q->answer, q->len);
	q->out = DNS_FRAME_HEAD_LEN + q->len;
	transmit(t, q, now);
}

void dns_tcp_answer(struct dns_tcp *t, struct dns_server *s, struct dns_tcp_query *q, uint64_t now,
		    int64_t real_offset_ns)
{
	const struct dns_from from = {
		.src = q->src,
		.tcp = true,
		.now = now,
		.unix_sec = (uint32_t)((now + (uint64_t)real_offset_ns) / 1000000000)};

	q->len = (uint16_t)dns_answer(s, &from, q->answer + DNS_FRAME_HEAD_LEN, q->len,
				      sizeof(q->answer) - DNS_FRAME_HEAD_LEN);
	(void)mailbox_send(&t->back, MAIL_DONE, 0, q);
}

static void take_answers(struct dns_tcp *t, uint64_t now)
{
	struct mail m;

	while (mailbox_take(&t->back, &m, 1) == 1)
		answered(t, m.ptr, now);
}

static nfds_t fill(const struct dns_tcp *t, struct pollfd *fds)
{
	nfds_t n = 0;

	fds[n++] = (struct pollfd){.fd = t->back.wake_fd, .events = POLLIN};
	for (unsigned int i = 0; i < t->n_listeners; i++)
		fds[n++] = (struct pollfd){.fd = t->listener[i], .events = POLLIN};
	for (unsigned int i = 0; i < CONNECTIONS; i++) {
		const struct dns_tcp_query *q = &t->con[i];
		short events = q->out > 0 ? POLLOUT : q->have < sizeof(q->buf) ? POLLIN : 0;

		/* One query at a time: Linux's window holds back a client that sends more. */
		fds[n++] = (struct pollfd){.fd = q->is_asked ? -1 : q->fd, .events = events};
	}
	return n;
}

static void serve(struct dns_tcp *t, const struct pollfd *fds, uint64_t now)
{
	const struct pollfd *con = fds + 1 + t->n_listeners;

	for (unsigned int i = 0; i < CONNECTIONS; i++) {
		struct dns_tcp_query *q = &t->con[i];

		if (q->fd < 0 || con[i].fd != q->fd)
			continue;
		if (con[i].revents & POLLOUT)
			transmit(t, q, now);
		else if (con[i].revents != 0)
			receive(t, q, now);
		else if (now - q->active_ns > IDLE_SEC * SEC) {
			t->counters.timed_out++;
			close_con(q);
		}
	}
	for (unsigned int i = 0; i < t->n_listeners; i++)
		if (fds[1 + i].revents != 0)
			accept_one(t, t->listener[i], now);
}

static void *tcp_main(void *arg)
{
	struct pollfd fds[1 + LISTENERS + CONNECTIONS];
	struct dns_tcp *t = arg;

	while (!atomic_load(&t->stopping)) {
		nfds_t n = fill(t, fds);
		bool sleeps = mailbox_sleep_begin(&t->back);

		if (poll(fds, n, sleeps ? POLL_MS : 0) < 0)
			n = 0;
		mailbox_sleep_end(&t->back);
		take_answers(t, clock_ns(&t->app->clock));
		if (n > 0)
			serve(t, fds, clock_ns(&t->app->clock));
	}
	return NULL;
}

/* A socket of the family on the TAP, whatever addresses that has or gets. */
static int listen_on(struct dns_tcp *t, const char *tap, bool v6)
{
	struct endpoint e = {.ip = v6 ? (struct ip_addr){.b = {0}} : ip_from_v4(0),
			     .port = DNS_PORT};
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&e, false, &ss);
	int one = 1, fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (v6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, tap, (socklen_t)strlen(tap)) < 0 ||
	    bind(fd, (void *)&ss, len) < 0 || listen(fd, BACKLOG) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	t->listener[t->n_listeners++] = fd;
	return 0;
}

static int listen_all(struct dns_tcp *t)
{
	for (uint16_t i = 0; i < t->app->n_ifaces; i++) {
		const char *tap = t->app->ifaces[i].name;
		int ret = listen_on(t, tap, false);

		if (ret < 0) {
			LOG(ERR, "TCP port 53 on %s: %s", tap, strerror(-ret));
			return ret;
		}
		ret = listen_on(t, tap, true);
		if (ret < 0) /* a kernel without IPv6 */
			LOG(WARN, "TCP port 53 on %s over IPv6: %s", tap, strerror(-ret));
	}
	return 0;
}

int dns_tcp_open(struct dns_tcp **out, struct app *app, uint16_t mail)
{
	struct dns_tcp *t = calloc(1, sizeof(*t));
	int ret;

	if (t == NULL)
		return -ENOMEM;
	t->app = app;
	t->mail = mail;
	for (unsigned int i = 0; i < CONNECTIONS; i++)
		t->con[i].fd = -1;
	*out = t;
	ret = mailbox_init(&t->back, "ntm_dns_tcp", MAILBOX);
	if (ret == 0)
		ret = listen_all(t);
	if (ret == 0)
		ret = -pthread_create(&t->thread, NULL, tcp_main, t);
	if (ret < 0)
		return ret; /* the caller closes */
	t->has_thread = true;
	pthread_setname_np(t->thread, "ntm-dns-tcp");
	return 0;
}

void dns_tcp_close(struct dns_tcp *t)
{
	struct mail m;

	if (t == NULL)
		return;
	atomic_store(&t->stopping, true);
	if (t->has_thread)
		pthread_join(t->thread, NULL);
	for (unsigned int i = 0; i < CONNECTIONS; i++)
		close_con(&t->con[i]);
	for (unsigned int i = 0; i < t->n_listeners; i++)
		close(t->listener[i]);
	while (t->back.ring != NULL && mailbox_take(&t->back, &m, 1) == 1)
		; /* the queries lie in t */
	mailbox_fini(&t->back);
	free(t);
}

void dns_tcp_counters(const struct dns_tcp *t, struct dns_tcp_counters *c)
{
	*c = t->counters;
}
