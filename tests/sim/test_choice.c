/* SPDX-License-Identifier: BSD-3-Clause */
/* What a config may choose, end to end: suites of the papers, strict pins, a DC that wants cookies;
 * and a machine that slept.
 */
#include "tests/sim/scenario.h"

static struct sim_flow f, g;

static void dc_again(struct world *w, void (*change)(struct dc_params *p))
{
	sim_dc_stop(&w->dc);
	change(&w->dc.params);
	sim_dc_start(&w->dc);
}

/* ---- suites ---- */

static void take_all(struct dc_params *p)
{
	p->suites |= 1U << SUITE_AES128_CBC_HMAC_MD5 | 1U << SUITE_AES128_CBC_HMAC_SHA256;
}

static bool has_suite(void *arg, const struct node_path_info *p)
{
	return strcmp(p->suite, arg) == 0;
}

static bool check_suite(void *arg, const struct node_path_info *p)
{
	assert_true(has_suite(arg, p));
	return true;
}

/* Sizes around the block and up to what passes, in two parts where the outer MTU is 1280, through
 * rekeys.
 */
static void suite(uint8_t s, const char *name, uint16_t outer, uint64_t seed)
{
	static const uint16_t sizes[] = {60, 63, 64, 65, 600, 1279, 1280, 1407, 1408};
	struct world *w = world_create(seed);
	const uint64_t *c;

	dc_again(w, take_all);
	for (int i = 0; i < WORLD_NODES; i++) {
		sim_node_stop(&w->nodes[i]);
		w->nodes[i].params.suites = 1U << s;
		w->nodes[i].params.mtu = 1408;
		w->nodes[i].params.tuning.limits.rekey_after_packets = 200;
		sim_node_start(&w->nodes[i]);
	}
	assert_true(sim_run_until(&w->sim, 60 * SIM_SEC, world_is_registered, w));
	sim_run(&w->sim, SIM_SEC);
	w->nets[NAT_A].mtu = outer;
	scenario_flow(w, &f, ALICE, BOB, 10 * SIM_MS, false);
	node_paths(w->nodes[ALICE].node, check_suite, (void *)(uintptr_t)name);
	sim_run(&w->sim, 5 * SIM_SEC);
	sim_flow_stop(&f);
	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (outer != 0 && sizes[i] > outer)
			break;
		sim_flow_start(&g, &w->nodes[BOB], &w->nodes[ALICE],
			       i % 2 ? &w->nodes[ALICE].vips.v4 : &w->nodes[ALICE].vips.v6,
			       sizes[i], 10 * SIM_MS, true);
		sim_run(&w->sim, SIM_SEC);
		sim_flow_stop(&g);
		sim_run(&w->sim, SIM_SEC);
		assert_true(g.sent > 90);
		assert_int_equal(g.echoes, g.sent);
	}
	c = dp_counters(w->nodes[BOB].dp);
	assert_true((c[DP_TX_PARTS] > 150) == (outer != 0));
	assert_true(f.sent > 500);
	assert_int_equal(f.echoes, f.sent);
	scenario_end(w);
}

static void test_suites(void **state)
{
	suite(SUITE_AES128_CBC_HMAC_MD5, "aes-128-cbc+hmac-md5", 0, 80);
	suite(SUITE_AES128_CBC_HMAC_MD5, "aes-128-cbc+hmac-md5", 1280, 80);
	suite(SUITE_AES128_CBC_HMAC_SHA256, "aes-128-cbc+hmac-sha256-128", 0, 81);
	suite(SUITE_AES128_CBC_HMAC_SHA256, "aes-128-cbc+hmac-sha256-128", 1280, 81);
	suite(SUITE_AES256_GCM, "aes-256-gcm", 0, 82);
	suite(SUITE_AES256_GCM, "aes-256-gcm", 1280, 82);
	suite(SUITE_CHACHA20_POLY1305, "chacha20-poly1305", 0, 83);
	suite(SUITE_CHACHA20_POLY1305, "chacha20-poly1305", 1280, 83);
}

/* ---- pins ---- */

static void other_key(struct world *w, struct sim_node *n)
{
	sim_node_stop(n);
	noise_keypair_generate(&n->params.keys, &n->rng);
	memset(&n->params.state, 0, sizeof(n->params.state));
	n->params.has_token = true;
	sim_dc_enrol(&w->dc, DC_NODE, n->name, n->params.token);
	sim_node_start(n);
	assert_true(sim_run_until(&w->sim, 60 * SIM_SEC, world_is_registered, w));
}

