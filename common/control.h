/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_CONTROL_H
#define COMMON_CONTROL_H

/* Requests and answers over one association (docs/protocol.md section 6): transactions, resending,
 * giving up, and acting only once on a request that arrives twice.
 *
 * Pure: driven by (bytes, now). One struct control per association, used by the thread that owns
 * the association. It knows nothing of keys: send() seals.
 */
#include "common/msg.h"
#include "common/rng.h"

#include <sys/queue.h>

enum {
	CONTROL_PENDING_MAX = 64, /* requests in flight per association */
	CONTROL_ANSWERS_MAX = 16, /* answers remembered per association */
};

#define CONTROL_GIVE_UP_NS 6000000000ULL
#define CONTROL_ANSWER_KEEP_NS 10000000000ULL

struct control;

struct control_ops {
	/* Seal body as type 6 and send it. Failure needs no report: it will be sent again. */
	void (*send)(void *ctx, const uint8_t *body, size_t len);
};

/* The end of a request: m is the answer (it may have ERROR), or NULL where none came. m is good
 * during the call only. The request is gone already: a new one may be made from here.
 */
typedef void (*control_done)(void *ctx, void *arg, const struct msg *m);

/* How a request is resent; NULL is the default of the protocol. Ends with 0; then given up at
 * CONTROL_GIVE_UP_NS.
 */
extern const uint32_t control_resend_default_ms[];
extern const uint32_t control_resend_move_ms[];

struct control_request {
	TAILQ_ENTRY(control_request) link;
	uint32_t txn;
	uint8_t type;
	uint8_t tries;
	uint64_t first_ns, next_ns;
	const uint32_t *resend_ms;
	control_done done;
	void *arg;
	uint16_t len;
	uint8_t body[MSG_MAX];
};

struct control_answer {
	uint32_t txn;
	uint8_t type;
	bool is_ready; /* false: the handler has not answered yet; repeats are ignored */
	uint16_t len;
	uint64_t until_ns;
	uint8_t *body;
};

struct control {
	const struct control_ops *ops;
	void *ctx;
	uint32_t next_txn;
	unsigned int pending_n;
	TAILQ_HEAD(, control_request) pending;
	struct control_answer answers[CONTROL_ANSWERS_MAX];
	/* counters, read by the owner */
	uint64_t requests, resends, timeouts, answered, repeats, bad, strays;
};

void control_init(struct control *c, const struct control_ops *ops, void *ctx, struct rng *rng);
/* Forget everything without calling anyone's done. */
void control_fini(struct control *c);
/* The association is gone: every request ends with done(NULL). */
void control_abort(struct control *c);

/* Encode m as a request (its txn is set here), send it now and again until answered. done may be
 * NULL. 0; -ENOBUFS when CONTROL_PENDING_MAX are in flight; msg_encode's errors; -ENOMEM.
 */
int control_request(struct control *c, uint64_t now, struct msg *m, const uint32_t *resend_ms,
		    control_done done, void *arg);
/* Send what is in flight once more right away: the address changed. */
void control_resend(struct control *c, uint64_t now);
/* Forget requests with this arg, without calling done. */
void control_cancel(struct control *c, const void *arg);

enum control_verdict {
	CONTROL_REQUEST, /* m is a new request: act, then control_answer() now or later */
	CONTROL_DONE,	 /* an answer, given to its request; or a repeat, answered again */
	CONTROL_STRAY,	 /* an answer nobody waits for */
	CONTROL_BAD,	 /* malformed; refused with BAD_MESSAGE where it was a request */
};

/* A decrypted type 6 body. m is the caller's scratch. */
enum control_verdict control_input(struct control *c, uint64_t now, const uint8_t *body, size_t len,
				   struct msg *m);

/* Answer a request by its transaction; remembers the bytes for CONTROL_ANSWER_KEEP_NS. */
int control_answer(struct control *c, uint64_t now, struct msg *m);
/* Do not repeat the answer to this request: it is for who asked first alone. The same request is new. */
void control_forget(struct control *c, uint8_t type, uint32_t txn);
/* STALE, with the greatest location number that is known. */
int control_refuse_stale(struct control *c, uint64_t now, uint8_t type, uint32_t txn,
			 uint64_t location);
int control_refuse(struct control *c, uint64_t now, uint8_t type, uint32_t txn,
		   enum msg_error code);

/* Resend and give up what is due. Returns when to call again, UINT64_MAX for never. */
uint64_t control_poll(struct control *c, uint64_t now);

#endif
