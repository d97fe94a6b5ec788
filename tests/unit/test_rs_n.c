/* SPDX-License-Identifier: BSD-3-Clause */
/* RS-N as a whole: a node behind its leg, general hosts behind the pool, real stages between. What
 * comes out is compared with packets built from scratch with full checksums.
 */
#include "tests/unit/rs_node.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define GN4 "203.0.113.80"
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

static void bind_gn(struct rig *r, uint32_t number, const char *vip, const char *rip)
{
	struct ip_addr v = fix_ip(vip), p = fix_ip(rip);

	assert_int_equal(rs_dp_binding_add(r->f.dp, r->n.index, number, &v, &p), 0);
}

static void rig_up(struct rig *r, const struct rs_dp_config *cfg)
{
	fix_up(&r->f, cfg);
	node_up(&r->n, &r->f, 0, NODE_VIP4, NODE_VIP6);
	bind_gn(r, 1, VIP_GN4, GN4_FAR);
	bind_gn(r, 2, VIP_GN6, GN6);
	bind_gn(r, 3, VIP_GN4_TO6, GN6);
	bind_gn(r, 4, VIP_GN6_TO4, GN4_FAR);
	rng_fill(&r->f.rng, r->body, sizeof(r->body));
}

static void rig_down(struct rig *r)
{
	struct rs_event ev;

	while (fix_event(&r->f, &ev))
		;
	node_down(&r->n);
	fix_down(&r->f);
}

static struct endpoint ep_of(const char *ip, uint16_t port)
{
	return (struct endpoint){fix_ip(ip), port};
}

/* Addresses and ports as a packet has them. */
static void read_ends(const uint8_t *ip, struct endpoint *src, struct endpoint *dst)
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

static void same_but_id(const uint8_t *got, uint8_t *want, uint16_t len)
{
	uint16_t check;

	if (got[0] >> 4 == 4) { /* a header made new has its own ID, and DF by size */
		memcpy(want + 4, got + 4, 4);
		store_be16(want + 10, 0);
		check = (uint16_t)~csum_fold(csum_bytes(want, 20, 0));
		memcpy(want + 10, &check, 2);
	}
	assert_memory_equal(got, want, len);
}

struct way {
	const char *name, *vip_mn, *vip_gn, *rip, *pool;
};

static const struct way ways[] = {
	{"4 to 4", NODE_VIP4, VIP_GN4, GN4_FAR, "192.0.2.64/30"},
	{"6 to 6", NODE_VIP6, VIP_GN6, GN6, "2001:db8:6::/64"},
	{"4 to 6", NODE_VIP4, VIP_GN4_TO6, GN6, "2001:db8:6::/64"},
	{"6 to 4", NODE_VIP6, VIP_GN6_TO4, GN4_FAR, "192.0.2.64/30"},
};

static void expect_in(struct rig *r, const uint8_t *want, uint16_t len)
{
	uint8_t got[FIX_PACKET_MAX];
	int n = node_take(&r->n, got);

	if (n != len)
		fix_print_drops(r->f.w[0]);
	assert_int_equal(n, len);
	memcpy(r->want, want, len);
	same_but_id(got, r->want, len);
}

static void udp_both_ways(void **state)
{
	static struct rig r;

	rig_up(&r, NULL);
	for (size_t i = 0; i < RTE_DIM(ways); i++) {
		const struct way *w = &ways[i];
		struct endpoint mn = ep_of(w->vip_mn, 5000), gn = ep_of(w->vip_gn, 53);
		struct endpoint rip = ep_of(w->rip, 53), pub, dst;
		struct ip_prefix pool = fix_prefix(w->pool);
		struct rte_mbuf *m;
		uint16_t len;

		print_message("%s\n", w->name);
		len = pkt_udp(r.in, &mn, &gn, 64, r.body, BODY + 1);
		node_send(&r.n, r.in, len);
		m = fix_out(r.f.w[0]);
		if (m == NULL)
			fix_print_drops(r.f.w[0]);
		assert_non_null(m);
		read_ends(rte_pktmbuf_mtod(m, uint8_t *), &pub, &dst);
		assert_true(prefix_contains(&pool, &pub.ip));
		assert_true(endpoint_equal(&dst, &rip));
		assert_int_equal(pub.port & 1, mn.port & 1);
		len = pkt_udp(r.want, &pub, &rip, 63, r.body, BODY + 1);
		assert_int_equal(rte_pktmbuf_data_len(m), len);
		same_but_id(rte_pktmbuf_mtod(m, uint8_t *), r.want, len);
		rte_pktmbuf_free(m);

		/* The answer, and one from another port of the host (address-dependent filter). */
		for (uint16_t port = 53; port < 55; port++) {
			rip.port = port;
			gn.port = port;
			len = pkt_udp(r.in, &rip, &pub, 64, r.body, BODY);
			gn_send(&r.f, 0, r.in, len);
			len = pkt_udp(r.in, &gn, &mn, 63, r.body, BODY);
			expect_in(&r, r.in, len);
		}
		/* Another host is not let in; a port without a mapping is nobody's. */
		uint64_t filtered = r.f.w[0]->stats.drops[DROP_NAT_FILTERED];
		struct endpoint stranger =
			ep_of(ip_is_v4(&pub.ip) ? "198.51.100.99" : "2001:db8::99", 53);

		len = pkt_udp(r.in, &stranger, &pub, 64, r.body, BODY);
		gn_send(&r.f, 0, r.in, len);
		assert_int_equal(r.f.w[0]->stats.drops[DROP_NAT_FILTERED], filtered + 1);
	}
	rig_down(&r);
}

