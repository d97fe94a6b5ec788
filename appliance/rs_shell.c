/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/aead.h"
#include "appliance/dc_shell.h"
#include "appliance/hs_pool.h"
#include "appliance/main_loop.h"
#include "appliance/rs_shell_impl.h"
#include "appliance/udp_out.h"
#include "common/log.h"
#include "common/state_dir.h"

#include <rte_cycles.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

LOG_TYPE("rs");

enum { TOKEN_LIFE_SEC = 600, MAIL_RS_JOB = 1 };

static const struct config *config_of(const struct rs_shell *s)
{
	return atomic_load_explicit(&s->app->config, memory_order_acquire);
}

/* ---- what RS control asks for; control lcore ---- */

static void op_send(void *ctx, uint16_t local, const struct endpoint *to, const uint8_t *pkt,
		    size_t len)
{
	struct rs_shell *s = ctx;
	const struct endpoint *from = rs_dp_local(s->dp, local);
	int worker = rs_dp_local_worker(s->dp, local);

	if (from != NULL)
		(void)udp_send(s->app, s->stats, worker < 0 ? 0 : (uint16_t)worker, from, to, pkt,
			       len);
}

static void op_send_dc(void *ctx, const struct endpoint *to, const uint8_t *pkt, size_t len)
{
	struct rs_shell *s = ctx;
	struct endpoint from = {.port = (uint16_t)config_of(s)->ntm.base_port};

	if (udp_source(s->app, &to->ip, &from.ip) < 0)
		return; /* no address of that family yet: it will be sent again */
	(void)udp_send(s->app, s->stats, 0, &from, to, pkt, len);
}

static void run_job(void *arg)
{
	hs_job_run(arg);
}

static void op_compute(void *ctx, struct hs_job *job)
{
	struct rs_shell *s = ctx;

	/* The pool's queue has room for every job of both roles; while it stops, jobs are moot. */
	if (hs_pool_submit(s->app->hs_pool, run_job, job, &s->app->control_mb, MAIL_RS_JOB) < 0)
		s->jobs_lost++;
}

static int op_save_psk(void *ctx, const uint8_t psk[KEY_LEN])
{
	struct rs_shell *s = ctx;
	int ret = state_dir_write(s->store, "rs.psk", psk, KEY_LEN);

	if (ret < 0)
		LOG(ERR, "key with the DC cannot be kept in %s: %s", s->store, strerror(-ret));
	else
		LOG(NOTICE, "enrolled at the DC name=%s dc=%s", s->params.name, s->params.dc_name);
	return ret;
}

/* Share of the workers' time that went into stages since the last call. */
static uint32_t op_busy(void *ctx)
{
	struct rs_shell *s = ctx;
	uint64_t cycles = 0, tsc = rte_rdtsc(), spent, passed;

	for (uint16_t i = 0; i < s->app->n_workers; i++)
		for (unsigned int st = 0; st < STAGE_MAX; st++)
			cycles += s->app->workers[i].stats.stage[st].cycles;
	spent = cycles - s->busy_cycles;
	passed = (tsc - s->busy_tsc) * s->app->n_workers;
	s->busy_cycles = cycles;
	s->busy_tsc = tsc;
	return passed == 0 ? 0 : (uint32_t)RTE_MIN(spent * 1000 / passed, (uint64_t)1000);
}

static const struct rs_control_ops ops = {
	.send = op_send,
	.send_dc = op_send_dc,
	.compute = op_compute,
	.save_psk = op_save_psk,
	.busy = op_busy,
};

/* ---- endpoints ---- */

static int add_endpoint(struct rs_shell *s, const struct ip_addr *ip, uint32_t port, int worker)
{
	const struct endpoint e = {.ip = *ip, .port = (uint16_t)port};
	int ret = port == 0 ? 0 : rs_dp_local_add(s->dp, &e, worker);

	return ret < 0 ? ret : 0;
}

