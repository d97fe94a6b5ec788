/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/scenario.h"

static struct sim_flow f, g;

/* New network behind NAT C, old one gone. */
static void move_to_c(struct world *w, unsigned int node)
{
	sim_node_attach(&w->nodes[node], 0, &w->nets[NAT_C], "192.168.3.7", NULL);
}

static bool resumes(struct sim_flow *flow, bool echo, const char *what)
{
	uint64_t gap = echo ? flow->longest_echo_gap_ns : flow->longest_gap_ns;

	printf("%s: longest gap %.0f ms\n", what, (double)gap / 1e6);
	return gap < 400 * SIM_MS;
}

/* H-03: the mover sends; the relay path is back within a round trip between mover and RS. */
static void test_move_sending(void **state)
{
	struct world *w = world_create(10);

	scenario_flow(w, &f, ALICE, BOB, 10 * SIM_MS, false);
	sim_run(&w->sim, 3 * SIM_SEC);
	scenario_gap_begin(&f);
	move_to_c(w, ALICE);
	sim_run(&w->sim, 10 * SIM_SEC);
	assert_true(resumes(&f, false, "move, sending"));
	assert_in_range(f.longest_gap_ns, 0, 100 * SIM_MS);
	assert_true(sim_node_is_registered(&w->nodes[ALICE]));
	scenario_end(w);
}

/* H-04: the mover only receives. */
static void test_move_receiving(void **state)
{
	struct world *w = world_create(11);

	scenario_flow(w, &f, ALICE, BOB, 10 * SIM_MS, false);
	f.wants_echo = false;
	sim_run(&w->sim, 3 * SIM_SEC);
	scenario_gap_begin(&f);
	move_to_c(w, BOB);
	sim_run(&w->sim, 10 * SIM_SEC);
	assert_true(resumes(&f, false, "move, only receiving"));
	assert_in_range(f.longest_gap_ns, 0, 100 * SIM_MS);
	scenario_end(w);
}

/* Both at the same moment. */
static void test_move_both(void **state)
{
	struct world *w = world_create(12);

	scenario_flow(w, &f, ALICE, BOB, 10 * SIM_MS, false);
	sim_run(&w->sim, 3 * SIM_SEC);
	scenario_gap_begin(&f);
	move_to_c(w, ALICE);
	sim_node_attach(&w->nodes[BOB], 0, &w->nets[NAT_A], "192.168.1.77", NULL);
	sim_run(&w->sim, 10 * SIM_SEC);
	assert_true(resumes(&f, true, "both move"));
	scenario_end(w);
}

/* A direct path: by the relay at once, then direct again. */
static bool is_direct(void *arg)
{
	return ((struct sim_node *)arg)->is_direct;
}

static void test_move_direct(void **state)
{
	struct world *w = world_create(13);

	scenario_flow(w, &f, ALICE, CAROL, 10 * SIM_MS, false);
	sim_run(&w->sim, 3 * SIM_SEC);
	assert_true(w->nodes[ALICE].is_direct);
	scenario_gap_begin(&f);
	move_to_c(w, ALICE);
	sim_run(&w->sim, SIM_MS);
	assert_false(w->nodes[ALICE].is_direct);
	assert_true(sim_run_until(&w->sim, 5 * SIM_SEC, is_direct, &w->nodes[ALICE]));
	assert_true(sim_run_until(&w->sim, 5 * SIM_SEC, is_direct, &w->nodes[CAROL]));
	sim_run(&w->sim, 2 * SIM_SEC);
	assert_true(resumes(&f, true, "direct path, one moves"));
	scenario_end(w);
}

