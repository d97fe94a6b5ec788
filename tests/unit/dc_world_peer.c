/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/dc_world.h"

#include "common/token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

const char *const behind_nat[] = {"192.168.1.2", NULL};
const char *const rs_own[] = {"198.51.100.50", NULL};

static struct session *find_session(struct peer *p, uint64_t index)
{
	for (int i = 0; i < 3; i++)
		if (p->sessions[i] != NULL && p->indexes[i] == index)
			return p->sessions[i];
	return NULL;
}

static void peer_send(void *ctx, struct assoc *a, const uint8_t *pkt, size_t len, unsigned int try)
{
	struct peer *p = ctx;

	p->w->to_dc_bytes += len;
	world_send(p->w, &p->addr, pkt, len);
}

static struct session_pool *windows;

static int peer_install(void *ctx, struct assoc *a, uint64_t now, const struct epoch_keys *k)
{
	struct peer *p = ctx;

	if (windows == NULL)
		windows = session_pool_create(100000);
	for (int i = 0; k->is_fresh && i < 3; i++) {
		if (p->sessions[i] != NULL)
			continue;
		p->sessions[i] = session_create(k->own_index, k->is_side_a, &session_limits_default,
						windows);
		p->indexes[i] = k->own_index;
		break;
	}
	return session_install(find_session(p, k->own_index), now, k);
}

static void peer_retire(void *ctx, struct assoc *a, uint64_t index)
{
	struct peer *p = ctx;

	for (int i = 0; i < 3; i++)
		if (p->sessions[i] != NULL && p->indexes[i] == index) {
			session_destroy(p->sessions[i]);
			p->sessions[i] = NULL;
		}
}

static void peer_up(void *ctx, struct assoc *a)
{
	struct peer *p = ctx;

	p->is_up = true;
	p->ups++;
}

static void peer_confirm(void *ctx, struct assoc *a, uint64_t index)
{
	struct peer *p = ctx;
	struct msg *m = calloc(1, sizeof(*m));

	msg_init(m, MSG_KEEP_ALIVE, false, 0);
	control_request(&p->control, p->w->now, m, NULL, NULL, NULL);
	free(m);
}

static int peer_payload(void *ctx, struct assoc *a, uint8_t *buf, size_t cap)
{
	struct peer *p = ctx;
	struct msg *m = calloc(1, sizeof(*m));
	int n;

	m->has = HAS(NAME) | HAS(PEER_NAME);
	snprintf(m->name, sizeof(m->name), "%s", p->name);
	snprintf(m->peer_name, sizeof(m->peer_name), "%s", p->w->params.name);
	if (p->has_token) {
		m->has |= HAS(TOKEN_ID);
		m->token_id = token_id(p->token);
	}
	n = msg_encode_payload(m, buf, cap);
	free(m);
	return n;
}

static int peer_answer(void *ctx, struct assoc *a, const uint8_t *tlvs, size_t len)
{
	return 0;
}

static void peer_failed(void *ctx, struct assoc *a, enum assoc_failure why, uint16_t code)
{
	struct peer *p = ctx;

	p->is_up = p->is_up && why == ASSOC_TIMEOUT;
	p->failures++;
	p->failure = code;
}

static uint64_t peer_index(void *ctx, struct assoc *a)
{
	struct peer *p = ctx;

	return rng_u64(&p->w->rng) >> 1 | WIRE_ID_INDEX;
}

static const struct assoc_ops peer_ops = {
	.send = peer_send,
	.install = peer_install,
	.retire = peer_retire,
	.up = peer_up,
	.confirm = peer_confirm,
	.payload = peer_payload,
	.answer = peer_answer,
	.failed = peer_failed,
	.index = peer_index,
};

static void peer_control_send(void *ctx, const uint8_t *body, size_t len)
{
	struct peer *p = ctx;
	struct session *s = find_session(p, p->assoc.live.own_index);
	uint8_t pkt[1500];
	size_t n;

	if (s == NULL || session_seal(s, p->w->now, WIRE_CONTROL, 0, body, len, pkt, sizeof(pkt),
				      &n) != SESSION_OK)
		return;
	p->w->to_dc_bytes += n;
	world_send(p->w, &p->addr, pkt, n);
}

static const struct control_ops peer_control_ops = {.send = peer_control_send};

