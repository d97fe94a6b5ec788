/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_MAIN_LOOP_H
#define APPLIANCE_MAIN_LOOP_H

/* The loop of the control lcore, which is the process's main thread: signals, routes, messages of
 * the workers, timers, and the life signs of the other lcores. What the roles do here they
 * register: message types, ticks, file descriptors, a farewell. All of it on this one thread.
 */
#include "appliance/mailbox.h"
#include "appliance/pipeline/stats.h"

#include <stdint.h>

struct app;
struct main_loop;

enum { MAIN_LOOP_FDS_MAX = 16, MAIN_LOOP_TICKS_MAX = 16, MAIN_LOOP_FAREWELLS_MAX = 8 };

/* Owns the packet in m->ptr afterwards, if m brings one. */
typedef void (*main_loop_msg_fn)(void *ctx, const struct mail *m, uint64_t now);
/* Called often; returns the time of the next call it needs, UINT64_MAX for none. */
typedef uint64_t (*main_loop_tick_fn)(void *ctx, uint64_t now);
typedef void (*main_loop_fd_fn)(void *ctx, int fd);
/* The process ends: say so to peers. What it sends is still carried, for 200 ms at most. */
typedef void (*main_loop_bye_fn)(void *ctx, uint64_t now);

/* NULL with errno. SIGTERM, SIGINT and SIGHUP are blocked in all threads already. */
struct main_loop *main_loop_create(struct app *app);
void main_loop_destroy(struct main_loop *c);

/* One handler per type; messages without one are dropped as DROP_NO_ROLE. */
void main_loop_msg_set(struct main_loop *c, uint16_t type, main_loop_msg_fn fn, void *ctx);
/* 0 or -errno, -ENOSPC when there are too many. */
int main_loop_tick_add(struct main_loop *c, main_loop_tick_fn fn, void *ctx);
int main_loop_fd_add(struct main_loop *c, int fd, main_loop_fd_fn fn, void *ctx);
void main_loop_fd_del(struct main_loop *c, int fd);
/* The ctl server brings its own descriptors, which come and go. NULL takes it away. */
struct ctl_server;
void main_loop_ctl_set(struct main_loop *c, struct ctl_server *s);
int main_loop_bye_add(struct main_loop *c, main_loop_bye_fn fn, void *ctx);

/* Until SIGTERM or SIGINT, or main_loop_quit(). The exit status. */
int main_loop_run(struct main_loop *c);
void main_loop_quit(struct main_loop *c, int status);

/* Written by the control lcore. */
struct lcore_stats *main_loop_stats(struct main_loop *c);

#endif
