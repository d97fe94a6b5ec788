/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_RS_NODE_H
#define TESTS_UNIT_RS_NODE_H

/* A node at the other end of a leg, by OpenSSL (common/seal.c): seals what it sends, opens what it
 * gets. Worker 0 of the fixture owns the leg unless said otherwise.
 */
#include "common/seal.h"
#include "tests/unit/rs_fixture.h"

#define NODE_EP "198.51.100.10:1111"
#define NODE_VIP4 "240.0.0.2"
#define NODE_VIP6 "fd00:1::2"
#define NODE_INDEX 0xabcdef0012345678ULL /* the node's own */

struct node {
	struct fix *f;
	uint64_t index; /* of its leg at the RS */
	struct endpoint ep;
	uint16_t worker;
	uint8_t suite, epoch, route;
	uint64_t seq;
	struct seal_key *send, *recv;
	uint8_t got_flags; /* byte 1 of the last packet opened */
	uint64_t got_seq;
	uint8_t got_type;
};

static inline void node_keys(struct node *n, uint8_t suite, uint8_t epoch, uint8_t fill)
{
	struct epoch_keys k = {.own_index = n->index, .peer_index = NODE_INDEX, .epoch = epoch};

	n->suite = suite;
	n->epoch = epoch;
	n->seq = 0;
	memset(&k.recv, fill, sizeof(k.recv));
	memset(&k.send, fill + 1, sizeof(k.send));
	k.recv.suite = suite;
	k.send.suite = suite;
	if (rs_dp_leg_key_install(n->f->dp, n->index, &k, UINT64_MAX) < 0 ||
	    rs_dp_leg_key_use(n->f->dp, n->index, epoch) < 0)
		abort();
	seal_key_destroy(n->send);
	seal_key_destroy(n->recv);
	n->send = seal_key_create(&k.recv, SEAL_SEND);
	n->recv = seal_key_create(&k.send, SEAL_RECEIVE);
}

static inline void node_up_from(struct node *n, struct fix *f, uint16_t worker, const char *vip4,
				const char *vip6, const char *ep)
{
	struct rs_dp_leg leg = {.vip4 = fix_ip(vip4),
				.vip6 = fix_ip(vip6),
				.peer = fix_ep(ep),
				.local = worker,
				.worker = worker,
				.confirmed = true};

	if (!ip_is_v4(&leg.peer.ip))
		leg.local += FIX_WORKERS + 1; /* the same endpoint of the other family */
	memset(n, 0, sizeof(*n));
	n->f = f;
	n->ep = leg.peer;
	n->worker = worker;
	if (rs_dp_leg_reserve(f->dp, rng_u64(&f->rng), &n->index) < 0 ||
	    rs_dp_leg_add(f->dp, n->index, &leg) < 0)
		abort();
	node_keys(n, SUITE_AES128_GCM, 0, 7);
}

static inline void node_up(struct node *n, struct fix *f, uint16_t worker, const char *vip4,
			   const char *vip6)
{
	node_up_from(n, f, worker, vip4, vip6, NODE_EP);
}

static inline void node_down(struct node *n)
{
	seal_key_destroy(n->send);
	seal_key_destroy(n->recv);
}

/* The outer frame of a sealed body, to an endpoint of the RS. */
static inline struct rte_mbuf *node_frame_to(struct node *n, const struct endpoint *to,
					     uint8_t type, const uint8_t *body, uint16_t len)
{
	uint8_t pkt[FIX_PACKET_MAX];
	struct fix_udp u = {.src = n->ep, .dst = *to, .ttl = 60};
	int total;

	wire_build(pkt, type, wire_flags(true, n->epoch, n->route), n->seq++, n->index);
	memcpy(pkt + WIRE_HDR_LEN, body, len);
	total = seal_packet(n->send, pkt, len, sizeof(pkt));
	if (total < 0)
		abort();
	return fix_udp_frame(n->f, &u, pkt, (uint16_t)total);
}

static inline struct rte_mbuf *node_frame(struct node *n, uint8_t type, const uint8_t *body,
					  uint16_t len)
{
	return node_frame_to(n, rs_dp_local(n->f->dp, n->worker), type, body, len);
}

/* Send an inner packet; what comes out lies in the worker's tx lane. */
static inline void node_send(struct node *n, const uint8_t *inner, uint16_t len)
{
	struct worker *w = n->f->w[n->worker];

	fix_inject(w, node_frame(n, WIRE_DATA, inner, len));
	fix_run(w);
}

