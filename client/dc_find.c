/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/dc_find.h"
#include "common/log.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

LOG_TYPE("dc_find");

static const struct timespec again = {.tv_sec = 2};

/* Thread and owner hold a reference each: getaddrinfo() cannot be stopped. */
struct dc_find {
	struct loop_fd fd;
	struct loop *loop;
	dc_find_done done;
	void *ctx;
	char name[256];
	_Atomic int refs;
	_Atomic int is_stopped;
	struct endpoint found[DC_FIND_MAX];
	unsigned int n;
};

static void put(struct dc_find *f)
{
	if (atomic_fetch_sub(&f->refs, 1) != 1)
		return;
	close(f->fd.fd);
	free(f);
}

static int ask(struct dc_find *f)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
	struct addrinfo *all, *ai;
	int ret = getaddrinfo(f->name, NULL, &hints, &all);

	if (ret != 0)
		return ret;
	for (ai = all; ai != NULL && f->n < DC_FIND_MAX; ai = ai->ai_next) {
		struct sockaddr_storage ss = {0};

		memcpy(&ss, ai->ai_addr, ai->ai_addrlen);
		if (endpoint_from_sockaddr(&ss, &f->found[f->n]) == 0)
			f->n++;
	}
	freeaddrinfo(all);
	return 0;
}

static void *find_main(void *arg)
{
	const uint64_t one = 1;
	struct dc_find *f = arg;
	int ret;

	while (!atomic_load(&f->is_stopped)) {
		ret = ask(f);
		if (f->n > 0) {
			if (write(f->fd.fd, &one, sizeof(one)) < 0)
				LOG(ERR, "eventfd: %s", strerror(errno));
			break;
		}
		LOG_RL(WARN, "cannot find the DC yet name=%s: %s", f->name,
		       ret != 0 ? gai_strerror(ret) : "no address");
		nanosleep(&again, NULL);
	}
	put(f);
	return NULL;
}

static void ready(void *arg, uint32_t events)
{
	struct dc_find *f = arg;

	loop_remove(f->loop, &f->fd);
	f->done(f->ctx, f->found, f->n);
	put(f);
}

struct dc_find *dc_find_start(struct loop *l, const char *name, dc_find_done done, void *ctx)
{
	struct dc_find *f = calloc(1, sizeof(*f));
	pthread_t thread;
	int ret;

	if (f == NULL)
		return NULL;
	f->loop = l;
	f->done = done;
	f->ctx = ctx;
	snprintf(f->name, sizeof(f->name), "%s", name);
	atomic_init(&f->refs, 2);
	f->fd = (struct loop_fd){
		.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), .ready = ready, .arg = f};
	if (f->fd.fd < 0) {
		ret = errno;
		goto err_free;
	}
	ret = -loop_add(l, &f->fd, EPOLLIN);
	if (ret != 0)
		goto err_close;
	ret = pthread_create(&thread, NULL, find_main, f);
	if (ret != 0)
		goto err_close;
	pthread_detach(thread);
	return f;

err_close:
	close(f->fd.fd);
err_free:
	free(f);
	errno = ret;
	return NULL;
}

void dc_find_stop(struct dc_find *f)
{
	if (f == NULL)
		return;
	atomic_store(&f->is_stopped, 1);
	loop_remove(f->loop, &f->fd);
	put(f);
}