static int add_address(struct rs_shell *s, const struct config *c, const struct ip_addr *ip)
{
	int ret = 0;

	if (!ip_is_v4(ip) && ip->b[0] == 0xfe) /* link-local: no node can be told of it */
		return 0;
	for (uint16_t i = 0; i < s->app->n_workers && ret == 0; i++)
		ret = add_endpoint(s, ip, c->ntm.base_port + i, i);
	if (ret == 0)
		ret = add_endpoint(s, ip, c->ntm.alt_port, -1);
	if (ret == 0 && !config_has_role(c, ROLE_DC))
		ret = add_endpoint(s, ip, c->ntm.port, -1);
	return ret;
}

/* Endpoints are never taken away: a leg may still name one. An address that is gone hears nothing. */
static int add_endpoints(struct rs_shell *s)
{
	const struct local_table *t = atomic_load_explicit(&s->app->local, memory_order_acquire);
	const struct config *c = config_of(s);
	const struct local_addr *addrs;
	int ret = 0;
	uint32_t n;

	if (t == s->local)
		return 0;
	s->local = t;
	addrs = local_addrs(t, &n);
	for (uint32_t i = 0; i < n && ret == 0; i++)
		ret = add_address(s, c, &addrs[i].ip);
	if (ret < 0)
		LOG(ERR, "own endpoints: %s", strerror(-ret));
	return ret;
}

/* ---- the way to the DC ---- */

static int create_control(struct rs_shell *s)
{
	s->control = rs_control_create(&s->params, &ops, s->dp, &s->rng, s);
	if (s->control == NULL) {
		LOG(ERR, "RS control: no memory (rs.legs, rs.paths)");
		return -ENOMEM;
	}
	LOG(INFO, "rs name=%s dc=%s endpoints=%u legs=%u paths=%u %s", s->params.name,
	    s->params.dc_name, rs_dp_local_count(s->dp), s->params.legs_max, s->params.paths_max,
	    s->params.has_token ? "joins by its token" : "is enrolled");
	return 0;
}

/* The DC of this process made a token for us, as it does for any other RS. */
static void on_token(void *ctx, struct dc_request *q)
{
	struct rs_shell *s = ctx;

	if (q->status < 0) {
		LOG(ERR, "the DC does not take this RS: %s", strerror(-q->status));
	} else {
		memcpy(s->params.psk, q->token, KEY_LEN);
		s->params.has_token = true;
		(void)create_control(s);
	}
	dc_request_free(q);
}

static int ask_token(struct rs_shell *s)
{
	struct dc_request *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return -ENOMEM;
	q->op = DC_REQUEST_ENROL_RS;
	q->expiry_sec = TOKEN_LIFE_SEC;
	q->done = on_token;
	q->ctx = s;
	snprintf(q->name, sizeof(q->name), "%s", s->params.name);
	return dc_shell_ask(s->app, q);
}

/* The lasting PSK of an earlier run. */
static bool has_psk(struct rs_shell *s)
{
	return state_dir_read(s->store, "rs.psk", s->params.psk, KEY_LEN) == KEY_LEN;
}

static int join_own_dc(struct rs_shell *s, const struct config *c)
{
	struct ip_addr any4 = ip_from_v4(0), any6 = {.b = {0x20}};
	struct rs_control_params *p = &s->params;

	snprintf(p->name, sizeof(p->name), "%.*s", NAME_MAX_LEN, c->rs.name);
	snprintf(p->dc_name, sizeof(p->dc_name), "%s", dc_shell_name(s->app->dc_shell));
	memcpy(p->dc_key, dc_shell_key(s->app->dc_shell), NOISE_KEY_LEN);
	if (udp_source(s->app, &any4, &p->dc[0].ip) < 0 &&
	    (udp_source(s->app, &any6, &p->dc[0].ip) < 0 || p->dc[0].ip.b[0] == 0xfe)) {
		if (!s->wants_address)
			LOG(WARN, "no interface has an address yet");
		s->wants_address = true;
		return 0;
	}
	s->wants_address = false;
	p->dc[0].port = (uint16_t)c->ntm.port;
	p->dc_n = 1;
	return has_psk(s) ? create_control(s) : ask_token(s);
}

