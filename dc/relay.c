/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/relay.h"

#include "dc/core.h"
#include "dc/rs_select.h"

#include <errno.h>
#include <stdlib.h>

/* An RS that has not answered for so long is passed over for this job: two resends of the engine
 * have gone out then, and the node's patience is not used up yet.
 */
#define JOB_PATIENCE_NS 1200000000ULL

struct relay_job {
	TAILQ_ENTRY(relay_job) link;
	struct dc *dc;
	struct relay_want want;
	struct rs_tried tried;
	struct rs *rs;
	struct grant *a, *b; /* as of the last round; looked up again when it is answered */
	unsigned int id_tries;
	relay_done done;
	void *arg;
	uint16_t last_error;
	struct timer timer;
};

int relay_create(struct dc *dc)
{
	struct relay *r = calloc(1, sizeof(*r));
	const struct dc_params *p = &dc->params;

	if (r == NULL)
		return -ENOMEM;
	dc->relay = r;
	TAILQ_INIT(&r->jobs);
	r->rss = calloc(p->rss_max, sizeof(r->rss[0]));
	if (r->rss == NULL || table_init(&r->grants, p->grants_max, dc->rng) < 0 ||
	    table_init(&r->grants_by_id, p->grants_max, dc->rng) < 0 ||
	    table_init(&r->paths, p->paths_max, dc->rng) < 0 ||
	    table_init(&r->paths_by_id, p->paths_max, dc->rng) < 0 ||
	    table_init(&r->bindings, p->bindings_max, dc->rng) < 0 ||
	    table_init(&r->bindings_by_number, p->bindings_max, dc->rng) < 0)
		return -ENOMEM;
	return 0;
}

static void job_free(struct relay_job *j)
{
	struct dc *dc = j->dc;

	TAILQ_REMOVE(&dc->relay->jobs, j, link);
	timer_cancel(&dc->timers, &j->timer);
	if (j->rs != NULL && j->rs->p.ch != NULL)
		control_cancel(&j->rs->p.ch->control, j);
	free(j);
}

static void job_finish(struct relay_job *j, uint16_t status)
{
	struct relay_job copy = *j;

	job_free(j);
	copy.done(copy.dc, copy.dc->now, copy.arg, status, status == 0 ? copy.rs : NULL, copy.a,
		  copy.b);
}

static void job_run(struct relay_job *j, uint64_t now);

/* This RS does not do: it is not asked again by this job. */
static void job_drop_rs(struct relay_job *j, uint16_t error)
{
	j->last_error = error;
	if (j->tried.n < RS_TRIED_MAX)
		j->tried.rs[j->tried.n++] = j->rs;
	if (j->rs->p.ch != NULL)
		control_cancel(&j->rs->p.ch->control, j);
	timer_cancel(&j->dc->timers, &j->timer);
	j->rs = NULL;
}

static void job_next(struct relay_job *j, uint64_t now, uint16_t error)
{
	job_drop_rs(j, error);
	job_run(j, now);
}

static void job_late(void *owner, uint64_t now)
{
	struct relay_job *j = owner;

	dc_count(j->dc, DC_COUNT_RS_TIMEOUT);
	j->rs->is_suspect = true;
	job_next(j, now, MSG_ERR_NO_RS);
}

/* Is all that this job needs known at the RS as it is now? */
static bool is_placed(const struct relay_job *j)
{
	const struct relay_want *w = &j->want;

	return j->a->row.is_there && (j->b == NULL || j->b->row.is_there) &&
	       (w->path == NULL || w->path->row.is_there) &&
	       (w->binding == NULL || w->binding->row.is_there);
}

static void answered(void *ctx, void *arg, const struct msg *m)
{
	struct relay_job *j = arg;
	struct dc *dc = j->dc;
	uint16_t status;

	if (m == NULL) {
		dc_count(dc, DC_COUNT_RS_TIMEOUT);
		rs_down(dc, j->rs);
		job_next(j, dc->now, MSG_ERR_NO_RS);
		return;
	}
	status = relay_answer(dc, j->rs, m);
	if (status == 0 && is_placed(j)) {
		job_finish(j, 0);
		return;
	}
	if (status == MSG_ERR_ID_TAKEN && j->want.path != NULL && j->id_tries++ < 3) {
		path_new_id(dc, j->want.path);
		timer_cancel(&dc->timers, &j->timer);
		job_run(j, dc->now);
		return;
	}
	if (status == MSG_ERR_REFUSED_DST) {
		job_finish(j, status);
		return;
	}
	/* Also an answer to what was renewed meanwhile: another RS, or none, rather than a loop. */
	job_next(j, dc->now, status != 0 ? status : MSG_ERR_NO_RS);
}

static int job_send(struct relay_job *j, uint64_t now)
{
	const struct relay_want *w = &j->want;
	struct dc *dc = j->dc;
	struct msg *m = &dc->tx;

	msg_init(m, MSG_RELAY_DIRECTION, false, 0);
	m->has |= HAS(RELAY_TYPE);
	m->relay_type = w->binding != NULL ? RELAY_NAT : RELAY_SWITCH;
	if (!j->a->row.is_there)
		row_add(dc, now, &j->a->row, m);
	if (j->b != NULL && !j->b->row.is_there)
		row_add(dc, now, &j->b->row, m);
	if (w->path != NULL && !w->path->row.is_there)
		row_add(dc, now, &w->path->row, m);
	if (w->binding != NULL && !w->binding->row.is_there)
		row_add(dc, now, &w->binding->row, m);
	timer_set(&dc->timers, &j->timer, now + JOB_PATIENCE_NS);
	return channel_request(j->rs->p.ch, now, m, answered, j);
}

