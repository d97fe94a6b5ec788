/* SPDX-License-Identifier: BSD-3-Clause */
/* The DC's side: the RS joins by its token, registers, and takes rows. */
#include "common/token.h"
#include "perf/pktgen/talk_impl.h"

#include <errno.h>

/* ---- the association ---- */

static void op_send(void *ctx, struct assoc *a, const uint8_t *pkt, size_t len, unsigned int try)
{
	/* Side B of one association: the responder sends. */
}

static int op_install(void *ctx, struct assoc *a, uint64_t now, const struct epoch_keys *k)
{
	struct talk *t = ctx;
	struct session *s = t->dc_session;

	if (!k->is_fresh)
		return s != NULL ? session_install(s, now, k) : -ENOENT;
	s = session_create(k->own_index, false, &t->limits, t->windows);
	if (s == NULL)
		return -ENOMEM;
	session_destroy(t->dc_pending);
	t->dc_pending = s;
	return session_install(s, now, k);
}

static void op_retire(void *ctx, struct assoc *a, uint64_t own_index)
{
	struct talk *t = ctx;

	if (t->dc_pending != NULL && session_index(t->dc_pending) == own_index) {
		session_destroy(t->dc_pending);
		t->dc_pending = NULL;
	} else if (t->dc_session != NULL && session_index(t->dc_session) == own_index) {
		session_destroy(t->dc_session);
		t->dc_session = NULL;
		t->is_registered = false;
	}
}

/* The pending session is proven; the one before, if any, is retired by the association. */
static void op_up(void *ctx, struct assoc *a)
{
	struct talk *t = ctx;

	if (t->dc_pending == NULL)
		return;
	session_destroy(t->dc_session);
	t->dc_session = t->dc_pending;
	t->dc_pending = NULL;
}

static void op_confirm(void *ctx, struct assoc *a, uint64_t own_index)
{
	/* The RS registers by itself, which confirms. */
}

static void op_failed(void *ctx, struct assoc *a, enum assoc_failure why, uint16_t code)
{
	struct talk *t = ctx;

	t->is_registered = false;
}

/* Another one for each session, none of which is a node's. */
static uint64_t op_index(void *ctx, struct assoc *a)
{
	struct talk *t = ctx;

	return TALK_DC_INDEX ^ (rng_below(&t->rng, 1 << 16) << 44);
}

static const struct assoc_ops dc_ops = {.send = op_send,
					.install = op_install,
					.retire = op_retire,
					.up = op_up,
					.confirm = op_confirm,
					.failed = op_failed,
					.index = op_index};

static void responder_send(void *ctx, const struct endpoint *to, const uint8_t *pkt, size_t len)
{
	struct talk *t = ctx;

	talk_send(t, &t->conf.dc, to, pkt, len);
}

static struct assoc *responder_find(void *ctx, const struct hs_clear *c)
{
	return NULL; /* of the kind RS-DC alone, which is not looked up by an ID */
}

static void responder_request(void *ctx, struct responder *r, uint64_t now, struct hs_job *job)
{
	struct talk *t = ctx;
	struct msg *m = &t->in;

	if (msg_decode_payload(m, job->payload, job->payload_len) < 0 ||
	    (m->has & HAS(TOKEN_ID)) == 0 || m->token_id != token_id(t->token)) {
		responder_drop(r, job);
		talk_fail(t, "the RS does not join by this seed's join string");
		return;
	}
	(void)responder_accept(r, now, job, &t->dc_assoc, NULL, 0);
}

static const struct responder_ops responder_ops = {
	.send = responder_send, .find = responder_find, .request = responder_request};

static void control_out(void *ctx, const uint8_t *body, size_t len)
{
	struct talk *t = ctx;
	struct session *s = t->dc_session != NULL ? t->dc_session : t->dc_pending;
	uint8_t pkt[MSG_MAX + WIRE_OVERHEAD];
	size_t n;

	if (s != NULL && t->rs.port != 0 &&
	    session_seal(s, t->now, WIRE_CONTROL, 0, body, len, pkt, sizeof(pkt), &n) == SESSION_OK)
		talk_send(t, &t->conf.dc, &t->rs, pkt, n);
}

static const struct control_ops control_ops = {.send = control_out};

int talk_dc_init(struct talk *t)
{
	struct responder_conf rc = {.kinds = 1 << HS_RS_DC,
				    .suites = SUITE_SET_DEFAULT,
				    .jobs = 4,
				    .cache = 16,
				    .load_jobs = UINT32_MAX};
	struct assoc_conf conf = {.kind = HS_RS_DC,
				  .suite = SUITE_DEFAULT,
				  .is_control_only = true,
				  .id = WIRE_ID_NONE,
				  .limits = t->limits};
	int ret;

	t->dc_host.ops = &dc_ops;
	t->dc_host.rng = &t->rng;
	t->dc_host.attempts = &t->attempts;
	t->dc_host.self = &t->self;
	memcpy(conf.psk, t->token, sizeof(conf.psk));
	control_init(&t->dc_control, &control_ops, t, &t->rng);
	ret = assoc_init(&t->dc_assoc, &t->dc_host, &conf, t);
	if (ret < 0)
		return ret;
	t->has_dc_assoc = true;
	t->responder = responder_create(&rc, &responder_ops, &t->dc_host, t);
	return t->responder == NULL ? -ENOMEM : 0;
}

