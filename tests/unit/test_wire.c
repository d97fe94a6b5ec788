/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void test_layout(void **state)
{
	static const uint8_t want[16] = {0x16, 0xc8, 1, 2,    3,    4,	  5,	6,
					 0x80, 0,    0, 0xaa, 0xbb, 0xcc, 0xdd, 0xee};
	struct wire_fields f = {0};
	uint8_t p[16];

	wire_build(p, WIRE_CONTROL, wire_flags(true, 2, 1), 0x010203040506, 0x800000aabbccddeeULL);
	assert_memory_equal(p, want, sizeof(want));
	assert_int_equal(wire_parse(p, sizeof(p), &f), WIRE_OK);
	assert_int_equal(f.type, WIRE_CONTROL);
	assert_true(f.is_from_a);
	assert_int_equal(f.epoch, 2);
	assert_int_equal(f.route, 1);
	assert_int_equal(f.flags, 0xc8);
	assert_true(f.seq == 0x010203040506 && f.id == 0x800000aabbccddeeULL);
	assert_false(wire_is_path_id(f.id));
	assert_true(wire_is_path_id(f.id & ~WIRE_ID_INDEX));
}

/* Every value of the first two bytes: either refused by name, or built again to the same byte. */
static void test_all_first_bytes(void **state)
{
	uint8_t p[16] = {0}, q[16];
	struct wire_fields f;

	for (unsigned int i = 0; i < 0x10000; i++) {
		enum wire_verdict v, want = WIRE_OK;

		p[0] = (uint8_t)(i >> 8);
		p[1] = (uint8_t)i;
		if (p[0] >> 4 != 1)
			want = WIRE_BAD_VERSION;
		else if ((p[0] & 15) > 8)
			want = WIRE_BAD_TYPE;
		else if ((p[1] & 7) != 0)
			want = WIRE_RESERVED;
		v = wire_parse(p, sizeof(p), &f);
		assert_int_equal(v, want);
		if (v != WIRE_OK)
			continue;
		wire_build(q, f.type, wire_flags(f.is_from_a, f.epoch, f.route), f.seq, f.id);
		assert_memory_equal(p, q, sizeof(p));
	}
	p[0] = 0x10;
	p[1] = 0;
	for (size_t len = 0; len < WIRE_HDR_LEN; len++)
		assert_int_equal(wire_parse(p, len, &f), WIRE_SHORT);
}

static void test_nonce(void **state)
{
	static const uint8_t iv[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
	static const uint8_t want[12] = {1 ^ 0xf8, 2, 3, 4,  5,	 6,
					 7 ^ 0xff, 8, 9, 10, 11, 12 ^ 0x01};
	uint8_t p[16], nonce[12];

	wire_build(p, WIRE_DATA, 0xf8, 0xff0000000001, 77);
	wire_nonce(nonce, iv, p);
	assert_memory_equal(nonce, want, sizeof(want));
}

static void test_types(void **state)
{
	for (uint8_t t = 0; t < WIRE_TYPE_COUNT; t++) {
		assert_int_equal(wire_type_is_data(t), t <= 2);
		assert_int_equal(wire_type_is_sealed(t), t <= 2 || t == 6 || t == 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_all_first_bytes),
		cmocka_unit_test(test_nonce),
		cmocka_unit_test(test_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
