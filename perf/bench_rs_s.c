/* SPDX-License-Identifier: BSD-3-Clause */
/* RS-S whole: rx, parse, relay, switch, tx of one worker over net_ring, 64 bytes inner, each packet
 * of another path drawn at random, every buffer cold. Floor: the I/O alone, and the look-up alone. ".v6":
 * both legs in IPv6; ".v46": from IPv4 to IPv6.
 */
#include "perf/groups.h"
#include "perf/rs_paths.h"

#include "common/rng.h"
#include "common/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_common.h>

enum { INNER = 64, NTM_LEN = WIRE_HDR_LEN + INNER + WIRE_TAG_LEN, BULK = 64 };

struct shape {
	uint32_t paths;
	bool from_v6, to_v6;
};

struct rs_s {
	struct rs_bed bed;
	struct rng rng;
	uint64_t *ids;
};

static int paths_up(struct rs_dp *dp, const struct shape *sh)
{
	int ret = 0;

	for (uint32_t i = 0; i < sh->paths && ret == 0; i++)
		ret = rs_path_up_between(dp, i, sh->from_v6, sh->to_v6);
	return ret;
}

static void frames_up(struct rs_s *s, const struct shape *sh)
{
	uint8_t ntm[NTM_LEN] = {0};

	for (uint32_t i = 0; i < BED_PACKETS; i++) {
		uint32_t path = (uint32_t)rng_below(&s->rng, sh->paths);
		struct endpoint src = sh->from_v6 ? rs_path_node6(path, RS_PATHS_NET_A)
						  : rs_path_node(path, RS_PATHS_NET_A);

		s->ids[i] = rs_path_id(path);
		wire_build(ntm, WIRE_DATA, wire_flags(true, 0, 0), i, s->ids[i]);
		rs_bed_frame(&s->bed, i, &src, ntm, NTM_LEN);
	}
}

/* Which stage the cycles went to, over all slices. */
static void stages_print(const struct worker *w)
{
	for (int i = 0; i < STAGE_MAX; i++) {
		const struct stage_stats *st = &w->stats.stage[i];

		if (st->packets > 0)
			printf("  stage %-8s %8.1f cycles per packet, %5.1f packets per call\n",
			       stage_name((enum stage)i), (double)st->cycles / (double)st->packets,
			       (double)st->packets / (double)st->calls);
	}
}

static void rs_s_down(void *state)
{
	struct rs_s *s = state;

	if (s->bed.w != NULL)
		stages_print(s->bed.w);

	rs_bed_down(&s->bed);
	free(s->ids);
	free(s);
}

static int rs_s_up(void **state, const struct shape *sh, const char *name)
{
	struct rs_s *s = calloc(1, sizeof(*s));
	struct rs_dp_config cfg = {.n_workers = 1, .paths_max = sh->paths, .legs_max = 64};
	int ret;

	if (s == NULL)
		return -ENOMEM;
	rng_init_seeded(&s->rng, 11);
	cfg.rng = &s->rng;
	s->ids = malloc(BED_PACKETS * sizeof(*s->ids));
	ret = rs_bed_up(&s->bed, name, &cfg);
	if (ret == 0 && s->ids != NULL)
		ret = paths_up(s->bed.dp, sh);
	if (ret < 0 || s->ids == NULL) {
		rs_s_down(s);
		return ret < 0 ? ret : -ENOMEM;
	}
	frames_up(s, sh);
	*state = s;
	return 0;
}

static int up_1m(void **state)
{
	return rs_s_up(state, &(struct shape){.paths = 1000000 / BENCH_SMALLER}, "rs_s_1m");
}

static int up_v6(void **state)
{
	const struct shape sh = {1000000 / BENCH_SMALLER, true, true};

	return rs_s_up(state, &sh, "rs_s_v6");
}

static int up_v46(void **state)
{
	const struct shape sh = {1000000 / BENCH_SMALLER, false, true};

	return rs_s_up(state, &sh, "rs_s_v46");
}

/* Bytes of this process, in huge pages and in others. */
static uint64_t memory_now(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[128];
	uint64_t sum = 0;
	unsigned long kb;

	if (f == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "VmRSS: %lu", &kb) == 1 ||
		    sscanf(line, "HugetlbPages: %lu", &kb) == 1)
			sum += (uint64_t)kb << 10;
	fclose(f);
	return sum;
}

