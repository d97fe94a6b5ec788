/* SPDX-License-Identifier: BSD-3-Clause */
/* udp-rate -l [-p PORT]: count numbered datagrams, answer questions about them.
 * udp-rate [-p PORT] [-s BYTES] [-t MS] [-m RATE] ADDRESS: look for the highest rate of datagrams of
 * BYTES (the IP packet) that lose no more than LOSS_MAX, and print it. perf/tun runs both ends.
 *
 * A trial sends at an even rate in small batches, plain datagrams without segmentation offload, and
 * asks for the count behind them. What counts is the rate of arrivals, from the first to the last, so
 * that queues on the way do not look like speed. A trial that loses is tried once more: on a shared
 * machine a stranger may have been at work.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	BATCH = 64,
	STEPS = 7,
	SIZE_MAX_BYTES = 1500,
	PORT_DEFAULT = 5301,
	ANSWER_MS = 50, /* before the question is asked again */
	ANSWER_TRIES = 60,
	PACE_NS = 100000,
};
#define LOSS_MAX 0.01
#define NSEC 1000000000ULL

enum kind { DATA = 1, QUESTION, ANSWER };

struct msg {
	uint32_t kind, run;
	uint64_t count;	  /* ANSWER: datagrams of the run that arrived */
	uint64_t span_ns; /* ANSWER: between the first and the last of them */
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC + (uint64_t)ts.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "udp-rate: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- the counting end ---- */

struct counter {
	struct msg now;
	uint64_t first_ns;
};

static void take(struct counter *c, const struct msg *m, uint64_t at)
{
	if (m->run != c->now.run) {
		c->now = (struct msg){.kind = ANSWER, .run = m->run};
		c->first_ns = at;
	}
	if (m->kind != DATA)
		return;
	c->now.count++;
	c->now.span_ns = at - c->first_ns;
}

static void serve(uint16_t port)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)}, from[BATCH];
	struct counter c = {.now = {.kind = ANSWER}};
	static uint8_t buf[BATCH][SIZE_MAX_BYTES];
	struct mmsghdr msgs[BATCH] = {0};
	struct iovec iov[BATCH];

	if (fd < 0 || bind(fd, (void *)&any, sizeof(any)) < 0)
		die("bind");
	for (;;) {
		uint64_t at;
		int n;

		for (int i = 0; i < BATCH; i++) {
			iov[i] = (struct iovec){buf[i], sizeof(buf[i])};
			msgs[i].msg_hdr = (struct msghdr){.msg_name = &from[i],
							  .msg_namelen = sizeof(from[i]),
							  .msg_iov = &iov[i],
							  .msg_iovlen = 1};
		}
		n = recvmmsg(fd, msgs, BATCH, MSG_WAITFORONE, NULL);
		at = now_ns();
		for (int i = 0; i < n; i++) {
			struct msg m;

			if (msgs[i].msg_len < sizeof(m))
				continue;
			memcpy(&m, buf[i], sizeof(m));
			take(&c, &m, at);
			if (m.kind == QUESTION)
				sendto(fd, &c.now, sizeof(c.now), 0, (void *)&from[i],
				       sizeof(from[i]));
		}
	}
}

/* ---- the sending end ---- */

struct sender {
	int fd;
	uint32_t run;
	size_t size; /* of the UDP payload */
	uint64_t trial_ns;
	uint8_t buf[SIZE_MAX_BYTES];
	struct mmsghdr msgs[BATCH];
	struct iovec iov;
};

static struct msg ask(struct sender *s)
{
	struct msg q = {.kind = QUESTION, .run = s->run}, a;

	for (int i = 0; i < ANSWER_TRIES; i++) {
		send(s->fd, &q, sizeof(q), 0);
		while (recv(s->fd, &a, sizeof(a), 0) == sizeof(a))
			if (a.kind == ANSWER && a.run == s->run)
				return a;
	}
	fprintf(stderr, "udp-rate: no answer\n");
	exit(1);
}

