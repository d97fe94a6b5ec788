/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct sim_flow f1;

static bool got_echo(void *arg)
{
	return ((struct sim_flow *)arg)->echoes > 0;
}

/* M-01, D-02, N-04: VIPs of both families, the NAT found out. */
static void test_register(void **state)
{
	struct world *w = world_create(1);
	struct node_status st;

	assert_true(world_is_registered(w));
	node_status(w->nodes[ALICE].node, &st);
	assert_false(ip_is_none(&st.vips.v4));
	assert_false(ip_is_none(&st.vips.v6));
	assert_int_equal(st.nat, NAT_DEPENDENT);
	node_status(w->nodes[CAROL].node, &st);
	assert_int_equal(st.nat, NAT_NONE);
	world_check(w);
	assert_int_equal(w->errors, 0);
	world_destroy(w);
}

/* M-17, P-04: both behind symmetric NATs, by the relay; the first echo within the round trips that
 * the protocol promises: one node-DC, one node-RS-node, and the echo's own.
 */
static void setup_by_relay(uint64_t access_ns)
{
	struct world *w = world_create(2);
	uint64_t took, rtt_dc, rtt_peer, begin;
	struct vips vips;

	for (int i = 0; i < WORLD_NATS; i++)
		w->nets[i].delay_ns = access_ns;
	sim_run(&w->sim, 5 * SIM_SEC);
	rtt_dc = 2 * (access_ns + w->core.delay_ns);
	rtt_peer = 2 * rtt_dc;
	begin = w->sim.now;
	w->sim.is_traced = getenv("SIM_TRACE") != NULL;
	assert_int_equal(world_direct(w, ALICE, world_name(BOB), &vips, &took),
			 NODE_DIRECTION_PATH);
	/* DC and RS talk over their own 1 ms links meanwhile. */
	assert_in_range(took, rtt_dc, rtt_dc + 20 * SIM_MS);
	sim_flow_start(&f1, &w->nodes[ALICE], &w->nodes[BOB], &vips.v4, 100, 0, true);
	sim_flow_send(&f1);
	assert_true(sim_run_until(&w->sim, 10 * SIM_SEC, got_echo, &f1));
	printf("access %u ms: first echo after %.1f ms\n", (unsigned int)(access_ns / SIM_MS),
	       (double)(w->sim.now - begin) / 1e6);
	assert_in_range(w->sim.now - begin, rtt_dc + 2 * rtt_peer,
			rtt_dc + 2 * rtt_peer + 30 * SIM_MS);
	assert_false(w->nodes[ALICE].is_direct);
	world_check(w);
	assert_int_equal(w->errors, 0);
	world_destroy(w);
}

static void test_relay(void **state)
{
	setup_by_relay(9 * SIM_MS);
}

/* 600 ms between node and DC or RS. */
static void test_relay_far(void **state)
{
	setup_by_relay(299 * SIM_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_register),
		cmocka_unit_test(test_relay),
		cmocka_unit_test(test_relay_far),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