/* Both move, twice, and the DC is away: what the RS sees of each is enough to find the direct way. */
static void test_move_no_dc(void **state)
{
	struct world *w = world_create(17);

	for (int i = 0; i < WORLD_NATS; i++) {
		w->nats[i].class = SIM_NAT_PORT_RESTRICTED;
		sim_nat_flush(&w->nats[i]);
	}
	sim_run(&w->sim, 60 * SIM_SEC);
	scenario_flow(w, &f, ALICE, BOB, 10 * SIM_MS, false);
	assert_true(sim_run_until(&w->sim, 5 * SIM_SEC, is_direct, &w->nodes[ALICE]));
	sim_dc_stop(&w->dc);
	for (int i = 0; i < 2; i++) {
		scenario_gap_begin(&f);
		sim_node_attach(&w->nodes[ALICE], 0, &w->nets[i == 0 ? NAT_C : NAT_B],
				i == 0 ? "192.168.3.7" : "192.168.3.8", NULL);
		sim_node_attach(&w->nodes[BOB], 0, &w->nets[i == 0 ? NAT_A : NAT_C],
				i == 0 ? "192.168.1.77" : "192.168.1.78", NULL);
		sim_run(&w->sim, SIM_MS);
		assert_false(w->nodes[ALICE].is_direct);
		assert_true(sim_run_until(&w->sim, 5 * SIM_SEC, is_direct, &w->nodes[ALICE]));
		assert_true(sim_run_until(&w->sim, 5 * SIM_SEC, is_direct, &w->nodes[BOB]));
		assert_true(resumes(&f, true, "direct path, both move, no DC"));
	}
	sim_dc_start(&w->dc);
	assert_true(sim_run_until(&w->sim, 60 * SIM_SEC, world_is_registered, w));
	scenario_end(w);
}

/* A second link comes up: it is tried first, nothing is lost; then the old one goes. */
static void test_two_links(void **state)
{
	struct world *w = world_create(14);
	struct node_status st;

	scenario_flow(w, &f, ALICE, BOB, 10 * SIM_MS, false);
	sim_run(&w->sim, 3 * SIM_SEC);
	scenario_gap_begin(&f);
	sim_node_attach(&w->nodes[ALICE], 1, &w->nets[NAT_C], "192.168.3.7", NULL);
	sim_run(&w->sim, 2 * SIM_SEC);
	node_status(w->nodes[ALICE].node, &st);
	assert_int_equal(st.link, 1);
	sim_node_detach(&w->nodes[ALICE], 0);
	sim_run(&w->sim, 3 * SIM_SEC);
	printf("make before break: longest gap %.0f ms\n", (double)f.longest_gap_ns / 1e6);
	assert_in_range(f.longest_gap_ns, 0, 15 * SIM_MS);
	sim_flow_stop(&f);
	sim_run(&w->sim, SIM_SEC);
	assert_int_equal(f.got, f.sent);
	scenario_end(w);
}

/* A captive portal: the new link leads nowhere and is not taken. */
static void test_captive(void **state)
{
	struct world *w = world_create(15);
	struct node_status st;

	scenario_flow(w, &f, ALICE, BOB, 10 * SIM_MS, false);
	w->nets[NAT_C].is_cut = true;
	scenario_gap_begin(&f);
	sim_node_attach(&w->nodes[ALICE], 1, &w->nets[NAT_C], "192.168.3.7", NULL);
	sim_run(&w->sim, 20 * SIM_SEC);
	node_status(w->nodes[ALICE].node, &st);
	assert_int_equal(st.link, 0);
	assert_in_range(f.longest_gap_ns, 0, 40 * SIM_MS);
	scenario_end(w);
}

/* The link in use dies and keeps its carrier: the other one is taken, and given up when it is back. */
static void test_dead_link(void **state)
{
	struct world *w = world_create(18);
	struct node_status st;

	scenario_flow(w, &f, ALICE, BOB, 10 * SIM_MS, false);
	sim_node_attach(&w->nodes[ALICE], 1, &w->nets[NAT_C], "192.168.3.7", NULL);
	sim_run(&w->sim, 2 * SIM_SEC);
	node_status(w->nodes[ALICE].node, &st);
	assert_int_equal(st.link, 1);
	scenario_gap_begin(&f);
	w->nets[NAT_C].is_cut = true;
	sim_run(&w->sim, 10 * SIM_SEC);
	node_status(w->nodes[ALICE].node, &st);
	assert_int_equal(st.link, 0);
	printf("dead link: longest gap %.0f ms\n", (double)f.longest_gap_ns / 1e6);
	assert_in_range(f.longest_gap_ns, 0, 4 * SIM_SEC);
	scenario_gap_begin(&f);
	sim_run(&w->sim, 60 * SIM_SEC);
	node_status(w->nodes[ALICE].node, &st);
	assert_int_equal(st.link, 0);
	assert_in_range(f.longest_gap_ns, 0, 40 * SIM_MS);
	w->nets[NAT_C].is_cut = false;
	sim_run(&w->sim, 60 * SIM_SEC);
	node_status(w->nodes[ALICE].node, &st);
	assert_int_equal(st.link, 1);
	scenario_end(w);
}

