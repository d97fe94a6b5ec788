/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_RS_RIG_H
#define TESTS_UNIT_RS_RIG_H

/* RS-N with one node behind its leg and general hosts bound for it, of either family on either side. */
#include "tests/unit/rs_node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define GN4_FAR "198.51.100.80"
#define GN6 "2001:db8:80::80"
#define VIP_GN4 "240.128.0.1"
#define VIP_GN6 "fd00:9::1"
#define VIP_GN4_TO6 "240.128.0.2" /* IPv4 inside, IPv6 outside */
#define VIP_GN6_TO4 "fd00:9::2"

enum { BODY = 200 };

struct rig {
	struct fix f;
	struct node n;
	uint8_t in[FIX_PACKET_MAX], want[FIX_PACKET_MAX], body[4000];
};

static inline void bind_gn(struct rig *r, uint32_t number, const char *vip, const char *rip)
{
	struct ip_addr v = fix_ip(vip), p = fix_ip(rip);

	assert_int_equal(rs_dp_binding_add(r->f.dp, r->n.index, number, &v, &p), 0);
}

static inline void rig_up(struct rig *r, const struct rs_dp_config *cfg)
{
	fix_up(&r->f, cfg);
	node_up(&r->n, &r->f, 0, NODE_VIP4, NODE_VIP6);
	bind_gn(r, 1, VIP_GN4, GN4_FAR);
	bind_gn(r, 2, VIP_GN6, GN6);
	bind_gn(r, 3, VIP_GN4_TO6, GN6);
	bind_gn(r, 4, VIP_GN6_TO4, GN4_FAR);
	rng_fill(&r->f.rng, r->body, sizeof(r->body));
}

static inline void rig_down(struct rig *r)
{
	struct rs_event ev;

	while (fix_event(&r->f, &ev))
		;
	node_down(&r->n);
	fix_down(&r->f);
}

static inline struct endpoint ep_of(const char *ip, uint16_t port)
{
	return (struct endpoint){fix_ip(ip), port};
}

/* Addresses and ports as a packet has them. */
static inline void read_ends(const uint8_t *ip, struct endpoint *src, struct endpoint *dst)
{
	bool v6 = ip[0] >> 4 == 6;
	const uint8_t *l4 = ip + (v6 ? 40 : 20);
	uint32_t a;

	if (v6) {
		memcpy(src->ip.b, ip + 8, 16);
		memcpy(dst->ip.b, ip + 24, 16);
	} else {
		memcpy(&a, ip + 12, 4);
		src->ip = ip_from_v4(a);
		memcpy(&a, ip + 16, 4);
		dst->ip = ip_from_v4(a);
	}
	src->port = load_be16(l4);
	dst->port = load_be16(l4 + 2);
}

/* A packet of the node's that goes out: the mapping that it leaves by. */
static inline struct endpoint mapping_of(struct node *n, uint8_t *pkt, uint16_t len)
{
	struct endpoint pub, dst;
	struct rte_mbuf *m;

	node_send(n, pkt, len);
	m = fix_out(n->f->w[0]);
	if (m == NULL)
		fix_print_drops(n->f->w[0]);
	assert_non_null(m);
	read_ends(rte_pktmbuf_mtod(m, uint8_t *), &pub, &dst);
	rte_pktmbuf_free(m);
	return pub;
}

#endif
