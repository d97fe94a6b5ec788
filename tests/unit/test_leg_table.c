/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys of legs over hours of rekeys: what is over is taken back, what is in use stays, and a pool of two
 * epochs per leg is always enough. An index from its claim to its end, and the numbers of the pools.
 */
#include "appliance/leg_table.h"
#include "common/rng.h"

#include <errno.h>
#include <rte_rcu_qsbr.h>
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

/* Claimed is not live: nobody finds it, it has no keys, and it can be given back. */
static void claimed_then_live(void **state)
{
	struct leg_table_config cfg = {.legs_max = 2, .keys_max = 2};
	struct leg_table *t = leg_table_create(&cfg);
	struct rs_dp_leg leg = {.confirmed = true};
	struct epoch_keys k = {.recv = {.suite = SUITE_AES128_GCM},
			       .send = {.suite = SUITE_AES128_GCM}};
	uint64_t a, b, c;

	assert_non_null(t);
	assert_int_equal(leg_table_reserve(t, 1, &a), 0);
	assert_true(leg_table_is_claimed(t, a));
	assert_null(leg_table_find(t, a));
	assert_int_equal(leg_table_key_install(t, a, &k, 1), -ENOENT);
	assert_int_equal(leg_table_reserve(t, 2, &b), 0);
	assert_int_equal(leg_table_reserve(t, 3, &c), -ENOSPC);
	assert_int_equal(leg_table_add(t, a ^ 1ULL << 40, &leg), -ENOENT);
	assert_int_equal(leg_table_add(t, a, &leg), 0);
	assert_false(leg_table_is_claimed(t, a));
	assert_non_null(leg_table_find(t, a));
	assert_null(leg_table_find(t, a ^ 1ULL << 40));
	assert_int_equal(leg_table_add(t, a, &leg), -ENOENT);

	/* Back unused; another index has the slot. */
	assert_int_equal(leg_table_del(t, b), 0);
	assert_false(leg_table_is_claimed(t, b));
	assert_int_equal(leg_table_del(t, b), -ENOENT);
	assert_int_equal(leg_table_reserve(t, 3, &c), 0);
	assert_true(leg_table_is_claimed(t, c) && !leg_table_is_claimed(t, b));

	/* The next leg of a slot knows nothing of the last one. */
	assert_int_equal(leg_table_key_install(t, a, &k, 1), 0);
	assert_int_equal(leg_table_del(t, a), 0);
	assert_null(leg_table_find(t, a));
	assert_false(leg_table_is_claimed(t, a));
	leg_table_reclaim(t);
	assert_int_equal(leg_table_reserve(t, 4, &a), 0);
	assert_int_equal(leg_table_add(t, a, &leg), 0);
	assert_true(leg_key_at(leg_table_find(t, a), 0) < 0);
	assert_int_equal(leg_table_key_install(t, a, &k, 1), 0);
	assert_false(leg_table_is_claimed(t, 0));
	assert_false(leg_table_is_claimed(t, UINT64_MAX));
	leg_table_destroy(t);
}

