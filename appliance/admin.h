/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_ADMIN_H
#define APPLIANCE_ADMIN_H

/* What ntmctl may ask of the appliance, over the control socket (docs/control-socket.md). Runs on
 * the control lcore. The roles add their part by filling in the struct below before admin_open().
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct app;

/* Each adds to, or answers, one command; NULL where a role has nothing to say. They run on the
 * control lcore. The DC's part is asked of its own lcore (dc_shell.h).
 */
struct admin_role {
	void *ctx;
	void (*status)(void *ctx, json_t *status);     /* adds its object */
	void (*counters)(void *ctx, json_t *counters); /* adds its object */
	void (*paths)(void *ctx, json_t *list);	       /* appends */
	void (*sessions)(void *ctx, json_t *list);     /* appends */
	json_t *(*drain)(void *ctx, bool on);
};

enum { ADMIN_ROLES_MAX = 4 };
struct admin;

/* 0 or -errno after a line in the log. Does nothing where config names no socket. */
int admin_open(struct app *app);
void admin_close(struct app *app);

/* At start, before admin_open(). */
void admin_role_add(struct app *app, const struct admin_role *role);

/* The end of a `later`. Control lcore. */
void admin_answer(struct app *app, uint64_t id, json_t *answer);

#endif
