/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/dc_lcore.h"
#include "appliance/dc_shell_impl.h"
#include "appliance/dns_tcp.h"
#include "appliance/hs_pool.h"
#include "appliance/main_loop.h"
#include "appliance/udp_out.h"
#include "common/log.h"
#include "dc/dns_client.h"

#include <rte_cycles.h>

#include <errno.h>
#include <stdlib.h>

LOG_TYPE("dc");

/* ---- what the core asks for; DC lcore ---- */

static void op_send(void *ctx, const struct endpoint *local, const struct endpoint *to,
		    const uint8_t *pkt, size_t len)
{
	const struct config *c =
		atomic_load_explicit(&((struct dc_shell *)ctx)->app->config, memory_order_acquire);
	struct dc_shell *s = ctx;
	struct endpoint from = *local;

	if (from.port == 0) {
		from.port = (uint16_t)c->ntm.port;
		if (udp_source(s->app, &to->ip, &from.ip) < 0)
			return; /* no address of that family: the request is sent again, or fails */
	}
	(void)udp_send(s->app, s->stats, 0, &from, to, pkt, len);
}

static void run_job(void *arg)
{
	hs_job_run(arg);
}

static void op_compute(void *ctx, struct hs_job *job)
{
	struct dc_shell *s = ctx;

	/* The pool's queue has room for every job of both roles; while it stops, jobs are moot. */
	if (hs_pool_submit(s->app->hs_pool, run_job, job, &s->app->dc_mb, 0) < 0)
		s->jobs_lost++;
}

static void op_store(void *ctx, struct dc_write *w)
{
	struct dc_shell *s = ctx;

	store_submit(s->store, w);
}

static const struct dc_ops ops = {
	.send = op_send,
	.compute = op_compute,
	.store = op_store,
	.lookup = dc_lookup_ask,
	.publish = dc_dns_publish,
};

/* ---- mail of the DC lcore ---- */

static void on_packet(struct dc_shell *s, struct rte_mbuf *m, uint64_t now)
{
	const struct pkt_meta *meta = pkt_meta(m);

	dc_input(s->dc, now, &meta->src, &meta->dst, pkt_data(m), meta->data_len);
	s->stats->consumed++;
	rte_pktmbuf_free(m);
}

void dc_request_free(struct dc_request *q)
{
	if (q == NULL)
		return;
	json_decref(q->args);
	json_decref(q->answer);
	explicit_bzero(q, sizeof(*q));
	free(q);
}

void dc_request_answer(struct dc_request *q, int status)
{
	struct dc_shell *s = q->shell;

	q->status = status;
	/* The asker is a person at a socket that times out: waiting for room is no option here. */
	if (mailbox_send(&s->app->control_mb, MAIL_DC_REQUEST, 0, q) < 0)
		dc_request_free(q);
}

static void enrolled(void *arg, int status)
{
	dc_request_answer(arg, status);
}

static void on_request(struct dc_shell *s, struct dc_request *q, uint64_t now)
{
	int ret;

	if (q->op != DC_REQUEST_ENROL_RS) {
		dc_admin_run(s, q, now);
		return;
	}
	ret = dc_enrol(s->dc, now, DC_RS, q->name, q->expiry_sec, q->token, enrolled, q);
	if (ret < 0)
		dc_request_answer(q, ret);
}

static void on_mail(void *ctx, const struct mail *m, uint64_t now)
{
	struct dc_shell *s = ctx;
	struct dc_looked *l = m->ptr;

	switch (m->type) {
	case MAIL_DNS:
		dc_dns_packet(s, m->ptr, (uint16_t)m->arg, now);
		break;
	case MAIL_DC_NTM:
	case MAIL_LINK:
		on_packet(s, m->ptr, now);
		break;
	case MAIL_DONE:
		dc_job_done(s->dc, now, m->ptr);
		break;
	case MAIL_DC_STORED:
		dc_store_done(s->dc, now, m->ptr);
		break;
	case MAIL_DC_LOOKED:
		dc_lookup_done(s->dc, now, l->id, &l->result);
		free(l);
		break;
	case MAIL_DC_DNS_TCP:
		dns_tcp_answer(s->tcp, &s->dns, m->ptr, now, s->params.real_offset_ns);
		break;
	case MAIL_DC_REQUEST:
		on_request(s, m->ptr, now);
		break;
	default:
		break;
	}
}

static uint64_t on_tick(void *ctx, uint64_t now)
{
	struct dc_shell *s = ctx;

	return dc_deadline(s->dc) <= now ? dc_poll(s->dc, now) : dc_deadline(s->dc);
}

/* ---- threads that answer ---- */

/* Until there is room: a durable change must not be forgotten on its way back. */
static void stored(void *ctx, struct dc_write *w)
{
	struct dc_shell *s = ctx;

	while (mailbox_send(&s->app->dc_mb, MAIL_DC_STORED, 0, w) < 0 && !app_stopping(s->app))
		rte_delay_us_sleep(1000);
}

