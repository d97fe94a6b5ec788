/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/inner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Bytes 0 to 7 of the packet are set, the rest is 0xaa up to fill and zero up to len. */
static const struct {
	uint8_t head[8];
	size_t fill, len;
	bool is_padded;
	enum inner_verdict verdict;
	size_t inner_len;
} rows[] = {
	{{0}, 0, 0, false, INNER_EMPTY, 0},
	{{0x55}, 40, 40, false, INNER_BAD_VERSION, 0},
	{{0x45, 0, 0, 20}, 20, 20, false, INNER_OK, 20},
	{{0x45, 0, 0, 20}, 19, 19, false, INNER_SHORT, 0},
	{{0x44, 0, 0, 20}, 20, 20, false, INNER_BAD_IHL, 0},
	{{0x46, 0, 0, 24}, 20, 20, false, INNER_BAD_IHL, 0},
	{{0x46, 0, 0, 23}, 24, 24, false, INNER_BAD_TOTAL, 0},
	{{0x46, 0, 0, 24}, 24, 24, false, INNER_OK, 24},
	{{0x45, 0, 0, 0}, 40, 40, false, INNER_BAD_TOTAL, 0},
	{{0x45, 0, 0, 41}, 40, 40, false, INNER_TRUNCATED, 0},
	{{0x45, 0, 0xff, 0xff}, 40, 40, true, INNER_TRUNCATED, 0},
	{{0x45, 0, 0, 39}, 39, 40, false, INNER_TRAILING, 0},
	{{0x45, 0, 0, 39}, 39, 40, true, INNER_OK, 39},
	{{0x45, 0, 0, 33}, 33, 48, true, INNER_OK, 33},
	{{0x45, 0, 0, 32}, 32, 48, true, INNER_TRAILING, 0},
	{{0x45, 0, 0, 33}, 34, 48, true, INNER_BAD_PADDING, 0},
	{{0x45, 0, 0, 33}, 48, 48, true, INNER_BAD_PADDING, 0},
	{{0x60, 0, 0, 0, 0, 8, 17}, 48, 48, false, INNER_OK, 48},
	{{0x60, 0, 0, 0, 0, 8, 17}, 39, 39, false, INNER_SHORT, 0},
	{{0x60, 0, 0, 0, 0, 0, 17}, 40, 40, false, INNER_ZERO_PAYLOAD, 0},
	{{0x60, 0, 0, 0, 0, 0, 59}, 40, 40, false, INNER_OK, 40},
	{{0x60, 0, 0, 0, 0, 0, 59}, 40, 41, false, INNER_TRAILING, 0},
	{{0x60, 0, 0, 0, 0xff, 0xff, 17}, 1400, 1400, false, INNER_TRUNCATED, 0},
};

static void test_rows(void **state)
{
	uint8_t p[1500];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = 0xbad;
		enum inner_verdict v;

		memset(p, 0, sizeof(p));
		memset(p, 0xaa, rows[i].fill);
		memcpy(p, rows[i].head, sizeof(rows[i].head));
		v = inner_check(p, rows[i].len, rows[i].is_padded, &len);
		if (v != rows[i].verdict)
			fail_msg("row %zu: %s", i, inner_verdict_name(v));
		assert_int_equal(len, v == INNER_OK ? rows[i].inner_len : 0xbad);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
