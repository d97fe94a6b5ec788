/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_ASSOC_H
#define COMMON_ASSOC_H

/* One association with one peer: who opens, which epoch comes next, resending, when to rekey, and
 * which session is the live one. Sealing stays with whoever is given the keys (install).
 *
 * Side A opens and starts every rekey; side B's handshakes come in through common/responder.h.
 *
 *	side A:	assoc_start -> payload, send (0, 150, 400, 900, 1900 ms) -> assoc_input
 *		-> answer, install, up, confirm until heard; rekeys by itself; failed after 10 s
 *	side B: responder -> install (fresh or rekey) -> assoc_heard -> up, retire
 *
 * Pure: bytes and now (steady ns) in, ops out; driven by assoc_poll(). One thread at a time per
 * assoc. Ops are called from inside its functions; up, confirm, retire and failed may call any of
 * them but assoc_fini(), the other ops none.
 * About 650 bytes at rest, 5 kB more while a handshake runs.
 */
#include "common/cookie.h"
#include "common/handshake.h"
#include "common/session.h"

struct assoc;

enum assoc_failure {
	ASSOC_TIMEOUT, /* no answer for 10 s; a new handshake follows unless stopped */
	ASSOC_REFUSED, /* the peer answered with an error, see code; stopped */
	ASSOC_RESET,   /* the peer has forgotten us; side A opens anew unless stopped */
	ASSOC_LOCAL,   /* answer() or payload() refused, or no memory; stopped */
};

struct assoc_ops {
	/* A handshake packet to the peer. try counts from 0 within one handshake 1. */
	void (*send)(void *ctx, struct assoc *a, const uint8_t *pkt, size_t len, unsigned int try);
	/* Fresh: make a session for k->own_index. Else: session_install() into the one there is. The
	 * keys are wiped after the call. Negative: refused, the handshake is dropped.
	 */
	int (*install)(void *ctx, struct assoc *a, uint64_t now, const struct epoch_keys *k);
	/* The session at own_index is replaced or dead, or the index is not needed after all: called
	 * once for every index that index() gave.
	 */
	void (*retire)(void *ctx, struct assoc *a, uint64_t own_index);
	/* A fresh association is proven by both ends; for side B: commit what was staged. */
	void (*up)(void *ctx, struct assoc *a);
	/* Send now, sealed, something the peer answers sealed (a keep-alive). Until assoc_heard(). */
	void (*confirm)(void *ctx, struct assoc *a, uint64_t own_index);
	/* Side A: TLVs for handshake 1 into buf; returns their length, negative to give up. */
	int (*payload)(void *ctx, struct assoc *a, uint8_t *buf, size_t cap);
	/* Side A: all TLVs of an authentic handshake 2, before install. Negative: refuse. */
	int (*answer)(void *ctx, struct assoc *a, const uint8_t *tlvs, size_t len);
	void (*failed)(void *ctx, struct assoc *a, enum assoc_failure why, uint16_t code);
	/* An unused own association index (top bit set, not all ones). Never called for paths. */
	uint64_t (*index)(void *ctx, struct assoc *a);
	/* Run hs_job_run(job) on another thread, then assoc_filed(job) on this one. NULL: inline. */
	void (*compute)(void *ctx, struct hs_job *job);
};

/* Shared by all associations of a host; outlives them. */
struct assoc_host {
	const struct assoc_ops *ops;
	struct rng *rng;
	struct hs_attempts *attempts;
	const struct noise_keypair *self; /* NULL where there are only legs */
	uint8_t reset_secret[RESET_SECRET_LEN];
};

struct assoc_conf {
	uint8_t kind;  /* enum hs_kind */
	uint8_t suite; /* side A proposes it; side B of a path requires it */
	bool is_side_a;
	bool is_control_only; /* limits.control_rekey_ns with 10 % jitter instead of the others */
	uint64_t id;	      /* Path ID, key id of the temporary key, or WIRE_ID_NONE */
	uint8_t peer_key[NOISE_KEY_LEN]; /* IK: static key of the peer; all zero: any (side B) */
	uint8_t psk[NOISE_PSK_LEN];
	uint64_t peer_attempt; /* side B: greatest attempt number seen before, from the store */
	struct session_limits limits;
	struct hs_path path; /* HS_PATH; the names are copied */
};

