/* SPDX-License-Identifier: BSD-3-Clause */
/* Latency at low load: a packet of a path every few milliseconds through the real loop of a worker
 * (worker_main) behind an af_packet port, in a namespace of the bench's own. idle.poll.p99 with
 * idle.mode poll, idle.adaptive.p99 with adaptive; floor of the latter: the former and 50 us.
 * idle.wake.p99 is of a thread that does nothing but sleep in ppoll(), receive and send back what it
 * got: what waking anybody costs here, the machine below included. The
 * figures include both ways through the veth and the sender's socket calls. Both threads run under
 * SCHED_FIFO, in stretches shorter than what the kernel allows in a second: a neighbour's turn on the
 * CPU is no latency of ours. A value is the best of stretches that took turns.
 */
#include "perf/groups.h"
#include "perf/rs_bed.h"

#include "appliance/app.h"
#include "appliance/config.h"
#include "appliance/pipeline/outer.h"
#include "common/rng.h"
#include "common/wire.h"

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_pause.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	PACKETS = 1024,
	ROUNDS = 9,
	STRETCH = 200, /* samples under SCHED_FIFO: 400 ms */
	REST_NS = 300000000,
	GAP_NS = 2000000, /* on average */
	LOST_MS = 200,	  /* waited for an answer */
	FRAME_LEN = RTE_ETHER_HDR_LEN + IP4_HDR_LEN + UDP_HDR_LEN + WIRE_OVERHEAD + 64,
	ALLOWED_US = 50,
};

enum how { POLL, ADAPTIVE, WAKE, HOWS };
#define PATH_ID 0x1122334455667788ULL

struct idle {
	struct rs_bed bed;
	struct rng rng;
	struct app app;
	struct config config;
	struct port_info port;
	uint8_t frame[FRAME_LEN];
	int netns;   /* the namespace we came from */
	int fd;	     /* raw socket at the other end of the worker's veth */
	int echo[2]; /* both ends of another veth: whoever sleeps, and the sender */
	unsigned int lcore;
	bool has_port;
	_Atomic pid_t worker; /* thread */
};

static struct ip_addr ip_of(const char *text)
{
	struct ip_addr ip;

	if (ip_parse(text, &ip) < 0)
		abort();
	return ip;
}

static int ip_command(const char *const *argv)
{
	extern char **environ;
	pid_t pid;
	int status;

	if (posix_spawnp(&pid, "ip", NULL, NULL, (char *const *)(uintptr_t)argv, environ) != 0 ||
	    waitpid(pid, &status, 0) != pid || status != 0)
		return -EPERM;
	return 0;
}

static int veth_up(void)
{
	static const char *const commands[][9] = {
		{"ip", "link", "add", "idle0", "type", "veth", "peer", "idle1", NULL},
		{"ip", "link", "set", "idle0", "up", NULL},
		{"ip", "link", "set", "idle1", "up", NULL},
		{"ip", "link", "add", "echo0", "type", "veth", "peer", "echo1", NULL},
		{"ip", "link", "set", "echo0", "up", NULL},
		{"ip", "link", "set", "echo1", "up", NULL},
	};
	int ret = 0;

	for (size_t i = 0; i < RTE_DIM(commands) && ret == 0; i++)
		ret = ip_command(commands[i]);
	return ret;
}

static int namespace_enter(struct idle *s)
{
	s->netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (s->netns < 0 || unshare(CLONE_NEWNET) < 0) {
		fprintf(stderr, "bench: a network namespace needs root\n");
		return -errno;
	}
	return veth_up();
}

static int path_up(struct idle *s)
{
	struct rs_dp_path p = {.id = PATH_ID};

	p.side[RS_SIDE_A] = (struct rs_dp_side){.peer = {ip_of("198.51.0.1"), 1024},
						.state = RS_SIDE_CONFIRMED};
	p.side[RS_SIDE_B] =
		(struct rs_dp_side){.peer = {ip_of("203.1.0.1"), 1024}, .state = RS_SIDE_CONFIRMED};
	return rs_dp_path_set(s->bed.dp, &p);
}

static void frame_up(struct idle *s)
{
	uint8_t ntm[WIRE_OVERHEAD + 64] = {0};
	struct endpoint src = {ip_of("198.51.0.1"), 1024};

	wire_build(ntm, WIRE_DATA, wire_flags(true, 0, 0), 1, PATH_ID);
	rs_bed_frame(&s->bed, 0, &src, ntm, sizeof(ntm));
	memcpy(s->frame, rte_pktmbuf_mtod(s->bed.pkt[0], void *), sizeof(s->frame));
}

