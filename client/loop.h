/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLIENT_LOOP_H
#define CLIENT_LOOP_H

/* The daemon's one thread: waits for file descriptors and deadlines. */
#include <stdbool.h>
#include <stdint.h>

/* Lives in its owner; must be removed before it goes. */
struct loop_fd {
	int fd;
	void (*ready)(void *arg, uint32_t events); /* EPOLLIN, EPOLLOUT, ... */
	void *arg;
	bool is_dead; /* removed while its event was already fetched */
};

struct loop {
	int epoll;
};

int loop_open(struct loop *l);
void loop_close(struct loop *l);
int loop_add(struct loop *l, struct loop_fd *f, uint32_t events);
int loop_change(struct loop *l, struct loop_fd *f, uint32_t events);
void loop_remove(struct loop *l, struct loop_fd *f);
/* Wait until now reaches deadline (UINT64_MAX: for ever), at most; call ready() of what is. */
void loop_run_once(struct loop *l, uint64_t now, uint64_t deadline);

/* CLOCK_BOOTTIME in ns: goes on while the machine sleeps. */
uint64_t loop_now(void);
/* How much of it was spent asleep. */
uint64_t loop_slept(void);

#endif
