/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/pipeline/meta.h"
#include "appliance/port.h"
#include "appliance/udp_out.h"
#include "common/bytes.h"
#include "common/rng.h"
#include "tests/unit/eal_init.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

static struct rte_mempool *pool;

/* RFC 1071, word by word: what a receiver does. 0xffff when the sum is right. */
static uint16_t sum(const uint8_t *p, size_t len, uint32_t start)
{
	uint32_t s = start;

	for (size_t i = 0; i + 1 < len; i += 2)
		s += load_be16(p + i);
	if (len % 2 != 0)
		s += (uint32_t)p[len - 1] << 8;
	while (s >> 16 != 0)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)s;
}

static uint32_t pseudo(const uint8_t *addrs, size_t len, size_t udp_len)
{
	return sum(addrs, len, (uint32_t)(17 + udp_len));
}

static void check(const struct endpoint *src, const struct endpoint *dst, size_t len,
		  struct rng *rng)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	size_t head = ip_is_v4(&dst->ip) ? 20 : 40, udp_len = len + 8;
	uint8_t payload[1500], *p;

	assert_non_null(m);
	memset(pkt_meta(m), 0, sizeof(struct pkt_meta));
	rng_fill(rng, payload, len);
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), payload, len);
	assert_int_equal(udp_frame(m, src, dst), 0);
	assert_int_equal(rte_pktmbuf_pkt_len(m), head + udp_len);
	p = rte_pktmbuf_mtod(m, uint8_t *);
	if (head == 20) {
		assert_int_equal(p[0], 0x45);
		assert_int_equal(load_be16(p + 2), head + udp_len);
		assert_int_equal(load_be16(p + 6), 0x4000);
		assert_int_equal(sum(p, 20, 0), 0xffff);
		assert_memory_equal(p + 12, src->ip.b + 12, 4);
		assert_memory_equal(p + 16, dst->ip.b + 12, 4);
		assert_int_equal(sum(p + 20, udp_len, pseudo(p + 12, 8, udp_len)), 0xffff);
	} else {
		assert_int_equal(p[0], 0x60);
		assert_int_equal(load_be16(p + 4), udp_len);
		assert_int_equal(p[6], 17);
		assert_memory_equal(p + 8, src->ip.b, 16);
		assert_memory_equal(p + 24, dst->ip.b, 16);
		assert_int_equal(sum(p + 40, udp_len, pseudo(p + 8, 32, udp_len)), 0xffff);
	}
	assert_int_not_equal(load_be16(p + head + 6), 0); /* 0 would say "none" */
	assert_int_equal(load_be16(p + head), src->port);
	assert_int_equal(load_be16(p + head + 2), dst->port);
	assert_memory_equal(p + head + 8, payload, len);
	rte_pktmbuf_free(m);
}

static struct endpoint endpoint(const char *text)
{
	struct endpoint e;

	assert_int_equal(endpoint_parse(text, &e), 0);
	return e;
}

static void test_frames(void **state)
{
	const struct endpoint a4 = endpoint("192.0.2.1:5525"), b4 = endpoint("203.0.113.9:40000");
	const struct endpoint a6 = endpoint("[2001:db8::1]:443"),
			      b6 = endpoint("[2001:db8:5::9]:1");
	uint64_t seed = (uint64_t)time(NULL);
	struct rng rng;

	printf("seed %llu\n", (unsigned long long)seed);
	rng_init_seeded(&rng, seed);
	for (size_t len = 0; len < 1400; len += 1 + rng_below(&rng, 7)) {
		check(&a4, &b4, len, &rng);
		check(&a6, &b6, len, &rng);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames),
	};

	eal_start();
	pool = port_pool_create("udp", 255, 2176, SOCKET_ID_ANY);
	if (pool == NULL)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
