/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/core.h"

#include "dc/directing.h"
#include "dc/dispatch.h"
#include "dc/peer_dc.h"
#include "dc/relay.h"

#include <errno.h>
#include <stdlib.h>

/* Life of a struct dc, and the way of a packet to its channel. */

enum { WINDOWS_PER_PARTY = 4 };

static void prefix_or_die(const char *text, struct ip_prefix *p)
{
	if (prefix_parse(text, p) < 0)
		abort(); /* a constant of this file */
}

void dc_params_default(struct dc_params *p)
{
	memset(p, 0, sizeof(*p));
	prefix_or_die("240.0.0.0/12", &p->pool4);
	prefix_or_die("241.0.0.0/16", &p->gn4);
	prefix_or_die("fd6e:746d:6f62::/64", &p->pool6);
	prefix_or_die("fd6e:746d:6f62:ffff::/64", &p->gn6);
	p->nodes_max = 100000;
	p->rss_max = 256;
	p->tokens_max = 100000;
	p->paths_max = 1000000;
	p->grants_max = 400000;
	p->bindings_max = 1000000;
	p->gn_per_node = 4096;
	p->directions_max = 4096;
	p->jobs_max = 1024;
	p->cookie_jobs = 64;
	p->hs_per_sec = 200;
	p->key_lifetime_sec = 24 * 3600;
	p->binding_lifetime_sec = 24 * 3600;
	p->gn_quarantine_sec = 24 * 3600;
	p->keepalive_sec = 25;
	p->rs_silent_sec = 35; /* three Status of 10 s, and some */
	p->suites = SUITE_SET_DEFAULT;
	p->limits = session_limits_default;
}

/* ---- create ---- */

static const char *check_pools(const struct dc_params *p)
{
	const struct ip_prefix *all[] = {&p->pool4, &p->pool6, &p->gn4, &p->gn6};

	for (unsigned int i = 0; i < 4; i++) {
		if (all[i]->len > 128 || ip_is_v4(&all[i]->ip) != (i == 0 || i == 2))
			return "an address pool has the wrong family";
		for (unsigned int k = i + 1; k < 4; k++)
			if (prefix_overlaps(all[i], all[k]))
				return "two address pools overlap";
	}
	if (pool_size(&p->gn4) <= POOL_RESERVED || pool_size(&p->gn6) <= POOL_RESERVED)
		return "a block for general hosts is too small";
	return NULL;
}

static const char *check_params(const struct dc_params *p)
{
	if (!name_is_valid(p->name, strlen(p->name)))
		return "the DC's name is not a valid name";
	if (p->zones_n == 0 || p->zones_n > DC_ZONES_MAX)
		return "a DC needs a zone";
	for (unsigned int i = 0; i < p->zones_n; i++)
		if (!name_is_valid(p->zones[i], strlen(p->zones[i])))
			return "a zone's name is not a valid name";
	if (p->peers_n > DC_PEERS_MAX)
		return "too many peer DCs";
	if (p->nodes_max == 0 || p->rss_max == 0 || p->jobs_max == 0 || p->hs_per_sec == 0 ||
	    p->key_lifetime_sec == 0 || p->binding_lifetime_sec == 0)
		return "a size or time is 0";
	return check_pools(p);
}

static const char *make(struct dc *dc)
{
	const struct dc_params *p = &dc->params;
	uint32_t parties = p->nodes_max + p->rss_max + p->peers_n;

	if (pool_init(&dc->pool4, &p->pool4, p->nodes_max) < 0 ||
	    pool_init(&dc->pool6, &p->pool6, p->nodes_max) < 0)
		return "an address pool is too small, or has host bits set";
	if (timers_init(&dc->timers, parties * 2) < 0 ||
	    table_init(&dc->by_index, parties * 2, dc->rng) < 0 || registry_init(dc) < 0 ||
	    relay_create(dc) < 0 || directing_create(dc) < 0)
		return "no memory for the tables";
	dc->windows = session_pool_create(parties * WINDOWS_PER_PARTY);
	dc->gate = gate_create(dc);
	if (dc->windows == NULL || dc->gate == NULL)
		return "no memory for the handshakes";
	return peers_create(dc) < 0 ? "two peer DCs with the same key, or no memory" : NULL;
}

struct dc *dc_create(const struct dc_params *p, const struct dc_ops *ops, void *ctx,
		     struct rng *rng, const char **why)
{
	struct dc *dc;

	*why = check_params(p);
	if (*why != NULL)
		return NULL;
	dc = calloc(1, sizeof(*dc));
	if (dc == NULL) {
		*why = "no memory";
		return NULL;
	}
	dc->params = *p;
	dc->ops = ops;
	dc->ctx = ctx;
	dc->rng = rng;
	dc->self = p->self;
	dc->attempts.offset_ns = p->real_offset_ns;
	TAILQ_INIT(&dc->registry.parties);
	LIST_INIT(&dc->writes);
	dc->host = (struct assoc_host){
		.ops = ops->compute != NULL ? &channel_assoc_ops : &channel_assoc_ops_inline,
		.rng = rng,
		.attempts = &dc->attempts,
		.self = &dc->self,
	};
	memcpy(dc->host.reset_secret, p->reset_secret, sizeof(dc->host.reset_secret));
	*why = make(dc);
	dc->params.peers = NULL; /* the caller's; copied by now */
	if (*why != NULL) {
		dc_destroy(dc);
		return NULL;
	}
	return dc;
}