static void tcp_clamps_mss(void **state)
{
	static struct rig r;
	enum { SYN = 2, ACK = 16 };

	rig_up(&r, NULL);
	for (size_t i = 0; i < RTE_DIM(ways); i++) {
		const struct way *w = &ways[i];
		struct endpoint mn = ep_of(w->vip_mn, 6001), gn = ep_of(w->vip_gn, 443);
		struct endpoint rip = ep_of(w->rip, 443), pub, dst;
		uint16_t mss = ip_is_v4(&mn.ip) ? 1420 - 40 : 1420 - 60, len;
		struct rte_mbuf *m;

		len = pkt_tcp(r.in, &mn, &gn, 9, SYN, 8960, r.body, 0);
		node_send(&r.n, r.in, len);
		m = fix_out(r.f.w[0]);
		assert_non_null(m);
		read_ends(rte_pktmbuf_mtod(m, uint8_t *), &pub, &dst);
		len = pkt_tcp(r.want, &pub, &rip, 8, SYN, mss, r.body, 0);
		assert_int_equal(rte_pktmbuf_data_len(m), len);
		same_but_id(rte_pktmbuf_mtod(m, uint8_t *), r.want, len);
		rte_pktmbuf_free(m);

		len = pkt_tcp(r.in, &rip, &pub, 64, SYN | ACK, 1460, r.body, 0);
		gn_send(&r.f, 0, r.in, len);
		len = pkt_tcp(r.in, &gn, &mn, 63, SYN | ACK, mss, r.body, 0);
		expect_in(&r, r.in, len);

		/* No SYN: the option is left alone, the data goes through. */
		len = pkt_tcp(r.in, &rip, &pub, 64, ACK, 1460, r.body, 777);
		gn_send(&r.f, 0, r.in, len);
		len = pkt_tcp(r.in, &gn, &mn, 63, ACK, 1460, r.body, 777);
		expect_in(&r, r.in, len);
	}
	rig_down(&r);
}

static void echo_both_ways(void **state)
{
	static struct rig r;

	rig_up(&r, NULL);
	for (size_t i = 0; i < RTE_DIM(ways); i++) {
		const struct way *w = &ways[i];
		struct ip_addr mn = fix_ip(w->vip_mn), gn = fix_ip(w->vip_gn), rip = fix_ip(w->rip);
		bool in6 = !ip_is_v4(&mn), out6 = !ip_is_v4(&rip);
		struct endpoint pub, dst;
		struct rte_mbuf *m;
		uint32_t id;
		uint16_t len;

		len = pkt_icmp(r.in, &mn, &gn, 64, in6 ? 128 : 8, 0, 0x12340007, r.body, 56);
		node_send(&r.n, r.in, len);
		m = fix_out(r.f.w[0]);
		if (m == NULL)
			fix_print_drops(r.f.w[0]);
		assert_non_null(m);
		read_ends(rte_pktmbuf_mtod(m, uint8_t *), &pub, &dst);
		id = load_be32(rte_pktmbuf_mtod(m, uint8_t *) + (out6 ? 44 : 24));
		assert_int_equal(id & 0xffff, 7);
		len = pkt_icmp(r.want, &pub.ip, &rip, 63, out6 ? 128 : 8, 0, id, r.body, 56);
		assert_int_equal(rte_pktmbuf_data_len(m), len);
		same_but_id(rte_pktmbuf_mtod(m, uint8_t *), r.want, len);
		rte_pktmbuf_free(m);

		len = pkt_icmp(r.in, &rip, &pub.ip, 64, out6 ? 129 : 0, 0, id, r.body, 56);
		gn_send(&r.f, 0, r.in, len);
		len = pkt_icmp(r.in, &gn, &mn, 63, in6 ? 129 : 0, 0, 0x12340007, r.body, 56);
		expect_in(&r, r.in, len);
	}
	rig_down(&r);
}

