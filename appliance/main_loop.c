/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/main_loop.h"
#include "appliance/app.h"
#include "appliance/config.h"
#include "appliance/heartbeat.h"
#include "appliance/pipeline/burst.h"
#include "appliance/reload.h"
#include "appliance/route.h"
#include "common/ctl.h"
#include "common/log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

LOG_TYPE("main");

enum { MAIL_PER_TURN = 64, BYE_MS = 200, TURN_MAX_MS = 500 };
static const uint64_t MS = 1000000ULL;

struct fd_watch {
	main_loop_fd_fn fn;
	void *ctx;
	int fd;
};

struct main_loop {
	struct lcore_stats stats;
	struct app *app;
	struct ctl_server *ctl;
	int signal_fd;
	bool quit;
	bool spin; /* idle.mode poll */
	int status;
	struct heartbeat heartbeat;
	struct {
		main_loop_msg_fn fn;
		void *ctx;
	} msg[256];
	struct {
		main_loop_tick_fn fn;
		void *ctx;
	} tick[MAIN_LOOP_TICKS_MAX];
	struct {
		main_loop_bye_fn fn;
		void *ctx;
	} bye[MAIN_LOOP_FAREWELLS_MAX];
	struct fd_watch fds[MAIN_LOOP_FDS_MAX]; /* fn NULL: free */
	unsigned int n_ticks, n_byes;
};

void main_loop_msg_set(struct main_loop *c, uint16_t type, main_loop_msg_fn fn, void *ctx)
{
	c->msg[type % RTE_DIM(c->msg)].fn = fn;
	c->msg[type % RTE_DIM(c->msg)].ctx = ctx;
}

int main_loop_tick_add(struct main_loop *c, main_loop_tick_fn fn, void *ctx)
{
	if (c->n_ticks == MAIN_LOOP_TICKS_MAX)
		return -ENOSPC;
	c->tick[c->n_ticks].fn = fn;
	c->tick[c->n_ticks++].ctx = ctx;
	return 0;
}

int main_loop_bye_add(struct main_loop *c, main_loop_bye_fn fn, void *ctx)
{
	if (c->n_byes == MAIN_LOOP_FAREWELLS_MAX)
		return -ENOSPC;
	c->bye[c->n_byes].fn = fn;
	c->bye[c->n_byes++].ctx = ctx;
	return 0;
}

int main_loop_fd_add(struct main_loop *c, int fd, main_loop_fd_fn fn, void *ctx)
{
	for (uint32_t i = 0; i < MAIN_LOOP_FDS_MAX; i++) {
		if (c->fds[i].fn != NULL)
			continue;
		c->fds[i] = (struct fd_watch){.fn = fn, .ctx = ctx, .fd = fd};
		return 0;
	}
	return -ENOSPC;
}

void main_loop_fd_del(struct main_loop *c, int fd)
{
	for (uint32_t i = 0; i < MAIN_LOOP_FDS_MAX; i++)
		if (c->fds[i].fn != NULL && c->fds[i].fd == fd)
			c->fds[i].fn = NULL;
}

void main_loop_ctl_set(struct main_loop *c, struct ctl_server *s)
{
	c->ctl = s;
}

