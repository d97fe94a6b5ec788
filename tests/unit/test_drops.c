/* SPDX-License-Identifier: BSD-3-Clause */
/* Drops that have no test where what they guard is tested: each name by a packet that deserves it, no
 * other name rises, and a good packet before and after it goes on.
 */
#include "appliance/local.h"
#include "tests/unit/rs_node.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define GN4 "198.51.100.80"
#define VIP_GN4 "240.128.0.1"

enum { BODY = 200 };

struct rig {
	struct fix f;
	struct node n;
	struct worker *w;
	struct endpoint pub; /* of the flow that is there */
	uint8_t in[FIX_PACKET_MAX];
};

static const uint8_t zeros[FIX_PACKET_MAX];

/* ---- packets ---- */

static struct rte_mbuf *to_own(struct rig *r, const uint8_t *ntm, uint16_t len)
{
	struct fix_udp u = {.src = r->n.ep, .dst = *rs_dp_local(r->f.dp, 0), .ttl = 60};

	return fix_udp_frame(&r->f, &u, ntm, len);
}

static void give(struct rig *r, struct rte_mbuf *m)
{
	fix_inject(r->w, m);
	fix_run(r->w);
}

static void give_header(struct rig *r, uint8_t byte0, uint8_t byte1, uint64_t id, uint16_t len)
{
	uint8_t ntm[WIRE_HDR_LEN + 64] = {byte0, byte1};

	store_be64(ntm + 8, id);
	give(r, to_own(r, ntm, len));
}

static uint16_t inner_udp(struct rig *r, uint16_t body)
{
	struct endpoint mn = {fix_ip(NODE_VIP4), 5000}, gn = {fix_ip(VIP_GN4), 53};

	return pkt_udp(r->in, &mn, &gn, 64, zeros, body);
}

static void from_gn(struct rig *r, uint16_t port, uint16_t body)
{
	struct endpoint gn = {fix_ip(GN4), 53}, pub = {r->pub.ip, port};

	gn_send(&r->f, 0, r->in, pkt_udp(r->in, &gn, &pub, 64, zeros, body));
}

static void good(struct rig *r)
{
	struct rte_mbuf *m;

	node_send(&r->n, r->in, inner_udp(r, BODY));
	m = fix_out(r->w);
	if (m == NULL)
		fix_print_drops(r->w);
	assert_non_null(m);
	r->pub.port = load_be16(rte_pktmbuf_mtod(m, uint8_t *) + IP4_HDR_LEN);
	memcpy(&r->pub.ip.b[12], rte_pktmbuf_mtod(m, uint8_t *) + 12, 4);
	rte_pktmbuf_free(m);
}

/* Checksum of an IPv4 header that was changed. */
static void sum_again(uint8_t *ip)
{
	uint16_t check;

	store_be16(ip + 10, 0);
	check = (uint16_t)~csum_fold(csum_bytes(ip, IP4_HDR_LEN, 0));
	memcpy(ip + 10, &check, sizeof(check));
}

/* ---- one function for each name ---- */

static void multi_seg(struct rig *r)
{
	struct rte_mbuf *m = to_own(r, zeros, 64), *more = rte_pktmbuf_alloc(r->f.pool);

	assert_non_null(more);
	assert_int_equal(rte_pktmbuf_chain(m, more), 0);
	give(r, m);
}

static void ntm_version(struct rig *r)
{
	give_header(r, 2 << 4 | WIRE_DATA, WIRE_SIDE_A, r->n.index, 80);
}

static void ntm_reserved(struct rig *r)
{
	give_header(r, WIRE_VERSION << 4 | WIRE_DATA, WIRE_SIDE_A | 1, r->n.index, 80);
}

static void ntm_type(struct rig *r)
{
	give_header(r, WIRE_VERSION << 4 | 9, WIRE_SIDE_A, r->n.index, 80);
}

static void ntm_short(struct rig *r)
{
	give_header(r, WIRE_VERSION << 4 | WIRE_DATA, WIRE_SIDE_A, r->n.index, WIRE_HDR_LEN - 1);
}

static void no_assoc(struct rig *r)
{
	give_header(r, WIRE_VERSION << 4 | WIRE_DATA, WIRE_SIDE_A, r->n.index ^ 1ULL << 40, 80);
}

static void sealed_len(struct rig *r)
{
	give_header(r, WIRE_VERSION << 4 | WIRE_DATA, WIRE_SIDE_A, r->n.index, WIRE_OVERHEAD - 1);
}

