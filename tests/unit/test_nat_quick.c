/* SPDX-License-Identifier: BSD-3-Clause */
/* The quick way through the NAT beside the long one, on random packets: it takes none that tuple_parse()
 * would not, and what it writes is what rewrite_packet() writes, to the byte.
 */
#include "appliance/pipeline/nat_quick.h"
#include "common/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

enum { ROUNDS = 200000, LEN_MAX = 96, HEADS = 40 };

/* An IPv4 packet that is nearly always right: UDP or TCP, checksums of the header right, the upper one
 * anything, sometimes the ones at the edge.
 */
static uint16_t packet_make(struct rng *r, uint8_t *p)
{
	uint16_t len = (uint16_t)(HEADS + rng_below(r, LEN_MAX - HEADS)), sum;
	bool tcp = rng_below(r, 2) != 0;
	static const uint16_t edge[] = {0, 0xffff, 0x0100, 0xfffe};

	rng_fill(r, p, LEN_MAX);
	p[0] = 0x45;
	store_be16(p + 2, len);
	store_be16(p + 6, rng_below(r, 2) ? 0x4000 : 0);
	p[8] = (uint8_t)(2 + rng_below(r, 254));
	p[9] = tcp ? IPPROTO_TCP : IPPROTO_UDP;
	if (tcp) {
		p[32] = 0x50;
		p[33] = 0x10;
	} else {
		store_be16(p + 24, (uint16_t)(len - IP4_HDR_LEN));
	}
	if (rng_below(r, 4) == 0)
		store_be16(p + (tcp ? 36 : 26), edge[rng_below(r, 4)]);
	store_be16(p + 10, 0);
	sum = (uint16_t)~csum_fold(csum_bytes(p, IP4_HDR_LEN, 0));
	memcpy(p + 10, &sum, 2);
	return len;
}

/* One byte or the length anything else. */
static void spoil(struct rng *r, uint8_t *p, uint16_t *len)
{
	if (rng_below(r, 2))
		p[rng_below(r, HEADS)] = (uint8_t)rng_u64(r);
	else
		*len = (uint16_t)rng_below(r, LEN_MAX);
}

static struct ip_addr addr_of(struct rng *r)
{
	return ip_from_v4((uint32_t)rng_u64(r));
}

/* New addresses, and one new port, as both directions have it. */
static void compare(struct rng *r, const uint8_t *p, uint16_t len)
{
	uint8_t a[LEN_MAX], b[LEN_MAX];
	struct ip_addr src = addr_of(r), dst = addr_of(r);
	bool out = rng_below(r, 2) != 0;
	uint16_t port = (uint16_t)rng_u64(r);
	struct cut c = {b, len};
	struct tuple t;
	struct rewrite w = {.src = &src, .dst = &dst};

	memcpy(a, p, LEN_MAX);
	memcpy(b, p, LEN_MAX);
	nat_quick_write(a, ip_v4(&src), ip_v4(&dst),
			out ? nat_quick_sport(a, port) : nat_quick_dport(a, port));
	assert_int_equal(tuple_parse(b, len, &t), DROP_MAX);
	w.sport = out ? port : t.sport;
	w.dport = out ? t.dport : port;
	assert_int_equal(rewrite_packet(&c, &t, &w), DROP_MAX);
	assert_memory_equal(a, b, LEN_MAX);
}

/* What the long way says of a packet that the quick one takes. */
static void same_reading(const uint8_t *p, uint16_t len)
{
	struct ip_addr src = nat_quick_src(p), dst = nat_quick_dst(p);
	struct tuple t;

	assert_int_equal(tuple_parse(p, len, &t), DROP_MAX);
	assert_true(t.class == TUPLE_UDP || t.class == TUPLE_TCP);
	assert_int_equal(t.class, nat_quick_proto(p));
	assert_int_equal(t.len, len);
	assert_int_equal(t.l4, IP4_HDR_LEN);
	assert_true(t.ttl > 1);
	assert_true(ip_equal(&t.src, &src) && ip_equal(&t.dst, &dst));
	assert_int_equal(t.sport, load_be16(p + QUICK_AT_SPORT));
	assert_int_equal(t.dport, load_be16(p + QUICK_AT_DPORT));
	assert_int_equal(t.tcp_flags & QUICK_TCP_ODD, 0);
}

static void against_long_way(void **state)
{
	const char *env = getenv("SEED");
	uint64_t seed = env != NULL ? strtoull(env, NULL, 0) : (uint64_t)time(NULL);
	unsigned int taken = 0;
	struct rng r;

	print_message("SEED=%llu\n", (unsigned long long)seed);
	rng_init_seeded(&r, seed);
	for (int i = 0; i < ROUNDS; i++) {
		uint8_t p[LEN_MAX];
		uint16_t len = packet_make(&r, p);

		assert_true(nat_quick_is(p, len));
		if (rng_below(&r, 2))
			spoil(&r, p, &len);
		if (!nat_quick_is(p, len))
			continue;
		taken++;
		same_reading(p, len);
		compare(&r, p, len);
	}
	assert_true(taken > ROUNDS / 2);
}

/* What opens or ends a connection, asks, is cut or has options goes the long way. */
static void others_are_left(void **state)
{
	static const struct {
		const char *what;
		uint8_t at, value;
	} rows[] = {
		{"options", 0, 0x46},
		{"IPv6", 0, 0x60},
		{"a first piece", 6, 0x20},
		{"a later piece", 7, 0x01},
		{"TTL 1", 8, 1},
		{"TTL 0", 8, 0},
		{"ICMP", 9, IPPROTO_ICMP},
		{"SYN", 33, 0x02},
		{"FIN", 33, 0x11},
		{"RST", 33, 0x04},
		{"TCP options beyond", 32, 0xf0},
		{"TCP short", 32, 0x40},
	};
	struct rng r;
	uint8_t p[LEN_MAX];

	rng_init_seeded(&r, 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint16_t len;

		do
			len = packet_make(&r, p);
		while (p[9] != IPPROTO_TCP || len > 60);
		p[rows[i].at] = rows[i].value;
		if (nat_quick_is(p, len))
			fail_msg("%s", rows[i].what);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(against_long_way),
		cmocka_unit_test(others_are_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