/* A slot has its next index, and loses the flags of its last leg, only when no reader can hold the old one. */
static void slot_waits(void **state)
{
	size_t bytes = RTE_ALIGN_CEIL(rte_rcu_qsbr_get_memsize(1), (size_t)RTE_CACHE_LINE_SIZE);
	struct rte_rcu_qsbr *qsbr = aligned_alloc(RTE_CACHE_LINE_SIZE, bytes);
	struct leg_table_config cfg = {.legs_max = 1, .keys_max = 1, .qsbr = qsbr};
	struct rs_dp_leg leg = {.confirmed = true};
	struct leg_table *t;
	struct leg *held;
	uint64_t a, b;

	assert_non_null(qsbr);
	assert_int_equal(rte_rcu_qsbr_init(qsbr, 1), 0);
	assert_int_equal(rte_rcu_qsbr_thread_register(qsbr, 0), 0);
	rte_rcu_qsbr_thread_online(qsbr, 0);
	t = leg_table_create(&cfg);
	assert_non_null(t);

	assert_int_equal(leg_table_reserve(t, 1, &a), 0);
	assert_int_equal(leg_table_del(t, a), 0);
	assert_int_equal(leg_table_reserve(t, 2, &b), -ENOSPC);
	rte_rcu_qsbr_quiescent(qsbr, 0);
	assert_int_equal(leg_table_reserve(t, 2, &b), 0);

	assert_int_equal(leg_table_add(t, b, &leg), 0);
	held = leg_table_find(t, b);
	assert_non_null(held);
	assert_int_equal(leg_table_del(t, b), 0);
	leg_table_reclaim(t);
	assert_null(leg_table_find(t, b));
	assert_false(leg_table_is_claimed(t, b));
	assert_true(atomic_load(&held->flags) & LEG_LIVE);
	assert_int_equal(leg_table_reserve(t, 3, &a), -ENOSPC);
	rte_rcu_qsbr_quiescent(qsbr, 0);
	assert_int_equal(leg_table_reserve(t, 3, &a), 0);
	assert_null(leg_table_find(t, a));
	assert_true(leg_table_is_claimed(t, a));
	leg_table_destroy(t);
	free(qsbr);
}

/* Keys that a leg has, or had last in an epoch, are refused, also when their entry is gone and wiped: the same
 * nonces would begin anew. Only dropping an epoch, or other keys for it, forgets them.
 */
static void keys_refused(void **state)
{
	struct leg_table_config cfg = {.legs_max = 1, .keys_max = 4};
	struct leg_table *t = leg_table_create(&cfg);
	struct rs_dp_leg leg = {.confirmed = true};
	struct epoch_keys k[3] = {0};
	struct leg *l;
	uint64_t a;

	assert_non_null(t);
	assert_int_equal(leg_table_reserve(t, 1, &a), 0);
	assert_int_equal(leg_table_add(t, a, &leg), 0);
	l = leg_table_find(t, a);
	for (int i = 0; i < 3; i++) {
		k[i].recv.suite = k[i].send.suite = SUITE_AES256_GCM;
		memset(k[i].recv.key, 10 + i, sizeof(k[i].recv.key));
		memset(k[i].recv.iv, 0xff, sizeof(k[i].recv.iv));
		k[i].epoch = (uint8_t)i;
		assert_int_equal(leg_table_key_install(t, a, &k[i], (i + 1) * SEC), 0);
		assert_int_equal(leg_table_key_use(t, a, k[i].epoch), 0);
	}
	assert_memory_equal(aead_key_iv(leg_key_rx(t, &t->keys[leg_key_at(l, 2)]), t->key_bytes),
			    k[2].recv.iv, sizeof(k[2].recv.iv));

	/* The first two end by the clock. */
	leg_table_sweep(t, 100 * SEC);
	leg_table_reclaim(t);
	assert_true(leg_key_at(l, 0) < 0 && leg_key_at(l, 1) < 0 && leg_key_at(l, 2) >= 0);
	assert_true(leg_key_at(l, 3) < 0);
	assert_int_equal(idx_pool_used(&t->key_pool), 1);
	assert_int_equal(leg_table_key_use(t, a, 0), -ENOENT);
	assert_int_equal(leg_table_key_drop(t, a, 0), -ENOENT);
	for (int i = 0; i < 3; i++)
		for (unsigned int e = 0; e < RS_EPOCHS; e++) {
			struct epoch_keys again = k[i];

			again.epoch = (uint8_t)e;
			assert_int_equal(leg_table_key_install(t, a, &again, SEC), -EEXIST);
		}

	/* Other keys for epoch 0: its first ones are forgotten, those of 1 are not. */
	memset(k[2].recv.key, 99, sizeof(k[2].recv.key));
	k[2].epoch = 0;
	assert_int_equal(leg_table_key_install(t, a, &k[2], 200 * SEC), 0);
	assert_int_equal(leg_table_key_install(t, a, &k[1], 200 * SEC), -EEXIST);
	assert_int_equal(leg_table_key_drop(t, a, 0), 0);
	assert_int_equal(leg_table_key_install(t, a, &k[2], 200 * SEC), 0);
	k[0].epoch = 3;
	assert_int_equal(leg_table_key_install(t, a, &k[0], 200 * SEC), 0);
	leg_table_destroy(t);
}

