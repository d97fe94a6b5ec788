/* SPDX-License-Identifier: BSD-3-Clause */
/* Datagrams in pieces through RS-N, both ways and across families: a UDP datagram of 3,000 bytes with
 * its last piece first, with one missing, with pieces that overlap; ICMP errors; hairpins.
 */
#include "tests/unit/rs_node.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define VIP_GN4 "240.128.0.1"
#define VIP_GN6 "fd00:9::1"
#define VIP_GN4_TO6 "240.128.0.2"
#define VIP_GN6_TO4 "fd00:9::2"
#define GN4 "198.51.100.80"
#define GN6 "2001:db8:80::80"

enum { BIG = 3000, PIECES_MAX = 16 };

struct rig {
	struct fix f;
	struct node n;
	struct worker *w;
	uint8_t body[4000], whole[8192], got[8192];
};

struct way {
	const char *name, *vip_mn, *vip_gn, *rip;
};

static const struct way ways[] = {
	{"4 to 4", NODE_VIP4, VIP_GN4, GN4},
	{"6 to 6", NODE_VIP6, VIP_GN6, GN6},
	{"4 to 6", NODE_VIP4, VIP_GN4_TO6, GN6},
	{"6 to 4", NODE_VIP6, VIP_GN6_TO4, GN4},
};

static struct endpoint ep_of(const char *ip, uint16_t port)
{
	return (struct endpoint){fix_ip(ip), port};
}

static void bind_gn(struct rig *r, uint32_t number, const char *vip, const char *rip)
{
	struct ip_addr v = fix_ip(vip), p = fix_ip(rip);

	assert_int_equal(rs_dp_binding_add(r->f.dp, r->n.index, number, &v, &p), 0);
}

static void rig_up_nat(struct rig *r, uint16_t worker, const struct rs_dp_config *cfg)
{
	fix_up(&r->f, cfg);
	node_up(&r->n, &r->f, worker, NODE_VIP4, NODE_VIP6);
	r->w = r->f.w[worker];
	bind_gn(r, 1, VIP_GN4, GN4);
	bind_gn(r, 2, VIP_GN6, GN6);
	bind_gn(r, 3, VIP_GN4_TO6, GN6);
	bind_gn(r, 4, VIP_GN6_TO4, GN4);
	rng_fill(&r->f.rng, r->body, sizeof(r->body));
}

static void rig_up(struct rig *r, uint16_t worker)
{
	rig_up_nat(r, worker, NULL);
}

static void rig_down(struct rig *r)
{
	struct rs_event ev;

	while (fix_event(&r->f, &ev))
		;
	node_down(&r->n);
	fix_down(&r->f);
}

/* ---- cutting and joining, said plainly ---- */

struct piece {
	uint8_t b[2048];
	uint16_t len;
};

/* Cut an IP packet into pieces of at most step bytes of payload. */
static unsigned int cut(const uint8_t *ip, uint16_t len, uint16_t step, uint32_t id,
			struct piece *out)
{
	bool v6 = ip[0] >> 4 == 6;
	uint16_t hdr = v6 ? 40 : 20, body = (uint16_t)(len - hdr);
	unsigned int n = 0;

	for (uint16_t at = 0; at < body; at = (uint16_t)(at + step), n++) {
		uint16_t part = (uint16_t)RTE_MIN(step, body - at);
		bool more = at + part < body;
		struct piece *p = &out[n];

		memcpy(p->b, ip, hdr);
		if (v6) {
			p->b[6] = IPPROTO_FRAGMENT;
			store_be16(p->b + 4, (uint16_t)(8 + part));
			p->b[40] = ip[6];
			p->b[41] = 0;
			store_be16(p->b + 42, (uint16_t)(at | more));
			store_be32(p->b + 44, id);
			memcpy(p->b + 48, ip + hdr + at, part);
			p->len = (uint16_t)(48 + part);
		} else {
			store_be16(p->b + 2, (uint16_t)(20 + part));
			store_be16(p->b + 4, (uint16_t)id);
			store_be16(p->b + 6, (uint16_t)(at / 8 | (more ? 0x2000 : 0)));
			store_be16(p->b + 10, 0);
			uint16_t c = (uint16_t)~csum_fold(csum_bytes(p->b, 20, 0));

			memcpy(p->b + 10, &c, 2);
			memcpy(p->b + 20, ip + hdr + at, part);
			p->len = (uint16_t)(20 + part);
		}
	}
	return n;
}

