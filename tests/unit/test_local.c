/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/local.h"
#include "common/bytes.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(text, &a), 0);
	return a;
}

static void test_kinds(void **state)
{
	struct local_addr addrs[] = {
		{addr("192.0.2.1"), 0}, {addr("2001:db8::1"), 1}, {addr("192.0.2.1"), 1}};
	struct local_pool pools[] = {{.port_min = 1024, .port_max = 2047}, {.port_min = 1}};
	const struct local_pool *pool = NULL;
	struct local_table *t;
	struct ip_addr a;

	assert_int_equal(prefix_parse("192.0.2.1/32", &pools[0].prefix), 0);
	assert_int_equal(prefix_parse("2001:db8:1::/64", &pools[1].prefix), 0);
	t = local_create(addrs, 3, pools, 2);
	assert_non_null(t);
	a = addr("192.0.2.1");
	assert_int_equal(local_lookup(t, &a, &pool), LOCAL_BOX | LOCAL_POOL);
	assert_int_equal(pool->port_max, 2047);
	a = addr("2001:db8::1");
	assert_int_equal(local_lookup(t, &a, &pool), LOCAL_BOX);
	a = addr("2001:db8:1::77");
	assert_int_equal(local_lookup(t, &a, NULL), LOCAL_POOL);
	a = addr("192.0.2.2");
	assert_int_equal(local_lookup(t, &a, &pool), 0);
	local_destroy(t);
}

/* Many addresses: every one is found, its neighbours are not. */
static void test_many(void **state)
{
	enum { N = 1000 };
	static struct local_addr addrs[N];
	struct local_table *t;
	uint32_t n;

	for (uint32_t i = 0; i < N; i++) {
		addrs[i].ip = addr("10.0.0.0");
		store_be32(addrs[i].ip.b + 12, 0x0a000000 + 2 * i);
	}
	t = local_create(addrs, N, NULL, 0);
	assert_non_null(t);
	for (uint32_t i = 0; i < N; i++) {
		struct ip_addr next = addrs[i].ip;

		next.b[15] |= 1;
		assert_int_equal(local_lookup(t, &addrs[i].ip, NULL), LOCAL_BOX);
		assert_int_equal(local_lookup(t, &next, NULL), 0);
	}
	(void)local_addrs(t, &n);
	assert_int_equal(n, N);
	local_destroy(t);
	t = local_create(NULL, 0, NULL, 0);
	assert_int_equal(local_lookup(t, &addrs[0].ip, NULL), 0);
	local_destroy(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