static void inner_bad(struct rig *r)
{
	give(r, node_frame(&r->n, WIRE_DATA, zeros, BODY));
}

static void ecn(struct rig *r)
{
	struct rte_mbuf *m = node_frame(&r->n, WIRE_DATA, r->in, inner_udp(r, BODY));
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, RTE_ETHER_HDR_LEN);

	ip[1] = 3; /* CE outside, not ECN-capable inside */
	sum_again(ip);
	give(r, m);
}

/* Together they are larger than a buffer. */
static void part_mismatch(struct rig *r)
{
	give(r, node_frame(&r->n, WIRE_DATA_FIRST, zeros, 2400));
	give(r, node_frame(&r->n, WIRE_DATA_SECOND, zeros, 2400));
}

/* First parts alone, until one finds no place. */
static void part_full(struct rig *r)
{
	for (int i = 0; i < RS_PARTS + 1 && r->w->stats.drops[DROP_PART_FULL] == 0; i++)
		give(r, node_frame(&r->n, WIRE_DATA_FIRST, r->in, inner_udp(r, BODY) / 2));
}

/* What a binding leads to has become an address of this box: no new flow goes there. */
static void refused_dest(struct rig *r)
{
	struct local_addr own[] = {{.ip = fix_ip("192.0.2.1")}, {.ip = fix_ip(GN4)}};
	struct local_table *was = r->f.local, *now = local_create(own, 2, NULL, 0);

	struct endpoint mn = {fix_ip(NODE_VIP4), 5001}, gn = {fix_ip(VIP_GN4), 53};

	r->w->local = now;
	for (int i = 0; i < 3; i++) /* the flow that the first one leaves is no way in either */
		node_send(&r->n, r->in, pkt_udp(r->in, &mn, &gn, 64, zeros, BODY));
	r->w->local = was;
	local_destroy(now);
}

static void no_route(struct rig *r)
{
	struct fib *none = fib_create(NULL, 0, 2);

	r->w->fib = none;
	node_send(&r->n, r->in, inner_udp(r, BODY));
	r->w->fib = r->f.fib;
	fib_destroy(none);
}

static void nat_no_mapping(struct rig *r)
{
	from_gn(r, (uint16_t)(r->pub.port ^ FIX_WORKERS << 8), BODY);
	fix_mail(r->f.w[1]); /* whose port it may be */
}

static void nat_proto(struct rig *r)
{
	struct ip_addr gn = fix_ip(GN4);

	gn_send(&r->f, 0, r->in,
		fix_ip_packet(r->in, &gn, &r->pub.ip, IPPROTO_GRE, 64, 0, zeros, 40));
}

/* A datagram that leaves in pieces, and no buffer for them. */
static void no_mbuf(struct rig *r)
{
	static struct rte_mbuf *all[4096];
	uint16_t len = inner_udp(r, 3000);
	unsigned int n = 0;
	struct rte_mbuf *m;

	r->in[6] = 0; /* DF */
	sum_again(r->in);
	m = node_frame(&r->n, WIRE_DATA, r->in, len);
	while ((all[n] = rte_pktmbuf_alloc(r->f.pool)) != NULL)
		n++;
	give(r, m);
	rte_pktmbuf_free_bulk(all, n);
}

static void lane_full(struct rig *r)
{
	for (int i = 0; i < LANE_MAX + 1; i++)
		fix_inject(r->w, node_frame(&r->n, WIRE_DATA, r->in, inner_udp(r, BODY)));
	fix_run(r->w);
	rte_pktmbuf_free(fix_out(r->w));
}

/* No room in front for the header of the tunnel. */
static void headroom(struct rig *r)
{
	struct endpoint gn = {fix_ip(GN4), 53};
	uint16_t len = pkt_udp(r->in, &gn, &r->pub, 64, zeros, BODY);
	struct rte_mbuf *m = fix_frame(&r->f, r->in, len);
	uint8_t *to = (uint8_t *)m->buf_addr;

	memmove(to, rte_pktmbuf_mtod(m, void *), rte_pktmbuf_data_len(m));
	m->data_off = 0;
	give(r, m);
}

static void to_hop(struct rig *r, enum nexthop_state state, uint32_t flags)
{
	node_send(&r->n, r->in, inner_udp(r, BODY));
	assert_int_equal(r->w->lanes.tx.n, 1);
	pkt_meta(r->w->lanes.tx.pkt[0])->flags |= flags;
	atomic_store_explicit(&r->f.nexthops[1].word, (uint64_t)state << 48, memory_order_release);
	tx_stage(r->w);
}