/* What arrives there, not what leaves. */
static int raw_socket(const char *iface)
{
	union {
		struct sockaddr_ll ll;
		struct sockaddr any;
	} to = {.ll = {.sll_family = AF_PACKET, .sll_protocol = htons(0x0800)}};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	to.ll.sll_ifindex = (int)if_nametoindex(iface);
	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0 ||
	    bind(fd, &to.any, sizeof(to.ll)) < 0)
		return -errno;
	return fd;
}

static int port_up(struct idle *s)
{
	struct port_config pc = {.queues = 1, .descriptors = 512, .mtu = 1500, .pool = s->bed.pool};
	int ret = port_open("net_af_packet0,iface=idle0", &pc, &s->port);

	if (ret < 0)
		return ret;
	s->has_port = true;
	s->bed.w->ports[0] = s->port.id;
	s->bed.iface.port = s->port.id;
	ret = bell_open(&s->bed.w->bells[0], "net_af_packet0,iface=idle0");
	if (ret < 0)
		return ret;
	s->fd = raw_socket("idle1");
	s->echo[0] = raw_socket("echo0");
	s->echo[1] = raw_socket("echo1");
	if (s->fd < 0 || s->echo[0] < 0 || s->echo[1] < 0)
		return -EIO;
	return port_start(&s->port);
}

static void app_up(struct idle *s)
{
	clock_init(&s->app.clock);
	s->app.n_workers = 1;
	s->config.idle_sleep_max_ns = 1000000;
	atomic_init(&s->app.config, &s->config);
	atomic_init(&s->app.fib, s->bed.fib);
	atomic_init(&s->app.local, s->bed.local);
	s->bed.w->app = &s->app;
}

/* ---- measuring ---- */

static void gap(struct idle *s)
{
	uint64_t ns = rng_below(&s->rng, 2 * GAP_NS);
	struct timespec ts = {.tv_nsec = (long)ns};

	(void)nanosleep(&ts, NULL);
}

