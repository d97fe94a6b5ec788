/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/assoc.h"
#include "common/assoc_state.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

static bool conf_is_sane(const struct assoc_host *host, const struct assoc_conf *c)
{
	static const uint8_t none[NOISE_KEY_LEN];

	if (c->kind == HS_LEG)
		return !wire_is_path_id(c->id) && c->id != WIRE_ID_NONE;
	if (host->self == NULL)
		return false;
	if (c->is_side_a && memcmp(c->peer_key, none, sizeof(none)) == 0)
		return false;
	if (c->kind == HS_PATH)
		return wire_is_path_id(c->id) && c->id != 0 && c->path.fqdn_a != NULL &&
		       c->path.fqdn_b != NULL && strlen(c->path.fqdn_a) <= HS_NAME_MAX &&
		       strlen(c->path.fqdn_b) <= HS_NAME_MAX;
	return c->kind >= HS_NODE_DC && c->kind <= HS_RS_DC && c->id == WIRE_ID_NONE;
}

/* The two names, one after the other, in one allocation of ours. */
static int copy_names(struct assoc *a)
{
	struct hs_path *p = &a->conf.path;
	size_t len_a, len_b;

	if (a->conf.kind != HS_PATH)
		return 0;
	len_a = strlen(p->fqdn_a) + 1;
	len_b = strlen(p->fqdn_b) + 1;
	a->names = malloc(len_a + len_b);
	if (a->names == NULL)
		return -ENOMEM;
	memcpy(a->names, p->fqdn_a, len_a);
	memcpy(a->names + len_a, p->fqdn_b, len_b);
	p->fqdn_a = a->names;
	p->fqdn_b = a->names + len_a;
	return 0;
}

int assoc_init(struct assoc *a, const struct assoc_host *host, const struct assoc_conf *conf,
	       void *ctx)
{
	if (!conf_is_sane(host, conf) || (conf->is_side_a && !suite_is_known(conf->suite)))
		return -EINVAL;
	memset(a, 0, sizeof(*a));
	a->conf = *conf;
	a->host = host;
	a->ctx = ctx;
	a->peer_attempt = conf->peer_attempt;
	a->confirm_at_ns = UINT64_MAX;
	return copy_names(a);
}

void assoc_fini(struct assoc *a)
{
	assoc_abandon_job(a);
	if (a->fresh_index != 0)
		assoc_release_index(a, a->fresh_index);
	if (a->pending.is_used && a->pending.own_index != a->live.own_index)
		a->host->ops->retire(a->ctx, a, a->pending.own_index);
	if (a->live.is_used)
		a->host->ops->retire(a->ctx, a, a->live.own_index);
	free(a->names);
	OPENSSL_cleanse(a, sizeof(*a));
}

void assoc_prepare(const struct assoc *a, struct hs_job *job)
{
	const struct hs_path *path = a->conf.kind == HS_PATH ? &a->conf.path : NULL;

	job->prologue_len = (uint16_t)hs_prologue(&job->clear, path, job->prologue);
	if (a->host->self != NULL)
		job->self = *a->host->self;
	memcpy(job->psk, a->conf.psk, sizeof(job->psk));
	hs_job_seed(job, a->host->rng);
}

uint64_t assoc_new_index(struct assoc *a)
{
	return a->conf.kind == HS_PATH ? a->conf.id : a->host->ops->index(a->ctx, a);
}

void assoc_release_index(struct assoc *a, uint64_t own_index)
{
	/* A Path ID is not ours to give back, and its session may be the live one. */
	if (a->conf.kind != HS_PATH)
		a->host->ops->retire(a->ctx, a, own_index);
}

void assoc_set_life(struct assoc_life *l, const struct hs_job *job, uint64_t now)
{
	*l = (struct assoc_life){
		.is_used = true,
		.epoch = job->clear.epoch,
		.own_index = job->own_index,
		.peer_index = job->peer_index,
		.since_ns = now,
	};
	memcpy(l->peer_token, job->peer_reset_token, sizeof(l->peer_token));
}