static int join_by_string(struct rs_shell *s, const struct config *c)
{
	struct rs_control_params *p = &s->params;
	struct join j;

	if (join_parse(c->rs.join, &j) < 0)
		return -EINVAL;
	snprintf(p->name, sizeof(p->name), "%s", j.name);
	snprintf(p->dc_name, sizeof(p->dc_name), "%s", j.dc);
	memcpy(p->dc_key, j.dc_key, NOISE_KEY_LEN);
	memcpy(p->dc, c->rs.dc, sizeof(p->dc));
	p->dc_n = c->rs.n_dc;
	p->has_token = !has_psk(s);
	if (p->has_token)
		memcpy(p->psk, j.token, KEY_LEN);
	return create_control(s);
}

static int make_params(struct rs_shell *s, const struct config *c)
{
	struct rs_control_params *p = &s->params;
	struct timespec ts;
	int ret = state_dir_make(s->store);

	if (ret == 0)
		ret = state_dir_secret(s->store, "rs.key", &s->rng, p->self.priv, NOISE_KEY_LEN);
	if (ret == 0)
		ret = noise_keypair_public(&p->self);
	if (ret == 0)
		ret = state_dir_secret(s->store, "rs.reset", &s->rng, p->reset_secret,
				       RESET_SECRET_LEN);
	if (ret < 0) {
		LOG(ERR, "keys in %s: %s", s->store, strerror(-ret));
		return ret;
	}
	clock_gettime(CLOCK_REALTIME, &ts);
	p->clock_offset_ns =
		(int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec - (int64_t)clock_ns(&s->app->clock);
	p->suites = config_suites(c);
	p->limits = c->limits;
	p->legs_max = c->rs.legs;
	p->paths_max = c->rs.paths;
	p->handshakes_max = RS_HANDSHAKES_MAX;
	return 0;
}

/* ---- life ---- */

static void refuse(struct rs_dp_config *dc, const struct ip_prefix *p)
{
	if (p->len > 0 && dc->n_refused < RS_PREFIXES_MAX)
		dc->refused[dc->n_refused++] = *p;
}

/* Never a general host: this box and what its roles hand out. */
static void refuse_own(struct rs_dp_config *dc, const struct config *c)
{
	struct ip_prefix p = {.len = 128};
	uint8_t len;

	for (uint32_t f = 0; f < c->n_ifaces; f++)
		for (uint32_t i = 0; i < c->ifaces[f].n_addresses; i++)
			if (config_address_parse(c->ifaces[f].addresses[i], &p.ip, &len) == 0)
				refuse(dc, &p);
	for (uint32_t i = 0; i < c->rs.n_pools; i++)
		refuse(dc, &c->rs.pools[i].prefix);
	refuse(dc, &c->dc.pool4);
	refuse(dc, &c->dc.pool6);
	refuse(dc, &c->dc.gn4);
	refuse(dc, &c->dc.gn6);
}

static void configure_nat(struct rs_dp_config *dc, const struct config *c)
{
	dc->nat.n_ranges = config_nat_ranges(c, dc->nat.ranges);
	dc->nat.flows_max = c->rs.nat.flows;
	dc->nat.subscriber_ports = c->rs.nat.subscriber_ports;
	dc->nat.subscriber_flows = c->rs.nat.subscriber_flows;
	dc->nat.endpoint_independent = c->rs.nat.filter == NAT_FILTER_ENDPOINT;
	dc->nat.refuse_hairpin = !c->rs.nat.hairpin;
	dc->nat.udp_ns = c->rs.nat.udp_ns;
	dc->nat.tcp_open_ns = c->rs.nat.tcp_open_ns;
	dc->nat.tcp_half_ns = c->rs.nat.tcp_half_ns;
	dc->nat.icmp_ns = c->rs.nat.icmp_ns;
	dc->n_inner = c->rs.n_inner;
	memcpy(dc->inner, c->rs.inner, sizeof(c->rs.inner));
	refuse_own(dc, c);
}

static struct rs_dp *make_data_path(struct rs_shell *s, const struct config *c)
{
	struct rs_dp_config *dc = calloc(1, sizeof(*dc));
	struct rs_dp *dp;

	if (dc == NULL)
		return NULL;
	dc->n_workers = s->app->n_workers;
	dc->share_crypto = c->rs.share_crypto == SHARE_AUTO;
	dc->paths_max = c->rs.paths;
	dc->legs_max = c->rs.legs;
	dc->bindings_max = c->rs.bindings;
	dc->aead = (enum aead_isa)c->rs.aead;
	dc->frag.datagrams = c->rs.frag.datagrams;
	dc->frag.pieces = c->rs.frag.pieces;
	dc->frag.wait_ns = c->rs.frag.wait_ns;
	dc->qsbr = s->app->rcu.qsbr;
	dc->rng = &s->rng;
	dc->key_soft_packets = (uint32_t)RTE_MIN(c->limits.rekey_after_packets, UINT32_MAX);
	dc->key_hard_packets = (uint32_t)RTE_MIN(c->limits.reject_after_packets, UINT32_MAX);
	configure_nat(dc, c);
	dp = rs_dp_create(dc);
	free(dc);
	return dp;
}

int rs_shell_create(struct app *app)
{
	const struct config *c = atomic_load_explicit(&app->config, memory_order_acquire);
	struct rs_shell *s = calloc(1, sizeof(*s));
	const struct aead *a;

	if (s == NULL)
		return -ENOMEM;
	app->rs_shell = s;
	s->app = app;
	s->store = config_rs_store(c);
	rng_init_system(&s->rng);
	s->dp = make_data_path(s, c);
	if (s->dp == NULL) {
		if (errno == ENOTSUP)
			LOG(ERR, "rs.aead: this CPU has no %s", aead_isa_words[c->rs.aead]);
		else
			LOG(ERR, "tables of the RS (rs.paths, rs.legs, rs.nat): %s",
			    strerror(errno));
		return -errno;
	}
	a = s->dp->workers[0].aead;
	if (c->rs.aead == AEAD_BEST && aead_isa(a) == AEAD_NOAESNI)
		LOG(WARN, "this CPU has no AES-NI: packets of RS-N go through %s, far slower",
		    aead_library(a));
	LOG(INFO,
	    "data path aead=%s version=%s isa=%s paths=%u legs=%u bindings=%u flows=%u pools=%u",
	    aead_library(a), aead_version(a), aead_isa_name(aead_isa(a)), c->rs.paths, c->rs.legs,
	    c->rs.bindings, c->rs.n_pools > 0 ? c->rs.nat.flows : 0, c->rs.n_pools);
	return 0;
}

struct rs_worker *rs_shell_worker(struct rs_shell *s, uint16_t worker)
{
	return rs_dp_worker(s->dp, worker);
}

static void on_done(void *ctx, const struct mail *m, uint64_t now)
{
	struct rs_shell *s = ctx;

	if (m->arg == MAIL_RS_JOB && s->control != NULL)
		rs_control_filed(s->control, now, m->ptr);
}

static uint64_t on_tick(void *ctx, uint64_t now)
{
	struct rs_shell *s = ctx;
	uint64_t next = rs_events_tick(s, now), at;

	(void)add_endpoints(s);
	if (s->wants_address)
		(void)join_own_dc(s, config_of(s));
	if (s->control == NULL)
		return next;
	at = rs_control_poll(s->control, now);
	return RTE_MIN(next, at);
}

int rs_shell_start(struct app *app)
{
	const struct config *c = atomic_load_explicit(&app->config, memory_order_acquire);
	struct rs_shell *s = app->rs_shell;
	int ret;

	s->stats = main_loop_stats(app->main_loop);
	main_loop_msg_set(app->main_loop, MAIL_LINK, rs_events_link, s);
	main_loop_msg_set(app->main_loop, MAIL_DONE, on_done, s);
	ret = main_loop_tick_add(app->main_loop, on_tick, s);
	if (ret == 0)
		ret = add_endpoints(s);
	if (ret == 0)
		rs_admin_add(s);
	if (ret < 0)
		return ret;
	if (app->dc == NULL && c->rs.join[0] == '\0') {
		LOG(WARN, "rs.join is empty and there is no DC in this process: nothing is served");
		return 0;
	}
	ret = make_params(s, c);
	if (ret < 0)
		return ret;
	return c->rs.join[0] != '\0' ? join_by_string(s, c) : join_own_dc(s, c);
}

void rs_shell_destroy(struct rs_shell *s)
{
	if (s == NULL)
		return;
	rs_control_destroy(s->control);
	rs_dp_destroy(s->dp);
	explicit_bzero(s, sizeof(*s));
	free(s);
}
