/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_DC_SHELL_H
#define APPLIANCE_DC_SHELL_H

/* The role DC in this process: the coordinator's core (dc/dc_core.h) and the DNS answers, on the DC
 * lcore, with what they may not do themselves around them: packets by the workers, handshakes on
 * the pool, the store and the look-ups on threads.
 */
#include "common/join.h"
#include "dc/dc_core.h"

#include <jansson.h>
#include <stdint.h>

struct app;
struct dc_shell;
struct rng;

/* Something asked of the DC by the control lcore, and its answer on the way back. The asker's, but
 * the DC lcore's from dc_shell_ask() until done().
 */
enum dc_request_op {
	DC_REQUEST_ENROL_RS, /* name -> status, token */
	/* of the control socket, in args and answer: */
	DC_REQUEST_STATUS,
	DC_REQUEST_STATS,
	DC_REQUEST_PATHS,
	DC_REQUEST_SESSIONS,
	DC_REQUEST_NODE_ADD,
	DC_REQUEST_NODE_LIST,
	DC_REQUEST_NODE_DEL,
};

struct dc_request {
	enum dc_request_op op;
	char name[JOIN_NAME_MAX];
	uint32_t expiry_sec;
	json_t *args;
	int status; /* 0 or -errno */
	uint8_t token[DC_TOKEN_LEN];
	json_t *answer;
	struct dc_shell *shell;
	void (*done)(void *ctx, struct dc_request *q); /* control lcore; frees q */
	void *ctx;
	uint64_t id;
};

/* With its JSON; the token is wiped. NULL is fine. */
void dc_request_free(struct dc_request *q);

/* Main thread, after addresses are known, before lcores run; makes app->dc as well. 0 or -errno
 * after a line in the log.
 */
int dc_shell_create(struct app *app);
/* After lcores and pool have stopped. */
void dc_shell_destroy(struct dc_shell *s);

/* The DC's name and public key: constant. */
const char *dc_shell_name(const struct dc_shell *s);
const uint8_t *dc_shell_key(const struct dc_shell *s);

/* Control lcore. 0, or -ENOBUFS: q stays the caller's. */
int dc_shell_ask(struct app *app, struct dc_request *q);

/* For a command of the control socket: the DC adds its part to partial (taken over), or answers by
 * args. NULL: the answer comes later; else a refusal. Control lcore.
 */
json_t *dc_admin_ask(struct app *app, enum dc_request_op op, const json_t *args, json_t *partial,
		     uint64_t id);

#endif
