/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/channel.h"

#include "dc/core.h"
#include "dc/dispatch.h"

#include <errno.h>
#include <stdlib.h>

struct channel_session *channel_find(struct dc *dc, uint64_t index)
{
	struct table *t = &dc->by_index;
	struct table_link *l = table_first(t, table_hash(t, &index, sizeof(index)));

	for (; l != NULL; l = table_next(l)) {
		struct channel_session *cs = table_entry(l, struct channel_session, by_index);

		if (cs->index == index)
			return cs;
	}
	return NULL;
}

static struct channel_session *own_session(struct channel *ch, uint64_t index)
{
	for (int i = 0; i < CHANNEL_SESSIONS; i++)
		if (ch->sessions[i].s != NULL && ch->sessions[i].index == index)
			return &ch->sessions[i];
	return NULL;
}

static void session_drop(struct dc *dc, struct channel_session *cs)
{
	const struct session_stats *st = session_stats(cs->s);

	for (int v = 0; v < SESSION_VERDICT_COUNT; v++)
		dc->session_verdicts[v] += st->verdicts[v];
	table_del(&dc->by_index, &cs->by_index);
	session_destroy(cs->s);
	cs->s = NULL;
}

/* ---- what the association asks for ---- */

static void assoc_send(void *ctx, struct assoc *a, const uint8_t *pkt, size_t len, unsigned int try)
{
	struct channel *ch = ctx;

	if (ch->remote.port == 0)
		return;
	dc_count(ch->dc, DC_COUNT_TX_PACKETS);
	ch->dc->ops->send(ch->dc->ctx, &ch->local, &ch->remote, pkt, len);
}

static int fresh_session(struct channel *ch, const struct epoch_keys *k)
{
	struct dc *dc = ch->dc;
	struct channel_session *cs = NULL;

	for (int i = 0; i < CHANNEL_SESSIONS && cs == NULL; i++)
		if (ch->sessions[i].s == NULL)
			cs = &ch->sessions[i];
	if (cs == NULL)
		return -ENOSPC;
	cs->s = session_create(k->own_index, k->is_side_a, &dc->params.limits, dc->windows);
	if (cs->s == NULL)
		return -ENOMEM;
	cs->ch = ch;
	cs->index = k->own_index;
	table_add(&dc->by_index, &cs->by_index,
		  table_hash(&dc->by_index, &cs->index, sizeof(cs->index)));
	return 0;
}

static int assoc_install(void *ctx, struct assoc *a, uint64_t now, const struct epoch_keys *k)
{
	struct channel *ch = ctx;
	struct channel_session *cs;
	int ret = 0;

	if (k->is_fresh)
		ret = fresh_session(ch, k);
	if (ret < 0)
		return ret;
	cs = own_session(ch, k->own_index);
	if (cs == NULL)
		return -ENOENT;
	ret = session_install(cs->s, now, k);
	if (ret < 0 && k->is_fresh)
		session_drop(ch->dc, cs);
	return ret;
}

static void assoc_retire(void *ctx, struct assoc *a, uint64_t own_index)
{
	struct channel *ch = ctx;
	struct channel_session *cs = own_session(ch, own_index);

	if (cs != NULL)
		session_drop(ch->dc, cs);
}

static void assoc_up(void *ctx, struct assoc *a)
{
	struct channel *ch = ctx;

	ch->is_up = true;
	enrol_proven(ch->dc, ch);
	dispatch_opened(ch->dc, ch->dc->now, ch);
}

/* A keep-alive in the new session: its answer proves that the peer has the keys. */
static void assoc_confirm(void *ctx, struct assoc *a, uint64_t own_index)
{
	struct channel *ch = ctx;
	struct msg *m = &ch->dc->tx;

	ch->send_index = own_index;
	msg_init(m, MSG_KEEP_ALIVE, false, 0);
	control_request(&ch->control, ch->dc->now, m, NULL, NULL, NULL);
	ch->send_index = 0;
}

/* Who we are and whom we mean, for side A (peer DCs alone). */
static int assoc_payload(void *ctx, struct assoc *a, uint8_t *buf, size_t cap)
{
	struct channel *ch = ctx;

	dc_attempts_reserve(ch->dc);
	return dispatch_names(ch->dc, ch->party, buf, cap);
}