/* ---- requests of the control lcore ---- */

static void on_answer(void *ctx, const struct mail *m, uint64_t now)
{
	struct dc_request *q = m->ptr;

	q->done(q->ctx, q);
}

int dc_shell_ask(struct app *app, struct dc_request *q)
{
	q->shell = app->dc_shell;
	return mailbox_send(&app->dc_mb, MAIL_DC_REQUEST, 0, q);
}

const char *dc_shell_name(const struct dc_shell *s)
{
	return s->params.name;
}

const uint8_t *dc_shell_key(const struct dc_shell *s)
{
	return s->params.self.pub;
}

/* ---- life ---- */

struct load {
	struct dc_shell *s;
	uint32_t records;
};

static int load_one(void *ctx, uint8_t table, const uint8_t *key, size_t key_len,
		    const uint8_t *value, size_t value_len)
{
	struct load *l = ctx;

	l->records++;
	return dc_load(l->s->dc, table, key, key_len, value, value_len);
}

static int load_store(struct dc_shell *s, const struct config *c)
{
	struct load l = {.s = s};
	const char *why;
	int ret = store_open(&s->store, c->dc.store, c->dc.store_bytes, stored, s, &why);

	if (ret < 0) {
		LOG(ERR, "dc.store %s: %s", c->dc.store, why);
		return ret;
	}
	ret = store_walk(s->store, load_one, &l);
	if (ret < 0) {
		LOG(ERR, "dc.store %s: record %u cannot be taken: %s", c->dc.store, l.records,
		    strerror(-ret));
		return ret;
	}
	LOG(INFO, "registry read records=%u store=%s", l.records, c->dc.store);
	return store_start(s->store);
}

static int make_core(struct dc_shell *s, const struct config *c)
{
	const char *why = NULL;
	int ret = dc_params_make(s, c);

	if (ret == 0)
		ret = dc_dns_create(s, c);
	if (ret < 0)
		return ret;
	s->dc = dc_create(&s->params, &ops, s, &s->rng, &why);
	if (s->dc == NULL) {
		LOG(ERR, "dc: %s", why != NULL ? why : "no memory");
		return -EINVAL;
	}
	return load_store(s, c);
}

static void tell_facts(const struct dc_shell *s)
{
	char pool4[PREFIX_TEXT_MAX], pool6[PREFIX_TEXT_MAX];

	LOG(INFO, "dc name=%s zone=%s pool4=%s pool6=%s peers=%u", s->params.name,
	    s->params.zones[0], prefix_format(&s->params.pool4, pool4),
	    prefix_format(&s->params.pool6, pool6), s->params.peers_n);
}

int dc_shell_create(struct app *app)
{
	const struct config *c = atomic_load_explicit(&app->config, memory_order_acquire);
	struct dc_shell *s = calloc(1, sizeof(*s));
	struct dc_service service = {.ctx = s, .msg = on_mail, .tick = on_tick};
	int ret;

	if (s == NULL)
		return -ENOMEM;
	app->dc_shell = s;
	s->app = app;
	rng_init_system(&s->rng);
	ret = make_core(s, c);
	if (ret == 0)
		ret = dc_lookup_create(s, c);
	if (ret < 0)
		return ret;
	app->dc = dc_lcore_create(app, &service);
	if (app->dc == NULL)
		return -ENOMEM;
	s->stats = dc_lcore_stats(app->dc);
	ret = dns_tcp_open(&s->tcp, app, MAIL_DC_DNS_TCP);
	if (ret < 0)
		return ret;
	main_loop_msg_set(app->main_loop, MAIL_DC_REQUEST, on_answer, s);
	ret = main_loop_tick_add(app->main_loop, dc_dns_tick, s);
	if (ret < 0)
		return ret;
	dc_start(s->dc, clock_ns(&app->clock));
	tell_facts(s);
	return 0;
}

/* What the threads gave back after the lcore had ended. */
static void drain(struct dc_shell *s)
{
	struct mail m;

	while (mailbox_take(&s->app->dc_mb, &m, 1) == 1) {
		if (mail_brings_packet(m.type)) {
			s->stats->from_mailbox++;
			burst_drop(s->stats, m.ptr, DROP_STOPPING);
		} else if (m.type == MAIL_DC_REQUEST) {
			dc_request_free(m.ptr);
		} else if (m.type != MAIL_DC_DNS_TCP) { /* those went with dns_tcp */
			on_mail(s, &m, clock_ns(&s->app->clock));
		}
	}
}

void dc_shell_destroy(struct dc_shell *s)
{
	if (s == NULL)
		return;
	dns_tcp_close(s->tcp);
	if (s->client != NULL)
		dns_client_destroy(s->client);
	if (s->store != NULL)
		store_finish(s->store);
	if (s->stats != NULL)
		drain(s);
	if (s->dc != NULL)
		dc_destroy(s->dc);
	store_close(s->store);
	dc_dns_destroy(s);
	free(s->params.peers);
	explicit_bzero(s, sizeof(*s));
	free(s);
}