static void peer_setup(struct peer *p)
{
	struct assoc_conf conf = {
		.kind = p->hs_kind,
		.suite = SUITE_DEFAULT,
		.is_side_a = true,
		.is_control_only = true,
		.id = WIRE_ID_NONE,
		.limits = session_limits_default,
	};

	memcpy(conf.peer_key, p->w->dc_kp.pub, sizeof(conf.peer_key));
	memcpy(conf.psk, p->has_token ? p->token : p->psk, sizeof(conf.psk));
	assert_int_equal(assoc_init(&p->assoc, &p->host, &conf, p), 0);
	control_init(&p->control, &peer_control_ops, p, &p->w->rng);
	p->is_up = false;
}

static void enrolled(void *arg, int status)
{
	*(int *)arg = status;
}

struct peer *peer_enrol(struct world *w, uint8_t hs_kind, const char *name, const char *addr)
{
	struct peer *p = calloc(1, sizeof(*p));
	int status = 1;

	p->w = w;
	p->hs_kind = hs_kind;
	snprintf(p->name, sizeof(p->name), "%s", name);
	assert_int_equal(endpoint_parse(addr, &p->addr), 0);
	p->legs = p->addr;
	p->legs.port = 5530;
	noise_keypair_generate(&p->kp, &w->rng);
	p->attempts.offset_ns = w->params.real_offset_ns;
	p->host = (struct assoc_host){
		.ops = &peer_ops, .rng = &w->rng, .attempts = &p->attempts, .self = &p->kp};
	p->has_token = true;
	assert_int_equal(dc_enrol(w->dc, w->now, hs_kind == HS_NODE_DC ? DC_NODE : DC_RS, name,
				  3600, p->token, enrolled, &status),
			 0);
	world_run(w, 10 * MS);
	assert_int_equal(status, 0);
	peer_setup(p);
	TAILQ_INSERT_TAIL(&w->peers, p, link);
	return p;
}

static void peer_teardown(struct peer *p)
{
	control_fini(&p->control);
	assoc_fini(&p->assoc);
	for (int i = 0; i < 3; i++)
		if (p->sessions[i] != NULL) {
			session_destroy(p->sessions[i]);
			p->sessions[i] = NULL;
		}
}

void peer_restart(struct peer *p)
{
	peer_teardown(p);
	peer_setup(p);
}

void peer_free(struct peer *p)
{
	TAILQ_REMOVE(&p->w->peers, p, link);
	peer_teardown(p);
	free(p);
}

void peer_open(struct peer *p)
{
	assoc_start(&p->assoc, p->w->now);
}

static void asked(void *ctx, void *arg, const struct msg *m)
{
	struct peer *p = arg;

	p->has_answer = true;
	p->answers++;
	if (m != NULL)
		p->answer = *m;
	else
		memset(&p->answer, 0, sizeof(p->answer));
	if (m == NULL || m->type != MSG_REGISTRATION || (m->has & HAS(ERROR)) != 0)
		return;
	p->vips = m->vips;
	if ((m->has & HAS(LASTING_PSK)) != 0)
		memcpy(p->psk, m->lasting_psk, sizeof(p->psk));
}

void peer_ask(struct peer *p, struct msg *m)
{
	p->has_answer = false;
	assert_int_equal(control_request(&p->control, p->w->now, m, NULL, asked, p), 0);
}

void peer_fill_registration(struct peer *p, struct msg *m, const char *const *cand)
{
	msg_init(m, MSG_REGISTRATION, false, 0);
	m->has |= HAS(LOCATION) | HAS(SUITES) | HAS(CANDIDATE) | HAS(MTU);
	m->location = p->w->now;
	m->mtu = 1420;
	m->suites_n = 2;
	m->suites[0] = SUITE_AES128_GCM;
	m->suites[1] = SUITE_CHACHA20_POLY1305;
	for (int i = 0; cand != NULL && cand[i] != NULL; i++) {
		m->candidates[i].ep.port = p->addr.port;
		assert_int_equal(ip_parse(cand[i], &m->candidates[i].ep.ip), 0);
		m->candidates_n++;
	}
}

void peer_register(struct peer *p, const char *const *cand)
{
	struct msg *m = calloc(1, sizeof(*m));

	if (!p->is_up)
		peer_open(p);
	world_run(p->w, 100 * MS);
	peer_fill_registration(p, m, cand);
	peer_ask(p, m);
	world_run(p->w, 200 * MS);
	free(m);
}