/* The UDP part of a datagram whose pieces (or whole) come in order; checks each header. */
struct joiner {
	uint8_t *l4;
	uint16_t len;
	struct ip_addr src, dst;
	uint32_t id;
	bool is_done;
	unsigned int n;
};

static void join(struct joiner *j, const uint8_t *ip, uint16_t len)
{
	bool v6 = ip[0] >> 4 == 6, more = false;
	uint16_t hdr = v6 ? 40 : 20, off = 0;
	uint32_t a, id = 0;

	if (v6) {
		memcpy(j->src.b, ip + 8, 16);
		memcpy(j->dst.b, ip + 24, 16);
		assert_int_equal(load_be16(ip + 4) + 40, len);
		if (ip[6] == IPPROTO_FRAGMENT) {
			assert_int_equal(ip[40], IPPROTO_UDP);
			off = load_be16(ip + 42) & 0xfff8;
			more = ip[43] & 1;
			id = load_be32(ip + 44);
			hdr = 48;
		}
	} else {
		memcpy(&a, ip + 12, 4);
		j->src = ip_from_v4(a);
		memcpy(&a, ip + 16, 4);
		j->dst = ip_from_v4(a);
		assert_int_equal(load_be16(ip + 2), len);
		assert_int_equal(csum_fold(csum_bytes(ip, 20, 0)), 0xffff);
		off = (uint16_t)((load_be16(ip + 6) & 0x1fff) * 8);
		more = (load_be16(ip + 6) & 0x2000) != 0;
		id = load_be16(ip + 4);
	}
	assert_int_equal(off, j->len);
	if (j->n++ > 0)
		assert_int_equal(id, j->id);
	j->id = id;
	memcpy(j->l4 + off, ip + hdr, (size_t)(len - hdr));
	j->len = (uint16_t)(j->len + len - hdr);
	j->is_done = !more;
}

static void expect_udp(const struct joiner *j, const struct endpoint *src,
		       const struct endpoint *dst, const uint8_t *body, uint16_t len)
{
	assert_true(j->is_done);
	assert_int_equal(j->len, 8 + len);
	assert_true(ip_equal(&j->src, &src->ip) && ip_equal(&j->dst, &dst->ip));
	assert_int_equal(load_be16(j->l4), src->port);
	assert_int_equal(load_be16(j->l4 + 2), dst->port);
	assert_int_equal(fix_l4_sum(&j->src, &j->dst, IPPROTO_UDP, j->l4, j->len), 0);
	assert_memory_equal(j->l4 + 8, body, len);
}

/* What went to the GN side, joined; src is filled in with the public endpoint. */
static void take_out(struct rig *r, struct worker *w, struct joiner *j)
{
	*j = (struct joiner){.l4 = r->got};
	for (uint16_t i = 0; i < w->lanes.tx.n; i++) {
		struct rte_mbuf *m = w->lanes.tx.pkt[i];

		assert_true(rte_pktmbuf_data_len(m) <= 1500);
		join(j, rte_pktmbuf_mtod(m, uint8_t *), rte_pktmbuf_data_len(m));
		rte_pktmbuf_free(m);
	}
	w->stats.tx += w->lanes.tx.n;
	w->lanes.tx.n = 0;
}

static void take_in(struct rig *r, struct joiner *j)
{
	uint8_t inner[FIX_PACKET_MAX];
	int len;

	*j = (struct joiner){.l4 = r->got};
	while (r->w->lanes.tx.n > 0) {
		len = node_take(&r->n, inner);
		assert_true(len > 0 && len <= 1420);
		join(j, inner, (uint16_t)len);
	}
}

