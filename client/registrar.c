/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/node_impl.h"
#include "common/token.h"

#include <stdio.h>

enum { PORT_FIRST = 5525, PORT_SECOND = 443 };
static const uint64_t SECOND_PORT_NS = 1 * NODE_SEC;
static const uint64_t REFUSED_RETRY_NS = 60 * NODE_SEC;

static struct registrar *of(struct chan *c)
{
	return (struct registrar *)c;
}

/* The DC's endpoints that the link in use reaches, of one port or the other. */
static void send_hs1(struct registrar *r, bool second)
{
	struct node *n = r->chan.node;
	struct datapath_dest dest;
	uint8_t from = second ? r->first_n : 0, count = second ? r->eps_n - r->first_n : r->first_n;

	if (count > 0 && link_pick(n, n->link, r->eps + from, count, &dest) == 0)
		node_send_raw(n, &dest, r->hs1, r->hs1_len);
}

static void op_send(struct chan *c, const uint8_t *pkt, size_t len, unsigned int try)
{
	struct registrar *r = of(c);
	uint64_t now = c->node->now;

	memcpy(r->hs1, pkt, len);
	r->hs1_len = (uint16_t)len;
	if (try == 0)
		r->second_port_ns = now + SECOND_PORT_NS;
	send_hs1(r, r->is_second_port);
	if (r->second_port_ns == 0)
		send_hs1(r, !r->is_second_port);
}

static void op_payload(struct chan *c, struct msg *m)
{
	struct node *n = c->node;

	m->has = HAS(NAME) | HAS(PEER_NAME);
	snprintf(m->name, sizeof(m->name), "%s", n->name);
	snprintf(m->peer_name, sizeof(m->peer_name), "%s", n->dc_name);
	if (!n->state.has_psk) {
		m->has |= HAS(TOKEN_ID);
		m->token_id = token_id(n->conf.token);
	}
}

static void op_answer(struct chan *c, const struct msg *m)
{
}

/* Handshake 2 came from where the DC can be talked to. */
static void op_installed(struct chan *c)
{
	struct registrar *r = of(c);
	struct node *n = c->node;
	struct datapath_dest dest = {.link = n->rx_link, .to = n->rx_from};

	r->is_second_port = false;
	for (int i = r->first_n; i < r->eps_n; i++)
		if (endpoint_equal(&r->eps[i], &dest.to))
			r->is_second_port = true;
	chan_route(c, &dest, MTU_SMALLEST, 0);
}

static void op_up(struct chan *c)
{
	struct registrar *r = of(c);

	r->second_port_ns = 0;
	registrar_register(c->node);
}

static void op_confirm(struct chan *c)
{
	struct registrar *r = of(c);

	if (!r->register_out && !r->keepalive_out)
		registrar_register(c->node);
}

static void lost(struct registrar *r, const char *why)
{
	struct node *n = r->chan.node;

	if (r->state == REGISTRAR_REGISTERED)
		node_event(n, NODE_EV_DC_LOST, "", "%s", why);
	r->state = REGISTRAR_CONNECTING;
}

static void op_failed(struct chan *c, enum assoc_failure why, uint16_t code)
{
	struct registrar *r = of(c);
	struct node *n = c->node;

	switch (why) {
	case ASSOC_TIMEOUT:
		lost(r, "no answer from the DC");
		break;
	case ASSOC_RESET:
		r->forgotten_ns = n->now;
		lost(r, "the DC has forgotten the association");
		break;
	default:
		r->state = REGISTRAR_REFUSED;
		r->refusal = code;
		r->retry_ns = n->now + REFUSED_RETRY_NS;
		node_event(n, NODE_EV_REFUSED, "", "%s", msg_error_text(code));
	}
}

static void take_lasting_psk(struct node *n, const struct msg *m)
{
	struct registrar *r = &n->registrar;

	n->state.has_psk = true;
	memcpy(n->state.psk, m->lasting_psk, KEY_LEN);
	if (n->ops->save_state(n->ctx, &n->state) < 0) {
		/* The token stays good for this key until the lasting PSK was used. */
		node_count(n, NODE_SAVE_FAILED);
		n->state.has_psk = false;
		return;
	}
	memcpy(r->chan.assoc.conf.psk, m->lasting_psk, KEY_LEN);
	explicit_bzero(n->conf.token, KEY_LEN);
}

static void take_vips(struct node *n, const struct msg *m)
{
	struct registrar *r = &n->registrar;
	bool is_new = memcmp(&r->vips, &m->vips, sizeof(r->vips)) != 0;

	r->vips = m->vips;
	n->dp.ops->own_set(n->dp.dp, &m->vips);
	if (!is_new && n->state.has_vips)
		return;
	n->state.has_vips = true;
	n->state.vips = m->vips;
	if (n->ops->save_state(n->ctx, &n->state) < 0)
		node_count(n, NODE_SAVE_FAILED);
}