/* Every suite; what the seal says no to is dropped by name and moves nothing. */
static void suites_and_forgeries(void **state)
{
	static const uint8_t suites[] = {SUITE_AES128_GCM, SUITE_AES256_GCM,
					 SUITE_CHACHA20_POLY1305, SUITE_AES128_CBC_HMAC_MD5,
					 SUITE_AES128_CBC_HMAC_SHA256};
	static struct rig r;
	struct endpoint mn = ep_of(NODE_VIP4, 5000), gn = ep_of(VIP_GN4, 53);
	struct lcore_stats *st;
	struct rte_mbuf *m, *copy;
	struct rs_event ev;
	uint16_t len;

	rig_up(&r, NULL);
	st = &r.f.w[0]->stats;
	len = pkt_udp(r.in, &mn, &gn, 64, r.body, BODY);
	for (size_t i = 0; i < sizeof(suites); i++) {
		uint64_t auth = st->drops[DROP_AUTH], replay = st->drops[DROP_REPLAY];
		uint8_t epoch = (uint8_t)((i + 1) % 4);

		print_message("%s\n", suite_name(suites[i]));
		node_keys(&r.n, suites[i], epoch, (uint8_t)(20 + 2 * i));
		m = node_frame(&r.n, WIRE_DATA, r.in, len);
		copy = rte_pktmbuf_copy(m, r.f.pool, 0, UINT32_MAX);
		memset(pkt_meta(copy), 0, sizeof(struct pkt_meta));
		fix_inject(r.f.w[0], m);
		fix_run(r.f.w[0]);
		m = fix_out(r.f.w[0]);
		if (m == NULL)
			fix_print_drops(r.f.w[0]);
		assert_non_null(m);
		rte_pktmbuf_free(m);
		do { /* earlier epochs' events may come first */
			assert_true(fix_event(&r.f, &ev));
		} while (ev.type != RS_EV_EPOCH_SEEN);
		assert_int_equal(ev.epoch, epoch);
		/* The same again. */
		fix_inject(r.f.w[0], copy);
		fix_run(r.f.w[0]);
		assert_null(fix_out(r.f.w[0]));
		assert_int_equal(st->drops[DROP_REPLAY], replay + 1);
		/* One bit of the next. */
		m = node_frame(&r.n, WIRE_DATA, r.in, len);
		rte_pktmbuf_mtod(m, uint8_t *)[rte_pktmbuf_data_len(m) - 20] ^= 1;
		fix_inject(r.f.w[0], m);
		fix_run(r.f.w[0]);
		assert_null(fix_out(r.f.w[0]));
		assert_int_equal(st->drops[DROP_AUTH], auth + 1);
		/* And back: sealed here, opened there, on route 0. */
		struct endpoint rip = ep_of(GN4_FAR, 53), pub, dst;

		node_send(&r.n, r.in, len);
		m = fix_out(r.f.w[0]);
		read_ends(rte_pktmbuf_mtod(m, uint8_t *), &pub, &dst);
		rte_pktmbuf_free(m);
		uint16_t back = pkt_udp(r.want, &rip, &pub, 64, r.body, 33);
		uint8_t got[FIX_PACKET_MAX];

		gn_send(&r.f, 0, r.want, back);
		int n = node_take(&r.n, got);

		assert_true(n >= back && n < back + 16);
		assert_int_equal(r.n.got_flags, wire_flags(false, epoch, 0));
		assert_int_equal(r.n.got_seq, 0);
	}
	rig_down(&r);
}

static void send_raw(struct rig *r, const char *src, const char *dst)
{
	struct endpoint s = ep_of(src, 5000), d = ep_of(dst, 53);

	node_send(&r->n, r->in, pkt_udp(r->in, &s, &d, 64, r->body, BODY));
}

