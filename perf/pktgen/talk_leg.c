/* SPDX-License-Identifier: BSD-3-Clause */
/* The nodes' legs: a handshake under the temporary key, a keep-alive that confirms it, and requests
 * that bind the node's side of its paths.
 */
#include "perf/pktgen/talk_impl.h"

#include <errno.h>

/* Data goes by route 0 (the generator's own sequence), control by another: one key, two senders. */
enum { ROUTE_CONTROL = 1 };

static struct talk_node *of(struct assoc *a)
{
	return a->ctx;
}

static const struct plan_node *planned(const struct talk_node *n)
{
	return &n->t->plan->node[n->number];
}

uint32_t talk_leg_paths(const struct talk_node *n)
{
	const struct plan_conf *c = &n->t->plan->conf;
	uint32_t on_side = n->number % c->legs;

	return c->paths > on_side ? (c->paths - on_side - 1) / c->legs + 1 : 0;
}

/* ---- the association ---- */

static void op_send(void *ctx, struct assoc *a, const uint8_t *pkt, size_t len, unsigned int try)
{
	struct talk_node *n = ctx;

	talk_send(n->t, &planned(n)->self, &planned(n)->rs, pkt, len);
}

static int op_install(void *ctx, struct assoc *a, uint64_t now, const struct epoch_keys *k)
{
	struct talk_node *n = ctx;
	struct plan_node *p = &n->t->plan->node[n->number];
	struct session *s;
	int ret;

	if (k->is_fresh) {
		s = session_create(k->own_index, true, &n->t->limits, n->t->windows);
		if (s == NULL)
			return -ENOMEM;
		session_destroy(n->session);
		n->session = s;
	}
	if (n->session == NULL)
		return -ENOENT;
	ret = session_install(n->session, now, k);
	if (ret < 0)
		return ret;
	plan_leg_keys(n->t->plan, n->number, k);
	p->rs_index = k->peer_index;
	p->flags = wire_flags(true, k->epoch, 0);
	n->since_ns = now;
	return 0;
}

static void op_retire(void *ctx, struct assoc *a, uint64_t own_index)
{
	/* A node has one index for life; its session goes with the node. */
}

static void ready_check(struct talk_node *n)
{
	if (!n->is_up || n->counts_ready || n->is_binding || n->bound < talk_leg_paths(n))
		return;
	n->counts_ready = true;
	n->t->legs_ready++;
}

static void bind_next(struct talk_node *n);

static void bind_done(void *ctx, void *arg, const struct msg *m)
{
	struct talk_node *n = ctx;

	n->is_binding = false;
	if (m == NULL || (m->has & HAS(ERROR)) != 0) {
		talk_fail(n->t, "node %u cannot bind paths: %s", n->number,
			  m == NULL ? "no answer" : msg_error_text(m->error));
		return;
	}
	for (int i = 0; i < m->paths_n; i++) {
		if ((m->paths[i].has & HAS(ERROR)) == 0)
			continue;
		talk_fail(n->t, "node %u cannot bind a path: %s", n->number,
			  msg_error_text(m->paths[i].error));
		return;
	}
	bind_next(n);
}

/* Path number k of a node is the k-th of those that are its modulo the legs of a side. */
static void bind_next(struct talk_node *n)
{
	struct talk *t = n->t;
	uint32_t legs = t->plan->conf.legs, all = talk_leg_paths(n);
	struct msg *m = &t->out;

	if (n->bound == all) {
		ready_check(n);
		return;
	}
	msg_init(m, MSG_TUNNEL, false, 0);
	m->has = HAS(LOCATION) | HAS(PATH);
	m->location = hs_attempt_next(&t->attempts, t->now);
	for (; m->paths_n < MSG_PATHS_MAX && n->bound < all; n->bound++)
		m->paths[m->paths_n++] = (struct msg_path){
			.has = HAS(PATH_ID) | HAS(SIDE),
			.path_id = plan_path_id(t->plan, n->number % legs + n->bound * legs),
			.side = n->number >= legs,
		};
	n->is_binding = true;
	if (control_request(&n->control, t->now, m, NULL, bind_done, NULL) < 0)
		talk_fail(t, "no memory for requests");
}

static void op_up(void *ctx, struct assoc *a)
{
	/* is_up is said by the answer to the first keep-alive: the RS has confirmed us then */
}

static void confirmed(void *ctx, void *arg, const struct msg *m)
{
	struct talk_node *n = ctx;

	if (m == NULL || n->is_up)
		return;
	n->is_up = true;
	n->t->legs_up++;
	n->t->legs_out--;
	bind_next(n);
}

static void op_confirm(void *ctx, struct assoc *a, uint64_t own_index)
{
	struct talk_node *n = ctx;
	struct msg *m = &n->t->out;

	if (n->control.pending_n > 0)
		return;
	msg_init(m, MSG_KEEP_ALIVE, false, 0);
	m->has = HAS(LOCATION);
	m->location = hs_attempt_next(&n->t->attempts, n->t->now);
	(void)control_request(&n->control, n->t->now, m, NULL, confirmed, NULL);
}

