/* SPDX-License-Identifier: BSD-3-Clause */
/* The relay table beside a linear list, in every variant of the look-up that this CPU has. */
#include "appliance/relay_table.h"
#include "common/rng.h"

#include <rte_rcu_qsbr.h>

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

enum { TWIN_MAX = 600, ROUNDS = 40000 };

/* The slow obvious twin: an unordered list. */
struct twin {
	uint32_t n;
	uint64_t id[TWIN_MAX];
	uint16_t port[TWIN_MAX];
};

static int twin_find(const struct twin *w, uint64_t id)
{
	for (uint32_t i = 0; i < w->n; i++) {
		if (w->id[i] == id)
			return (int)i;
	}
	return -1;
}

static struct relay_table *table_make(uint32_t max, struct rng *r, struct rte_rcu_qsbr *qsbr)
{
	struct relay_table_config cfg = {.paths_max = max, .qsbr = qsbr};
	struct relay_table *t;

	rng_fill(r, cfg.secret, sizeof(cfg.secret));
	t = relay_table_create(&cfg);
	assert_non_null(t);
	return t;
}

static uint64_t seed_print(const char *what)
{
	const char *env = getenv("SEED");
	uint64_t seed = env != NULL ? strtoull(env, NULL, 0) : (uint64_t)time(NULL);

	print_message("%s: SEED=%llu\n", what, (unsigned long long)seed);
	return seed;
}

/* Half of what is asked for exists; ids come from a small range so that they come back. */
static void compare(const struct relay_table *t, const struct twin *w, struct rng *r)
{
	uint64_t id[RELAY_BULK_MAX];
	const struct path_record *out[RELAY_BULK_MAX];
	uint16_t n = (uint16_t)rng_below(r, RELAY_BULK_MAX + 1);

	for (uint16_t i = 0; i < n; i++)
		id[i] = w->n > 0 && rng_below(r, 2) ? w->id[rng_below(r, w->n)]
						    : rng_below(r, 1200) + 1;
	relay_table_lookup_bulk(t, id, n, out);
	for (uint16_t i = 0; i < n; i++) {
		int at = twin_find(w, id[i]);

		if (at < 0) {
			assert_null(out[i]);
			continue;
		}
		assert_non_null(out[i]);
		assert_int_equal(out[i]->id, id[i]);
		assert_int_equal(out[i]->side[0].port, w->port[at]);
		assert_ptr_equal(out[i], relay_table_find(t, id[i]));
	}
}

static void step(struct relay_table *t, struct twin *w, struct rng *r)
{
	uint64_t id = rng_below(r, 1200) + 1;
	int at = twin_find(w, id), ret;
	uint32_t number = 0;

	if (rng_below(r, 5) < 2) {
		ret = relay_table_del(t, id);
		assert_int_equal(ret, at < 0 ? -ENOENT : 0);
		if (at >= 0) {
			w->n--;
			w->id[at] = w->id[w->n];
			w->port[at] = w->port[w->n];
		}
		return;
	}
	struct path_record rec = {.id = id, .side[0].port = (uint16_t)rng_u64(r)};

	ret = relay_table_set(t, &rec, &number);
	if (at < 0 && w->n == TWIN_MAX) {
		assert_int_equal(ret, -ENOSPC);
		return;
	}
	assert_int_equal(ret, 0);
	assert_int_equal(relay_table_number(t, relay_table_find(t, id)), number);
	assert_true(number < TWIN_MAX);
	if (at < 0) {
		at = (int)w->n++;
		w->id[at] = id;
	}
	w->port[at] = rec.side[0].port;
}

