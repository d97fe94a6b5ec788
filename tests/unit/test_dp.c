/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/dp_impl.h"
#include "common/bytes.h"
#include "common/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Two packet paths back to back under one path's keys; what one emits is kept for the other. */

enum { QUEUE = 64 };
#define PATH_ID 0x1122334455667788ULL
#define START 1000000000000ULL

struct end {
	struct dp *dp;
	struct vips own;
	unsigned int out_n, in_n, raw, misses;
	struct {
		size_t len;
		uint8_t tos;
		uint8_t b[DP_PACKET_MAX];
	} out[QUEUE], in[QUEUE];
};

static struct rng rng;
static struct end a, b;

static void op_emit(void *ctx, uint8_t link, const struct endpoint *to, uint8_t tos,
		    const uint8_t *pkt, size_t len)
{
	struct end *e = ctx;

	assert_true(e->out_n < QUEUE);
	e->out[e->out_n].len = len;
	e->out[e->out_n].tos = tos;
	memcpy(e->out[e->out_n++].b, pkt, len);
}

static void op_deliver(void *ctx, uint8_t *pkt, size_t len)
{
	struct end *e = ctx;

	assert_true(e->in_n < QUEUE);
	e->in[e->in_n].len = len;
	memcpy(e->in[e->in_n++].b, pkt, len);
}

static const struct dp_ops ops = {.emit = op_emit, .deliver = op_deliver};

static void ev_body(void *ctx, uint64_t now, const struct datapath_rx *rx, const uint8_t *body,
		    size_t len)
{
}

static void ev_raw(void *ctx, uint64_t now, uint8_t link, const struct endpoint *from,
		   const uint8_t *pkt, size_t len)
{
	((struct end *)ctx)->raw++;
}

static void ev_miss(void *ctx, uint64_t now, const struct ip_addr *vip)
{
	((struct end *)ctx)->misses++;
}

static void ev_heard(void *ctx, uint64_t now, uint64_t id, uint8_t epoch)
{
}

static void ev_id(void *ctx, uint64_t now, uint64_t id)
{
}

static void ev_moved(void *ctx, uint64_t now, const struct datapath_rx *rx)
{
}

static const struct datapath_events events = {
	.body = ev_body,
	.raw = ev_raw,
	.miss = ev_miss,
	.heard = ev_heard,
	.rekey_due = ev_id,
	.moved = ev_moved,
	.active = ev_id,
};

static struct ip_addr addr(const char *text)
{
	struct ip_addr ip;

	assert_int_equal(ip_parse(text, &ip), 0);
	return ip;
}

static const struct endpoint *remote(void)
{
	static struct endpoint ep;

	ep = (struct endpoint){.ip = addr("20.0.0.9"), .port = 5525};
	return &ep;
}

static void end_make(struct end *e, const char *v4, const char *v6)
{
	struct dp_params p = {.assocs = 4, .vips = 16, .mtu = 1420, .rng = &rng};
	struct datapath d;

	memset(e, 0, sizeof(*e));
	e->own.v4 = addr(v4);
	e->own.v6 = addr(v6);
	e->dp = dp_create(&p, &ops, e, &events);
	assert_non_null(e->dp);
	dp_attach(e->dp, e);
	d = dp_datapath(e->dp);
	d.ops->own_set(d.dp, &e->own);
}

/* Keys of epoch 0, the peer's VIPs, one route that takes outer packets of this size. */
static void end_join(struct end *e, const struct end *peer, bool is_side_a, uint16_t outer,
		     const uint8_t *to_b, const uint8_t *to_a)
{
	struct datapath d = dp_datapath(e->dp);
	struct datapath_assoc as = {.id = PATH_ID, .is_side_a = is_side_a, .peer = peer->own};
	struct datapath_route r = {.to = *remote(), .outer = outer};
	struct epoch_keys k = {.own_index = PATH_ID,
			       .peer_index = PATH_ID,
			       .is_side_a = is_side_a,
			       .is_fresh = true,
			       .may_send = true};

	as.limits = session_limits_default;
	assert_int_equal(keys_derive(&k.send, SUITE_DEFAULT, is_side_a ? to_b : to_a), 0);
	assert_int_equal(keys_derive(&k.recv, SUITE_DEFAULT, is_side_a ? to_a : to_b), 0);
	assert_int_equal(d.ops->assoc_add(d.dp, START, &as), 0);
	assert_int_equal(d.ops->key_install(d.dp, START, &k), 0);
	assert_int_equal(d.ops->route_set(d.dp, START, PATH_ID, 0, &r), 0);
	assert_int_equal(d.ops->route_use(d.dp, START, PATH_ID, 0), 0);
	assert_int_equal(d.ops->vip_set(d.dp, START, &peer->own.v4, PATH_ID), 0);
	assert_int_equal(d.ops->vip_set(d.dp, START, &peer->own.v6, PATH_ID), 0);
}

