/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 32 };
static const uint64_t SEC = 1000000000ULL;

static uint64_t clock_read(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * SEC + (uint64_t)ts.tv_nsec;
}

uint64_t loop_now(void)
{
	return clock_read(CLOCK_BOOTTIME);
}

uint64_t loop_slept(void)
{
	uint64_t awake = clock_read(CLOCK_MONOTONIC); /* first: the difference is not negative */

	return clock_read(CLOCK_BOOTTIME) - awake;
}

int loop_open(struct loop *l)
{
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	return l->epoll < 0 ? -errno : 0;
}

void loop_close(struct loop *l)
{
	close(l->epoll);
}

static int ctl(struct loop *l, int op, struct loop_fd *f, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = f};

	return epoll_ctl(l->epoll, op, f->fd, &ev) < 0 ? -errno : 0;
}

int loop_add(struct loop *l, struct loop_fd *f, uint32_t events)
{
	f->is_dead = false;
	return ctl(l, EPOLL_CTL_ADD, f, events);
}

int loop_change(struct loop *l, struct loop_fd *f, uint32_t events)
{
	return ctl(l, EPOLL_CTL_MOD, f, events);
}

void loop_remove(struct loop *l, struct loop_fd *f)
{
	if (f->fd >= 0)
		ctl(l, EPOLL_CTL_DEL, f, 0);
	f->is_dead = true;
}

void loop_run_once(struct loop *l, uint64_t now, uint64_t deadline)
{
	uint64_t wait = deadline > now ? deadline - now : 0;
	struct timespec ts = {.tv_sec = (time_t)(wait / SEC), .tv_nsec = (long)(wait % SEC)};
	struct epoll_event ev[EVENTS];
	int n;

	n = epoll_pwait2(l->epoll, ev, EVENTS, deadline == UINT64_MAX ? NULL : &ts, NULL);
	for (int i = 0; i < n; i++) {
		struct loop_fd *f = ev[i].data.ptr;

		if (!f->is_dead)
			f->ready(f->arg, ev[i].events);
	}
}