static void refused_by_name(void **state)
{
	static struct rig r;
	struct lcore_stats *st;
	struct ip_addr vip = fix_ip("240.128.0.77"), ip;
	/* clang-format off */
	static const struct { const char *rip; int ret; } dests[] = {
		{"127.0.0.1", -EPERM}, {"169.254.169.254", -EPERM}, {"192.0.2.1", -EPERM},
		{"10.0.0.1", -EPERM}, {"224.0.0.1", -EPERM}, {"240.0.0.9", -EPERM}, {"0.0.0.0", -EPERM},
		{"100.64.0.1", -EPERM}, {"fd00::1", -EPERM}, {"fe80::1", -EPERM}, {"::1", -EPERM},
		{"64:ff9b::7f00:1", -EPERM}, {"2002:7f00:1::", -EPERM}, {"2001:db8::1", -EPERM},
		{"2001:db8:6::", -EPERM}, {"2001:db8:6::1:0", -EPERM}, {"2001:db8:6::1", 0},
		{"198.51.100.7", 0},
	};
	/* clang-format on */

	rig_up(&r, NULL);
	st = &r.f.w[0]->stats;
	for (size_t i = 0; i < RTE_DIM(dests); i++) {
		print_message("%s\n", dests[i].rip);
		ip = fix_ip(dests[i].rip);
		assert_int_equal(rs_dp_binding_add(r.f.dp, r.n.index, 77, &vip, &ip), dests[i].ret);
		if (dests[i].ret == 0)
			assert_int_equal(rs_dp_binding_del(r.f.dp, r.n.index, 77), 0);
	}
	send_raw(&r, "240.0.0.3", VIP_GN4);
	assert_int_equal(st->drops[DROP_INNER_SOURCE], 1);
	send_raw(&r, "fd00:1::3", VIP_GN6);
	assert_int_equal(st->drops[DROP_INNER_SOURCE], 2);
	send_raw(&r, NODE_VIP4, "240.128.0.9");
	assert_int_equal(st->drops[DROP_INNER_DEST], 1);
	send_raw(&r, NODE_VIP4, GN4_FAR);
	assert_int_equal(st->drops[DROP_INNER_DEST], 2);
	/* Bindings go, flows with them at their next visit at the latest. */
	send_raw(&r, NODE_VIP4, VIP_GN4);
	rte_pktmbuf_free(fix_out(r.f.w[0]));
	assert_int_equal(rs_dp_binding_del(r.f.dp, r.n.index, 1), 0);
	for (int i = 0; i < 600; i++) {
		r.f.w[0]->now += 1ULL << NAT_TICK_SHIFT;
		rs_worker_turn(r.f.w[0]);
	}
	assert_int_equal(r.f.w[0]->rs->nat->n_flows, 0);
	send_raw(&r, NODE_VIP4, VIP_GN4);
	assert_int_equal(st->drops[DROP_INNER_DEST], 3);
	assert_int_equal(r.f.w[0]->lanes.tx.n, 0);
	rig_down(&r);
}

/* Keys: soft limit tells, hard limit and time end data; a dropped epoch opens nothing. */
static void key_limits(void **state)
{
	struct rs_dp_config cfg = {.key_soft_packets = 5, .key_hard_packets = 8};
	static struct rig r;
	struct endpoint mn = ep_of(NODE_VIP4, 5000), gn = ep_of(VIP_GN4, 53), rip, pub, dst;
	struct lcore_stats *st;
	struct rte_mbuf *m;
	struct rs_event ev;
	int soft = 0, sealed = 0;
	uint16_t len;

	rig_up(&r, &cfg);
	st = &r.f.w[0]->stats;
	rip = ep_of(GN4_FAR, 53);
	len = pkt_udp(r.in, &mn, &gn, 64, r.body, BODY);
	node_send(&r.n, r.in, len);
	m = fix_out(r.f.w[0]);
	read_ends(rte_pktmbuf_mtod(m, uint8_t *), &pub, &dst);
	rte_pktmbuf_free(m);
	for (int i = 0; i < 12; i++) {
		gn_send(&r.f, 0, r.want, pkt_udp(r.want, &rip, &pub, 64, r.body, 10));
		m = fix_out(r.f.w[0]);
		sealed += m != NULL;
		rte_pktmbuf_free(m);
	}
	assert_int_equal(sealed, 8);
	assert_int_equal(st->drops[DROP_KEY_SPENT], 4);
	while (fix_event(&r.f, &ev))
		soft += ev.type == RS_EV_KEY_SOFT && ev.id == r.n.index;
	assert_int_equal(soft, 2); /* once when it is due, once when it is past */
	/* While somebody sends to a node that has no key for it, new ones are asked for again. */
	for (int sec = 1; sec <= 12; sec++) {
		r.f.w[0]->now += 1000000000;
		gn_send(&r.f, 0, r.want, pkt_udp(r.want, &rip, &pub, 64, r.body, 10));
		assert_null(fix_out(r.f.w[0]));
	}
	st->drops[DROP_KEY_SPENT] -= 12;
	st->consumed += 12;
	while (fix_event(&r.f, &ev))
		soft += ev.type == RS_EV_KEY_SOFT && ev.id == r.n.index;
	assert_int_equal(soft, 4);
	/* The node's own limit is watched too. */
	r.n.seq = 8;
	node_send(&r.n, r.in, len);
	assert_int_equal(st->drops[DROP_KEY_SPENT], 5);
	assert_int_equal(rs_dp_leg_key_drop(r.f.dp, r.n.index, 0), 0);
	r.n.seq = 2;
	node_send(&r.n, r.in, len);
	assert_int_equal(st->drops[DROP_NO_KEY], 1);
	rig_down(&r);
}

