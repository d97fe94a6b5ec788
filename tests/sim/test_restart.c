/* SPDX-License-Identifier: BSD-3-Clause */
/* Services that are started again tell those that lean on them, also who has nothing to say. */
#include "tests/sim/scenario.h"

static struct sim_flow f;

/* Nobody sends anything; the DC comes back and finds them within seconds, not at their keep-alives,
 * which are minutes apart by then.
 */
static void test_dc(void **state)
{
	struct world *w = world_create(60);
	struct vips vips;
	uint64_t up;

	sim_run(&w->sim, 3600 * SIM_SEC);
	sim_dc_stop(&w->dc);
	sim_dc_start(&w->dc);
	up = w->sim.now;
	sim_run(&w->sim, 3 * SIM_SEC);
	assert_int_equal(dc_counters(w->dc.dc)[DC_COUNT_REG_OK], 1 + WORLD_NODES);
	assert_int_equal(world_direct(w, ALICE, world_name(BOB), &vips, NULL), NODE_DIRECTION_PATH);
	assert_int_equal(world_direct(w, CAROL, world_name(BOB), &vips, NULL), NODE_DIRECTION_PATH);
	assert_in_range(w->sim.now - up, 0, 5 * SIM_SEC);
	scenario_end(w);
}

/* The first word to a node is lost; it is told again. */
static void test_dc_lossy(void **state)
{
	struct world *w = world_create(61);
	struct vips vips;

	sim_run(&w->sim, 3600 * SIM_SEC);
	sim_dc_stop(&w->dc);
	sim_dc_start(&w->dc);
	w->nets[NAT_B].is_cut = true;
	sim_run(&w->sim, 3 * SIM_SEC);
	w->nets[NAT_B].is_cut = false;
	sim_run(&w->sim, 15 * SIM_SEC);
	assert_int_equal(dc_counters(w->dc.dc)[DC_COUNT_REG_OK], 1 + WORLD_NODES);
	assert_int_equal(world_direct(w, ALICE, world_name(BOB), &vips, NULL), NODE_DIRECTION_PATH);
	scenario_end(w);
}

/* Who is known again is not told again, and an expelled node's place is forgotten. */
static void test_dc_quiet(void **state)
{
	struct world *w = world_create(62);
	uint64_t told;

	sim_run(&w->sim, 60 * SIM_SEC);
	sim_node_stop(&w->nodes[CAROL]);
	dc_expel(w->dc.dc, w->sim.now, DC_NODE, world_name(CAROL), NULL, NULL);
	sim_run(&w->sim, SIM_SEC);
	sim_dc_stop(&w->dc);
	sim_dc_start(&w->dc);
	sim_run(&w->sim, 120 * SIM_SEC);
	told = dc_counters(w->dc.dc)[DC_COUNT_RESTART_TOLD];
	/* alice, bob, the RS: one each, unless it was on its way to us just then */
	assert_in_range(told, 1, 3);
	assert_int_equal(dc_counters(w->dc.dc)[DC_COUNT_REG_OK], 3);
	sim_node_start(&w->nodes[CAROL]);
	scenario_end(w);
}

/* A relay that cannot write down its lasting key goes on with its join token, over new handshakes and
 * starts, until it can.
 */
static void test_rs_store_fails(void **state)
{
	struct world *w = world_create(64);

	sim_rs_stop(&w->rs);
	sim_dc_enrol(&w->dc, DC_RS, w->rs.params.name, w->rs.params.psk);
	w->rs.params.has_token = true;
	w->rs.store_fails = true;
	sim_rs_start(&w->rs);
	for (int hour = 0; hour < 8; hour++) /* control keys live for 6 */
		sim_run(&w->sim, 3600 * SIM_SEC);
	assert_true(rs_control_has_dc(w->rs.control));
	assert_true(w->rs.params.has_token);
	sim_rs_stop(&w->rs);
	w->rs.store_fails = false;
	sim_rs_start(&w->rs);
	sim_run(&w->sim, 30 * SIM_SEC);
	assert_true(rs_control_has_dc(w->rs.control));
	assert_false(w->rs.params.has_token);
	scenario_end(w);
}

/* The relay loses its legs while nobody sends. Bob is at rest; what alice then sends reaches him. */
static void test_rs(void **state)
{
	struct world *w = world_create(63);
	uint64_t since;

	scenario_flow(w, &f, ALICE, BOB, 0, false);
	sim_run(&w->sim, 3600 * SIM_SEC);
	sim_rs_stop(&w->rs);
	sim_run(&w->sim, 2 * SIM_SEC);
	sim_rs_start(&w->rs);
	sim_run(&w->sim, 3 * SIM_SEC);
	since = w->sim.now;
	f.echoes = 0;
	sim_flow_send(&f);
	assert_true(sim_run_until(&w->sim, SIM_SEC, has_echo, &f));
	printf("RS restarted at rest: echo after %.0f ms\n", (double)(w->sim.now - since) / 1e6);
	scenario_end(w);
}

static bool take_directions(void *arg, const char *name, uint64_t value, const char *help)
{
	if (strcmp(name, "DIRECTIONS") == 0)
		*(uint64_t *)arg = value;
	return true;
}

/* Alice has lost the path with her process and the DC has lost it with its own, and where she was the
 * old one leads nowhere: nobody tells bob, who holds on to it. The new one must win at both ends, whichever number is smaller.
 */
static void test_lost_path(void **state)
{
	for (uint64_t seed = 64; seed < 72; seed++) {
		struct world *w = world_create(seed);
		uint64_t directions = 0;

		scenario_flow(w, &f, ALICE, BOB, 0, false);
		sim_run(&w->sim, 60 * SIM_SEC);
		sim_node_stop(&w->nodes[ALICE]);
		sim_node_attach(&w->nodes[ALICE], 0, &w->nets[NAT_C], "192.168.3.7", NULL);
		sim_dc_stop(&w->dc);
		sim_dc_start(&w->dc);
		sim_node_start(&w->nodes[ALICE]);
		assert_true(sim_run_until(&w->sim, 30 * SIM_SEC, world_is_registered, w));
		scenario_flow(w, &f, ALICE, BOB, 50 * SIM_MS, false);
		sim_run(&w->sim, 30 * SIM_SEC);
		sim_flow_stop(&f);
		sim_run(&w->sim, SIM_SEC);
		/* Some of the first second go by the old one, to nobody. */
		assert_in_range(f.sent - f.echoes, 0, 20);
		node_counters(w->nodes[ALICE].node, take_directions, &directions);
		assert_int_equal(directions, 1);
		scenario_end(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dc),	 cmocka_unit_test(test_dc_lossy),
		cmocka_unit_test(test_dc_quiet), cmocka_unit_test(test_rs_store_fails),
		cmocka_unit_test(test_rs),	 cmocka_unit_test(test_lost_path),
	};

	if (getenv("SIM_ONLY") != NULL)
		cmocka_set_test_filter(getenv("SIM_ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