/* ---- tests ---- */

static const int orders[][3] = {{0, 1, 2}, {2, 1, 0}, {2, 0, 1}, {1, 2, 0}};

static uint64_t steer_misses(const struct rig *r)
{
	return r->f.w[0]->stats.steer_miss + r->f.w[1]->stats.steer_miss;
}

static void big_datagrams(struct rig *r, const struct way *w, bool is_own)
{
	struct endpoint mn = ep_of(w->vip_mn, 5000), gn = ep_of(w->vip_gn, 53);
	struct endpoint rip = ep_of(w->rip, 53), pub = {.port = 0};
	struct piece p[PIECES_MAX];
	struct joiner j;
	unsigned int n;
	uint64_t missed;
	uint16_t len;

	for (size_t o = 0; o < RTE_DIM(orders); o++) {
		len = pkt_udp(r->whole, &mn, &gn, 64, r->body, BIG);
		n = cut(r->whole, len, 1352, (uint32_t)(1000 + o), p);
		assert_int_equal(n, 3);
		for (unsigned int i = 0; i < n; i++) {
			const struct piece *one = &p[orders[o][i]];

			assert_int_equal(r->w->lanes.tx.n, 0);
			node_send(&r->n, one->b, one->len);
		}
		take_out(r, r->w, &j);
		if (j.n == 0)
			fix_print_drops(r->w);
		pub = (struct endpoint){j.src, load_be16(j.l4)};
		expect_udp(&j, &pub, &rip, r->body, BIG);
	}
	for (size_t o = 0; o < RTE_DIM(orders); o++) {
		len = pkt_udp(r->whole, &rip, &pub, 64, r->body, BIG);
		n = cut(r->whole, len, 1440, (uint32_t)(2000 + o), p);
		assert_int_equal(n, 3);
		missed = steer_misses(r);
		for (unsigned int i = 0; i < n; i++) {
			const struct piece *one = &p[orders[o][i]];

			/* At either worker: they meet at the one that has the address, or where their
			 * key says and go on from there to the mapping.
			 */
			assert_int_equal(r->w->lanes.tx.n, 0);
			gn_send(&r->f, (uint16_t)(i % FIX_WORKERS), one->b, one->len);
			for (int k = 0; k < 3; k++)
				for (int v = 0; v < FIX_WORKERS; v++)
					fix_mail(r->f.w[v]);
		}
		/* Of an address of its own each piece that came in elsewhere goes on once. */
		if (is_own)
			assert_int_equal(steer_misses(r) - missed, r->w->id == 0 ? 1 : 2);
		take_in(r, &j);
		if (j.n == 0) {
			fix_print_drops(r->f.w[0]);
			fix_print_drops(r->f.w[1]);
		}
		expect_udp(&j, &gn, &mn, r->body, BIG);
	}
}

static void any_order_both_ways(void **state)
{
	/* One address per family, of which both workers have blocks. */
	static const struct rs_dp_config shared = {
		.nat = {.n_ranges = 2,
			.ranges = {{.port_min = 1024, .port_max = 65535},
				   {.port_min = 1024, .port_max = 65535}}}};
	struct rs_dp_config cfg = shared;
	static struct rig r;

	cfg.nat.ranges[0].prefix = fix_prefix("192.0.2.64/32");
	cfg.nat.ranges[1].prefix = fix_prefix("2001:db8:6::1/128");
	for (uint16_t run = 0; run < 2 * FIX_WORKERS; run++) {
		rig_up_nat(&r, run % FIX_WORKERS, run < FIX_WORKERS ? NULL : &cfg);
		for (size_t i = 0; i < RTE_DIM(ways); i++) {
			print_message("%s, worker %u, %s\n", ways[i].name, run % FIX_WORKERS,
				      run < FIX_WORKERS ? "own addresses" : "shared ones");
			big_datagrams(&r, &ways[i], run < FIX_WORKERS);
		}
		assert_int_equal(r.w->stats.held, 0);
		rig_down(&r);
	}
}

