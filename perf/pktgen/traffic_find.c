/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/pktgen/traffic_impl.h"

#include <rte_prefetch.h>

static bool view_ip4(struct traffic_view *v, uint32_t room)
{
	uint16_t total = room >= IP4_HDR_LEN ? load_be16(v->ip + 2) : 0;
	uint32_t src, dst;

	if (total < IP4_HDR_LEN + UDP_HDR_LEN || total > room || v->ip[0] != 0x45 ||
	    v->ip[9] != IPPROTO_UDP || (load_be16(v->ip + 6) & 0x3fff) != 0)
		return false;
	memcpy(&src, v->ip + 12, 4);
	memcpy(&dst, v->ip + 16, 4);
	v->src.ip = ip_from_v4(src);
	v->dst.ip = ip_from_v4(dst);
	v->ttl = v->ip[8];
	v->udp = v->ip + IP4_HDR_LEN;
	v->body_len = (uint16_t)(total - IP4_HDR_LEN - UDP_HDR_LEN);
	return true;
}

static bool view_ip6(struct traffic_view *v, uint32_t room)
{
	uint16_t len = room >= IP6_HDR_LEN ? load_be16(v->ip + 4) : 0;

	if (len < UDP_HDR_LEN || (uint32_t)len + IP6_HDR_LEN > room || v->ip[0] >> 4 != 6 ||
	    v->ip[6] != IPPROTO_UDP)
		return false;
	memcpy(v->src.ip.b, v->ip + 8, 16);
	memcpy(v->dst.ip.b, v->ip + 24, 16);
	v->ttl = v->ip[7];
	v->udp = v->ip + IP6_HDR_LEN;
	v->body_len = (uint16_t)(len - UDP_HDR_LEN);
	return true;
}

bool traffic_view(struct traffic_view *v, uint8_t *ip, uint32_t room)
{
	v->ip = ip;
	v->v6 = room > 0 && ip[0] >> 4 == 6;
	if (!(v->v6 ? view_ip6(v, room) : view_ip4(v, room)))
		return false;
	v->body = v->udp + UDP_HDR_LEN;
	v->src.port = load_be16(v->udp);
	v->dst.port = load_be16(v->udp + 2);
	return load_be16(v->udp + 4) == v->body_len + UDP_HDR_LEN;
}

static uint8_t corrupt(struct traffic *t, const char *why)
{
	if (t->corrupt++ == 0)
		t->corrupt_why = why;
	return TRAFFIC_CORRUPT;
}

static bool is_checked(struct traffic *t)
{
	return t->check_every != 0 && t->check_count++ % t->check_every == 0;
}

/* What is wrong with checksums, if anything. */
static const char *sums_fault(const struct traffic_view *v)
{
	uint16_t check = traffic_udp_check(&v->src.ip, &v->dst.ip, v->udp,
					   (uint16_t)(v->body_len + UDP_HDR_LEN));

	if (!v->v6 && csum_fold(csum_bytes(v->ip, IP4_HDR_LEN, 0)) != 0xffff)
		return "IPv4 checksum";
	if (load_be16(v->udp + 6) == 0)
		return "no UDP checksum";
	return check == 0 || check == 0xffff ? NULL : "UDP checksum";
}

/* An inner packet of a stream, to the last byte. ends are what it should say. */
static const char *inner_fault(const struct traffic *t, const struct traffic_view *v,
			       const struct traffic_ends *e, uint32_t stream, uint64_t seq)
{
	struct traffic_stamp stamp;

	if (v->body_len < sizeof(stamp))
		return "inner length";
	memcpy(&stamp, v->body, sizeof(stamp));
	if (stamp.magic != TRAFFIC_MAGIC || stamp.stream != stream || stamp.seq != seq)
		return "stamp";
	if (!endpoint_equal(&v->src, &e->src) || !endpoint_equal(&v->dst, &e->dst))
		return "inner addresses";
	if (memcmp(v->body + sizeof(stamp), t->filler, v->body_len - sizeof(stamp)) != 0)
		return "filler";
	return sums_fault(v);
}

/* An RS-S packet that is to be looked at: outer header as an RS should write it, then the seal. */
static const char *path_fault(struct traffic *t, const struct traffic_view *v,
			      const struct traffic_found *f)
{
	const struct plan *p = t->plan;
	const struct plan_node *to = &p->node[plan_path_node(p, f->stream, f->way == WAY_A)];
	struct traffic_ends e = traffic_ends(p, (enum way)f->way, f->stream);
	uint8_t iv[SUITE_IV_LEN];
	struct aead_op op = {.suite = p->conf.suite,
			     .body_len = (uint16_t)(v->body_len - WIRE_OVERHEAD),
			     .keys = p->path_keys[f->way].recv,
			     .iv = iv,
			     .pkt = v->body};
	struct traffic_view inner;
	const char *fault = sums_fault(v);

	if (fault != NULL)
		return fault;
	if (!endpoint_equal(&v->dst, &to->self) || !endpoint_equal(&v->src, &to->rs))
		return "outer addresses";
	if (v->ttl != TRAFFIC_TTL - 1)
		return "TTL";
	traffic_path_iv(p, f->way, plan_path_id(p, f->stream), iv);
	aead_open(p->aead, &op, 1);
	if (!op.ok)
		return "seal";
	if (!traffic_view(&inner, v->body + WIRE_HDR_LEN, op.out_len))
		return "inner headers";
	return inner_fault(t, &inner, &e, f->stream, f->seq);
}

static void find_path(struct traffic *t, const struct traffic_view *v, const struct wire_fields *w,
		      struct traffic_found *f)
{
	const char *fault;