/* An idle node with two links, and the DC away: the link is not to blame. */
static void test_dead_dc(void **state)
{
	struct world *w = world_create(19);
	struct node_status st;

	sim_node_attach(&w->nodes[ALICE], 1, &w->nets[NAT_C], "192.168.3.7", NULL);
	sim_run(&w->sim, 10 * SIM_SEC);
	sim_dc_stop(&w->dc);
	for (int i = 0; i < 300; i++) {
		sim_run(&w->sim, SIM_SEC);
		node_status(w->nodes[ALICE].node, &st);
		assert_int_equal(st.link, 1);
	}
	sim_dc_start(&w->dc);
	assert_true(sim_run_until(&w->sim, 60 * SIM_SEC, world_is_registered, w));
	scenario_end(w);
}

/* The NAT forgets its mappings while data flows. */
static void test_rebinding(void **state)
{
	struct world *w = world_create(16);

	scenario_flow(w, &f, ALICE, BOB, 10 * SIM_MS, false);
	sim_run(&w->sim, 3 * SIM_SEC);
	scenario_gap_begin(&f);
	sim_nat_flush(&w->nats[NAT_A]);
	sim_run(&w->sim, 10 * SIM_SEC);
	assert_true(resumes(&f, true, "NAT rebinding, the NATed one sends"));
	scenario_end(w);
}

/* To IPv6 only and back: the RS joins the families (R-22, E-04). */
static void test_cross_family(void **state)
{
	struct world *w = world_create(17);

	scenario_flow(w, &f, ALICE, BOB, 10 * SIM_MS, false);
	sim_run(&w->sim, 3 * SIM_SEC);
	scenario_gap_begin(&f);
	sim_node_attach(&w->nodes[ALICE], 0, &w->open, NULL, "2a00:9::77");
	sim_run(&w->sim, 5 * SIM_SEC);
	assert_true(resumes(&f, true, "IPv4 to IPv6 only"));
	scenario_gap_begin(&f);
	sim_node_attach(&w->nodes[ALICE], 0, &w->nets[NAT_A], "192.168.1.2", NULL);
	sim_run(&w->sim, 5 * SIM_SEC);
	assert_true(resumes(&f, true, "and back"));
	scenario_end(w);
}

/* RS-N, with a move in the middle (H-05). */
static void test_general_host(void **state)
{
	struct world *w = world_create(18);
	struct vips vips;

	assert_int_equal(world_direct(w, ALICE, "web.example", &vips, NULL), NODE_DIRECTION_GN);
	sim_flow_start(&g, &w->nodes[ALICE], NULL, &vips.v4, 1200, 10 * SIM_MS, false);
	assert_true(sim_run_until(&w->sim, 5 * SIM_SEC, has_echo, &g));
	sim_run(&w->sim, 3 * SIM_SEC);
	scenario_gap_begin(&g);
	move_to_c(w, ALICE);
	sim_run(&w->sim, 10 * SIM_SEC);
	assert_true(resumes(&g, true, "RS-N, move"));
	scenario_end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_move_sending), cmocka_unit_test(test_move_receiving),
		cmocka_unit_test(test_move_both),    cmocka_unit_test(test_move_direct),
		cmocka_unit_test(test_two_links),    cmocka_unit_test(test_captive),
		cmocka_unit_test(test_rebinding),    cmocka_unit_test(test_cross_family),
		cmocka_unit_test(test_general_host), cmocka_unit_test(test_move_no_dc),
		cmocka_unit_test(test_dead_link),    cmocka_unit_test(test_dead_dc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
