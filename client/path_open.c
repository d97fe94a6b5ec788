/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/node_impl.h"

static struct path *of(struct chan *c)
{
	return (struct path *)c;
}

static void by_relay(struct path *p, const uint8_t *pkt, size_t len)
{
	struct datapath_dest dest;

	if (p->leg->is_up && leg_dest(p->leg, &dest))
		node_send_raw(p->chan.node, &dest, pkt, len);
}

static void straight(struct path *p, const uint8_t *pkt, size_t len)
{
	struct node *n = p->chan.node;
	const struct prober *pr = &p->prober;

	for (int i = 0; i < pr->told_n; i++) {
		struct datapath_dest dest = {.link = n->link, .to = pr->candidates[i].ep};

		if (prober_may_try(p, &pr->candidates[i]))
			node_send_raw(n, &dest, pkt, len);
	}
}

/* Of a live path: new keys go the way the data goes, and by the relay too when that is silent. */
static void send_rekey(struct path *p, const uint8_t *pkt, size_t len, unsigned int try)
{
	if (p->is_direct)
		node_send_raw(p->chan.node, &p->chan.dest[p->chan.number], pkt, len);
	if (!p->is_direct || try > 0)
		by_relay(p, pkt, len);
}

static void op_send(struct chan *c, const uint8_t *pkt, size_t len, unsigned int try)
{
	struct path *p = of(c);

	if (p->state == PATH_UP) {
		send_rekey(p, pkt, len, try);
		return;
	}
	memcpy(p->hs1, pkt, len);
	p->hs1_len = (uint16_t)len;
	if (p->preferred == ROUTE_DIRECT)
		straight(p, pkt, len);
	if (try > 0) {
		if (p->is_relayed_try)
			by_relay(p, pkt, len);
		return;
	}
	/* The relay is asked to bind in any case; it carries the handshake when it is the way. */
	p->bind_at_ns = c->node->now + 7 * NODE_SEC;
	leg_bind(p->leg, p, p->is_relayed_try ? pkt : NULL, len);
}

void path_fallback(struct path *p)
{
	struct node *n = p->chan.node;

	p->fallback_ns = 0;
	if (p->state != PATH_OPENING || p->hs1_len == 0)
		return;
	p->is_relayed_try = true;
	why_note(n, p->peer, "no answer straight within %u ms: the same by the relay",
		 (unsigned int)(n->conf.tuning.direct_wait_ns / NODE_MS));
	by_relay(p, p->hs1, p->hs1_len);
}

static void fill(struct path *p, struct msg *m)
{
	struct node *n = p->chan.node;

	m->has = HAS(LOCATION) | HAS(MTU) | HAS(NAT);
	m->location = n->location;
	m->mtu = n->conf.mtu;
	m->nat = mover_nat(n);
	link_candidates(n, m, false);
}

/* With as many candidates as fit; they stand in the order of their worth. */
static int encode(struct path *p, struct msg *m, uint8_t *buf, size_t cap)
{
	int len;

	fill(p, m);
	for (;;) {
		len = msg_encode_payload(m, buf, cap);
		if (len >= 0 || m->candidates_n == 0)
			return len;
		if (--m->candidates_n == 0)
			m->has &= ~HAS(CANDIDATE);
	}
}

static void op_payload(struct chan *c, struct msg *m)
{
	uint8_t buf[HS_PAYLOAD_PATH_MAX];

	/* Leaves in m what fits. */
	encode(of(c), m, buf, sizeof(buf));
}

static void take_payload(struct path *p, const struct msg *m)
{
	if ((m->has & HAS(LOCATION)) != 0 && m->location >= p->peer_location)
		p->peer_location = m->location;
	if ((m->has & HAS(NAT)) != 0)
		p->peer_nat = m->nat;
	if ((m->has & HAS(CANDIDATE)) != 0)
		prober_candidates(p, m->candidates, m->candidates_n, NULL);
}

static void op_answer(struct chan *c, const struct msg *m)
{
	take_payload(of(c), m);
}

/* The handshake's other half came from here: so goes the data, for a start. */
static void op_installed(struct chan *c)
{
	struct path *p = of(c);
	struct node *n = c->node;
	struct datapath_dest dest = {.link = n->rx_link, .to = n->rx_from};

	p->is_tentative = !p->is_side_a;
	if (leg_is_source(p->leg, &n->rx_from)) {
		p->is_direct = false;
		if (leg_dest(p->leg, &dest))
			chan_route(c, &dest, 0, 0);
	} else {
		p->is_direct = true;
		chan_route(c, &dest, 0, 0);
	}
	/* B's handshake 2 is not out yet, and data must not overtake it. */
	p->must_settle = true;
}

static void op_up(struct chan *c)
{
	struct path *p = of(c);
	struct node *n = c->node;

	p->state = PATH_UP;
	p->since_ns = n->now;
	p->fallback_ns = 0;
	why_note(n, p->peer, "path %016llx up, %s", (unsigned long long)p->id,
		 p->is_direct ? "direct" : "by relay");
	node_event(n, NODE_EV_PATH_UP, p->peer, "%s", p->is_direct ? "direct" : "relay");
	path_settle(p);
	mtu_start(&p->mtu, c);
	path_active(p);
	if (!p->is_direct)
		prober_start(p);
}

static void op_failed(struct chan *c, enum assoc_failure why, uint16_t code)
{
	struct path *p = of(c);
	struct node *n = c->node;

	switch (why) {
	case ASSOC_TIMEOUT:
		if (p->state != PATH_UP)
			why_note(n, p->peer, "no answer to the handshake within 10 s");
		break;
	case ASSOC_RESET:
		path_lost(p, "the peer has forgotten the path");
		break;
	default:
		why_note(n, p->peer, "handshake refused: %s", msg_error_text(code));
		if (p->state != PATH_UP)
			path_end(p, true, "the handshake was refused");
	}
}

static void op_confirm(struct chan *c)
{
	path_alive(of(c));
}

/* What tells of a move goes straight too: one of the ways is open first. */
static void op_copy(struct chan *c, const uint8_t *body, size_t len)
{
	struct path *p = of(c);

	if (p->update_out && p->has_straight)
		chan_send(c, WIRE_CONTROL, chan_spare(c), &p->straight, body, len);
}

const struct chan_ops path_chan_ops = {
	.send = op_send,
	.payload = op_payload,
	.answer = op_answer,
	.installed = op_installed,
	.up = op_up,
	.failed = op_failed,
	.confirm = op_confirm,
	.request = path_request,
	.copy = op_copy,
};

void path_asked(struct path *p, struct responder *r, struct hs_job *job)
{
	struct node *n = p->chan.node;
	uint8_t tlvs[WIRE_HS2_MAX];
	size_t fixed = WIRE_HS2_NOISE + NOISE_2_OVERHEAD + HS_OWN_TLV_LEN;
	size_t cap = job->hs1_len > fixed ? job->hs1_len - fixed : 0;
	int len;

	if (msg_decode_payload(&n->hs, job->payload, job->payload_len) < 0) {
		responder_drop(r, job);
		return;
	}
	if (responder_is_new(job, &p->chan.assoc))
		take_payload(p, &n->hs);
	msg_init(&n->hs, MSG_TUNNEL, true, 0);
	len = encode(p, &n->hs, tlvs, cap < sizeof(tlvs) ? cap : sizeof(tlvs));
	if (len < 0) {
		responder_drop(r, job);
		return;
	}
	responder_accept(r, n->now, job, &p->chan.assoc, tlvs, (size_t)len);
}
