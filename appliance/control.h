/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_CONTROL_H
#define APPLIANCE_CONTROL_H

/* The loop of the control lcore, which is the process's main thread: signals, routes, messages of
 * the workers, timers, and the life signs of the other lcores. What the roles do here they
 * register: message types, ticks, file descriptors, a farewell. All of it on this one thread.
 */
#include "appliance/mailbox.h"
#include "appliance/pipeline/stats.h"

#include <stdint.h>

struct app;
struct control;

enum { CONTROL_FDS_MAX = 32, CONTROL_TICKS_MAX = 16, CONTROL_FAREWELLS_MAX = 8 };

/* Owns the packet in m->ptr afterwards, if m brings one. */
typedef void (*control_msg_fn)(void *ctx, const struct msg *m, uint64_t now);
/* Called often; returns the time of the next call it needs, UINT64_MAX for none. */
typedef uint64_t (*control_tick_fn)(void *ctx, uint64_t now);
typedef void (*control_fd_fn)(void *ctx, int fd);
/* The process ends: say so to peers. What it sends is still carried, for 200 ms at most. */
typedef void (*control_bye_fn)(void *ctx, uint64_t now);

/* NULL with errno. SIGTERM, SIGINT and SIGHUP are blocked in all threads already. */
struct control *control_create(struct app *app);
void control_destroy(struct control *c);

/* One handler per type; messages without one are dropped as DROP_NO_ROLE. */
void control_msg_set(struct control *c, uint16_t type, control_msg_fn fn, void *ctx);
/* 0 or -errno, -ENOSPC when there are too many. */
int control_tick_add(struct control *c, control_tick_fn fn, void *ctx);
int control_fd_add(struct control *c, int fd, control_fd_fn fn, void *ctx);
void control_fd_del(struct control *c, int fd);
int control_bye_add(struct control *c, control_bye_fn fn, void *ctx);

/* Until SIGTERM or SIGINT, or control_quit(). The exit status. */
int control_run(struct control *c);
void control_quit(struct control *c, int status);

/* Written by the control lcore. */
struct lcore_stats *control_stats(struct control *c);

#endif