static void one_missing(void **state)
{
	static struct rig r;
	struct endpoint mn = ep_of(NODE_VIP4, 5000), gn = ep_of(VIP_GN4, 53);
	struct piece p[PIECES_MAX];
	uint16_t len;

	rig_up(&r, 0);
	len = pkt_udp(r.whole, &mn, &gn, 64, r.body, BIG);
	cut(r.whole, len, 1352, 7, p);
	node_send(&r.n, p[2].b, p[2].len);
	node_send(&r.n, p[0].b, p[0].len);
	assert_int_equal(r.w->stats.held, 2);
	r.w->now += 2000000000 - 1;
	for (int i = 0; i < 100; i++)
		rs_worker_turn(r.w);
	assert_int_equal(r.w->stats.drops[DROP_FRAG_TIMEOUT], 0);
	r.w->now += 1;
	for (int i = 0; i < 100; i++)
		rs_worker_turn(r.w);
	assert_int_equal(r.w->stats.drops[DROP_FRAG_TIMEOUT], 2);
	assert_int_equal(r.w->stats.held, 0);
	/* Too late: it begins a datagram of its own that never becomes whole. */
	node_send(&r.n, p[1].b, p[1].len);
	assert_int_equal(r.w->lanes.tx.n, 0);
	r.w->now += 3000000000;
	for (int i = 0; i < 100; i++)
		rs_worker_turn(r.w);
	assert_int_equal(r.w->stats.drops[DROP_FRAG_TIMEOUT], 3);
	rig_down(&r);
}

static void overlaps(void **state)
{
	static struct rig r;
	struct endpoint mn = ep_of(NODE_VIP4, 5000), gn = ep_of(VIP_GN4, 53);
	struct piece p[PIECES_MAX], q[PIECES_MAX];
	uint16_t len;

	rig_up(&r, 0);
	len = pkt_udp(r.whole, &mn, &gn, 64, r.body, BIG);
	cut(r.whole, len, 1352, 7, p);
	cut(r.whole, len, 1344, 7, q);
	/* A piece that reaches 8 bytes into another: all of the datagram is refused, and what comes
	 * of it later too.
	 */
	node_send(&r.n, p[0].b, p[0].len);
	node_send(&r.n, q[1].b, q[1].len);
	assert_int_equal(r.w->stats.drops[DROP_FRAG_OVERLAP], 2);
	node_send(&r.n, p[1].b, p[1].len);
	node_send(&r.n, p[2].b, p[2].len);
	assert_int_equal(r.w->stats.drops[DROP_FRAG_OVERLAP], 4);
	assert_int_equal(r.w->lanes.tx.n, 0);
	assert_int_equal(r.w->stats.held, 0);

	/* The network doubled one: only the copy goes. */
	cut(r.whole, len, 1352, 8, p);
	node_send(&r.n, p[0].b, p[0].len);
	node_send(&r.n, p[0].b, p[0].len);
	node_send(&r.n, p[1].b, p[1].len);
	node_send(&r.n, p[2].b, p[2].len);
	assert_int_equal(r.w->stats.drops[DROP_FRAG_OVERLAP], 5);
	assert_true(r.w->lanes.tx.n > 0);
	struct joiner j;

	take_out(&r, r.w, &j);
	assert_int_equal(j.len, BIG + 8);

	/* Impossible ones: not whole blocks, past the end, two ends. */
	cut(r.whole, len, 1352, 9, p);
	store_be16(p[0].b + 2, (uint16_t)(p[0].len - 3));
	store_be16(p[0].b + 10, 0);
	uint16_t c = (uint16_t)~csum_fold(csum_bytes(p[0].b, 20, 0));

	memcpy(p[0].b + 10, &c, 2);
	node_send(&r.n, p[0].b, (uint16_t)(p[0].len - 3));
	assert_int_equal(r.w->stats.drops[DROP_FRAG_BAD], 1);
	cut(r.whole, len, 1352, 10, p);
	cut(r.whole, (uint16_t)(len - 1352), 1352, 10, q);
	node_send(&r.n, q[1].b, q[1].len); /* says that the datagram ends here */
	node_send(&r.n, p[2].b, p[2].len);
	assert_int_equal(r.w->stats.drops[DROP_FRAG_BAD], 3);
	rig_down(&r);
}

