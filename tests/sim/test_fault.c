/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/scenario.h"

static struct sim_flow f, g;

static bool echoes_again(void *arg)
{
	struct sim_flow *flow = arg;

	return flow->from->host.sim->now - flow->last_echo_ns < 50 * SIM_MS;
}

/* Live paths and legs do not need the DC. It comes back with its store, and takes directions. */
static void test_dc_away(void **state)
{
	struct world *w = world_create(20);
	struct vips vips;

	scenario_flow(w, &f, ALICE, BOB, 10 * SIM_MS, false);
	sim_dc_stop(&w->dc);
	scenario_gap_begin(&f);
	sim_run(&w->sim, 90 * SIM_SEC);
	assert_in_range(f.longest_echo_gap_ns, 0, 15 * SIM_MS);
	/* Moves too. */
	sim_node_attach(&w->nodes[ALICE], 0, &w->nets[NAT_C], "192.168.3.7", NULL);
	sim_run(&w->sim, 10 * SIM_SEC);
	assert_in_range(f.longest_echo_gap_ns, 0, 400 * SIM_MS);
	sim_flow_stop(&f);
	sim_dc_start(&w->dc);
	assert_true(sim_run_until(&w->sim, 120 * SIM_SEC, world_is_registered, w));
	sim_run(&w->sim, 40 * SIM_SEC);
	assert_int_equal(world_direct(w, CAROL, world_name(BOB), &vips, NULL), NODE_DIRECTION_PATH);
	scenario_end(w);
}

/* D-02: VIPs survive both. */
static void test_same_vips(void **state)
{
	struct world *w = world_create(21);
	struct vips before = w->nodes[ALICE].vips;

	sim_node_stop(&w->nodes[ALICE]);
	sim_dc_stop(&w->dc);
	sim_run(&w->sim, 5 * SIM_SEC);
	sim_dc_start(&w->dc);
	memset(&w->nodes[ALICE].vips, 0, sizeof(before));
	sim_node_start(&w->nodes[ALICE]);
	assert_true(sim_run_until(&w->sim, 60 * SIM_SEC, world_is_registered, w));
	assert_memory_equal(&before, &w->nodes[ALICE].vips, sizeof(before));
	scenario_end(w);
}

/* The relay loses everything but its keys; its DC and the nodes mend it. */
static void test_rs_restart(void **state)
{
	struct world *w = world_create(22);
	uint64_t down;

	scenario_flow(w, &f, ALICE, BOB, 10 * SIM_MS, false);
	sim_run(&w->sim, SIM_SEC);
	sim_rs_stop(&w->rs);
	sim_run(&w->sim, 2 * SIM_SEC);
	down = w->sim.now;
	sim_rs_start(&w->rs);
	sim_run(&w->sim, SIM_SEC);
	assert_true(sim_run_until(&w->sim, 30 * SIM_SEC, echoes_again, &f));
	printf("RS restarted under traffic: back %.0f ms after its start\n",
	       (double)(w->sim.now - down) / 1e6);
	sim_run(&w->sim, 10 * SIM_SEC);
	assert_true(echoes_again(&f));
	scenario_end(w);
}

/* A peer that comes back from a crash has forgotten the path. */
static void test_peer_restart(void **state)
{
	struct world *w = world_create(23);
	uint64_t up;

	scenario_flow(w, &f, ALICE, BOB, 10 * SIM_MS, false);
	sim_node_stop(&w->nodes[BOB]);
	sim_run(&w->sim, 2 * SIM_SEC);
	up = w->sim.now;
	sim_node_start(&w->nodes[BOB]);
	sim_run(&w->sim, SIM_SEC);
	assert_true(sim_run_until(&w->sim, 60 * SIM_SEC, echoes_again, &f));
	printf("peer restarted: back %.0f ms after its start\n", (double)(w->sim.now - up) / 1e6);
	scenario_end(w);
}

