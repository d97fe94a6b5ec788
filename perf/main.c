/* SPDX-License-Identifier: BSD-3-Clause */
/* ntm-bench [-r ROUNDS] [-o FILE] [AREA...]: run the groups of the areas, or those whose name has the
 * word in it (default: all), print a table, write the rows as JSON. perf/run calls it.
 */
#include "common/log.h"
#include "perf/groups.h"

#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct bench_group *const groups[] = {
	&bench_aead,	    &bench_session,	 &bench_control,     &bench_dns,
	&bench_lookup_1m,   &bench_lookup_10m,	 &bench_rs_s_1m,     &bench_rs_s_10m,
	&bench_rs_s_v6,	    &bench_rs_s_v46,	 &bench_rs_n_64,     &bench_rs_n_512,
	&bench_rs_n_1400,   &bench_rs_n_cold,	 &bench_rs_n_sha256, &bench_rs_n_md5,
	&bench_rs_n_memory, &bench_nat,		 &bench_scale,	     &bench_idle,
	&bench_hostile,	    &bench_hostile_rs_n, &bench_update,
};

enum { ROUNDS_MIN = 7, ROUNDS_DEFAULT = 15, HUGE_MB_WANTED = 1400 };

static bool is_wanted(const struct bench_group *g, char **areas, int n)
{
	for (int i = 0; i < n; i++)
		if (strcmp(areas[i], g->area) == 0 || strstr(g->name, areas[i]) != NULL)
			return true;
	return n == 0;
}

static long huge_free_mb(void)
{
	long n = 0;
	FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "r");

	if (f == NULL)
		return 0;
	if (fscanf(f, "%ld", &n) != 1)
		n = 0;
	fclose(f);
	return 2 * n;
}

/* The EAL makes its folder under /run/dpdk even where it keeps nothing in it. */
static void folder_remove(void)
{
	(void)rmdir(rte_eal_get_runtime_dir());
}

/* The main lcore on the last CPU: interrupts and other people's work like the first. A second one
 * beside it, asleep but in the cases that are about two.
 */
static int eal_start(void)
{
	char cores[64], main_core[48], prog[] = "ntm-bench", m[] = "-m", mb[16];
	char pci[] = "--no-pci", telemetry[] = "--no-telemetry", level[] = "--log-level=error";
	char huge[] = "--in-memory", no_huge[] = "--no-huge", no_conf[] = "--no-shconf";
	bool has_huge = huge_free_mb() >= HUGE_MB_WANTED;
	char prefix[64];
	char *argv[] = {prog,	cores,	   main_core, m,      mb,
			pci,	telemetry, level,     prefix, has_huge ? huge : no_huge,
			no_conf};
	long last = sysconf(_SC_NPROCESSORS_ONLN) - 1;

	snprintf(cores, sizeof(cores), last > 0 ? "-l%ld,%ld" : "-l%ld", RTE_MAX(last - 1, 0L),
		 last);
	snprintf(main_core, sizeof(main_core), "--main-lcore=%ld", last);
	snprintf(mb, sizeof(mb), "%d", HUGE_MB_WANTED);
	printf("pages: %s\n", has_huge ? "2 MB" : "4 kB (no free huge pages)");
	snprintf(prefix, sizeof(prefix), "--file-prefix=ntm-bench-%d", (int)getpid());
	if (rte_eal_init(has_huge ? 10 : 11, argv) < 0) {
		fprintf(stderr, "ntm-bench: EAL: %s\n", rte_strerror(rte_errno));
		return -EIO;
	}
	atexit(folder_remove);
	return 0;
}

static int run_groups(const struct bench_options *o, struct bench_results *r, char **areas, int n)
{
	int failed = 0;

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		int ret;

		if (!is_wanted(groups[i], areas, n))
			continue;
		ret = bench_run(groups[i], o, r);
		if (ret < 0) {
			fprintf(stderr, "ntm-bench: %s: %s\n", groups[i]->name, strerror(-ret));
			failed++;
		}
	}
	return failed;
}

int main(int argc, char **argv)
{
	struct bench_options o = {.rounds = ROUNDS_DEFAULT, .fifo = true};
	struct bench_results *r = bench_results_create();
	const char *out = NULL;
	int opt, failed;

	while ((opt = getopt(argc, argv, "r:o:")) != -1) {
		if (opt == 'r')
			o.rounds = (unsigned int)strtoul(optarg, NULL, 10);
		else if (opt == 'o')
			out = optarg;
		else
			return 2;
	}
	if (o.rounds < ROUNDS_MIN || o.rounds > BENCH_ROUNDS_MAX || r == NULL) {
		fprintf(stderr, "ntm-bench: rounds are %d to %d\n", ROUNDS_MIN, BENCH_ROUNDS_MAX);
		return 2;
	}
	if (eal_start() < 0)
		return 1;
	bench_results_add(r, "machine.tsc", (double)rte_get_tsc_hz() / 1e6, "MHz", 0);
	failed = run_groups(&o, r, argv + optind, argc - optind);
	if (out != NULL && bench_results_write(r, out) < 0) {
		fprintf(stderr, "ntm-bench: cannot write %s\n", out);
		failed++;
	}
	bench_results_destroy(r);
	rte_eal_cleanup();
	return failed != 0;
}
