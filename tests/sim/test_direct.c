/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/scenario.h"

static struct sim_flow f;

/* P-01, P-03: the NATed end opens it, whoever asks. */
static void direct(unsigned int from, unsigned int to)
{
	struct world *w = world_create(3);

	scenario_flow(w, &f, from, to, 10 * SIM_MS, false);
	sim_run(&w->sim, SIM_SEC);
	assert_true(w->nodes[from].is_direct);
	assert_true(w->nodes[to].is_direct);
	assert_true(f.got + 2 >= f.sent);
	scenario_end(w);
}

static void test_direct_from_nat(void **state)
{
	direct(ALICE, CAROL);
}

static void test_direct_to_nat(void **state)
{
	direct(CAROL, ALICE);
}

/* Host firewall: nothing unasked comes in. The same bytes by the relay after 300 ms, then a direct
 * way by probes from both sides.
 */
static void test_direct_refused(void **state)
{
	struct world *w = world_create(4);
	struct sim_nat wall;
	uint64_t begin;

	sim_nat_init(&wall, "20.9.0.5", SIM_NAT_PORT_RESTRICTED);
	wall.is_wall = true;
	w->open.nat = &wall;
	sim_run(&w->sim, 30 * SIM_SEC);
	begin = w->sim.now;
	scenario_flow(w, &f, ALICE, CAROL, 10 * SIM_MS, false);
	assert_in_range(w->sim.now - begin, 300 * SIM_MS, 500 * SIM_MS);
	sim_run(&w->sim, SIM_SEC);
	scenario_end(w);
}

static void set_class(struct world *w, int nat, enum sim_nat_class class)
{
	w->nats[nat].class = class;
	sim_nat_flush(&w->nats[nat]);
}

static bool both_direct(void *arg)
{
	struct world *w = arg;

	return w->nodes[ALICE].is_direct && w->nodes[BOB].is_direct;
}

static bool none_direct(void *arg)
{
	struct world *w = arg;

	return !w->nodes[ALICE].is_direct && !w->nodes[BOB].is_direct;
}

/* O-01..O-05: which pairs of NATs can be passed, and no packet is lost by trying. */
static void pair(enum sim_nat_class a, enum sim_nat_class b, bool expect_direct)
{
	struct world *w = world_create(5 + a * SIM_NAT_CLASSES + b);
	uint32_t lost;

	set_class(w, NAT_A, a);
	set_class(w, NAT_B, b);
	/* The mappings are new: keep-alives find that out. */
	sim_run(&w->sim, 60 * SIM_SEC);
	scenario_flow(w, &f, ALICE, BOB, 10 * SIM_MS, false);
	sim_run_until(&w->sim, 40 * SIM_SEC, both_direct, w);
	if (both_direct(w) != expect_direct)
		printf("NAT classes %d and %d: %s\n", a, b, both_direct(w) ? "direct" : "relay");
	assert_int_equal(both_direct(w), expect_direct);
	sim_run(&w->sim, 2 * SIM_SEC);
	sim_flow_stop(&f);
	sim_run(&w->sim, SIM_SEC);
	lost = f.sent - f.got;
	assert_int_equal(lost, 0);
	scenario_end(w);
}

static void test_nat_pairs(void **state)
{
	for (int a = 0; a < SIM_NAT_CLASSES; a++) {
		for (int b = 0; b < SIM_NAT_CLASSES; b++) {
			bool sym_a = a >= SIM_NAT_SYMMETRIC_ADDR,
			     sym_b = b >= SIM_NAT_SYMMETRIC_ADDR;
			bool strict_a = a == SIM_NAT_PORT_RESTRICTED || a == SIM_NAT_SYMMETRIC;
			bool strict_b = b == SIM_NAT_PORT_RESTRICTED || b == SIM_NAT_SYMMETRIC;
			bool way = !(sym_a && (sym_b || strict_b)) && !(sym_b && strict_a);

			pair(a, b, way);
		}
	}
}

/* Demo step 7: cone, direct; one becomes symmetric and forgets: back to the relay; why says it. */
static bool why_line(void *arg, uint64_t at_ns, const char *text)
{
	if (strstr(text, "symmetric NAT") != NULL)
		*(bool *)arg = true;
	if (getenv("SIM_EVENTS") != NULL)
		printf("why: %.3f %s\n", (double)(at_ns - 1000 * SIM_SEC) / 1e9, text);
	return true;
}

static void test_cone_and_back(void **state)
{
	struct world *w = world_create(6);
	bool said = false;

	set_class(w, NAT_A, SIM_NAT_PORT_RESTRICTED);
	set_class(w, NAT_B, SIM_NAT_PORT_RESTRICTED);
	sim_run(&w->sim, 60 * SIM_SEC);
	scenario_flow(w, &f, ALICE, BOB, 10 * SIM_MS, false);
	assert_true(sim_run_until(&w->sim, 10 * SIM_SEC, both_direct, w));
	sim_run(&w->sim, 5 * SIM_SEC);
	scenario_gap_begin(&f);
	set_class(w, NAT_B, SIM_NAT_SYMMETRIC);
	assert_true(sim_run_until(&w->sim, 5 * SIM_SEC, none_direct, w));
	sim_run(&w->sim, 60 * SIM_SEC);
	printf("direct route died: longest gap %.0f ms there, %.0f ms and back\n",
	       (double)f.longest_gap_ns / 1e6, (double)f.longest_echo_gap_ns / 1e6);
	assert_in_range(f.longest_echo_gap_ns, 0, 1500 * SIM_MS);
	assert_true(none_direct(w));
	node_why(w->nodes[BOB].node, w->sim.now, world_name(ALICE), why_line, &said);
	assert_true(said);
	scenario_end(w);
}

/* Side B finds the direct way while side A's first words are still on their way by the relay: they are no
 * reason to leave it again.
 */
static void test_relay_far_off(void **state)
{
	for (uint64_t seed = 7; seed < 17; seed++) {
		struct world *w = world_create(seed);

		set_class(w, NAT_A, SIM_NAT_FULL_CONE);
		set_class(w, NAT_B, seed % 2 ? SIM_NAT_SYMMETRIC : SIM_NAT_FULL_CONE);
		sim_run(&w->sim, 60 * SIM_SEC);
		w->nets[NAT_A].delay_ns = w->nets[NAT_B].delay_ns = SIM_MS;
		w->core.jitter_ns = 30 * SIM_MS;
		scenario_flow(w, &f, ALICE, BOB, 10 * SIM_MS, false);
		assert_true(sim_run_until(&w->sim, SIM_SEC, both_direct, w));
		sim_run(&w->sim, SIM_SEC);
		assert_true(both_direct(w));
		assert_int_equal(w->nodes[ALICE].route_changes, 1);
		assert_int_equal(w->nodes[BOB].route_changes, 1);
		sim_flow_stop(&f);
		scenario_end(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_direct_from_nat), cmocka_unit_test(test_direct_to_nat),
		cmocka_unit_test(test_direct_refused),	cmocka_unit_test(test_cone_and_back),
		cmocka_unit_test(test_nat_pairs),	cmocka_unit_test(test_relay_far_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
