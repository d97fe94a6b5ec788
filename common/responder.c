/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/responder.h"
#include "common/assoc_state.h"
#include "common/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct responder {
	struct responder_conf conf;
	const struct responder_ops *ops;
	const struct assoc_host *host;
	void *ctx;
	struct cookie_jar jar;
	struct hs_cache *cache;
	struct hs_job *jobs; /* conf.jobs of them */
	struct hs_job *free;
	uint32_t in_work;
	uint64_t counters[HS_VERDICT_COUNT];
};

struct responder *responder_create(const struct responder_conf *conf,
				   const struct responder_ops *ops, const struct assoc_host *host,
				   void *ctx)
{
	struct responder *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->conf = *conf;
	r->ops = ops;
	r->host = host;
	r->ctx = ctx;
	r->cache = hs_cache_create(conf->cache);
	r->jobs = calloc(conf->jobs, sizeof(r->jobs[0]));
	if (r->cache == NULL || r->jobs == NULL) {
		responder_destroy(r);
		return NULL;
	}
	for (uint32_t i = 0; i < conf->jobs; i++) {
		r->jobs[i].next = r->free;
		r->free = &r->jobs[i];
	}
	if (host->self != NULL)
		cookie_jar_init(&r->jar, host->self->pub);
	return r;
}

void responder_destroy(struct responder *r)
{
	if (r == NULL)
		return;
	for (uint32_t i = 0; r->jobs != NULL && i < r->conf.jobs; i++)
		hs_job_wipe(&r->jobs[i]);
	free(r->jobs);
	hs_cache_destroy(r->cache);
	free(r);
}

const uint64_t *responder_counters(const struct responder *r)
{
	return r->counters;
}

uint32_t responder_in_work(const struct responder *r)
{
	return r->in_work;
}

static enum hs_verdict count(struct responder *r, enum hs_verdict v)
{
	r->counters[v]++;
	return v;
}

static struct hs_job *job_take(struct responder *r)
{
	struct hs_job *j = r->free;

	if (j == NULL)
		return NULL;
	r->free = j->next;
	j->next = NULL;
	r->in_work++;
	return j;
}

/* The end of a handshake 1, good or bad: every one is counted once. */
static void job_done(struct responder *r, struct hs_job *j, enum hs_verdict v)
{
	hs_job_wipe(j);
	j->next = r->free;
	r->free = j;
	r->in_work--;
	count(r, v);
}

static void compute(struct responder *r, uint64_t now, struct hs_job *j)
{
	if (r->ops->compute != NULL) {
		r->ops->compute(r->ctx, j);
		return;
	}
	hs_job_run(j);
	responder_filed(r, now, j);
}

/* Without an answer: the same bytes may be tried again. */
static void job_end(struct responder *r, struct hs_job *j, enum hs_verdict v)
{
	hs_cache_forget(r->cache, j->cache_key);
	job_done(r, j, v);
}

/* MACs of handshake 1 to a DC. OK: its sender knows our key and, under load, has its address. */
static enum hs_verdict check_macs(struct responder *r, uint64_t now, const struct endpoint *from,
				  const uint8_t *pkt, size_t len)
{
	uint8_t reply[WIRE_COOKIE_LEN];

	if (!cookie_check_mac1(&r->jar, pkt, len))
		return HS_BAD_MAC1;
	if (r->in_work < r->conf.load_jobs ||
	    cookie_check_mac2(&r->jar, now, r->host->rng, from, pkt, len))
		return HS_OK;
	cookie_reply(&r->jar, now, r->host->rng, from, pkt, len, reply);
	r->ops->send(r->ctx, from, reply, sizeof(reply));
	return HS_COOKIE_SENT;
}

static enum hs_verdict check_repeat(struct responder *r, uint64_t now, const struct endpoint *from,
				    const uint8_t key[32])
{
	const uint8_t *answer;
	size_t len;

	switch (hs_cache_begin(r->cache, now, key, &answer, &len)) {
	case HS_CACHE_DONE:
		r->ops->send(r->ctx, from, answer, len);
		return HS_REPEATED;
	case HS_CACHE_IN_WORK:
		return HS_IN_WORK;
	case HS_CACHE_FULL:
		return HS_BUSY;
	default:
		return HS_OK;
	}
}

/* What a kind that names its association needs of it before any Diffie-Hellman. */
static enum hs_verdict find_assoc(struct responder *r, const struct hs_clear *c, struct assoc **a)
{
	*a = NULL;
	if (c->id == WIRE_ID_NONE)
		return HS_OK;
	*a = r->ops->find(r->ctx, c);
	if (*a == NULL)
		return HS_UNKNOWN_ID;
	return (*a)->conf.is_side_a || (*a)->conf.kind != c->kind ? HS_BAD_KIND : HS_OK;
}

