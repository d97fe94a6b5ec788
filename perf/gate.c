/* SPDX-License-Identifier: BSD-3-Clause */
/* ntm-gate [CASE]: run each case of the instruction gate once, warmed up, inside of gate_measured(), and
 * print "case NAME OPERATIONS" for each in that order. perf/gate runs it under callgrind, which counts
 * in that function alone and writes a file whenever it is left. With CASE that one alone, for a profile.
 */
#include "appliance/aead.h"
#include "perf/groups.h"

#include <rte_eal.h>
#include <rte_errno.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CASES_MAX = 8, EXIT_SKIP = 77 };

static const struct gate_group {
	const struct bench_group *group;
	const char *cases[CASES_MAX];
} gate_groups[] = {
	{&bench_lookup_1m, {"lookup.1m.avx2", "lookup.1m.scalar"}},
	{&bench_rs_s_1m, {"rs_s.64.1m"}},
	{&bench_rs_s_v6, {"rs_s.64.1m.v6"}},
	{&bench_rs_s_v46, {"rs_s.64.1m.v46"}},
	{&bench_hostile, {"hostile.wrong_source"}},
	{&bench_rs_n_64, {"rs_n.open.gcm128.64.far", "rs_n.seal.gcm128.64.far"}},
	{&bench_rs_n_512, {"rs_n.open.gcm128.512.far", "rs_n.seal.gcm128.512.far"}},
	{&bench_rs_n_1400, {"rs_n.open.gcm128.1400.far", "rs_n.seal.gcm128.1400.far"}},
	{&bench_session,
	 {"session.seal.gcm128.64", "session.open.gcm128.64", "session.seal.gcm128.1400",
	  "session.open.gcm128.1400"}},
};

/* Groups may add figures of their own while they are set up; nothing reads them here. */
static struct bench_results *results;

struct bench_results *bench_current_results(void)
{
	return results;
}

int bench_results_add(struct bench_results *r, const char *name, double value, const char *unit,
		      double floor)
{
	return 0;
}

/* Cases that pause are not among those counted. */
void bench_pause(void)
{
}

void bench_resume(void)
{
}

#if __has_attribute(noclone) /* clang neither knows it nor needs it */
#define GATE_WHOLE __attribute__((noinline, noclone))
#else
#define GATE_WHOLE __attribute__((noinline))
#endif

/* callgrind finds it by this name: it must neither be inlined nor cloned. */
GATE_WHOLE void gate_measured(const struct bench_case *c, void *state);

void gate_measured(const struct bench_case *c, void *state)
{
	c->run(state, c->n_ops);
	/* A call at the end would be a jump, and callgrind would not see this function left. */
	bench_use(c->n_ops);
}

static const struct bench_case *case_find(const struct bench_group *g, const char *name)
{
	for (size_t i = 0; i < g->n_cases; i++)
		if (strcmp(g->cases[i].name, name) == 0)
			return &g->cases[i];
	return NULL;
}

static int case_run(const struct bench_group *g, const char *name, void *state)
{
	const struct bench_case *c = case_find(g, name);

	if (c == NULL) {
		fprintf(stderr, "ntm-gate: no case %s in group %s\n", name, g->name);
		return -1;
	}
	if (c->before != NULL)
		c->before(state);
	c->run(state, c->n_ops);
	if (c->before != NULL)
		c->before(state);
	gate_measured(c, state);
	printf("case %s %llu\n", c->name, (unsigned long long)c->n_ops);
	return 0;
}

static bool has_case(const struct gate_group *gg, const char *only)
{
	for (int i = 0; i < CASES_MAX && gg->cases[i] != NULL; i++)
		if (only == NULL || strcmp(gg->cases[i], only) == 0)
			return true;
	return false;
}

static int group_run(const struct gate_group *gg, const char *only)
{
	void *state = NULL;
	int ret;

	if (!has_case(gg, only))
		return 0;
	ret = gg->group->setup(&state);

	if (ret < 0) {
		fprintf(stderr, "ntm-gate: %s: %s\n", gg->group->name, strerror(-ret));
		return ret;
	}
	for (int i = 0; i < CASES_MAX && gg->cases[i] != NULL && ret == 0; i++)
		if (only == NULL || strcmp(gg->cases[i], only) == 0)
			ret = case_run(gg->group, gg->cases[i], state);
	gg->group->teardown(state);
	return ret;
}

/* The baseline is of one instruction set, the best that callgrind knows. */
static int isa_check(void)
{
	struct aead *a = aead_create(AEAD_BEST);
	int ret = a != NULL && aead_isa(a) == AEAD_AVX2 ? 0 : EXIT_SKIP;

	if (ret != 0)
		fprintf(stderr, "ntm-gate: IPsec-MB takes %s here, the baseline is of %s\n",
			a != NULL ? aead_isa_name(aead_isa(a)) : "nothing",
			aead_isa_name(AEAD_AVX2));
	if (a != NULL)
		aead_destroy(a);
	return ret;
}

static void folder_remove(void)
{
	(void)rmdir(rte_eal_get_runtime_dir());
}

static int eal_start(void)
{
	char prefix[64], prog[] = "ntm-gate", l[] = "-l", core[] = "0", m[] = "-m", mb[] = "192";
	char pci[] = "--no-pci", telemetry[] = "--no-telemetry", level[] = "--log-level=error";
	char no_huge[] = "--no-huge", no_conf[] = "--no-shconf";
	char simd[] = "--force-max-simd-bitwidth=256";
	char *argv[] = {prog,	   l,	  core,	  m,	   mb,	    pci,
			telemetry, level, prefix, no_huge, no_conf, simd};

	snprintf(prefix, sizeof(prefix), "--file-prefix=ntm-gate-%d", (int)getpid());
	if (rte_eal_init((int)(sizeof(argv) / sizeof(argv[0])), argv) < 0) {
		fprintf(stderr, "ntm-gate: EAL: %s\n", rte_strerror(rte_errno));
		return -1;
	}
	atexit(folder_remove);
	return 0;
}

int main(int argc, char **argv)
{
	int ret = eal_start();

	if (ret == 0)
		ret = isa_check();
	for (size_t i = 0; ret == 0 && i < sizeof(gate_groups) / sizeof(gate_groups[0]); i++)
		ret = group_run(&gate_groups[i], argc > 1 ? argv[1] : NULL);
	rte_eal_cleanup();
	return ret < 0 ? 1 : ret;
}
