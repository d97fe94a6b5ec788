/* SPDX-License-Identifier: BSD-3-Clause */
/* Random schedules of disturbances: sim_random [SEED [COUNT]], or without arguments the seeds that
 * broke something once. Each run prints its seed if it breaks something; the same seed repeats it to
 * the byte (SIM_EVENTS=1, SIM_TRACE=1 show it).
 *
 * Whatever happens: nothing comes out that was not put in, nothing twice, all counters add up. And
 * once everything works again, every flow flows again within HEAL_NS.
 */
#include "tests/sim/world.h"

#include <stdio.h>
#include <stdlib.h>

enum { STEPS = 14, FLOWS = 3, NETS = WORLD_NATS + 1 };
#define HEAL_NS (120 * SIM_SEC)

/* What each of them had found. */
static const uint64_t found[] = {
	467,  /* a withdrawal that arrives after the row was told again */
	1157, /* the same */
	1708, /* side B waits for a handshake from a node that was restarted, with its DC */
	3454, 4626, 5252, /* the same */
};

struct run {
	struct world *w;
	struct rng rng;
	struct sim_flow flows[FLOWS];
	uint64_t healed_ns;
	unsigned int address; /* of the next move */
};

static struct sim_net *net_of(struct world *w, unsigned int i)
{
	return i < WORLD_NATS ? &w->nets[i] : &w->open;
}

static unsigned int pick(struct run *r, unsigned int n)
{
	return (unsigned int)rng_below(&r->rng, n);
}

static void move(struct run *r)
{
	struct sim_node *n = &r->w->nodes[pick(r, WORLD_NODES)];
	unsigned int net = pick(r, NETS), a = 10 + r->address++;
	uint8_t link = (uint8_t)pick(r, 2);
	char v4[32], v6[32];

	if (n->node == NULL)
		return;
	snprintf(v4, sizeof(v4), net < WORLD_NATS ? "192.168.%u.%u" : "20.9.%u.%u", net + 1, a);
	snprintf(v6, sizeof(v6), "2a00:9::%x", a);
	sim_node_attach(n, link, net_of(r->w, net), v4,
			net < WORLD_NATS || pick(r, 2) != 0 ? NULL : v6);
}

static void link_down(struct run *r)
{
	struct sim_node *n = &r->w->nodes[pick(r, WORLD_NODES)];

	if (n->node != NULL && n->host.ifaces_n > 1)
		sim_node_detach(n, (uint8_t)pick(r, 2));
}

static void nat(struct run *r)
{
	struct sim_nat *n = &r->w->nats[pick(r, WORLD_NATS)];

	if (pick(r, 2) == 0)
		n->class = (enum sim_nat_class)pick(r, SIM_NAT_CLASSES);
	sim_nat_flush(n);
}

static void quality(struct run *r)
{
	struct sim_net *n = net_of(r->w, pick(r, NETS));

	n->loss_ppm = pick(r, 200000);
	n->dup_ppm = pick(r, 100000);
	n->reorder_ppm = pick(r, 200000);
	n->jitter_ns = pick(r, 20) * SIM_MS;
	n->delay_ns = (1 + pick(r, 100)) * SIM_MS;
	n->mtu = (uint16_t)(pick(r, 3) == 0 ? 1280 + pick(r, 220) : 0);
	n->is_cut = pick(r, 6) == 0;
}

static void dc(struct run *r)
{
	if (r->w->dc.dc != NULL)
		sim_dc_stop(&r->w->dc);
	else
		sim_dc_start(&r->w->dc);
}

static void rs(struct run *r)
{
	if (r->w->rs.control != NULL)
		sim_rs_stop(&r->w->rs);
	else
		sim_rs_start(&r->w->rs);
}

static void node(struct run *r)
{
	struct sim_node *n = &r->w->nodes[pick(r, WORLD_NODES)];

	if (n->node != NULL)
		sim_node_stop(n);
	else
		sim_node_start(n);
}

