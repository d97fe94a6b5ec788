/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes that a node costs at RS-N: resident memory of the process before and after a leg table is made
 * and filled, each leg with both directions' keys of one epoch; a table of twice as many beside it, so that
 * what is rounded up to whole huge pages is not put down to the nodes. "side" is what an entry of the
 * side pool costs on top, into which the next epoch's pair goes while both are in use.
 */
#include "appliance/leg_table.h"
#include "appliance/rs_dp.h"
#include "common/rng.h"
#include "perf/groups.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { LEGS = 1 << 18, SIDE = LEGS / 4 };

/* Huge pages are no part of what the kernel calls resident. */
static long resident(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	long sum = 0, kb;
	char line[128];

	if (f == NULL)
		abort();
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "VmRSS: %ld kB", &kb) == 1 ||
		    sscanf(line, "HugetlbPages: %ld kB", &kb) == 1)
			sum += kb * 1024;
	fclose(f);
	return sum;
}

static void leg_up(struct leg_table *t, struct rng *rng, uint32_t i)
{
	struct rs_dp_leg leg = {.confirmed = true, .peer = {.port = 1111}};
	struct epoch_keys k = {.peer_index = i};
	uint64_t index;

	rng_fill(rng, &k.recv, sizeof(k.recv));
	rng_fill(rng, &k.send, sizeof(k.send));
	k.recv.suite = SUITE_AES128_GCM;
	k.send.suite = SUITE_AES128_GCM;
	leg.peer.ip = ip_from_v4(i + 1);
	if (leg_table_reserve(t, rng_u64(rng), &index) < 0 || leg_table_add(t, index, &leg) < 0 ||
	    leg_table_key_install(t, index, &k, UINT64_MAX) < 0 ||
	    leg_table_key_use(t, index, 0) < 0)
		abort();
}

/* Bytes of a filled table with that many entries of keys. */
static double table_bytes(uint32_t legs_max, uint32_t keys_max)
{
	struct leg_table_config cfg = {.legs_max = legs_max, .keys_max = keys_max};
	long before = resident(), bytes;
	struct leg_table *t = leg_table_create(&cfg);
	struct rng rng;

	if (t == NULL)
		abort();
	rng_init_seeded(&rng, 7);
	for (uint32_t i = 0; i < legs_max; i++)
		leg_up(t, &rng, i);
	bytes = resident() - before;
	leg_table_destroy(t);
	return (double)bytes;
}

static int memory_up(void **state)
{
	double one = table_bytes(LEGS, LEGS), two = table_bytes(2 * LEGS, 2 * LEGS);
	double side = table_bytes(LEGS, LEGS + SIDE);

	*state = NULL;
	(void)bench_results_add(bench_current_results(), "memory.rs_n", (two - one) / LEGS, "bytes",
				0);
	return bench_results_add(bench_current_results(), "memory.rs_n.side", (side - one) / SIDE,
				 "bytes", 0);
}

static void memory_down(void *state)
{
}

const struct bench_group bench_rs_n_memory = {
	"pipeline", "RS-N, memory of a node", memory_up, memory_down, NULL, 0};