static void take_observed(struct node *n, const struct endpoint *seen)
{
	struct registrar *r = &n->registrar;
	bool is_first = ip_is_none(&r->observed.ip);
	bool is_same = endpoint_equal(&r->observed, seen);

	r->observed = *seen;
	if (is_same)
		return;
	if (!is_first)
		mover_observed(n, "DC");
	else
		mover_tell(n);
}

static void plan_keepalive(struct registrar *r)
{
	r->keepalive_at_ns = r->chan.node->now + r->keepalive_ns;
}

static bool range_known(const struct registrar *r, const struct ip_prefix *p)
{
	for (uint8_t i = 0; i < r->ranges_n; i++)
		if (r->ranges[i].len == p->len && ip_equal(&r->ranges[i].ip, &p->ip))
			return true;
	return false;
}

static void range_add(struct registrar *r, const struct ip_prefix *p)
{
	if (r->ranges_n < NODE_RANGES_MAX && !range_known(r, p))
		r->ranges[r->ranges_n++] = *p;
}

/* What once was virtual stays so while this process lives: a DC that was started again knows the
 * pools of another DC only when it hears of it, and paths to there live on. Without a route of ours
 * their packets would go out as they are.
 */
static void take_ranges(struct registrar *r, const struct msg *m)
{
	struct ip_prefix old[NODE_RANGES_MAX];
	uint8_t old_n = r->ranges_n;

	memcpy(old, r->ranges, sizeof(old));
	r->ranges_n = 0;
	for (uint8_t i = 0; i < m->ranges_n; i++)
		range_add(r, &m->ranges[i]);
	for (uint8_t i = 0; i < old_n; i++)
		range_add(r, &old[i]);
}

static void tell_owner(struct node *n)
{
	struct registrar *r = &n->registrar;
	struct node_registration reg = {
		.vips = r->vips,
		.ranges = r->ranges,
		.ranges_n = r->ranges_n,
		.suffixes = (const char(*)[NAME_MAX_LEN + 1]) r->suffixes,
		.suffixes_n = r->suffixes_n,
	};

	n->ops->registered(n->ctx, &reg);
}

void registrar_peer_vips(struct node *n, const struct vips *vips)
{
	const struct ip_addr *both[] = {&vips->v4, &vips->v6};
	bool is_new = false;

	for (int i = 0; i < 2; i++) {
		struct ip_prefix one = {.ip = *both[i], .len = 128};

		if (ip_is_none(both[i]) || node_owns_vip(n, both[i]))
			continue;
		range_add(&n->registrar, &one);
		is_new = true;
	}
	if (is_new)
		tell_owner(n);
}

static void registered(struct node *n, const struct msg *m)
{
	struct registrar *r = &n->registrar;
	bool was = r->state == REGISTRAR_REGISTERED;

	r->state = REGISTRAR_REGISTERED;
	r->refusal = 0;
	r->registered_ns = n->now;
	take_ranges(r, m);
	r->suffixes_n = m->suffixes_n;
	memcpy(r->suffixes, m->suffixes, sizeof(r->suffixes));
	if (m->keepalive_sec > 0 && m->keepalive_sec * NODE_SEC < r->keepalive_ns)
		r->keepalive_ns = m->keepalive_sec * NODE_SEC;
	plan_keepalive(r);
	tell_owner(n);
	if (!was)
		node_event(n, NODE_EV_REGISTERED, "", "registered");
}

static void register_done(void *ctx, void *arg, const struct msg *m)
{
	struct registrar *r = ctx;
	struct node *n = r->chan.node;

	r->register_out = false;
	if (m == NULL) {
		/* Give the address another try with a handshake: it finds the working port too. */
		lost(r, "no answer to the registration");
		assoc_start(&r->chan.assoc, n->now);
		return;
	}
	if ((m->has & HAS(ERROR)) != 0) {
		r->refusal = m->error;
		r->retry_ns = n->now + (m->error == MSG_ERR_STALE ? NODE_SEC : REFUSED_RETRY_NS);
		if (m->error == MSG_ERR_STALE && mover_known(n, m))
			r->retry_ns = n->now + 1;
		if (m->error != MSG_ERR_STALE)
			r->state = REGISTRAR_REFUSED;
		node_event(n, NODE_EV_REFUSED, "", "%s", msg_error_text(m->error));
		return;
	}
	if ((m->has & HAS(LASTING_PSK)) != 0)
		take_lasting_psk(n, m);
	take_vips(n, m);
	registered(n, m);
	for (int i = 0; i < m->grants_n; i++) {
		struct leg *l = leg_take_grant(n, &m->grants[i], i == 0);

		if (l != NULL)
			leg_open(l);
	}
	take_observed(n, &m->observed);
	mover_trial_good(n, n->rx_link);
}

