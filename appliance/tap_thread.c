/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/app.h"
#include "appliance/iface.h"
#include "appliance/tap.h"

#include <rte_mbuf.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	FRAMES_PER_TURN = 32,
	POLL_MS = 200,	  /* only to notice app_stopping() */
	POLL_BUSY_MS = 1, /* with idle.mode poll, where workers ring no bell */
};

struct tap_thread {
	struct app *app;
	pthread_t thread;
	struct lcore_stats stats;
	uint16_t next_worker;
	bool bells; /* workers wake us */
};

/* Linux takes a frame or it is lost: a TAP never makes a writer wait. */
static void to_linux(struct tap_thread *t, struct rte_mbuf *m)
{
	const struct iface *f = &t->app->ifaces[pkt_meta(m)->iface];
	ssize_t len = rte_pktmbuf_pkt_len(m);

	if (write(f->tap_fd, rte_pktmbuf_mtod(m, void *), (size_t)len) == len) {
		t->stats.tx++;
		t->stats.tx_bytes += (uint64_t)len;
		rte_pktmbuf_free(m);
	} else {
		burst_drop(&t->stats, m, DROP_TAP_WRITE);
	}
}

static unsigned int take_mail(struct tap_thread *t)
{
	struct mail msgs[FRAMES_PER_TURN];
	unsigned int n = mailbox_take(&t->app->tap_mb, msgs, FRAMES_PER_TURN);

	for (unsigned int i = 0; i < n; i++)
		to_linux(t, msgs[i].ptr);
	t->stats.from_mailbox += n;
	return n;
}

static void from_linux(struct tap_thread *t, struct iface *f, struct rte_mbuf *m, size_t len)
{
	struct worker *w = &t->app->workers[f->index % t->app->n_workers];

	t->stats.created++;
	m->data_len = (uint16_t)len;
	m->pkt_len = (uint32_t)len;
	pkt_meta(m)->iface = f->index;
	pkt_meta(m)->flags = 0;
	if (mailbox_send(&w->mailbox, MAIL_FRAME, f->index, m) < 0)
		burst_drop(&t->stats, m, DROP_MAILBOX_FULL);
	else
		t->stats.steered++;
}

/* Up to a turn's worth of frames; a TAP gives one per read. */
static unsigned int read_tap(struct tap_thread *t, struct iface *f)
{
	for (unsigned int i = 0; i < FRAMES_PER_TURN; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(t->app->pool);
		ssize_t len;

		if (m == NULL)
			return i; /* Linux's own queue holds, and drops, meanwhile */
		len = read(f->tap_fd, rte_pktmbuf_mtod(m, void *), rte_pktmbuf_tailroom(m));
		if (len < (ssize_t)sizeof(struct rte_ether_hdr)) {
			rte_pktmbuf_free(m);
			return i;
		}
		from_linux(t, f, m, (size_t)len);
	}
	return FRAMES_PER_TURN;
}

static void wait_for_work(struct tap_thread *t, struct pollfd *fds, nfds_t n)
{
	if (mailbox_sleep_begin(&t->app->tap_mb)) {
		t->stats.sleeps++;
		if (poll(fds, n, t->bells ? POLL_MS : POLL_BUSY_MS) < 0)
			return; /* EINTR: the loop looks again anyway */
	}
	mailbox_sleep_end(&t->app->tap_mb);
}

static void *tap_main(void *arg)
{
	struct tap_thread *t = arg;
	struct app *app = t->app;
	struct pollfd fds[CONFIG_IFACES_MAX + 1];

	for (uint16_t i = 0; i < app->n_ifaces; i++)
		fds[i] = (struct pollfd){.fd = app->ifaces[i].tap_fd, .events = POLLIN};
	fds[app->n_ifaces] = (struct pollfd){.fd = app->tap_mb.wake_fd, .events = POLLIN};
	while (!app_stopping(app)) {
		unsigned int work = take_mail(t);

		for (uint16_t i = 0; i < app->n_ifaces; i++)
			work += read_tap(t, &app->ifaces[i]);
		t->stats.loops++;
		if (work == 0)
			wait_for_work(t, fds, app->n_ifaces + 1);
		else
			t->stats.busy_loops++;
	}
	return NULL;
}

struct tap_thread *tap_thread_start(struct app *app)
{
	struct tap_thread *t = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*t));
	int ret;

	if (t == NULL)
		return NULL;
	memset(t, 0, sizeof(*t));
	t->app = app;
	t->bells = atomic_load(&app->config)->idle == IDLE_ADAPTIVE;
	ret = pthread_create(&t->thread, NULL, tap_main, t);
	if (ret != 0) {
		free(t);
		errno = ret;
		return NULL;
	}
	pthread_setname_np(t->thread, "ntm-tap");
	return t;
}

void tap_thread_stop(struct tap_thread *t)
{
	if (t == NULL)
		return;
	pthread_join(t->thread, NULL);
	free(t);
}

const struct lcore_stats *tap_thread_stats(const struct tap_thread *t)
{
	return &t->stats;
}
