/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/nat_map.h"
#include "appliance/nat_open.h"

#include "appliance/table_mem.h"

#include <rte_prefetch.h>

#include <errno.h>
#include <stdlib.h>

_Static_assert(sizeof(struct nat_flow) == 64, "a flow is one cache line");
_Static_assert(sizeof(struct nat_map) == 32, "two mappings to a cache line");

void nat_config_default(struct nat_config *c)
{
	const uint64_t s = 1000000000;

	*c = (struct nat_config){
		.flows_max = 65536,
		.subscriber_ports = 1024,
		.subscriber_flows = 4096,
		.udp_ns = 300 * s,
		.tcp_open_ns = (2 * 60 + 4) * 60 * s,
		.tcp_half_ns = 240 * s,
		.icmp_ns = 60 * s,
	};
}

struct nat *nat_create(const struct nat_config *cfg, struct leg_table *legs,
		       const struct binding_table *bindings, uint16_t worker, uint16_t n_workers,
		       const uint64_t secret[2])
{
	struct nat *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return NULL;
	n->cfg = *cfg;
	/* Counted in 16 bits. */
	if (n->cfg.subscriber_flows > UINT16_MAX)
		n->cfg.subscriber_flows = UINT16_MAX;
	n->legs = legs;
	n->bindings = bindings;
	n->secret[0] = secret[0];
	n->secret[1] = secret[1] | 1;
	n->pool = nat_pool_create(cfg->ranges, cfg->n_ranges, worker, n_workers,
				  hash_fold(secret[0] + worker, secret[1] | 1));
	n->flows = table_mem_alloc(cfg->flows_max * sizeof(*n->flows));
	n->maps = table_mem_alloc(cfg->flows_max * sizeof(*n->maps));
	n->free_flows = table_mem_alloc(cfg->flows_max * sizeof(*n->free_flows));
	n->free_maps = table_mem_alloc(cfg->flows_max * sizeof(*n->free_maps));
	if (n->pool == NULL || n->flows == NULL || n->maps == NULL || n->free_flows == NULL ||
	    n->free_maps == NULL || flow_index_init(&n->flow_in, cfg->flows_max) < 0 ||
	    flow_index_init(&n->flow_out, cfg->flows_max) < 0 ||
	    flow_index_init(&n->map_in, cfg->flows_max) < 0 ||
	    flow_index_init(&n->map_out, cfg->flows_max) < 0) {
		nat_destroy(n);
		errno = ENOMEM;
		return NULL;
	}
	/* Lowest first: a table used a little touches little memory. */
	for (uint32_t i = 0; i < cfg->flows_max; i++) {
		n->free_flows[i] = cfg->flows_max - 1 - i;
		n->free_maps[i] = cfg->flows_max - 1 - i;
	}
	n->n_free_flows = cfg->flows_max;
	n->n_free_maps = cfg->flows_max;
	return n;
}

void nat_destroy(struct nat *n)
{
	if (n == NULL)
		return;
	flow_index_fini(&n->flow_in);
	flow_index_fini(&n->flow_out);
	flow_index_fini(&n->map_in);
	flow_index_fini(&n->map_out);
	table_mem_free(n->flows, n->cfg.flows_max * sizeof(*n->flows));
	table_mem_free(n->maps, n->cfg.flows_max * sizeof(*n->maps));
	table_mem_free(n->free_flows, n->cfg.flows_max * sizeof(*n->free_flows));
	table_mem_free(n->free_maps, n->cfg.flows_max * sizeof(*n->free_maps));
	nat_pool_destroy(n->pool);
	free(n);
}

/* ---- look-ups ---- */

struct nat_flow *nat_flow_find_in(struct nat *n, uint64_t hash, uint32_t subscriber,
				  enum nat_proto proto, uint16_t in_port, const struct ip_addr *vip)
{
	struct flow_probe p;
	uint32_t ref = flow_index_first(&n->flow_in, hash, &p);

	for (; ref != FLOW_NONE; ref = flow_index_next(&n->flow_in, &p)) {
		struct nat_flow *f = &n->flows[ref];

		if (f->subscriber == subscriber && f->in_port == in_port &&
		    nat_proto_of(f->kind) == proto && ip_equal(&f->vip, vip))
			return f;
	}
	return NULL;
}

