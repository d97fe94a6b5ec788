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

/* ---- the DC's shell ---- */

static void put_flight(struct world *w, const struct endpoint *src, const struct endpoint *dst,
		       const uint8_t *pkt, size_t len)
{
	struct flight *f = calloc(1, sizeof(*f));

	assert_true(len <= sizeof(f->pkt));
	f->at = w->now + w->delay;
	f->src = *src;
	f->dst = *dst;
	f->len = len;
	memcpy(f->pkt, pkt, len);
	TAILQ_INSERT_TAIL(&w->wire, f, link);
}

static void shell_send(void *ctx, const struct endpoint *local, const struct endpoint *to,
		       const uint8_t *pkt, size_t len)
{
	struct world *w = ctx;

	w->from_dc_bytes += len;
	put_flight(w, local->port != 0 ? local : &w->dc_addr, to, pkt, len);
}

static void shell_store(void *ctx, struct dc_write *wr)
{
	struct world *w = ctx;

	w->writes_n++;
	if (w->store_submit != NULL) {
		w->store_submit(w, wr);
	} else {
		wr->next = NULL;
		*w->writes_tail = wr;
		w->writes_tail = &wr->next;
	}
	if (w->write_at == 0)
		w->write_at = w->now + w->store_delay;
}

static void disk_apply(struct world *w, const struct dc_write *wr)
{
	struct world_record *r;

	TAILQ_FOREACH(r, &w->disk, link)
	if (r->table == wr->table && r->key_len == wr->key_len &&
	    memcmp(r->key, wr->key, r->key_len) == 0)
		break;
	if (r == NULL && !wr->is_delete) {
		r = calloc(1, sizeof(*r));
		r->table = wr->table;
		r->key_len = wr->key_len;
		memcpy(r->key, wr->key, wr->key_len);
		TAILQ_INSERT_TAIL(&w->disk, r, link);
	}
	if (r == NULL)
		return;
	if (wr->is_delete) {
		TAILQ_REMOVE(&w->disk, r, link);
		free(r);
		return;
	}
	r->value_len = wr->value_len;
	memcpy(r->value, wr->value, wr->value_len);
}

static void store_turn(struct world *w)
{
	struct dc_write *wr = w->writes, *next;

	w->writes = NULL;
	w->writes_tail = &w->writes;
	w->write_at = 0;
	if (w->store_wait != NULL)
		w->store_wait(w);
	for (; wr != NULL; wr = next) {
		next = wr->next;
		wr->status = 0;
		if (w->store_fails > 0) {
			w->store_fails--;
			wr->status = -5;
		} else {
			disk_apply(w, wr);
		}
		dc_store_done(w->dc, w->now, wr);
	}
}

static void fill_result(struct dc_lookup_result *r, const struct world_name *n)
{
	r->status = n->status;
	for (int i = 0; i < 4 && n->values[i] != NULL; i++) {
		if (n->type == DC_LOOKUP_TXT)
			r->has_mark = strcmp(n->values[i], "mark") == 0;
		else if (n->type == DC_LOOKUP_NS)
			snprintf(r->names[r->names_n++], sizeof(r->names[0]), "%s", n->values[i]);
		else
			assert_int_equal(ip_parse(n->values[i], &r->addrs[r->addrs_n++]), 0);
	}
}

static void shell_lookup(void *ctx, uint64_t id, enum dc_lookup_type type, const char *name)
{
	struct world *w = ctx;
	struct pending_lookup *l = calloc(1, sizeof(*l));

	w->lookups_n++;
	l->at = w->now + 20 * MS;
	l->id = id;
	l->r.status = DC_LOOKUP_NODATA;
	for (unsigned int i = 0; i < w->names_n; i++)
		if (strcmp(w->names[i].name, name) == 0 && w->names[i].type == type)
			fill_result(&l->r, &w->names[i]);
	TAILQ_INSERT_TAIL(&w->lookups, l, link);
}

static void shell_publish(void *ctx, const struct dc_name *n, bool is_gone)
{
	struct world *w = ctx;

	if (is_gone)
		w->unpublished++;
	else
		w->published++;
}

static const struct dc_ops shell_ops = {
	.send = shell_send,
	.store = shell_store,
	.lookup = shell_lookup,
	.publish = shell_publish,
};

/* ---- world ---- */

void world_init(struct world *w, uint64_t seed, unsigned int number)
{
	char text[64];

	memset(w, 0, sizeof(*w));
	rng_init_seeded(&w->rng, seed + number);
	w->now = 1000 * SEC;
	w->delay = 5 * MS;
	w->store_delay = 3 * MS;
	w->writes_tail = &w->writes;
	TAILQ_INIT(&w->wire);
	TAILQ_INIT(&w->peers);
	TAILQ_INIT(&w->disk);
	TAILQ_INIT(&w->lookups);
	dc_params_default(&w->params);
	snprintf(w->params.name, sizeof(w->params.name), "ns.dc%u.test", number);
	snprintf(w->params.zones[0], sizeof(w->params.zones[0]), "dc%u.test", number);
	w->params.zones_n = 1;
	w->params.nodes_max = 64;
	w->params.rss_max = 4;
	w->params.tokens_max = 64;
	w->params.paths_max = 64;
	w->params.grants_max = 64;
	w->params.bindings_max = 64;
	w->params.gn_per_node = 32;
	w->params.jobs_max = 16;
	w->params.real_offset_ns = (int64_t)(1700000000ULL * SEC);
	snprintf(text, sizeof(text), "240.%u.0.0/24", number);
	assert_int_equal(prefix_parse(text, &w->params.pool4), 0);
	snprintf(text, sizeof(text), "fd00:%u::/64", number);
	assert_int_equal(prefix_parse(text, &w->params.pool6), 0);
	noise_keypair_generate(&w->dc_kp, &w->rng);
	w->params.self = w->dc_kp;
	rng_fill(&w->rng, w->params.reset_secret, sizeof(w->params.reset_secret));
	snprintf(text, sizeof(text), "198.51.100.%u:5525", number);
	assert_int_equal(endpoint_parse(text, &w->dc_addr), 0);
}

