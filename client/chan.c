/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/chan.h"
#include "client/node_impl.h"

#include <errno.h>

static struct chan *of(struct assoc *a)
{
	return a->ctx;
}

/* Of RS and DC an answer is due; a peer may have gone for good. */
static void asked(struct chan *c)
{
	if (c->ops != &path_chan_ops && c->detour == NULL)
		mover_asked(c->node);
}

static void op_send(void *ctx, struct assoc *a, const uint8_t *pkt, size_t len, unsigned int try)
{
	struct chan *c = of(a);

	node_save(c->node);
	asked(c);
	c->ops->send(c, pkt, len, try);
}

static int op_install(void *ctx, struct assoc *a, uint64_t now, const struct epoch_keys *k)
{
	struct chan *c = of(a);
	const struct datapath *dp = &c->node->dp;
	struct datapath_assoc conf = {
		.id = k->own_index,
		.is_side_a = k->is_side_a,
		.peer = c->peer_vips,
		.limits = a->conf.limits,
	};
	int ret;

	if (k->is_fresh) {
		/* A path keeps its ID through a fresh handshake. */
		dp->ops->assoc_del(dp->dp, now, conf.id);
		ret = dp->ops->assoc_add(dp->dp, now, &conf);
		if (ret < 0)
			return ret;
	}
	ret = dp->ops->key_install(dp->dp, now, k);
	if (ret < 0 || !k->is_fresh)
		return ret;
	c->installed_index = conf.id;
	if (k->may_send)
		c->index = conf.id;
	c->has_route = false;
	mover_heard(c->node, c->node->rx_link);
	c->ops->installed(c);
	return 0;
}

static void op_retire(void *ctx, struct assoc *a, uint64_t own_index)
{
	struct chan *c = of(a);
	const struct datapath *dp = &c->node->dp;

	dp->ops->assoc_del(dp->dp, c->node->now, own_index);
	if (c->index == own_index)
		c->index = 0;
}

static void op_up(void *ctx, struct assoc *a)
{
	struct chan *c = of(a);

	c->index = a->live.own_index;
	c->ops->up(c);
}

static void op_confirm(void *ctx, struct assoc *a, uint64_t own_index)
{
	of(a)->ops->confirm(of(a));
}

static int op_payload(void *ctx, struct assoc *a, uint8_t *buf, size_t cap)
{
	struct chan *c = of(a);
	struct msg *m = &c->node->hs;

	msg_init(m, MSG_TUNNEL, false, 0);
	c->ops->payload(c, m);
	return msg_encode_payload(m, buf, cap);
}

static int op_answer(void *ctx, struct assoc *a, const uint8_t *tlvs, size_t len)
{
	struct chan *c = of(a);
	int ret = msg_decode_payload(&c->node->hs, tlvs, len);

	if (ret == 0)
		c->ops->answer(c, &c->node->hs);
	return ret;
}

static void op_failed(void *ctx, struct assoc *a, enum assoc_failure why, uint16_t code)
{
	of(a)->ops->failed(of(a), why, code);
}

static uint64_t op_index(void *ctx, struct assoc *a)
{
	struct node *n = of(a)->node;
	uint64_t index;

	do {
		index = rng_u64(n->conf.rng) | WIRE_ID_INDEX;
	} while (index == WIRE_ID_NONE || chan_find(n, index) != NULL);
	return index;
}

const struct assoc_ops chan_assoc_ops = {
	.send = op_send,
	.install = op_install,
	.retire = op_retire,
	.up = op_up,
	.confirm = op_confirm,
	.payload = op_payload,
	.answer = op_answer,
	.failed = op_failed,
	.index = op_index,
};

static void control_out(void *ctx, const uint8_t *body, size_t len)
{
	struct chan *c = ctx;

	/* Not connected: control sends it again until given up. */
	chan_send(c, WIRE_CONTROL, c->number, c->detour, body, len);
	if (c->ops->copy != NULL)
		c->ops->copy(c, body, len);
}

static const struct control_ops control_ops = {.send = control_out};

int chan_init(struct chan *c, struct node *n, const struct chan_ops *ops,
	      const struct assoc_conf *conf)
{
	int ret;

	memset(c, 0, sizeof(*c));
	c->node = n;
	c->ops = ops;
	ret = assoc_init(&c->assoc, &n->host, conf, c);
	if (ret < 0)
		return ret;
	control_init(&c->control, &control_ops, c, n->conf.rng);
	TAILQ_INSERT_TAIL(&n->chans, c, link);
	return 0;
}