/* A flood of first pieces fills the table; what is not in pieces does not notice. */
static void table_full(void **state)
{
	static struct rig r;
	struct endpoint mn = ep_of(NODE_VIP4, 5000), gn = ep_of(VIP_GN4, 53);
	struct piece p[PIECES_MAX];
	uint16_t len;

	rig_up(&r, 0);
	len = pkt_udp(r.whole, &mn, &gn, 64, r.body, BIG);
	for (uint32_t id = 0; id < 600; id++) {
		cut(r.whole, len, 1352, id, p);
		node_send(&r.n, p[0].b, p[0].len);
	}
	assert_true(r.w->stats.held <= 256);
	assert_int_equal(r.w->stats.held + r.w->stats.drops[DROP_FRAG_FULL], 600);
	len = pkt_udp(r.whole, &mn, &gn, 64, r.body, 100);
	node_send(&r.n, r.whole, len);
	assert_int_equal(r.w->lanes.tx.n, 1);
	rte_pktmbuf_free(fix_out(r.w));
	rig_down(&r);
}

/* ---- ICMP errors ---- */

struct ends {
	struct endpoint mn, gn, rip, pub;
	bool in6, out6;
};

/* Open a flow; the ends of it. */
static void flow_open(struct rig *r, const struct way *w, struct ends *e)
{
	struct rte_mbuf *m;
	uint8_t *ip;
	uint32_t a;

	e->mn = ep_of(w->vip_mn, 5000);
	e->gn = ep_of(w->vip_gn, 53);
	e->rip = ep_of(w->rip, 53);
	e->in6 = !ip_is_v4(&e->mn.ip);
	e->out6 = !ip_is_v4(&e->rip.ip);
	node_send(&r->n, r->whole, pkt_udp(r->whole, &e->mn, &e->gn, 64, r->body, 100));
	m = fix_out(r->w);
	assert_non_null(m);
	ip = rte_pktmbuf_mtod(m, uint8_t *);
	if (e->out6) {
		memcpy(e->pub.ip.b, ip + 8, 16);
	} else {
		memcpy(&a, ip + 12, 4);
		e->pub.ip = ip_from_v4(a);
	}
	e->pub.port = load_be16(ip + (e->out6 ? 40 : 20));
	rte_pktmbuf_free(m);
}

/* The quoted packet is the one that the receiver itself sent: addresses, ports, UDP checksum. */
static void expect_quote(const uint8_t *ip, uint16_t len, const struct endpoint *src,
			 const struct endpoint *dst)
{
	uint8_t want[FIX_PACKET_MAX];
	bool v6 = ip[0] >> 4 == 6;
	uint16_t hdr = v6 ? 40 : 20;
	uint8_t body[100];

	memcpy(body, ip + hdr + 8, sizeof(body));
	pkt_udp(want, src, dst, 1, body, sizeof(body));
	assert_int_equal(len, hdr + 8 + sizeof(body));
	assert_int_equal(load_be16(v6 ? ip + 4 : ip + 2), load_be16(v6 ? want + 4 : want + 2));
	if (v6)
		assert_memory_equal(ip + 8, want + 8, 32);
	else
		assert_memory_equal(ip + 12, want + 12, 8);
	assert_memory_equal(ip + hdr, want + hdr, 8);
}

