/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/assoc.h"
#include "common/assoc_state.h"

#include <stdlib.h>
#include <string.h>

enum {
	STALE_MAX = 3, /* stale answers taken at once; afterwards the next try waits */
	SENDS = 5,
	CONFIRMS = 10,
};

#define MSEC 1000000ULL
#define SEC (1000 * MSEC)

/* When a handshake 1 is sent again, after the first time. */
static const uint64_t resend_at[SENDS] = {0, 150 * MSEC, 400 * MSEC, 900 * MSEC, 1900 * MSEC};
static const uint64_t give_up_after = 10 * SEC;
static const uint64_t cookie_life = COOKIE_LIFE_SEC * SEC;
/* Until the peer was heard under new keys: the same series, then every 5 s. */
static const uint64_t confirm_pause = 5 * SEC;

void assoc_abandon_job(struct assoc *a)
{
	struct hs_job *j = a->job;

	a->job = NULL;
	a->is_waiting = false;
	if (j == NULL)
		return;
	if (a->job_is_out) {
		j->owner = NULL; /* assoc_filed() frees it */
		a->job_is_out = false;
		return;
	}
	hs_job_wipe(j);
	free(j);
}

static void fail(struct assoc *a, enum assoc_failure why, uint16_t code)
{
	assoc_abandon_job(a);
	a->is_stopped = true;
	a->host->ops->failed(a->ctx, a, why, code);
}

static uint64_t opening_index(struct assoc *a)
{
	if (a->live.is_used)
		return a->live.own_index;
	if (a->conf.kind == HS_PATH)
		return a->conf.id;
	if (a->fresh_index == 0)
		a->fresh_index = assoc_new_index(a);
	return a->fresh_index;
}

static int fill_job(struct assoc *a, struct hs_job *j, uint64_t now)
{
	size_t cap = a->conf.kind == HS_PATH ? (size_t)HS_PAYLOAD_PATH_MAX : sizeof(j->payload);
	int n;

	j->owner = a;
	j->work = HS_WRITE_1;
	j->clear.id = a->conf.id;
	j->clear.kind = a->conf.kind;
	j->clear.suite = a->conf.suite;
	j->clear.epoch = a->live.is_used ? (a->live.epoch + 1) & (WIRE_EPOCHS - 1) : 0;
	j->clear.flags = wire_flags(true, j->clear.epoch, 0);
	j->own_index = opening_index(a);
	memcpy(j->peer_key, a->conf.peer_key, sizeof(j->peer_key));
	assoc_prepare(a, j);
	reset_token(a->host->reset_secret, j->own_index, j->reset_token);
	j->attempt = hs_attempt_next(a->host->attempts, now);
	n = a->host->ops->payload(a->ctx, a, j->payload, cap);
	if (n >= 0)
		j->payload_len = (uint16_t)n;
	return n;
}

void assoc_begin(struct assoc *a, uint64_t now)
{
	struct hs_job *j;

	assoc_abandon_job(a);
	a->is_stopped = false;
	j = calloc(1, sizeof(*j));
	if (j == NULL || fill_job(a, j, now) < 0) {
		if (j != NULL)
			hs_job_wipe(j); /* it has our keys */
		free(j);
		fail(a, ASSOC_LOCAL, 0);
		return;
	}
	a->job = j;
	a->tries = 0;
	/* 10 % of jitter, so that a thousand askers of a host that was away do not come as one. */
	a->give_up_ns = now + give_up_after + rng_below(a->host->rng, give_up_after / 10);
	assoc_run(a, now);
}

void assoc_start(struct assoc *a, uint64_t now)
{
	if (!a->conf.is_side_a)
		return;
	a->stale_n = 0;
	assoc_begin(a, now);
}

void assoc_stop(struct assoc *a)
{
	assoc_abandon_job(a);
	a->is_stopped = true;
	a->confirm_at_ns = UINT64_MAX;
}

void assoc_rekey(struct assoc *a, uint64_t now)
{
	/* A peer that was not heard under the live keys asks about the ones before them. The keys after
	 * them could be there before what we send under them, and would take their place.
	 */
	if (a->conf.is_side_a && a->live.is_used && a->live.is_heard && a->job == NULL)
		assoc_start(a, now);
}

uint64_t assoc_pending_index(const struct assoc *a)
{
	return a->job != NULL ? a->job->own_index : 0;
}

static void send_first(struct assoc *a, uint64_t now)
{
	struct hs_job *j = a->job;

	if (a->conf.id == WIRE_ID_NONE) {
		if (a->has_cookie && now - a->cookie_ns >= cookie_life)
			a->has_cookie = false;
		cookie_write_macs(a->conf.peer_key, a->has_cookie ? a->cookie : NULL, j->hs1,
				  j->hs1_len);
	}
	a->is_waiting = true;
	a->sent_ns = now;
	a->next_send_ns = now + resend_at[1];
	a->tries = 1;
	a->host->ops->send(a->ctx, a, j->hs1, j->hs1_len, 0);
}

static void schedule_rekey(struct assoc *a, uint64_t now)
{
	uint64_t period = a->conf.limits.control_rekey_ns;

	a->rekey_at_ns = now + period - period / 10 + rng_below(a->host->rng, period / 5 + 1);
}

