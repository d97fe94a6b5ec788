/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/base64.h"
#include "common/join.h"
#include "common/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* RFC 4648 section 10. */
static const char *const rfc4648[][2] = {
	{"", ""},
	{"f", "Zg=="},
	{"fo", "Zm8="},
	{"foo", "Zm9v"},
	{"foob", "Zm9vYg=="},
	{"fooba", "Zm9vYmE="},
	{"foobar", "Zm9vYmFy"},
};

static void test_base64(void **state)
{
	char text[16];
	uint8_t back[8];

	for (size_t i = 0; i < sizeof(rfc4648) / sizeof(rfc4648[0]); i++) {
		size_t n = strlen(rfc4648[i][0]);

		base64_encode(rfc4648[i][0], n, false, text);
		assert_string_equal(text, rfc4648[i][1]);
		assert_int_equal(base64_decode(text, strlen(text), back, n), 0);
		assert_memory_equal(back, rfc4648[i][0], n);
		base64_encode(rfc4648[i][0], n, true, text);
		assert_null(strchr(text, '='));
		assert_int_equal(base64_decode(text, strlen(text), back, n), 0);
		assert_memory_equal(back, rfc4648[i][0], n);
	}
	base64_encode("\xfb\xff\xbf", 3, true, text);
	assert_string_equal(text, "-_-_");
	base64_encode("\xfb\xff\xbf", 3, false, text);
	assert_string_equal(text, "+/+/");
}

static void test_base64_refused(void **state)
{
	static const struct {
		const char *text;
		size_t len;
	} rows[] = {{"Zg==", 2}, {"Zg=", 1},  {"Zh==", 1},  {"Z===", 0},     {"Zm9v", 2},
		    {"Zm9v", 4}, {"Zm v", 3}, {"Zm9\n", 3}, {"Zm9v====", 3}, {"Zm8", 3}};
	uint8_t out[8];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (base64_decode(rows[i].text, strlen(rows[i].text), out, rows[i].len) == 0)
			fail_msg("taken: %s as %zu bytes", rows[i].text, rows[i].len);
}

static void test_join(void **state)
{
	struct join j = {.name = "alice.dc1.example", .dc = "dc1.example", .expires_s = 1767225600};
	char text[JOIN_TEXT_MAX], again[JOIN_TEXT_MAX];
	struct join k;
	struct rng rng;

	rng_init_seeded(&rng, 1);
	for (int i = 0; i < 200; i++) {
		rng_fill(&rng, j.dc_key, sizeof(j.dc_key));
		rng_fill(&rng, j.token, sizeof(j.token));
		memset(&k, 0xff, sizeof(k));
		assert_int_equal(join_parse(join_format(&j, text), &k), 0);
		assert_memory_equal(&j, &k, sizeof(j));
		assert_string_equal(join_format(&k, again), text);
	}
}

#define KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static void test_join_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"ntm1:",
		"ntm2:a.b:b:" KEY ":" KEY ":0",
		"ntm1:a.b:b:" KEY ":" KEY,
		"ntm1:a.b:b:" KEY ":" KEY ":",
		"ntm1:a.b:b:" KEY ":" KEY ":0:",
		"ntm1::b:" KEY ":" KEY ":0",
		"ntm1:a..b:b:" KEY ":" KEY ":0",
		"ntm1:a.:b:" KEY ":" KEY ":0",
		"ntm1:a b:b:" KEY ":" KEY ":0",
		"ntm1:a.b:b:" KEY "A:" KEY ":0",
		"ntm1:a.b:b:" KEY ":B" KEY ":0",
		"ntm1:a.b:b:" KEY ":" KEY ":-1",
		"ntm1:a.b:b:" KEY ":" KEY ":99999999999999999999",
	};
	struct join j;

	assert_int_equal(join_parse("ntm1:a.b:b:" KEY ":" KEY ":0", &j), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (join_parse(bad[i], &j) == 0)
			fail_msg("taken: %s", bad[i]);
}

/* The longest names still fit the buffer. */
static void test_join_longest(void **state)
{
	struct join j = {.expires_s = UINT64_MAX}, k;
	char text[JOIN_TEXT_MAX];

	memset(j.name, 'a', JOIN_NAME_MAX - 1);
	for (int i = 50; i < JOIN_NAME_MAX - 1; i += 50)
		j.name[i] = '.';
	memcpy(j.dc, j.name, sizeof(j.dc));
	memset(j.dc_key, 0xff, sizeof(j.dc_key));
	memset(j.token, 0xff, sizeof(j.token));
	assert_int_equal(join_parse(join_format(&j, text), &k), 0);
	assert_memory_equal(&j, &k, sizeof(j));
	assert_true(strlen(text) < JOIN_TEXT_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64),	     cmocka_unit_test(test_base64_refused),
		cmocka_unit_test(test_join),	     cmocka_unit_test(test_join_refused),
		cmocka_unit_test(test_join_longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
