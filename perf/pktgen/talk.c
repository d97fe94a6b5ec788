/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/join.h"
#include "common/token.h"
#include "perf/pktgen/talk_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* What RS and DC must agree on before they have met. */
struct secrets {
	struct noise_keypair self;
	uint8_t token[KEY_LEN], reset[RESET_SECRET_LEN];
};

static void secrets_make(struct secrets *s, uint64_t seed)
{
	struct rng rng;

	rng_init_seeded(&rng, seed ^ 0x70617468676e3031ULL);
	noise_keypair_generate(&s->self, &rng);
	rng_fill(&rng, s->token, sizeof(s->token));
	rng_fill(&rng, s->reset, sizeof(s->reset));
}

const char *talk_join_text(uint64_t seed, char *buf)
{
	struct join j = {.name = TALK_NAME, .dc = TALK_DC_NAME};
	struct secrets s;

	secrets_make(&s, seed);
	memcpy(j.dc_key, s.self.pub, sizeof(j.dc_key));
	memcpy(j.token, s.token, sizeof(j.token));
	return join_format(&j, buf);
}

static uint32_t nodes_of(const struct plan *p)
{
	return p->conf.paths > 0 ? 2 * p->conf.legs : p->conf.legs;
}

static int init(struct talk *t)
{
	struct secrets s;
	int ret;

	secrets_make(&s, t->plan->conf.seed);
	t->self = s.self;
	memcpy(t->token, s.token, sizeof(t->token));
	memcpy(t->dc_host.reset_secret, s.reset, RESET_SECRET_LEN);
	memcpy(t->leg_host.reset_secret, s.reset, RESET_SECRET_LEN);
	rng_init_system(&t->rng);
	t->attempts.offset_ns = t->conf.clock_offset_ns;
	/* Rekeying is ours to begin (talk_rekey), never in the middle of a measurement. */
	t->limits = session_limits_default;
	t->limits.rekey_after_ns = t->limits.reject_after_ns = UINT64_MAX / 4;
	t->limits.rekey_after_packets = t->limits.reject_after_packets = UINT64_MAX / 4;
	t->limits.control_rekey_ns = UINT64_MAX / 4;
	t->n_nodes = nodes_of(t->plan);
	t->windows = session_pool_create(4 * (t->n_nodes + 2));
	t->node = calloc(t->n_nodes, sizeof(*t->node));
	if (t->windows == NULL || t->node == NULL)
		return -1;
	talk_leg_host(t);
	ret = talk_dc_init(t);
	for (uint32_t i = 0; i < t->n_nodes && ret == 0; i++)
		ret = talk_leg_init(t, i);
	return ret;
}

struct talk *talk_create(const struct talk_conf *conf)
{
	struct talk *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->conf = *conf;
	t->plan = conf->plan;
	if (init(t) == 0)
		return t;
	talk_destroy(t);
	return NULL;
}

void talk_destroy(struct talk *t)
{
	if (t == NULL)
		return;
	for (uint32_t i = 0; t->node != NULL && i < t->n_nodes; i++)
		if (t->node[i].t != NULL)
			talk_leg_fini(&t->node[i]);
	talk_dc_fini(t);
	if (t->windows != NULL)
		session_pool_destroy(t->windows);
	free(t->node);
	explicit_bzero(t, sizeof(*t));
	free(t);
}

void talk_fail(struct talk *t, const char *fmt, ...)
{
	va_list ap;

	if (t->state == TALK_FAILED)
		return;
	t->state = TALK_FAILED;
	va_start(ap, fmt);
	vsnprintf(t->why, sizeof(t->why), fmt, ap);
	va_end(ap);
}

static bool is_complete(const struct talk *t)
{
	switch (t->state) {
	case TALK_WAITING:
		return t->is_registered;
	case TALK_GRANTS:
	case TALK_BINDINGS:
	case TALK_PATHS:
	case TALK_NO_PATHS:
	case TALK_NO_LEGS:
		return t->row_done >= talk_dc_rows_all(t);
	case TALK_LEGS:
		return t->legs_ready == t->n_nodes;
	default:
		return false;
	}
}

void talk_advance(struct talk *t)
{
	while (is_complete(t)) {
		t->state++;
		t->row_next = t->row_done = 0;
	}
	if (t->state == TALK_LEGS)
		talk_leg_start(t);
	else
		talk_dc_rows(t);
}

void talk_input(struct talk *t, uint64_t now, const struct endpoint *from,
		const struct endpoint *to, const uint8_t *pkt, size_t len)
{
	struct wire_fields f;
	uint32_t number;

	t->now = now;
	if (wire_parse(pkt, len, &f) != WIRE_OK)
		return;
	number = plan_node_of_index(f.id);
	if (endpoint_equal(to, &t->conf.dc))
		talk_dc_input(t, from, pkt, len);
	else if (!wire_is_path_id(f.id) && number < t->n_nodes && f.id == plan_own_index(number))
		talk_leg_input(&t->node[number], pkt, len);
	else if (f.type == WIRE_RESET)
		talk_fail(t, "the RS has forgotten a leg: was it restarted?");
	talk_advance(t);
}

void talk_poll(struct talk *t, uint64_t now)
{
	t->now = now;
	talk_dc_poll(t);
	for (int i = 0; i < TALK_NODES_PER_POLL && t->state >= TALK_LEGS; i++) {
		struct talk_node *n = &t->node[t->poll_next];

		t->poll_next = (t->poll_next + 1) % t->n_nodes;
		if (n->is_started)
			talk_leg_poll(n);
		if (t->poll_next == 0)
			break;
	}
	talk_advance(t);
}

enum talk_state talk_state(const struct talk *t)
{
	return t->state;
}

const char *talk_why(const struct talk *t)
{
	return t->why;
}

void talk_progress(const struct talk *t, char *buf, size_t size)
{
	static const char *const words[] = {"waiting for the RS to join",
					    "grants",
					    "general hosts",
					    "paths",
					    "legs",
					    "ready",
					    "leaving",
					    "gone",
					    "failed"};
	uint32_t all = talk_dc_rows_all(t);

	if (t->state == TALK_LEGS)
		snprintf(buf, size, "legs %u open, %u with all paths bound, of %u", t->legs_up,
			 t->legs_ready, t->n_nodes);
	else if (all > 0)
		snprintf(buf, size, "%s %u of %u", words[t->state], t->row_done, all);
	else
		snprintf(buf, size, "%s", words[t->state]);
}

void talk_rekey(struct talk *t, uint64_t now, uint64_t age_ns)
{
	t->now = now;
	if (t->state != TALK_READY)
		return;
	for (uint32_t i = 0; i < t->n_nodes; i++) {
		struct talk_node *n = &t->node[i];

		if (!n->wants_keys && now - n->since_ns < age_ns)
			continue;
		n->wants_keys = false;
		n->is_up = n->counts_ready = false;
		t->legs_ready--;
		t->legs_up--;
		t->state = TALK_LEGS;
	}
	t->node_next = 0;
	talk_advance(t);
}

void talk_leave(struct talk *t, uint64_t now)
{
	t->now = now;
	if (t->state == TALK_WAITING || t->state == TALK_GONE)
		return;
	t->state = t->is_registered ? TALK_NO_PATHS : TALK_GONE;
	t->row_next = t->row_done = 0;
	talk_advance(t);
}