struct nat_flow *nat_flow_find_out(struct nat *n, uint64_t hash, uint16_t addr,
				   enum nat_proto proto, uint16_t port, const struct ip_addr *rip)
{
	struct flow_probe p;
	uint32_t ref = flow_index_first(&n->flow_out, hash, &p);

	for (; ref != FLOW_NONE; ref = flow_index_next(&n->flow_out, &p)) {
		struct nat_flow *f = &n->flows[ref];

		if (nat_flow_is_out(f, addr, proto, port, rip))
			return f;
	}
	return NULL;
}

static bool is_asked_for(const struct nat_flow *f, const struct nat_ask *a)
{
	return f->subscriber == a->subscriber && f->in_port == a->port &&
	       nat_proto_of(f->kind) == a->proto && ip_equal(&f->vip, &a->vip);
}

bool nat_flow_find_bulk(struct nat *n, const struct nat_ask *ask, unsigned int cnt,
			struct nat_flow **f)
{
	struct flow_probe probe;
	bool all = true;

	for (unsigned int i = 0; i < cnt; i++) {
		uint32_t ref = flow_index_first(&n->flow_in, ask[i].hash, &probe);

		f[i] = ref == FLOW_NONE ? NULL : &n->flows[ref];
		rte_prefetch0(f[i]);
	}
	for (unsigned int i = 0; i < cnt; i++) {
		/* A tag is right by chance once in thousands of times: the first is the one. */
		if (unlikely(f[i] != NULL && !is_asked_for(f[i], &ask[i])))
			f[i] = nat_flow_find_in(n, ask[i].hash, ask[i].subscriber,
						(enum nat_proto)ask[i].proto, ask[i].port,
						&ask[i].vip);
		all &= f[i] != NULL;
	}
	return all;
}

/* ---- flows ---- */

void nat_flow_hang(struct nat *n, struct nat_flow *f)
{
	uint32_t in = f->expires - n->tick;
	uint32_t slot;

	if ((int32_t)in < 1)
		in = 1;
	if (in > NAT_WHEEL_SLOTS - 1)
		in = NAT_WHEEL_SLOTS - 1;
	slot = (n->tick + in) % NAT_WHEEL_SLOTS;
	f->next = n->wheel[slot];
	n->wheel[slot] = (uint32_t)(f - n->flows) + 1;
}

/* Taken off the wheel already. */
static void flow_free(struct nat *n, uint32_t at)
{
	struct nat_flow *f = &n->flows[at];
	struct nat_map *m = &n->maps[f->map];
	enum nat_proto proto = nat_proto_of(f->kind);

	flow_index_del(&n->flow_in, nat_hash_in(n, f->subscriber, proto, f->in_port, &f->vip), at);
	flow_index_del(&n->flow_out, nat_hash_out(n, f->addr, proto, f->port, &f->rip), at);
	nat_subscriber_count(n, f->subscriber, -1);
	n->free_flows[n->n_free_flows++] = at;
	n->n_flows--;
	if (--m->flows == 0)
		nat_map_free(n, m);
}

/* ---- expiry ---- */

static bool is_over(const struct nat *n, const struct nat_flow *f)
{
	const struct binding *b;

	if ((int32_t)(f->expires - n->tick) <= 0)
		return true;
	b = binding_table_by_vip(n->bindings, f->subscriber, &f->vip);
	return b == NULL || !ip_equal(&b->rip, &f->rip);
}

void nat_turn(struct nat *n, uint64_t now, unsigned int budget)
{
	uint32_t tick = nat_tick(now);

	if (n->tick == 0)
		n->tick = tick;
	while ((int32_t)(tick - n->tick) > 0) {
		uint32_t *head = &n->wheel[(n->tick + 1) % NAT_WHEEL_SLOTS];

		while (*head != 0) {
			uint32_t at = *head - 1;

			if (budget-- == 0)
				return;
			*head = n->flows[at].next;
			n->tick++; /* what is due in this slot counts as past */
			if (is_over(n, &n->flows[at]))
				flow_free(n, at);
			else
				nat_flow_hang(n, &n->flows[at]);
			n->tick--;
		}
		n->tick++;
	}
}
