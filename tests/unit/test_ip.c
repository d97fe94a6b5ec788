/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/ip.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(text, &a), 0);
	return a;
}

static const struct {
	const char *text;
	bool global, private_, unicast;
} classes[] = {
	{"8.8.8.8", true, false, true},
	{"10.1.2.3", false, true, true},
	{"100.64.0.1", false, true, true},
	{"127.0.0.1", false, false, false},
	{"169.254.169.254", false, false, true},
	{"0.0.0.0", false, false, false},
	{"224.0.0.1", false, false, false},
	{"240.1.2.3", false, false, true},
	{"255.255.255.255", false, false, false},
	{"198.18.0.1", false, false, true},
	{"2606:4700::1", true, false, true},
	{"fd00::1", false, true, true},
	{"fe80::1", false, false, true},
	{"::1", false, false, false},
	{"::", false, false, false},
	{"ff02::1", false, false, false},
	{"2001:db8::1", false, false, true},
	{"::ffff:127.0.0.1", false, false, false},
	{"2002:7f00:1::1", false, false, true},
	{"2002:808:808::1", true, false, true},
	{"64:ff9b::127.0.0.1", false, false, true},
	{"64:ff9b::8.8.8.8", true, false, true},
};

static void test_classes(void **state)
{
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		struct ip_addr a = addr(classes[i].text);

		if (ip_is_global_unicast(&a) != classes[i].global ||
		    ip_is_private(&a) != classes[i].private_ ||
		    ip_is_unicast(&a) != classes[i].unicast)
			fail_msg("%s is judged wrongly", classes[i].text);
	}
}

static void test_text(void **state)
{
	static const char *const good[] = {"1.2.3.4:5", "[::1]:65535", "0.0.0.0:0"};
	static const char *const bad[] = {"",		"1.2.3.4",	 "::1:5",
					  "[::1:5",	"1.2.3.4:65536", "1.2.3.4:-1",
					  "1.2.3.4:5x", "[::1]5"};
	char buf[ENDPOINT_TEXT_MAX];
	struct endpoint e;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(endpoint_parse(good[i], &e), 0);
		assert_string_equal(endpoint_format(&e, buf), good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_not_equal(endpoint_parse(bad[i], &e), 0);
}

static void test_prefix(void **state)
{
	struct ip_prefix p, q;
	struct ip_addr a = addr("10.9.8.7"), b = addr("11.0.0.1");
	char buf[PREFIX_TEXT_MAX];

	assert_int_equal(prefix_parse("10.0.0.0/8", &p), 0);
	assert_string_equal(prefix_format(&p, buf), "10.0.0.0/8");
	assert_true(prefix_contains(&p, &a));
	assert_false(prefix_contains(&p, &b));
	assert_int_equal(prefix_parse("10.128.0.0/9", &q), 0);
	assert_true(prefix_overlaps(&p, &q) && prefix_overlaps(&q, &p));
	assert_int_equal(prefix_parse("fd00:1::/48", &q), 0);
	assert_false(prefix_overlaps(&p, &q));
	assert_int_not_equal(prefix_parse("10.0.0.1/8", &p), 0);
	assert_int_not_equal(prefix_parse("10.0.0.0/33", &p), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
