/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_ASSOC_ENDS_H
#define TESTS_UNIT_ASSOC_ENDS_H

/* Two hosts, one association, a line with delay and loss, virtual time: side A opens by an assoc,
 * side B answers by a responder, both seal by sessions. Control "?" is answered by "!".
 */
#include "common/responder.h"

enum { SESSIONS = 8, LINE = 256, JOBS = 64 };

struct packet {
	uint64_t at;
	bool to_b;
	uint16_t len;
	uint8_t bytes[WIRE_HS1_MAX];
};

struct ends;

struct end {
	struct ends *net;
	bool is_b;
	struct assoc_host host;
	struct noise_keypair key;
	struct hs_attempts attempts;
	struct assoc assoc;
	struct responder *responder; /* side B */
	struct session_pool *pool;
	struct session *sessions[SESSIONS];
	struct session *session;   /* the newest installed */
	struct hs_job *jobs[JOBS]; /* with async: computed later */
	unsigned int jobs_n;
	uint64_t indexes;
	bool has_live; /* up() was called, and its session was not retired since */

	unsigned int ups, retires, installs, fails, failed_why, failed_code, answers, indexes_out;
	unsigned int hs_sent, tries;
	uint64_t sealed_in, refused_in;
	uint64_t verdicts[HS_VERDICT_COUNT];
};

struct ends {
	uint64_t now, delay;
	struct rng rng;
	struct end a, b;
	struct packet line[LINE];
	unsigned int line_n;
	unsigned int loss_percent;
	bool cut;	  /* nothing arrives */
	bool cut_answers; /* nothing arrives at A */
	bool async;
	bool refuse;	   /* the owner of B answers NOT_ALLOWED (9) */
	bool forget_assoc; /* B knows no association */
	uint64_t last_hs1_at[16];
	struct packet hs1, hs2; /* the last ones sent */
	struct endpoint addr;
};

void ends_setup(struct ends *n, uint8_t kind, uint8_t suite, uint64_t seed);
void ends_teardown(struct ends *n);
/* Let time pass until until, or until done(n). Returns whether done. */
bool ends_run(struct ends *n, uint64_t until, bool (*done)(const struct ends *n));
bool ends_both_up(const struct ends *n);
/* Seal one data packet at from; whether there was a key for it. It arrives after the delay. */
bool ends_data(struct ends *n, struct end *from, uint8_t route);
/* Hand bytes to one end now. */
void ends_inject(struct ends *n, struct end *to, const uint8_t *pkt, size_t len);
/* End b loses all its associations, as by a restart; attempts seen stay known if keep. */
void ends_restart(struct ends *n, struct end *e, bool keep_attempt);

#endif
