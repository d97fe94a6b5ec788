/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/gate.h"

#include "dc/core.h"
#include "dc/limiter.h"

#include <stdlib.h>

enum {
	RESETS_PER_SEC = 10,	 /* and source */
	HANDSHAKES_PER_SEC = 20, /* and source that proved itself by a cookie */
	ANSWER_FACTOR = 4,	 /* cached answers per handshake in work */
	LOCALS = 1024,
};

/* Where a source's last handshake came in: handshake 2 must leave from there. A collision costs the
 * answer its own endpoint, and the shell then takes the default one.
 */
struct local_entry {
	struct endpoint src, local;
};

struct gate {
	struct cookie_jar jar;
	struct limiter resets, proven;
	uint64_t spent_until_ns; /* rate of handshakes without cookie (GCRA) */
	uint64_t verdicts[HS_VERDICT_COUNT];
	uint64_t seed;
	struct local_entry locals[LOCALS];
};

struct gate *gate_create(struct dc *dc)
{
	const struct dc_params *p = &dc->params;
	struct responder_conf conf = {
		.kinds = 1 << HS_NODE_DC | 1 << HS_DC_DC | 1 << HS_RS_DC,
		.suites = p->suites,
		.jobs = p->jobs_max,
		.cache = p->jobs_max * ANSWER_FACTOR,
		/* Cookies are this gate's business: it knows the rate, not only the queue. */
		.load_jobs = UINT32_MAX,
	};
	struct gate *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return NULL;
	cookie_jar_init(&g->jar, dc->self.pub);
	limiter_init(&g->resets, RESETS_PER_SEC, dc->rng);
	limiter_init(&g->proven, HANDSHAKES_PER_SEC, dc->rng);
	g->seed = rng_u64(dc->rng);
	dc->responder = responder_create(
		&conf, dc->ops->compute != NULL ? &gate_responder_ops : &gate_responder_ops_inline,
		&dc->host, dc);
	if (dc->responder == NULL) {
		free(g);
		return NULL;
	}
	return g;
}

void gate_destroy(struct gate *g)
{
	free(g);
}

static struct local_entry *local_slot(struct gate *g, const struct endpoint *src)
{
	uint64_t lo, hi;

	memcpy(&hi, src->ip.b, sizeof(hi));
	memcpy(&lo, src->ip.b + 8, sizeof(lo));
	lo = (lo ^ g->seed ^ src->port) * 0x9e3779b97f4a7c15ULL ^ hi * 0xbf58476d1ce4e5b9ULL;
	return &g->locals[(lo ^ lo >> 31) % LOCALS];
}

struct endpoint gate_local(const struct gate *g, const struct endpoint *src)
{
	const struct local_entry *e = local_slot((struct gate *)(uintptr_t)g, src);
	struct endpoint none = {.port = 0};

	return endpoint_equal(&e->src, src) ? e->local : none;
}

/* One more without a cookie? A burst of one second's worth is allowed. */
static bool within_rate(const struct dc *dc, struct gate *g, uint64_t now)
{
	uint64_t step = DC_NS_PER_SEC / dc->params.hs_per_sec;

	if (g->spent_until_ns < now)
		g->spent_until_ns = now;
	if (g->spent_until_ns + step > now + DC_NS_PER_SEC)
		return false;
	g->spent_until_ns += step;
	return true;
}

static void send_cookie(struct dc *dc, uint64_t now, const struct endpoint *src,
			const struct endpoint *local, const uint8_t *pkt, size_t len)
{
	uint8_t out[WIRE_COOKIE_LEN];

	dc->gate->verdicts[HS_COOKIE_SENT]++;
	dc_count(dc, DC_COUNT_TX_PACKETS);
	cookie_reply(&dc->gate->jar, now, dc->rng, src, pkt, len, out);
	dc->ops->send(dc->ctx, local, src, out, sizeof(out));
}

/* 0: compute it. A repeat of what was answered already costs nothing, and passes: the responder
 * knows it. HS_OK says go on.
 */
static enum hs_verdict admit(struct dc *dc, uint64_t now, const struct endpoint *src,
			     const struct endpoint *local, const uint8_t *pkt, size_t len)
{
	struct gate *g = dc->gate;
	struct hs_clear c;
	enum hs_verdict v = hs_clear_parse(pkt, len, &c);

	if (v != HS_OK)
		return v;
	if (!cookie_check_mac1(&g->jar, pkt, len))
		return HS_BAD_MAC1;
	if (responder_in_work(dc->responder) < dc->params.cookie_jobs && within_rate(dc, g, now))
		return HS_OK;
	if (!cookie_check_mac2(&g->jar, now, dc->rng, src, pkt, len)) {
		dc_count(dc, DC_COUNT_HS_RATE_COOKIE);
		send_cookie(dc, now, src, local, pkt, len);
		return HS_COOKIE_SENT;
	}
	if (!limiter_pass(&g->proven, now, &src->ip))
		return HS_BUSY;
	return HS_OK;
}

void gate_handshake(struct dc *dc, uint64_t now, const struct endpoint *src,
		    const struct endpoint *local, const uint8_t *pkt, size_t len)
{
	enum hs_verdict v = admit(dc, now, src, local, pkt, len);
	struct local_entry *e;

	if (v != HS_OK) {
		if (v != HS_COOKIE_SENT)
			dc->gate->verdicts[v]++;
		return;
	}
	e = local_slot(dc->gate, src);
	e->src = *src;
	e->local = *local;
	responder_input(dc->responder, now, src, pkt, len);
}

void gate_unknown(struct dc *dc, uint64_t now, const struct endpoint *src,
		  const struct endpoint *local, uint64_t index, size_t len)
{
	uint8_t out[WIRE_RESET_LEN];
	size_t n;

	dc_count(dc, DC_COUNT_RX_UNKNOWN_INDEX);
	if (!limiter_pass(&dc->gate->resets, now, &src->ip)) {
		dc_count(dc, DC_COUNT_RESET_LIMITED);
		return;
	}
	n = reset_build(dc->host.reset_secret, index, len, out);
	if (n == 0)
		return;
	dc_count(dc, DC_COUNT_RESET_SENT);
	dc_count(dc, DC_COUNT_TX_PACKETS);
	dc->ops->send(dc->ctx, local, src, out, n);
}

void gate_count(struct dc *dc, enum hs_verdict v)
{
	dc->gate->verdicts[v]++;
}

uint64_t gate_verdicts(const struct dc *dc, enum hs_verdict v)
{
	return dc->gate->verdicts[v] + responder_counters(dc->responder)[v];
}

/* ---- the responder's side ---- */

static void answer_send(void *ctx, const struct endpoint *to, const uint8_t *pkt, size_t len)
{
	struct dc *dc = ctx;
	struct endpoint local = gate_local(dc->gate, to);

	dc_count(dc, DC_COUNT_TX_PACKETS);
	dc->ops->send(dc->ctx, &local, to, pkt, len);
}

static struct assoc *find_none(void *ctx, const struct hs_clear *c)
{
	return NULL; /* no paths and no legs end here */
}

static void request(void *ctx, struct responder *r, uint64_t now, struct hs_job *job)
{
	enrol_request(ctx, now, job);
}

static void compute(void *ctx, struct hs_job *job)
{
	struct dc *dc = ctx;

	dc->ops->compute(dc->ctx, job);
}

const struct responder_ops gate_responder_ops = {
	.send = answer_send, .find = find_none, .request = request, .compute = compute};
const struct responder_ops gate_responder_ops_inline = {
	.send = answer_send, .find = find_none, .request = request};
