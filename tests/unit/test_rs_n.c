/* SPDX-License-Identifier: BSD-3-Clause */
/* RS-N as a whole: a node behind its leg, general hosts behind the pool, real stages between. What
 * comes out is compared with packets built from scratch with full checksums.
 */
#include "tests/unit/rs_rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct way {
	const char *name, *vip_mn, *vip_gn, *rip, *pool;
};

static const struct way ways[] = {
	{"4 to 4", NODE_VIP4, VIP_GN4, GN4_FAR, "192.0.2.64/30"},
	{"6 to 6", NODE_VIP6, VIP_GN6, GN6, "2001:db8:6::/64"},
	{"4 to 6", NODE_VIP4, VIP_GN4_TO6, GN6, "2001:db8:6::/64"},
	{"6 to 4", NODE_VIP6, VIP_GN6_TO4, GN4_FAR, "192.0.2.64/30"},
};

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

static void left_is_wanted(struct rig *r, struct rte_mbuf *m, uint16_t len)
{
	assert_int_equal(rte_pktmbuf_data_len(m), len);
	same_but_id(rte_pktmbuf_mtod(m, uint8_t *), r->want, len);
	rte_pktmbuf_free(m);
}

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
		left_is_wanted(&r, m, len);

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
		left_is_wanted(&r, m, len);

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
		left_is_wanted(&r, m, len);

		len = pkt_icmp(r.in, &rip, &pub.ip, 64, out6 ? 129 : 0, 0, id, r.body, 56);
		gn_send(&r.f, 0, r.in, len);
		len = pkt_icmp(r.in, &gn, &mn, 63, in6 ? 129 : 0, 0, 0x12340007, r.body, 56);
		expect_in(&r, r.in, len);
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

/* A port that writes checksums gets what it needs, and what it then sends is what we would have. */
static void port_writes_sums(void **state)
{
	static struct rig r;

	rig_up(&r, NULL);
	for (size_t i = 0; i < RTE_DIM(ways); i++) {
		const struct way *w = &ways[i];
		struct endpoint mn = ep_of(w->vip_mn, 5000), gn = ep_of(w->vip_gn, 53);
		struct endpoint rip = ep_of(w->rip, 53), own = *rs_dp_local(r.f.dp, 0), pub;
		struct rte_mbuf *m;
		uint16_t len, sum;
		uint8_t *udp;

		len = pkt_udp(r.in, &mn, &gn, 64, r.body, BODY);
		pub = mapping_of(&r.n, r.in, len);

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
		cmocka_unit_test(conservation_tells), cmocka_unit_test(udp_both_ways),
		cmocka_unit_test(tcp_clamps_mss),     cmocka_unit_test(echo_both_ways),
		cmocka_unit_test(refused_by_name),    cmocka_unit_test(port_writes_sums),
	};
	int ret;

	eal_start();
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	eal_stop();
	return ret;
}
