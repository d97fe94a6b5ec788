/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* What lasts longer than a key: the DC's memory of grants is lost, or their day is over. */

static struct sim_flow f, g;

static bool has_echo(void *arg)
{
	return ((struct sim_flow *)arg)->echoes > 0;
}

static void begin_flow(struct world *w, struct sim_flow *flow, unsigned int from, const char *name,
		       struct sim_node *to, uint64_t gap_ns)
{
	struct vips vips;

	assert_int_equal(world_direct(w, from, name, &vips, NULL),
			 to != NULL ? NODE_DIRECTION_PATH : NODE_DIRECTION_GN);
	sim_flow_start(flow, &w->nodes[from], to, &vips.v4, 200, gap_ns, true);
	assert_true(sim_run_until(&w->sim, 10 * SIM_SEC, has_echo, flow));
}

/* The DC is back without its rows: new paths and general hosts are bound on the old legs. */
static void test_dc_forgot(void **state)
{
	struct world *w = world_create(70);
	uint64_t legs;

	sim_run(&w->sim, 2 * SIM_SEC);
	legs = w->rs.control != NULL ? rs_control_legs(w->rs.control) : 0;
	sim_dc_stop(&w->dc);
	sim_run(&w->sim, 5 * SIM_SEC);
	sim_dc_start(&w->dc);
	sim_run(&w->sim, 60 * SIM_SEC);
	assert_true(world_is_registered(w));
	begin_flow(w, &f, ALICE, world_name(BOB), &w->nodes[BOB], 100 * SIM_MS);
	begin_flow(w, &g, ALICE, "web.example", NULL, 100 * SIM_MS);
	/* The same legs, not new ones beside them. */
	assert_int_equal(rs_control_legs(w->rs.control), legs);
	sim_flow_stop(&f);
	sim_flow_stop(&g);
	world_check(w);
	assert_int_equal(w->errors, 0);
	world_destroy(w);
}

/* Path and temporary keys live for a day and are renewed at half of it: nothing stops. */
static void test_two_days(void **state)
{
	struct world *w = world_create(71);

	begin_flow(w, &f, ALICE, world_name(BOB), &w->nodes[BOB], 10 * SIM_SEC);
	begin_flow(w, &g, ALICE, "web.example", NULL, 10 * SIM_SEC);
	for (int hour = 0; hour < 50; hour++)
		sim_run(&w->sim, 3600 * SIM_SEC);
	printf("two days: longest silence %.1f s by path, %.1f s by RS-N; %u and %u of %u echoes\n",
	       (double)f.longest_echo_gap_ns / 1e9, (double)g.longest_echo_gap_ns / 1e9, f.echoes,
	       g.echoes, f.sent);
	assert_in_range(f.longest_echo_gap_ns, 0, 25 * SIM_SEC);
	assert_in_range(g.longest_echo_gap_ns, 0, 25 * SIM_SEC);
	sim_flow_stop(&f);
	sim_flow_stop(&g);
	world_check(w);
	assert_int_equal(w->errors, 0);
	world_destroy(w);
}

/* Nobody talks for two days: everybody can be reached at once afterwards. */
static void test_idle(void **state)
{
	struct world *w = world_create(72);

	sim_run(&w->sim, 50 * 3600 * SIM_SEC);
	assert_true(world_is_registered(w));
	for (int i = 0; i < WORLD_NODES; i++)
		assert_true(world_node_ready(&w->nodes[i]));
	begin_flow(w, &f, ALICE, world_name(BOB), &w->nodes[BOB], 100 * SIM_MS);
	sim_flow_stop(&f);
	world_check(w);
	assert_int_equal(w->errors, 0);
	world_destroy(w);
}

/* A path rests for longer than its keys are good, after they were renewed once: whoever speaks first
 * is heard, and what it said first is not lost.
 */
static void test_path_rests(void **state)
{
	struct world *w = world_create(73);

	begin_flow(w, &f, ALICE, world_name(BOB), &w->nodes[BOB], 10 * SIM_SEC);
	begin_flow(w, &g, ALICE, "web.example", NULL, 10 * SIM_SEC);
	sim_run(&w->sim, 125 * SIM_SEC);
	for (int turn = 0; turn < 4; turn++) {
		unsigned int from = turn % 2 == 0 ? ALICE : BOB;

		sim_flow_stop(&f);
		sim_flow_stop(&g);
		sim_run(&w->sim, 600 * SIM_SEC);
		begin_flow(w, &f, from, world_name(ALICE + BOB - from),
			   &w->nodes[ALICE + BOB - from], 200 * SIM_MS);
		begin_flow(w, &g, ALICE, "web.example", NULL, 200 * SIM_MS);
		sim_run(&w->sim, 5 * SIM_SEC);
		assert_in_range(f.sent - f.echoes, 0, 1); /* the last one may be on its way */
		assert_in_range(g.sent - g.echoes, 0, 1);
	}
	sim_flow_stop(&f);
	sim_flow_stop(&g);
	world_check(w);
	assert_int_equal(w->errors, 0);
	world_destroy(w);
}

/* N-05: what an idle node costs a battery: it wakes for keep-alives and for renewals, no more. */
static void test_idle_wakes(void **state)
{
	struct world *w = world_create(72);
	struct node_status before, after;

	sim_run(&w->sim, 3600 * SIM_SEC);
	node_status(w->nodes[CAROL].node, &before);
	sim_run(&w->sim, 10 * 3600 * SIM_SEC);
	node_status(w->nodes[CAROL].node, &after);
	printf("an idle node wakes %.1f times an hour\n",
	       (double)(after.wakeups - before.wakeups) / 10);
	assert_in_range(after.wakeups - before.wakeups, 10, 10 * 60);
	world_destroy(w);
}

/* The pause between keep-alives grows until the NAT forgets us in one, and never again so far: then a
 * node at rest is reached at any time, by few packets.
 */
static void test_keepalive_learnt(void **state)
{
	struct world *w = world_create(36);
	uint64_t moves, wakeups;
	struct node_status st;

	w->nats[NAT_A].life_ns = 100 * SIM_SEC;
	begin_flow(w, &f, BOB, world_name(ALICE), &w->nodes[ALICE], 100 * SIM_MS);
	sim_flow_stop(&f);
	sim_run(&w->sim, 2000 * SIM_SEC);
	node_status(w->nodes[ALICE].node, &st);
	moves = st.moves;
	wakeups = st.wakeups;
	assert_true(moves > 1); /* it was forgotten, and found that out */
	for (int i = 0; i < 20; i++) {
		sim_run(&w->sim, 391 * SIM_SEC);
		f.echoes = 0;
		sim_flow_send(&f);
		assert_true(sim_run_until(&w->sim, SIM_SEC, has_echo, &f));
	}
	node_status(w->nodes[ALICE].node, &st);
	assert_int_equal(st.moves, moves);
	printf("at rest for %d s: %u wake-ups\n", 20 * 391, (unsigned int)(st.wakeups - wakeups));
	sim_flow_stop(&f);
	world_check(w);
	assert_int_equal(w->errors, 0);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dc_forgot),  cmocka_unit_test(test_two_days),
		cmocka_unit_test(test_idle),	   cmocka_unit_test(test_path_rests),
		cmocka_unit_test(test_idle_wakes), cmocka_unit_test(test_keepalive_learnt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
