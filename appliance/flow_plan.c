/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/flow_plan.h"
#include "appliance/config.h"
#include "common/bytes.h"

#include <rte_common.h>

bool flow_rule_equal(const struct flow_rule *a, const struct flow_rule *b)
{
	return a->kind == b->kind && a->priority == b->priority && a->queue == b->queue &&
	       a->vlan == b->vlan && a->port == b->port && a->mask == b->mask &&
	       a->dst.len == b->dst.len && ip_equal(&a->dst.ip, &b->dst.ip);
}

static void want(struct flow_plan *p, const struct flow_rule *r)
{
	p->wanted++;
	if (p->n < FLOW_RULES_MAX)
		p->rule[p->n++] = *r;
}

static bool takes_rules(const struct iface *f, const struct flow_plan_config *c)
{
	return f->flow_rules && f->port == c->port;
}

/* Legs come to these. No node can be told of a link-local one. */
static void endpoints(struct flow_plan *p, const struct flow_plan_config *c)
{
	for (uint32_t i = 0; i < c->n_addrs; i++) {
		const struct iface *f = &c->ifaces[c->addrs[i].iface];
		const struct ip_addr *ip = &c->addrs[i].ip;

		if (!takes_rules(f, c) || (!ip_is_v4(ip) && ip->b[0] == 0xfe))
			continue;
		for (uint16_t w = 0; w < c->n_workers; w++) {
			struct flow_rule r = {.kind = FLOW_ENDPOINT,
					      .queue = w,
					      .vlan = f->vlan,
					      .port = (uint16_t)(c->base_port + w),
					      .mask = 0xffff,
					      .dst = {*ip, 128}};

			want(p, &r);
		}
	}
}

/* A rule for what is the box's as well stands behind that of its endpoint. */
static uint8_t priority_of(const struct flow_plan_config *c, const struct ip_prefix *dst)
{
	for (uint32_t i = 0; i < c->n_addrs; i++)
		if (prefix_contains(dst, &c->addrs[i].ip))
			return 1;
	return 0;
}

static struct ip_addr plus(const struct ip_addr *ip, uint32_t n)
{
	struct ip_addr a = *ip;

	store_be32(a.b + 12, load_be32(a.b + 12) + n);
	return a;
}

/* Addresses that follow each other as prefixes: from each the largest that begins there. */
static void run_add(struct flow_plan *p, const struct flow_plan_config *c, struct ip_addr ip,
		    uint32_t n, uint16_t worker, uint16_t vlan)
{
	unsigned int way = (ip_is_v4(&ip) ? 0u : 1u) | (vlan != 0 ? 2u : 0u);
	bool singly = c->one_by_one >> way & 1;

	while (n > 0) {
		uint32_t low = load_be32(ip.b + 12), bits = 0;
		struct flow_rule r = {.queue = worker, .vlan = vlan};

		while (!singly && (low & 1u << bits) == 0 && UINT32_C(2) << bits <= n)
			bits++;
		r.kind = bits == 0 ? FLOW_ADDRESS : FLOW_ADDRESSES;
		r.dst = (struct ip_prefix){ip, (uint8_t)(128 - bits)};
		r.priority = priority_of(c, &r.dst);
		want(p, &r);
		ip = plus(&ip, UINT32_C(1) << bits);
		n -= UINT32_C(1) << bits;
	}
}

static void own_addresses(struct flow_plan *p, const struct flow_plan_config *c,
			  const struct nat_range *range, uint16_t vlan)
{
	for (uint16_t w = 0; w < c->n_workers; w++) {
		struct ip_addr first;
		uint32_t n = nat_range_own(range, w, c->n_workers, &first);

		run_add(p, c, first, n, w, vlan);
	}
}

static void shared_ports(struct flow_plan *p, const struct flow_plan_config *c,
			 const struct nat_range *range, uint16_t vlan, enum flow_kind kind)
{
	struct ip_addr first;
	uint32_t n = nat_range_shared(range, c->n_workers, &first);

	for (uint32_t i = 0; i < n; i++) {
		struct flow_rule r = {.kind = (uint8_t)kind, .vlan = vlan};

		r.dst = (struct ip_prefix){plus(&first, i), 128};
		r.priority = priority_of(c, &r.dst);
		for (r.queue = 0; r.queue < c->n_workers; r.queue++)
			if (nat_range_ports(range, r.queue, c->n_workers, &r.port, &r.mask))
				want(p, &r);
	}
}

/* What general hosts send to, at each interface that may face them. */
static void pools(struct flow_plan *p, const struct flow_plan_config *c, enum flow_kind kind)
{
	for (uint16_t i = 0; i < c->n_ifaces; i++) {
		const struct iface *f = &c->ifaces[i];

		if (!takes_rules(f, c) || f->side == SIDE_ACCESS)
			continue;
		for (uint32_t k = 0; k < c->n_ranges; k++) {
			if (kind == FLOW_ADDRESS)
				own_addresses(p, c, &c->ranges[k], f->vlan);
			else
				shared_ports(p, c, &c->ranges[k], f->vlan, kind);
		}
	}
}

void flow_plan_make(struct flow_plan *p, const struct flow_plan_config *c)
{
	p->n = 0;
	p->wanted = 0;
	endpoints(p, c);
	pools(p, c, FLOW_ADDRESS);
	pools(p, c, FLOW_UDP_PORTS);
	pools(p, c, FLOW_TCP_PORTS);
}
