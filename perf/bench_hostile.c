/* SPDX-License-Identifier: BSD-3-Clause */
/* Floods that RS-S must drop, through the same worker as good traffic and beside it: each over cold
 * buffers, each packet drawn anew, each really freed. Floor: rs_s of good packets, which come out.
 */
#include "perf/groups.h"
#include "perf/rs_paths.h"

#include "common/rng.h"
#include "common/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	PATHS = 1000000 / BENCH_SMALLER,
	INNER = 64,
	NTM_LEN = WIRE_HDR_LEN + INNER + WIRE_TAG_LEN,
	GIANT_LEN = 1600, /* more than the way out takes */
};

enum kind { GOOD, UNKNOWN_PATH, WRONG_SOURCE, FRAGMENT, TINY, GIANT, RESERVED, KINDS };

static const struct {
	uint16_t len; /* of the NTM packet */
	enum drop_reason why;
} kinds[KINDS] = {
	[GOOD] = {NTM_LEN, DROP_MAX},
	[UNKNOWN_PATH] = {NTM_LEN, DROP_NO_PATH},
	[WRONG_SOURCE] = {NTM_LEN, DROP_PATH_SOURCE},
	[FRAGMENT] = {NTM_LEN, DROP_OUTER_FRAGMENT},
	[TINY] = {1, DROP_NTM_SHORT},
	[GIANT] = {GIANT_LEN, DROP_MTU},
	[RESERVED] = {NTM_LEN, DROP_NTM_RESERVED},
};

struct hostile {
	struct rs_bed bed;
	struct rng rng;
	enum kind kind;
	bool is_drained; /* the packets were dropped: they are in the pool */
	uint8_t (*frames[KINDS])[BED_FRAME_MAX];
	uint16_t frame_len[KINDS];
};

/* Mark the IPv4 packet of a frame as the first piece of several. */
static void frame_cut(uint8_t *p)
{
	uint8_t *ip = p + RTE_ETHER_HDR_LEN;
	uint16_t check;

	store_be16(ip + 6, 0x2000);
	store_be16(ip + 10, 0);
	check = (uint16_t)~csum_fold(csum_bytes(ip, IP4_HDR_LEN, 0));
	memcpy(ip + 10, &check, sizeof(check));
}

static void frame_make(struct hostile *s, enum kind kind, uint32_t i)
{
	static const uint8_t zero[GIANT_LEN];
	uint32_t path = (uint32_t)rng_below(&s->rng, PATHS);
	struct endpoint src = rs_path_node(path, RS_PATHS_NET_A);
	uint64_t id = rs_path_id(path);
	uint8_t ntm[GIANT_LEN];

	memcpy(ntm, zero, kinds[kind].len);
	if (kind == UNKNOWN_PATH)
		id = rng_u64(&s->rng) & ~WIRE_ID_INDEX;
	if (kind == WRONG_SOURCE)
		src = rs_path_node((uint32_t)rng_below(&s->rng, 1 << 24), 0x08080000);
	if (kinds[kind].len >= WIRE_HDR_LEN)
		wire_build(ntm, WIRE_DATA, wire_flags(true, 0, 0), i, id);
	if (kind == RESERVED)
		ntm[1] |= 1;
	s->bed.frame = s->frames[kind];
	rs_bed_frame(&s->bed, i, &src, ntm, kinds[kind].len);
	s->frame_len[kind] = s->bed.frame_len;
	if (kind == FRAGMENT)
		frame_cut(s->frames[kind][i]);
}

static int frames_up(struct hostile *s)
{
	s->frames[GOOD] = s->bed.frame;
	for (int k = 0; k < KINDS; k++) {
		if (k != GOOD)
			s->frames[k] = calloc(BED_PACKETS, sizeof(*s->frames[k]));
		if (s->frames[k] == NULL)
			return -ENOMEM;
		for (uint32_t i = 0; i < BED_PACKETS; i++)
			frame_make(s, (enum kind)k, i);
	}
	return 0;
}