void dc_destroy(struct dc *dc)
{
	struct party *p;

	if (dc == NULL)
		return;
	dc->is_closing = true;
	directing_destroy(dc);
	if (dc->relay != NULL)
		relay_destroy(dc);
	TAILQ_FOREACH(p, &dc->registry.parties, link)
	if (p->kind == PARTY_NODE)
		registration_forget(dc, party_node(p));
	peers_stop(dc);
	registry_fini(dc);
	if (dc->relay != NULL)
		relay_free(dc);
	peers_destroy(dc);
	dc_writes_fini(dc);
	responder_destroy(dc->responder);
	gate_destroy(dc->gate);
	session_pool_destroy(dc->windows);
	timers_fini(&dc->timers);
	table_fini(&dc->by_index);
	pool_fini(&dc->pool4);
	pool_fini(&dc->pool6);
	explicit_bzero(dc, sizeof(*dc));
	free(dc);
}

void dc_start(struct dc *dc, uint64_t now)
{
	struct party *p;

	dc->now = now;
	dc->is_started = true;
	dc_attempts_reserve(dc);
	TAILQ_FOREACH(p, &dc->registry.parties, link)
	if (p->kind == PARTY_NODE && party_node(p)->has_vips)
		dc_publish(dc, party_node(p), false);
	peers_start(dc, now);
	places_start(dc, now);
}

/* ---- packets ---- */

static const enum dc_counter header_counters[WIRE_VERDICT_COUNT] = {
	[WIRE_SHORT] = DC_COUNT_RX_SHORT,
	[WIRE_BAD_VERSION] = DC_COUNT_RX_BAD_VERSION,
	[WIRE_BAD_TYPE] = DC_COUNT_RX_BAD_TYPE,
	[WIRE_RESERVED] = DC_COUNT_RX_RESERVED,
};

static void sealed(struct dc *dc, uint64_t now, const struct endpoint *src,
		   const struct endpoint *local, const struct wire_fields *f, const uint8_t *pkt,
		   size_t len)
{
	struct channel_session *cs;

	if (wire_is_path_id(f->id)) {
		dc_count(dc, DC_COUNT_RX_PATH_ID);
		return;
	}
	cs = channel_find(dc, f->id);
	if (cs == NULL && dispatch_waiting(dc, f) != NULL) {
		/* About to live: its token would be good against us. */
		dc_count(dc, DC_COUNT_RX_UNKNOWN_INDEX);
		return;
	}
	if (cs == NULL) {
		gate_unknown(dc, now, src, local, f->id, len);
		return;
	}
	if (f->type != WIRE_CONTROL) {
		dc_count(dc, DC_COUNT_RX_WRONG_TYPE);
		return;
	}
	channel_sealed(cs, now, src, local, pkt, len);
}

void dc_input(struct dc *dc, uint64_t now, const struct endpoint *src, const struct endpoint *local,
	      const uint8_t *pkt, size_t len)
{
	struct wire_fields f;
	enum wire_verdict v = wire_parse(pkt, len, &f);

	dc->now = now;
	dc_count(dc, DC_COUNT_RX_PACKETS);
	if (v != WIRE_OK) {
		dc_count(dc, header_counters[v]);
		return;
	}
	if (wire_type_is_sealed(f.type))
		sealed(dc, now, src, local, &f, pkt, len);
	else if (f.type == WIRE_HANDSHAKE_1)
		gate_handshake(dc, now, src, local, pkt, len);
	else if (!channel_handshake(dc, now, src, pkt, len))
		dc_count(dc, DC_COUNT_RX_NOT_WAITING);
}

uint64_t dc_poll(struct dc *dc, uint64_t now)
{
	dc->now = now;
	dc_attempts_reserve(dc);
	timers_run(&dc->timers, now);
	return timers_next(&dc->timers);
}

uint64_t dc_deadline(const struct dc *dc)
{
	return timers_next(&dc->timers);
}

void dc_job_done(struct dc *dc, uint64_t now, struct hs_job *job)
{
	dc->now = now;
	if (job->work == HS_READ_1 || job->work == HS_WRITE_2) {
		responder_filed(dc->responder, now, job);
		return;
	}
	assoc_filed(job, now);
	/* Whose it was is not known any more; those that open are few. */
	for (unsigned int i = 0; i < dc->peers->n; i++)
		if (dc->peers->list[i]->p.ch != NULL)
			channel_kick(dc->peers->list[i]->p.ch, now);
}

void dc_lookup_done(struct dc *dc, uint64_t now, uint64_t id, const struct dc_lookup_result *r)
{
	dc->now = now;
	directing_lookup_done(dc, now, id, r);
}

/* ---- counters ---- */

const uint64_t *dc_counters(const struct dc *dc)
{
	return dc->count;
}

const char *dc_counter_name(enum dc_counter c)
{
	static const char *const names[] = {
#define X(name, text) #name,
		DC_COUNTERS(X)
#undef X
	};

	return c < DC_COUNT_MAX ? names[c] : "?";
}

const char *dc_counter_text(enum dc_counter c)
{
	static const char *const texts[] = {
#define X(name, text) text,
		DC_COUNTERS(X)
#undef X
	};

	return c < DC_COUNT_MAX ? texts[c] : "?";
}