/* Keys every 200 packets, a hundred times, with packets lost, doubled and out of order: those that
 * the network carries are all delivered.
 */
static void rekey(uint32_t loss_ppm, uint32_t dup_ppm, uint32_t reorder_ppm, uint64_t seed)
{
	struct world *w = world_create(seed);
	struct sim_net *net = &w->nets[NAT_A];
	uint32_t lost, expected;

	for (int i = 0; i < WORLD_NODES; i++)
		sim_node_stop(&w->nodes[i]);
	for (int i = 0; i < WORLD_NODES; i++) {
		w->nodes[i].params.tuning.limits.rekey_after_packets = 200;
		w->nodes[i].params.tuning.limits.reject_after_packets = 2000;
		sim_node_start(&w->nodes[i]);
	}
	assert_true(sim_run_until(&w->sim, 60 * SIM_SEC, world_is_registered, w));
	sim_run(&w->sim, SIM_SEC);
	scenario_flow(w, &f, ALICE, BOB, 2 * SIM_MS, false);
	f.wants_echo = false;
	net->loss_ppm = loss_ppm;
	net->dup_ppm = dup_ppm;
	net->reorder_ppm = reorder_ppm;
	sim_run(&w->sim, 40 * SIM_SEC);
	sim_flow_stop(&f);
	net->loss_ppm = 0;
	sim_run(&w->sim, 3 * SIM_SEC);
	lost = f.sent - f.got;
	expected = (uint32_t)((uint64_t)f.sent * loss_ppm / 1000000);
	printf("rekey every 200 packets: %u sent, %u lost, about %u by the network\n", f.sent, lost,
	       expected);
	assert_in_range(lost, 0, loss_ppm == 0 ? 0 : expected + expected / 2 + 20);
	scenario_end(w);
}

static bool count_rekeys(void *arg, const struct node_path_info *p)
{
	*(uint64_t *)arg += p->rekeys;
	return true;
}

static void test_rekey(void **state)
{
	rekey(0, 0, 0, 24);
}

static void test_rekey_rough(void **state)
{
	rekey(20000, 20000, 50000, 25);
}

/* Nobody is there under that VIP: ICMP unreachable, nothing held for ever. */
static void test_no_such_vip(void **state)
{
	struct world *w = world_create(26);
	struct ip_addr vip = w->nodes[BOB].vips.v4;

	vip.b[14] ^= 0x40;
	sim_flow_start(&f, &w->nodes[ALICE], &w->nodes[BOB], &vip, 100, 0, false);
	sim_flow_send(&f);
	sim_run(&w->sim, 10 * SIM_SEC);
	assert_int_equal(w->nodes[ALICE].icmp, 1);
	assert_int_equal(dp_held(w->nodes[ALICE].dp), 0);
	scenario_end(w);
}

/* Direction by VIP, for who has the address from somewhere else. */
static void test_by_vip(void **state)
{
	struct world *w = world_create(27);

	sim_flow_start(&f, &w->nodes[ALICE], &w->nodes[BOB], &w->nodes[BOB].vips.v6, 100, 0, true);
	sim_flow_send(&f);
	assert_true(sim_run_until(&w->sim, 3 * SIM_SEC, has_echo, &f));
	scenario_end(w);
}