static void hostile_down(void *state)
{
	struct hostile *s = state;

	for (int k = 0; k < KINDS; k++)
		if (k != GOOD)
			free(s->frames[k]);
	if (s->frames[GOOD] != NULL)
		s->bed.frame = s->frames[GOOD];
	rs_bed_down(&s->bed);
	free(s);
}

static int hostile_up(void **state)
{
	struct hostile *s = calloc(1, sizeof(*s));
	struct rs_dp_config cfg = {.n_workers = 1, .paths_max = PATHS, .legs_max = 64};
	int ret;

	if (s == NULL)
		return -ENOMEM;
	rng_init_seeded(&s->rng, 13);
	cfg.rng = &s->rng;
	ret = rs_bed_up(&s->bed, "hostile", &cfg);
	if (ret == 0)
		ret = rs_paths_up(s->bed.dp, PATHS);
	if (ret == 0)
		ret = frames_up(s);
	if (ret < 0) {
		hostile_down(s);
		return ret;
	}
	*state = s;
	return 0;
}

static void before(struct hostile *s, enum kind kind)
{
	s->kind = kind;
	if (s->is_drained && rte_pktmbuf_alloc_bulk(s->bed.pool, s->bed.pkt, BED_PACKETS) != 0)
		abort();
	s->is_drained = false;
	s->bed.frame = s->frames[kind];
	s->bed.frame_len = s->frame_len[kind];
	rs_bed_refill(&s->bed, BED_PACKETS);
	/* The flood has used up what strangers may send. */
	for (uint32_t i = 0; i < PATHS; i++)
		atomic_store_explicit(&s->bed.dp->path_ctl[i].strays[RS_SIDE_A], 0,
				      memory_order_relaxed);
}

static void before_good(void *state)
{
	before(state, GOOD);
}

static void before_unknown(void *state)
{
	before(state, UNKNOWN_PATH);
}

static void before_source(void *state)
{
	before(state, WRONG_SOURCE);
}

static void before_fragment(void *state)
{
	before(state, FRAGMENT);
}

static void before_tiny(void *state)
{
	before(state, TINY);
}

static void before_giant(void *state)
{
	before(state, GIANT);
}

static void before_reserved(void *state)
{
	before(state, RESERVED);
}

static void run_good(void *state, uint64_t n)
{
	rs_bed_run(&((struct hostile *)state)->bed, (uint32_t)n);
}

static void run_flood(void *state, uint64_t n)
{
	struct hostile *s = state;
	const uint64_t *drops = &s->bed.w->stats.drops[kinds[s->kind].why];
	uint64_t before_it = *drops;

	while (rs_bed_has_more(&s->bed))
		pipeline_run(s->bed.w);
	s->is_drained = true;
	if (*drops - before_it == n)
		return;
	fprintf(stderr, "bench: only %llu packets dropped as %s\n",
		(unsigned long long)(*drops - before_it), drop_name(kinds[s->kind].why));
	abort();
}

/* clang-format off */
static const struct bench_case cases[] = {
	{"hostile.floor.rs_s", BENCH_CYCLES, BED_PACKETS, before_good, run_good, {{NULL}}},
	{"hostile.unknown_path", BENCH_CYCLES, BED_PACKETS, before_unknown, run_flood, {{"hostile.floor.rs_s", 1}}},
	{"hostile.wrong_source", BENCH_CYCLES, BED_PACKETS, before_source, run_flood, {{"hostile.floor.rs_s", 1}}},
	{"hostile.fragment", BENCH_CYCLES, BED_PACKETS, before_fragment, run_flood, {{"hostile.floor.rs_s", 1}}},
	{"hostile.tiny", BENCH_CYCLES, BED_PACKETS, before_tiny, run_flood, {{"hostile.floor.rs_s", 1}}},
	{"hostile.giant", BENCH_CYCLES, BED_PACKETS, before_giant, run_flood, {{"hostile.floor.rs_s", 1}}},
	{"hostile.reserved", BENCH_CYCLES, BED_PACKETS, before_reserved, run_flood, {{"hostile.floor.rs_s", 1}}},
};
/* clang-format on */

const struct bench_group bench_hostile = {"pipeline", "hostile traffic", hostile_up, hostile_down,
					  cases,      RTE_DIM(cases)};
