/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/assoc_ends.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct end *owner(void *ctx)
{
	return ctx;
}

static void post(struct ends *n, bool to_b, const uint8_t *pkt, size_t len)
{
	struct packet *p;

	assert_true(len <= sizeof(p->bytes));
	if (n->cut || (n->cut_answers && !to_b) || rng_below(&n->rng, 100) < n->loss_percent)
		return;
	assert_true(n->line_n < LINE);
	p = &n->line[n->line_n++];
	p->at = n->now + n->delay;
	p->to_b = to_b;
	p->len = (uint16_t)len;
	memcpy(p->bytes, pkt, len);
}

static void keep(struct packet *p, const uint8_t *pkt, size_t len)
{
	p->len = (uint16_t)len;
	memcpy(p->bytes, pkt, len);
}

static void on_send(void *ctx, struct assoc *a, const uint8_t *pkt, size_t len, unsigned int try)
{
	struct end *e = owner(ctx);

	if (e->hs_sent < 16)
		e->net->last_hs1_at[e->hs_sent] = e->net->now;
	e->hs_sent++;
	e->tries = try;
	keep(&e->net->hs1, pkt, len);
	post(e->net, !e->is_b, pkt, len);
}

static void on_responder_send(void *ctx, const struct endpoint *to, const uint8_t *pkt, size_t len)
{
	struct end *e = owner(ctx);

	assert_true(endpoint_equal(to, &e->net->addr));
	keep(&e->net->hs2, pkt, len);
	post(e->net, !e->is_b, pkt, len);
}

static struct session **session_at(struct end *e, uint64_t index)
{
	for (int i = 0; i < SESSIONS; i++) {
		if (e->sessions[i] != NULL && session_index(e->sessions[i]) == index)
			return &e->sessions[i];
	}
	return NULL;
}

static int on_install(void *ctx, struct assoc *a, uint64_t now, const struct epoch_keys *k)
{
	struct end *e = owner(ctx);
	struct session **s = session_at(e, k->own_index);

	e->installs++;
	if (k->is_fresh) {
		assert_null(s);
		for (int i = 0; i < SESSIONS && s == NULL; i++)
			s = e->sessions[i] == NULL ? &e->sessions[i] : NULL;
		assert_non_null(s);
		*s = session_create(k->own_index, k->is_side_a, &a->conf.limits, e->pool);
	}
	assert_non_null(s);
	e->session = *s;
	return session_install(*s, now, k);
}

static void on_retire(void *ctx, struct assoc *a, uint64_t index)
{
	struct end *e = owner(ctx);
	struct session **s = session_at(e, index);

	e->retires++;
	if ((index & WIRE_ID_INDEX) != 0)
		e->indexes_out--;
	if (s == NULL)
		return;
	if (e->session == *s)
		e->session = NULL;
	session_destroy(*s);
	*s = NULL;
}

static void on_up(void *ctx, struct assoc *a)
{
	owner(ctx)->ups++;
	owner(ctx)->has_live = true;
}

static void send_sealed(struct end *e, struct session *s, uint8_t type, uint8_t route,
			const char *text)
{
	uint8_t pkt[128];
	size_t len;

	if (session_seal(s, e->net->now, type, route, (const uint8_t *)text, 1, pkt, sizeof(pkt),
			 &len) == SESSION_OK)
		post(e->net, !e->is_b, pkt, len);
}

static void on_confirm(void *ctx, struct assoc *a, uint64_t index)
{
	struct end *e = owner(ctx);
	struct session **s = session_at(e, index);

	assert_non_null(s);
	send_sealed(e, *s, WIRE_CONTROL, 0, "?");
}

static int on_payload(void *ctx, struct assoc *a, uint8_t *buf, size_t cap)
{
	memcpy(buf, "\x12\x34\0\1A", 5);
	return 5;
}

static int on_answer(void *ctx, struct assoc *a, const uint8_t *tlvs, size_t len)
{
	assert_non_null(memmem(tlvs, len, "\x12\x35\0\1B", 5));
	owner(ctx)->answers++;
	return 0;
}

static void on_failed(void *ctx, struct assoc *a, enum assoc_failure why, uint16_t code)
{
	struct end *e = owner(ctx);

	e->fails++;
	e->failed_why = why;
	e->failed_code = code;
	if (why == ASSOC_RESET)
		e->has_live = false;
}

static uint64_t on_index(void *ctx, struct assoc *a)
{
	struct end *e = owner(ctx);

	e->indexes_out++;
	return WIRE_ID_INDEX | (uint64_t)e->is_b << 32 | ++e->indexes;
}

static void on_compute(void *ctx, struct hs_job *job)
{
	struct end *e = owner(ctx);

	assert_true(e->jobs_n < JOBS);
	e->jobs[e->jobs_n++] = job;
}