static void join(uint16_t outer)
{
	uint8_t to_b[KEYS_SPLIT_LEN], to_a[KEYS_SPLIT_LEN];

	rng_fill(&rng, to_b, sizeof(to_b));
	rng_fill(&rng, to_a, sizeof(to_a));
	end_join(&a, &b, true, outer, to_b, to_a);
	end_join(&b, &a, false, outer, to_b, to_a);
}

static int setup(void **state)
{
	rng_init_seeded(&rng, 7);
	end_make(&a, "240.0.0.1", "fd00::1");
	end_make(&b, "240.0.0.2", "fd00::2");
	return 0;
}

static int teardown(void **state)
{
	/* Whatever a test did, each packet ended in exactly one counter. */
	assert_true(dp_conserves(a.dp));
	assert_true(dp_conserves(b.dp));
	dp_destroy(a.dp);
	dp_destroy(b.dp);
	return 0;
}

static size_t make_v4(uint8_t *p, const struct ip_addr *src, const struct ip_addr *dst, size_t len,
		      bool df)
{
	uint32_t be;

	for (size_t i = 20; i < len; i++)
		p[i] = (uint8_t)(i * 31);
	memset(p, 0, 20);
	p[0] = 0x45;
	store_be16(p + 2, (uint16_t)len);
	p[6] = df ? 0x40 : 0;
	p[8] = 64;
	p[9] = 17;
	be = ip_v4(src);
	memcpy(p + 12, &be, 4);
	be = ip_v4(dst);
	memcpy(p + 16, &be, 4);
	store_be16(p + 10, dp_csum(0, p, 20));
	return len;
}

static void send_v4(struct end *e, const struct ip_addr *src, const struct ip_addr *dst, size_t len,
		    bool df)
{
	struct dp_buf buf;

	make_v4(buf.room + DP_HEADROOM, src, dst, len, df);
	dp_output(e->dp, START, buf.room + DP_HEADROOM, len);
}

static void give(struct end *to, const struct end *from, unsigned int i, uint8_t tos)
{
	uint8_t pkt[DP_PACKET_MAX];

	memcpy(pkt, from->out[i].b, from->out[i].len);
	dp_input(to->dp, START, 0, remote(), tos, pkt, from->out[i].len);
}

static uint64_t counter(const struct end *e, enum dp_counter c)
{
	return dp_counters(e->dp)[c];
}

static void test_through(void **state)
{
	uint8_t expected[200];

	join(1500);
	make_v4(expected, &a.own.v4, &b.own.v4, sizeof(expected), true);
	send_v4(&a, &a.own.v4, &b.own.v4, sizeof(expected), true);
	assert_int_equal(a.out_n, 1);
	assert_int_equal(a.out[0].len, sizeof(expected) + WIRE_OVERHEAD);
	give(&b, &a, 0, 0);
	assert_int_equal(b.in_n, 1);
	assert_int_equal(b.in[0].len, sizeof(expected));
	assert_memory_equal(b.in[0].b, expected, sizeof(expected));
	give(&b, &a, 0, 0);
	assert_int_equal(b.in_n, 1);
	assert_int_equal(counter(&b, DP_RX_REPLAY), 1);
	give(&a, &a, 0, 0);
	assert_int_equal(counter(&a, DP_RX_REFLECTED), 1);
	a.out[0].b[20] ^= 1;
	a.out[0].b[7]++; /* another sequence, so that it is not a replay */
	give(&b, &a, 0, 0);
	assert_int_equal(counter(&b, DP_RX_AUTH), 1);
	assert_int_equal(b.in_n, 1);
}

/* Every byte of a good packet changed, every length cut: never delivered, always counted. */
static void test_mutated(void **state)
{
	uint8_t pkt[DP_PACKET_MAX];
	size_t len;

	join(1500);
	send_v4(&a, &a.own.v4, &b.own.v4, 100, true);
	len = a.out[0].len;
	for (size_t i = 0; i < len; i++) {
		memcpy(pkt, a.out[0].b, len);
		pkt[i] ^= 0x10;
		dp_input(b.dp, START, 0, remote(), 0, pkt, len);
		assert_true(dp_conserves(b.dp));
	}
	for (size_t n = 0; n < len; n++) {
		memcpy(pkt, a.out[0].b, len);
		dp_input(b.dp, START, 0, remote(), 0, pkt, n);
		assert_true(dp_conserves(b.dp));
	}
	assert_int_equal(b.in_n, 0);
	give(&b, &a, 0, 0);
	assert_int_equal(b.in_n, 1);
}

