/* SPDX-License-Identifier: BSD-3-Clause */
/* Places as records: what goes in comes out, and nothing else is taken. */
#include "dc/record.h"
#include "tests/unit/dc_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct place place(void)
{
	struct place p = {.index = 1ULL << 63 | 7};

	assert_int_equal(endpoint_parse("[2001:db8::1]:5525", &p.remote), 0);
	assert_int_equal(endpoint_parse("192.0.2.1:443", &p.local), 0);
	return p;
}

static void test_record(void **state)
{
	const struct place in = place();
	struct place out, wrong;
	uint8_t b[RECORD_PLACE_LEN];

	assert_int_equal(record_place_encode(&in, b), sizeof(b));
	assert_int_equal(record_place_decode(&out, b, sizeof(b)), 0);
	assert_int_equal(out.index, in.index);
	assert_true(endpoint_equal(&out.remote, &in.remote));
	assert_true(endpoint_equal(&out.local, &in.local));
	for (size_t len = 0; len < sizeof(b); len++)
		assert_int_equal(record_place_decode(&out, b, len), -EBADMSG);
	b[0]++;
	assert_int_equal(record_place_decode(&out, b, sizeof(b)), -EBADMSG);
	wrong = in;
	wrong.index = 7; /* a Path ID */
	record_place_encode(&wrong, b);
	assert_int_equal(record_place_decode(&out, b, sizeof(b)), -EBADMSG);
	wrong = in;
	assert_int_equal(endpoint_parse("224.0.0.1:5525", &wrong.remote), 0);
	record_place_encode(&wrong, b);
	assert_int_equal(record_place_decode(&out, b, sizeof(b)), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
