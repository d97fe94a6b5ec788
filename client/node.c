/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/node_impl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const uint64_t STATE_STEP_NS = 3600 * NODE_SEC;
static const uint64_t EARLY_NS = 1 * NODE_SEC;

const struct node_tuning node_tuning_default = {
	.limits =
		{
			.rekey_after_ns = 120 * NODE_SEC,
			.rekey_after_packets = 1ULL << 28,
			.reject_after_ns = 180 * NODE_SEC,
			.reject_after_packets = 1ULL << 29,
			.control_rekey_ns = 6 * 3600 * NODE_SEC,
		},
	.keepalive_ns = 25 * NODE_SEC,
	.keepalive_max_ns = 15 * 60 * NODE_SEC,
	.direct_wait_ns = 300 * NODE_MS,
	.optimise = true,
};

void node_event(struct node *n, enum node_event_kind kind, const char *name, const char *fmt, ...)
{
	char text[NODE_WHY_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	n->ops->event(n->ctx, kind, name, text);
}

void node_save(struct node *n)
{
	if (n->attempts.last < n->state.attempt)
		return;
	n->state.attempt = n->attempts.last + STATE_STEP_NS;
	if (n->ops->save_state(n->ctx, &n->state) < 0)
		node_count(n, NODE_SAVE_FAILED);
}

void node_send_raw(struct node *n, const struct datapath_dest *to, const uint8_t *pkt, size_t len)
{
	n->ops->send(n->ctx, to->link, &to->to, pkt, len);
}

/* ---- the responder: this node as side B of a path ---- */

static void resp_send(void *ctx, const struct endpoint *to, const uint8_t *pkt, size_t len)
{
	struct node *n = ctx;

	/* Computed at once, so that the packet being handled is the question. */
	n->ops->send(n->ctx, n->rx_link, to, pkt, len);
}

static struct assoc *resp_find(void *ctx, const struct hs_clear *c)
{
	struct path *p = path_find(ctx, c->id);

	return p != NULL && !p->is_side_a ? &p->chan.assoc : NULL;
}

static void resp_request(void *ctx, struct responder *r, uint64_t now, struct hs_job *job)
{
	struct path *p = path_find(ctx, job->clear.id);

	if (p == NULL)
		responder_drop(r, job);
	else
		path_asked(p, r, job);
}

static const struct responder_ops responder_ops = {
	.send = resp_send,
	.find = resp_find,
	.request = resp_request,
};

/* ---- packets in clear ---- */

static struct node_early *early_slot(struct node *n, uint64_t path_id)
{
	struct node_early *found = NULL;

	for (int i = 0; i < NODE_EARLY_MAX; i++) {
		struct node_early *e = &n->early[i];

		if (e->until_ns != 0 && e->until_ns <= n->now) {
			e->until_ns = 0;
			node_count(n, NODE_HS1_EXPIRED);
		}
		if (e->until_ns != 0 && e->path_id == path_id)
			return e;
		if (e->until_ns == 0 && found == NULL)
			found = e;
	}
	return found;
}

static void early_keep(struct node *n, uint64_t path_id, const uint8_t *pkt, size_t len)
{
	struct node_early *e = len <= WIRE_HS1_PATH_MAX ? early_slot(n, path_id) : NULL;

	if (e == NULL) {
		node_count(n, NODE_HS1_FULL);
		return;
	}
	node_count(n, NODE_HS1_UNKNOWN);
	e->until_ns = n->now + EARLY_NS;
	e->path_id = path_id;
	e->link = n->rx_link;
	e->from = n->rx_from;
	e->len = (uint16_t)len;
	memcpy(e->pkt, pkt, len);
}

static void handshake_1(struct node *n, const uint8_t *pkt, size_t len)
{
	if (responder_input(n->responder, n->now, &n->rx_from, pkt, len) != HS_OK)
		node_count(n, NODE_HS_REFUSED);
}

void node_early_take(struct node *n, uint64_t path_id)
{
	uint8_t link = n->rx_link;
	struct endpoint from = n->rx_from;

	for (int i = 0; i < NODE_EARLY_MAX; i++) {
		struct node_early *e = &n->early[i];

		if (e->until_ns <= n->now || e->path_id != path_id)
			continue;
		e->until_ns = 0;
		n->rx_link = e->link;
		n->rx_from = e->from;
		handshake_1(n, e->pkt, e->len);
	}
	n->rx_link = link;
	n->rx_from = from;
}

static void reset(struct node *n, const struct wire_fields *cause, size_t cause_len)
{
	uint64_t id = cause->id;
	struct datapath_dest back = {.link = n->rx_link, .to = n->rx_from};
	uint8_t pkt[WIRE_RESET_LEN];
	size_t len;

	/* It is opening: the peer's data has overtaken its handshake 2; or somebody wants the token of an
	 * index that is about to live.
	 */
	if (path_find(n, id) != NULL || chan_is_opening(n, id)) {
		node_count(n, NODE_EARLY_DATA);
		return;
	}
	node_count(n, NODE_UNKNOWN_ID);
	if (n->now - n->reset_window_ns >= NODE_SEC) {
		n->reset_window_ns = n->now;
		n->resets = 0;
	}
	len = n->resets < NODE_RESETS_PER_SEC
		      ? reset_build(n->host.reset_secret, id, cause_len, pkt)
		      : 0;
	if (len == 0) {
		node_count(n, NODE_RESETS_LIMITED);
		return;
	}
	/* By a relay it passes only as a packet of our side. */
	if (wire_is_path_id(id))
		pkt[1] = wire_flags(!cause->is_from_a, 0, 0);
	n->resets++;
	node_count(n, NODE_RESETS_SENT);
	node_send_raw(n, &back, pkt, len);
}

/* Handshake 2, a cookie or a reset. */
static void answer(struct node *n, const uint8_t *pkt, size_t len, const struct wire_fields *f)
{
	enum hs_verdict v = chan_handshake(n, pkt, len, f);

	if (v == HS_UNEXPECTED)
		node_count(n, NODE_HS_STRAY);
	else
		n->verdicts[v]++;
}

void node_input(struct node *n, uint64_t now, uint8_t link, const struct endpoint *from,
		const uint8_t *pkt, size_t len)
{
	struct wire_fields f;

	node_now(n, now);
	n->rx_link = link;
	n->rx_from = *from;
	node_count(n, NODE_RAW);
	if (wire_parse(pkt, len, &f) != WIRE_OK) {
		node_count(n, NODE_RAW_BAD);
		return;
	}
	if (wire_type_is_sealed(f.type)) {
		reset(n, &f, len);
	} else if (f.type != WIRE_HANDSHAKE_1) {
		answer(n, pkt, len, &f);
	} else if (wire_is_path_id(f.id) && path_find(n, f.id) == NULL) {
		early_keep(n, f.id, pkt, len);
	} else {
		handshake_1(n, pkt, len);
	}
}

/* ---- what the packet path reports ---- */

static void ev_body(void *ctx, uint64_t now, const struct datapath_rx *rx, const uint8_t *body,
		    size_t len)
{
	struct node *n = ctx;
	struct chan *c;

	node_now(n, now);
	n->rx_link = rx->link;
	n->rx_from = rx->from;
	c = chan_find(n, rx->id);
	if (c == NULL)
		return;
	mover_heard(n, rx->link);
	if (rx->type == WIRE_PROBE) {
		node_probe(n, c, rx, body, len);
		return;
	}
	switch (control_input(&c->control, n->now, body, len, &n->rx)) {
	case CONTROL_REQUEST:
		c->ops->request(c, rx, &n->rx);
		break;
	case CONTROL_STRAY:
		node_count(n, NODE_CONTROL_STRAY);
		break;
	case CONTROL_BAD:
		node_count(n, NODE_CONTROL_BAD);
		break;
	default:
		break;
	}
}

static struct path *as_path(struct chan *c)
{
	return c != NULL && c->ops == &path_chan_ops ? (struct path *)c : NULL;
}

void node_probe(struct node *n, struct chan *c, const struct datapath_rx *rx, const uint8_t *body,
		size_t len)
{
	struct leg *l = leg_of(c);
	struct probe probe;

	if (as_path(c) != NULL) {
		path_probe(as_path(c), rx, body, len);
		return;
	}
	if (probe_parse(body, len, &probe) < 0) {
		node_count(n, NODE_PROBE_BAD);
		return;
	}
	if (probe.kind == PROBE_ASK)
		mtu_reply(c, rx, &probe, body, len);
	else if (l != NULL)
		mtu_answer(&l->mtu, c, &probe);
}

static void ev_raw(void *ctx, uint64_t now, uint8_t link, const struct endpoint *from,
		   const uint8_t *pkt, size_t len)
{
	node_input(ctx, now, link, from, pkt, len);
}

static void ev_miss(void *ctx, uint64_t now, const struct ip_addr *vip)
{
	struct node *n = ctx;

	node_now(n, now);
	direction_miss(n, vip);
}

static void ev_heard(void *ctx, uint64_t now, uint64_t id, uint8_t epoch)
{
	struct node *n = ctx;
	struct chan *c;

	node_now(n, now);
	c = chan_find(n, id);
	if (c != NULL)
		assoc_heard(&c->assoc, n->now, id, epoch);
}

static void ev_rekey_due(void *ctx, uint64_t now, uint64_t id)
{
	struct node *n = ctx;
	struct chan *c;

	node_now(n, now);
	c = chan_find(n, id);
	if (as_path(c) != NULL)
		path_rekey(as_path(c));
	else if (c != NULL)
		assoc_rekey(&c->assoc, n->now);
}

static void ev_moved(void *ctx, uint64_t now, const struct datapath_rx *rx)
{
	struct node *n = ctx;
	struct path *p;

	node_now(n, now);
	p = as_path(chan_find(n, rx->id));
	if (p != NULL)
		path_source_moved(p, rx);
}

static void ev_active(void *ctx, uint64_t now, uint64_t id)
{
	struct node *n = ctx;
	struct chan *c;

	node_now(n, now);
	c = chan_find(n, id);
	if (as_path(c) != NULL)
		path_active(as_path(c));
	else if (leg_of(c) != NULL)
		leg_active(leg_of(c));
}

static const struct datapath_events datapath_events = {
	.body = ev_body,
	.raw = ev_raw,
	.miss = ev_miss,
	.heard = ev_heard,
	.rekey_due = ev_rekey_due,
	.moved = ev_moved,
	.active = ev_active,
};

const struct datapath_events *node_datapath_events(void)
{
	return &datapath_events;
}

/* ---- links ---- */

int node_link_set(struct node *n, uint64_t now, const struct node_link *l)
{
	struct link *mine;
	bool has_changed;

	node_now(n, now);
	if (l->number >= NODE_LINKS_MAX || l->addrs_n > NODE_LINK_ADDRS_MAX ||
	    l->prefixes_n > NODE_LINK_ADDRS_MAX)
		return -EINVAL;
	mine = &n->links[l->number];
	has_changed = !mine->is_up || mine->conf.port != l->port ||
		      mine->conf.addrs_n != l->addrs_n ||
		      memcmp(mine->conf.addrs, l->addrs, l->addrs_n * sizeof(l->addrs[0])) != 0;
	mine->is_up = true;
	mine->conf = *l;
	mover_links(n, has_changed && l->number == n->link);
	return 0;
}

void node_link_down(struct node *n, uint64_t now, uint8_t number)
{
	node_now(n, now);
	if (number >= NODE_LINKS_MAX || !n->links[number].is_up)
		return;
	n->links[number].is_up = false;
	mover_links(n, false);
}

void node_resumed(struct node *n, uint64_t now)
{
	node_now(n, now);
	mover_links(n, true);
}

/* ---- life ---- */

bool node_pin_check(struct node *n, const char *name, const uint8_t key[NOISE_KEY_LEN])
{
	struct node_pin *p;

	TAILQ_FOREACH(p, &n->pins, link)
	{
		if (strcmp(p->name, name) != 0)
			continue;
		if (memcmp(p->key, key, NOISE_KEY_LEN) == 0)
			return true;
		node_count(n, NODE_KEYS_CHANGED);
		why_note(n, name,
			 "the DC names key %02x%02x%02x%02x.., known was %02x%02x%02x%02x..",
			 key[0], key[1], key[2], key[3], p->key[0], p->key[1], p->key[2],
			 p->key[3]);
		node_event(n, NODE_EV_KEY_CHANGED, name, "another static key than known");
		if (n->conf.tuning.pin_strict)
			return false;
		memcpy(p->key, key, NOISE_KEY_LEN);
		n->ops->save_pin(n->ctx, name, key);
		return true;
	}
	node_pin_add(n, name, key);
	n->ops->save_pin(n->ctx, name, key);
	return true;
}

void node_pin_add(struct node *n, const char *name, const uint8_t key[NOISE_KEY_LEN])
{
	struct node_pin *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return;
	snprintf(p->name, sizeof(p->name), "%s", name);
	memcpy(p->key, key, NOISE_KEY_LEN);
	TAILQ_INSERT_TAIL(&n->pins, p, link);
}

static void init_state(struct node *n)
{
	static const uint8_t none[RESET_SECRET_LEN];

	n->state = n->conf.state;
	if (memcmp(n->state.reset_secret, none, sizeof(none)) == 0)
		rng_fill(n->conf.rng, n->state.reset_secret, RESET_SECRET_LEN);
	n->location = n->state.location;
	n->attempts.last = n->state.attempt;
	n->attempts.offset_ns = n->conf.realtime_offset_ns;
	n->host = (struct assoc_host){
		.ops = &chan_assoc_ops,
		.rng = n->conf.rng,
		.attempts = &n->attempts,
		.self = &n->conf.keys,
	};
	memcpy(n->host.reset_secret, n->state.reset_secret, RESET_SECRET_LEN);
}

static void init_lists(struct node *n)
{
	TAILQ_INIT(&n->chans);
	TAILQ_INIT(&n->legs);
	TAILQ_INIT(&n->paths);
	TAILQ_INIT(&n->directions);
	TAILQ_INIT(&n->bindings);
	TAILQ_INIT(&n->whys);
	TAILQ_INIT(&n->pins);
}

struct node *node_create(const struct node_params *p, uint64_t now, const struct node_ops *ops,
			 void *ctx, const struct datapath *dp)
{
	const struct responder_conf rc = {
		.kinds = 1U << HS_PATH,
		.suites = p->suites,
		.jobs = 4,
		.cache = NODE_RESPONDER_CACHE,
		.load_jobs = UINT32_MAX,
	};
	struct node *n;
	int err = EINVAL;

	if (!name_is_valid(p->name, strlen(p->name)) || p->dc_n > NODE_DC_ENDPOINTS_MAX ||
	    (!p->has_token && !p->state.has_psk)) {
		errno = EINVAL;
		return NULL;
	}
	n = calloc(1, sizeof(*n));
	if (n == NULL)
		return NULL;
	n->conf = *p;
	n->ops = ops;
	n->ctx = ctx;
	n->dp = *dp;
	n->now = now;
	n->link = LINK_NONE;
	n->mover.trial = LINK_NONE;
	snprintf(n->name, sizeof(n->name), "%s", p->name);
	snprintf(n->dc_name, sizeof(n->dc_name), "%s", p->dc_name);
	init_lists(n);
	init_state(n);
	mover_location(n);
	n->responder = responder_create(&rc, &responder_ops, &n->host, n);
	if (n->responder == NULL) {
		err = ENOMEM;
		goto err_free;
	}
	if (registrar_init(n) < 0)
		goto err_responder;
	if (n->state.has_vips)
		n->dp.ops->own_set(n->dp.dp, &n->state.vips);
	return n;
err_responder:
	responder_destroy(n->responder);
err_free:
	free(n);
	errno = err;
	return NULL;
}

void node_destroy(struct node *n)
{
	struct node_pin *pin;

	if (n == NULL)
		return;
	direction_fini(n);
	binding_fini(n);
	path_fini_all(n);
	leg_fini_all(n);
	registrar_fini(n);
	responder_destroy(n->responder);
	why_fini(n);
	while ((pin = TAILQ_FIRST(&n->pins)) != NULL) {
		TAILQ_REMOVE(&n->pins, pin, link);
		free(pin);
	}
	explicit_bzero(n, sizeof(*n));
	free(n);
}

uint64_t node_poll(struct node *n, uint64_t now)
{
	uint64_t due;

	node_now(n, now);
	if (now >= n->due_ns)
		node_count(n, NODE_WAKEUPS);
	do {
		n->has_dead = false;
		due = registrar_poll(n);
		due = node_min(due, direction_poll(n));
		due = node_min(due, leg_poll_all(n));
		due = node_min(due, path_poll_all(n));
		due = node_min(due, binding_poll(n));
		due = node_min(due, mover_poll(n));
		path_reap(n);
		leg_reap(n);
	} while (n->has_dead);
	n->due_ns = due;
	return due;
}
