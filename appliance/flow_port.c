/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/flow_port.h"
#include "common/bytes.h"

#include <rte_errno.h>
#include <rte_flow.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- a rule as rte_flow has it ---- */

enum { ITEMS_MAX = 5 }; /* Ethernet, VLAN, IP, UDP or TCP, end */

struct pattern {
	struct rte_flow_item item[ITEMS_MAX];
	unsigned int n;
	struct rte_flow_item_vlan vlan, vlan_mask;
	struct rte_flow_item_ipv4 ip4, ip4_mask;
	struct rte_flow_item_ipv6 ip6, ip6_mask;
	struct rte_flow_item_udp udp, udp_mask;
	struct rte_flow_item_tcp tcp, tcp_mask;
};

static void item_add(struct pattern *p, enum rte_flow_item_type type, const void *spec,
		     const void *mask)
{
	p->item[p->n++] = (struct rte_flow_item){.type = type, .spec = spec, .mask = mask};
}

/* Bits of a prefix, over all 16 bytes. */
static void mask_fill(uint8_t b[16], unsigned int bits)
{
	for (unsigned int i = 0; i < 16; i++) {
		unsigned int n = bits < 8 * i ? 0 : bits - 8 * i;

		b[i] = n >= 8 ? 0xff : (uint8_t)(0xff00 >> n);
	}
}

static void ip_add(struct pattern *p, const struct ip_prefix *dst)
{
	uint8_t mask[16];

	mask_fill(mask, dst->len);
	if (ip_is_v4(&dst->ip)) {
		p->ip4.hdr.dst_addr = ip_v4(&dst->ip);
		memcpy(&p->ip4_mask.hdr.dst_addr, mask + 12, 4);
		item_add(p, RTE_FLOW_ITEM_TYPE_IPV4, &p->ip4, &p->ip4_mask);
	} else {
		memcpy(p->ip6.hdr.dst_addr, dst->ip.b, 16);
		memcpy(p->ip6_mask.hdr.dst_addr, mask, 16);
		item_add(p, RTE_FLOW_ITEM_TYPE_IPV6, &p->ip6, &p->ip6_mask);
	}
}

static void pattern_make(struct pattern *p, const struct flow_rule *r)
{
	memset(p, 0, sizeof(*p));
	item_add(p, RTE_FLOW_ITEM_TYPE_ETH, NULL, NULL);
	if (r->vlan != 0) {
		p->vlan.tci = rte_cpu_to_be_16(r->vlan);
		p->vlan_mask.tci = rte_cpu_to_be_16(0x0fff);
		item_add(p, RTE_FLOW_ITEM_TYPE_VLAN, &p->vlan, &p->vlan_mask);
	}
	ip_add(p, &r->dst);
	if (r->kind == FLOW_TCP_PORTS) {
		p->tcp.hdr.dst_port = rte_cpu_to_be_16(r->port);
		p->tcp_mask.hdr.dst_port = rte_cpu_to_be_16(r->mask);
		item_add(p, RTE_FLOW_ITEM_TYPE_TCP, &p->tcp, &p->tcp_mask);
	} else if (r->mask != 0) {
		p->udp.hdr.dst_port = rte_cpu_to_be_16(r->port);
		p->udp_mask.hdr.dst_port = rte_cpu_to_be_16(r->mask);
		item_add(p, RTE_FLOW_ITEM_TYPE_UDP, &p->udp, &p->udp_mask);
	}
	item_add(p, RTE_FLOW_ITEM_TYPE_END, NULL, NULL);
}

/* ---- kinds ---- */

static const char *const kind_words[FLOW_KINDS] = {
	[FLOW_ENDPOINT] = "endpoints",	       [FLOW_ADDRESSES] = "prefixes of pool addresses",
	[FLOW_ADDRESS] = "pool addresses",     [FLOW_UDP_PORTS] = "masked UDP ports",
	[FLOW_TCP_PORTS] = "masked TCP ports",
};

enum { SHAPE_KINDS = 8, SHAPE_V6 = 8, SHAPE_VLAN = 16, SHAPE_BEHIND = 32, SHAPES = 64 };

_Static_assert((int)FLOW_KINDS <= (int)SHAPE_KINDS, "a shape has three bits for the kind");

/* Rules that a port takes or refuses together. */
static unsigned int shape_of(const struct flow_rule *r)
{
	return r->kind | (ip_is_v4(&r->dst.ip) ? 0u : SHAPE_V6) | (r->vlan != 0 ? SHAPE_VLAN : 0u) |
	       (r->priority != 0 ? SHAPE_BEHIND : 0u);
}

uint8_t flow_port_singles(const struct flow_port *fp)
{
	uint8_t set = 0;

	for (unsigned int i = 0; i < SHAPES; i++) {
		unsigned int way = i & (SHAPE_V6 | SHAPE_VLAN);

		if (fp->refused >> i & 1 && i % SHAPE_KINDS == FLOW_ADDRESSES &&
		    (fp->refused >> (way | FLOW_ENDPOINT) & 1) == 0)
			set |= (uint8_t)(1u << way / SHAPE_V6);
	}
	return set;
}