/* Lowest first, what came back before what is fresh; each number is out once. */
static void pool_numbers(void **state)
{
	struct idx_pool p;
	uint32_t at;

	assert_int_equal(idx_pool_init(&p, 3, NULL, NULL, NULL), 0);
	assert_int_equal(idx_pool_take(&p, &at), 0);
	assert_int_equal(at, 0);
	assert_int_equal(idx_pool_take(&p, &at), 0);
	assert_int_equal(at, 1);
	idx_pool_give_back(&p, 0);
	assert_int_equal(idx_pool_used(&p), 1);
	assert_int_equal(idx_pool_take(&p, &at), 0);
	assert_int_equal(at, 0);
	assert_int_equal(idx_pool_take(&p, &at), 0);
	assert_int_equal(at, 2);
	assert_int_equal(idx_pool_take(&p, &at), -ENOSPC);
	idx_pool_retire(&p, 1);
	assert_int_equal(idx_pool_used(&p), 2);
	assert_int_equal(idx_pool_take(&p, &at), 0); /* nobody reads: taken back at once */
	assert_int_equal(at, 1);
	assert_int_equal(idx_pool_used(&p), 3);
	for (int i = 0; i < 100; i++) { /* one at a time waits: the ring's first entry is enough */
		assert_int_equal(p.head, 0);
		idx_pool_retire(&p, 2);
		idx_pool_reclaim(&p);
		assert_int_equal(idx_pool_take(&p, &at), 0);
		assert_int_equal(at, 2);
	}
	idx_pool_fini(&p);
}

/* Each number once, and none of the first few beside another. */
static void pool_spread(void **state)
{
	static const uint32_t sizes[] = {1, 2, 3, 64, 80, 4096, 10007};

	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		const uint32_t size = sizes[k];
		bool *seen = calloc(size, sizeof(*seen));
		uint32_t first[16], at;
		struct idx_pool p;

		assert_non_null(seen);
		assert_int_equal(idx_pool_init(&p, size, NULL, NULL, NULL), 0);
		idx_pool_spread(&p);
		for (uint32_t i = 0; i < size; i++) {
			assert_int_equal(idx_pool_take(&p, &at), 0);
			assert_in_range(at, 0, size - 1);
			assert_false(seen[at]);
			seen[at] = true;
			for (uint32_t j = 0; size >= 4096 && i < 16 && j < i; j++)
				assert_true(at > first[j] + 1 || at + 1 < first[j]);
			if (i < 16)
				first[i] = at;
		}
		assert_int_equal(idx_pool_take(&p, &at), -ENOSPC);
		idx_pool_fini(&p);
		free(seen);
	}
}

/* Credit is used up once, and stays so however often it is asked for. */
static void credit_ends(void **state)
{
	struct leg_credit c = {.bytes = 3000, .until = leg_credit_tick(10 * SEC)};

	assert_true(leg_credit_take(&c, 1000, 9 * SEC));
	assert_true(leg_credit_take(&c, 2000, 9 * SEC));
	for (int i = 0; i < 3000000; i++)
		assert_false(leg_credit_take(&c, 1500, 9 * SEC));
	atomic_store(&c.bytes, INT32_MAX);
	assert_true(leg_credit_take(&c, 1500, 98 * SEC / 10));
	assert_false(leg_credit_take(&c, 1500, 10 * SEC));
	assert_false(leg_credit_take(&c, 1500, 11 * SEC));
	atomic_store(&c.until, 0);
	assert_true(leg_credit_take(&c, 1500, 11 * SEC));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(claimed_then_live), cmocka_unit_test(slot_waits),
		cmocka_unit_test(keys_refused),	     cmocka_unit_test(pool_numbers),
		cmocka_unit_test(pool_spread),	     cmocka_unit_test(credit_ends),
		cmocka_unit_test(epochs_end),	     cmocka_unit_test(three_epochs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