/* A packet for a leg or a mapping of worker 1 that comes in at worker 0, and the reverse. */
static void wrong_worker(void **state)
{
	static struct rig r;
	struct endpoint mn = ep_of(NODE_VIP4, 5000), gn = ep_of(VIP_GN4, 53), rip, pub, dst;
	struct worker *w0, *w1;
	struct rte_mbuf *m;
	uint8_t got[FIX_PACKET_MAX];
	uint16_t len;

	fix_up(&r.f, NULL);
	node_up(&r.n, &r.f, 1, NODE_VIP4, NODE_VIP6);
	bind_gn(&r, 1, VIP_GN4, GN4_FAR);
	w0 = r.f.w[0];
	w1 = r.f.w[1];
	rip = ep_of(GN4_FAR, 53);
	len = pkt_udp(r.in, &mn, &gn, 64, r.body, BODY);
	fix_inject(w0, node_frame(&r.n, WIRE_DATA, r.in, len));
	fix_run(w0);
	assert_null(fix_out(w0));
	assert_int_equal(w0->stats.steer_miss, 1);
	fix_mail(w1);
	m = fix_out(w1);
	assert_non_null(m);
	read_ends(rte_pktmbuf_mtod(m, uint8_t *), &pub, &dst);
	assert_true(endpoint_equal(&dst, &rip));
	rte_pktmbuf_free(m);

	gn_send(&r.f, 0, r.want, pkt_udp(r.want, &rip, &pub, 64, r.body, BODY));
	assert_null(fix_out(w0));
	assert_int_equal(w0->stats.steer_miss, 2);
	fix_mail(w1);
	assert_int_equal(node_take(&r.n, got), len);
	/* One that was steered already goes no further. */
	m = fix_frame(&r.f, r.want, pkt_udp(r.want, &rip, &pub, 64, r.body, BODY));
	pkt_meta(m)->flags = PKT_STEERED;
	fix_inject(w0, m);
	fix_run(w0);
	assert_int_equal(w0->stats.drops[DROP_WRONG_WORKER], 1);
	rig_down(&r);
}

/* A leg that a new handshake replaced: the new one serves the old one's mappings. */
static void heir(void **state)
{
	static struct rig r;
	struct endpoint mn = ep_of(NODE_VIP4, 5000), gn = ep_of(VIP_GN4, 53), rip, pub, dst;
	struct rs_dp_leg leg = {
		.vip4 = fix_ip(NODE_VIP4), .vip6 = fix_ip(NODE_VIP6), .peer = fix_ep(NODE_EP)};
	struct node n2;
	struct rte_mbuf *m;
	uint8_t got[FIX_PACKET_MAX];
	uint64_t index;
	uint16_t len;

	rig_up(&r, NULL);
	rip = ep_of(GN4_FAR, 53);
	len = pkt_udp(r.in, &mn, &gn, 64, r.body, BODY);
	node_send(&r.n, r.in, len);
	m = fix_out(r.f.w[0]);
	read_ends(rte_pktmbuf_mtod(m, uint8_t *), &pub, &dst);
	rte_pktmbuf_free(m);

	assert_int_equal(rs_dp_leg_reserve(r.f.dp, 99, &index), 0);
	leg.heir_of = r.n.index;
	assert_int_equal(rs_dp_leg_add(r.f.dp, index, &leg), 0);
	n2 = r.n;
	n2.send = n2.recv = NULL;
	n2.index = index;
	node_keys(&n2, SUITE_AES256_GCM, 0, 50);
	/* Not before it is proven. */
	gn_send(&r.f, 0, r.want, pkt_udp(r.want, &rip, &pub, 64, r.body, BODY));
	assert_int_equal(node_take(&r.n, got), len);
	assert_int_equal(rs_dp_leg_confirm(r.f.dp, index), 0);
	gn_send(&r.f, 0, r.want, pkt_udp(r.want, &rip, &pub, 64, r.body, BODY));
	assert_int_equal(node_take(&n2, got), len);
	/* The old one still opens, until it goes; mappings stay. */
	node_send(&r.n, r.in, len);
	assert_non_null(m = fix_out(r.f.w[0]));
	rte_pktmbuf_free(m);
	assert_int_equal(rs_dp_leg_del(r.f.dp, r.n.index), 0);
	gn_send(&r.f, 0, r.want, pkt_udp(r.want, &rip, &pub, 64, r.body, BODY));
	assert_int_equal(node_take(&n2, got), len);
	node_send(&n2, r.in, len);
	m = fix_out(r.f.w[0]);
	struct endpoint again;

	read_ends(rte_pktmbuf_mtod(m, uint8_t *), &again, &dst);
	assert_true(endpoint_equal(&again, &pub));
	rte_pktmbuf_free(m);
	/* With the last leg the mappings go, then the number is free again. */
	assert_int_equal(rs_dp_leg_del(r.f.dp, index), 0);
	gn_send(&r.f, 0, r.want, pkt_udp(r.want, &rip, &pub, 64, r.body, BODY));
	assert_null(fix_out(r.f.w[0]));
	assert_int_equal(r.f.dp->n_gone, 1);
	for (int i = 0; i < 600; i++) {
		r.f.w[0]->now += 1ULL << NAT_TICK_SHIFT;
		rs_worker_turn(r.f.w[0]);
		rs_dp_housekeep(r.f.dp, r.f.w[0]->now);
	}
	assert_int_equal(r.f.dp->n_gone, 0);
	assert_int_equal(r.f.w[0]->rs->nat->n_maps, 0);
	node_down(&n2);
	rig_down(&r);
}

