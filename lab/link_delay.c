/* SPDX-License-Identifier: BSD-3-Clause */
/* Join two interfaces of one namespace by a line with delay, loss and rate.
 *
 * The lab's machines lack netem. Both interfaces are veth ends without addresses; what arrives at
 * one leaves at the other when its time has come. The program sleeps in ppoll() until a frame
 * arrives or falls due. One request per connection on a SEQPACKET socket:
 *	set ab|ba|both delay_us|loss_ppm|rate_kbit|queue_bytes NUMBER	-> ok, or why not
 *	stats								-> one JSON object
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lab/delay_queue.h"

enum {
	BURST = 64,
	RING_BYTES = 4 << 20, /* per direction: 10 ms at 3 Gbit/s */
	SOCKET_BUFFER = 8 << 20,
	QUEUE_BYTES_DEFAULT = 256 << 10,
	REQUEST_MAX = 256,
	REPLY_MAX = 2048,
};

enum { FD_A, FD_B, FD_SIGNAL, FD_CONTROL, FD_COUNT };

struct line {
	struct pollfd fds[FD_COUNT];
	struct delay_queue queue[2]; /* what arrived at A, what arrived at B */
	uint64_t overrun[2];	     /* frames the kernel had no room for before we read */
	uint8_t frame[BURST][DELAY_FRAME_MAX];
	const char *control_path;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int set_option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
}

/* A raw socket on one interface that does not see what it sent itself. */
static int port_open(const char *ifname)
{
	struct sockaddr_ll sll = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(ifname),
	};
	int fd, err = 0;

	if (sll.sll_ifindex == 0)
		return -errno;
	/* Protocol 0 until bound: nothing of other interfaces may slip in. */
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = err ? err : set_option(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
	err = err ? err : set_option(fd, SOL_PACKET, PACKET_QDISC_BYPASS, 1);
	err = err ? err : set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_BUFFER);
	err = err ? err : set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_BUFFER);
	if (err == 0 && bind(fd, (const void *)&sll, sizeof(sll)))
		err = -errno;
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