static void direct(struct peer *p, struct msg *m)
{
	m->has |= HAS(LOCATION);
	m->location = p->w->now;
	peer_ask(p, m);
	world_run(p->w, 300 * MS);
	free(m);
}

void peer_direct(struct peer *p, const char *name)
{
	peer_renew(p, name, 0);
}

void peer_direct_vip(struct peer *p, const struct ip_addr *vip)
{
	struct msg *m = calloc(1, sizeof(*m));

	msg_init(m, MSG_DIRECTION, false, 0);
	m->has |= HAS(PEER_VIP);
	m->peer_vip = *vip;
	direct(p, m);
}

void peer_renew(struct peer *p, const char *name, uint64_t path_id)
{
	struct msg *m = calloc(1, sizeof(*m));

	msg_init(m, MSG_DIRECTION, false, 0);
	m->has |= HAS(PEER_NAME) | (path_id != 0 ? HAS(PATH_ID) : 0);
	m->path_id = path_id;
	snprintf(m->peer_name, sizeof(m->peer_name), "%s", name);
	direct(p, m);
}

/* ---- what a party answers ---- */

static void answer_relay(struct peer *p, struct msg *m)
{
	m->has &= HAS(GRANT) | HAS(PATH) | HAS(BINDING);
	for (unsigned int i = 0; i < m->grants_n; i++) {
		bool removed = (m->grants[i].has & HAS(REMOVE)) != 0;

		m->grants[i].has = HAS(KEY_ID);
		if (p->refuse_grant != 0) {
			m->grants[i].has |= HAS(ERROR);
			m->grants[i].error = p->refuse_grant;
		} else if (!removed) {
			m->grants[i].has |= HAS(ENDPOINT);
			m->grants[i].endpoints_n = 1;
			m->grants[i].endpoints[0] = p->legs;
		}
	}
	for (unsigned int i = 0; i < m->paths_n; i++) {
		m->paths[i].has = HAS(PATH_ID) | (p->refuse_path != 0 ? HAS(ERROR) : 0);
		m->paths[i].error = p->refuse_path;
	}
	if (p->refuse_path == MSG_ERR_ID_TAKEN)
		p->refuse_path = 0; /* only the first */
	for (unsigned int i = 0; i < m->bindings_n; i++) {
		m->bindings[i].has =
			HAS(KEY_ID) | HAS(NUMBER) | (p->refuse_binding != 0 ? HAS(ERROR) : 0);
		m->bindings[i].error = p->refuse_binding;
	}
}

static void peer_request(struct peer *p, struct msg *m)
{
	uint8_t type = m->type;
	uint32_t txn = m->txn;

	p->got[type] = *m;
	p->got_n[type]++;
	if (p->is_mute)
		return;
	if (p->refuse_with != 0) {
		control_refuse(&p->control, p->w->now, type, txn, p->refuse_with);
		return;
	}
	if (type == MSG_RELAY_DIRECTION)
		answer_relay(p, m);
	else if (type == MSG_KEEP_ALIVE) {
		m->has = HAS(OBSERVED);
		m->observed = p->w->dc_addr;
	} else
		m->has = 0;
	m->is_response = true;
	assert_int_equal(control_answer(&p->control, p->w->now, m), 0);
}

void peer_input(struct peer *p, const struct flight *f)
{
	struct wire_fields h;
	struct session *s;
	struct session_meta meta;
	uint8_t body[1500];
	size_t n;
	struct msg *m;

	if (wire_parse(f->pkt, f->len, &h) != WIRE_OK)
		return;
	if (!wire_type_is_sealed(h.type)) {
		assoc_input(&p->assoc, p->w->now, f->pkt, f->len);
		return;
	}
	s = find_session(p, h.id);
	if (s == NULL || session_open(s, p->w->now, f->pkt, f->len, body, &n, &meta) != SESSION_OK)
		return;
	if (meta.is_new_epoch)
		assoc_heard(&p->assoc, p->w->now, h.id, meta.epoch);
	m = calloc(1, sizeof(*m));
	if (control_input(&p->control, p->w->now, body, n, m) == CONTROL_REQUEST)
		peer_request(p, m);
	free(m);
}
