/* SPDX-License-Identifier: BSD-3-Clause */
/* The association with the DC: the RS opens it, registers, takes rows, tells its load. */
#include "appliance/rs/rs.h"

#include <errno.h>

static void seal_send(struct rs_control *rs, struct session *s, const uint8_t *body, size_t len)
{
	uint8_t pkt[MSG_MAX + WIRE_OVERHEAD];
	size_t n;

	if (s != NULL &&
	    session_seal(s, 0, WIRE_CONTROL, 0, body, len, pkt, sizeof(pkt), &n) == SESSION_OK)
		rs->ops->send_dc(rs->ctx, &rs->p.dc[rs->dc.at], pkt, n);
}

static void op_control_send(void *ctx, const uint8_t *body, size_t len)
{
	struct rs_control *rs = ctx;

	seal_send(rs, rs->dc.session != NULL ? rs->dc.session : rs->dc.pending, body, len);
}

static const struct control_ops dc_control_ops = {.send = op_control_send};

/* ---- ops of the association; ctx is RS control ---- */

static void op_send(void *ctx, struct assoc *a, const uint8_t *pkt, size_t len, unsigned int try)
{
	struct rs_control *rs = ctx;

	rs->ops->send_dc(rs->ctx, &rs->p.dc[rs->dc.at], pkt, len);
}

static int op_install(void *ctx, struct assoc *a, uint64_t now, const struct epoch_keys *k)
{
	struct rs_control *rs = ctx;
	struct session *s = NULL;

	if (!k->is_fresh) {
		s = rs->dc.session;
		return s != NULL && session_index(s) == k->own_index ? session_install(s, now, k)
								     : -EINVAL;
	}
	s = session_create(k->own_index, true, &rs->p.limits, rs->windows);
	if (s == NULL)
		return -ENOMEM;
	session_destroy(rs->dc.session);
	rs->dc.session = s;
	rs->dc.life++; /* perhaps of another process, which counts from elsewhere */
	return session_install(s, now, k);
}

static void op_retire(void *ctx, struct assoc *a, uint64_t own_index)
{
	struct rs_control *rs = ctx;

	if (rs->dc.session == NULL || session_index(rs->dc.session) != own_index)
		return;
	session_destroy(rs->dc.session);
	rs->dc.session = NULL;
	rs->dc.is_up = rs->dc.is_registered = false;
	control_abort(&rs->dc.control);
}

static void registered(void *ctx, void *arg, const struct msg *m)
{
	struct rs_control *rs = ctx;

	if (m == NULL || (m->has & HAS(ERROR)) != 0) {
		rs->dc.is_registered = false;
		return;
	}
	/* Not stored: the DC takes the token until the lasting key was used, so it is not used yet. */
	if ((m->has & HAS(LASTING_PSK)) != 0 && rs->ops->save_psk(rs->ctx, m->lasting_psk) == 0) {
		memcpy(rs->dc.assoc.conf.psk, m->lasting_psk, KEY_LEN);
		memcpy(rs->p.psk, m->lasting_psk, KEY_LEN);
		rs->p.has_token = false;
	}
	rs->dc.is_registered = true;
}

static void registration_send(struct rs_control *rs, uint64_t now)
{
	struct msg *m = &rs->dc_out;

	msg_init(m, MSG_REGISTRATION, false, 0);
	m->has = HAS(LOCATION) | HAS(SUITES) | HAS(CANDIDATE);
	rs->dc.location = hs_attempt_next(&rs->attempts, now);
	m->location = rs->dc.location;
	m->suites_n = 1;
	m->suites[0] = SUITE_AES128_GCM;
	for (uint16_t i = 0; i < rs_dp_local_count(rs->dp) && m->candidates_n < MSG_CANDIDATES_MAX;
	     i++)
		m->candidates[m->candidates_n++] =
			(struct candidate){.kind = CANDIDATE_LOCAL, .ep = *rs_dp_local(rs->dp, i)};
	control_request(&rs->dc.control, now, m, NULL, registered, NULL);
}

static void op_up(void *ctx, struct assoc *a)
{
	struct rs_control *rs = ctx;

	rs->dc.is_up = true;
}

/* The registration is what both proves the keys and is answered: sent with the first confirm. */
static void op_confirm(void *ctx, struct assoc *a, uint64_t own_index)
{
	struct rs_control *rs = ctx;

	if (rs->dc.control.pending_n == 0)
		registration_send(rs, a->live.since_ns);
}

static int op_payload(void *ctx, struct assoc *a, uint8_t *buf, size_t cap)
{
	struct rs_control *rs = ctx;
	struct msg *m = &rs->dc_out;

	msg_init(m, MSG_REGISTRATION, false, 0);
	m->has = HAS(NAME) | HAS(PEER_NAME);
	memcpy(m->name, rs->p.name, sizeof(m->name));
	memcpy(m->peer_name, rs->p.dc_name, sizeof(m->peer_name));
	if (rs->p.has_token) {
		m->has |= HAS(TOKEN_ID);
		m->token_id = token_id(rs->p.psk);
	}
	return msg_encode_payload(m, buf, cap);
}

static int op_answer(void *ctx, struct assoc *a, const uint8_t *tlvs, size_t len)
{
	return 0;
}

static void op_failed(void *ctx, struct assoc *a, enum assoc_failure why, uint16_t code)
{
	struct rs_control *rs = ctx;

	RS_COUNT(rs, dc_failures);
	if (why == ASSOC_TIMEOUT)
		rs->dc.at = (rs->dc.at + 1) % rs->p.dc_n;
}

static uint64_t op_index(void *ctx, struct assoc *a)
{
	struct rs_control *rs = ctx;

	return rng_u64(rs->rng) | WIRE_ID_INDEX;
}