static void heard_as_side_b(struct assoc *a, uint64_t own_index, uint8_t epoch)
{
	struct assoc_life old = a->live;
	bool is_fresh = !old.is_used || old.own_index != own_index;

	if (!a->pending.is_used || a->pending.own_index != own_index || a->pending.epoch != epoch)
		return;
	a->live = a->pending;
	a->live.is_heard = true;
	memset(&a->pending, 0, sizeof(a->pending));
	if (!is_fresh)
		return;
	if (old.is_used)
		a->host->ops->retire(a->ctx, a, old.own_index);
	a->host->ops->up(a->ctx, a);
}

void assoc_heard(struct assoc *a, uint64_t now, uint64_t own_index, uint8_t epoch)
{
	if (!a->conf.is_side_a) {
		heard_as_side_b(a, own_index, epoch);
		return;
	}
	if (a->live.is_used && a->live.own_index == own_index && a->live.epoch == epoch) {
		a->live.is_heard = true;
		a->confirm_at_ns = UINT64_MAX;
	}
}

static enum hs_verdict read_reset(struct assoc *a, uint64_t now, const uint8_t *pkt, size_t len)
{
	struct assoc_life dead = a->live;

	if (!a->live.is_used)
		return HS_UNEXPECTED;
	if (!reset_check(pkt, len, a->live.peer_index, a->live.peer_token))
		return HS_BAD_TOKEN;
	memset(&a->live, 0, sizeof(a->live));
	a->confirm_at_ns = UINT64_MAX;
	/* A running handshake was for the next epoch of what is dead now. */
	assoc_abandon_job(a);
	if (!a->pending.is_used || a->pending.own_index != dead.own_index)
		a->host->ops->retire(a->ctx, a, dead.own_index);
	a->host->ops->failed(a->ctx, a, ASSOC_RESET, 0);
	if (a->conf.is_side_a && !a->is_stopped && a->job == NULL)
		assoc_begin(a, now);
	return HS_OK;
}

static enum hs_verdict read_cookie(struct assoc *a, uint64_t now, const uint8_t *pkt, size_t len)
{
	struct hs_job *j = a->job;

	if (j == NULL || !a->is_waiting || a->job_is_out || a->conf.id != WIRE_ID_NONE)
		return HS_UNEXPECTED;
	if (cookie_open(a->conf.peer_key, j->hs1, j->hs1_len, pkt, len, a->cookie) < 0)
		return HS_BAD_COOKIE;
	a->has_cookie = true;
	a->cookie_ns = now;
	cookie_write_macs(a->conf.peer_key, a->cookie, j->hs1, j->hs1_len);
	a->host->ops->send(a->ctx, a, j->hs1, j->hs1_len, a->tries++);
	return HS_OK;
}

static enum hs_verdict read_answer(struct assoc *a, const uint8_t *pkt, size_t len)
{
	struct hs_job *j = a->job;
	struct wire_fields f;

	if (j == NULL || !a->is_waiting)
		return HS_UNEXPECTED;
	if (a->job_is_out)
		return HS_IN_WORK;
	if (len < WIRE_HS2_NOISE + NOISE_2_OVERHEAD)
		return HS_SHORT;
	if (len > j->hs1_len)
		return HS_LONG;
	if (wire_parse(pkt, len, &f) != WIRE_OK || f.seq != 0 ||
	    f.flags != (j->clear.flags & ~WIRE_SIDE_A))
		return HS_BAD_HEADER;
	if (f.id != j->own_index)
		return HS_UNEXPECTED;
	memcpy(j->hs2, pkt, len);
	j->hs2_len = (uint16_t)len;
	j->work = HS_READ_2;
	return HS_OK;
}

enum hs_verdict assoc_input(struct assoc *a, uint64_t now, const uint8_t *pkt, size_t len)
{
	struct wire_fields f;
	enum hs_verdict v = HS_BAD_HEADER;

	if (wire_parse(pkt, len, &f) != WIRE_OK) {
		a->counters[v]++;
		return v;
	}
	if (f.type == WIRE_HANDSHAKE_2) {
		v = read_answer(a, pkt, len);
		if (v == HS_OK)
			return assoc_run(a, now);
	} else if (f.type == WIRE_COOKIE) {
		v = read_cookie(a, now, pkt, len);
	} else if (f.type == WIRE_RESET) {
		v = read_reset(a, now, pkt, len);
	}
	a->counters[v]++;
	return v;
}

uint64_t assoc_poll(struct assoc *a, uint64_t now)
{
	return a->conf.is_side_a ? assoc_poll_open(a, now) : UINT64_MAX;
}