void registrar_register(struct node *n)
{
	struct registrar *r = &n->registrar;
	struct msg *m = &n->tx;

	if (r->chan.index == 0)
		return;
	control_cancel(&r->chan.control, &r->tag_register);
	msg_init(m, MSG_REGISTRATION, false, 0);
	m->has = HAS(LOCATION) | HAS(SUITES) | HAS(MTU) | HAS(NAT);
	m->location = n->location;
	m->mtu = n->conf.mtu;
	m->nat = mover_nat(n);
	for (uint8_t s = 0; s < 8 && m->suites_n < MSG_SUITES_MAX; s++)
		if ((n->conf.suites >> s & 1) != 0)
			m->suites[m->suites_n++] = s;
	link_candidates(n, m, true);
	if (r->state != REGISTRAR_REGISTERED)
		r->state = REGISTRAR_REGISTERING;
	if (chan_request(&r->chan, m, control_resend_move_ms, register_done, &r->tag_register) == 0)
		r->register_out = true;
}

/* The mapping of the NAT lived through the pause: try a longer one. It did not: never again. */
static void learn(struct registrar *r, bool held)
{
	const struct node_tuning *t = &r->chan.node->conf.tuning;

	if (!held) {
		r->keepalives_good = 0;
		r->keepalive_cap_ns = r->keepalive_ns / 2;
		if (r->keepalive_cap_ns < t->keepalive_ns)
			r->keepalive_cap_ns = t->keepalive_ns;
		r->keepalive_ns = r->keepalive_cap_ns;
	} else if (++r->keepalives_good % 4 == 0) {
		r->keepalive_ns = node_min(r->keepalive_ns * 3 / 2, r->keepalive_cap_ns);
	}
}

static void keepalive_done(void *ctx, void *arg, const struct msg *m)
{
	struct registrar *r = ctx;
	struct node *n = r->chan.node;

	r->keepalive_out = false;
	if (m == NULL) {
		learn(r, false);
		lost(r, "no answer to a keep-alive");
		assoc_start(&r->chan.assoc, n->now);
		return;
	}
	plan_keepalive(r);
	if ((m->has & HAS(ERROR)) != 0) {
		registrar_register(n);
		return;
	}
	learn(r, endpoint_equal(&m->observed, &r->observed));
	take_observed(n, &m->observed);
}

static void legs_keepalive(struct node *n)
{
	struct leg *l;

	TAILQ_FOREACH(l, &n->legs, link)
	if (leg_is_needed(l))
		leg_keepalive(l);
}

static void keepalive(struct node *n)
{
	struct registrar *r = &n->registrar;
	struct msg *m = &n->tx;

	plan_keepalive(r);
	if (!r->keepalive_out && !r->register_out) {
		msg_init(m, MSG_KEEP_ALIVE, false, 0);
		m->has = HAS(LOCATION);
		m->location = n->location;
		r->keepalive_out =
			chan_request(&r->chan, m, NULL, keepalive_done, &r->tag_keepalive) == 0;
	}
	legs_keepalive(n);
}

void registrar_insist(struct node *n)
{
	if (registrar_is_registered(n))
		keepalive(n);
	else
		legs_keepalive(n);
}

/* The DC asks when an RS that we have a leg to may have lost it: a restart is told by its reset. */
static void asked_alive(struct chan *c, const struct datapath_rx *rx, uint32_t txn)
{
	struct node *n = c->node;

	msg_init(&n->tx, MSG_KEEP_ALIVE, true, txn);
	n->tx.has = HAS(OBSERVED);
	n->tx.observed = rx->from;
	chan_answer(c, &n->tx);
	legs_keepalive(n);
}

static void op_request(struct chan *c, const struct datapath_rx *rx, struct msg *m)
{
	struct node *n = c->node;
	uint16_t error = 0;
	uint8_t type = m->type;
	uint32_t txn = m->txn;

	switch (type) {
	case MSG_ROUTE_DIRECTION:
		error = direction_take(n, m);
		break;
	case MSG_RELEASE:
		for (int i = 0; i < m->paths_n; i++) {
			struct path *p = path_find(n, m->paths[i].path_id);

			if (p != NULL)
				path_end(p, false, "released by the DC");
		}
		binding_remove(n, m);
		break;
	case MSG_KEEP_ALIVE:
		asked_alive(c, rx, txn);
		return;
	default:
		error = MSG_ERR_NOT_ALLOWED;
	}
	if (error != 0) {
		node_count(n, NODE_CONTROL_REFUSED);
		control_refuse(&c->control, n->now, type, txn, error);
		return;
	}
	msg_init(&n->tx, type, true, txn);
	chan_answer(c, &n->tx);
}

