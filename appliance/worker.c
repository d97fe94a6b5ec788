/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/worker.h"
#include "appliance/app.h"
#include "appliance/config.h"
#include "appliance/pipeline/share.h"
#include "appliance/rs_worker.h"

#include <errno.h>
#include <poll.h>
#include <sys/prctl.h>
#include <time.h>

enum {
	MAIL_PER_TURN = 32,
	IDLE_TURNS = 64,	/* empty turns before the first sleep: a gap in a burst */
	SLEEP_FIRST_NS = 20000, /* doubled at each empty look afterwards */
	SLEEP_FDS = PORTS_MAX + 1,
};

void worker_steer(struct worker *w, struct rte_mbuf *m, uint16_t to)
{
	struct mail msg = {.type = MAIL_STEER, .arg = w->id, .ptr = m};

	if (pkt_meta(m)->flags & PKT_STEERED || to >= w->n_workers || to == w->id) {
		burst_drop(&w->stats, m, DROP_WRONG_WORKER);
		return;
	}
	w->stats.steer_miss++;
	pkt_meta(m)->flags = PKT_STEERED;
	if (mailbox_put(w->peers[to], &msg, 1) == 0) {
		burst_drop(&w->stats, m, DROP_MAILBOX_FULL);
		return;
	}
	w->stats.steered++;
	w->wake_peers |= UINT32_C(1) << to;
}

static void take_call(struct worker *w, struct call *c)
{
	c->fn(w, c);
	if (c->done == NULL)
		return;
	/* The asker waits for exactly as many answers as its ring has room for. */
	(void)mailbox_send(c->done, MAIL_DONE, w->id, c);
}

/* A packet that another thread made: find its way unless it brings one. */
static void take_ip(struct worker *w, struct rte_mbuf *m)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
	struct pkt_meta *meta = pkt_meta(m);
	struct ip_addr dst;
	uint32_t v4;

	if (ip[0] >> 4 == 4) {
		memcpy(&v4, ip + 16, 4);
		dst = ip_from_v4(v4);
	} else {
		memcpy(dst.b, ip + 24, 16);
	}
	if (meta->nexthop == NEXTHOP_NONE)
		meta->nexthop = route_lookup(w, &dst);
	burst_push(&w->stats, &w->lanes.tx, m);
}

static void take_mail(struct worker *w)
{
	struct mail msgs[MAIL_PER_TURN];
	unsigned int n = mailbox_take(&w->mailbox, msgs, MAIL_PER_TURN);

	for (unsigned int i = 0; i < n; i++) {
		w->stats.msgs++;
		if (msgs[i].type == MAIL_CALL) {
			take_call(w, msgs[i].ptr);
			continue;
		}
		w->stats.from_mailbox++;
		if (msgs[i].type == MAIL_IP)
			take_ip(w, msgs[i].ptr);
		else
			burst_push(&w->stats,
				   msgs[i].type == MAIL_STEER ? &w->lanes.steered : &w->lanes.frame,
				   msgs[i].ptr);
	}
}

/* Where packets or events went that a sleeping thread does not know of yet. */
struct handed {
	uint64_t control, dc, tap;
};

/* RS control looks into its own rings when it is awake; a message of no meaning wakes it without a
 * gap between its last look and its sleep. A full mailbox means that it is awake.
 */
static void wake_rs_control(struct worker *w)
{
	if (w->rs == NULL || !w->rs->event_put)
		return;
	w->rs->event_put = false;
	(void)mailbox_send(w->control, MAIL_NONE, w->id, NULL);
}

static void wake_receivers(struct worker *w, struct handed *h)
{
	wake_rs_control(w);
	if (h->control != w->stats.to_control)
		mailbox_wake(w->control);
	if (h->dc != w->stats.to_dc)
		mailbox_wake(w->dc);
	if (h->tap != w->stats.to_tap)
		mailbox_wake(w->tap);
	for (uint16_t i = 0; w->wake_peers != 0; i++, w->wake_peers >>= 1)
		if (w->wake_peers & 1)
			mailbox_wake(w->peers[i]);
	*h = (struct handed){w->stats.to_control, w->stats.to_dc, w->stats.to_tap};
}

