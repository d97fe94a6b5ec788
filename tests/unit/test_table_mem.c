/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables of every kind of size: zeroed, present to the last byte, and what is exact is no more than asked for.
 * The same with and without reserved huge pages.
 */
#include "appliance/table_mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

enum { SMALL = 4096, HUGE = 2 << 20 };

static const size_t sizes[] = {0,    1,	       SMALL,	     SMALL + 1,	   HUGE - 1,
			       HUGE, HUGE + 1, HUGE + SMALL, 2 * HUGE - 1, 3 * HUGE + SMALL - 1};

static void check_all_there(uint8_t *p, size_t bytes)
{
	unsigned char present[4 * HUGE / SMALL];
	size_t pages = (bytes + SMALL - 1) / SMALL;

	assert_int_equal(mincore(p, bytes, present), 0);
	for (size_t i = 0; i < pages; i++)
		assert_true(present[i] & 1);
	for (size_t i = 0; i < bytes; i++)
		assert_int_equal(p[i], 0);
	memset(p, 0xa5, bytes);
}

static void rounded(void **state)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint8_t *p = table_mem_alloc(sizes[i]);

		assert_non_null(p);
		check_all_there(p, sizes[i]);
		table_mem_free(p, sizes[i]);
	}
	table_mem_free(NULL, 1);
}

static void exact(void **state)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t end = sizes[i] == 0 ? SMALL : (sizes[i] + SMALL - 1) / SMALL * SMALL;
		uint8_t *p = table_mem_alloc_exact(sizes[i]);
		unsigned char present;

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % HUGE, 0);
		check_all_there(p, sizes[i]);
		/* Nothing is left of what was mapped for the alignment. */
		if (end % HUGE != 0)
			assert_int_equal(mincore(p + end, SMALL, &present), -1);
		table_mem_free_exact(p, sizes[i]);
		assert_int_equal(mincore(p, SMALL, &present), -1);
		assert_int_equal(mincore(p + end - SMALL, SMALL, &present), -1);
	}
	table_mem_free_exact(NULL, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(rounded), cmocka_unit_test(exact)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