/* docs/protocol.md section 4: source the peer's VIP, destination the own; and what goes out. */
static void test_addresses(void **state)
{
	struct ip_addr other = addr("240.0.0.77");

	join(1500);
	send_v4(&a, &other, &b.own.v4, 100, true);
	assert_int_equal(counter(&a, DP_TX_NOT_OWN), 1);
	assert_int_equal(a.out_n, 0);
	/* An authentic peer that sends what it must not: its own checks are turned off. */
	a.dp->own.v4 = other;
	send_v4(&a, &other, &b.own.v4, 100, true);
	give(&b, &a, 0, 0);
	assert_int_equal(counter(&b, DP_RX_NOT_PEER), 1);
	a.dp->own.v4 = a.own.v4;
	b.dp->own.v4 = other;
	send_v4(&a, &a.own.v4, &b.own.v4, 100, true);
	give(&b, &a, 1, 0);
	assert_int_equal(counter(&b, DP_RX_NOT_OURS), 1);
	assert_int_equal(b.in_n, 0);
}

static void parts(bool swapped)
{
	uint8_t expected[1280];

	join(1280);
	make_v4(expected, &a.own.v4, &b.own.v4, sizeof(expected), true);
	send_v4(&a, &a.own.v4, &b.own.v4, sizeof(expected), true);
	assert_int_equal(a.out_n, 2);
	assert_true(a.out[0].len + DP_UDP_OVERHEAD_V4 <= 1280);
	give(&b, &a, swapped ? 1 : 0, 0);
	assert_int_equal(b.in_n, 0);
	give(&b, &a, swapped ? 0 : 1, 0);
	assert_int_equal(b.in_n, 1);
	assert_int_equal(b.in[0].len, sizeof(expected));
	assert_memory_equal(b.in[0].b, expected, sizeof(expected));
}

static void test_parts(void **state)
{
	parts(false);
}

static void test_parts_swapped(void **state)
{
	parts(true);
}

/* 16 wait for one association, 200 ms each. */
static void test_parts_bounded(void **state)
{
	join(1280);
	for (int i = 0; i < DP_PARTS_PER_ASSOC + 4; i++) {
		send_v4(&a, &a.own.v4, &b.own.v4, 1280, true);
		give(&b, &a, 2 * (unsigned int)i, 0);
	}
	assert_int_equal(counter(&b, DP_PART_EXPIRED), 4);
	dp_poll(b.dp, START + DP_PART_NS - 1);
	assert_int_equal(counter(&b, DP_PART_EXPIRED), 4);
	dp_poll(b.dp, START + DP_PART_NS);
	assert_int_equal(counter(&b, DP_PART_EXPIRED), DP_PARTS_PER_ASSOC + 4);
	give(&b, &a, 1, 0);
	assert_int_equal(b.in_n, 0);
}

static void test_too_big(void **state)
{
	join(1400);
	send_v4(&a, &a.own.v4, &b.own.v4, 1400, true);
	assert_int_equal(counter(&a, DP_TX_TOO_BIG), 1);
	assert_int_equal(a.in_n, 1);
	assert_int_equal(a.in[0].b[20], 3);
	assert_int_equal(a.in[0].b[21], 4);
	assert_int_equal(load_be16(a.in[0].b + 26), 1400 - DP_UDP_OVERHEAD_V4 - WIRE_OVERHEAD);
	assert_int_equal(dp_csum(0, a.in[0].b + 20, a.in[0].len - 20), 0);
	/* Without DF it is fragmented, and each fragment is a good packet. */
	send_v4(&a, &a.own.v4, &b.own.v4, 1400, false);
	assert_int_equal(a.out_n, 2);
	give(&b, &a, 0, 0);
	give(&b, &a, 1, 0);
	assert_int_equal(b.in_n, 2);
	assert_int_equal(b.in[0].len + b.in[1].len, 1400 + 20);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(dp_csum(0, b.in[i].b, 20), 0);
	assert_int_equal(load_be16(b.in[0].b + 6), 0x2000);
	assert_int_equal(load_be16(b.in[1].b + 6) * 8, b.in[0].len - 20);
}

/* Without a path: one miss, 32 held, refused or released or expired. */
static void test_hold(void **state)
{
	struct datapath d = dp_datapath(a.dp);

	for (int i = 0; i < DATAPATH_HOLD_MAX + 3; i++)
		send_v4(&a, &a.own.v4, &b.own.v4, 100, true);
	assert_int_equal(a.misses, 1);
	assert_int_equal(dp_held(a.dp), DATAPATH_HOLD_MAX);
	assert_int_equal(counter(&a, DP_TX_HOLD_FULL), 3);
	join(1500);
	assert_int_equal(dp_held(a.dp), 0);
	assert_int_equal(a.out_n, DATAPATH_HOLD_MAX);
	/* A direction in vain must not take the path's VIP away. */
	d.ops->vip_refuse(d.dp, START, &b.own.v4);
	send_v4(&a, &a.own.v4, &b.own.v4, 100, true);
	assert_int_equal(a.out_n, DATAPATH_HOLD_MAX + 1);
}