static const struct chan_ops chan_ops = {
	.send = op_send,
	.payload = op_payload,
	.answer = op_answer,
	.installed = op_installed,
	.up = op_up,
	.failed = op_failed,
	.confirm = op_confirm,
	.request = op_request,
};

static void endpoints_init(struct node *n)
{
	struct registrar *r = &n->registrar;

	for (int i = 0; i < n->conf.dc_n; i++) {
		r->eps[r->eps_n] = n->conf.dc[i];
		if (r->eps[r->eps_n].port == 0)
			r->eps[r->eps_n].port = PORT_FIRST;
		r->eps_n++;
	}
	r->first_n = r->eps_n;
	for (int i = 0; i < n->conf.dc_n; i++) {
		if (n->conf.dc[i].port != 0)
			continue;
		r->eps[r->eps_n] = n->conf.dc[i];
		r->eps[r->eps_n++].port = PORT_SECOND;
	}
}

int registrar_init(struct node *n)
{
	struct registrar *r = &n->registrar;
	struct assoc_conf conf = {
		.kind = HS_NODE_DC,
		.suite = SUITE_DEFAULT,
		.is_side_a = true,
		.is_control_only = true,
		.id = WIRE_ID_NONE,
		.limits = n->conf.tuning.limits,
	};
	int ret;

	memcpy(conf.peer_key, n->conf.dc_key, sizeof(conf.peer_key));
	memcpy(conf.psk, n->state.has_psk ? n->state.psk : n->conf.token, sizeof(conf.psk));
	ret = chan_init(&r->chan, n, &chan_ops, &conf);
	explicit_bzero(conf.psk, sizeof(conf.psk));
	if (ret < 0)
		return ret;
	endpoints_init(n);
	r->keepalive_ns = n->conf.tuning.keepalive_ns;
	r->keepalive_cap_ns = n->conf.tuning.keepalive_max_ns;
	r->vips = n->state.vips;
	return 0;
}

void registrar_fini(struct node *n)
{
	chan_fini(&n->registrar.chan);
}

bool registrar_is_registered(const struct node *n)
{
	return n->registrar.state == REGISTRAR_REGISTERED;
}

void registrar_moved(struct node *n)
{
	struct registrar *r = &n->registrar;
	struct datapath_dest dest;

	r->keepalive_ns = n->conf.tuning.keepalive_ns;
	r->keepalive_cap_ns = n->conf.tuning.keepalive_max_ns;
	if (n->link == LINK_NONE) {
		assoc_stop(&r->chan.assoc);
		r->state = REGISTRAR_OFFLINE;
		return;
	}
	if (r->chan.index == 0) {
		r->state = REGISTRAR_CONNECTING;
		assoc_start(&r->chan.assoc, n->now);
		return;
	}
	if (r->state == REGISTRAR_OFFLINE)
		r->state = REGISTRAR_REGISTERING;
	/* The association lives through the move; its remote may be of another family now. */
	if (link_pick(n, n->link, r->eps + (r->is_second_port ? r->first_n : 0),
		      r->is_second_port ? r->eps_n - r->first_n : r->first_n, &dest) == 0)
		chan_route(&r->chan, &dest, MTU_SMALLEST, 0);
	registrar_register(n);
}

uint64_t registrar_poll(struct node *n)
{
	struct registrar *r = &n->registrar;
	uint64_t due;

	if (r->second_port_ns != 0 && n->now >= r->second_port_ns) {
		r->second_port_ns = 0;
		if (r->chan.index == 0)
			send_hs1(r, !r->is_second_port);
	}
	if (r->retry_ns != 0 && n->now >= r->retry_ns && n->link != LINK_NONE) {
		r->retry_ns = 0;
		if (r->chan.index != 0)
			registrar_register(n);
		else
			assoc_start(&r->chan.assoc, n->now);
	}
	if (r->keepalive_at_ns != 0 && n->now >= r->keepalive_at_ns &&
	    r->state == REGISTRAR_REGISTERED)
		keepalive(n);
	due = chan_poll(&r->chan);
	if (r->second_port_ns != 0)
		due = node_min(due, r->second_port_ns);
	if (r->retry_ns != 0 && n->link != LINK_NONE)
		due = node_min(due, r->retry_ns);
	if (r->keepalive_at_ns != 0 && r->state == REGISTRAR_REGISTERED)
		due = node_min(due, r->keepalive_at_ns);
	return due;
}
