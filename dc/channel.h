/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DC_CHANNEL_H
#define DC_CHANNEL_H

/* One conversation with one party: association, sessions, requests and answers, and the address it
 * was last heard from. A party has one that is proven, and at most one staged beside it (a join
 * token used by a key that has yet to prove itself). DC lcore only.
 */
#include "common/assoc.h"
#include "common/control.h"
#include "common/session.h"
#include "dc/table.h"
#include "dc/timers.h"

struct dc;
struct party;
struct channel;

enum { CHANNEL_SESSIONS = 3 }; /* live, pending, and one that is being replaced */

struct channel_session {
	struct table_link by_index;
	struct channel *ch;
	struct session *s; /* NULL: free */
	uint64_t index;
};

struct channel {
	struct dc *dc;
	struct party *party;
	bool is_staged;
	bool has_lasting; /* the last accepted handshake had the lasting PSK */
	bool is_up;
	struct assoc assoc;
	struct control control;
	struct channel_session sessions[CHANNEL_SESSIONS];
	uint64_t send_index; /* not 0: seal in this session (confirming a new one) */
	struct endpoint remote, local;
	struct endpoint from; /* source of the packet that is being handled */
	uint64_t heard_ns;
	struct timer timer;
};

/* conf->is_side_a: for peer DCs that we open to; remote is then where to. NULL: no memory, or a
 * key that is none.
 */
struct channel *channel_create(struct dc *dc, struct party *p, const struct assoc_conf *conf);
/* Requests in flight end without an answer (their done is called with NULL first). */
void channel_destroy(struct channel *ch);

/* Open, for side A. */
void channel_open(struct channel *ch, uint64_t now, const struct endpoint *to);

/* A sealed packet for one of the sessions: opened, and its message handled. */
void channel_sealed(struct channel_session *cs, uint64_t now, const struct endpoint *src,
		    const struct endpoint *local, const uint8_t *pkt, size_t len);
/* Types 4, 5, 8. False: nobody waits for it. */
bool channel_handshake(struct dc *dc, uint64_t now, const struct endpoint *src, const uint8_t *pkt,
		       size_t len);

struct channel_session *channel_find(struct dc *dc, uint64_t index);

/* control_request() and friends, with the channel's timer kept. done gets ch as its ctx. */
int channel_request(struct channel *ch, uint64_t now, struct msg *m, control_done done, void *arg);
void channel_answer(struct channel *ch, uint64_t now, struct msg *m);
void channel_refuse_stale(struct channel *ch, uint64_t now, const struct msg *request,
			  uint64_t location);
void channel_refuse(struct channel *ch, uint64_t now, const struct msg *request,
		    enum msg_error code);
void channel_refuse_txn(struct channel *ch, uint64_t now, uint8_t type, uint32_t txn,
			enum msg_error code);
/* Look at the timers again: a handshake or request was started. */
void channel_kick(struct channel *ch, uint64_t now);

/* With ops.compute, and without. */
extern const struct assoc_ops channel_assoc_ops, channel_assoc_ops_inline;

#endif
