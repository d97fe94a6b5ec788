/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/pktgen/traffic_impl.h"

void traffic_init(struct traffic *t, struct plan *p, uint32_t check_every)
{
	memset(t, 0, sizeof(*t));
	t->plan = p;
	t->check_every = check_every;
	rng_fill(&p->rng, t->filler, sizeof(t->filler));
}

struct traffic_ends traffic_ends(const struct plan *p, enum way w, uint32_t stream)
{
	uint32_t a, b;

	if (w <= WAY_B) {
		a = plan_path_node(p, stream, w == WAY_B);
		b = plan_path_node(p, stream, w == WAY_A);
		return (struct traffic_ends){{plan_vip(a), PLAN_FLOW_PORT},
					     {plan_vip(b), PLAN_FLOW_PORT}};
	}
	a = plan_flow_node(p, stream);
	b = plan_node_host(p, a);
	if (w == WAY_OUT)
		return (struct traffic_ends){{plan_vip(a), plan_flow_port(p, stream)},
					     {plan_vip_host(b), PLAN_HOST_PORT}};
	return (struct traffic_ends){{plan_host_addr(b), PLAN_HOST_PORT}, p->pub[stream]};
}

void traffic_headers(uint8_t *ip, const struct endpoint *src, const struct endpoint *dst,
		     uint16_t body)
{
	uint8_t *udp = ip + outer_len(&dst->ip);
	uint16_t len = (uint16_t)(UDP_HDR_LEN + body), check;
	struct outer o = {
		.src = &src->ip, .dst = &dst->ip, .ttl = TRAFFIC_TTL, .proto = IPPROTO_UDP};

	outer_write(udp, len, &o);
	store_be16(udp, src->port);
	store_be16(udp + 2, dst->port);
	store_be16(udp + 4, len);
	store_be16(udp + 6, 0);
	check = traffic_udp_check(&src->ip, &dst->ip, udp, len);
	if (check == 0)
		check = 0xffff;
	memcpy(udp + 6, &check, sizeof(check));
}

/* The packet that a node or host wants carried, at ip. */
static void inner_write(const struct traffic *t, enum way w, const struct traffic_item *item,
			uint8_t *ip)
{
	struct traffic_ends e = traffic_ends(t->plan, w, item->stream);
	struct traffic_stamp stamp = {TRAFFIC_MAGIC, item->stream, item->seq};
	uint8_t *body = ip + TRAFFIC_INNER_HEAD;

	memcpy(body, &stamp, sizeof(stamp));
	memcpy(body + sizeof(stamp), t->filler, item->inner - TRAFFIC_INNER_MIN);
	traffic_headers(ip, &e.src, &e.dst, (uint16_t)(item->inner - TRAFFIC_INNER_HEAD));
}

static void ether_write(const struct traffic *t, enum traffic_side side, uint8_t *p, bool v6)
{
	memcpy(p, t->rs_mac[side].addr_bytes, RTE_ETHER_ADDR_LEN);
	memcpy(p + RTE_ETHER_ADDR_LEN, t->own_mac[side].addr_bytes, RTE_ETHER_ADDR_LEN);
	store_be16(p + 12, v6 ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4);
}

static unsigned int head_len(const struct plan *p)
{
	return RTE_ETHER_HDR_LEN + (p->conf.outer6 ? IP6_HDR_LEN : IP4_HDR_LEN) + UDP_HDR_LEN;
}

uint16_t traffic_frame_len(const struct plan *p, enum way w, uint16_t inner)
{
	uint8_t suite = w <= WAY_B ? p->conf.suite : p->node[0].suite;

	if (w == WAY_IN)
		return (uint16_t)(RTE_ETHER_HDR_LEN + inner);
	return (uint16_t)(head_len(p) + aead_sealed_len(suite, inner));
}

/* Header, body and keys of one packet, up to the seal. iv is room for the path's. */
static struct aead_op seal_op(struct traffic *t, enum way w, const struct traffic_item *item,
			      uint8_t *pkt, uint8_t iv[SUITE_IV_LEN])
{
	struct plan *p = t->plan;
	struct aead_op op = {.suite = p->conf.suite, .body_len = item->inner, .pkt = pkt};
	const struct plan_node *n;
	uint32_t node;
	uint64_t id;

	if (w == WAY_OUT) {
		node = plan_flow_node(p, item->stream);
		n = &p->node[node];
		op.suite = n->suite;
		op.keys = p->leg_keys[node].send;
		op.iv = n->send_iv;
		wire_build(pkt, WIRE_DATA, n->flags, item->seq, n->rs_index);
	} else {
		id = plan_path_id(p, item->stream);
		op.keys = p->path_keys[w == WAY_B].send;
		op.iv = iv;
		traffic_path_iv(p, w == WAY_B, id, iv);
		wire_build(pkt, WIRE_DATA, wire_flags(w == WAY_A, 0, 0), item->seq, id);
	}
	inner_write(t, w, item, pkt + WIRE_HDR_LEN);
	return op;
}

static const struct plan_node *sender(const struct plan *p, enum way w, uint32_t stream)
{
	return &p->node[w == WAY_OUT ? plan_flow_node(p, stream)
				     : plan_path_node(p, stream, w == WAY_B)];
}

static void make_sealed(struct traffic *t, enum way w, const struct traffic_item *item,
			unsigned int n, struct rte_mbuf **m)
{
	const unsigned int head = head_len(t->plan);
	uint8_t iv[TRAFFIC_BURST][SUITE_IV_LEN];
	struct aead_op op[TRAFFIC_BURST];

	for (unsigned int i = 0; i < n; i++)
		op[i] = seal_op(t, w, &item[i], rte_pktmbuf_mtod_offset(m[i], uint8_t *, head),
				iv[i]);
	aead_seal(t->plan->aead, op, n);
	for (unsigned int i = 0; i < n; i++) {
		const struct plan_node *from = sender(t->plan, w, item[i].stream);
		uint16_t body = (uint16_t)(WIRE_HDR_LEN + op[i].out_len + WIRE_TAG_LEN);
		uint8_t *p = rte_pktmbuf_mtod(m[i], uint8_t *);

		ether_write(t, TRAFFIC_ACCESS, p, t->plan->conf.outer6);
		traffic_headers(p + RTE_ETHER_HDR_LEN, &from->self, &from->rs, body);
		m[i]->data_len = (uint16_t)(head + body);
		m[i]->pkt_len = head + body;
	}
}

static void make_plain(struct traffic *t, const struct traffic_item *item, unsigned int n,
		       struct rte_mbuf **m)
{
	for (unsigned int i = 0; i < n; i++) {
		uint8_t *p = rte_pktmbuf_mtod(m[i], uint8_t *);

		ether_write(t, TRAFFIC_OUTSIDE, p, false);
		inner_write(t, WAY_IN, &item[i], p + RTE_ETHER_HDR_LEN);
		m[i]->data_len = (uint16_t)(RTE_ETHER_HDR_LEN + item[i].inner);
		m[i]->pkt_len = m[i]->data_len;
	}
}

void traffic_make(struct traffic *t, enum way w, const struct traffic_item *item, unsigned int n,
		  struct rte_mbuf **m)
{
	if (w == WAY_IN)
		make_plain(t, item, n, m);
	else
		make_sealed(t, w, item, n, m);
}