	f->way = w->is_from_a ? WAY_A : WAY_B;
	f->stream = plan_path_find(t->plan, w->id);
	f->seq = w->seq;
	if (f->stream == UINT32_MAX)
		return;
	if (w->type != WIRE_DATA) {
		f->kind = TRAFFIC_CONTROL;
		return;
	}
	f->kind = TRAFFIC_DATA;
	fault = is_checked(t) ? path_fault(t, v, f) : NULL;
	if (fault != NULL)
		f->kind = corrupt(t, fault);
}

/* Sealed by RS-N for a node. */
static void find_in(struct traffic *t, const struct traffic_view *v, const struct wire_fields *w,
		    struct traffic_found *f)
{
	const struct plan *p = t->plan;
	uint32_t node = plan_node_of_index(w->id);
	const struct plan_node *n = &p->node[node];
	struct traffic_stamp stamp;
	struct traffic_ends e;
	struct aead_op op = {.suite = n->suite,
			     .body_len = (uint16_t)(v->body_len - WIRE_OVERHEAD),
			     .keys = p->leg_keys[node].recv,
			     .iv = n->recv_iv,
			     .pkt = v->body};
	bool checked = is_checked(t);
	const char *fault = checked ? sums_fault(v) : NULL; /* before the seal is taken off */
	struct traffic_view inner;

	aead_open(p->aead, &op, 1);
	if (!op.ok || !traffic_view(&inner, v->body + WIRE_HDR_LEN, op.out_len) ||
	    inner.body_len < sizeof(stamp)) {
		f->kind = corrupt(t, op.ok ? "inner headers" : "seal of the RS");
		return;
	}
	memcpy(&stamp, inner.body, sizeof(stamp));
	if (stamp.magic != TRAFFIC_MAGIC || stamp.stream >= p->conf.flows ||
	    plan_flow_node(p, stamp.stream) != node) {
		f->kind = corrupt(t, "stamp");
		return;
	}
	*f = (struct traffic_found){TRAFFIC_DATA, WAY_IN, stamp.stream, stamp.seq};
	if (!checked)
		return;
	e = traffic_ends(p, WAY_OUT, stamp.stream);
	e = (struct traffic_ends){e.dst, e.src};
	if (!endpoint_equal(&v->dst, &n->self) || !endpoint_equal(&v->src, &n->rs))
		fault = "outer addresses";
	if (fault == NULL)
		fault = inner_fault(t, &inner, &e, stamp.stream, stamp.seq);
	if (fault != NULL)
		f->kind = corrupt(t, fault);
}

/* Out of RS-N at the general host. The first packet of a flow tells its mapping. */
static void find_out(struct traffic *t, const struct traffic_view *v, struct traffic_found *f)
{
	struct plan *p = t->plan;
	struct traffic_stamp stamp;
	struct traffic_ends e;
	const char *fault;

	memcpy(&stamp, v->body, sizeof(stamp));
	if (stamp.magic != TRAFFIC_MAGIC || stamp.stream >= p->conf.flows)
		return;
	*f = (struct traffic_found){TRAFFIC_DATA, WAY_OUT, stamp.stream, stamp.seq};
	if (p->pub[stamp.stream].port == 0) {
		p->pub[stamp.stream] = v->src;
		p->known_flows++;
	}
	if (!is_checked(t))
		return;
	e = traffic_ends(p, WAY_IN, stamp.stream); /* its destination is the mapping */
	e = (struct traffic_ends){e.dst, e.src};
	fault = inner_fault(t, v, &e, stamp.stream, stamp.seq);
	if (fault == NULL && v->ttl != TRAFFIC_TTL - 1)
		fault = "TTL";
	if (fault != NULL)
		f->kind = corrupt(t, fault);
}

static bool is_to_host(const struct plan *p, const struct traffic_view *v)
{
	struct ip_addr first = plan_host_addr(0);

	return p->conf.flows > 0 && !v->v6 && v->dst.port == PLAN_HOST_PORT &&
	       memcmp(v->dst.ip.b, first.b, 15) == 0 && v->body_len >= sizeof(struct traffic_stamp);
}

static void find_one(struct traffic *t, struct rte_mbuf *m, struct traffic_found *f)
{
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);
	const struct plan *plan = t->plan;
	struct wire_fields w;
	uint16_t type;
	struct traffic_view v;

	*f = (struct traffic_found){.kind = TRAFFIC_STRANGE};
	if (m->data_len < RTE_ETHER_HDR_LEN || m->nb_segs != 1)
		return;
	type = load_be16(p + 12);
	if ((type != RTE_ETHER_TYPE_IPV4 && type != RTE_ETHER_TYPE_IPV6) ||
	    !traffic_view(&v, p + RTE_ETHER_HDR_LEN, (uint32_t)m->data_len - RTE_ETHER_HDR_LEN)) {
		f->kind = TRAFFIC_LINK;
		return;
	}
	if (is_to_host(plan, &v)) {
		find_out(t, &v, f);
		return;
	}
	if (wire_parse(v.body, v.body_len, &w) != WIRE_OK)
		return;
	if (wire_type_is_sealed(w.type) && v.body_len < WIRE_OVERHEAD)
		return;
	if (wire_is_path_id(w.id))
		find_path(t, &v, &w, f);
	else if (w.type == WIRE_DATA && plan->leg_keys != NULL &&
		 plan_node_of_index(w.id) < plan->conf.legs &&
		 w.id == plan_own_index(plan_node_of_index(w.id)))
		find_in(t, &v, &w, f);
	else
		f->kind = TRAFFIC_CONTROL;
}

void traffic_find(struct traffic *t, struct rte_mbuf **m, unsigned int n, struct traffic_found *out)
{
	for (unsigned int i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(m[i], void *));
	for (unsigned int i = 0; i < n; i++)
		find_one(t, m[i], &out[i]);
}