void talk_dc_fini(struct talk *t)
{
	if (!t->has_dc_assoc)
		return;
	control_fini(&t->dc_control);
	if (t->responder != NULL)
		responder_destroy(t->responder);
	assoc_fini(&t->dc_assoc);
	session_destroy(t->dc_session);
	session_destroy(t->dc_pending);
}

/* ---- what the RS asks ---- */

static void registered(struct talk *t, const struct msg *m)
{
	struct msg *out = &t->out;

	msg_init(out, MSG_REGISTRATION, true, m->txn);
	out->has = HAS(VIPS) | HAS(OBSERVED) | HAS(LOCATION) | HAS(KEEPALIVE);
	out->observed = t->rs;
	out->location = m->location;
	out->keepalive_sec = 900;
	(void)control_answer(&t->dc_control, t->now, out);
	t->is_registered = true;
}

static void request(struct talk *t, const struct msg *m)
{
	struct msg *out = &t->out;

	switch (m->type) {
	case MSG_REGISTRATION:
		registered(t, m);
		break;
	case MSG_STATUS:
		msg_init(out, MSG_STATUS, true, m->txn);
		(void)control_answer(&t->dc_control, t->now, out);
		break;
	default:
		(void)control_refuse(&t->dc_control, t->now, m->type, m->txn, MSG_ERR_NOT_ALLOWED);
	}
}

/* An index of an earlier life of ours: have the RS open anew. */
static void reset(struct talk *t, const struct endpoint *from, const uint8_t *pkt, size_t len)
{
	uint8_t out[WIRE_RESET_LEN];
	size_t n = reset_build(t->dc_host.reset_secret, load_be64(pkt + 8), len, out);

	if (n > 0)
		talk_send(t, &t->conf.dc, from, out, n);
}

static void sealed(struct talk *t, const struct endpoint *from, const uint8_t *pkt, size_t len)
{
	uint64_t id = load_be64(pkt + 8);
	struct session *s = NULL;
	struct session_meta meta;
	uint8_t body[MSG_MAX];
	size_t n;

	if (t->dc_session != NULL && session_index(t->dc_session) == id)
		s = t->dc_session;
	else if (t->dc_pending != NULL && session_index(t->dc_pending) == id)
		s = t->dc_pending;
	if (s == NULL) {
		reset(t, from, pkt, len);
		return;
	}
	if (len > sizeof(body) + WIRE_OVERHEAD ||
	    session_open(s, t->now, pkt, len, body, &n, &meta) != SESSION_OK)
		return;
	t->rs = *from;
	if (meta.is_new_epoch)
		assoc_heard(&t->dc_assoc, t->now, id, meta.epoch);
	if (meta.type == WIRE_CONTROL &&
	    control_input(&t->dc_control, t->now, body, n, &t->in) == CONTROL_REQUEST)
		request(t, &t->in);
}

void talk_dc_input(struct talk *t, const struct endpoint *from, const uint8_t *pkt, size_t len)
{
	uint8_t type = pkt[0] & 15;

	if (type == WIRE_HANDSHAKE_1)
		(void)responder_input(t->responder, t->now, from, pkt, len);
	else if (wire_type_is_sealed(type))
		sealed(t, from, pkt, len);
}

void talk_dc_poll(struct talk *t)
{
	(void)assoc_poll(&t->dc_assoc, t->now);
	(void)control_poll(&t->dc_control, t->now);
}

/* ---- rows ---- */

uint32_t talk_dc_rows_all(const struct talk *t)
{
	switch (t->state) {
	case TALK_GRANTS:
	case TALK_NO_LEGS:
		return t->n_nodes;
	case TALK_BINDINGS:
		return t->plan->conf.flows > 0 ? t->plan->conf.legs : 0;
	case TALK_PATHS:
	case TALK_NO_PATHS:
		return t->plan->conf.paths;
	default:
		return 0;
	}
}

static uint32_t rows_in_one(const struct talk *t)
{
	switch (t->state) {
	case TALK_PATHS:
	case TALK_NO_PATHS:
		return MSG_PATHS_MAX;
	case TALK_BINDINGS:
		return MSG_BINDINGS_MAX;
	default:
		return MSG_GRANTS_MAX;
	}
}