void chan_fini(struct chan *c)
{
	TAILQ_REMOVE(&c->node->chans, c, link);
	control_fini(&c->control);
	if (c->node->responder != NULL)
		responder_forget(c->node->responder, &c->assoc);
	assoc_fini(&c->assoc);
}

uint64_t chan_poll(struct chan *c)
{
	uint64_t now = c->node->now;

	return node_min(assoc_poll(&c->assoc, now), control_poll(&c->control, now));
}

struct chan *chan_find(struct node *n, uint64_t id)
{
	struct chan *c;

	TAILQ_FOREACH(c, &n->chans, link)
	if (!c->is_dead && (c->index == id || c->installed_index == id))
		return c;
	return NULL;
}

static bool is_for(const struct chan *c, const struct wire_fields *f)
{
	if (f->type == WIRE_RESET)
		return c->assoc.live.is_used && c->assoc.live.peer_index == f->id;
	return assoc_pending_index(&c->assoc) == f->id && f->id != 0;
}

bool chan_is_opening(const struct node *n, uint64_t id)
{
	const struct chan *c;

	TAILQ_FOREACH(c, &n->chans, link)
	if (!c->is_dead && assoc_pending_index(&c->assoc) == id)
		return true;
	return false;
}

enum hs_verdict chan_handshake(struct node *n, const uint8_t *pkt, size_t len,
			       const struct wire_fields *f)
{
	struct chan *c;

	TAILQ_FOREACH(c, &n->chans, link)
	if (!c->is_dead && is_for(c, f))
		return assoc_input(&c->assoc, n->now, pkt, len);
	return HS_UNEXPECTED;
}

void chan_route(struct chan *c, const struct datapath_dest *dest, uint16_t outer,
		uint64_t credit_ns)
{
	const struct datapath *dp = &c->node->dp;
	uint64_t now = c->node->now;
	uint64_t id = c->index != 0 ? c->index : c->installed_index;
	struct datapath_route r = {
		.link = dest->link,
		.to = dest->to,
		.outer = outer,
		.credit_bytes = credit_ns != 0 ? 128 * 1024 : 0,
		.credit_until_ns = credit_ns != 0 ? now + credit_ns : 0,
	};

	if (c->has_route)
		c->number = chan_spare(c);
	c->dest[c->number] = *dest;
	c->outer[c->number] = outer;
	c->has_route = true;
	dp->ops->route_set(dp->dp, now, id, c->number, &r);
	dp->ops->route_use(dp->dp, now, id, c->number);
}

void chan_outer(struct chan *c, uint16_t outer)
{
	const struct datapath *dp = &c->node->dp;
	struct datapath_route r = {
		.link = c->dest[c->number].link,
		.to = c->dest[c->number].to,
		.outer = outer,
	};

	c->outer[c->number] = outer;
	dp->ops->route_set(dp->dp, c->node->now, c->index, c->number, &r);
}

int chan_request(struct chan *c, struct msg *m, const uint32_t *resend_ms, control_done done,
		 void *arg)
{
	asked(c);
	return control_request(&c->control, c->node->now, m, resend_ms, done, arg);
}

void chan_answer(struct chan *c, struct msg *m)
{
	control_answer(&c->control, c->node->now, m);
}

void chan_refuse(struct chan *c, const struct msg *m, enum msg_error code)
{
	node_count(c->node, NODE_CONTROL_REFUSED);
	control_refuse(&c->control, c->node->now, m->type, m->txn, code);
}

int chan_send(struct chan *c, uint8_t type, uint8_t number, const struct datapath_dest *to,
	      const uint8_t *body, size_t len)
{
	const struct datapath *dp = &c->node->dp;

	if (c->index == 0 || (to == NULL && !c->has_route))
		return -ENOTCONN;
	return dp->ops->send(dp->dp, c->node->now, c->index, type, number, to, body, len);
}

bool chan_stats(const struct chan *c, struct datapath_stats *st)
{
	const struct datapath *dp = &c->node->dp;

	memset(st, 0, sizeof(*st));
	return c->index != 0 && dp->ops->stats(dp->dp, c->index, st) == 0;
}
