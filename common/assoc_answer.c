/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/assoc.h"
#include "common/assoc_state.h"

#include <string.h>

static bool is_peers_key(const struct assoc *a, const struct hs_job *job)
{
	static const uint8_t any[NOISE_KEY_LEN];

	return a->conf.kind == HS_LEG || memcmp(a->conf.peer_key, any, sizeof(any)) == 0 ||
	       memcmp(a->conf.peer_key, job->peer_key, sizeof(any)) == 0;
}

/* Is this the next epoch of the session there is (by the asker's own index)? */
static bool is_rekey_of(const struct assoc_life *l, const struct hs_job *job)
{
	return l->is_used && l->peer_index == job->clear.peer_index;
}

static enum hs_verdict choose_index(struct assoc *a, struct hs_job *job)
{
	if (is_rekey_of(&a->live, job)) {
		if (job->clear.epoch == a->live.epoch)
			return HS_BAD_EPOCH;
		job->own_index = a->live.own_index;
	} else if (is_rekey_of(&a->pending, job)) {
		job->own_index = a->pending.own_index;
	} else {
		job->own_index = assoc_new_index(a);
	}
	return HS_OK;
}

enum hs_verdict assoc_admit(struct assoc *a, struct hs_job *job)
{
	enum hs_verdict v;

	if (a->conf.is_side_a || job->clear.kind != a->conf.kind || job->clear.id != a->conf.id)
		return HS_BAD_KIND;
	if (job->clear.kind == HS_PATH && job->clear.suite != a->conf.suite)
		return HS_BAD_SUITE;
	if (!is_peers_key(a, job))
		return HS_PEER_KEY;
	memcpy(job->psk, a->conf.psk, sizeof(job->psk));
	if (job->attempt <= a->peer_attempt) {
		job->attempt = a->peer_attempt;
		return HS_STALE;
	}
	v = choose_index(a, job);
	if (v != HS_OK)
		return v;
	a->peer_attempt = job->attempt;
	reset_token(a->host->reset_secret, job->own_index, job->reset_token);
	return HS_OK;
}

static bool is_index_of(const struct assoc_life *l, const struct hs_job *job)
{
	return l->is_used && l->own_index == job->own_index;
}

void assoc_drop_keys(struct assoc *a, struct hs_job *job)
{
	if (!is_index_of(&a->live, job) && !is_index_of(&a->pending, job))
		assoc_release_index(a, job->own_index);
}

enum hs_verdict assoc_take_keys(struct assoc *a, uint64_t now, struct hs_job *job)
{
	bool is_live = is_index_of(&a->live, job);
	bool is_pending = is_index_of(&a->pending, job);
	enum hs_verdict v = HS_OK;

	/* Much may have happened while it was computed. */
	if (job->attempt < a->peer_attempt)
		v = HS_STALE;
	else if (is_live && job->clear.epoch == a->live.epoch)
		v = HS_BAD_EPOCH;
	job->keys.is_fresh = !is_live && !is_pending;
	/* Of a path's very first handshake data may follow at once: A knows its path key. */
	job->keys.may_send = a->conf.kind == HS_PATH && !a->live.is_used;
	if (v == HS_OK && a->host->ops->install(a->ctx, a, now, &job->keys) < 0)
		v = HS_REFUSED;
	if (v != HS_OK) {
		assoc_drop_keys(a, job);
		return v;
	}
	if (a->pending.is_used && !is_pending &&
	    !(a->live.is_used && a->pending.own_index == a->live.own_index))
		a->host->ops->retire(a->ctx, a, a->pending.own_index);
	assoc_set_life(&a->pending, job, now);
	a->handshakes++;
	return HS_OK;
}