static void against_twin(enum relay_isa isa)
{
	struct rng r;
	struct twin w = {.n = 0};
	struct relay_table *t;

	rng_init_seeded(&r, seed_print(relay_isa_name(isa)));
	t = table_make(TWIN_MAX, &r, NULL);
	if (relay_table_isa_set(t, isa) == -ENOTSUP) {
		relay_table_destroy(t);
		skip();
	}
	assert_int_equal(relay_table_isa(t), isa);
	for (int i = 0; i < ROUNDS; i++) {
		step(t, &w, &r);
		assert_int_equal(relay_table_count(t), w.n);
		if (i % 16 == 0)
			compare(t, &w, &r);
	}
	relay_table_destroy(t);
}

static void scalar_is_twin(void **state)
{
	against_twin(RELAY_SCALAR);
}

static void avx2_is_twin(void **state)
{
	against_twin(RELAY_AVX2);
}

static void avx512_is_twin(void **state)
{
	against_twin(RELAY_AVX512);
}

/* All the paths that were asked for do fit: at the worst moment buckets overflow into each other,
 * and what lies there is found, moved and deleted.
 */
static void full_then_empty(void **state)
{
	enum { MAX = 5 * 4096 };
	struct rng r;
	struct relay_table *t;
	uint32_t number;
	uint64_t *id = calloc(MAX, sizeof(*id));

	rng_init_seeded(&r, seed_print("full"));
	t = table_make(MAX, &r, NULL);
	for (uint32_t i = 0; i < MAX; i++) {
		struct path_record rec = {.id = id[i] = (rng_u64(&r) >> 1) | 1};

		assert_int_equal(relay_table_set(t, &rec, &number), 0);
	}
	struct path_record one_more = {.id = 2};

	assert_int_equal(relay_table_set(t, &one_more, &number), -ENOSPC);
	assert_int_equal(relay_table_count(t), MAX);
	for (uint32_t i = 0; i < MAX; i++)
		assert_non_null(relay_table_find(t, id[i]));
	for (uint32_t i = 0; i < MAX; i++)
		assert_int_equal(relay_table_del(t, id[i]), 0);
	for (uint32_t i = 0; i < MAX; i++)
		assert_null(relay_table_find(t, id[i]));
	assert_int_equal(relay_table_set(t, &one_more, &number), 0);
	relay_table_destroy(t);
	free(id);
}

/* What a reader holds stays whole until it says so; then the record comes back into use. */
static void record_waits_for_reader(void **state)
{
	enum { MAX = 64, SPARE = 256 };
	struct rte_rcu_qsbr *v = aligned_alloc(64, (rte_rcu_qsbr_get_memsize(1) + 63) & ~63ul);
	struct rng r;
	struct relay_table *t;
	struct path_record rec = {.id = 7, .side[0].port = 1};
	const struct path_record *held;
	uint32_t number, sets = 0;

	assert_int_equal(rte_rcu_qsbr_init(v, 1), 0);
	assert_int_equal(rte_rcu_qsbr_thread_register(v, 0), 0);
	rte_rcu_qsbr_thread_online(v, 0);
	rng_init_seeded(&r, 1);
	t = table_make(MAX, &r, v);
	assert_int_equal(relay_table_set(t, &rec, &number), 0);
	held = relay_table_find(t, 7);
	while (relay_table_set(t, &(struct path_record){.id = 7, .side[0].port = 2}, &number) == 0)
		sets++;
	assert_int_equal(sets, MAX + SPARE - 1);
	assert_int_equal(held->side[0].port, 1);
	assert_int_equal(relay_table_find(t, 7)->side[0].port, 2);

	rte_rcu_qsbr_quiescent(v, 0);
	relay_table_reclaim(t);
	assert_int_equal(relay_table_set(t, &rec, &number), 0);
	relay_table_destroy(t);
	free(v);
}

/* A reader in another thread: what stays is always found while the writer fills, moves and empties
 * ways around it, and what is found is what was asked for.
 */
enum { STAYING = 300, CHURNING = 300, WRITES = 200000 };

struct beside {
	struct relay_table *t;
	struct rte_rcu_qsbr *v;
	_Atomic bool stop;
	uint64_t bulks, lost, wrong;
};

