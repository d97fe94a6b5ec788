/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/suite.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_names(void **state)
{
	for (unsigned int i = 0; i < 256; i++) {
		uint8_t s = 0xee;

		if (!suite_is_known((uint8_t)i)) {
			assert_string_equal(suite_name((uint8_t)i), "unknown");
			assert_int_equal(suite_key_len((uint8_t)i), 0);
			continue;
		}
		assert_int_equal(suite_parse(suite_name((uint8_t)i), &s), 0);
		assert_int_equal(s, i);
	}
#ifndef NTM_INSECURE_BENCH
	uint8_t s;

	assert_false(suite_is_known(SUITE_NONE));
	assert_int_equal(suite_parse("none", &s), -EINVAL);
	assert_int_equal(suite_parse("unknown", &s), -EINVAL);
#endif
}

static void test_pick(void **state)
{
	static const uint8_t prefer[] = {4, 3, 0, 200, 1};
	uint8_t s;

	assert_int_equal(suite_pick(prefer, 5, SUITE_SET_DEFAULT, SUITE_SET_DEFAULT, &s), 0);
	assert_int_equal(s, SUITE_CHACHA20_POLY1305);
	assert_int_equal(suite_pick(prefer, 5, ~0u, ~0u, &s), 0);
	assert_int_equal(s, SUITE_AES128_CBC_HMAC_MD5);
	assert_int_equal(suite_pick(prefer, 5, 1u << 1, 1u << 1 | 1u << 3, &s), 0);
	assert_int_equal(s, SUITE_AES128_GCM);
	assert_int_equal(suite_pick(prefer, 5, 1u << 1, 1u << 3, &s), -ENOENT);
	assert_int_equal(suite_pick(prefer, 5, 1u << 2, 1u << 2, &s), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_pick),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
