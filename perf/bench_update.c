/* SPDX-License-Identifier: BSD-3-Clause */
/* The control lcore enters and removes paths while a worker forwards: how many in a second, and what
 * that costs the worker beside a neighbour that only calculates. Two threads; with one CPU it says
 * little.
 */
#include "perf/groups.h"
#include "perf/rs_paths.h"

#include "common/rng.h"
#include "common/wire.h"

#include <rte_cycles.h>
#include <rte_rcu_qsbr.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
	PATHS = 1000000 / BENCH_SMALLER,
	CHURN = 1 << 15, /* paths beside them that come and go */
	INNER = 64,
	NTM_LEN = WIRE_HDR_LEN + INNER + WIRE_TAG_LEN,
	PACE = 1500000, /* updates per second, half as many again as asked for */
	BATCH = 64,	/* steps of the neighbour between two looks at what it shall do */
};

enum duty { REST, SPIN, UPDATE, LEAVE };

struct update {
	struct rs_bed bed;
	struct rng rng;
	struct rte_rcu_qsbr *qsbr;
	pthread_t control;
	bool has_control;
	_Atomic int duty, doing;
	/* Of the control thread. */
	uint32_t next;
	uint64_t done, from, until; /* updates, and when they began and ended */
	bool pace;		    /* not more than PACE a second */
	double best[2];		    /* per second, of one slice: at will, in pace */
};

/* One new path, one old one away. False: everything waits for a grace period. */
static bool update_pair(struct update *u)
{
	struct rs_dp *dp = u->bed.dp;

	if (rs_path_up(dp, PATHS + u->next % (2 * CHURN)) < 0)
		return false;
	u->next++;
	if (u->next > CHURN &&
	    rs_dp_path_del(dp, rs_path_id(PATHS + (u->next + CHURN) % (2 * CHURN))) < 0)
		abort();
	return true;
}

static void spin(void)
{
	uint64_t x = 1;

	for (int i = 0; i < 4 * BATCH; i++) {
		x *= 0x9e3779b97f4a7c15ULL;
		bench_use(x);
	}
}

static bool is_ahead(const struct update *u)
{
	uint64_t passed = rte_rdtsc() - u->from;

	return (double)u->done * (double)rte_get_tsc_hz() > (double)PACE * (double)passed;
}

/* Between two batches it calculates, as the neighbour without updates does all the time. */
static void updates(struct update *u)
{
	if (u->pace && is_ahead(u)) {
		spin();
		return;
	}
	for (int i = 0; i < BATCH; i++) {
		if (!update_pair(u))
			break;
		u->done += 2;
	}
	rs_dp_housekeep(u->bed.dp, 0);
	u->until = rte_rdtsc();
}

static void fifo(bool on)
{
	struct sched_param p = {.sched_priority = on ? 1 : 0};

	/* Not allowed: the figures are merely noisier. */
	(void)sched_setscheduler(0, on ? SCHED_FIFO : SCHED_OTHER, &p);
}

/* On the first CPU; the bench itself is on the last. */
static void *control_main(void *arg)
{
	struct update *u = arg;
	const struct timespec rest = {.tv_nsec = 500000};
	cpu_set_t first;
	int duty;

	CPU_ZERO(&first);
	CPU_SET(0, &first);
	(void)pthread_setaffinity_np(pthread_self(), sizeof(first), &first);
	while ((duty = atomic_load(&u->duty)) != LEAVE) {
		if (duty != atomic_load(&u->doing))
			fifo(duty != REST);
		atomic_store(&u->doing, duty);
		if (duty == SPIN)
			spin();
		else if (duty == UPDATE)
			updates(u);
		else
			nanosleep(&rest, NULL);
	}
	return NULL;
}

static void update_down(void *state)
{
	struct update *u = state;

	atomic_store(&u->duty, LEAVE);
	if (u->has_control)
		pthread_join(u->control, NULL);
	if (u->best[true] > 0)
		bench_results_add(bench_current_results(), "table.update.1m", u->best[true],
				  "per second", 1e6);
	if (u->best[false] > 0)
		bench_results_add(bench_current_results(), "table.update.1m.most", u->best[false],
				  "per second", 1e6);
	rs_bed_down(&u->bed);
	free(u->qsbr);
	free(u);
}