static enum hs_verdict start_job(struct responder *r, uint64_t now, const struct endpoint *from,
				 const struct hs_clear *c, const uint8_t *pkt, size_t len,
				 const uint8_t key[32])
{
	struct assoc *a;
	enum hs_verdict v = find_assoc(r, c, &a);
	struct hs_job *j = v == HS_OK ? job_take(r) : NULL;

	if (j == NULL) {
		hs_cache_forget(r->cache, key);
		return v == HS_OK ? HS_BUSY : v;
	}
	j->work = HS_READ_1;
	j->clear = *c;
	j->owner = a;
	j->from = *from;
	j->started_ns = now;
	memcpy(j->cache_key, key, sizeof(j->cache_key));
	memcpy(j->hs1, pkt, len);
	j->hs1_len = (uint16_t)len;
	if (a != NULL) {
		assoc_prepare(a, j);
	} else {
		j->prologue_len = (uint16_t)hs_prologue(c, NULL, j->prologue);
		j->self = *r->host->self;
		hs_job_seed(j, r->host->rng);
	}
	compute(r, now, j);
	return HS_OK;
}

enum hs_verdict responder_input(struct responder *r, uint64_t now, const struct endpoint *from,
				const uint8_t *pkt, size_t len)
{
	struct hs_clear c;
	enum hs_verdict v = hs_clear_parse(pkt, len, &c);
	bool has_macs = v == HS_OK && c.id == WIRE_ID_NONE;
	uint8_t key[HASH_LEN];

	if (v == HS_OK &&
	    ((r->conf.kinds >> c.kind & 1) == 0 || (c.kind != HS_LEG && r->host->self == NULL)))
		v = HS_BAD_KIND;
	if (v == HS_OK && (r->conf.suites >> c.suite & 1) == 0)
		v = HS_BAD_SUITE;
	if (v == HS_OK && has_macs)
		v = check_macs(r, now, from, pkt, len);
	if (v != HS_OK)
		return count(r, v);
	/* MACs change with the cookie, the handshake does not. */
	hash_sha256(pkt, len - (has_macs ? 2 * WIRE_MAC_LEN : 0), NULL, 0, key);
	v = check_repeat(r, now, from, key);
	if (v != HS_OK)
		return count(r, v);
	v = start_job(r, now, from, &c, pkt, len, key);
	return v == HS_OK ? v : count(r, v);
}

static void answer(struct responder *r, uint64_t now, struct hs_job *j, uint16_t error,
		   const uint8_t *tlvs, size_t len)
{
	j->work = HS_WRITE_2;
	j->error = error;
	if (len > 0)
		memcpy(j->payload, tlvs, len);
	j->payload_len = (uint16_t)len;
	compute(r, now, j);
}

int responder_accept(struct responder *r, uint64_t now, struct hs_job *job, struct assoc *a,
		     const uint8_t *tlvs, size_t len)
{
	size_t fixed = WIRE_HS2_NOISE + NOISE_2_OVERHEAD + HS_OWN_TLV_LEN;
	enum hs_verdict v;

	if (fixed + len > job->hs1_len) {
		job_end(r, job, HS_LONG);
		return -EMSGSIZE;
	}
	v = assoc_admit(a, job);
	job->owner = a;
	if (v == HS_OK)
		answer(r, now, job, 0, tlvs, len);
	else if (v == HS_STALE)
		answer(r, now, job, HS_ERROR_STALE, NULL, 0);
	else
		job_end(r, job, v);
	return 0;
}

void responder_refuse(struct responder *r, uint64_t now, struct hs_job *job, const uint8_t *psk,
		      uint16_t code)
{
	memcpy(job->psk, psk, sizeof(job->psk));
	answer(r, now, job, code, NULL, 0);
}

void responder_drop(struct responder *r, struct hs_job *job)
{
	job_end(r, job, HS_REFUSED);
}

/* Handshake 2 is written: keys first, then send it, for data may follow at once. */
static void finish(struct responder *r, uint64_t now, struct hs_job *j)
{
	struct assoc *a = j->owner;
	enum hs_verdict v = j->verdict;

	if (j->error == 0) {
		if (a == NULL)
			v = HS_UNKNOWN_ID;
		else if (v == HS_OK)
			v = assoc_take_keys(a, now, j);
		else
			assoc_drop_keys(a, j);
	}
	if (v == HS_OK) {
		r->ops->send(r->ctx, &j->from, j->hs2, j->hs2_len);
		hs_cache_finish(r->cache, now, j->cache_key, j->hs2, j->hs2_len);
		v = j->error == 0 ? HS_OK : j->error == HS_ERROR_STALE ? HS_STALE : HS_REFUSED;
		job_done(r, j, v);
		return;
	}
	job_end(r, j, v);
}

void responder_filed(struct responder *r, uint64_t now, struct hs_job *job)
{
	if (job->work == HS_WRITE_2) {
		finish(r, now, job);
		return;
	}
	if (job->verdict != HS_OK) {
		job_end(r, job, job->verdict);
		return;
	}
	/* The association of a path or leg went away meanwhile. */
	if (job->clear.id != WIRE_ID_NONE && job->owner == NULL) {
		job_end(r, job, HS_UNKNOWN_ID);
		return;
	}
	r->ops->request(r->ctx, r, now, job);
}

void responder_forget(struct responder *r, struct assoc *a)
{
	for (uint32_t i = 0; i < r->conf.jobs; i++) {
		struct hs_job *j = &r->jobs[i];

		if (j->owner != a)
			continue;
		/* Answered with keys that nobody will take: the index made for them goes back. */
		if (j->work == HS_WRITE_2 && j->error == 0)
			assoc_drop_keys(a, j);
		j->owner = NULL;
	}
}