/* A narrow way to the node: inner packets of up to 1280 bytes in two parts, both directions. */
static void two_parts(void **state)
{
	static struct rig r;
	struct endpoint mn = ep_of(NODE_VIP4, 5000), gn = ep_of(VIP_GN4, 53), rip, pub, dst;
	uint8_t got[FIX_PACKET_MAX], whole[FIX_PACKET_MAX];
	struct rte_mbuf *m, *a, *b;
	struct worker *w;
	uint16_t len;
	int one, two;

	rig_up(&r, NULL);
	w = r.f.w[0];
	rip = ep_of(GN4_FAR, 53);
	len = pkt_udp(r.in, &mn, &gn, 64, r.body, 1252);
	assert_int_equal(len, 1280);
	/* In either order. */
	for (int order = 0; order < 2; order++) {
		a = node_frame(&r.n, WIRE_DATA_FIRST, r.in, 640);
		b = node_frame(&r.n, WIRE_DATA_SECOND, r.in + 640, 640);
		fix_inject(w, order ? b : a);
		fix_inject(w, order ? a : b);
		fix_run(w);
		m = fix_out(w);
		assert_non_null(m);
		assert_int_equal(rte_pktmbuf_data_len(m), 1280);
		read_ends(rte_pktmbuf_mtod(m, uint8_t *), &pub, &dst);
		rte_pktmbuf_free(m);
	}
	/* A half whose other half does not come. */
	fix_inject(w, node_frame(&r.n, WIRE_DATA_FIRST, r.in, 640));
	fix_run(w);
	assert_int_equal(w->stats.held, 1);
	w->now += RS_PART_NS;
	for (int i = 0; i < RS_PARTS; i++)
		rs_worker_turn(w);
	assert_int_equal(w->stats.drops[DROP_PART_TIMEOUT], 1);
	assert_int_equal(w->stats.held, 0);

	assert_int_equal(rs_dp_leg_mtu_set(r.f.dp, r.n.index, 1280), 0);
	len = pkt_udp(r.in, &rip, &pub, 64, r.body, 1252);
	gn_send(&r.f, 0, r.in, len);
	assert_int_equal(w->lanes.tx.n, 2);
	one = node_take(&r.n, got);
	assert_int_equal(r.n.got_type, WIRE_DATA_FIRST);
	uint64_t seq = r.n.got_seq;

	memcpy(whole, got, (size_t)one);
	two = node_take(&r.n, got);
	assert_int_equal(r.n.got_type, WIRE_DATA_SECOND);
	assert_int_equal(r.n.got_seq, seq + 1);
	assert_int_equal(one + two, 1280);
	memcpy(whole + one, got, (size_t)two);
	len = pkt_udp(r.want, &gn, &mn, 63, r.body, 1252);
	assert_memory_equal(whole, r.want, len);
	/* Larger ones: too big, said to the sender. */
	len = pkt_udp(r.in, &rip, &pub, 64, r.body, 1253);
	gn_send(&r.f, 0, r.in, len);
	m = fix_out(w);
	assert_non_null(m);
	uint8_t *ip = rte_pktmbuf_mtod(m, uint8_t *);

	assert_int_equal(ip[9], IPPROTO_ICMP);
	assert_int_equal(ip[20] << 8 | ip[21], 3 << 8 | 4);
	assert_int_equal(load_be16(ip + 26), 1280);
	assert_memory_equal(ip + 28, r.in, 548);
	assert_int_equal(csum_fold(csum_bytes(ip + 20, (size_t)rte_pktmbuf_data_len(m) - 20, 0)),
			 0xffff);
	assert_int_equal(w->stats.drops[DROP_MTU], 1);
	rte_pktmbuf_free(m);
	rig_down(&r);
}

