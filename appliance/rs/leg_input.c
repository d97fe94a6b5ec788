/* SPDX-License-Identifier: BSD-3-Clause */
/* Sealed packets of a leg that are for control: requests, answers, probes. */
#include "appliance/rs/rs.h"

#include "common/bytes.h"
#include "common/probe.h"

void leg_confirm(struct rs_leg *l, uint64_t now)
{
	if (l->is_confirmed || l->live.index == 0)
		return;
	l->is_confirmed = true;
	l->up_ns = now;
	rs_dp_leg_confirm(l->rs->dp, l->live.index);
	path_publish_leg(l->rs, l);
}

static void keep_alive(struct rs_leg *l, uint64_t now, const struct endpoint *from,
		       const struct msg *m)
{
	struct msg *out = &l->rs->out;

	msg_init(out, MSG_KEEP_ALIVE, true, m->txn);
	out->has = HAS(OBSERVED);
	out->observed = *from;
	control_answer(&l->control, now, out);
}

static void tunnel(struct rs_leg *l, uint64_t now, const struct endpoint *from, const struct msg *m)
{
	struct msg *out = &l->rs->out;

	msg_init(out, MSG_TUNNEL, true, m->txn);
	out->has = HAS(OBSERVED) | HAS(PATH);
	out->observed = *from;
	for (unsigned int i = 0; i < m->paths_n; i++)
		path_bind(l->rs, now, l, &m->paths[i], &out->paths[out->paths_n++]);
	control_answer(&l->control, now, out);
}

static void release(struct rs_leg *l, uint64_t now, const struct msg *m)
{
	struct rs_control *rs = l->rs;
	struct msg *out = &rs->out;

	for (unsigned int i = 0; i < m->paths_n; i++) {
		struct rs_path *p = idmap_get(&rs->paths, m->paths[i].path_id);

		if (p != NULL && (p->side[RS_SIDE_A].leg == l || p->side[RS_SIDE_B].leg == l))
			path_destroy(rs, p);
	}
	msg_init(out, MSG_RELEASE, true, m->txn);
	control_answer(&l->control, now, out);
}

static void request(struct rs_leg *l, uint64_t now, uint16_t local, const struct endpoint *from,
		    const struct msg *m)
{
	switch (m->type) {
	case MSG_KEEP_ALIVE:
		keep_alive(l, now, from, m);
		break;
	case MSG_TUNNEL:
		tunnel(l, now, from, m);
		break;
	case MSG_LEG_UPDATE:
		move_update(l, now, local, from, m);
		break;
	case MSG_RELEASE:
		release(l, now, m);
		break;
	default:
		RS_COUNT(l->rs, leg_not_allowed);
		control_refuse(&l->control, now, m->type, m->txn, MSG_ERR_NOT_ALLOWED);
	}
}

static void body_take(struct rs_leg *l, uint64_t now, uint16_t local, const struct endpoint *from,
		      const uint8_t *body, size_t len)
{
	struct msg *m = &l->rs->in;

	switch (control_input(&l->control, now, body, len, m)) {
	case CONTROL_REQUEST:
		request(l, now, local, from, m);
		break;
	case CONTROL_BAD:
		RS_COUNT(l->rs, leg_bad);
		break;
	default:
		break;
	}
}

static void control(struct rs_leg *l, uint64_t now, uint16_t local, const struct endpoint *from,
		    const uint8_t *body, size_t len)
{
	struct rs_control *rs = l->rs;
	struct msg *m = &rs->in;

	l->reply_to = *from;
	l->reply_local = local;
	/* Challenge answers carry the transaction of a Leg Update, which was the node's: they are
	 * matched by their bytes, not by a request of ours.
	 */
	if (msg_decode(m, body, len) == 0 && m->is_response && m->type == MSG_CHALLENGE)
		move_answered(l, now, m);
	else
		body_take(l, now, local, from, body, len);
	memset(&l->reply_to, 0, sizeof(l->reply_to));
}

static void probe(struct rs_leg *l, struct rs_life *life, uint64_t now, uint16_t local,
		  const struct endpoint *from, uint8_t *body, size_t len)
{
	struct probe p;

	if (probe_parse(body, len, &p) < 0 || p.kind != PROBE_ASK) {
		RS_COUNT(l->rs, leg_bad);
		return;
	}
	probe_answer(body, from);
	/* The answer goes back where the ask came from; not longer, so no credit is needed. */
	leg_send(l, life, now, WIRE_PROBE, local, from, body, len);
}

void leg_input(struct rs_control *rs, struct rs_leg *l, uint64_t now, uint16_t local,
	       const struct endpoint *from, const uint8_t *pkt, size_t len)
{
	struct rs_life *life = wire_id(pkt) == l->live.index ? &l->live : &l->pending;
	uint8_t body[2048];
	struct session_meta meta;
	uint64_t index = life->index;
	size_t n;

	if (len > sizeof(body) || life->session == NULL ||
	    session_open(life->session, now, pkt, len, body, &n, &meta) != SESSION_OK) {
		RS_COUNT(rs, leg_unopened);
		return;
	}
	if (meta.is_new_epoch) {
		rs_dp_leg_key_use(rs->dp, index, meta.epoch);
		assoc_heard(&l->assoc, now, index, meta.epoch); /* may make pending live */
		life = l->live.index == index ? &l->live : life;
	}
	if (life == &l->live && endpoint_equal(from, &l->live.peer) && l->asked.port == 0)
		leg_confirm(l, now);
	if (meta.type == WIRE_CONTROL)
		control(l, now, local, from, body, n);
	else if (meta.type == WIRE_PROBE)
		probe(l, life, now, local, from, body, n);
	/* From elsewhere, and not a move (that would have made it the peer): ask who it is. */
	if (life == &l->live && !endpoint_equal(from, &l->live.peer))
		move_challenge(l, now, local, from, len);
}
