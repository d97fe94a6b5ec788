/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/dc_lcore.h"
#include "appliance/app.h"
#include "appliance/config.h"
#include "appliance/pipeline/burst.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

enum { MAIL_PER_TURN = 32, IDLE_TURNS = 64, SLEEP_MAX_MS = 50 };

struct dc_lcore {
	struct lcore_stats stats;
	struct app *app;
	struct dc_service service;
	bool bye_said;
};

struct dc_lcore *dc_lcore_create(struct app *app, const struct dc_service *s)
{
	struct dc_lcore *d = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_CACHE_LINE_ROUNDUP(sizeof(*d)));

	if (d == NULL)
		return NULL;
	memset(d, 0, sizeof(*d));
	d->app = app;
	d->service = *s;
	return d;
}

void dc_lcore_destroy(struct dc_lcore *d)
{
	free(d);
}

static unsigned int take_mail(struct dc_lcore *d, uint64_t now)
{
	struct mail msgs[MAIL_PER_TURN];
	unsigned int n = mailbox_take(&d->app->dc_mb, msgs, MAIL_PER_TURN);

	d->stats.msgs += n;
	for (unsigned int i = 0; i < n; i++) {
		if (mail_brings_packet(msgs[i].type))
			d->stats.from_mailbox++;
		d->service.msg(d->service.ctx, &msgs[i], now);
	}
	return n;
}

/* The farewell is ours to say, on our own lcore, when the control lcore is saying its own. */
static void say_bye(struct dc_lcore *d, uint64_t now)
{
	if (d->bye_said || !atomic_load_explicit(&d->app->leaving, memory_order_acquire))
		return;
	d->bye_said = true;
	if (d->service.bye != NULL)
		d->service.bye(d->service.ctx, now);
}

static void sleep_until(struct dc_lcore *d, uint64_t now, uint64_t next)
{
	uint64_t ns = next > now ? next - now : 0;
	struct pollfd fd = {.fd = d->app->dc_mb.wake_fd, .events = POLLIN};
	struct timespec ts;

	ns = RTE_MIN(ns, SLEEP_MAX_MS * UINT64_C(1000000));
	ts = (struct timespec){.tv_sec = 0, .tv_nsec = (long)ns};
	if (mailbox_sleep_begin(&d->app->dc_mb)) {
		d->stats.sleeps++;
		rcu_offline(&d->app->rcu, d->app->n_workers);
		(void)ppoll(&fd, 1, &ts, NULL); /* early or late, the loop looks again */
		rcu_online(&d->app->rcu, d->app->n_workers);
	}
	mailbox_sleep_end(&d->app->dc_mb);
}

int dc_lcore_main(void *arg)
{
	struct dc_lcore *d = arg;
	struct app *app = d->app;
	const bool adaptive = atomic_load(&app->config)->idle == IDLE_ADAPTIVE;
	unsigned int idle = 0;

	(void)prctl(PR_SET_TIMERSLACK, 1000UL);
	rcu_online(&app->rcu, app->n_workers);
	while (!app_stopping(app)) {
		uint64_t now = clock_ns(&app->clock), next;

		if (take_mail(d, now) > 0) {
			idle = 0;
			d->stats.busy_loops++;
		} else {
			idle++;
		}
		next = d->service.tick(d->service.ctx, now);
		say_bye(d, now);
		d->stats.loops++;
		rcu_quiescent(&app->rcu, app->n_workers);
		if (adaptive && idle > IDLE_TURNS)
			sleep_until(d, now, next);
	}
	rcu_offline(&app->rcu, app->n_workers);
	return 0;
}

struct lcore_stats *dc_lcore_stats(struct dc_lcore *d)
{
	return &d->stats;
}