static struct assoc *on_find(void *ctx, const struct hs_clear *c)
{
	struct end *e = owner(ctx);

	return !e->net->forget_assoc && c->id == e->assoc.conf.id ? &e->assoc : NULL;
}

static void on_request(void *ctx, struct responder *r, uint64_t now, struct hs_job *job)
{
	struct end *e = owner(ctx);

	assert_non_null(memmem(job->payload, job->payload_len, "\x12\x34\0\1A", 5));
	if (e->net->refuse)
		responder_refuse(r, now, job, e->assoc.conf.psk, 9);
	else
		assert_int_equal(responder_accept(r, now, job, &e->assoc,
						  (const uint8_t *)"\x12\x35\0\1B", 5),
				 0);
}

static const struct assoc_ops ops_inline = {
	.send = on_send,
	.install = on_install,
	.retire = on_retire,
	.up = on_up,
	.confirm = on_confirm,
	.payload = on_payload,
	.answer = on_answer,
	.failed = on_failed,
	.index = on_index,
};

static struct assoc_ops ops_async;

static const struct responder_ops answer_inline = {
	.send = on_responder_send,
	.find = on_find,
	.request = on_request,
};

static struct responder_ops answer_async;

static const struct responder_conf responder_conf = {
	.kinds = ~0u,
	.suites = ~0u,
	.jobs = 16,
	.cache = 32,
	.load_jobs = 8,
};

static void end_setup(struct ends *n, struct end *e, bool is_b)
{
	e->net = n;
	e->is_b = is_b;
	noise_keypair_generate(&e->key, &n->rng);
	e->pool = session_pool_create(64);
	e->host.ops = &ops_inline;
	e->host.rng = &n->rng;
	e->host.attempts = &e->attempts;
	e->host.self = &e->key;
	rng_fill(&n->rng, e->host.reset_secret, sizeof(e->host.reset_secret));
}

static void end_open(struct end *e, const struct assoc_conf *base, const struct end *peer)
{
	struct assoc_conf c = *base;

	c.is_side_a = !e->is_b;
	if (c.kind != HS_LEG)
		memcpy(c.peer_key, peer->key.pub, sizeof(c.peer_key));
	assert_int_equal(assoc_init(&e->assoc, &e->host, &c, e), 0);
}

void ends_setup(struct ends *n, uint8_t kind, uint8_t suite, uint64_t seed)
{
	struct assoc_conf c = {.kind = kind, .suite = suite, .limits = session_limits_default};

	memset(n, 0, sizeof(*n));
	n->now = 1000000000;
	n->delay = 20000000;
	rng_init_seeded(&n->rng, seed);
	assert_int_equal(endpoint_parse("192.0.2.1:4000", &n->addr), 0);
	end_setup(n, &n->a, false);
	end_setup(n, &n->b, true);
	c.id = kind == HS_PATH ? 4711 : kind == HS_LEG ? WIRE_ID_INDEX | 4711 : WIRE_ID_NONE;
	c.is_control_only = kind != HS_PATH && kind != HS_LEG;
	c.path.fqdn_a = "alice.example";
	c.path.fqdn_b = "bob.example";
	memset(c.psk, 3, sizeof(c.psk));
	end_open(&n->a, &c, &n->b);
	end_open(&n->b, &c, &n->a);
	n->b.responder = responder_create(&responder_conf, &answer_inline, &n->b.host, &n->b);
}

static void end_teardown(struct end *e)
{
	for (unsigned int i = 0; i < e->jobs_n; i++) {
		hs_job_run(e->jobs[i]);
		if (e->jobs[i]->work == HS_WRITE_1 || e->jobs[i]->work == HS_READ_2)
			assoc_filed(e->jobs[i], e->net->now);
	}
	e->jobs_n = 0;
	assoc_fini(&e->assoc);
	for (int i = 0; i < SESSIONS; i++)
		assert_null(e->sessions[i]);
	assert_int_equal(e->indexes_out, 0);
	responder_destroy(e->responder);
	session_pool_destroy(e->pool);
}

void ends_teardown(struct ends *n)
{
	end_teardown(&n->a);
	end_teardown(&n->b);
}

void ends_restart(struct ends *n, struct end *e, bool keep_attempt)
{
	struct assoc_conf c = e->assoc.conf;
	char names[2][64] = {"alice.example", "bob.example"};

	c.path.fqdn_a = names[0];
	c.path.fqdn_b = names[1];
	c.peer_attempt = keep_attempt ? e->assoc.peer_attempt : 0;
	assoc_fini(&e->assoc);
	assert_int_equal(assoc_init(&e->assoc, &e->host, &c, e), 0);
	if (e->responder != NULL) {
		responder_destroy(e->responder);
		e->responder = responder_create(&responder_conf, &answer_inline, &e->host, e);
	}
}

