/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/bench.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <x86intrin.h>

#include <rte_cycles.h>

enum { PROBE_STEPS = 20000, PROBES = 9, NAME_LEN = 64 };

struct row {
	char name[NAME_LEN], unit[24];
	double value, floor; /* floor 0: none */
	bool is_timed;
	double median, ratio_median, spread, busy;
};

struct bench_results {
	struct row *rows;
	size_t n, room;
};

/* What the rounds measured of one case. */
struct samples {
	double cycles[BENCH_ROUNDS_MAX];
	double probe[BENCH_ROUNDS_MAX];
};

static struct {
	struct bench_results *results;
	double probe_best; /* fastest probe of this process: the machine with no neighbour */
	double busy;	   /* most of the rows that the group has so far; 0: none yet */
	uint64_t paused;   /* cycles of this slice that do not count */
	uint64_t pause_from;
} current;

void bench_pause(void)
{
	current.pause_from = rte_rdtsc_precise();
}

void bench_resume(void)
{
	current.paused += rte_rdtsc_precise() - current.pause_from;
}

struct bench_results *bench_current_results(void)
{
	return current.results;
}

struct bench_results *bench_results_create(void)
{
	return calloc(1, sizeof(struct bench_results));
}

void bench_results_destroy(struct bench_results *r)
{
	free(r->rows);
	free(r);
}

static struct row *row_new(struct bench_results *r, const char *name, const char *unit)
{
	struct row *row;

	if (r->n == r->room) {
		size_t room = r->room ? 2 * r->room : 32;
		struct row *rows = realloc(r->rows, room * sizeof(*rows));

		if (rows == NULL)
			return NULL;
		r->rows = rows;
		r->room = room;
	}
	row = &r->rows[r->n++];
	memset(row, 0, sizeof(*row));
	snprintf(row->name, sizeof(row->name), "%s", name);
	snprintf(row->unit, sizeof(row->unit), "%s", unit);
	return row;
}

/* A chain of multiplications: its time per step is fixed but for the clock, and for whoever shares
 * the core with us.
 */