/* Open a packet that the RS sent to the node into buf; its length, negative if it is none. */
static inline int node_open(struct node *n, struct rte_mbuf *m, uint8_t *buf)
{
	uint8_t *ip = rte_pktmbuf_mtod(m, uint8_t *);
	unsigned int hdr = ip[0] >> 4 == 4 ? IP4_HDR_LEN : IP6_HDR_LEN;
	struct wire_fields f;
	uint8_t *udp = ip + hdr;
	uint16_t len = load_be16(udp + 4);

	if (len != rte_pktmbuf_data_len(m) - hdr || load_be16(udp + 2) != n->ep.port)
		return -1;
	if (wire_parse(udp + 8, len - 8u, &f) != WIRE_OK || f.id != NODE_INDEX || f.is_from_a)
		return -2;
	n->got_flags = f.flags;
	n->got_seq = f.seq;
	n->got_type = f.type;
	return seal_open(n->recv, udp + 8, len - 8u, buf);
}

/* Take the first packet of the tx lane, which must be for the node. */
static inline int node_take(struct node *n, uint8_t *buf)
{
	struct worker *w = n->f->w[n->worker];
	struct rte_mbuf *m;
	int len;

	if (w->lanes.tx.n == 0)
		return -10;
	m = w->lanes.tx.pkt[0];
	memmove(w->lanes.tx.pkt, w->lanes.tx.pkt + 1, --w->lanes.tx.n * sizeof(w->lanes.tx.pkt[0]));
	w->stats.tx++;
	len = node_open(n, m, buf);
	rte_pktmbuf_free(m);
	return len;
}

/* A plain IP packet from the GN side into the worker. */
static inline void gn_send(struct fix *f, uint16_t worker, const uint8_t *ip, uint16_t len)
{
	fix_inject(f->w[worker], fix_frame(f, ip, len));
	fix_run(f->w[worker]);
}

/* ---- IP packets with full checksums ---- */

/* UDP; returns the length of the IP packet. */
static inline uint16_t pkt_udp(uint8_t *buf, const struct endpoint *src, const struct endpoint *dst,
			       uint8_t ttl, const uint8_t *body, uint16_t len)
{
	static uint8_t udp[65536];
	uint16_t sum;

	store_be16(udp, src->port);
	store_be16(udp + 2, dst->port);
	store_be16(udp + 4, (uint16_t)(8 + len));
	store_be16(udp + 6, 0);
	memcpy(udp + 8, body, len);
	sum = fix_l4_sum(&src->ip, &dst->ip, IPPROTO_UDP, udp, 8u + len);
	store_be16(udp + 6, sum ? sum : 0xffff);
	return fix_ip_packet(buf, &src->ip, &dst->ip, IPPROTO_UDP, ttl, 0, udp,
			     (uint16_t)(8 + len));
}

/* TCP with an MSS option; flags as in byte 13. */
static inline uint16_t pkt_tcp(uint8_t *buf, const struct endpoint *src, const struct endpoint *dst,
			       uint8_t ttl, uint8_t flags, uint16_t mss, const uint8_t *body,
			       uint16_t len)
{
	uint8_t tcp[2048] = {0};

	store_be16(tcp, src->port);
	store_be16(tcp + 2, dst->port);
	store_be32(tcp + 4, 0x01020304);
	tcp[12] = 6 << 4;
	tcp[13] = flags;
	tcp[20] = 2;
	tcp[21] = 4;
	store_be16(tcp + 22, mss);
	memcpy(tcp + 24, body, len);
	store_be16(tcp + 16, fix_l4_sum(&src->ip, &dst->ip, IPPROTO_TCP, tcp, 24u + len));
	return fix_ip_packet(buf, &src->ip, &dst->ip, IPPROTO_TCP, ttl, 0, tcp,
			     (uint16_t)(24 + len));
}

/* ICMP or ICMPv6; word: bytes 4 to 7. */
static inline uint16_t pkt_icmp(uint8_t *buf, const struct ip_addr *src, const struct ip_addr *dst,
				uint8_t ttl, uint8_t type, uint8_t code, uint32_t word,
				const uint8_t *body, uint16_t len)
{
	uint8_t icmp[2048] = {type, code};
	bool v6 = !ip_is_v4(dst);
	uint64_t sum;

	store_be32(icmp + 4, word);
	memcpy(icmp + 8, body, len);
	sum = csum_bytes(icmp, 8u + len, v6 ? csum_pseudo(src, dst, IPPROTO_ICMPV6, 8u + len) : 0);
	uint16_t check = (uint16_t)~csum_fold(sum);

	memcpy(icmp + 2, &check, 2);
	return fix_ip_packet(buf, src, dst, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, ttl, 0, icmp,
			     (uint16_t)(8 + len));
}

#endif