static void take_sealed(struct end *e, const struct wire_fields *f, const uint8_t *pkt, size_t len)
{
	struct session **s = session_at(e, f->id);
	struct session_meta m;
	uint8_t out[256];
	size_t n;

	if (s == NULL) {
		uint8_t reset[WIRE_RESET_LEN];

		e->refused_in++;
		if (reset_build(e->host.reset_secret, f->id, len, reset) > 0)
			post(e->net, !e->is_b, reset, sizeof(reset));
		return;
	}
	if (session_open(*s, e->net->now, pkt, len, out, &n, &m) != SESSION_OK) {
		e->refused_in++;
		return;
	}
	e->sealed_in++;
	if (m.is_new_epoch)
		assoc_heard(&e->assoc, e->net->now, f->id, m.epoch);
	if (wire_type_is_data(m.type))
		assoc_used(&e->assoc, e->net->now);
	if (n == 1 && out[0] == '?')
		send_sealed(e, *s, WIRE_CONTROL, 0, "!");
}

void ends_inject(struct ends *n, struct end *to, const uint8_t *pkt, size_t len)
{
	struct wire_fields f;
	enum hs_verdict v;

	if (wire_parse(pkt, len, &f) != WIRE_OK)
		return;
	if (wire_type_is_sealed(f.type)) {
		take_sealed(to, &f, pkt, len);
		return;
	}
	if (f.type != WIRE_HANDSHAKE_1)
		v = assoc_input(&to->assoc, n->now, pkt, len);
	else if (to->responder != NULL)
		v = responder_input(to->responder, n->now, &n->addr, pkt, len);
	else
		v = HS_UNEXPECTED;
	to->verdicts[v]++;
}

static void deliver_due(struct ends *n)
{
	for (unsigned int i = 0; i < n->line_n;) {
		struct packet p = n->line[i];

		if (p.at > n->now) {
			i++;
			continue;
		}
		n->line_n--;
		memmove(&n->line[i], &n->line[i + 1], (n->line_n - i) * sizeof(p));
		ends_inject(n, p.to_b ? &n->b : &n->a, p.bytes, p.len);
	}
}

static void compute_jobs(struct end *e)
{
	unsigned int count = e->jobs_n;
	struct hs_job *jobs[JOBS];

	memcpy(jobs, e->jobs, sizeof(jobs));
	e->jobs_n = 0;
	for (unsigned int i = 0; i < count; i++) {
		hs_job_run(jobs[i]);
		if (jobs[i]->work == HS_WRITE_1 || jobs[i]->work == HS_READ_2)
			assoc_filed(jobs[i], e->net->now);
		else
			responder_filed(e->responder, e->net->now, jobs[i]);
	}
}

static void make_async(struct ends *n)
{
	ops_async = ops_inline;
	ops_async.compute = on_compute;
	answer_async = answer_inline;
	answer_async.compute = on_compute;
	n->a.host.ops = n->b.host.ops = &ops_async;
	responder_destroy(n->b.responder);
	n->b.responder = responder_create(&responder_conf, &answer_async, &n->b.host, &n->b);
}

bool ends_run(struct ends *n, uint64_t until, bool (*done)(const struct ends *n))
{
	if (n->async && n->a.host.ops->compute == NULL)
		make_async(n);
	while (n->now < until) {
		uint64_t next = until, a, b;

		deliver_due(n);
		compute_jobs(&n->a);
		compute_jobs(&n->b);
		a = assoc_poll(&n->a.assoc, n->now);
		b = assoc_poll(&n->b.assoc, n->now);
		if (done != NULL && done(n))
			return true;
		next = a < next ? a : next;
		next = b < next ? b : next;
		for (unsigned int i = 0; i < n->line_n; i++)
			next = n->line[i].at < next ? n->line[i].at : next;
		if (n->a.jobs_n + n->b.jobs_n > 0)
			next = n->now + 1000;
		n->now = next > n->now ? next : n->now + 1;
	}
	return false;
}

bool ends_both_up(const struct ends *n)
{
	return n->a.has_live && n->b.has_live && n->a.assoc.live.is_heard &&
	       n->b.assoc.live.is_used;
}

bool ends_data(struct ends *n, struct end *from, uint8_t route)
{
	uint8_t pkt[128];
	size_t len;

	if (from->session == NULL ||
	    session_seal(from->session, n->now, WIRE_DATA, route, (const uint8_t *)"d", 1, pkt,
			 sizeof(pkt), &len) != SESSION_OK)
		return false;
	assoc_used(&from->assoc, n->now);
	post(n, !from->is_b, pkt, len);
	return true;
}