static void *reader_main(void *arg)
{
	struct beside *b = arg;
	uint64_t id[RELAY_BULK_MAX];
	const struct path_record *out[RELAY_BULK_MAX];
	struct rng r;

	rng_init_seeded(&r, 3);
	rte_rcu_qsbr_thread_online(b->v, 0);
	while (!atomic_load(&b->stop)) {
		for (int i = 0; i < RELAY_BULK_MAX; i++)
			id[i] = 1 + rng_below(&r, STAYING + CHURNING);
		relay_table_lookup_bulk(b->t, id, RELAY_BULK_MAX, out);
		for (int i = 0; i < RELAY_BULK_MAX; i++) {
			b->lost += out[i] == NULL && id[i] <= STAYING;
			b->wrong += out[i] != NULL && out[i]->id != id[i];
		}
		b->bulks++;
		rte_rcu_qsbr_quiescent(b->v, 0);
	}
	rte_rcu_qsbr_thread_offline(b->v, 0);
	return NULL;
}

static void beside_writer(enum relay_isa isa)
{
	struct beside b = {.v = aligned_alloc(64, (rte_rcu_qsbr_get_memsize(1) + 63) & ~63ul)};
	bool is_in[CHURNING] = {false};
	pthread_t reader;
	uint32_t number;
	struct rng r;

	assert_int_equal(rte_rcu_qsbr_init(b.v, 1), 0);
	assert_int_equal(rte_rcu_qsbr_thread_register(b.v, 0), 0);
	rng_init_seeded(&r, seed_print(relay_isa_name(isa)));
	b.t = table_make(STAYING + CHURNING, &r, b.v);
	if (relay_table_isa_set(b.t, isa) == -ENOTSUP) {
		relay_table_destroy(b.t);
		free(b.v);
		skip();
	}
	for (uint64_t id = 1; id <= STAYING; id++)
		assert_int_equal(relay_table_set(b.t, &(struct path_record){.id = id}, &number), 0);
	assert_int_equal(pthread_create(&reader, NULL, reader_main, &b), 0);
	for (int i = 0; i < WRITES; i++) {
		uint64_t k = rng_below(&r, CHURNING), id = STAYING + 1 + k;
		struct path_record rec = {.id = id};

		/* Until the reader has let go of enough records. */
		if (is_in[k])
			is_in[k] = relay_table_del(b.t, id) != 0;
		else
			is_in[k] = relay_table_set(b.t, &rec, &number) == 0;
		rec.id = 1 + rng_below(&r, STAYING);
		(void)relay_table_set(b.t, &rec, &number);
		relay_table_reclaim(b.t);
	}
	atomic_store(&b.stop, true);
	pthread_join(reader, NULL);
	print_message("%llu bulks\n", (unsigned long long)b.bulks);
	assert_int_equal(b.lost, 0);
	assert_int_equal(b.wrong, 0);
	relay_table_destroy(b.t);
	free(b.v);
}

static void scalar_beside_writer(void **state)
{
	beside_writer(RELAY_SCALAR);
}

static void avx2_beside_writer(void **state)
{
	beside_writer(RELAY_AVX2);
}

static void avx512_beside_writer(void **state)
{
	beside_writer(RELAY_AVX512);
}

static void bad_sizes(void **state)
{
	struct relay_table_config cfg = {.paths_max = 0};

	assert_null(relay_table_create(&cfg));
	assert_int_equal(errno, EINVAL);
	cfg.paths_max = RELAY_PATHS_MAX + 1;
	assert_null(relay_table_create(&cfg));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scalar_is_twin),	   cmocka_unit_test(avx2_is_twin),
		cmocka_unit_test(avx512_is_twin),	   cmocka_unit_test(full_then_empty),
		cmocka_unit_test(record_waits_for_reader), cmocka_unit_test(bad_sizes),
		cmocka_unit_test(scalar_beside_writer),	   cmocka_unit_test(avx2_beside_writer),
		cmocka_unit_test(avx512_beside_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