static void expect_error(const uint8_t *ip, int len, const struct ip_addr *src,
			 const struct ip_addr *dst, uint8_t type, uint8_t code, uint32_t word)
{
	bool v6 = ip[0] >> 4 == 6;
	uint16_t hdr = v6 ? 40 : 20;
	uint64_t sum = v6 ? csum_pseudo(src, dst, IPPROTO_ICMPV6, (uint32_t)(len - hdr)) : 0;

	assert_int_equal(v6, !ip_is_v4(dst));
	if (v6) {
		assert_memory_equal(ip + 8, src->b, 16);
		assert_memory_equal(ip + 24, dst->b, 16);
	} else {
		assert_memory_equal(ip + 12, src->b + 12, 4);
		assert_memory_equal(ip + 16, dst->b + 12, 4);
		assert_int_equal(csum_fold(csum_bytes(ip, 20, 0)), 0xffff);
	}
	assert_int_equal(csum_fold(csum_bytes(ip + hdr, (size_t)(len - hdr), sum)), 0xffff);
	assert_int_equal(ip[hdr], type);
	assert_int_equal(ip[hdr + 1], code);
	assert_int_equal(load_be32(ip + hdr + 4), word);
}

static void errors_both_ways(void **state)
{
	static struct rig r;
	struct ends e;

	rig_up(&r, 0);
	for (size_t i = 0; i < RTE_DIM(ways); i++) {
		struct ip_addr router;
		uint8_t quote[FIX_PACKET_MAX], inner[FIX_PACKET_MAX];
		uint32_t mtu_in = 1400, mtu_want;
		struct rte_mbuf *m;
		uint16_t len;
		int n;

		print_message("%s\n", ways[i].name);
		flow_open(&r, &ways[i], &e);
		router = fix_ip(e.out6 ? "2001:db8:ff::1" : "198.51.100.1");
		/* Too big, from a router on the way to the general host. */
		len = pkt_udp(quote, &e.pub, &e.rip, 9, r.body, 100);
		len = pkt_icmp(r.whole, &router, &e.pub.ip, 60, e.out6 ? 2 : 3, e.out6 ? 0 : 4,
			       mtu_in, quote, len);
		gn_send(&r.f, 0, r.whole, len);
		n = node_take(&r.n, inner);
		if (n < 0)
			fix_print_drops(r.w);
		assert_true(n > 0);
		mtu_want = e.in6 == e.out6 ? mtu_in : e.in6 ? mtu_in + 20 : mtu_in - 20;
		expect_error(inner, n, &e.gn.ip, &e.mn.ip, e.in6 ? 2 : 3, e.in6 ? 0 : 4, mtu_want);
		expect_quote(inner + (e.in6 ? 48 : 28), (uint16_t)(n - (e.in6 ? 48 : 28)), &e.mn,
			     &e.gn);
		/* Port unreachable, from the node about what the host sent. */
		len = pkt_udp(quote, &e.gn, &e.mn, 9, r.body, 100);
		len = pkt_icmp(r.whole, &e.mn.ip, &e.gn.ip, 60, e.in6 ? 1 : 3, e.in6 ? 4 : 3, 0,
			       quote, len);
		node_send(&r.n, r.whole, len);
		m = fix_out(r.w);
		if (m == NULL)
			fix_print_drops(r.w);
		assert_non_null(m);
		expect_error(rte_pktmbuf_mtod(m, uint8_t *), rte_pktmbuf_data_len(m), &e.pub.ip,
			     &e.rip.ip, e.out6 ? 1 : 3, e.out6 ? 4 : 3, 0);
		expect_quote(rte_pktmbuf_mtod(m, uint8_t *) + (e.out6 ? 48 : 28),
			     (uint16_t)(rte_pktmbuf_data_len(m) - (e.out6 ? 48 : 28)), &e.rip,
			     &e.pub);
		rte_pktmbuf_free(m);
		/* About a packet that was never sent, and with a wrong checksum. */
		uint64_t before = r.w->stats.drops[DROP_NAT_ICMP];
		struct endpoint other = {e.rip.ip, 53};

		other.ip.b[15] ^= 1;
		len = pkt_udp(quote, &e.pub, &other, 9, r.body, 100);
		len = pkt_icmp(r.whole, &router, &e.pub.ip, 60, e.out6 ? 1 : 3, 1, 0, quote, len);
		gn_send(&r.f, 0, r.whole, len);
		assert_int_equal(r.w->stats.drops[DROP_NAT_ICMP], before + 1);
		len = pkt_udp(quote, &e.pub, &e.rip, 9, r.body, 100);
		len = pkt_icmp(r.whole, &router, &e.pub.ip, 60, e.out6 ? 1 : 3, 1, 0, quote, len);
		r.whole[len - 1] ^= 1;
		gn_send(&r.f, 0, r.whole, len);
		assert_int_equal(r.w->stats.drops[DROP_NAT_ICMP], before + 2);
		assert_int_equal(r.w->lanes.tx.n, 0);
	}
	rig_down(&r);
}