/* What all refused rules of the kind have in common; false if there are none. */
static bool refused_of(const struct flow_port *fp, unsigned int kind, unsigned int *common)
{
	bool any = false;

	*common = SHAPES - 1;
	for (unsigned int i = kind; i < SHAPES; i += SHAPE_KINDS) {
		if (fp->refused >> i & 1) {
			*common &= i;
			any = true;
		}
	}
	return any;
}

void flow_port_refusals(const struct flow_port *fp, char *text, size_t size)
{
	unsigned int common;
	size_t n = 0;

	text[0] = '\0';
	for (unsigned int kind = 0; kind < FLOW_KINDS && n < size; kind++)
		if (refused_of(fp, kind, &common))
			n += (size_t)snprintf(text + n, size - n, "%s%s%s%s%s", n > 0 ? ", " : "",
					      kind_words[kind],
					      common & SHAPE_V6 ? " over IPv6" : "",
					      common & SHAPE_VLAN ? " with a VLAN tag" : "",
					      common & SHAPE_BEHIND ? " behind others" : "");
}

/* ---- in and out ---- */

static int said(struct flow_port *fp, const struct rte_flow_error *err, int ret)
{
	if (fp->why[0] == '\0')
		snprintf(fp->why, sizeof(fp->why), "%s", err->message ?: strerror(-ret));
	return ret;
}

/* 0 or -errno. Asked first, for some drivers log what they do not like to make. */
static int enter(struct flow_port *fp, const struct flow_rule *r)
{
	const struct rte_flow_attr attr = {.ingress = 1, .priority = r->priority};
	const struct rte_flow_action_queue queue = {.index = r->queue};
	const struct rte_flow_action actions[] = {
		{.type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &queue},
		{.type = RTE_FLOW_ACTION_TYPE_END},
	};
	struct rte_flow_error err = {.message = NULL};
	struct rte_flow *flow;
	struct pattern p;
	int ret;

	pattern_make(&p, r);
	ret = rte_flow_validate(fp->port, &attr, p.item, actions, &err);
	if (ret != 0) /* some drivers have no flow rules in a positive number */
		return said(fp, &err, -abs(ret));
	flow = rte_flow_create(fp->port, &attr, p.item, actions, &err);
	if (flow == NULL)
		return said(fp, &err, rte_errno > 0 ? -rte_errno : -EIO);
	fp->entered[fp->n++] = (struct flow_entered){*r, flow};
	return 0;
}

/* One that the driver does not let go of is not ours to use again; it ends with the port. */
static void leave(struct flow_port *fp, uint32_t i)
{
	(void)rte_flow_destroy(fp->port, fp->entered[i].flow, NULL);
	fp->n--;
	memmove(&fp->entered[i], &fp->entered[i + 1], (fp->n - i) * sizeof(fp->entered[0]));
}

void flow_port_clear(struct flow_port *fp)
{
	while (fp->n > 0)
		leave(fp, fp->n - 1);
}

static bool is_planned(const struct flow_plan *plan, const struct flow_rule *r)
{
	for (uint32_t i = 0; i < plan->n; i++)
		if (flow_rule_equal(&plan->rule[i], r))
			return true;
	return false;
}

static bool is_entered(const struct flow_port *fp, const struct flow_rule *r)
{
	for (uint32_t i = 0; i < fp->n; i++)
		if (flow_rule_equal(&fp->entered[i].rule, r))
			return true;
	return false;
}

/* Make room for a rule of the kind by giving up the last one of a lesser kind. */
static bool make_room(struct flow_port *fp, uint8_t kind)
{
	for (uint32_t i = fp->n; i > 0; i--) {
		if (fp->entered[i - 1].rule.kind > kind) {
			leave(fp, i - 1);
			return true;
		}
	}
	return false;
}

static bool is_want_of_room(int ret)
{
	return ret == -ENOSPC || ret == -ENOMEM || ret == -ENOBUFS;
}

static void take(struct flow_port *fp, const struct flow_rule *r)
{
	unsigned int shape = shape_of(r);
	int ret;

	if (fp->refused >> shape & 1 || is_entered(fp, r))
		return;
	ret = fp->n < FLOW_RULES_MAX ? enter(fp, r) : -ENOSPC;
	while (is_want_of_room(ret) && make_room(fp, r->kind))
		ret = enter(fp, r);
	if (ret == -ENOSYS)
		fp->none = true;
	else if (is_want_of_room(ret))
		fp->full = true;
	else if (ret < 0)
		fp->refused |= UINT64_C(1) << shape;
}

void flow_port_sync(struct flow_port *fp, const struct flow_plan *plan)
{
	fp->wanted = plan->wanted;
	fp->refused = 0;
	fp->none = false;
	fp->full = false;
	fp->why[0] = '\0';
	for (uint32_t i = fp->n; i > 0; i--)
		if (!is_planned(plan, &fp->entered[i - 1].rule))
			leave(fp, i - 1);
	for (uint32_t i = 0; i < plan->n && !fp->none && !fp->full; i++)
		take(fp, &plan->rule[i]);
}
