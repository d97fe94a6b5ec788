/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_CTL_H
#define COMMON_CTL_H

/* The control socket of a daemon: AF_UNIX stream, mode 0600. A client sends one JSON object on one
 * line, {"cmd": "why", "name": "bob.dc1.example"}, and reads one JSON object on one line; then the
 * server closes. A refusal is {"error": "text"}. The shapes are in docs/control-socket.md.
 *
 * The server has no thread and never blocks: any poll loop drives it. One thread only, not a
 * packet lcore.
 */
#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

enum {
	CTL_CLIENTS_MAX = 16,
	CTL_FDS_MAX = CTL_CLIENTS_MAX + 1,
	CTL_REQUEST_MAX = 64 << 10,
	CTL_ANSWER_MAX = 32 << 20,
};

/* args is the whole request. Returns a new reference to the answer, an object; NULL means "later":
 * the daemon calls ctl_server_answer() with id, or the client gets an error after 30 s.
 */
typedef json_t *(*ctl_handler_fn)(void *ctx, const json_t *args, uint64_t id);

struct ctl_command {
	const char *name; /* NULL ends a table */
	const char *args; /* for people: "NAME [expires]" */
	const char *help;
	ctl_handler_fn handler;
};

struct ctl_counters {
	uint64_t requests;
	uint64_t refused_full;	  /* more than CTL_CLIENTS_MAX at once */
	uint64_t refused_size;	  /* request or answer too long */
	uint64_t refused_json;	  /* not one JSON object */
	uint64_t refused_command; /* no such command */
	uint64_t timed_out;	  /* slow to send, to read, or a "later" that never came */
	uint64_t gone;		  /* closed by the client before its answer */
};

struct ctl_server;

/* Bind path (its last folder is made if missing) and listen. The socket of a dead process is
 * replaced. 0; -EBUSY when a live process answers there or is about to; else -errno. The table
 * must outlive the server; a "help" command that lists it is added.
 */
int ctl_server_open(struct ctl_server **out, const char *path, const struct ctl_command *table,
		    void *ctx);
/* Close, and remove the socket if it is still ours. NULL is fine. */
void ctl_server_close(struct ctl_server *s);

/* What to wait for; returns how many entries were written, at most CTL_FDS_MAX. */
unsigned int ctl_server_poll_fds(const struct ctl_server *s, struct pollfd *fds);
/* Do what can be done without blocking; now is any monotonic clock in ns. Call it when an fd is
 * ready and at least once a second, for the time-outs.
 */
void ctl_server_process(struct ctl_server *s, uint64_t now);
/* The answer to a handler's "later"; takes the reference, also when the client is gone. */
void ctl_server_answer(struct ctl_server *s, uint64_t id, json_t *answer);
const struct ctl_counters *ctl_server_counters(const struct ctl_server *s);

/* One request's bytes to an answer (new reference), or NULL for "later". Pure but for the handler:
 * for tests and fuzzing.
 */
json_t *ctl_dispatch(const struct ctl_command *table, void *ctx, uint64_t id, const char *text,
		     size_t len, struct ctl_counters *c);

/* {"error": text}, a new reference. */
json_t *ctl_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

enum { CTL_WHY_MAX = 256 };

/* For clients: send request (a borrowed reference) and wait for the answer, blocking, at most
 * timeout_ms without progress. A new reference, or NULL with the reason in why (CTL_WHY_MAX bytes)
 * and errno: ENOENT and ECONNREFUSED mean that nobody listens.
 */
json_t *ctl_call(const char *path, const json_t *request, int timeout_ms, char *why);

#endif
