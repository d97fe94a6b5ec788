/* SPDX-License-Identifier: BSD-3-Clause */
/* Replay windows out of one pool, against a set of all that was taken: nothing is taken twice, whatever
 * windows changed over from route to route meanwhile, and no key is ever without one for a packet that is
 * newer than all before it. Keys go and come; at the end every spare window is back.
 */
#include "appliance/leg_window.h"
#include "common/rng.h"

#include <rte_ring.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

enum { KEYS = 24, ROUTES = 3, SEQS = 6000, STEPS = 60000 };

struct rig {
	struct leg_table t;
	struct rng rng;
	bool seen[KEYS][ROUTES][SEQS];
	uint32_t next[KEYS][ROUTES];
	unsigned int moved; /* windows that changed over */
};

static void rig_up(struct rig *r, uint64_t seed)
{
	memset(r, 0, sizeof(*r));
	rng_init_seeded(&r->rng, seed);
	r->t.keys_max = KEYS;
	r->t.keys = calloc(KEYS, sizeof(*r->t.keys));
	r->t.windows = calloc(leg_windows_count(KEYS), sizeof(*r->t.windows));
	assert_true(r->t.keys != NULL && r->t.windows != NULL);
	assert_int_equal(leg_windows_init(&r->t), 0);
}

/* Spare windows in use. */
static uint32_t held(const struct rig *r)
{
	return r->t.windows_max - r->t.keys_max - rte_ring_count(r->t.spare_windows);
}

static void rig_down(struct rig *r)
{
	for (int k = 0; k < KEYS; k++)
		leg_windows_give(&r->t, &r->t.keys[k]);
	assert_int_equal(held(r), 0);
	leg_windows_fini(&r->t);
	free(r->t.windows);
	free(r->t.keys);
}

/* As open.c does it, before the tag and behind it. */
static bool take(struct rig *r, struct leg_key *key, unsigned int route, uint64_t seq)
{
	struct replay *w;

	if (!leg_window_check(&r->t, key, route, seq))
		return false;
	w = leg_window(&r->t, key, route);
	if (w == NULL)
		w = leg_window_take(&r->t, key, route);
	assert_non_null(w);
	if (replay_check(w, seq) != REPLAY_FRESH)
		return false;
	replay_commit(w, seq);
	return true;
}

/* Mostly the next, some late, some from long ago, some leaps. */
static uint32_t seq_of(struct rig *r, uint32_t next)
{
	uint32_t seq = next;

	switch (rng_below(&r->rng, 4)) {
	case 0:
		seq = (uint32_t)rng_below(&r->rng, next + 1);
		break;
	case 1:
		seq = next + (uint32_t)rng_below(&r->rng, 30);
		break;
	default:
		break;
	}
	return RTE_MIN(seq, (uint32_t)SEQS - 1);
}

static void packet(struct rig *r, int k)
{
	struct leg_key *key = &r->t.keys[k];
	unsigned int route = (unsigned int)rng_below(&r->rng, ROUTES);
	uint32_t next = r->next[k][route], seq = seq_of(r, next);
	bool was_left = (key->window[route] & LEG_WINDOW_LEFT) != 0, taken;

	taken = take(r, key, route, seq);
	if (taken)
		assert_false(r->seen[k][route][seq]);
	if (seq >= next && !r->seen[k][route][seq])
		assert_true(taken);
	r->seen[k][route][seq] |= taken;
	if (taken && seq >= next)
		r->next[k][route] = seq + 1;
	r->moved += was_left && taken;
}

/* No two routes of any keys have one window. */
static void check_shared(const struct rig *r)
{
	bool used[2 * KEYS + 2] = {false};

	for (int k = 0; k < KEYS; k++)
		for (int route = 0; route < ROUTES; route++) {
			uint32_t w = r->t.keys[k].window[route];

			if (w == LEG_REF_NONE || (w & LEG_WINDOW_LEFT) != 0)
				continue;
			assert_true(w <= r->t.windows_max);
			assert_false(used[w]);
			used[w] = true;
		}
}

static void key_ends(struct rig *r, int k)
{
	leg_windows_give(&r->t, &r->t.keys[k]);
	memset(&r->t.keys[k], 0, sizeof(r->t.keys[k]));
	memset(r->seen[k], 0, sizeof(r->seen[k]));
	memset(r->next[k], 0, sizeof(r->next[k]));
}

static void against_a_set(void **state)
{
	static struct rig r;
	const char *env = getenv("SEED");
	uint64_t seed = env != NULL ? strtoull(env, NULL, 0) : (uint64_t)time(NULL);

	print_message("SEED=%llu\n", (unsigned long long)seed);
	rig_up(&r, seed);
	for (int i = 0; i < STEPS; i++) {
		int k = (int)rng_below(&r.rng, KEYS);

		if (rng_below(&r.rng, 500) == 0)
			key_ends(&r, k);
		else
			packet(&r, k);
		assert_true(held(&r) <= r.t.windows_max - r.t.keys_max);
		check_shared(&r);
	}
	assert_true(r.moved > 100);
	rig_down(&r);
}

/* A full table whose nodes all use every route, and then one more key. */
static void first_is_always_there(void **state)
{
	static struct rig r;

	rig_up(&r, 1);
	for (unsigned int route = 0; route < ROUTES; route++)
		for (int k = 0; k < KEYS - 1; k++)
			assert_true(take(&r, &r.t.keys[k], route, 5));
	assert_true(take(&r, &r.t.keys[KEYS - 1], 2, 0));
	/* A route that lost its window goes on where it was. */
	assert_true(r.t.keys[KEYS - 2].window[0] & LEG_WINDOW_LEFT);
	assert_false(take(&r, &r.t.keys[KEYS - 2], 0, 5));
	assert_false(take(&r, &r.t.keys[KEYS - 2], 0, 4));
	assert_true(take(&r, &r.t.keys[KEYS - 2], 0, 6));
	rig_down(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(against_a_set),
		cmocka_unit_test(first_is_always_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