/* What 10 M paths take, of their own and in all tables: the same data path with few paths is taken
 * off. The floor is 3 GiB.
 */
static int memory_measure(struct rng *rng, uint32_t paths)
{
	struct rs_dp_config cfg = {.n_workers = 1, .legs_max = 64, .rng = rng};
	struct endpoint own = {.ip = ip_from_v4(rte_cpu_to_be_32(0xc0000201)), .port = 4700};
	uint64_t before = memory_now(), few;
	struct rs_dp *dp;
	int ret;

	cfg.paths_max = 1;
	dp = rs_dp_create(&cfg);
	if (dp == NULL)
		return -errno;
	few = memory_now() - before;
	rs_dp_destroy(dp);
	before = memory_now();
	cfg.paths_max = paths;
	dp = rs_dp_create(&cfg);
	if (dp == NULL)
		return -errno;
	ret = rs_dp_local_add(dp, &own, 0);
	if (ret >= 0)
		ret = rs_paths_up(dp, paths);
	if (ret == 0)
		ret = bench_results_add(bench_current_results(), "memory.rs_s.10m",
					(double)(memory_now() - before - few) / paths,
					"bytes per path", (3.0 * (1 << 30)) / paths);
	rs_dp_destroy(dp);
	return ret;
}

static int up_10m(void **state)
{
	struct rng rng;
	int ret;

	rng_init_seeded(&rng, 19);
	ret = memory_measure(&rng, 10000000 / BENCH_SMALLER);
	if (ret < 0)
		return ret;
	return rs_s_up(state, &(struct shape){.paths = 10000000}, "rs_s_10m");
}

static void before(void *state)
{
	rs_bed_refill(&((struct rs_s *)state)->bed, BED_PACKETS);
}

static void run(void *state, uint64_t n)
{
	rs_bed_run(&((struct rs_s *)state)->bed, (uint32_t)n);
}

static void run_io(void *state, uint64_t n)
{
	rs_bed_run_io(&((struct rs_s *)state)->bed, (uint32_t)n);
}

static void run_lookup(void *state, uint64_t n)
{
	struct rs_s *s = state;
	const struct path_record *out[BULK];
	uint64_t sum = 0;

	for (uint64_t at = 0; at < n; at += BULK) {
		relay_table_lookup_bulk(s->bed.dp->paths, s->ids + at, BULK, out);
		for (int i = 0; i < BULK; i++)
			sum += (uintptr_t)out[i];
	}
	bench_use(sum);
}

/* clang-format off */
#define CASES(name)                                                                                \
	{                                                                                          \
		{"floor.io." name, BENCH_CYCLES, BED_PACKETS, before, run_io, {{NULL}}},             \
		{"floor.look." name, BENCH_CYCLES, BED_PACKETS, NULL, run_lookup, {{NULL}}},         \
		{"rs_s.64." name, BENCH_CYCLES, BED_PACKETS, before, run,                            \
		 {{"floor.io." name, 1}, {"floor.look." name, 1}}},                                  \
	}
/* clang-format on */
static const struct bench_case cases_1m[] = CASES("1m");
static const struct bench_case cases_10m[] = CASES("10m");
static const struct bench_case cases_v6[] = CASES("1m.v6");
static const struct bench_case cases_v46[] = CASES("1m.v46");

const struct bench_group bench_rs_s_1m = {"pipeline", "RS-S, 1 M paths", up_1m,
					  rs_s_down,  cases_1m,		 RTE_DIM(cases_1m)};
const struct bench_group bench_rs_s_10m = {"pipeline", "RS-S, 10 M paths", up_10m,
					   rs_s_down,  cases_10m,	   RTE_DIM(cases_10m)};
const struct bench_group bench_rs_s_v6 = {"pipeline", "RS-S in IPv6, 1 M paths", up_v6, rs_s_down,
					  cases_v6,   RTE_DIM(cases_v6)};
const struct bench_group bench_rs_s_v46 = {"pipeline", "RS-S from IPv4 to IPv6, 1 M paths",
					   up_v46,     rs_s_down,
					   cases_v46,  RTE_DIM(cases_v46)};
