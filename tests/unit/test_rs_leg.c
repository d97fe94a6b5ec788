/* SPDX-License-Identifier: BSD-3-Clause */
/* The leg of a node at RS-N: its keys, workers, heirs and moves, and packets too big for its way. */
#include "tests/unit/rs_rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

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
		struct endpoint rip = ep_of(GN4_FAR, 53), pub;

		pub = mapping_of(&r.n, r.in, len);
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

/* Keys: soft limit tells, hard limit and time end data; a dropped epoch opens nothing. */
static void key_limits(void **state)
{
	struct rs_dp_config cfg = {.key_soft_packets = 5, .key_hard_packets = 8};
	static struct rig r;
	struct endpoint mn = ep_of(NODE_VIP4, 5000), gn = ep_of(VIP_GN4, 53), rip, pub;
	struct lcore_stats *st;
	struct rte_mbuf *m;
	struct rs_event ev;
	int soft = 0, sealed = 0;
	uint16_t len;

	rig_up(&r, &cfg);
	st = &r.f.w[0]->stats;
	rip = ep_of(GN4_FAR, 53);
	len = pkt_udp(r.in, &mn, &gn, 64, r.body, BODY);
	pub = mapping_of(&r.n, r.in, len);
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
	struct endpoint mn = ep_of(NODE_VIP4, 5000), gn = ep_of(VIP_GN4, 53), rip, pub, again;
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
	pub = mapping_of(&r.n, r.in, len);

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
	again = mapping_of(&n2, r.in, len);
	assert_true(endpoint_equal(&again, &pub));
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
	struct endpoint mn = ep_of(NODE_VIP4, 5000), gn = ep_of(VIP_GN4, 53), rip, pub;
	struct endpoint to6 = fix_ep("[2001:db8:77::7]:4242");
	uint8_t got[FIX_PACKET_MAX];
	struct rs_event ev;
	struct rte_mbuf *m;
	uint16_t len;
	int rebinds = 0;

	rig_up(&r, NULL);
	rip = ep_of(GN4_FAR, 53);
	len = pkt_udp(r.in, &mn, &gn, 64, r.body, BODY);
	pub = mapping_of(&r.n, r.in, len);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(suites_and_forgeries),
		cmocka_unit_test(key_limits),
		cmocka_unit_test(wrong_worker),
		cmocka_unit_test(heir),
		cmocka_unit_test(two_parts),
		cmocka_unit_test(moved_leg),
		cmocka_unit_test(too_big_on_the_way),
	};
	int ret;

	eal_start();
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	eal_stop();
	return ret;
}