/* An authentic handshake 2 with keys. */
static void take_keys(struct assoc *a, uint64_t now, struct hs_job *j)
{
	const struct assoc_ops *ops = a->host->ops;
	bool is_fresh = !a->live.is_used;

	if (ops->answer(a->ctx, a, j->payload, j->payload_len) < 0) {
		fail(a, ASSOC_LOCAL, 0);
		return;
	}
	j->keys.is_fresh = is_fresh;
	j->keys.may_send = true;
	if (ops->install(a->ctx, a, now, &j->keys) < 0) {
		fail(a, ASSOC_LOCAL, 0);
		return;
	}
	a->fresh_index = 0;
	assoc_set_life(&a->live, j, now);
	a->handshakes++;
	a->stale_n = 0;
	assoc_abandon_job(a);
	schedule_rekey(a, now);
	a->confirms = 0;
	a->confirm_at_ns = now;
	if (is_fresh)
		ops->up(a->ctx, a);
	assoc_poll_open(a, now);
}

static void take_error(struct assoc *a, uint64_t now, struct hs_job *j)
{
	if (j->error != HS_ERROR_STALE) {
		fail(a, ASSOC_REFUSED, j->error);
		return;
	}
	hs_attempt_raise(a->host->attempts, j->attempt);
	if (a->stale_n++ < STALE_MAX)
		assoc_begin(a, now);
	else
		a->next_send_ns = UINT64_MAX; /* the next try comes when this one is given up */
}

static enum hs_verdict read_answer_done(struct assoc *a, uint64_t now, struct hs_job *j)
{
	enum hs_verdict v = j->verdict;

	a->counters[v]++;
	if (v != HS_OK)
		return v; /* forged or damaged: go on waiting */
	if (j->error != 0)
		take_error(a, now, j);
	else
		take_keys(a, now, j);
	return HS_OK;
}

static enum hs_verdict step_done(struct assoc *a, uint64_t now)
{
	struct hs_job *j = a->job;

	if (j->work == HS_READ_2)
		return read_answer_done(a, now, j);
	if (j->verdict == HS_OK) {
		send_first(a, now);
		return HS_OK;
	}
	a->counters[j->verdict]++;
	fail(a, ASSOC_LOCAL, 0);
	return HS_OK;
}

enum hs_verdict assoc_run(struct assoc *a, uint64_t now)
{
	if (a->host->ops->compute != NULL) {
		a->job_is_out = true;
		a->host->ops->compute(a->ctx, a->job);
		return HS_OK;
	}
	hs_job_run(a->job);
	return step_done(a, now);
}

void assoc_filed(struct hs_job *job, uint64_t now)
{
	struct assoc *a = job->owner;

	if (a == NULL) {
		hs_job_wipe(job);
		free(job);
		return;
	}
	a->job_is_out = false;
	step_done(a, now);
}

static void resend(struct assoc *a, uint64_t now)
{
	unsigned int i;

	/* Cookies count as sends too: what is due is told by the time, not by the tries. */
	for (i = 1; i < SENDS && a->sent_ns + resend_at[i] <= now; i++)
		;
	a->next_send_ns = i < SENDS ? a->sent_ns + resend_at[i] : UINT64_MAX;
	a->host->ops->send(a->ctx, a, a->job->hs1, a->job->hs1_len, a->tries++);
}

static void poll_handshake(struct assoc *a, uint64_t now)
{
	if (now >= a->give_up_ns) {
		assoc_abandon_job(a);
		a->host->ops->failed(a->ctx, a, ASSOC_TIMEOUT, 0);
		if (!a->is_stopped && a->job == NULL)
			assoc_start(a, now);
		return;
	}
	if (a->is_waiting && now >= a->next_send_ns)
		resend(a, now);
}

static void poll_confirm(struct assoc *a, uint64_t now)
{
	uint64_t wait = confirm_pause;

	if (now < a->confirm_at_ns)
		return;
	a->confirms++;
	if (a->confirms < SENDS)
		wait = resend_at[a->confirms] - resend_at[a->confirms - 1];
	a->confirm_at_ns = a->confirms < CONFIRMS ? now + wait : UINT64_MAX;
	a->host->ops->confirm(a->ctx, a, a->live.own_index);
}

/* When the live keys are to be renewed; UINT64_MAX as long as nothing asks for it. */
static uint64_t rekey_due(const struct assoc *a)
{
	if (!a->live.is_used || a->is_stopped)
		return UINT64_MAX;
	if (a->conf.is_control_only)
		return a->rekey_at_ns;
	if (a->used_ns <= a->live.since_ns)
		return UINT64_MAX;
	return a->live.since_ns + a->conf.limits.rekey_after_ns;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t assoc_poll_open(struct assoc *a, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	if (a->job == NULL && now >= rekey_due(a))
		assoc_start(a, now);
	if (a->job != NULL)
		poll_handshake(a, now);
	poll_confirm(a, now);
	if (a->job == NULL)
		next = rekey_due(a);
	else
		next = a->is_waiting ? least(a->next_send_ns, a->give_up_ns) : a->give_up_ns;
	return least(next, a->confirm_at_ns);
}
