/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/sim_node.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { PORT = 5525 };

/* ---- ops of the core ---- */

static void op_send(void *ctx, uint8_t link, const struct endpoint *to, const uint8_t *pkt,
		    size_t len)
{
	struct sim_node *n = ctx;

	sim_send(&n->host.ifaces[link], n->port, to, 0, pkt, len);
}

static int op_save_state(void *ctx, const struct node_state *s)
{
	struct sim_node *n = ctx;

	n->params.state = *s;
	return 0;
}

static void op_save_pin(void *ctx, const char *name, const uint8_t key[NOISE_KEY_LEN])
{
}

static void op_registered(void *ctx, const struct node_registration *r)
{
	struct sim_node *n = ctx;

	n->registrations++;
	n->vips = r->vips;
}

static void op_event(void *ctx, enum node_event_kind kind, const char *name, const char *text)
{
	struct sim_node *n = ctx;

	n->path_ups += kind == NODE_EV_PATH_UP;
	n->path_downs += kind == NODE_EV_PATH_DOWN;
	n->key_changes += kind == NODE_EV_KEY_CHANGED;
	n->route_changes += kind == NODE_EV_ROUTE;
	if (kind == NODE_EV_ROUTE || kind == NODE_EV_PATH_UP)
		n->is_direct = strncmp(text, "direct", 6) == 0;
	if (n->is_verbose)
		printf("%12.6f %s: %d %s %s\n", (double)(n->host.sim->now - 1000 * SIM_SEC) / 1e9,
		       n->host.name, kind, name, text);
}

static const struct node_ops node_ops = {
	.send = op_send,
	.save_state = op_save_state,
	.save_pin = op_save_pin,
	.registered = op_registered,
	.event = op_event,
};

/* ---- ops of the packet path ---- */

static void op_emit(void *ctx, uint8_t link, const struct endpoint *to, uint8_t tos,
		    const uint8_t *pkt, size_t len)
{
	struct sim_node *n = ctx;

	sim_send(&n->host.ifaces[link], n->port, to, tos, pkt, len);
}

static void op_deliver(void *ctx, uint8_t *pkt, size_t len)
{
	sim_flow_deliver(ctx, pkt, len);
}

static const struct dp_ops dp_ops = {.emit = op_emit, .deliver = op_deliver};

/* ---- host ---- */

static void input(struct sim_host *h, struct sim_iface *i, const struct endpoint *from,
		  const struct endpoint *to, uint8_t tos, uint8_t *pkt, size_t len)
{
	struct sim_node *n = h->ctx;

	if (to->port == n->port)
		dp_input(n->dp, h->sim->now, i->number, from, tos, pkt, len);
}

static uint64_t poll(struct sim_host *h, uint64_t now)
{
	struct sim_node *n = h->ctx;
	uint64_t dp_due = dp_poll(n->dp, now), due = node_poll(n->node, now);

	return due < dp_due ? due : dp_due;
}

void sim_node_init(struct sim_node *n, struct sim *s, const char *name, uint64_t seed)
{
	memset(n, 0, sizeof(*n));
	rng_init_seeded(&n->rng, seed);
	snprintf(n->name, sizeof(n->name), "%s", name);
	sim_host_add(s, &n->host, n->name, n);
	n->host.input = input;
	n->host.poll = poll;
	n->host.is_off = true;
	n->port = PORT;
	noise_keypair_generate(&n->params.keys, &n->rng);
	n->params.name = n->name;
	n->params.suites = SUITE_SET_DEFAULT;
	n->params.mtu = 1420;
	n->params.realtime_offset_ns = 1700000000LL * (int64_t)SIM_SEC;
	n->params.tuning = node_tuning_default;
	n->params.rng = &n->rng;
}

void sim_node_links(struct sim_node *n)
{
	for (unsigned int i = 0; i < n->host.ifaces_n; i++) {
		const struct sim_iface *f = &n->host.ifaces[i];
		struct node_link l = {.number = f->number, .port = n->port, .mtu = f->net->mtu};

		if (!f->is_up) {
			node_link_down(n->node, n->host.sim->now, f->number);
			continue;
		}
		l.preference = f->number;
		if (!ip_is_none(&f->v4))
			l.addrs[l.addrs_n++] = f->v4;
		if (!ip_is_none(&f->v6))
			l.addrs[l.addrs_n++] = f->v6;
		if (f->net->nat != NULL && !ip_is_none(&f->v4))
			l.prefixes[l.prefixes_n++] = (struct ip_prefix){.ip = f->v4, .len = 120};
		node_link_set(n->node, n->host.sim->now, &l);
	}
	sim_kick(&n->host);
}

void sim_node_attach(struct sim_node *n, uint8_t number, struct sim_net *net, const char *v4,
		     const char *v6)
{
	struct sim_iface *i;

	while (n->host.ifaces_n <= number)
		sim_iface_add(&n->host, net, NULL, NULL)->is_up = false;
	i = &n->host.ifaces[number];
	i->net = net;
	memset(&i->v4, 0, sizeof(i->v4));
	memset(&i->v6, 0, sizeof(i->v6));
	if (v4 != NULL && ip_parse(v4, &i->v4) < 0)
		abort();
	if (v6 != NULL && ip_parse(v6, &i->v6) < 0)
		abort();
	i->is_up = true;
	if (n->node != NULL)
		sim_node_links(n);
}

void sim_node_detach(struct sim_node *n, uint8_t number)
{
	n->host.ifaces[number].is_up = false;
	sim_node_links(n);
}

void sim_node_start(struct sim_node *n)
{
	struct dp_params dpp = {.assocs = 64, .vips = 256, .mtu = n->params.mtu, .rng = &n->rng};
	struct datapath seam;

	n->dp = dp_create(&dpp, &dp_ops, n, node_datapath_events());
	assert(n->dp != NULL);
	seam = dp_datapath(n->dp);
	n->node = node_create(&n->params, n->host.sim->now, &node_ops, n, &seam);
	assert(n->node != NULL);
	dp_attach(n->dp, n->node);
	n->host.is_off = false;
	sim_node_links(n);
}

void sim_node_stop(struct sim_node *n)
{
	n->host.is_off = true;
	node_destroy(n->node);
	dp_destroy(n->dp);
	n->node = NULL;
	n->dp = NULL;
}

bool sim_node_is_registered(const struct sim_node *n)
{
	struct node_status st;

	if (n->node == NULL)
		return false;
	node_status(n->node, &st);
	return strcmp(st.state, "registered") == 0;
}