static void on_signal(void *ctx, int fd)
{
	struct signalfd_siginfo si;
	struct main_loop *c = ctx;

	while (read(fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGHUP) {
			reload_config(c->app);
			continue;
		}
		LOG(NOTICE, "stopping signal=%s", si.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT");
		main_loop_quit(c, 0);
	}
}

/* The mailbox and the routes are looked at every turn; their descriptors only end the sleep. */
static void on_wake(void *ctx, int fd)
{
}

static void on_hold(void *ctx, const struct mail *m, uint64_t now)
{
	struct main_loop *c = ctx;

	route_hold(c->app->routes, m->ptr, now);
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

struct main_loop *main_loop_create(struct app *app)
{
	struct main_loop *c =
		aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_CACHE_LINE_ROUNDUP(sizeof(*c)));
	int ret;

	if (c == NULL)
		return NULL;
	memset(c, 0, sizeof(*c));
	c->app = app;
	c->spin = atomic_load(&app->config)->idle == IDLE_POLL;
	c->signal_fd = open_signals();
	if (c->signal_fd < 0) {
		ret = -errno;
		goto err_destroy;
	}
	ret = main_loop_fd_add(c, c->signal_fd, on_signal, c);
	if (ret == 0)
		ret = main_loop_fd_add(c, app->control_mb.wake_fd, on_wake, c);
	if (ret < 0)
		goto err_destroy;
	main_loop_msg_set(c, MAIL_HOLD, on_hold, c);
	heartbeat_init(&c->heartbeat, app);
	return c;

err_destroy:
	main_loop_destroy(c);
	errno = -ret;
	return NULL;
}

void main_loop_destroy(struct main_loop *c)
{
	if (c == NULL)
		return;
	if (c->signal_fd >= 0)
		close(c->signal_fd);
	free(c);
}

static unsigned int take_mail(struct main_loop *c, uint64_t now)
{
	struct mail msgs[MAIL_PER_TURN];
	unsigned int n = mailbox_take(&c->app->control_mb, msgs, MAIL_PER_TURN);

	c->stats.msgs += n;
	for (unsigned int i = 0; i < n; i++) {
		uint16_t type = msgs[i].type;

		if (mail_brings_packet(type))
			c->stats.from_mailbox++;
		if (type < RTE_DIM(c->msg) && c->msg[type].fn != NULL)
			c->msg[type].fn(c->msg[type].ctx, &msgs[i], now);
		else if (mail_brings_packet(type))
			burst_drop(&c->stats, msgs[i].ptr, DROP_NO_ROLE);
	}
	return n;
}

static uint64_t run_ticks(struct main_loop *c, uint64_t now)
{
	uint64_t next = route_poll(c->app->routes, now), at;

	for (unsigned int i = 0; i < c->n_ticks; i++) {
		at = c->tick[i].fn(c->tick[i].ctx, now);
		next = RTE_MIN(next, at);
	}
	at = heartbeat_tick(&c->heartbeat, now);
	rcu_poll(&c->app->rcu);
	return RTE_MIN(next, at);
}

static int timeout_ms(uint64_t now, uint64_t next)
{
	uint64_t ms;

	if (next <= now)
		return 0;
	ms = (next - now + MS - 1) / MS;
	return (int)RTE_MIN(ms, (uint64_t)TURN_MAX_MS);
}

static void wait_events(struct main_loop *c, int timeout)
{
	struct pollfd fds[MAIN_LOOP_FDS_MAX + CTL_FDS_MAX];
	nfds_t n = MAIN_LOOP_FDS_MAX;

	for (uint32_t i = 0; i < MAIN_LOOP_FDS_MAX; i++)
		fds[i] = (struct pollfd){.fd = c->fds[i].fn != NULL ? c->fds[i].fd : -1,
					 .events = POLLIN};
	if (c->ctl != NULL)
		n += ctl_server_poll_fds(c->ctl, fds + n);
	if (!mailbox_sleep_begin(&c->app->control_mb))
		timeout = 0;
	if (timeout > 0)
		c->stats.sleeps++;
	if (poll(fds, n, timeout) < 0)
		n = 0; /* EINTR: the next turn asks again */
	mailbox_sleep_end(&c->app->control_mb);
	for (uint32_t i = 0; i < MAIN_LOOP_FDS_MAX && i < n; i++)
		if (fds[i].revents != 0 && c->fds[i].fn != NULL)
			c->fds[i].fn(c->fds[i].ctx, c->fds[i].fd);
	if (c->ctl != NULL)
		ctl_server_process(c->ctl, clock_ns(&c->app->clock));
}

static void turn(struct main_loop *c, uint64_t until)
{
	uint64_t now = clock_ns(&c->app->clock);
	unsigned int work = take_mail(c, now);
	uint64_t next = RTE_MIN(run_ticks(c, now), until);

	c->stats.loops++;
	c->stats.busy_loops += work > 0;
	wait_events(c, work > 0 || c->spin ? 0 : timeout_ms(clock_ns(&c->app->clock), next));
}

/* Peers are told, and what they are told is given the time to leave. */
static void say_bye(struct main_loop *c)
{
	uint64_t now = clock_ns(&c->app->clock), end = now + BYE_MS * MS;

	atomic_store_explicit(&c->app->leaving, true, memory_order_release);
	if (c->n_byes == 0 && c->app->dc == NULL)
		return;
	mailbox_wake(&c->app->dc_mb);
	for (unsigned int i = 0; i < c->n_byes; i++)
		c->bye[i].fn(c->bye[i].ctx, now);
	while (now < end) {
		turn(c, end);
		now = clock_ns(&c->app->clock);
	}
}

int main_loop_run(struct main_loop *c)
{
	int ret = main_loop_fd_add(c, route_fd(c->app->routes), on_wake, c);

	if (ret < 0)
		return 1;
	heartbeat_ready(&c->heartbeat);
	while (!c->quit)
		turn(c, UINT64_MAX);
	heartbeat_stopping(&c->heartbeat);
	say_bye(c);
	return c->status;
}

void main_loop_quit(struct main_loop *c, int status)
{
	c->quit = true;
	c->status = status;
}

struct lcore_stats *main_loop_stats(struct main_loop *c)
{
	return &c->stats;
}