/* Until a message or a bell, at most so long. */
static void sleep_for(struct worker *w, uint64_t ns)
{
	struct timespec ts = {.tv_sec = (time_t)(ns / 1000000000),
			      .tv_nsec = (long)(ns % 1000000000)};
	struct pollfd fds[SLEEP_FDS] = {{.fd = w->mailbox.wake_fd, .events = POLLIN}};

	for (uint16_t i = 0; i < w->n_ports; i++)
		fds[i + 1] = (struct pollfd){.fd = w->bells[i].fd, .events = POLLIN};
	if (mailbox_sleep_begin(&w->mailbox)) {
		w->stats.sleeps++;
		rcu_offline(&w->app->rcu, w->id);
		(void)ppoll(fds, w->n_ports + 1u, &ts, NULL); /* early or late, the loop looks */
		rcu_online(&w->app->rcu, w->id);
	}
	mailbox_sleep_end(&w->mailbox);
	stall_rest(&w->stalls);
}

/* How a worker with nothing to do spends its time. */
struct rest {
	unsigned int idle;	      /* turns without work in a row */
	uint64_t sleep_ns;	      /* the next sleep */
	uint64_t sleep_max;	      /* of the longest */
	bool has_bells, is_listening; /* every port has one; they are armed */
};

static void rest_begin(struct rest *r, const struct worker *w, const struct config *c)
{
	*r = (struct rest){.has_bells = true, .sleep_max = c->idle_sleep_max_ns};
	for (uint16_t i = 0; i < w->n_ports; i++)
		r->has_bells &= w->bells[i].fd >= 0;
	if (!r->has_bells)
		r->sleep_max = RTE_MIN(r->sleep_max, c->idle_look_every_ns);
	r->sleep_ns = RTE_MIN(r->sleep_max, (uint64_t)SLEEP_FIRST_NS);
}

static void rest_end(struct rest *r, struct worker *w)
{
	r->idle = 0;
	r->sleep_ns = RTE_MIN(r->sleep_max, (uint64_t)SLEEP_FIRST_NS);
	if (!r->is_listening)
		return;
	for (uint16_t i = 0; i < w->n_ports; i++)
		bell_disarm(&w->bells[i]);
	r->is_listening = false;
}

/* After a turn without work. */
static void rest(struct rest *r, struct worker *w)
{
	if (++r->idle <= IDLE_TURNS)
		return;
	if (!r->has_bells) {
		sleep_for(w, r->sleep_ns);
		r->sleep_ns = RTE_MIN(r->sleep_ns * 2, r->sleep_max);
		return;
	}
	if (r->is_listening) {
		sleep_for(w, r->sleep_max);
		return;
	}
	/* One more turn, for what came before the bells could ring. */
	for (uint16_t i = 0; i < w->n_ports; i++)
		bell_arm(&w->bells[i]);
	r->is_listening = true;
}

static void drain(struct worker *w)
{
	struct mail msg;

	while (mailbox_take(&w->mailbox, &msg, 1) == 1) {
		w->stats.msgs++;
		if (msg.type == MAIL_CALL) {
			take_call(w, msg.ptr);
			continue;
		}
		w->stats.from_mailbox++;
		burst_drop(&w->stats, msg.ptr, DROP_STOPPING);
	}
}

int worker_main(void *arg)
{
	struct worker *w = arg;
	const struct app *app = w->app;
	const struct config *c = atomic_load_explicit(&app->config, memory_order_acquire);
	const bool adaptive = c->idle == IDLE_ADAPTIVE;
	unsigned int found;
	struct rest r;
	struct handed handed = {0};

	(void)prctl(PR_SET_TIMERSLACK, 1000UL); /* 1 us: the default of 50 would double sleeps */
	rest_begin(&r, w, c);
	rcu_online(&app->rcu, w->id);
	stall_init(&w->stalls, STALL_NS);
	while (!app_stopping(app)) {
		w->now = clock_ns(&app->clock);
		stall_turn(&w->stalls, w->now);
		w->rcu_token = rcu_token(&app->rcu);
		w->fib = atomic_load_explicit(&app->fib, memory_order_acquire);
		w->local = atomic_load_explicit(&app->local, memory_order_acquire);
		if (likely(share_room(w)))
			take_mail(w);
		found = pipeline_run(w);
		found += share_help(w, found);
		w->stats.busy_loops += found > 0;
		if (w->rs != NULL)
			rs_worker_turn(w);
		w->stats.loops++;
		if (unlikely(share_pending(w)))
			rcu_quiescent_at(&app->rcu, w->id, share_token(w));
		else
			rcu_quiescent(&app->rcu, w->id);
		if (!adaptive)
			continue;
		wake_receivers(w, &handed);
		if (found > 0)
			rest_end(&r, w);
		else
			rest(&r, w);
	}
	rest_end(&r, w);
	pipeline_flush(w);
	drain(w);
	rcu_offline(&app->rcu, w->id);
	return 0;
}
