/* SPDX-License-Identifier: BSD-3-Clause */
/* Path ID -> where its record is, in bulks of 64 random keys; the .record rows read the record as well.
 * Floors: one prefetched random cache line in a table of the same size (nothing can do less), and
 * DPDK's rte_hash as the measured alternative.
 */
#include "appliance/relay_table.h"
#include "appliance/table_mem.h"
#include "common/rng.h"
#include "perf/groups.h"

#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_prefetch.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	BULK = 64,
	KEYS = (1 << 20) / BENCH_SMALLER, /* asked for, drawn at random from all paths */
	LOOKUPS = (1 << 20) / BENCH_SMALLER,
};

struct lookup {
	uint32_t paths;
	struct relay_table *table;
	struct rte_hash *hash;
	uint8_t *lines;
	uint64_t *ids; /* all */
	uint64_t *keys;
	uint32_t *line_of; /* a random line per key */
};

static void *keep(void *state, bool *failed)
{
	*failed |= state == NULL;
	return state;
}

static int fill(struct lookup *l)
{
	struct path_record rec = {.side[0].flags = SIDE_BOUND};
	struct rng rng;

	rng_init_seeded(&rng, 1);
	for (uint32_t i = 0; i < l->paths; i++) {
		uint32_t number;
		int ret;

		l->ids[i] = rng_u64(&rng) >> 1;
		rec.id = l->ids[i];
		ret = relay_table_set(l->table, &rec, &number);
		if (ret < 0)
			return ret;
		if (l->hash != NULL && rte_hash_add_key_data(l->hash, &rec.id, &l->ids[i]) < 0)
			return -ENOSPC;
	}
	for (uint32_t i = 0; i < KEYS; i++) {
		l->keys[i] = l->ids[rng_below(&rng, l->paths)];
		l->line_of[i] = (uint32_t)rng_below(&rng, l->paths);
	}
	return 0;
}

static void lookup_down(void *state)
{
	struct lookup *l = state;

	if (l->table != NULL)
		relay_table_destroy(l->table);
	rte_hash_free(l->hash);
	table_mem_free(l->lines, (size_t)l->paths * 64);
	free(l->ids);
	free(l->keys);
	free(l->line_of);
	free(l);
}

/* rte_hash takes its memory from the EAL, which has too little for ten million. */
static int lookup_up(void **state, uint32_t paths, bool with_hash)
{
	struct relay_table_config cfg = {.paths_max = paths, .secret = {3, 5, 7, 11}};
	struct rte_hash_parameters hp = {.name = "bench",
					 .entries = paths + paths / 4,
					 .key_len = sizeof(uint64_t),
					 .hash_func = rte_hash_crc,
					 .extra_flag = RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF};
	struct lookup *l = calloc(1, sizeof(*l));
	bool failed = false;
	int ret = -ENOMEM;

	if (l == NULL)
		return -ENOMEM;
	l->paths = paths;
	l->ids = keep(malloc(paths * sizeof(*l->ids)), &failed);
	l->keys = keep(malloc(KEYS * sizeof(*l->keys)), &failed);
	l->line_of = keep(malloc(KEYS * sizeof(*l->line_of)), &failed);
	l->lines = keep(table_mem_alloc((size_t)paths * 64), &failed);
	l->table = keep(relay_table_create(&cfg), &failed);
	if (with_hash)
		l->hash = keep(rte_hash_create(&hp), &failed);
	if (!failed)
		ret = fill(l);
	if (ret < 0)
		lookup_down(l);
	else
		*state = l;
	return ret;
}

static int up_1m(void **state)
{
	return lookup_up(state, 1000000 / BENCH_SMALLER, true);
}

static int up_10m(void **state)
{
	return lookup_up(state, 10000000, false);
}

static void run_table(void *state, uint64_t n)
{
	struct lookup *l = state;
	const struct path_record *out[BULK];
	uint64_t sum = 0;

	for (uint64_t at = 0; at < n; at += BULK) {
		relay_table_lookup_bulk(l->table, &l->keys[at % KEYS], BULK, out);
		for (int i = 0; i < BULK; i++)
			sum += (uintptr_t)out[i];
	}
	bench_use(sum);
}

static void run_record(void *state, uint64_t n)
{
	struct lookup *l = state;
	const struct path_record *out[BULK];
	uint64_t sum = 0;

	for (uint64_t at = 0; at < n; at += BULK) {
		relay_table_lookup_bulk(l->table, &l->keys[at % KEYS], BULK, out);
		for (int i = 0; i < BULK; i++)
			rte_prefetch0(out[i]);
		for (int i = 0; i < BULK; i++)
			sum += out[i]->side[0].flags;
	}
	bench_use(sum);
}

