/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

/* What the scenario tests share. Include after world.h. */
#include "tests/sim/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static inline bool has_echo(void *arg)
{
	return ((struct sim_flow *)arg)->echoes > 0;
}

/* Direction by name, then a flow to the peer's VIPv4 that has had its first echo. */
static inline void scenario_flow(struct world *w, struct sim_flow *f, unsigned int from,
				 unsigned int to, uint64_t gap_ns, bool v6)
{
	struct vips vips;

	w->sim.is_traced = getenv("SIM_TRACE") != NULL;
	for (int i = 0; i < WORLD_NODES; i++)
		w->nodes[i].is_verbose = getenv("SIM_EVENTS") != NULL;
	assert_int_equal(world_direct(w, from, world_name(to), &vips, NULL), NODE_DIRECTION_PATH);
	sim_flow_start(f, &w->nodes[from], &w->nodes[to], v6 ? &vips.v6 : &vips.v4, 200, gap_ns,
		       true);
	if (gap_ns == 0)
		sim_flow_send(f);
	assert_true(sim_run_until(&w->sim, 10 * SIM_SEC, has_echo, f));
}

static inline void scenario_end(struct world *w)
{
	sim_run(&w->sim, SIM_SEC);
	world_check(w);
	assert_int_equal(w->errors, 0);
	world_destroy(w);
}

/* The longest time without an arrival since this call, over ns. */
static inline void scenario_gap_begin(struct sim_flow *f)
{
	f->longest_gap_ns = 0;
	f->longest_echo_gap_ns = 0;
}

#endif
