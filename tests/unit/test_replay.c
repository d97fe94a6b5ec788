/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/replay.h"
#include "common/rng.h"
#include "tests/vectors/replay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static void test_rows(void **state)
{
	struct replay r = {0};

	for (size_t i = 0; i < sizeof(replay_rows) / sizeof(replay_rows[0]); i++) {
		enum replay_verdict v = replay_check(&r, replay_rows[i].seq);

		if (v != replay_rows[i].verdict)
			fail_msg("row %zu: %d", i, v);
		if (v == REPLAY_FRESH)
			replay_commit(&r, replay_rows[i].seq);
	}
}

/* The obvious twin: everything ever seen, and the greatest. */
enum { TWIN_MAX = 1 << 20 };

struct twin {
	uint8_t *seen;
	__u64 next;
};

static enum replay_verdict twin_check(const struct twin *t, __u64 seq)
{
	if (seq + REPLAY_WINDOW < t->next)
		return REPLAY_OLD;
	return t->seen[seq] ? REPLAY_SEEN : REPLAY_FRESH;
}

static void test_twin(void **state)
{
	static const uint64_t spread[] = {3, 40, 700, 2 * REPLAY_WINDOW, 5 * REPLAY_WINDOW};
	uint64_t seed = (uint64_t)time(NULL);
	struct twin t = {.seen = calloc(TWIN_MAX, 1)};
	struct replay r = {0};
	struct rng rng;

	print_message("seed %llu\n", (unsigned long long)seed);
	rng_init_seeded(&rng, seed);
	assert_non_null(t.seen);
	for (unsigned int i = 0; i < 400000; i++) {
		uint64_t s = spread[i / 5000 % 5];
		uint64_t base = t.next > s ? t.next - s : 0;
		uint64_t seq = base + rng_below(&rng, s + 1 + rng_below(&rng, 4));
		enum replay_verdict v;

		if (seq >= TWIN_MAX)
			break;
		v = replay_check(&r, seq);
		assert_int_equal(v, twin_check(&t, seq));
		/* Now and then the tag is wrong: checked, never committed. */
		if (v != REPLAY_FRESH || rng_below(&rng, 8) == 0)
			continue;
		replay_commit(&r, seq);
		t.seen[seq] = 1;
		if (seq >= t.next)
			t.next = seq + 1;
	}
	free(t.seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_twin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