/* ---- hairpin ---- */

/* Two nodes behind one RS, each known to the other by its public address (RFC 4787 REQ-9). */
static void hairpin(void **state)
{
	static struct rig r;
	struct node other;
	struct endpoint mn = ep_of(NODE_VIP4, 5000), gn = ep_of(VIP_GN4, 53);
	struct endpoint mn2 = ep_of("240.0.0.3", 6000), pub, pub2;
	struct ip_addr peer_vip = fix_ip("240.128.0.50"), peer_vip2 = fix_ip("240.128.0.60");
	struct ip_addr a;
	struct ends e;
	uint8_t got[FIX_PACKET_MAX];
	struct rte_mbuf *m;
	uint16_t len;
	uint32_t w4;

	rig_up(&r, 0);
	flow_open(&r, &ways[0], &e);
	pub = e.pub;
	/* The other node is worker 1's. */
	node_up(&other, &r.f, 1, "240.0.0.3", "fd00:1::3");
	a = fix_ip(VIP_GN4);
	struct ip_addr rip = fix_ip(GN4);

	assert_int_equal(rs_dp_binding_add(r.f.dp, other.index, 1, &a, &rip), 0);
	node_send(&other, r.whole, pkt_udp(r.whole, &mn2, &gn, 64, r.body, 10));
	m = fix_out(r.f.w[1]);
	assert_non_null(m);
	memcpy(&w4, rte_pktmbuf_mtod_offset(m, void *, 12), 4);
	pub2 = (struct endpoint){ip_from_v4(w4), load_be16(rte_pktmbuf_mtod_offset(m, void *, 20))};
	rte_pktmbuf_free(m);
	assert_int_equal(rs_dp_binding_add(r.f.dp, r.n.index, 50, &peer_vip, &pub2.ip), 0);
	assert_int_equal(rs_dp_binding_add(r.f.dp, other.index, 60, &peer_vip2, &pub.ip), 0);

	/* Filtered until the other one has sent; then through, with public addresses outside. */
	struct endpoint to2 = {peer_vip, pub2.port}, to1 = {peer_vip2, pub.port};

	for (int round = 0; round < 2; round++) {
		len = pkt_udp(r.whole, &mn, &to2, 64, r.body, 300);
		node_send(&r.n, r.whole, len);
		assert_int_equal(r.w->lanes.tx.n, 0);
		fix_mail(r.f.w[1]);
		if (round == 0) {
			assert_int_equal(r.f.w[1]->stats.drops[DROP_NAT_FILTERED], 1);
			node_send(&other, r.whole, pkt_udp(r.whole, &mn2, &to1, 64, r.body, 300));
			fix_mail(r.f.w[0]);
			assert_int_equal(node_take(&r.n, got), 328);
			continue;
		}
		assert_int_equal(node_take(&other, got), len);
		struct endpoint from = {peer_vip2, pub.port};

		len = pkt_udp(r.whole, &from, &mn2, 62, r.body, 300);
		r.whole[4] = got[4];
		r.whole[5] = got[5];
		assert_memory_equal(got + 12, r.whole + 12, len - 12);
	}
	node_down(&other);
	rig_down(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_order_both_ways),
		cmocka_unit_test(one_missing),
		cmocka_unit_test(overlaps),
		cmocka_unit_test(table_full),
		cmocka_unit_test(errors_both_ways),
		cmocka_unit_test(hairpin),
	};
	int ret;

	eal_start();
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	eal_stop();
	return ret;
}