static void frames_up(struct update *u)
{
	uint8_t ntm[NTM_LEN] = {0};

	for (uint32_t i = 0; i < BED_PACKETS; i++) {
		uint32_t path = (uint32_t)rng_below(&u->rng, PATHS);
		struct endpoint src = rs_path_node(path, RS_PATHS_NET_A);

		wire_build(ntm, WIRE_DATA, wire_flags(true, 0, 0), i, rs_path_id(path));
		rs_bed_frame(&u->bed, i, &src, ntm, NTM_LEN);
	}
}

static int update_up(void **state)
{
	struct update *u = calloc(1, sizeof(*u));
	struct rs_dp_config cfg = {.n_workers = 1, .paths_max = PATHS + 2 * CHURN, .legs_max = 64};
	int ret = -ENOMEM;

	if (u == NULL)
		return -ENOMEM;
	rng_init_seeded(&u->rng, 17);
	u->qsbr = aligned_alloc(RTE_CACHE_LINE_SIZE,
				RTE_ALIGN(rte_rcu_qsbr_get_memsize(1), RTE_CACHE_LINE_SIZE));
	if (u->qsbr != NULL && rte_rcu_qsbr_init(u->qsbr, 1) == 0)
		ret = rte_rcu_qsbr_thread_register(u->qsbr, 0);
	cfg.rng = &u->rng;
	cfg.qsbr = u->qsbr;
	if (ret == 0)
		ret = rs_bed_up(&u->bed, "update", &cfg);
	if (ret == 0)
		ret = rs_paths_up(u->bed.dp, PATHS);
	if (ret == 0) {
		frames_up(u);
		ret = -pthread_create(&u->control, NULL, control_main, u);
		u->has_control = ret == 0;
	}
	if (ret < 0) {
		update_down(u);
		return ret;
	}
	*state = u;
	return 0;
}

/* Returns when the neighbour does it. */
static void duty_set(struct update *u, enum duty duty)
{
	atomic_store(&u->duty, duty);
	while (atomic_load(&u->doing) != (int)duty)
		sched_yield();
}

static void before(struct update *u, enum duty duty)
{
	rs_bed_refill(&u->bed, BED_PACKETS);
	u->done = 0;
	u->from = rte_rdtsc();
	u->until = u->from + 1;
	duty_set(u, duty);
}

static void before_spin(void *state)
{
	before(state, SPIN);
}

static void before_update(void *state)
{
	((struct update *)state)->pace = true;
	before(state, UPDATE);
}

static void before_most(void *state)
{
	((struct update *)state)->pace = false;
	before(state, UPDATE);
}

static void run(void *state, uint64_t n)
{
	struct update *u = state;

	rte_rcu_qsbr_thread_online(u->qsbr, 0);
	while (rs_bed_has_more(&u->bed)) {
		pipeline_run(u->bed.w);
		rte_rcu_qsbr_quiescent(u->qsbr, 0);
	}
	rte_rcu_qsbr_thread_offline(u->qsbr, 0);
	atomic_store(&u->duty, REST);
	if (rte_ring_count(u->bed.out) != n)
		abort();
}

/* What the neighbour reached is known once it rests. */
static void run_update(void *state, uint64_t n)
{
	struct update *u = state;
	double rate;

	run(state, n);
	while (atomic_load(&u->doing) != REST)
		;
	rate = (double)u->done * (double)rte_get_tsc_hz() / (double)(u->until - u->from);
	if (rate > u->best[u->pace])
		u->best[u->pace] = rate;
}

/* clang-format off */
static const struct bench_case cases[] = {
	{"floor.rs_s.beside_spin", BENCH_CYCLES, BED_PACKETS, before_spin, run, {{NULL}}},
	{"rs_s.64.1m.beside_update", BENCH_CYCLES, BED_PACKETS, before_update, run_update,
	 {{"floor.rs_s.beside_spin", 1}}},
	{"rs_s.64.1m.beside_most", BENCH_CYCLES, BED_PACKETS, before_most, run_update,
	 {{"floor.rs_s.beside_spin", 1}}},
};
/* clang-format on */

const struct bench_group bench_update = {
	"pipeline", "updates beside a worker", update_up, update_down, cases, RTE_DIM(cases)};