static void isa_set(void *state, enum relay_isa isa)
{
	struct lookup *l = state;

	/* Not on this CPU: the case measures what is in place, and says so by its equal figure. */
	if (relay_table_isa_set(l->table, isa) < 0)
		fprintf(stderr, "bench: no %s on this CPU\n", relay_isa_name(isa));
}

static void before_scalar(void *state)
{
	isa_set(state, RELAY_SCALAR);
}

static void before_avx2(void *state)
{
	isa_set(state, RELAY_AVX2);
}

static void before_best(void *state)
{
	struct lookup *l = state;

	if (relay_table_isa_set(l->table, RELAY_AVX512) < 0)
		isa_set(state, RELAY_AVX2);
}

static void run_hash(void *state, uint64_t n)
{
	struct lookup *l = state;
	const void *keys[BULK];
	void *data[BULK];
	uint64_t hits, sum = 0;

	for (uint64_t at = 0; at < n; at += BULK) {
		for (int i = 0; i < BULK; i++)
			keys[i] = &l->keys[(at + (uint64_t)i) % KEYS];
		rte_hash_lookup_bulk_data(l->hash, keys, BULK, &hits, data);
		for (int i = 0; i < BULK; i++)
			sum += (uintptr_t)data[i];
	}
	bench_use(sum);
}

static void run_line(void *state, uint64_t n)
{
	struct lookup *l = state;
	uint64_t sum = 0;

	for (uint64_t at = 0; at < n; at += BULK) {
		const uint32_t *line = &l->line_of[at % KEYS];

		for (int i = 0; i < BULK; i++)
			rte_prefetch0(&l->lines[(size_t)line[i] * 64]);
		for (int i = 0; i < BULK; i++)
			sum += l->lines[(size_t)line[i] * 64];
	}
	bench_use(sum);
}

/* Enter a path that is new and take it away again. */
static void run_update(void *state, uint64_t n)
{
	struct lookup *l = state;
	struct path_record rec = {.side[0].flags = SIDE_BOUND};
	uint32_t number;

	for (uint64_t i = 0; i < n; i++) {
		uint64_t was = l->ids[(i * 7919) % l->paths];

		if (relay_table_del(l->table, was) < 0)
			abort();
		rec.id = was;
		if (relay_table_set(l->table, &rec, &number) < 0)
			abort();
	}
	relay_table_reclaim(l->table);
}

/* clang-format off */
static const struct bench_case cases_1m[] = {
	{"floor.line.1m", BENCH_CYCLES, LOOKUPS, NULL, run_line, {{NULL}}},
	{"lookup.1m", BENCH_CYCLES, LOOKUPS, before_best, run_table, {{"floor.line.1m", 1}}},
	{"lookup.1m.record", BENCH_CYCLES, LOOKUPS, before_best, run_record, {{"floor.line.1m", 2}}},
	{"lookup.1m.avx2", BENCH_CYCLES, LOOKUPS, before_avx2, run_table, {{"floor.line.1m", 1}}},
	{"lookup.1m.scalar", BENCH_CYCLES, LOOKUPS, before_scalar, run_table, {{"floor.line.1m", 1}}},
	{"lookup.1m.rte_hash", BENCH_CYCLES, LOOKUPS, NULL, run_hash, {{"floor.line.1m", 1}}},
	{"table.update.1m.alone", BENCH_PER_SECOND, LOOKUPS / 16, NULL, run_update, {{NULL}}},
};
static const struct bench_case cases_10m[] = {
	{"floor.line.10m", BENCH_CYCLES, LOOKUPS, NULL, run_line, {{NULL}}},
	{"lookup.10m", BENCH_CYCLES, LOOKUPS, before_best, run_table, {{"floor.line.10m", 1}}},
	{"lookup.10m.record", BENCH_CYCLES, LOOKUPS, before_best, run_record, {{"floor.line.10m", 2}}},
	{"lookup.10m.avx2", BENCH_CYCLES, LOOKUPS, before_avx2, run_table, {{"floor.line.10m", 1}}},
};
/* clang-format on */

const struct bench_group bench_lookup_1m = {
	"pipeline", "path look-up, 1 M paths", up_1m, lookup_down, cases_1m, RTE_DIM(cases_1m)};
const struct bench_group bench_lookup_10m = {
	"pipeline", "path look-up, 10 M paths", up_10m, lookup_down, cases_10m, RTE_DIM(cases_10m)};
