/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DC_CORE_H
#define DC_CORE_H

/* The inside of struct dc, for the files of dc/ alone. Which file owns which part is said at the
 * part; others call its functions.
 */
#include "common/control.h"
#include "common/responder.h"
#include "dc/channel.h"
#include "dc/dc_core.h"
#include "dc/gate.h"
#include "dc/place.h"
#include "dc/pool.h"
#include "dc/registry.h"
#include "dc/table.h"
#include "dc/timers.h"

struct relay;
struct write_owner;
struct directing;
struct peers;

struct dc {
	struct dc_params params;
	const struct dc_ops *ops;
	void *ctx;
	struct rng *rng;
	/* Time of the call that is being served: some ops of the layers below bring none. */
	uint64_t now;
	/* One message in and one out at a time: a handler that builds one sends it before it returns. */
	struct msg rx, tx;
	uint64_t count[DC_COUNT_MAX];
	uint64_t session_verdicts[SESSION_VERDICT_COUNT]; /* of sessions that are gone too */

	struct timers timers;
	/* handshakes: gate.c, enrol.c */
	struct noise_keypair self;
	struct hs_attempts attempts;
	uint64_t attempt_stored; /* numbers below this are safe to use */
	struct assoc_host host;
	struct responder *responder;
	struct gate *gate;
	/* associations: channel.c */
	struct session_pool *windows;
	struct table by_index;
	/* who is who: registry.c */
	struct registry registry;
	struct pool pool4, pool6;
	struct places places; /* place.c */

	struct relay *relay;		 /* relay.c: rows at the RSs */
	struct directing *directing;	 /* directing.c: directions in work */
	struct peers *peers;		 /* peer_dc.c */
	LIST_HEAD(, write_owner) writes; /* core_store.c */
	bool attempt_writing;
	bool is_closing; /* nothing is sent any more */
	bool is_started;
};

#define DC_NS_PER_SEC 1000000000ULL

static inline void dc_count(struct dc *dc, enum dc_counter c)
{
	dc->count[c]++;
}

static inline uint64_t dc_real(const struct dc *dc, uint64_t now)
{
	return now + (uint64_t)dc->params.real_offset_ns;
}

/* ---- core_store.c ---- */

/* Write the party as it is now. done may be NULL. -ENOMEM: done is not called. */
int dc_write_party(struct dc *dc, struct party *p,
		   void (*done)(struct dc *dc, uint64_t now, void *arg, int status), void *arg);
int dc_delete_party(struct dc *dc, struct party *p,
		    void (*done)(struct dc *dc, uint64_t now, void *arg, int status), void *arg);
/* A write that the caller has filled in. */
struct dc_write *dc_write_new(uint8_t table);
int dc_write_submit(struct dc *dc, struct dc_write *w, struct party *p,
		    void (*done)(struct dc *dc, uint64_t now, void *arg, int status), void *arg);
/* Forget every done() that was to be called with arg. */
void dc_write_cancel(struct dc *dc, const void *arg);
/* Attempt numbers of the next hour, before they are used. */
void dc_attempts_reserve(struct dc *dc);
void dc_publish(struct dc *dc, const struct node *n, bool is_gone);
/* What is still out ends as cancelled. */
void dc_writes_fini(struct dc *dc);

/* ---- message handlers: the request is dc->rx, the answer goes by control_answer/refuse ---- */

void registration_request(struct dc *dc, uint64_t now, struct channel *ch, struct msg *m);
void registration_keep_alive(struct dc *dc, uint64_t now, struct channel *ch, struct msg *m);
void registration_status(struct dc *dc, uint64_t now, struct channel *ch, struct msg *m);
/* It is not registered any more; nothing durable changes. */
void registration_forget(struct dc *dc, struct node *n);
/* An RS is expelled: the node goes without, and so does what it is about to be told. */
void registration_forget_rs(struct node *n, const struct rs *rs);
/* FAMILY_*: by which it can reach an RS. */
uint8_t node_families(const struct node *n);

/* ---- enrol.c ---- */

void enrol_request(struct dc *dc, uint64_t now, struct hs_job *job);
/* A channel was proven by its first sealed packet: what the token promised is done. */
void enrol_proven(struct dc *dc, struct channel *ch);
/* The first packet under new keys: a lasting PSK that was used closes the join token. */
void enrol_heard(struct dc *dc, struct channel *ch);

#endif
