/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/idmap.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { IDS = 600, STEPS = 200000 };

/* Twin: an array indexed by the id's number. */
static void test_twin(void **state)
{
	static char twin[IDS];
	const char *env = getenv("NTM_SEED");
	uint64_t seed = env != NULL ? strtoull(env, NULL, 0) : 7;
	struct idmap m;
	struct rng r;
	size_t at = 0, n = 0, want = 0;

	print_message("seed %llu\n", (unsigned long long)seed);
	rng_init_seeded(&r, seed);
	assert_int_equal(idmap_init(&m, 400, &r), 0);
	for (int i = 0; i < STEPS; i++) {
		size_t k = rng_below(&r, IDS);
		uint64_t id = 0x8000000000000000ULL + k * 0x100000000ULL;
		void *val = &twin[k];

		assert_ptr_equal(idmap_get(&m, id), twin[k] ? val : NULL);
		if (rng_below(&r, 2) == 0) {
			assert_ptr_equal(idmap_del(&m, id), twin[k] ? val : NULL);
			twin[k] = 0;
			continue;
		}
		switch (idmap_put(&m, id, val)) {
		case 0:
			assert_false(twin[k]);
			twin[k] = 1;
			break;
		case -EEXIST:
			assert_true(twin[k]);
			break;
		default:
			assert_int_equal(m.used, 400);
		}
	}
	for (int k = 0; k < IDS; k++)
		want += (size_t)twin[k];
	while (idmap_next(&m, &at) != NULL)
		n++;
	assert_int_equal(n, want);
	assert_int_equal(m.used, want);
	idmap_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_twin)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