static int op_payload(void *ctx, struct assoc *a, uint8_t *buf, size_t cap)
{
	struct talk_node *n = ctx;
	struct msg *m = &n->t->out;

	msg_init(m, MSG_TUNNEL, false, 0);
	m->has = HAS(LOCATION);
	m->location = hs_attempt_next(&n->t->attempts, n->t->now);
	return msg_encode_payload(m, buf, cap);
}

static int op_answer(void *ctx, struct assoc *a, const uint8_t *tlvs, size_t len)
{
	return 0;
}

static void op_failed(void *ctx, struct assoc *a, enum assoc_failure why, uint16_t code)
{
	struct talk_node *n = ctx;

	talk_fail(n->t, "leg of node %u: %s", n->number,
		  why == ASSOC_TIMEOUT	 ? "no answer from the RS"
		  : why == ASSOC_REFUSED ? msg_error_text(code)
		  : why == ASSOC_RESET	 ? "the RS has forgotten it"
					 : "cannot be opened");
}

static uint64_t op_index(void *ctx, struct assoc *a)
{
	return plan_own_index(of(a)->number);
}

static const struct assoc_ops leg_ops = {.send = op_send,
					 .install = op_install,
					 .retire = op_retire,
					 .up = op_up,
					 .confirm = op_confirm,
					 .payload = op_payload,
					 .answer = op_answer,
					 .failed = op_failed,
					 .index = op_index};

static void control_out(void *ctx, const uint8_t *body, size_t len)
{
	struct talk_node *n = ctx;
	uint8_t pkt[MSG_MAX + WIRE_OVERHEAD];
	size_t out;

	if (n->session != NULL && session_seal(n->session, n->t->now, WIRE_CONTROL, ROUTE_CONTROL,
					       body, len, pkt, sizeof(pkt), &out) == SESSION_OK)
		talk_send(n->t, &planned(n)->self, &planned(n)->rs, pkt, out);
}

static const struct control_ops control_ops = {.send = control_out};

void talk_leg_host(struct talk *t)
{
	t->leg_host.ops = &leg_ops;
	t->leg_host.rng = &t->rng;
	t->leg_host.attempts = &t->attempts;
}

int talk_leg_init(struct talk *t, uint32_t number)
{
	struct talk_node *n = &t->node[number];
	struct assoc_conf conf = {.kind = HS_LEG,
				  .suite = t->plan->conf.suite,
				  .is_side_a = true,
				  .limits = t->limits};
	struct rng rng;
	int ret;

	rng_init_seeded(&rng, t->plan->conf.seed * 0x9e3779b97f4a7c15ULL + number);
	n->number = number;
	n->key_id = rng_u64(&rng) | WIRE_ID_INDEX;
	rng_fill(&rng, n->temp_key, sizeof(n->temp_key));
	conf.id = n->key_id;
	memcpy(conf.psk, n->temp_key, sizeof(conf.psk));
	ret = assoc_init(&n->assoc, &t->leg_host, &conf, n);
	if (ret < 0)
		return ret;
	control_init(&n->control, &control_ops, n, &t->rng);
	n->t = t;
	return 0;
}

void talk_leg_fini(struct talk_node *n)
{
	control_fini(&n->control);
	assoc_fini(&n->assoc);
	session_destroy(n->session);
	explicit_bzero(n->temp_key, sizeof(n->temp_key));
}

void talk_leg_start(struct talk *t)
{
	for (; t->node_next < t->n_nodes && t->legs_out < TALK_LEGS_UNDER_WAY; t->node_next++) {
		struct talk_node *n = &t->node[t->node_next];

		if (n->is_up)
			continue;
		t->legs_out++;
		n->is_started = true;
		assoc_start(&n->assoc, t->now);
	}
}

/* The RS speaks first only to ask for new keys: noted, for it is not the time. */
static void request(struct talk_node *n, const struct msg *m)
{
	struct msg *out = &n->t->out;

	if (m->type != MSG_KEEP_ALIVE) {
		(void)control_refuse(&n->control, n->t->now, m->type, m->txn, MSG_ERR_NOT_ALLOWED);
		return;
	}
	n->wants_keys |= (m->has & HAS(REKEY)) != 0;
	msg_init(out, MSG_KEEP_ALIVE, true, m->txn);
	out->has = HAS(OBSERVED);
	out->observed = planned(n)->rs;
	(void)control_answer(&n->control, n->t->now, out);
}

void talk_leg_input(struct talk_node *n, const uint8_t *pkt, size_t len)
{
	uint8_t type = pkt[0] & 15, body[2048];
	struct session_meta meta;
	size_t got;

	if (type == WIRE_HANDSHAKE_2 || type == WIRE_RESET) {
		(void)assoc_input(&n->assoc, n->t->now, pkt, len);
		return;
	}
	if (type != WIRE_CONTROL || n->session == NULL || len > sizeof(body) ||
	    session_open(n->session, n->t->now, pkt, len, body, &got, &meta) != SESSION_OK)
		return;
	if (meta.is_new_epoch)
		assoc_heard(&n->assoc, n->t->now, session_index(n->session), meta.epoch);
	if (control_input(&n->control, n->t->now, body, got, &n->t->in) == CONTROL_REQUEST)
		request(n, &n->t->in);
}

void talk_leg_poll(struct talk_node *n)
{
	(void)assoc_poll(&n->assoc, n->t->now);
	(void)control_poll(&n->control, n->t->now);
}