static double probe(void)
{
	uint64_t x = 1, from = rte_rdtsc();

	for (int i = 0; i < PROBE_STEPS; i++) {
		x *= 0x9e3779b97f4a7c15ULL;
		bench_use(x);
	}
	return (double)(rte_rdtsc() - from) / PROBE_STEPS;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Quantile of the first n of v: 0 the least, 0.5 the median. */
static double quantile(const double *v, unsigned int n, double q)
{
	double sorted[BENCH_ROUNDS_MAX];

	memcpy(sorted, v, n * sizeof(*v));
	qsort(sorted, n, sizeof(*sorted), compare);
	return sorted[(unsigned int)(q * (n - 1) + 0.5)];
}

/* For a figure that has no rounds of its own: of the rounds that it came out of, or of this moment. */
static double busy_of(void)
{
	double p[PROBES];

	if (current.busy > 0)
		return current.busy;
	for (int i = 0; i < PROBES; i++) {
		p[i] = probe();
		if (current.probe_best == 0 || p[i] < current.probe_best)
			current.probe_best = p[i];
	}
	return quantile(p, PROBES, 0.5) / current.probe_best;
}

int bench_results_add(struct bench_results *r, const char *name, double value, const char *unit,
		      double floor)
{
	struct row *row = row_new(r, name, unit);

	if (row == NULL)
		return -ENOMEM;
	row->value = value;
	row->floor = floor;
	row->busy = busy_of();
	printf("%-34s %12.4g %-14s  busy %.2f\n", name, value, unit, row->busy);
	return 0;
}

static void write_number(FILE *f, const char *key, bool known, double v)
{
	if (known && isfinite(v))
		fprintf(f, ", \"%s\": %.6g", key, v);
	else
		fprintf(f, ", \"%s\": null", key);
}

int bench_results_write(const struct bench_results *r, const char *path)
{
	FILE *f = fopen(path, "w");

	if (f == NULL)
		return -errno;
	fprintf(f, "[");
	for (size_t i = 0; i < r->n; i++) {
		const struct row *row = &r->rows[i];
		bool has_floor = row->floor > 0;

		fprintf(f, "%s\n{\"name\": \"%s\", \"unit\": \"%s\"", i ? "," : "", row->name,
			row->unit);
		write_number(f, "value", true, row->value);
		write_number(f, "floor", has_floor, row->floor);
		write_number(f, "ratio", has_floor, row->value / row->floor);
		if (row->is_timed) {
			write_number(f, "median", true, row->median);
			write_number(f, "ratio_median", has_floor, row->ratio_median);
			write_number(f, "spread", true, row->spread);
		}
		write_number(f, "busy", true, row->busy);
		fprintf(f, "}");
	}
	fprintf(f, "\n]\n");
	return fclose(f) == 0 ? 0 : -errno;
}

static void fifo(const struct bench_options *o, bool on)
{
	struct sched_param p = {.sched_priority = on ? 1 : 0};

	/* Not allowed: the figures are merely noisier. */
	if (o->fifo)
		(void)sched_setscheduler(0, on ? SCHED_FIFO : SCHED_OTHER, &p);
}

static void slice(const struct bench_case *c, void *state, const struct bench_options *o,
		  struct samples *s, unsigned int round)
{
	uint64_t from;

	if (c->before != NULL)
		c->before(state);
	fifo(o, true);
	s->probe[round] = probe();
	current.paused = 0;
	from = rte_rdtsc_precise();
	c->run(state, c->n_ops);
	s->cycles[round] = (double)(rte_rdtsc_precise() - from - current.paused) / (double)c->n_ops;
	fifo(o, false);
}

static const struct samples *samples_of(const struct bench_group *g, const struct samples *s,
					const char *name)
{
	for (size_t i = 0; i < g->n_cases; i++)
		if (strcmp(g->cases[i].name, name) == 0)
			return &s[i];
	fprintf(stderr, "bench: no case %s in group %s\n", name, g->name);
	abort();
}

/* Cycles of a case: in one round, or the best with round = -1. */
static double cycles_of(const struct bench_group *g, const struct samples *s, const char *name,
			int round, unsigned int rounds)
{
	const struct samples *of = samples_of(g, s, name);

	return round < 0 ? quantile(of->cycles, rounds, 0) : of->cycles[round];
}

static double floor_of(const struct bench_group *g, const struct bench_case *c,
		       const struct samples *s, int round, unsigned int rounds)
{
	double sum = 0;

	for (int i = 0; i < BENCH_FLOOR_MAX && c->floor[i].of != NULL; i++)
		sum += c->floor[i].times * cycles_of(g, s, c->floor[i].of, round, rounds);
	if (c->scale_by != NULL)
		sum *= cycles_of(g, s, c->scale_by, round, rounds) /
		       cycles_of(g, s, c->scale_over, round, rounds);
	return sum;
}

static double in_unit(const struct bench_case *c, double cycles)
{
	return c->unit == BENCH_CYCLES || cycles == 0 ? cycles : (double)rte_get_tsc_hz() / cycles;
}

static void print_row(const struct row *row)
{
	printf("%-34s %12.4g %-10s median %10.4g spread %3.0f %%", row->name, row->value, row->unit,
	       row->median, 100 * row->spread);
	if (row->floor > 0)
		printf("  floor %10.4g ratio %.2f (%.2f)", row->floor, row->value / row->floor,
		       row->ratio_median);
	printf("  busy %.2f\n", row->busy);
}

static int report(const struct bench_group *g, size_t i, const struct samples *s, unsigned int n,
		  struct bench_results *r)
{
	const struct bench_case *c = &g->cases[i];
	struct row *row = row_new(r, c->name, c->unit == BENCH_CYCLES ? "cycles" : "per second");
	double ratios[BENCH_ROUNDS_MAX], best = quantile(s[i].cycles, n, 0);

	if (row == NULL)
		return -ENOMEM;
	for (unsigned int k = 0; k < n; k++)
		ratios[k] = in_unit(c, s[i].cycles[k]) / in_unit(c, floor_of(g, c, s, (int)k, n));
	row->is_timed = true;
	row->value = in_unit(c, best);
	row->median = in_unit(c, quantile(s[i].cycles, n, 0.5));
	row->floor = in_unit(c, floor_of(g, c, s, -1, n));
	row->ratio_median = quantile(ratios, n, 0.5);
	row->spread = (quantile(s[i].cycles, n, 0.75) - quantile(s[i].cycles, n, 0.25)) /
		      quantile(s[i].cycles, n, 0.5);
	row->busy = quantile(s[i].probe, n, 0.5) / current.probe_best;
	if (row->busy > current.busy)
		current.busy = row->busy;
	print_row(row);
	return 0;
}

static void rounds_run(const struct bench_group *g, void *state, const struct bench_options *o,
		       struct samples *s)
{
	for (size_t i = 0; i < g->n_cases; i++) /* warm up */
		slice(&g->cases[i], state, o, &s[i], 0);
	for (unsigned int round = 0; round < o->rounds; round++)
		for (size_t i = 0; i < g->n_cases; i++) {
			slice(&g->cases[i], state, o, &s[i], round);
			if (current.probe_best == 0 || s[i].probe[round] < current.probe_best)
				current.probe_best = s[i].probe[round];
		}
}

int bench_run(const struct bench_group *g, const struct bench_options *o, struct bench_results *r)
{
	struct samples *s;
	void *state = NULL;
	int ret;

	if (g->n_cases > BENCH_CASES_MAX || o->rounds > BENCH_ROUNDS_MAX)
		return -E2BIG;
	printf("== %s: %s\n", g->area, g->name);
	fflush(stdout);
	current.results = r;
	ret = g->setup(&state);
	if (ret < 0)
		return ret;
	s = calloc(g->n_cases, sizeof(*s));
	if (s == NULL) {
		ret = -ENOMEM;
		goto err_teardown;
	}
	rounds_run(g, state, o, s);
	for (size_t i = 0; i < g->n_cases && ret == 0; i++)
		ret = report(g, i, s, o->rounds, r);
	free(s);
err_teardown:
	g->teardown(state);
	current.busy = 0;
	fflush(stdout);
	return ret;
}