void world_start(struct world *w)
{
	const char *why;
	struct world_record *r;

	w->dc = dc_create(&w->params, &shell_ops, w, &w->rng, &why);
	if (w->dc == NULL)
		fail_msg("dc_create: %s", why);
	for (int t = 0; t < DC_TABLE_COUNT; t++)
		TAILQ_FOREACH(r, &w->disk, link)
	if (r->table == t)
		assert_int_equal(
			dc_load(w->dc, r->table, r->key, r->key_len, r->value, r->value_len), 0);
	dc_start(w->dc, w->now);
}

static void forget_in_flight(struct world *w)
{
	while (w->writes != NULL) {
		struct dc_write *wr = w->writes;

		w->writes = wr->next;
		free(wr);
	}
	w->writes_tail = &w->writes;
	w->write_at = 0;
	while (!TAILQ_EMPTY(&w->lookups)) {
		struct pending_lookup *l = TAILQ_FIRST(&w->lookups);

		TAILQ_REMOVE(&w->lookups, l, link);
		free(l);
	}
}

void world_restart_dc(struct world *w)
{
	dc_destroy(w->dc);
	forget_in_flight(w);
	world_start(w);
}

void world_fini(struct world *w)
{
	while (!TAILQ_EMPTY(&w->peers))
		peer_free(TAILQ_FIRST(&w->peers));
	dc_destroy(w->dc);
	forget_in_flight(w);
	while (!TAILQ_EMPTY(&w->wire)) {
		struct flight *f = TAILQ_FIRST(&w->wire);

		TAILQ_REMOVE(&w->wire, f, link);
		free(f);
	}
	while (!TAILQ_EMPTY(&w->disk)) {
		struct world_record *r = TAILQ_FIRST(&w->disk);

		TAILQ_REMOVE(&w->disk, r, link);
		free(r);
	}
}

uint64_t world_count(const struct world *w, enum dc_counter c)
{
	return dc_counters(w->dc)[c];
}

void world_send(struct world *w, const struct endpoint *src, const uint8_t *pkt, size_t len)
{
	put_flight(w, src, &w->dc_addr, pkt, len);
}

/* ---- peers ---- */

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
	put_flight(p->w, &p->addr, &p->w->dc_addr, pkt, len);
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
	put_flight(p->w, &p->addr, &p->w->dc_addr, pkt, n);
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

static void peer_input(struct peer *p, const struct flight *f)
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

/* ---- time ---- */

static void deliver(struct world *w, struct flight *f)
{
	struct peer *p;

	if (endpoint_equal(&f->dst, &w->dc_addr)) {
		dc_input(w->dc, w->now, &f->src, &f->dst, f->pkt, f->len);
		return;
	}
	TAILQ_FOREACH(p, &w->peers, link)
	if (endpoint_equal(&f->dst, &p->addr) && !p->is_deaf) {
		peer_input(p, f);
		return;
	}
	if (w->other != NULL && endpoint_equal(&f->dst, &w->other->dc_addr))
		dc_input(w->other->dc, w->now, &f->src, &f->dst, f->pkt, f->len);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The next thing due in this world, at most at end. */
static uint64_t next_due(struct world *w, uint64_t end)
{
	uint64_t at = earlier(end, dc_deadline(w->dc));
	struct flight *f = TAILQ_FIRST(&w->wire);
	struct pending_lookup *l = TAILQ_FIRST(&w->lookups);
	struct peer *p;

	if (f != NULL)
		at = earlier(at, f->at);
	if (l != NULL)
		at = earlier(at, l->at);
	if (w->write_at != 0 && !w->store_stuck)
		at = earlier(at, w->write_at);
	TAILQ_FOREACH(p, &w->peers, link)
	at = earlier(at, earlier(assoc_poll(&p->assoc, w->now), control_poll(&p->control, w->now)));
	return at;
}

static void turn(struct world *w)
{
	struct flight *f;
	struct pending_lookup *l;

	while ((f = TAILQ_FIRST(&w->wire)) != NULL && f->at <= w->now) {
		TAILQ_REMOVE(&w->wire, f, link);
		deliver(w, f);
		free(f);
	}
	while ((l = TAILQ_FIRST(&w->lookups)) != NULL && l->at <= w->now) {
		TAILQ_REMOVE(&w->lookups, l, link);
		dc_lookup_done(w->dc, w->now, l->id, &l->r);
		free(l);
	}
	if (w->write_at != 0 && w->write_at <= w->now && !w->store_stuck)
		store_turn(w);
	dc_poll(w->dc, w->now);
}

void world_run_both(struct world *a, struct world *b, uint64_t ns)
{
	uint64_t end = a->now + ns;

	while (a->now < end) {
		uint64_t at = next_due(a, end);

		if (b != NULL)
			at = earlier(at, next_due(b, end));
		if (at <= a->now)
			at = a->now + 1;
		a->now = at;
		turn(a);
		if (b != NULL) {
			b->now = at;
			turn(b);
		}
	}
}

void world_run(struct world *w, uint64_t ns)
{
	world_run_both(w, w->other, ns);
}
