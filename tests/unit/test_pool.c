/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/pool.h"

#include "common/rng.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static struct ip_prefix prefix(const char *text)
{
	struct ip_prefix p;

	assert_int_equal(prefix_parse(text, &p), 0);
	return p;
}

static void test_until_empty(void **state)
{
	struct ip_prefix pre = prefix("240.1.2.0/27");
	struct ip_addr a[32];
	struct pool p;
	int n = 0;

	assert_int_equal(pool_init(&p, &pre, 1000), 0);
	while (pool_take(&p, &a[n]) == 0) {
		assert_true(prefix_contains(&pre, &a[n]));
		n++;
	}
	/* 32 addresses, the first 16 kept for nodes' own use, the last not used in IPv4. */
	assert_int_equal(n, 15);
	assert_int_equal(pool_take(&p, &a[15]), -ENOSPC);
	pool_give(&p, &a[3]);
	assert_int_equal(pool_take(&p, &a[15]), 0);
	assert_true(ip_equal(&a[3], &a[15]));
	pool_fini(&p);
}

static void test_claim(void **state)
{
	struct ip_prefix pre = prefix("fd00:1::/64");
	struct ip_addr a, b;
	struct pool p;

	assert_int_equal(pool_init(&p, &pre, 8), 0);
	assert_int_equal(ip_parse("fd00:1::15", &a), 0);
	assert_int_equal(pool_claim(&p, &a), 0);
	assert_int_equal(pool_claim(&p, &a), -EEXIST);
	assert_int_equal(ip_parse("fd00:2::15", &b), 0);
	assert_int_equal(pool_claim(&p, &b), -ERANGE);
	assert_int_equal(ip_parse("fd00:1::3", &b), 0);
	assert_int_equal(pool_claim(&p, &b), -ERANGE); /* a reserved one */
	assert_int_equal(ip_parse("fd00:1::1:0:0:15", &b), 0);
	assert_int_equal(pool_claim(&p, &b), -ERANGE);
	/* The next one given lies behind what the store has. */
	assert_int_equal(pool_take(&p, &b), 0);
	assert_int_equal(pool_number(&pre, &b), 0x16);
	pool_fini(&p);
}

static void test_refused(void **state)
{
	struct ip_prefix small = prefix("240.0.0.0/28"), odd = prefix("240.0.0.0/24");
	struct pool p;

	assert_int_equal(pool_init(&p, &small, 8), -EINVAL);
	odd.ip.b[15] = 1;
	assert_int_equal(pool_init(&p, &odd, 8), -EINVAL);
}

/* Against a slow obvious twin: an array of what is out. */
static void test_twin(void **state)
{
	struct ip_prefix pre = prefix("240.9.0.0/24");
	uint64_t seed = (uint64_t)time(NULL);
	bool out[256] = {false};
	struct rng rng;
	struct pool p;
	int n = 0;

	print_message("seed %lu\n", (unsigned long)seed);
	rng_init_seeded(&rng, seed);
	assert_int_equal(pool_init(&p, &pre, 1000), 0);
	for (int i = 0; i < 20000; i++) {
		struct ip_addr a = pool_address(&pre, (uint32_t)rng_below(&rng, 256));
		uint8_t k;

		if (rng_below(&rng, 2) == 0) {
			if (pool_take(&p, &a) < 0) {
				assert_int_equal(n, 239);
				continue;
			}
			k = (uint8_t)pool_number(&pre, &a);
			assert_false(out[k]);
			assert_true(k >= POOL_RESERVED && k < 255);
			out[k] = true;
			n++;
		} else {
			pool_give(&p, &a);
			if (pool_number(&pre, &a) < 0)
				continue; /* the last address is none of the pool */
			k = (uint8_t)pool_number(&pre, &a);
			n -= out[k];
			out[k] = false;
		}
		assert_int_equal(p.used, n);
	}
	pool_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_until_empty),
		cmocka_unit_test(test_claim),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_twin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