static int assoc_answer(void *ctx, struct assoc *a, const uint8_t *tlvs, size_t len)
{
	struct channel *ch = ctx;
	struct msg *m = &ch->dc->tx;

	if (msg_decode_payload(m, tlvs, len) < 0 || (m->has & HAS(NAME)) == 0 ||
	    strcmp(m->name, ch->party->name) != 0) {
		dc_count(ch->dc, DC_COUNT_HS_WRONG_NAME);
		return -EBADMSG;
	}
	return 0;
}

static void assoc_failed(void *ctx, struct assoc *a, enum assoc_failure why, uint16_t code)
{
	struct channel *ch = ctx;

	if (why == ASSOC_RESET || why == ASSOC_TIMEOUT)
		return; /* it opens anew by itself */
	dispatch_failed(ch->dc, ch->dc->now, ch);
}

static uint64_t assoc_index(void *ctx, struct assoc *a)
{
	struct channel *ch = ctx;
	uint64_t index;

	do {
		index = rng_u64(ch->dc->rng) | WIRE_ID_INDEX;
	} while (index == WIRE_ID_NONE || channel_find(ch->dc, index) != NULL);
	return index;
}

static void assoc_compute(void *ctx, struct hs_job *job)
{
	struct channel *ch = ctx;

	ch->dc->ops->compute(ch->dc->ctx, job);
}

/* Two tables, for the shell may have no other thread. */
#define OPS(compute_)                                                                              \
	{                                                                                          \
		.send = assoc_send, .install = assoc_install, .retire = assoc_retire,              \
		.up = assoc_up, .confirm = assoc_confirm, .payload = assoc_payload,                \
		.answer = assoc_answer, .failed = assoc_failed, .index = assoc_index,              \
		.compute = compute_                                                                \
	}
const struct assoc_ops channel_assoc_ops = OPS(assoc_compute);
const struct assoc_ops channel_assoc_ops_inline = OPS(NULL);

/* ---- sending ---- */

static struct channel_session *send_session(struct channel *ch)
{
	const struct assoc *a = &ch->assoc;

	if (ch->send_index != 0)
		return own_session(ch, ch->send_index);
	if (a->live.is_used)
		return own_session(ch, a->live.own_index);
	return a->pending.is_used ? own_session(ch, a->pending.own_index) : NULL;
}

static void control_send(void *ctx, const uint8_t *body, size_t len)
{
	struct channel *ch = ctx;
	struct channel_session *cs = send_session(ch);
	struct dc *dc = ch->dc;
	uint8_t pkt[WIRE_HDR_LEN + MSG_MAX + WIRE_TAG_LEN];
	size_t n;

	if (dc->is_closing || cs == NULL || ch->remote.port == 0 ||
	    session_seal(cs->s, dc->now, WIRE_CONTROL, 0, body, len, pkt, sizeof(pkt), &n) !=
		    SESSION_OK)
		return; /* it is sent again when there is a key */
	dc_count(dc, DC_COUNT_TX_PACKETS);
	dc->ops->send(dc->ctx, &ch->local, &ch->remote, pkt, n);
}

static const struct control_ops channel_control_ops = {.send = control_send};

/* ---- life ---- */

static void due(void *owner, uint64_t now)
{
	struct channel *ch = owner;

	channel_kick(ch, now);
}

void channel_kick(struct channel *ch, uint64_t now)
{
	uint64_t at = assoc_poll(&ch->assoc, now);
	uint64_t control_at = control_poll(&ch->control, now);

	timer_set(&ch->dc->timers, &ch->timer, at < control_at ? at : control_at);
}

struct channel *channel_create(struct dc *dc, struct party *p, const struct assoc_conf *conf)
{
	struct channel *ch = calloc(1, sizeof(*ch));

	if (ch == NULL)
		return NULL;
	ch->dc = dc;
	ch->party = p;
	timer_init(&ch->timer, due, ch);
	if (assoc_init(&ch->assoc, &dc->host, conf, ch) < 0) {
		free(ch);
		return NULL;
	}
	control_init(&ch->control, &channel_control_ops, ch, dc->rng);
	return ch;
}

