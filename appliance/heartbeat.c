/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/heartbeat.h"
#include "appliance/app.h"
#include "appliance/config.h"
#include "appliance/dc_lcore.h"
#include "common/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

LOG_TYPE("heartbeat");

static const uint64_t CHECK_NS = 250000000ULL;

/* One datagram to the socket that systemd names; without systemd there is nobody to tell. */
static void notify(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	const void *to = &sun;
	socklen_t len;
	int fd;

	if (path == NULL || (path[0] != '/' && path[0] != '@') ||
	    strlen(path) >= sizeof(sun.sun_path))
		return;
	memcpy(sun.sun_path, path, strlen(path));
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (path[0] == '@')
		sun.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, to, len) < 0)
		LOG_RL(WARN, "systemd cannot be told");
	close(fd);
}

void heartbeat_init(struct heartbeat *h, struct app *app)
{
	const char *usec = getenv("WATCHDOG_USEC");

	memset(h, 0, sizeof(*h));
	h->app = app;
	if (usec != NULL)
		h->notify_every_ns = strtoull(usec, NULL, 10) * 1000 / 2;
}

static void check(struct heartbeat *h, unsigned int i, const char *role, uint64_t loops,
		  uint64_t now)
{
	const struct config *c = atomic_load_explicit(&h->app->config, memory_order_acquire);
	bool hung;

	if (loops != h->lcore[i].loops || h->lcore[i].moved_at == 0) {
		h->lcore[i].loops = loops;
		h->lcore[i].moved_at = now;
	}
	hung = now - h->lcore[i].moved_at > c->hung_after_ns;
	if (hung != h->lcore[i].hung) {
		if (hung)
			LOG(ERR, "lcore hangs role=%s number=%u", role, i);
		else
			LOG(NOTICE, "lcore goes on role=%s number=%u", role, i);
	}
	h->lcore[i].hung = hung;
	h->n_hung += hung;
}

uint64_t heartbeat_tick(struct heartbeat *h, uint64_t now)
{
	struct app *app = h->app;

	if (now >= h->next_check) {
		h->next_check = now + CHECK_NS;
		h->n_hung = 0;
		for (uint16_t i = 0; i < app->n_workers; i++)
			check(h, i, "worker", app->workers[i].stats.loops, now);
		if (app->dc != NULL)
			check(h, app->n_workers, "dc", dc_lcore_stats(app->dc)->loops, now);
	}
	if (h->notify_every_ns == 0)
		return h->next_check;
	if (now >= h->next_notify && h->n_hung == 0) {
		notify("WATCHDOG=1");
		h->next_notify = now + h->notify_every_ns;
	}
	return h->next_notify > now ? RTE_MIN(h->next_check, h->next_notify) : h->next_check;
}

void heartbeat_ready(struct heartbeat *h)
{
	char text[64];

	snprintf(text, sizeof(text), "READY=1\nMAINPID=%d", (int)getpid());
	notify(text);
}

void heartbeat_stopping(struct heartbeat *h)
{
	notify("STOPPING=1");
}
