/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DC_CTL_H
#define DC_CTL_H

/* What `ntmctl` asks of a DC, as JSON in the shapes of docs/control-socket.md. Every function runs
 * on the thread that owns the core (ask for it by the core's mailbox); they allocate, and nobody
 * waits for them. References they return or pass on are the receiver's.
 */
#include "dc/dc_core.h"

#include <jansson.h>

json_t *dc_ctl_status(const struct dc *dc);
/* Names in lower case, also "handshake" and "session" verdicts as objects. */
json_t *dc_ctl_counters(const struct dc *dc);
/* Append. */
void dc_ctl_sessions(const struct dc *dc, uint64_t now, json_t *list);
void dc_ctl_paths(const struct dc *dc, uint64_t now, json_t *list);

/* answer is an object, {"error": ...} for a refusal. Called once, at once or when it is durable. */
typedef void (*dc_ctl_answer)(void *arg, json_t *answer);

/* {"name", "expires_s", "kind": "node" (default) or "rs"}. A name without a dot is taken below the
 * first zone. expires_s 0: never.
 */
void dc_ctl_node_add(struct dc *dc, uint64_t now, const json_t *args, dc_ctl_answer answer,
		     void *arg);
void dc_ctl_node_list(struct dc *dc, uint64_t now, const json_t *args, dc_ctl_answer answer,
		      void *arg);
void dc_ctl_node_del(struct dc *dc, uint64_t now, const json_t *args, dc_ctl_answer answer,
		     void *arg);

#endif