static uint64_t batch_send(struct sender *s, uint64_t n)
{
	uint64_t sent = 0;

	while (sent < n) {
		unsigned int want = (unsigned int)(n - sent < BATCH ? n - sent : BATCH);
		int ret = sendmmsg(s->fd, s->msgs, want, 0);

		/* A full queue is a loss like any other: the datagram was offered. */
		sent += ret > 0 ? (unsigned int)ret : 1;
	}
	return sent;
}

/* Does this rate get through? Its rate of arrivals in any case. */
static bool trial(struct sender *s, double rate, double *arrived)
{
	struct msg m = {.kind = DATA, .run = ++s->run}, a;
	uint64_t start, last, at, sent = 0;
	double owed = 0;

	memcpy(s->buf, &m, sizeof(m));
	start = last = now_ns();
	while (last < start + s->trial_ns) {
		struct timespec pause = {.tv_nsec = PACE_NS};
		uint64_t n;

		nanosleep(&pause, NULL);
		at = now_ns();
		owed += (double)(at - last) * rate / (double)NSEC;
		last = at;
		/* Whoever was not let run does not make up for it in one burst. */
		owed = owed > BATCH ? BATCH : owed;
		n = (uint64_t)owed;
		owed -= (double)n;
		sent += batch_send(s, n);
	}
	a = ask(s);
	*arrived = a.span_ns > 0 ? (double)a.count * (double)NSEC / (double)a.span_ns : 0;
	return (double)a.count >= (1 - LOSS_MAX) * (double)sent;
}

static double search(struct sender *s, double low, double high)
{
	double best = 0, arrived;

	for (int i = 0; i < STEPS; i++) {
		double middle = sqrt(low * high);

		if (trial(s, middle, &arrived) || trial(s, middle, &arrived)) {
			low = middle;
			best = arrived > best ? arrived : best;
		} else {
			high = middle;
		}
	}
	return best;
}

static void seek(struct sender *s, const char *address, uint16_t port, double max)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct timeval tv = {.tv_usec = ANSWER_MS * 1000};

	if (inet_pton(AF_INET, address, &to.sin_addr) != 1) {
		fprintf(stderr, "udp-rate: '%s' is no IPv4 address\n", address);
		exit(2);
	}
	s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || connect(s->fd, (void *)&to, sizeof(to)) < 0 ||
	    setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) < 0)
		die("socket");
	prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	s->run = (uint32_t)getpid() << 8;
	s->iov = (struct iovec){s->buf, s->size};
	for (int i = 0; i < BATCH; i++)
		s->msgs[i].msg_hdr = (struct msghdr){.msg_iov = &s->iov, .msg_iovlen = 1};
	ask(s); /* the way is open, and what was sent before has arrived */
	printf("%.0f\n", search(s, max / 50, max));
}

int main(int argc, char **argv)
{
	static struct sender s = {.size = 36, .trial_ns = 300000000};
	uint16_t port = PORT_DEFAULT;
	double max = 400000;
	bool listening = false;
	int opt;

	while ((opt = getopt(argc, argv, "lp:s:t:m:")) != -1) {
		long v = optarg != NULL ? strtol(optarg, NULL, 10) : 0;

		if (opt == 'l')
			listening = true;
		else if (opt == 'p')
			port = (uint16_t)v;
		else if (opt == 's' && v >= 28 + (long)sizeof(struct msg) && v <= SIZE_MAX_BYTES)
			s.size = (size_t)v - 28;
		else if (opt == 't' && v > 0)
			s.trial_ns = (uint64_t)v * 1000000;
		else if (opt == 'm' && v > 0)
			max = (double)v;
		else
			return 2;
	}
	if (listening)
		serve(port);
	if (optind + 1 != argc)
		return 2;
	seek(&s, argv[optind], port, max);
	return 0;
}
