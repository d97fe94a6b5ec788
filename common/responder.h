/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_RESPONDER_H
#define COMMON_RESPONDER_H

/* The end that is asked: one per host (or control lcore) takes every handshake 1 and decides
 * cheaply first: form, MAC1, cookie under load, repeats, then Diffie-Hellman as jobs.
 *
 *	responder_input -> [find: paths, legs] -> job READ_1 -> request: the owner looks up who
 *	asks -> responder_accept | _refuse | _drop, now or later -> job WRITE_2
 *	-> send handshake 2, assoc's install (and, at the first sealed packet, up and retire)
 *
 * Pure; one thread at a time. Bounded: at most `jobs` handshakes in work.
 */
#include "common/assoc.h"
#include "common/hs_cache.h"

struct responder;

struct responder_ops {
	void (*send)(void *ctx, const struct endpoint *to, const uint8_t *pkt, size_t len);
	/* HS_PATH, HS_LEG: the association of the Path ID or key id (side B); NULL: unknown. */
	struct assoc *(*find)(void *ctx, const struct hs_clear *c);
	/* Message 1 is authentic. job->clear, ->peer_key (IK), ->payload, ->attempt, ->from are set;
	 * job->owner is the association for paths and legs, NULL for kinds of a DC. Call
	 * responder_accept(), _refuse() or _drop(), at once or later.
	 */
	void (*request)(void *ctx, struct responder *r, uint64_t now, struct hs_job *job);
	/* Run hs_job_run(job) on another thread, then responder_filed() on this one. NULL: inline. */
	void (*compute)(void *ctx, struct hs_job *job);
};

struct responder_conf {
	uint32_t kinds;	    /* set of enum hs_kind served here */
	uint32_t suites;    /* set of enabled suites */
	uint32_t jobs;	    /* most handshakes in work */
	uint32_t cache;	    /* answers kept for repeats */
	uint32_t load_jobs; /* from this many in work on, kinds of a DC need a cookie */
};

/* ops, host, ctx outlive it. NULL: no memory. */
struct responder *responder_create(const struct responder_conf *conf,
				   const struct responder_ops *ops, const struct assoc_host *host,
				   void *ctx);
void responder_destroy(struct responder *r);

/* A packet of type 3. OK: in work or answered by the owner already. Every verdict is counted. */
enum hs_verdict responder_input(struct responder *r, uint64_t now, const struct endpoint *from,
				const uint8_t *pkt, size_t len);

/* Go on with a request: a is the peer's association (side B), whose conf.psk is used. Checks the
 * attempt number (too small: the stale answer), picks index and epoch. tlvs go into handshake 2;
 * -EMSGSIZE: they make it longer than its question, the request is dropped. Else 0.
 */
int responder_accept(struct responder *r, uint64_t now, struct hs_job *job, struct assoc *a,
		     const uint8_t *tlvs, size_t len);
/* Is job's handshake 1 newer than all of a's before? Of one that is not nothing may be taken, authentic
 * though it is: it may be a copy. responder_accept() answers it as stale.
 */
static inline bool responder_is_new(const struct hs_job *job, const struct assoc *a)
{
	return job->attempt > a->peer_attempt;
}
/* Answer with an error that only the holder of psk can read; changes nothing else. */
void responder_refuse(struct responder *r, uint64_t now, struct hs_job *job, const uint8_t *psk,
		      uint16_t code);
/* No answer. */
void responder_drop(struct responder *r, struct hs_job *job);

/* A job that compute() took has run. */
void responder_filed(struct responder *r, uint64_t now, struct hs_job *job);
/* The association goes away: its requests in work are dropped when they come back. Before
 * assoc_fini(): indexes that were made for them are retired.
 */
void responder_forget(struct responder *r, struct assoc *a);

/* counters[HS_VERDICT_COUNT] */
const uint64_t *responder_counters(const struct responder *r);
uint32_t responder_in_work(const struct responder *r);

#endif