/* A move: credit, then proof; the route number changes with each move. */
static void moved_leg(void **state)
{
	static struct rig r;
	struct endpoint mn = ep_of(NODE_VIP4, 5000), gn = ep_of(VIP_GN4, 53), rip, pub, dst;
	struct endpoint to6 = fix_ep("[2001:db8:77::7]:4242");
	uint8_t got[FIX_PACKET_MAX];
	struct rs_event ev;
	struct rte_mbuf *m;
	uint16_t len;
	int rebinds = 0;

	rig_up(&r, NULL);
	rip = ep_of(GN4_FAR, 53);
	len = pkt_udp(r.in, &mn, &gn, 64, r.body, BODY);
	node_send(&r.n, r.in, len);
	m = fix_out(r.f.w[0]);
	read_ends(rte_pktmbuf_mtod(m, uint8_t *), &pub, &dst);
	rte_pktmbuf_free(m);
	len = pkt_udp(r.want, &rip, &pub, 64, r.body, BODY);
	/* To the other family: the worker's own IPv6 endpoint is the source then. */
	assert_int_equal(
		rs_dp_leg_endpoint_set(r.f.dp, r.n.index, &to6, 700, r.f.w[0]->now + RS_CREDIT_NS),
		0);
	r.n.ep = to6;
	for (int i = 0; i < 3; i++)
		gn_send(&r.f, 0, r.want, len);
	assert_int_equal(r.f.w[0]->stats.drops[DROP_LEG_CREDIT], 1); /* two of 308 bytes fit */
	assert_int_equal(r.f.w[0]->lanes.tx.n, 2);
	assert_int_equal(rte_pktmbuf_mtod(r.f.w[0]->lanes.tx.pkt[0], uint8_t *)[0] >> 4, 6);
	assert_int_equal(node_take(&r.n, got), len);
	assert_int_equal(r.n.got_flags, wire_flags(false, 0, 2));
	assert_int_equal(r.n.got_seq, 0);
	assert_int_equal(node_take(&r.n, got), len);
	assert_int_equal(rs_dp_leg_confirm(r.f.dp, r.n.index), 0);
	for (int i = 0; i < 5; i++) {
		gn_send(&r.f, 0, r.want, len);
		assert_int_equal(node_take(&r.n, got), len);
	}
	assert_int_equal(r.n.got_seq, 6);
	/* The node's NAT gave it another port: data still opens, control is told once. */
	while (fix_event(&r.f, &ev))
		;
	r.n.ep = fix_ep(NODE_EP);
	r.n.ep.port++;
	len = pkt_udp(r.in, &mn, &gn, 64, r.body, BODY);
	for (int i = 0; i < 5; i++) {
		node_send(&r.n, r.in, len);
		assert_non_null(m = fix_out(r.f.w[0]));
		rte_pktmbuf_free(m);
	}
	while (fix_event(&r.f, &ev)) {
		rebinds += ev.type == RS_EV_REBIND;
		assert_true(endpoint_equal(&ev.src, &r.n.ep));
	}
	assert_int_equal(rebinds, 1);
	rig_down(&r);
}

/* A router on the way to the node says that sealed packets are too big: the hint names the leg. */
static void too_big_on_the_way(void **state)
{
	static struct rig r;
	struct ip_addr router = fix_ip("198.51.100.1"), own = fix_ip("192.0.2.1");
	struct endpoint from = {.ip = own, .port = FIX_BASE_PORT};
	uint8_t quote[FIX_PACKET_MAX], ntm[64];
	struct rs_event ev;
	uint16_t len;

	rig_up(&r, NULL);
	wire_build(ntm, WIRE_DATA, wire_flags(false, 0, 0), 5, NODE_INDEX);
	len = pkt_udp(quote, &from, &r.n.ep, 60, ntm, sizeof(ntm));
	len = pkt_icmp(r.in, &router, &own, 64, 3, 4, 1300, quote, len);
	gn_send(&r.f, 0, r.in, len);
	gn_send(&r.f, 0, r.in, len); /* one is enough */
	assert_int_equal(r.f.w[0]->stats.drops[DROP_CONTROL_LIMIT], 1);
	assert_true(fix_event(&r.f, &ev));
	assert_int_equal(ev.type, RS_EV_ICMP_ERROR);
	assert_int_equal(ev.mtu, 1300);
	assert_int_equal(ev.id, NODE_INDEX);
	assert_true(endpoint_equal(&ev.src, &r.n.ep));
	rig_down(&r);
}