static void disturb(struct run *r)
{
	switch (pick(r, 12)) {
	case 0:
	case 1:
	case 2:
	case 3:
		move(r);
		break;
	case 4:
		link_down(r);
		break;
	case 5:
	case 6:
		nat(r);
		break;
	case 7:
	case 8:
		quality(r);
		break;
	case 9:
		dc(r);
		break;
	case 10:
		rs(r);
		break;
	default:
		node(r);
	}
}

/* Everything works again: services up, networks clean, each node on one link of its own. */
static void heal(struct run *r)
{
	struct world *w = r->w;

	for (unsigned int i = 0; i < NETS; i++) {
		struct sim_net *n = net_of(w, i);

		n->loss_ppm = n->dup_ppm = n->reorder_ppm = 0;
		n->jitter_ns = 0;
		n->delay_ns = 9 * SIM_MS;
		n->mtu = 0;
		n->is_cut = false;
	}
	if (w->dc.dc == NULL)
		dc(r);
	if (w->rs.control == NULL)
		rs(r);
	for (unsigned int i = 0; i < WORLD_NODES; i++) {
		struct sim_node *n = &w->nodes[i];
		bool is_up = false;

		for (unsigned int l = 0; l < n->host.ifaces_n; l++)
			is_up = is_up || n->host.ifaces[l].is_up;
		if (!is_up)
			n->host.ifaces[0].is_up = true;
		if (n->node == NULL)
			sim_node_start(n);
		else
			sim_node_links(n);
	}
	r->healed_ns = w->sim.now;
}

static bool all_flow(void *arg)
{
	struct run *r = arg;

	for (int i = 0; i < FLOWS; i++)
		if (r->flows[i].last_echo_ns <= r->healed_ns ||
		    r->w->sim.now - r->flows[i].last_echo_ns > 2 * SIM_SEC)
			return false;
	return world_is_registered(r->w);
}

static bool print_leg(void *arg, const struct rs_leg_info *l)
{
	char at[ENDPOINT_TEXT_MAX];

	printf("  rs: leg %016llx at %s%s%s, %u paths, %u bindings\n", (unsigned long long)l->index,
	       endpoint_format(&l->peer, at), l->is_up ? "" : ", down",
	       l->is_confirmed ? "" : ", not confirmed", l->paths, l->bindings);
	return true;
}

static bool print_counter(void *arg, const char *name, uint64_t value, const char *help)
{
	if (value != 0)
		printf(" %s=%llu", name, (unsigned long long)value);
	return true;
}

static bool print_path(void *arg, const struct node_path_info *p)
{
	printf("  path %016llx to %s: %s, side %c, %s, route %u\n", (unsigned long long)p->path_id,
	       p->peer, p->state, p->is_side_a ? 'A' : 'B',
	       p->route[p->sending].is_relay ? "relay" : "direct", p->sending);
	return true;
}

static bool print_binding(void *arg, const struct node_binding_info *b)
{
	char vip[IP_TEXT_MAX], rip[IP_TEXT_MAX];

	printf("  binding %u of %s: %s is %s\n", b->number, b->name, ip_format(&b->vip_gn, vip),
	       ip_format(&b->rip_gn, rip));
	return true;
}

static void print_node(const struct sim_node *n)
{
	const uint64_t *c = dp_counters(n->dp);

	printf("  %s: %s;", n->name, world_node_ready(n) ? "ready" : "not registered, or no leg");
	for (int i = 0; i < DP_COUNTER_COUNT; i++)
		print_counter(NULL, dp_counter_name((enum dp_counter)i), c[i], "");
	node_counters(n->node, print_counter, NULL);
	printf("\n");
	node_paths(n->node, print_path, NULL);
	node_bindings(n->node, print_binding, NULL);
}

