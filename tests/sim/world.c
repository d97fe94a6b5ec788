/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/world.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const names[WORLD_NODES] = {"alice.dc1.example", "bob.dc1.example",
					       "carol.dc1.example"};

const char *world_name(unsigned int node)
{
	return names[node];
}

static void leg_up(bool *up, const struct node_leg_info *l)
{
	if (strcmp(l->state, "up") == 0)
		*up = true;
}

static bool each_leg(void *arg, const struct node_leg_info *l)
{
	leg_up(arg, l);
	return true;
}

bool world_node_ready(const struct sim_node *n)
{
	bool up = false;

	if (!sim_node_is_registered(n))
		return false;
	node_legs(n->node, each_leg, &up);
	return up;
}

bool world_is_registered(void *arg)
{
	struct world *w = arg;

	for (int i = 0; i < WORLD_NODES; i++)
		if (w->nodes[i].node != NULL && !world_node_ready(&w->nodes[i]))
			return false;
	return true;
}

static bool rs_has_dc(void *arg)
{
	struct world *w = arg;

	return rs_control_has_dc(w->rs.control);
}

static void nets_init(struct world *w)
{
	static const char *const outside[WORLD_NATS] = {"20.1.0.1", "20.2.0.1", "20.3.0.1"};

	w->core.delay_ns = 1 * SIM_MS;
	w->open.delay_ns = 9 * SIM_MS;
	for (int i = 0; i < WORLD_NATS; i++) {
		sim_nat_init(&w->nats[i], outside[i], SIM_NAT_SYMMETRIC);
		w->nets[i].nat = &w->nats[i];
		w->nets[i].delay_ns = 9 * SIM_MS;
	}
}

static void node_init(struct world *w, unsigned int i, uint64_t seed)
{
	struct sim_node *n = &w->nodes[i];

	sim_node_init(n, &w->sim, names[i], seed * 10 + 3 + i);
	n->params.dc_name = w->dc.params.name;
	memcpy(n->params.dc_key, w->dc.params.self.pub, NOISE_KEY_LEN);
	n->params.dc[n->params.dc_n++].ip = w->dc.host.ifaces[0].v4;
	n->params.dc[n->params.dc_n++].ip = w->dc.host.ifaces[0].v6;
	n->params.has_token = true;
	sim_dc_enrol(&w->dc, DC_NODE, names[i], n->params.token);
}

struct world *world_create(uint64_t seed)
{
	return world_create_watched(seed, NULL);
}

struct world *world_create_watched(uint64_t seed, void (*before)(struct world *w))
{
	struct world *w = calloc(1, sizeof(*w));

	sim_init(&w->sim, seed * 10);
	if (before != NULL)
		before(w);
	nets_init(w);
	sim_dc_init(&w->dc, &w->sim, &w->core, "20.0.0.1", "2a00::1", seed * 10 + 1);
	sim_rs_init(&w->rs, &w->sim, &w->core, "20.0.0.2", "2a00::2", seed * 10 + 2);
	sim_dc_general_host(&w->dc, "web.example", "50.0.0.80");
	sim_dc_start(&w->dc);
	snprintf(w->rs.params.name, sizeof(w->rs.params.name), "rs1.dc1.example");
	snprintf(w->rs.params.dc_name, sizeof(w->rs.params.dc_name), "%s", w->dc.params.name);
	memcpy(w->rs.params.dc_key, w->dc.params.self.pub, NOISE_KEY_LEN);
	w->rs.params.dc[0] = (struct endpoint){.ip = w->dc.host.ifaces[0].v4, .port = 5525};
	w->rs.params.dc_n = 1;
	w->rs.params.has_token = true;
	sim_dc_enrol(&w->dc, DC_RS, w->rs.params.name, w->rs.params.psk);
	sim_rs_start(&w->rs);
	if (!sim_run_until(&w->sim, 30 * SIM_SEC, rs_has_dc, w))
		printf("world: the RS did not register\n");
	for (unsigned int i = 0; i < WORLD_NODES; i++)
		node_init(w, i, seed);
	sim_node_attach(&w->nodes[ALICE], 0, &w->nets[NAT_A], "192.168.1.2", NULL);
	sim_node_attach(&w->nodes[BOB], 0, &w->nets[NAT_B], "192.168.1.2", NULL);
	sim_node_attach(&w->nodes[CAROL], 0, &w->open, "20.9.0.5", "2a00:9::5");
	for (unsigned int i = 0; i < WORLD_NODES; i++)
		sim_node_start(&w->nodes[i]);
	if (!sim_run_until(&w->sim, 30 * SIM_SEC, world_is_registered, w))
		printf("world: not all nodes registered\n");
	sim_run(&w->sim, SIM_SEC);
	return w;
}

void world_destroy(struct world *w)
{
	for (int i = 0; i < WORLD_NODES; i++)
		if (w->nodes[i].node != NULL)
			sim_node_stop(&w->nodes[i]);
	if (w->rs.control != NULL)
		sim_rs_stop(&w->rs);
	/* What is being written comes back first. */
	if (w->dc.dc != NULL) {
		sim_run(&w->sim, SIM_SEC);
		sim_dc_stop(&w->dc);
	}
	sim_run(&w->sim, SIM_SEC);
	sim_fini(&w->sim);
	free(w);
}

static void broken(struct world *w, const char *who, const char *what)
{
	w->errors++;
	printf("broken at %.6f s: %s: %s\n", (double)(w->sim.now - 1000 * SIM_SEC) / 1e9, who,
	       what);
}

void world_check(struct world *w)
{
	struct sim_flow *f;

	for (int i = 0; i < WORLD_NODES; i++) {
		struct sim_node *n = &w->nodes[i];

		if (n->dp != NULL && !dp_conserves(n->dp))
			broken(w, n->name, "counters do not add up");
		if (n->bad_inner != 0)
			broken(w, n->name, "a packet came out that nobody put in");
		if (n->key_changes != 0)
			broken(w, n->name, "a peer's key changed");
	}
	TAILQ_FOREACH(f, &w->sim.flows, link)
	if (f->duplicates != 0)
		broken(w, f->from->name, "a packet came out twice");
}

struct asked {
	bool is_done;
	enum node_direction_status status;
	struct vips vips;
};

static void direction_done(void *ctx, void *arg, const struct node_direction *d)
{
	struct asked *a = arg;

	a->is_done = true;
	a->status = d->status;
	a->vips = d->vips;
}

static bool is_done(void *arg)
{
	return ((struct asked *)arg)->is_done;
}

enum node_direction_status world_direct(struct world *w, unsigned int from, const char *name,
					struct vips *vips, uint64_t *took_ns)
{
	struct sim_node *n = &w->nodes[from];
	struct asked a = {.status = NODE_DIRECTION_NO_DC};
	uint64_t begin = w->sim.now;

	if (node_direction_start(n->node, w->sim.now, name, NULL, direction_done, &a) < 0)
		return NODE_DIRECTION_REFUSED;
	sim_kick(&n->host);
	sim_run_until(&w->sim, 10 * SIM_SEC, is_done, &a);
	node_direction_cancel(n->node, direction_done, &a);
	if (vips != NULL)
		*vips = a.vips;
	if (took_ns != NULL)
		*took_ns = w->sim.now - begin;
	return a.status;
}
