/* SPDX-License-Identifier: BSD-3-Clause */
/* RS-S whole: rx, parse, relay, switch, tx of one worker over net_ring, 64 bytes inner, each packet
 * of another path drawn at random, every buffer cold. Floor: the I/O alone, and the look-up alone.
 */
#include "perf/groups.h"
#include "perf/rs_bed.h"

#include "common/rng.h"
#include "common/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_common.h>

enum { INNER = 64, NTM_LEN = WIRE_HDR_LEN + INNER + WIRE_TAG_LEN, BULK = 64 };

struct rs_s {
	struct rs_bed bed;
	struct rng rng;
	uint64_t *ids;
};

/* What path i is called: multiplying by an odd number modulo 2^63 makes none twice. */
static uint64_t path_id(uint32_t i)
{
	return (i + 1ULL) * 0x9e3779b97f4a7c15ULL & ~WIRE_ID_INDEX;
}

static struct endpoint node_of(uint32_t i, uint32_t net)
{
	return (struct endpoint){.ip = ip_from_v4(rte_cpu_to_be_32(net + (i & 0xffff))),
				 .port = (uint16_t)(1024 + (i >> 16))};
}

static int paths_up(struct rs_s *s, uint32_t paths)
{
	for (uint32_t i = 0; i < paths; i++) {
		struct rs_dp_path p = {.id = path_id(i)};
		int ret;

		p.side[RS_SIDE_A] = (struct rs_dp_side){.peer = node_of(i, 0xc6330000),
							.state = RS_SIDE_CONFIRMED};
		p.side[RS_SIDE_B] = (struct rs_dp_side){.peer = node_of(i, 0xcb010000),
							.state = RS_SIDE_CONFIRMED};
		ret = rs_dp_path_set(s->bed.dp, &p);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static void frames_up(struct rs_s *s, uint32_t paths)
{
	uint8_t ntm[NTM_LEN] = {0};

	for (uint32_t i = 0; i < BED_PACKETS; i++) {
		uint32_t path = (uint32_t)rng_below(&s->rng, paths);
		struct endpoint src = node_of(path, 0xc6330000);

		s->ids[i] = path_id(path);
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

static int rs_s_up(void **state, uint32_t paths, const char *name)
{
	struct rs_s *s = calloc(1, sizeof(*s));
	struct rs_dp_config cfg = {.n_workers = 1, .paths_max = paths, .legs_max = 64};
	int ret;

	if (s == NULL)
		return -ENOMEM;
	rng_init_seeded(&s->rng, 11);
	cfg.rng = &s->rng;
	s->ids = malloc(BED_PACKETS * sizeof(*s->ids));
	ret = rs_bed_up(&s->bed, name, &cfg);
	if (ret == 0 && s->ids != NULL)
		ret = paths_up(s, paths);
	if (ret < 0 || s->ids == NULL) {
		rs_s_down(s);
		return ret < 0 ? ret : -ENOMEM;
	}
	frames_up(s, paths);
	*state = s;
	return 0;
}

static int up_1m(void **state)
{
	return rs_s_up(state, 1000000 / BENCH_SMALLER, "rs_s_1m");
}

static int up_10m(void **state)
{
	return rs_s_up(state, 10000000, "rs_s_10m");
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
static const struct bench_case cases_1m[] = {
	{"floor.io.1m", BENCH_CYCLES, BED_PACKETS, before, run_io, {{NULL}}},
	{"floor.look.1m", BENCH_CYCLES, BED_PACKETS, NULL, run_lookup, {{NULL}}},
	{"rs_s.64.1m", BENCH_CYCLES, BED_PACKETS, before, run,
	 {{"floor.io.1m", 1}, {"floor.look.1m", 1}}},
};
static const struct bench_case cases_10m[] = {
	{"floor.io.10m", BENCH_CYCLES, BED_PACKETS, before, run_io, {{NULL}}},
	{"floor.look.10m", BENCH_CYCLES, BED_PACKETS, NULL, run_lookup, {{NULL}}},
	{"rs_s.64.10m", BENCH_CYCLES, BED_PACKETS, before, run,
	 {{"floor.io.10m", 1}, {"floor.look.10m", 1}}},
};
/* clang-format on */

const struct bench_group bench_rs_s_1m = {"pipeline", "RS-S, 1 M paths", up_1m,
					  rs_s_down,  cases_1m,		 RTE_DIM(cases_1m)};
const struct bench_group bench_rs_s_10m = {"pipeline", "RS-S, 10 M paths", up_10m,
					   rs_s_down,  cases_10m,	   RTE_DIM(cases_10m)};