/* Families that a general host is reached by from this RS: the same as the virtual address where the
 * RS has it, else the other (RFC 7915 at the RS).
 */
static void choose_rips(struct binding *b, const struct rs *rs, struct ip_addr rip4,
			struct ip_addr rip6)
{
	if ((rs->families & FAMILY_V4) == 0)
		memset(&rip4, 0, sizeof(rip4));
	if ((rs->families & FAMILY_V6) == 0)
		memset(&rip6, 0, sizeof(rip6));
	b->rip4 = ip_is_none(&rip4) ? rip6 : rip4;
	b->rip6 = ip_is_none(&rip6) ? rip4 : rip6;
}

static int job_place(struct relay_job *j, uint64_t now)
{
	struct relay_want *w = &j->want;
	struct dc *dc = j->dc;

	j->a = grant_get(dc, now, j->rs, &w->a);
	j->b = w->path != NULL ? grant_get(dc, now, j->rs, &w->b) : NULL;
	if (j->a == NULL || (w->path != NULL && j->b == NULL))
		return -ENOSPC;
	if (w->path != NULL)
		path_place(dc, w->path, j->rs, j->a, j->b);
	if (w->binding != NULL) {
		if (!w->binding->is_live || w->binding->row.rs != j->rs)
			choose_rips(w->binding, j->rs, w->rip4, w->rip6);
		binding_place(dc, now, w->binding, j->rs, j->a);
	}
	return 0;
}

/* True: it is settled, or an RS has been asked. */
static bool job_try(struct relay_job *j, uint64_t now)
{
	struct relay *r = j->dc->relay;

	if (j->rs == NULL && j->tried.n < RS_TRIED_MAX)
		j->rs = rs_select(r->rss, r->rss_n, &j->want, &j->tried);
	if (j->rs == NULL) {
		job_finish(j, j->last_error != 0 ? j->last_error : MSG_ERR_NO_RS);
		return true;
	}
	if (job_place(j, now) < 0) {
		job_finish(j, MSG_ERR_FULL);
		return true;
	}
	j->rs->assigned++;
	if (is_placed(j)) {
		job_finish(j, 0);
		return true;
	}
	if (j->rs->p.ch != NULL && job_send(j, now) == 0)
		return true;
	job_drop_rs(j, MSG_ERR_BUSY);
	return false;
}

static void job_run(struct relay_job *j, uint64_t now)
{
	bool is_done = false;

	while (!is_done)
		is_done = job_try(j, now);
}

void relay_ask(struct dc *dc, uint64_t now, const struct relay_want *w, relay_done done, void *arg)
{
	struct relay_job *j = calloc(1, sizeof(*j));

	if (j == NULL) {
		done(dc, now, arg, MSG_ERR_BUSY, NULL, NULL, NULL);
		return;
	}
	j->dc = dc;
	j->want = *w;
	j->done = done;
	j->arg = arg;
	timer_init(&j->timer, job_late, j);
	TAILQ_INSERT_TAIL(&dc->relay->jobs, j, link);
	job_run(j, now);
}

void relay_leave(struct dc *dc, uint64_t now, const struct rs *rs)
{
	struct relay_job *j;

	TAILQ_FOREACH(j, &dc->relay->jobs, link)
	for (unsigned int i = 0; i < sizeof(j->want.prefer) / sizeof(j->want.prefer[0]); i++)
		if (j->want.prefer[i] == rs)
			j->want.prefer[i] = NULL;
again:
	TAILQ_FOREACH(j, &dc->relay->jobs, link)
	if (j->rs == rs) {
		/* Its end may be that of others: start over. */
		job_next(j, now, MSG_ERR_NO_RS);
		goto again;
	}
}

void relay_cancel(struct dc *dc, const void *arg)
{
	struct relay_job *j, *next;

	for (j = TAILQ_FIRST(&dc->relay->jobs); j != NULL; j = next) {
		next = TAILQ_NEXT(j, link);
		if (j->arg == arg)
			job_free(j);
	}
}

void relay_destroy(struct dc *dc)
{
	struct relay *r = dc->relay;

	while (!TAILQ_EMPTY(&r->jobs))
		job_free(TAILQ_FIRST(&r->jobs));
	for (uint32_t i = 0; i < r->rss_n; i++) {
		relay_forget_rs(dc, r->rss[i]);
		dc_write_cancel(dc, r->rss[i]);
		timer_cancel(&dc->timers, &r->rss[i]->timer);
	}
	binding_fini(dc);
}

void relay_free(struct dc *dc)
{
	struct relay *r = dc->relay;

	table_fini(&r->grants);
	table_fini(&r->grants_by_id);
	table_fini(&r->paths);
	table_fini(&r->paths_by_id);
	table_fini(&r->bindings);
	table_fini(&r->bindings_by_number);
	free(r->rss);
	free(r);
	dc->relay = NULL;
}