/* A port that writes checksums gets what it needs, and what it then sends is what we would have. */
static void port_writes_sums(void **state)
{
	static struct rig r;

	rig_up(&r, NULL);
	for (size_t i = 0; i < RTE_DIM(ways); i++) {
		const struct way *w = &ways[i];
		struct endpoint mn = ep_of(w->vip_mn, 5000), gn = ep_of(w->vip_gn, 53);
		struct endpoint rip = ep_of(w->rip, 53), own = *rs_dp_local(r.f.dp, 0), pub, dst;
		struct rte_mbuf *m;
		uint16_t len, sum;
		uint8_t *udp;

		len = pkt_udp(r.in, &mn, &gn, 64, r.body, BODY);
		node_send(&r.n, r.in, len);
		m = fix_out(r.f.w[0]);
		assert_non_null(m);
		read_ends(rte_pktmbuf_mtod(m, uint8_t *), &pub, &dst);
		rte_pktmbuf_free(m);

		r.f.ifaces[0].tx_checksum = true;
		len = pkt_udp(r.in, &rip, &pub, 64, r.body, BODY);
		gn_send(&r.f, 0, r.in, len);
		r.f.ifaces[0].tx_checksum = false;
		m = r.f.w[0]->lanes.tx.pkt[0];
		assert_true(m->ol_flags & RTE_MBUF_F_TX_UDP_CKSUM);
		assert_true(m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM);
		assert_int_equal(m->l2_len, RTE_ETHER_HDR_LEN);
		assert_int_equal(m->l3_len, IP4_HDR_LEN);
		/* What the port does: sum what is there, from the UDP header on. */
		udp = rte_pktmbuf_mtod_offset(m, uint8_t *, m->l3_len);
		len = rte_pktmbuf_data_len(m) - m->l3_len;
		sum = (uint16_t)~csum_fold(csum_bytes(udp, len, 0));
		memcpy(udp + 6, &sum, 2);
		assert_int_equal(fix_l4_sum(&own.ip, &r.n.ep.ip, IPPROTO_UDP, udp, len), 0);
		len = pkt_udp(r.in, &gn, &mn, 63, r.body, BODY);
		expect_in(&r, r.in, len);
	}
	rig_down(&r);
}

/* The check that every other test ends with sees a packet that vanishes, counted or not. */
static void conservation_tells(void **state)
{
	static struct rig r;
	struct endpoint mn = ep_of(NODE_VIP4, 5000), gn = ep_of(VIP_GN4, 53);
	struct worker *w;
	uint16_t len;

	rig_up(&r, NULL);
	w = r.f.w[0];
	len = pkt_udp(r.in, &mn, &gn, 64, r.body, BODY);
	node_send(&r.n, r.in, len);
	assert_int_equal(w->lanes.tx.n, 1);
	assert_int_equal(fix_missing(&r.f), 1); /* it waits to be sent */
	rte_pktmbuf_free(fix_out(w));
	assert_int_equal(fix_missing(&r.f), 0);
	/* Freed by a stage that did not say so. */
	node_send(&r.n, r.in, len);
	rte_pktmbuf_free(w->lanes.tx.pkt[0]);
	w->lanes.tx.n = 0;
	assert_int_equal(fix_missing(&r.f), 1);
	burst_drop(&w->stats, NULL, DROP_TX_FULL);
	assert_int_equal(fix_missing(&r.f), 0);
	/* Said, but kept. */
	assert_int_equal(rte_mempool_in_use_count(r.f.pool), 0);
	node_send(&r.n, r.in, len);
	struct rte_mbuf *kept = fix_out(w);

	assert_int_equal(fix_missing(&r.f), 0);
	assert_int_equal(rte_mempool_in_use_count(r.f.pool), 1);
	rte_pktmbuf_free(kept);
	rig_down(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conservation_tells),
		cmocka_unit_test(udp_both_ways),
		cmocka_unit_test(tcp_clamps_mss),
		cmocka_unit_test(echo_both_ways),
		cmocka_unit_test(suites_and_forgeries),
		cmocka_unit_test(refused_by_name),
		cmocka_unit_test(key_limits),
		cmocka_unit_test(wrong_worker),
		cmocka_unit_test(heir),
		cmocka_unit_test(two_parts),
		cmocka_unit_test(moved_leg),
		cmocka_unit_test(too_big_on_the_way),
		cmocka_unit_test(port_writes_sums),
	};
	int ret;

	eal_start();
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	eal_stop();
	return ret;
}
