/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys of legs over hours of rekeys: what is over is taken back, what is in use stays, and a pool of two
 * epochs per leg is always enough.
 */
#include "appliance/leg_table.h"
#include "common/rng.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

enum { LEGS = 40, REKEYS = 60 };
#define SEC 1000000000ULL
#define LIFE (180 * SEC)

struct rig {
	struct rng rng;
	struct leg_table *t;
	uint64_t index[LEGS], made[LEGS][RS_EPOCHS], next[LEGS], now;
	uint8_t epoch[LEGS];
};

static void rig_up(struct rig *r)
{
	struct leg_table_config cfg = {.legs_max = LEGS, .keys_max = 2 * LEGS};
	struct rs_dp_leg leg = {.confirmed = true};
	const char *env = getenv("SEED");
	uint64_t seed = env != NULL ? strtoull(env, NULL, 0) : (uint64_t)time(NULL);

	memset(r, 0, sizeof(*r));
	print_message("SEED=%llu\n", (unsigned long long)seed);
	rng_init_seeded(&r->rng, seed);
	r->now = 1000 * SEC;
	r->t = leg_table_create(&cfg);
	assert_non_null(r->t);
	for (int i = 0; i < LEGS; i++) {
		assert_int_equal(leg_table_reserve(r->t, rng_u64(&r->rng), &r->index[i]), 0);
		assert_int_equal(leg_table_add(r->t, r->index[i], &leg), 0);
		r->epoch[i] = RS_EPOCHS - 1;
	}
}

static int rekey(struct rig *r, int i)
{
	struct epoch_keys k = {.epoch = (r->epoch[i] + 1) % RS_EPOCHS};
	int ret;

	rng_fill(&r->rng, &k.send, sizeof(k.send));
	rng_fill(&r->rng, &k.recv, sizeof(k.recv));
	k.send.suite = SUITE_AES128_GCM;
	k.recv.suite = SUITE_AES128_GCM;
	ret = leg_table_key_install(r->t, r->index[i], &k, r->now + LIFE);
	if (ret < 0)
		return ret;
	assert_int_equal(leg_table_key_install(r->t, r->index[i], &k, r->now + LIFE), -EEXIST);
	assert_int_equal(leg_table_key_use(r->t, r->index[i], k.epoch), 0);
	r->epoch[i] = k.epoch;
	r->made[i][k.epoch] = r->now;
	return 0;
}

static bool has_key(const struct rig *r, int i, unsigned int epoch)
{
	return leg_key_at(leg_table_find(r->t, r->index[i]), epoch) >= 0;
}

/* The sending epoch is always there, any other for its life and not much longer. */
static void check(const struct rig *r, int i)
{
	for (unsigned int e = 0; e < RS_EPOCHS; e++) {
		uint64_t made = r->made[i][e];

		if (made == 0)
			assert_false(has_key(r, i, e));
		else if (e == r->epoch[i])
			assert_true(has_key(r, i, e));
		else if (r->now < made + LIFE)
			assert_true(has_key(r, i, e));
		else if (r->now > made + LIFE + 62 * SEC)
			assert_false(has_key(r, i, e));
	}
}

static void epochs_end(void **state)
{
	static struct rig r;

	rig_up(&r);
	for (int i = 0; i < LEGS; i++)
		r.next[i] = r.now + rng_below(&r.rng, 120) * SEC;
	for (int s = 0; s < REKEYS * 120; s++) {
		r.now += SEC;
		leg_table_sweep(r.t, r.now);
		leg_table_reclaim(r.t);
		for (int i = 0; i < LEGS; i++) {
			if (r.now >= r.next[i]) {
				assert_int_equal(rekey(&r, i), 0);
				r.next[i] = r.now + 120 * SEC;
			}
			if (r.made[i][0] != 0)
				check(&r, i);
		}
	}
	/* Nobody has data any more: one epoch each is left. */
	for (int s = 0; s < 300; s++) {
		r.now += SEC;
		leg_table_sweep(r.t, r.now);
	}
	leg_table_reclaim(r.t);
	assert_int_equal(idx_pool_used(&r.t->key_pool), LEGS);
	leg_table_destroy(r.t);
}

/* Without time passing: previous, current and next, and the pool says when it is empty. */
static void three_epochs(void **state)
{
	static struct rig r;
	int ret = 0, n = 0;

	rig_up(&r);
	for (int k = 0; k < 9; k++) {
		assert_int_equal(rekey(&r, 0), 0);
		leg_table_reclaim(r.t);
		assert_int_equal(idx_pool_used(&r.t->key_pool), k < 3 ? k + 1 : 3);
	}
	for (int i = 1; i < LEGS && ret == 0; i++)
		for (int k = 0; k < 3 && ret == 0; k++) {
			ret = rekey(&r, i);
			n += ret == 0;
		}
	assert_int_equal(ret, -ENOSPC);
	assert_int_equal(n, 2 * LEGS - 3);
	leg_table_destroy(r.t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(epochs_end),
		cmocka_unit_test(three_epochs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