/* One set of keys that a handshake made. */
struct assoc_life {
	bool is_used;
	uint8_t epoch;
	bool is_heard; /* a sealed packet came in under it */
	uint64_t own_index;
	uint64_t peer_index;
	uint64_t since_ns;
	uint8_t peer_token[RESET_TOKEN_BYTES];
};

struct assoc {
	/* For the owner to read. */
	struct assoc_conf conf;
	void *ctx;		   /* the owner's, passed to every op */
	struct assoc_life live;	   /* proven keys */
	struct assoc_life pending; /* side B: installed, not yet heard */
	uint64_t peer_attempt;
	uint64_t counters[HS_VERDICT_COUNT];
	uint64_t handshakes; /* finished */

	/* Internal. */
	const struct assoc_host *host;
	char *names;	    /* storage of conf.path */
	struct hs_job *job; /* running handshake of side A */
	bool job_is_out;    /* on another thread */
	bool is_waiting;    /* handshake 1 was sent */
	bool is_stopped;
	uint8_t stale_n; /* stale answers in a row */
	unsigned int tries;
	uint64_t sent_ns, next_send_ns, give_up_ns;
	uint64_t fresh_index; /* taken for an association that is not there yet; 0: none */
	uint64_t rekey_at_ns; /* of control-only ones */
	uint64_t used_ns;
	unsigned int confirms;
	uint64_t confirm_at_ns; /* UINT64_MAX: nothing to confirm */
	bool has_cookie;
	uint8_t cookie[COOKIE_LEN];
	uint64_t cookie_ns;
};

/* 0, -EINVAL (kind and id do not fit, names too long, no key) or -ENOMEM. */
int assoc_init(struct assoc *a, const struct assoc_host *host, const struct assoc_conf *conf,
	       void *ctx);
/* Wipes; calls retire for what is installed. A job still out is freed when it is filed. */
void assoc_fini(struct assoc *a);

/* Side A: open, or open anew at once (new address): a running handshake is replaced by a new one. A
 * live session goes on, and the new handshake makes its next epoch, unless the peer has lost it.
 */
void assoc_start(struct assoc *a, uint64_t now);
/* No more handshakes; the live session stays. */
void assoc_stop(struct assoc *a);
/* Side A: new keys for the live session now (limit reached, or the peer asked). No effect while a
 * handshake runs or the peer was not heard under the keys of the last one, and on side B.
 */
void assoc_rekey(struct assoc *a, uint64_t now);

/* A packet of type 4, 5 or 8 that may be ours: by ID the index of a running handshake (4, 5), or
 * the peer's index (8). The verdict is counted.
 */
enum hs_verdict assoc_input(struct assoc *a, uint64_t now, const uint8_t *pkt, size_t len);
/* Index or Path ID by which handshake 2 and cookie of the running handshake come; 0: none runs. */
uint64_t assoc_pending_index(const struct assoc *a);

/* session_open() said is_new_epoch, or the data path reports the first packet under an epoch. */
void assoc_heard(struct assoc *a, uint64_t now, uint64_t own_index, uint8_t epoch);
/* Data went through at now: keys are renewed only for use. Cheap; once per burst or second. Who has
 * a session in this process may instead call assoc_rekey() when session_rekey_due().
 */
static inline void assoc_used(struct assoc *a, uint64_t now)
{
	a->used_ns = now;
}

/* Do what is due; returns when to call again, UINT64_MAX for never. Ask anew after any other call. */
uint64_t assoc_poll(struct assoc *a, uint64_t now);

/* A job that compute() took has run. job->owner says whose it is. Responder's jobs go to
 * responder_filed(); job->work tells: HS_WRITE_1 and HS_READ_2 are assoc's.
 */
void assoc_filed(struct hs_job *job, uint64_t now);

#endif