static int control_open(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd, err;

	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	memcpy(sun.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	unlink(path);
	if (bind(fd, (const void *)&sun, sizeof(sun)) || listen(fd, 8)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static int signal_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Read at most one burst; a busy side must not keep the other from sending. */
static void port_receive(struct line *line, int side, uint64_t now)
{
	struct mmsghdr msg[BURST];
	struct iovec iov[BURST];
	int n;

	memset(msg, 0, sizeof(msg));
	for (int i = 0; i < BURST; i++) {
		iov[i].iov_base = line->frame[i];
		iov[i].iov_len = DELAY_FRAME_MAX;
		msg[i].msg_hdr.msg_iov = &iov[i];
		msg[i].msg_hdr.msg_iovlen = 1;
	}
	/* MSG_TRUNC: the true length, so that a frame too long is seen as one. An error is an
	 * interface that went down; it comes back by itself.
	 */
	n = recvmmsg(line->fds[side].fd, msg, BURST, MSG_DONTWAIT | MSG_TRUNC, NULL);
	for (int i = 0; i < n; i++)
		delay_queue_push(&line->queue[side], line->frame[i], msg[i].msg_len, now);
}

static void port_send_due(struct line *line, int side, uint64_t now)
{
	struct delay_queue *q = &line->queue[!side];
	struct mmsghdr msg[BURST];
	struct iovec iov[BURST];
	unsigned int due;

	while ((due = delay_queue_peek(q, now, iov, BURST)) > 0) {
		int sent;

		memset(msg, 0, sizeof(msg));
		for (unsigned int i = 0; i < due; i++) {
			msg[i].msg_hdr.msg_iov = &iov[i];
			msg[i].msg_hdr.msg_iovlen = 1;
		}
		sent = sendmmsg(line->fds[side].fd, msg, due, MSG_DONTWAIT);
		for (int i = 0; i < sent; i++)
			delay_queue_pop(q, 1);
		if (sent <= 0)
			delay_queue_pop(q, 0);
	}
}

static uint64_t *config_field(struct delay_config *c, const char *key)
{
	if (strcmp(key, "delay_us") == 0)
		return &c->delay_us;
	if (strcmp(key, "loss_ppm") == 0)
		return &c->loss_ppm;
	if (strcmp(key, "rate_kbit") == 0)
		return &c->rate_kbit;
	if (strcmp(key, "queue_bytes") == 0)
		return &c->queue_bytes;
	return NULL;
}

/* Apply "set"; the answer says what was wrong with it. */
static const char *config_set(struct line *line, const char *dir, const char *key, uint64_t value)
{
	int is_both = strcmp(dir, "both") == 0;

	if (!is_both && strcmp(dir, "ab") != 0 && strcmp(dir, "ba") != 0)
		return "direction must be ab, ba or both";
	if (config_field(&line->queue[0].config, key) == NULL)
		return "unknown key";
	if (value > UINT32_MAX)
		return "value too large";
	if (is_both || strcmp(dir, "ab") == 0)
		*config_field(&line->queue[0].config, key) = value;
	if (is_both || strcmp(dir, "ba") == 0)
		*config_field(&line->queue[1].config, key) = value;
	return "ok";
}

static int stats_print(struct line *line, int side, char *out, size_t size)
{
	const struct delay_queue *q = &line->queue[side];
	const struct delay_stats *s = &q->stats;
	struct tpacket_stats ts = {0};
	socklen_t len = sizeof(ts);

	/* Reading clears the kernel's count, so it is added up here. */
	if (getsockopt(line->fds[side].fd, SOL_PACKET, PACKET_STATISTICS, &ts, &len) == 0)
		line->overrun[side] += ts.tp_drops;
	return snprintf(
		out, size,
		"{\"delay_us\": %" PRIu64 ", \"loss_ppm\": %" PRIu64 ", \"rate_kbit\": %" PRIu64
		", \"queue_bytes\": %" PRIu64 ", \"rx_packets\": %" PRIu64
		", \"rx_bytes\": %" PRIu64 ", \"tx_packets\": %" PRIu64 ", \"tx_bytes\": %" PRIu64
		", \"lost\": %" PRIu64 ", \"drop_queue\": %" PRIu64 ", \"drop_ring\": %" PRIu64
		", \"drop_long\": %" PRIu64 ", \"tx_error\": %" PRIu64 ", \"held\": %" PRIu64
		", \"overrun\": %" PRIu64 "}",
		q->config.delay_us, q->config.loss_ppm, q->config.rate_kbit, q->config.queue_bytes,
		s->rx_packets, s->rx_bytes, s->tx_packets, s->tx_bytes, s->lost, s->drop_queue,
		s->drop_ring, s->drop_long, s->tx_error, s->held, line->overrun[side]);
}

static void request_answer(struct line *line, const char *request, char *reply, size_t size)
{
	char dir[8], key[16], half[2][REPLY_MAX / 2 - 32];
	uint64_t value;

	if (sscanf(request, "set %7s %15s %" SCNu64, dir, key, &value) == 3) {
		snprintf(reply, size, "%s", config_set(line, dir, key, value));
	} else if (strcmp(request, "stats") == 0) {
		stats_print(line, 0, half[0], sizeof(half[0]));
		stats_print(line, 1, half[1], sizeof(half[1]));
		snprintf(reply, size, "{\"ab\": %s, \"ba\": %s}", half[0], half[1]);
	} else {
		snprintf(reply, size, "unknown request");
	}
}

/* The client writes right after connecting, so a short wait is enough; frames wait meanwhile. */
static void control_serve(struct line *line)
{
	char request[REQUEST_MAX], reply[REPLY_MAX];
	int fd = accept4(line->fds[FD_CONTROL].fd, NULL, NULL, SOCK_CLOEXEC);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n;

	if (fd < 0)
		return;
	n = poll(&p, 1, 100) == 1 ? recv(fd, request, sizeof(request) - 1, MSG_DONTWAIT) : -1;
	if (n > 0) {
		request[n] = '\0';
		request_answer(line, request, reply, sizeof(reply));
		/* The client may be gone; there is nobody to tell then. */
		(void)!send(fd, reply, strlen(reply), MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	close(fd);
}

static int line_wait(struct line *line)
{
	uint64_t due[2] = {delay_queue_next_due(&line->queue[0]),
			   delay_queue_next_due(&line->queue[1])};
	uint64_t next = due[0] < due[1] ? due[0] : due[1];
	uint64_t now = now_ns();
	uint64_t wait = next > now ? next - now : 0;
	struct timespec ts = {.tv_sec = (time_t)(wait / 1000000000),
			      .tv_nsec = (long)(wait % 1000000000)};

	return ppoll(line->fds, FD_COUNT, next == UINT64_MAX ? NULL : &ts, NULL);
}

static int line_run(struct line *line)
{
	for (;;) {
		uint64_t now;

		if (line_wait(line) < 0 && errno != EINTR)
			return -errno;
		now = now_ns();
		if (line->fds[FD_SIGNAL].revents)
			return 0;
		if (line->fds[FD_CONTROL].revents)
			control_serve(line);
		for (int side = 0; side < 2; side++) {
			if (line->fds[side].revents)
				port_receive(line, side, now);
		}
		port_send_due(line, FD_A, now);
		port_send_due(line, FD_B, now);
	}
}

static int line_open(struct line *line, const char *a, const char *b, uint64_t seed)
{
	const struct {
		int fd;
		const char *what;
	} opened[FD_COUNT] = {
		[FD_A] = {port_open(a), a},
		[FD_B] = {port_open(b), b},
		[FD_SIGNAL] = {signal_open(), "signals"},
		[FD_CONTROL] = {control_open(line->control_path), line->control_path},
	};

	for (int i = 0; i < FD_COUNT; i++) {
		if (opened[i].fd < 0) {
			fprintf(stderr, "link-delay: %s: %s\n", opened[i].what,
				strerror(-opened[i].fd));
			return opened[i].fd;
		}
		line->fds[i] = (struct pollfd){.fd = opened[i].fd, .events = POLLIN};
	}
	for (unsigned int i = 0; i < 2; i++) {
		if (delay_queue_init(&line->queue[i], RING_BYTES, 2 * seed + i))
			return -ENOMEM;
		line->queue[i].config.queue_bytes = QUEUE_BYTES_DEFAULT;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"a", required_argument, NULL, 'a'},
		{"b", required_argument, NULL, 'b'},
		{"control", required_argument, NULL, 'c'},
		{"seed", required_argument, NULL, 's'},
		{NULL, 0, NULL, 0},
	};
	const char *a = NULL, *b = NULL;
	struct line *line;
	uint64_t seed = 1;
	int opt, err;

	line = calloc(1, sizeof(*line));
	if (line == NULL)
		return EXIT_FAILURE;
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'a')
			a = optarg;
		else if (opt == 'b')
			b = optarg;
		else if (opt == 'c')
			line->control_path = optarg;
		else if (opt == 's')
			seed = strtoull(optarg, NULL, 0);
		else
			return EXIT_FAILURE;
	}
	if (a == NULL || b == NULL || line->control_path == NULL) {
		fprintf(stderr, "usage: link-delay --a IF --b IF --control SOCKET [--seed N]\n");
		return EXIT_FAILURE;
	}
	/* The default slack of 50 us would be added to every delay. */
	prctl(PR_SET_TIMERSLACK, 1000);
	err = line_open(line, a, b, seed);
	if (err == 0) {
		err = line_run(line);
		unlink(line->control_path);
	}
	delay_queue_fini(&line->queue[0]);
	delay_queue_fini(&line->queue[1]);
	free(line);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
