/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_BENCH_H
#define PERF_BENCH_H

/* The bench runner. A group is a set of cases over one state; its cases are run one after the other
 * in short slices, round after round, so that a case and its floors see the same machine. A case's
 * floor is a sum of other cases of its group: ratio = case / floor. Ratios travel between machines,
 * cycles do not.
 *
 * Single thread. Cycles are those of the TSC.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ntm-gate is built from the same files to count instructions under callgrind, where each costs 50
 * times as much: everything is smaller there, which changes what misses a cache, not what is done.
 */
#ifdef BENCH_GATE
enum { BENCH_SMALLER = 64 };
#else
enum { BENCH_SMALLER = 1 };
#endif

enum { BENCH_FLOOR_MAX = 4, BENCH_CASES_MAX = 24, BENCH_ROUNDS_MAX = 64 };

enum bench_unit {
	BENCH_CYCLES,	  /* TSC cycles per operation: less is better */
	BENCH_PER_SECOND, /* operations per second: more is better */
};

struct bench_part {
	const char *of; /* name of a case in the same group; NULL ends the list */
	double times;
};

struct bench_case {
	const char *name; /* as it stands in results.json */
	enum bench_unit unit;
	uint64_t n_ops;				  /* of one slice: 10 to 500 ms worth */
	void (*before)(void *state);		  /* not timed, before each slice; may be NULL */
	void (*run)(void *state, uint64_t n_ops); /* timed */
	struct bench_part floor[BENCH_FLOOR_MAX];
	/* NULL, or cases by whose quotient (cycles of the first over those of the second) the floor
	 * is multiplied: what two lcores at once gain over one, say.
	 */
	const char *scale_by, *scale_over;
};

struct bench_group {
	const char *area; /* what AREA= selects */
	const char *name;
	int (*setup)(void **state); /* 0, or -errno: the group is reported as failed */
	void (*teardown)(void *state);
	const struct bench_case *cases;
	size_t n_cases;
};

struct bench_options {
	unsigned int rounds; /* at least 7 */
	bool fifo;	     /* SCHED_FIFO inside of a slice */
};

/* Rows of results.json, in the order they were measured. */
struct bench_results;
struct bench_results *bench_results_create(void);
void bench_results_destroy(struct bench_results *r);
/* A figure that is not of the rounds: bytes per path, say; its busy is that of the group's
 * rounds where they are over, else of this moment. floor 0: there is none. -ENOMEM.
 */
int bench_results_add(struct bench_results *r, const char *name, double value, const char *unit,
		      double floor);
/* An array of objects with name, value, unit, floor, ratio, busy, and of timed cases median,
 * ratio_median and spread. -errno.
 */
int bench_results_write(const struct bench_results *r, const char *path);

/* Run a group and print a line per case. A state may add its own figures to r while it is set up:
 * bench_current_results() is r then. 0 or what setup returned.
 */
int bench_run(const struct bench_group *g, const struct bench_options *o, struct bench_results *r);
struct bench_results *bench_current_results(void);

/* Inside of a run: what lies between the two is not part of the slice. For cases over few packets that
 * must be put back between passes; some 30 cycles each.
 */
void bench_pause(void);
void bench_resume(void);

/* Keep the compiler from throwing a result away. */
static inline void bench_use(uint64_t v)
{
	__asm__("" : : "r"(v) : "memory");
}

#endif