/* An outer MTU of 1280: inner packets up to 1280 pass in two parts, larger ones are told so. */
static void test_small_mtu(void **state)
{
	struct world *w = world_create(28);
	const uint64_t *c;

	w->nets[NAT_B].mtu = 1280;
	scenario_flow(w, &f, ALICE, BOB, 0, true);
	sim_run(&w->sim, 5 * SIM_SEC);
	sim_flow_start(&g, &w->nodes[ALICE], &w->nodes[BOB], &w->nodes[BOB].vips.v6, 1280,
		       10 * SIM_MS, true);
	sim_run(&w->sim, 2 * SIM_SEC);
	sim_flow_stop(&g);
	sim_run(&w->sim, SIM_SEC);
	assert_true(g.sent > 100);
	assert_int_equal(g.got, g.sent);
	assert_int_equal(g.echoes, g.sent);
	c = dp_counters(w->nodes[ALICE].dp);
	assert_true(c[DP_TX_PARTS] >= g.sent);
	sim_flow_start(&g, &w->nodes[ALICE], &w->nodes[BOB], &w->nodes[BOB].vips.v6, 1400, 0, true);
	sim_flow_send(&g);
	sim_run(&w->sim, SIM_SEC);
	assert_int_equal(w->nodes[ALICE].icmp, 1);
	assert_int_equal(g.got, 0);
	scenario_end(w);
}

/* Full size from the start: nothing is lost while the size is looked for. */
static void test_full_size(void **state)
{
	struct world *w = world_create(29);
	struct vips vips;

	assert_int_equal(world_direct(w, ALICE, world_name(BOB), &vips, NULL), NODE_DIRECTION_PATH);
	sim_flow_start(&f, &w->nodes[ALICE], &w->nodes[BOB], &vips.v4, 1420, 20 * SIM_MS, false);
	sim_run(&w->sim, 3 * SIM_SEC);
	sim_flow_stop(&f);
	sim_run(&w->sim, SIM_SEC);
	assert_int_equal(f.got, f.sent);
	assert_int_equal(w->nodes[ALICE].icmp, 0);
	scenario_end(w);
}

/* A day: keys, temporary keys and the path itself are renewed without a gap. */
static void test_long_life(void **state)
{
	struct world *w = world_create(30);
	uint64_t rekeys = 0;

	scenario_flow(w, &f, ALICE, BOB, 5 * SIM_SEC, false);
	scenario_gap_begin(&f);
	sim_run(&w->sim, 30ULL * 3600 * SIM_SEC);
	node_paths(w->nodes[ALICE].node, count_rekeys, &rekeys);
	printf("30 h: longest gap %.1f s, %u of %u echoed\n", (double)f.longest_echo_gap_ns / 1e9,
	       f.echoes, f.sent);
	assert_true(rekeys > 100);
	assert_in_range(f.longest_echo_gap_ns, 0, 10500 * SIM_MS);
	scenario_end(w);
}

/* The keys of a path that rests grow too old for data. The first packet after the rest waits for new
 * ones and goes, from either side.
 */
static void rest(unsigned int from, unsigned int to, uint64_t ns)
{
	struct world *w = world_create(34 + from);

	scenario_flow(w, &f, ALICE, BOB, 0, false);
	sim_run(&w->sim, ns);
	sim_flow_start(&g, &w->nodes[from], &w->nodes[to], &w->nodes[to].vips.v4, 100, 0, true);
	sim_flow_send(&g);
	assert_true(sim_run_until(&w->sim, SIM_SEC, has_echo, &g));
	scenario_end(w);
}

static void test_rest(void **state)
{
	static const uint64_t times[] = {150, 200, 290, 350, 3600};

	for (unsigned int i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		print_message("%llu s\n", (unsigned long long)times[i]);
		rest(ALICE, BOB, times[i] * SIM_SEC);
		rest(BOB, ALICE, times[i] * SIM_SEC);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dc_away),	    cmocka_unit_test(test_same_vips),
		cmocka_unit_test(test_rs_restart),  cmocka_unit_test(test_peer_restart),
		cmocka_unit_test(test_rekey),	    cmocka_unit_test(test_rekey_rough),
		cmocka_unit_test(test_no_such_vip), cmocka_unit_test(test_by_vip),
		cmocka_unit_test(test_small_mtu),   cmocka_unit_test(test_full_size),
		cmocka_unit_test(test_long_life),   cmocka_unit_test(test_rest),
	};

	if (getenv("SIM_ONLY") != NULL)
		cmocka_set_test_filter(getenv("SIM_ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
