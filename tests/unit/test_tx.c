/* SPDX-License-Identifier: BSD-3-Clause */
/* The tx stage to a port: what a frame on the wire says it carries is what it carries, whatever
 * family the packet came in by.
 */
#include "tests/unit/rs_fixture.h"

#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { RING = 256, VLAN = 42 };
#define MAC 0x770000000002ULL

static struct fix f;
static struct rte_ring *wire;
static int port = -1; /* once for all tests: a ring's name is taken for good */

static int port_make(void)
{
	struct rte_eth_conf conf = {.txmode = {.mq_mode = RTE_ETH_MQ_TX_NONE}};
	struct rte_ring *idle;
	int made;

	wire = rte_ring_create("wire", RING, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	idle = rte_ring_create("idle", RING, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (wire == NULL || idle == NULL)
		return -1;
	made = rte_eth_from_rings("tx", &idle, 1, &wire, 1, 0);
	if (made < 0 || rte_eth_dev_configure((uint16_t)made, 1, 1, &conf) != 0 ||
	    rte_eth_rx_queue_setup((uint16_t)made, 0, RING, 0, NULL, f.pool) != 0 ||
	    rte_eth_tx_queue_setup((uint16_t)made, 0, RING, 0, NULL) != 0 ||
	    rte_eth_dev_start((uint16_t)made) != 0)
		return -1;
	return made;
}

static void up(uint16_t vlan)
{
	struct worker *w;

	fix_up(&f, NULL);
	if (port < 0)
		port = port_make();
	assert_true(port >= 0);
	w = f.w[0];
	w->ports[0] = (uint16_t)port;
	w->n_ports = 1;
	w->out = calloc(1, sizeof(*w->out));
	assert_non_null(w->out);
	for (int i = 0; i < 2; i++) {
		f.ifaces[i].port = (uint16_t)port;
		f.ifaces[i].vlan = vlan;
		atomic_store(&f.nexthops[i + 1].word, (uint64_t)NEXTHOP_READY << 48 | MAC);
	}
}

static void down(void)
{
	free(f.w[0]->out);
	fix_down(&f);
}

/* The one frame on the wire: link header checked and taken off. */
static struct rte_mbuf *frame_take(uint16_t vlan)
{
	uint16_t type, at = RTE_ETHER_HDR_LEN;
	struct rte_mbuf *m;
	const uint8_t *p;
	void *obj = NULL;

	assert_int_equal(rte_ring_count(wire), 1);
	assert_int_equal(rte_ring_dequeue(wire, &obj), 0);
	m = obj;
	p = rte_pktmbuf_mtod(m, const uint8_t *);
	type = load_be16(p + 12);
	if (vlan != 0) {
		assert_int_equal(type, RTE_ETHER_TYPE_VLAN);
		assert_int_equal(load_be16(p + 14), vlan);
		type = load_be16(p + 16);
		at += 4;
	}
	assert_int_equal(p[0], MAC & 0xff);
	assert_int_equal(type, p[at] >> 4 == 6 ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4);
	rte_pktmbuf_adj(m, at);
	return m;
}

/* Any packet in the tx lane, with what is left of the one that it was made from. */
static void test_type(void **state)
{
	static const char *const dsts[] = {"198.51.100.10", "2001:db8:a::1"};
	static const char *const srcs[] = {"192.0.2.1", "2001:db8::1"};

	for (unsigned int i = 0; i < 8; i++) {
		struct ip_addr src = fix_ip(srcs[i & 1]), dst = fix_ip(dsts[i & 1]);
		uint16_t vlan = i & 4 ? VLAN : 0, len;
		uint8_t ip[FIX_PACKET_MAX], body[32] = {0};
		struct rte_mbuf *m;

		up(vlan);
		len = fix_ip_packet(ip, &src, &dst, IPPROTO_UDP, 64, 0, body, sizeof(body));
		m = fix_frame(&f, ip, len);
		rte_pktmbuf_adj(m, RTE_ETHER_HDR_LEN);
		pkt_meta(m)->flags = i & 2 ? PKT_IPV6 : 0;
		pkt_meta(m)->nexthop = 1;
		f.w[0]->stats.rx++;
		burst_push(&f.w[0]->stats, &f.w[0]->lanes.tx, m);
		tx_stage(f.w[0]);
		m = frame_take(vlan);
		assert_int_equal(rte_pktmbuf_data_len(m), len);
		assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), ip, len);
		rte_pktmbuf_free(m);
		down();
	}
}

/* A packet for which there was no route, the first of a burst and behind one that had. */
static void test_no_route(void **state)
{
	struct ip_addr src = fix_ip("192.0.2.1"), dst = fix_ip("198.51.100.10");
	uint8_t ip[FIX_PACKET_MAX], body[32] = {0};
	uint16_t len = fix_ip_packet(ip, &src, &dst, IPPROTO_UDP, 64, 0, body, sizeof(body));

	up(0);
	for (uint32_t i = 0; i < 3; i++) {
		struct rte_mbuf *m = fix_frame(&f, ip, len);

		rte_pktmbuf_adj(m, RTE_ETHER_HDR_LEN);
		pkt_meta(m)->flags = 0;
		pkt_meta(m)->nexthop = i == 1 ? 1 : NEXTHOP_NONE;
		f.w[0]->stats.rx++;
		burst_push(&f.w[0]->stats, &f.w[0]->lanes.tx, m);
	}
	tx_stage(f.w[0]);
	assert_int_equal(f.w[0]->stats.drops[DROP_NO_ROUTE], 2);
	rte_pktmbuf_free(frame_take(0));
	down();
}

/* A path between the families (docs/protocol.md 5: the RS writes the outer headers anew). */
static void test_path(void **state)
{
	const uint64_t id = 0x2222;
	const struct endpoint a = fix_ep("198.51.100.10:1111"), b = fix_ep("[2001:db8:b::1]:2222"),
			      own[] = {fix_ep("192.0.2.1:4700"), fix_ep("[2001:db8::1]:4700")};
	struct rs_dp_path p = {.id = id, .handshakes = RS_HANDSHAKES_UNCONFIRMED};
	uint8_t ntm[WIRE_HDR_LEN + 84];

	up(0);
	p.side[RS_SIDE_A] = (struct rs_dp_side){.peer = a, .local = 0, .state = RS_SIDE_CONFIRMED};
	p.side[RS_SIDE_B] = (struct rs_dp_side){.peer = b, .local = 3, .state = RS_SIDE_CONFIRMED};
	assert_int_equal(rs_dp_path_set(f.dp, &p), 0);
	for (int from_a = 0; from_a < 2; from_a++) {
		struct fix_udp u = {.src = from_a ? a : b, .dst = own[from_a ? 0 : 1], .ttl = 64};
		struct rte_mbuf *m;

		memset(ntm, 0, sizeof(ntm));
		ntm[0] = 1 << 4;
		ntm[1] = from_a ? WIRE_SIDE_A : 0;
		store_be64(ntm + 8, id);
		fix_inject(f.w[0], fix_udp_frame(&f, &u, ntm, sizeof(ntm)));
		fix_run(f.w[0]);
		tx_stage(f.w[0]);
		m = frame_take(0);
		assert_int_equal(*rte_pktmbuf_mtod(m, uint8_t *) >> 4, from_a ? 6 : 4);
		rte_pktmbuf_free(m);
	}
	down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_type),
		cmocka_unit_test(test_no_route),
		cmocka_unit_test(test_path),
	};

	eal_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