void channel_destroy(struct channel *ch)
{
	struct dc *dc = ch->dc;

	responder_forget(dc->responder, &ch->assoc);
	control_abort(&ch->control);
	control_fini(&ch->control);
	assoc_fini(&ch->assoc);
	for (int i = 0; i < CHANNEL_SESSIONS; i++)
		if (ch->sessions[i].s != NULL)
			session_drop(dc, &ch->sessions[i]);
	timer_cancel(&dc->timers, &ch->timer);
	free(ch);
}

void channel_open(struct channel *ch, uint64_t now, const struct endpoint *to)
{
	ch->remote = *to;
	assoc_start(&ch->assoc, now);
	channel_kick(ch, now);
}

/* ---- receiving ---- */

static void take(struct channel *ch, uint64_t now, const uint8_t *body, size_t len)
{
	struct dc *dc = ch->dc;

	switch (control_input(&ch->control, now, body, len, &dc->rx)) {
	case CONTROL_REQUEST:
		dispatch_request(dc, now, ch, &dc->rx);
		break;
	case CONTROL_DONE:
		break;
	case CONTROL_STRAY:
		dc_count(dc, DC_COUNT_MSG_STRAY);
		break;
	case CONTROL_BAD:
		dc_count(dc, DC_COUNT_MSG_BAD);
		break;
	}
}

void channel_sealed(struct channel_session *cs, uint64_t now, const struct endpoint *src,
		    const struct endpoint *local, const uint8_t *pkt, size_t len)
{
	struct channel *ch = cs->ch;
	struct dc *dc = ch->dc;
	uint8_t body[MSG_MAX];
	struct session_meta meta;
	size_t n;

	if (len > WIRE_OVERHEAD + sizeof(body) ||
	    session_open(cs->s, now, pkt, len, body, &n, &meta) != SESSION_OK) {
		dc_count(dc, DC_COUNT_RX_SEALED_BAD);
		return;
	}
	/* The newest packet says where the peer is: copies of old ones do not open again. */
	if (meta.is_highest || ch->remote.port == 0) {
		ch->remote = *src;
		ch->local = *local;
	}
	ch->from = *src;
	ch->heard_ns = now;
	if (meta.is_new_epoch)
		assoc_heard(&ch->assoc, now, cs->index, meta.epoch);
	if (meta.is_new_epoch)
		enrol_heard(dc, ch);
	if (meta.type != WIRE_CONTROL)
		dc_count(dc, DC_COUNT_RX_WRONG_TYPE);
	else
		take(ch, now, body, n);
	explicit_bzero(body, n);
	channel_kick(ch, now);
}

bool channel_handshake(struct dc *dc, uint64_t now, const struct endpoint *src, const uint8_t *pkt,
		       size_t len)
{
	struct wire_fields f;
	struct channel *ch;

	if (wire_parse(pkt, len, &f) != WIRE_OK)
		return false;
	ch = dispatch_waiting(dc, &f);
	if (ch == NULL)
		return false;
	gate_count(dc, assoc_input(&ch->assoc, now, pkt, len));
	channel_kick(ch, now);
	return true;
}

int channel_request(struct channel *ch, uint64_t now, struct msg *m, control_done done, void *arg)
{
	int ret = control_request(&ch->control, now, m, NULL, done, arg);
	uint64_t at = now + 200000000ULL;

	if (ret == 0 && at < ch->timer.at_ns)
		timer_set(&ch->dc->timers, &ch->timer, at);
	return ret;
}

void channel_answer(struct channel *ch, uint64_t now, struct msg *m)
{
	if (control_answer(&ch->control, now, m) < 0)
		channel_refuse(ch, now, m, MSG_ERR_BUSY);
}

void channel_refuse_txn(struct channel *ch, uint64_t now, uint8_t type, uint32_t txn,
			enum msg_error code)
{
	if (control_refuse(&ch->control, now, type, txn, code) < 0)
		dc_count(ch->dc, DC_COUNT_MSG_NO_MEMORY);
}

void channel_refuse_stale(struct channel *ch, uint64_t now, const struct msg *request,
			  uint64_t location)
{
	if (control_refuse_stale(&ch->control, now, request->type, request->txn, location) < 0)
		dc_count(ch->dc, DC_COUNT_MSG_NO_MEMORY);
}

void channel_refuse(struct channel *ch, uint64_t now, const struct msg *request,
		    enum msg_error code)
{
	channel_refuse_txn(ch, now, request->type, request->txn, code);
}