static void tx_down(struct rig *r)
{
	to_hop(r, NEXTHOP_READY, 0); /* no port is there */
}

static void neigh_failed(struct rig *r)
{
	to_hop(r, NEXTHOP_FAILED, 0);
}

static void neigh_pending(struct rig *r)
{
	to_hop(r, NEXTHOP_PENDING, PKT_UNHELD);
}

/* Two packets for a ring of one. */
static void to_ring(struct rig *r, struct mailbox **ring, struct burst *lane)
{
	struct mailbox box;
	struct mail m;

	assert_int_equal(mailbox_init(&box, "drops_ring", 2), 0);
	for (int i = 0; i < 4; i++) {
		r->w->stats.rx++;
		burst_push(&r->w->stats, lane, to_own(r, zeros, 64));
	}
	*ring = &box;
	hand_stage(r->w);
	*ring = NULL;
	while (mailbox_take(&box, &m, 1) == 1)
		rte_pktmbuf_free(m.ptr);
	mailbox_fini(&box);
}

static void control_full(struct rig *r)
{
	to_ring(r, &r->w->control, &r->w->lanes.control);
}

static void dc_full(struct rig *r)
{
	to_ring(r, &r->w->dc, &r->w->lanes.dc);
}

static void tap_full(struct rig *r)
{
	to_ring(r, &r->w->tap, &r->w->lanes.local);
}

static const struct {
	enum drop_reason why;
	void (*cause)(struct rig *r);
	unsigned int times;
} rows[] = {
	{DROP_MULTI_SEG, multi_seg, 1},
	{DROP_NTM_VERSION, ntm_version, 1},
	{DROP_NTM_RESERVED, ntm_reserved, 1},
	{DROP_NTM_TYPE, ntm_type, 1},
	{DROP_NTM_SHORT, ntm_short, 1},
	{DROP_NO_ASSOC, no_assoc, 1},
	{DROP_SEALED_LEN, sealed_len, 1},
	{DROP_INNER_BAD, inner_bad, 1},
	{DROP_ECN, ecn, 1},
	{DROP_PART_MISMATCH, part_mismatch, 2},
	{DROP_PART_FULL, part_full, 1},
	{DROP_REFUSED_DEST, refused_dest, 3},
	{DROP_NO_ROUTE, no_route, 1},
	{DROP_NAT_NO_MAPPING, nat_no_mapping, 1},
	{DROP_NAT_PROTO, nat_proto, 1},
	{DROP_NO_MBUF, no_mbuf, 1},
	{DROP_LANE_FULL, lane_full, 1},
	{DROP_HEADROOM, headroom, 1},
	{DROP_TX_DOWN, tx_down, 1},
	{DROP_NEIGH_FAILED, neigh_failed, 1},
	{DROP_NEIGH_PENDING, neigh_pending, 1},
	{DROP_CONTROL_FULL, control_full, 3},
	{DROP_DC_FULL, dc_full, 3},
	{DROP_TAP_FULL, tap_full, 3},
};

static void rows_hold(void **state)
{
	/* Of all tables a little, and one epoch for each leg. */
	const struct rs_dp_config cfg = {.legs_max = 2, .keys_max = 2};
	static struct rig r;
	struct ip_addr vip = fix_ip(VIP_GN4), rip = fix_ip(GN4);
	struct rs_event ev;

	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		uint64_t sum;

		print_message("%s\n", drop_name(rows[i].why));
		fix_up(&r.f, &cfg);
		r.w = r.f.w[0];
		node_up(&r.n, &r.f, 0, NODE_VIP4, NODE_VIP6);
		assert_int_equal(rs_dp_binding_add(r.f.dp, r.n.index, 1, &vip, &rip), 0);
		r.pub.ip = fix_ip("192.0.2.64");
		good(&r);
		sum = stats_drop_sum(&r.w->stats) + stats_drop_sum(&r.f.w[1]->stats);
		assert_int_equal(sum, 0);
		rows[i].cause(&r);
		sum = stats_drop_sum(&r.w->stats) + stats_drop_sum(&r.f.w[1]->stats);
		if (sum != rows[i].times)
			fix_print_drops(r.w);
		assert_int_equal(sum, rows[i].times);
		assert_int_equal(r.w->stats.drops[rows[i].why] + r.f.w[1]->stats.drops[rows[i].why],
				 rows[i].times);
		good(&r);
		while (fix_event(&r.f, &ev))
			;
		node_down(&r.n);
		fix_down(&r.f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_hold),
	};
	int ret;

	eal_start();
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	eal_stop();
	return ret;
}