static void report(struct run *r, uint64_t seed)
{
	printf("seed %llu: not all is well %u s after the last disturbance\n",
	       (unsigned long long)seed, (unsigned int)(HEAL_NS / SIM_SEC));
	for (int i = 0; i < FLOWS; i++)
		printf("  %s to %s: sent %u got %u echoed %u, last %.1f s after\n",
		       r->flows[i].from->name,
		       r->flows[i].to != NULL ? r->flows[i].to->name : "web", r->flows[i].sent,
		       r->flows[i].got, r->flows[i].echoes,
		       ((double)r->flows[i].last_echo_ns - (double)r->healed_ns) / 1e9);
	for (int i = 0; i < WORLD_NODES; i++)
		print_node(&r->w->nodes[i]);
	rs_control_each_leg(r->w->rs.control, print_leg, NULL);
	for (int i = 0; i < SIM_RS_COUNTER_COUNT; i++)
		printf(" %llu", (unsigned long long)r->w->rs.counters[i]);
	printf("\n  dc:");
	for (int i = 0; i < DC_COUNT_MAX; i++)
		print_counter(NULL, dc_counter_name((enum dc_counter)i),
			      dc_counters(r->w->dc.dc)[i], "");
	printf("\n");
}

/* The time to heal, or 0 for a broken run. */
static uint64_t run(uint64_t seed)
{
	struct run *r = calloc(1, sizeof(*r));
	struct vips web;
	uint64_t took = 0;

	r->w = world_create(seed);
	rng_init_seeded(&r->rng, seed ^ 0x5eed);
	r->w->sim.is_traced = getenv("SIM_TRACE") != NULL;
	for (int i = 0; i < WORLD_NODES; i++)
		r->w->nodes[i].is_verbose = getenv("SIM_EVENTS") != NULL;
	world_direct(r->w, CAROL, "web.example", &web, NULL);
	sim_flow_start(&r->flows[0], &r->w->nodes[ALICE], &r->w->nodes[BOB],
		       &r->w->nodes[BOB].vips.v4, 300, 50 * SIM_MS, true);
	sim_flow_start(&r->flows[1], &r->w->nodes[BOB], &r->w->nodes[CAROL],
		       &r->w->nodes[CAROL].vips.v6, 1280, 70 * SIM_MS, true);
	sim_flow_start(&r->flows[2], &r->w->nodes[CAROL], NULL, &web.v4, 600, 60 * SIM_MS, false);
	for (int i = 0; i < STEPS; i++) {
		disturb(r);
		sim_run(&r->w->sim,
			pick(r, 4) == 0 ? pick(r, 8000) * SIM_MS : pick(r, 500) * SIM_MS);
		world_check(r->w);
	}
	heal(r);
	if (sim_run_until(&r->w->sim, HEAL_NS, all_flow, r))
		took = r->w->sim.now - r->healed_ns + 1;
	else
		report(r, seed);
	world_check(r->w);
	if (r->w->errors > 0) {
		printf("seed %llu: broken\n", (unsigned long long)seed);
		took = 0;
	}
	world_destroy(r->w);
	free(r);
	return took;
}

int main(int argc, char **argv)
{
	const unsigned int found_n = sizeof(found) / sizeof(found[0]);
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 0, worst = 0, worst_seed = 0;
	unsigned int count = argc > 2 ? (unsigned int)strtoul(argv[2], NULL, 10) : 300, bad = 0;

	if (argc == 1)
		count = found_n;
	for (unsigned int i = 0; i < count; i++) {
		uint64_t seed = argc == 1 ? found[i] : first + i, took = run(seed);

		bad += took == 0;
		if (took > worst) {
			worst = took;
			worst_seed = seed;
		}
	}
	printf("%u random schedules from seed %llu: %u bad; slowest to heal %.1f s (seed %llu)\n",
	       count, (unsigned long long)(argc == 1 ? found[0] : first), bad, (double)worst / 1e9,
	       (unsigned long long)worst_seed);
	return bad == 0 ? 0 : 1;
}