/* Microseconds from before the send to behind the receive; negative: lost. */
static double round_trip(struct idle *s, int sock)
{
	const double per_us = (double)rte_get_tsc_hz() / 1e6;
	struct pollfd fd = {.fd = sock, .events = POLLIN};
	uint64_t from = rte_rdtsc();
	uint8_t buf[2048];

	if (send(sock, s->frame, sizeof(s->frame), 0) != (ssize_t)sizeof(s->frame))
		return -1;
	for (;;) {
		if (recv(sock, buf, sizeof(buf), 0) == (ssize_t)sizeof(s->frame))
			return (double)(rte_rdtsc() - from) / per_us;
		/* Not a busy wait: the kernel may need this CPU to bring the packet. */
		if (errno == EAGAIN && poll(&fd, 1, LOST_MS) != 1)
			return -1;
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int worker_entry(void *arg)
{
	struct idle *s = arg;

	atomic_store(&s->worker, gettid());
	return worker_main(s->bed.w);
}

static int echo_entry(void *arg)
{
	const struct timespec look = {.tv_nsec = 1000000};
	struct idle *s = arg;
	struct pollfd fd = {.fd = s->echo[0], .events = POLLIN};
	uint8_t buf[2048];

	atomic_store(&s->worker, gettid());
	while (!app_stopping(&s->app)) {
		ssize_t n = recv(fd.fd, buf, sizeof(buf), 0);

		if (n > 0)
			(void)send(fd.fd, buf, (size_t)n, 0);
		else
			(void)ppoll(&fd, 1, &look, NULL);
	}
	return 0;
}

static void fifo(struct idle *s, bool on)
{
	struct sched_param p = {.sched_priority = on ? 1 : 0};

	/* Not allowed: the figures are merely noisier. */
	(void)sched_setscheduler(0, on ? SCHED_FIFO : SCHED_OTHER, &p);
	(void)sched_setscheduler(s->worker, on ? SCHED_FIFO : SCHED_OTHER, &p);
}

/* The 99th percentile of one stretch; negative: packets were lost. */
static double stretch(struct idle *s, enum how how)
{
	const struct timespec rest = {.tv_nsec = REST_NS};
	double us[STRETCH];
	unsigned int n = 0;

	s->config.idle = how == POLL ? IDLE_POLL : IDLE_ADAPTIVE;
	atomic_store(&s->app.stopping, false);
	atomic_store(&s->worker, 0);
	if (rte_eal_remote_launch(how == WAKE ? echo_entry : worker_entry, s, s->lcore) != 0)
		return -1;
	while (atomic_load(&s->worker) == 0)
		rte_pause();
	fifo(s, true);
	for (unsigned int i = 0; i < STRETCH; i++) {
		gap(s);
		us[n] = round_trip(s, how == WAKE ? s->echo[1] : s->fd);
		n += us[n] >= 0;
	}
	fifo(s, false);
	atomic_store(&s->app.stopping, true);
	mailbox_wake(&s->bed.w->mailbox);
	rte_eal_wait_lcore(s->lcore);
	(void)nanosleep(&rest, NULL);
	if (n < STRETCH) {
		fprintf(stderr, "bench: %u of %u packets lost\n", STRETCH - n, STRETCH);
		return -1;
	}
	qsort(us, n, sizeof(us[0]), compare);
	return us[n * 99 / 100];
}

static int measure(struct idle *s)
{
	static const char *const names[HOWS] = {"poll", "adaptive", "wake"};
	struct bench_results *r = bench_current_results();
	double p99[HOWS][ROUNDS];

	for (int i = 0; i < ROUNDS; i++)
		for (int how = 0; how < HOWS; how++) {
			p99[how][i] = stretch(s, (enum how)how);
			if (p99[how][i] < 0)
				return -EIO;
		}
	for (int how = 0; how < HOWS; how++) {
		qsort(p99[how], ROUNDS, sizeof(double), compare);
		printf("  idle.%s: p99 of %d stretches: best %.1f us, median %.1f us\n", names[how],
		       ROUNDS, p99[how][0], p99[how][ROUNDS / 2]);
	}
	if (bench_results_add(r, "idle.poll.p99", p99[POLL][0], "us", 0) < 0 ||
	    bench_results_add(r, "idle.wake.p99", p99[WAKE][0], "us", 0) < 0 ||
	    bench_results_add(r, "idle.adaptive.p99", p99[ADAPTIVE][0], "us",
			      p99[POLL][0] + ALLOWED_US) < 0)
		return -EIO;
	return 0;
}

static void idle_down(void *state)
{
	struct idle *s = state;

	if (s->has_port)
		bell_close(&s->bed.w->bells[0]);
	if (s->has_port)
		port_close(&s->port);
	s->bed.iface.port = s->bed.port;
	rs_bed_down(&s->bed);
	rcu_fini(&s->app.rcu);
	if (s->fd >= 0)
		close(s->fd);
	for (int i = 0; i < 2; i++)
		if (s->echo[i] >= 0)
			close(s->echo[i]);
	if (s->netns >= 0) {
		(void)setns(s->netns, CLONE_NEWNET);
		close(s->netns);
	}
	free(s);
}

static int idle_up(void **state)
{
	struct idle *s = aligned_alloc(64, RTE_ALIGN_CEIL(sizeof(*s), 64));
	struct rs_dp_config cfg = {
		.n_workers = 1, .paths_max = 64, .legs_max = 64, .bindings_max = 64};
	int ret;

	if (s == NULL)
		return -ENOMEM;
	memset(s, 0, sizeof(*s));
	s->netns = -1;
	s->fd = -1;
	s->echo[0] = -1;
	s->echo[1] = -1;
	rng_init_seeded(&s->rng, 23);
	cfg.rng = &s->rng;
	s->lcore = rte_get_next_lcore(-1, 1, 0);
	ret = s->lcore == RTE_MAX_LCORE ? -ENODEV : rcu_init(&s->app.rcu, 1);
	if (ret == 0)
		ret = rs_bed_up_with(&s->bed, "idle", &cfg, PACKETS);
	if (ret == 0)
		ret = path_up(s);
	if (ret == 0) {
		frame_up(s);
		rte_pktmbuf_free_bulk(s->bed.pkt, PACKETS);
		ret = namespace_enter(s);
	}
	if (ret == 0)
		ret = port_up(s);
	if (ret == 0) {
		app_up(s);
		ret = measure(s);
	}
	if (ret < 0) {
		idle_down(s);
		return ret;
	}
	*state = s;
	return 0;
}

const struct bench_group bench_idle = {"idle", "latency at low load", idle_up, idle_down, NULL, 0};