static void test_hold_expires(void **state)
{
	send_v4(&a, &a.own.v4, &b.own.v4, 100, true);
	dp_poll(a.dp, START + DATAPATH_HOLD_NS - 1);
	assert_int_equal(a.in_n, 0);
	dp_poll(a.dp, START + DATAPATH_HOLD_NS);
	assert_int_equal(a.in_n, 1);
	assert_int_equal(a.in[0].b[20], 3);
	assert_int_equal(a.in[0].b[21], 1);
	assert_int_equal(counter(&a, DP_TX_HOLD_EXPIRED), 1);
	assert_int_equal(dp_held(a.dp), 0);
}

/* A packet larger than the smallest waits while the route's size is not known. */
static void test_size_unknown(void **state)
{
	struct datapath d = dp_datapath(a.dp);
	struct datapath_route r = {.to = *remote(), .outer = 1500};

	join(0);
	send_v4(&a, &a.own.v4, &b.own.v4, 1280, true);
	send_v4(&a, &a.own.v4, &b.own.v4, 1400, true);
	assert_int_equal(a.out_n, 1);
	assert_int_equal(dp_held(a.dp), 1);
	assert_int_equal(d.ops->route_set(d.dp, START, PATH_ID, 0, &r), 0);
	assert_int_equal(a.out_n, 2);
}

static void test_credit(void **state)
{
	struct datapath d = dp_datapath(a.dp);
	struct datapath_route r = {.to = *remote(),
				   .outer = 1500,
				   .credit_bytes = 300,
				   .credit_until_ns = START + 1000};

	join(1500);
	assert_int_equal(d.ops->route_set(d.dp, START, PATH_ID, 0, &r), 0);
	for (int i = 0; i < 4; i++)
		send_v4(&a, &a.own.v4, &b.own.v4, 100, true);
	assert_int_equal(a.out_n, 2);
	assert_int_equal(counter(&a, DP_TX_NO_CREDIT), 2);
}

/* RFC 6040 section 4.2: rows inner, columns outer (not, 1, 0, CE); -1 drop. */
static void test_ecn(void **state)
{
	static const int expected[4][4] = {
		[0] = {0, 0, 0, -1}, [1] = {1, 1, 1, 3}, [2] = {2, 1, 2, 3}, [3] = {3, 3, 3, 3}};
	uint8_t p[40];

	for (uint8_t inner = 0; inner < 4; inner++) {
		for (uint8_t outer = 0; outer < 4; outer++) {
			make_v4(p, &a.own.v4, &b.own.v4, sizeof(p), true);
			p[1] = inner;
			store_be16(p + 10, 0);
			store_be16(p + 10, dp_csum(0, p, 20));
			assert_int_equal(dp_packet_ecn(p, outer), expected[inner][outer] >= 0);
			if (expected[inner][outer] < 0)
				continue;
			assert_int_equal(p[1] & 3, expected[inner][outer]);
			assert_int_equal(dp_csum(0, p, 20), 0);
		}
	}
}

/* The clamped SYN's checksum is what a full sum gives, at even and odd places of the option. */
static void test_mss(void **state)
{
	for (unsigned int nops = 0; nops < 4; nops++) {
		uint8_t p[20 + 28];
		uint8_t *t = p + 20, *o = t + 20;
		uint32_t pseudo;

		make_v4(p, &a.own.v4, &b.own.v4, sizeof(p), true);
		p[9] = 6;
		memset(t, 0, 28);
		t[12] = 7 << 4;
		t[13] = 2;
		memset(o, 1, 8);
		o[nops] = 2;
		o[nops + 1] = 4;
		store_be16(o + nops + 2, 1460);
		pseudo = dp_csum_add(6 + 28, p + 12, 8);
		store_be16(t + 16, dp_csum(pseudo, t, 28));
		assert_true(dp_packet_clamp(p, sizeof(p), 1280));
		assert_int_equal(load_be16(o + nops + 2), 1240);
		assert_int_equal(dp_csum(pseudo, t, 28), 0);
		assert_false(dp_packet_clamp(p, sizeof(p), 1280));
	}
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_through),	 CASE(test_mutated),	   CASE(test_addresses),
		CASE(test_parts),	 CASE(test_parts_swapped), CASE(test_parts_bounded),
		CASE(test_too_big),	 CASE(test_hold),	   CASE(test_hold_expires),
		CASE(test_size_unknown), CASE(test_credit),	   CASE(test_ecn),
		CASE(test_mss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