/* Bob comes with another key, as a DC that lies would have it: who is strict refuses him, others say
 * so and go on.
 */
static void test_pin(void **state)
{
	struct world *w = world_create(84);
	struct sim_node *alice = &w->nodes[ALICE], *bob = &w->nodes[BOB], *carol = &w->nodes[CAROL];
	struct vips vips;

	sim_node_stop(alice);
	alice->params.tuning.pin_strict = true;
	sim_node_start(alice);
	assert_true(sim_run_until(&w->sim, 60 * SIM_SEC, world_is_registered, w));
	sim_run(&w->sim, SIM_SEC);
	scenario_flow(w, &f, ALICE, BOB, 0, false);
	scenario_flow(w, &g, CAROL, BOB, 0, false);
	other_key(w, bob);
	sim_flow_start(&f, alice, bob, &bob->vips.v4, 100, 200 * SIM_MS, true);
	sim_flow_start(&g, carol, bob, &bob->vips.v4, 100, 200 * SIM_MS, true);
	sim_run(&w->sim, 60 * SIM_SEC);
	assert_int_equal(f.got, 0);
	assert_true(g.echoes > 100);
	assert_int_equal(carol->key_changes, 1);
	assert_true(alice->key_changes >= 1);
	sim_flow_stop(&f);
	sim_flow_stop(&g);
	sim_run(&w->sim, 30 * SIM_SEC);
	assert_int_equal(world_direct(w, ALICE, world_name(BOB), &vips, NULL),
			 NODE_DIRECTION_REFUSED);
	assert_int_equal(world_direct(w, ALICE, world_name(CAROL), &vips, NULL),
			 NODE_DIRECTION_PATH);
	world_destroy(w);
}

/* ---- cookies ---- */

static void always_cookies(struct dc_params *p)
{
	p->cookie_jobs = 0;
}

static void test_cookies(void **state)
{
	struct world *w = world_create(85);

	dc_again(w, always_cookies);
	sim_run(&w->sim, 10 * SIM_SEC);
	assert_int_equal(dc_counters(w->dc.dc)[DC_COUNT_REG_OK], 1 + WORLD_NODES);
	assert_true(dc_counters(w->dc.dc)[DC_COUNT_HS_RATE_COOKIE] >= 1 + WORLD_NODES);
	/* A cookie is of the place: a node that moves before its handshake gets another. */
	sim_node_stop(&w->nodes[ALICE]);
	sim_node_attach(&w->nodes[ALICE], 0, &w->nets[NAT_C], "192.168.3.7", NULL);
	sim_node_start(&w->nodes[ALICE]);
	assert_true(sim_run_until(&w->sim, 5 * SIM_SEC, world_is_registered, w));
	scenario_flow(w, &f, ALICE, BOB, 0, false);
	scenario_end(w);
}

/* ---- sleep ---- */

static bool has_new(void *arg)
{
	return f.got > *(uint32_t *)arg;
}

/* The NAT forgot the mapping while the machine slept, and it only receives: the resume is a move. */
static void test_resumed(void **state)
{
	struct world *w = world_create(86);
	struct sim_node *alice = &w->nodes[ALICE];
	uint32_t got;

	scenario_flow(w, &f, BOB, ALICE, 10 * SIM_MS, false);
	f.wants_echo = false;
	sim_run(&w->sim, SIM_SEC);
	sim_nat_flush(&w->nats[NAT_A]);
	sim_run(&w->sim, 100 * SIM_MS);
	got = f.got;
	sim_run(&w->sim, 500 * SIM_MS);
	assert_int_equal(f.got, got);
	node_resumed(alice->node, w->sim.now);
	sim_kick(&alice->host);
	assert_true(sim_run_until(&w->sim, 100 * SIM_MS, has_new, &got));
	sim_flow_stop(&f);
	scenario_end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_suites),
		cmocka_unit_test(test_pin),
		cmocka_unit_test(test_cookies),
		cmocka_unit_test(test_resumed),
	};

	if (getenv("SIM_ONLY") != NULL)
		cmocka_set_test_filter(getenv("SIM_ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