static void op_compute(void *ctx, struct hs_job *job)
{
	struct rs_control *rs = ctx;

	rs->ops->compute(rs->ctx, job);
}

int dc_link_init(struct rs_control *rs, uint64_t now)
{
	struct assoc_conf conf = {
		.kind = HS_RS_DC,
		.suite = SUITE_AES128_GCM,
		.is_side_a = true,
		.is_control_only = true,
		.id = WIRE_ID_NONE,
		.limits = rs->p.limits,
	};
	int ret;

	rs->dc_ops = (struct assoc_ops){
		.send = op_send,
		.install = op_install,
		.retire = op_retire,
		.up = op_up,
		.confirm = op_confirm,
		.payload = op_payload,
		.answer = op_answer,
		.failed = op_failed,
		.index = op_index,
		.compute = rs->ops->compute != NULL ? op_compute : NULL,
	};
	rs->dc_host = rs->leg_host;
	rs->dc_host.ops = &rs->dc_ops;
	rs->dc_host.self = &rs->p.self;
	memcpy(conf.peer_key, rs->p.dc_key, NOISE_KEY_LEN);
	memcpy(conf.psk, rs->p.psk, KEY_LEN);
	control_init(&rs->dc.control, &dc_control_ops, rs, rs->rng);
	ret = assoc_init(&rs->dc.assoc, &rs->dc_host, &conf, rs);
	explicit_bzero(&conf, sizeof(conf));
	return ret;
}

void dc_link_fini(struct rs_control *rs)
{
	assoc_fini(&rs->dc.assoc);
	session_destroy(rs->dc.session);
	rs->dc.session = NULL;
	control_fini(&rs->dc.control);
}

static void request(struct rs_control *rs, uint64_t now, const struct msg *m)
{
	struct control *c = &rs->dc.control;

	switch (m->type) {
	case MSG_RELAY_DIRECTION:
		rows_take(rs, now, m, &rs->dc_out);
		control_answer(c, now, &rs->dc_out);
		break;
	case MSG_KEEP_ALIVE:
		msg_init(&rs->dc_out, MSG_KEEP_ALIVE, true, m->txn);
		rs->dc_out.has = HAS(OBSERVED);
		rs->dc_out.observed = rs->p.dc[rs->dc.at];
		control_answer(c, now, &rs->dc_out);
		if ((m->has & HAS(REKEY)) != 0)
			assoc_rekey(&rs->dc.assoc, now);
		break;
	default:
		RS_COUNT(rs, dc_bad);
		control_refuse(c, now, m->type, m->txn, MSG_ERR_NOT_ALLOWED);
	}
}

static void sealed(struct rs_control *rs, uint64_t now, const uint8_t *pkt, size_t len)
{
	uint8_t body[2048];
	struct session_meta meta;
	size_t n;

	if (rs->dc.session == NULL || len > sizeof(body) ||
	    session_open(rs->dc.session, now, pkt, len, body, &n, &meta) != SESSION_OK) {
		RS_COUNT(rs, dc_unopened);
		return;
	}
	if (meta.is_new_epoch)
		assoc_heard(&rs->dc.assoc, now, session_index(rs->dc.session), meta.epoch);
	if (meta.type != WIRE_CONTROL)
		return;
	switch (control_input(&rs->dc.control, now, body, n, &rs->dc_in)) {
	case CONTROL_REQUEST:
		request(rs, now, &rs->dc_in);
		break;
	case CONTROL_BAD:
		RS_COUNT(rs, dc_bad);
		break;
	default:
		break;
	}
}

void rs_control_dc_packet(struct rs_control *rs, uint64_t now, const struct endpoint *from,
			  const uint8_t *pkt, size_t len)
{
	if (len < WIRE_HDR_LEN) {
		RS_COUNT(rs, dc_bad);
		return;
	}
	switch (wire_type(pkt)) {
	case WIRE_HANDSHAKE_2:
	case WIRE_COOKIE:
	case WIRE_RESET:
		rs->verdicts[assoc_input(&rs->dc.assoc, now, pkt, len)]++;
		break;
	default:
		sealed(rs, now, pkt, len);
	}
}

static void status_done(void *ctx, void *arg, const struct msg *m)
{
	struct rs_control *rs = ctx;

	/* A DC that does not answer for 6 s may have lost us without a reset coming through. */
	if (m == NULL)
		rs->dc.is_registered = false;
	else if ((m->has & HAS(ERROR)) != 0 && m->error == MSG_ERR_REGISTER)
		rs->dc.is_registered = false;
}

static void status_send(struct rs_control *rs, uint64_t now)
{
	struct msg *m = &rs->dc_out;

	msg_init(m, MSG_STATUS, false, 0);
	m->has = HAS(LOAD);
	m->load.legs = rs->legs_n;
	m->load.paths = (uint32_t)rs->paths.used;
	m->load.busy_permille = rs->ops->busy != NULL ? rs->ops->busy(rs->ctx) : 0;
	control_request(&rs->dc.control, now, m, NULL, status_done, NULL);
}

uint64_t dc_link_poll(struct rs_control *rs, uint64_t now)
{
	uint64_t next, t;

	if (rs->p.dc_n == 0)
		return UINT64_MAX;
	if (rs->dc.status_ns == 0)
		assoc_start(&rs->dc.assoc, now);
	if (rs->dc.status_ns <= now) {
		rs->dc.status_ns = now + RS_STATUS_NS;
		if (rs->dc.is_up && !rs->dc.is_registered)
			registration_send(rs, now);
		else if (rs->dc.is_up)
			status_send(rs, now);
	}
	next = rs->dc.status_ns;
	t = assoc_poll(&rs->dc.assoc, now);
	next = t < next ? t : next;
	t = control_poll(&rs->dc.control, now);
	return t < next ? t : next;
}