static void grant_row(struct talk *t, uint32_t at)
{
	struct msg_grant *g = &t->out.grants[t->out.grants_n++];
	const struct talk_node *n = &t->node[at];

	t->out.has |= HAS(GRANT);
	*g = (struct msg_grant){.has = HAS(KEY_ID), .key_id = n->key_id};
	if (t->state == TALK_NO_LEGS) {
		g->has |= HAS(REMOVE);
		return;
	}
	g->has |= HAS(TEMP_KEY) | HAS(VIPS) | HAS(LIFETIME);
	memcpy(g->temp_key, n->temp_key, sizeof(g->temp_key));
	g->vips.v4 = plan_vip(at);
	g->lifetime_sec = TALK_ROW_SEC;
}

static void binding_row(struct talk *t, uint32_t at)
{
	uint32_t host = plan_node_host(t->plan, at);

	t->out.has |= HAS(BINDING);
	t->out.bindings[t->out.bindings_n++] = (struct msg_binding){
		.has = HAS(KEY_ID) | HAS(NUMBER) | HAS(VIP_GN) | HAS(RIP_GN) | HAS(LIFETIME),
		.key_id = t->node[at].key_id,
		.number = 1,
		.lifetime_sec = TALK_ROW_SEC,
		.vip_gn = plan_vip_host(host),
		.rip_gn = plan_host_addr(host),
	};
}

static void path_row(struct talk *t, uint32_t at)
{
	struct msg_path *row = &t->out.paths[t->out.paths_n++];
	const struct plan *p = t->plan;

	t->out.has |= HAS(PATH);
	if (t->state == TALK_NO_PATHS) {
		*row = (struct msg_path){.has = HAS(PATH_ID) | HAS(REMOVE),
					 .path_id = plan_path_id(p, at)};
		return;
	}
	*row = (struct msg_path){
		.has = HAS(PATH_ID) | HAS(KEY_ID) | HAS(KEY_ID_B) | HAS(LIFETIME),
		.path_id = plan_path_id(p, at),
		.key_id = t->node[plan_path_node(p, at, false)].key_id,
		.key_id_b = t->node[plan_path_node(p, at, true)].key_id,
		.lifetime_sec = TALK_ROW_SEC,
	};
}

/* Where the node's leg is to go: the RS names one endpoint per family. */
static bool endpoint_take(struct talk *t, uint32_t at, const struct msg_grant *g)
{
	for (int i = 0; i < g->endpoints_n; i++) {
		if (ip_is_v4(&g->endpoints[i].ip) == t->plan->conf.outer6)
			continue;
		t->plan->node[at].rs = g->endpoints[i];
		return true;
	}
	talk_fail(t, "the RS has no address of the nodes' family");
	return false;
}

/* The first refusal in an answer, 0 where there is none. */
static uint16_t refusal(const struct msg *m)
{
	if ((m->has & HAS(ERROR)) != 0)
		return m->error;
	for (int i = 0; i < m->grants_n; i++)
		if ((m->grants[i].has & HAS(ERROR)) != 0)
			return m->grants[i].error;
	for (int i = 0; i < m->bindings_n; i++)
		if ((m->bindings[i].has & HAS(ERROR)) != 0)
			return m->bindings[i].error;
	for (int i = 0; i < m->paths_n; i++)
		if ((m->paths[i].has & HAS(ERROR)) != 0)
			return m->paths[i].error;
	return 0;
}

static void rows_done(void *ctx, void *arg, const struct msg *m)
{
	struct talk *t = ctx;
	uint32_t from = (uint32_t)(uintptr_t)arg - 1;
	uint16_t code;

	t->rows_out--;
	if (m == NULL) {
		talk_fail(t, "the RS does not answer its DC any more");
		return;
	}
	code = refusal(m);
	if (code != 0) {
		talk_fail(t, "the RS refuses a row: %s", msg_error_text(code));
		return;
	}
	for (int i = 0; t->state == TALK_GRANTS && i < m->grants_n; i++)
		if (!endpoint_take(t, from + (uint32_t)i, &m->grants[i]))
			return;
	t->row_done += (uint32_t)(m->grants_n + m->bindings_n + m->paths_n);
}

void talk_dc_rows(struct talk *t)
{
	uint32_t all = talk_dc_rows_all(t);

	while (t->rows_out < TALK_ROWS_UNDER_WAY && t->row_next < all) {
		uint32_t first = t->row_next, n = rows_in_one(t);

		msg_init(&t->out, MSG_RELAY_DIRECTION, false, 0);
		for (; n > 0 && t->row_next < all; n--, t->row_next++) {
			if (t->state == TALK_PATHS || t->state == TALK_NO_PATHS)
				path_row(t, t->row_next);
			else if (t->state == TALK_BINDINGS)
				binding_row(t, t->row_next);
			else
				grant_row(t, t->row_next);
		}
		t->rows_out++;
		if (control_request(&t->dc_control, t->now, &t->out, NULL, rows_done,
				    (void *)(uintptr_t)(first + 1)) < 0) {
			t->rows_out--;
			talk_fail(t, "no memory for requests");
			return;
		}
	}
}
