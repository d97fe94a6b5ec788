/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/dc_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Enrolment, registration and directions within one DC, by whole messages in simulated time. */

static const char *const carol_own[] = {"198.51.100.77", NULL};

struct cast {
	struct world w;
	struct peer *rs, *alice, *bob, *carol;
};

static struct cast *cast_new(void)
{
	struct cast *c = calloc(1, sizeof(*c));

	world_init(&c->w, 7, 1);
	world_start(&c->w);
	c->rs = peer_enrol(&c->w, HS_RS_DC, "rs1.test", "198.51.100.50:5525");
	c->alice = peer_enrol(&c->w, HS_NODE_DC, "alice.dc1.test", "203.0.113.1:40001");
	c->bob = peer_enrol(&c->w, HS_NODE_DC, "bob.dc1.test", "203.0.113.2:40002");
	c->carol = peer_enrol(&c->w, HS_NODE_DC, "carol.dc1.test", "198.51.100.77:5525");
	return c;
}

static struct cast *cast_registered(void)
{
	struct cast *c = cast_new();

	peer_register(c->rs, rs_own);
	peer_register(c->alice, behind_nat);
	peer_register(c->bob, behind_nat);
	peer_register(c->carol, carol_own);
	return c;
}

static void cast_free(struct cast *c)
{
	world_fini(&c->w);
	free(c);
}

static void test_register(void **state)
{
	struct cast *c = cast_registered();
	const struct msg *a = &c->alice->answer;

	assert_true(c->alice->has_answer);
	assert_int_equal(a->type, MSG_REGISTRATION);
	assert_int_equal(a->has & HAS(ERROR), 0);
	assert_true((a->has & HAS(LASTING_PSK)) != 0);
	assert_true(prefix_contains(&c->w.params.pool4, &a->vips.v4));
	assert_true(prefix_contains(&c->w.params.pool6, &a->vips.v6));
	assert_true(endpoint_equal(&a->observed, &c->alice->addr));
	assert_int_equal(a->grants_n, 1);
	assert_true(endpoint_equal(&a->grants[0].endpoints[0], &c->rs->legs));
	assert_string_equal(a->suffixes[0], "dc1.test");
	assert_false(ip_equal(&a->vips.v4, &c->bob->vips.v4));
	assert_int_equal(c->rs->answer.has & HAS(ERROR), 0);
	assert_true((c->rs->answer.has & HAS(LASTING_PSK)) != 0);
	assert_int_equal(c->w.published, 3);
	assert_int_equal(world_count(&c->w, DC_COUNT_REG_OK), 4);
	cast_free(c);
}

static void test_direction_relay(void **state)
{
	struct cast *c = cast_registered();
	const struct msg *a = &c->alice->answer, *b = &c->bob->got[MSG_ROUTE_DIRECTION];

	peer_direct(c->alice, "bob.dc1.test");
	assert_true(c->alice->has_answer);
	assert_int_equal(a->type, MSG_ROUTE_DIRECTION);
	assert_int_equal(a->has & HAS(ERROR), 0);
	assert_int_equal(a->route, ROUTE_OPTIMISE);
	assert_int_equal(c->bob->got_n[MSG_ROUTE_DIRECTION], 1);
	assert_int_equal(a->path_id, b->path_id);
	assert_memory_equal(a->path_key, b->path_key, KEY_LEN);
	assert_int_equal(a->side, 0);
	assert_int_equal(b->side, 1);
	assert_memory_equal(a->peer_key, c->bob->kp.pub, 32);
	assert_memory_equal(b->peer_key, c->alice->kp.pub, 32);
	assert_true(ip_equal(&a->peer_vips.v6, &c->bob->vips.v6));
	assert_string_equal(b->peer_name, "alice.dc1.test");
	assert_int_equal(a->suites_n, 1);
	assert_true(endpoint_equal(&a->observed, &c->bob->addr));
	/* The RS was told the path with both key ids, and not the path key. */
	assert_int_equal(c->rs->got[MSG_RELAY_DIRECTION].paths_n, 1);
	assert_int_equal(c->rs->got[MSG_RELAY_DIRECTION].paths[0].key_id, a->grants[0].key_id);
	assert_int_equal(c->rs->got[MSG_RELAY_DIRECTION].paths[0].key_id_b, b->grants[0].key_id);
	cast_free(c);
}

static void test_direction_direct(void **state)
{
	struct cast *c = cast_registered();

	peer_direct(c->alice, "carol.dc1.test");
	assert_int_equal(c->alice->answer.route, ROUTE_DIRECT);
	assert_int_equal(c->alice->answer.side, 0);
	/* Asked from the other side it is the same path, and its sides stay. */
	peer_direct(c->carol, "alice.dc1.test");
	assert_int_equal(c->carol->answer.path_id, c->alice->answer.path_id);
	assert_int_equal(c->carol->answer.side, 1);
	/* A fresh pair asked for from the public side: the one behind the NAT opens. */
	peer_direct(c->carol, "bob.dc1.test");
	assert_int_equal(c->carol->answer.route, ROUTE_DIRECT);
	assert_int_equal(c->carol->answer.side, 1);
	assert_int_equal(c->bob->got[MSG_ROUTE_DIRECTION].side, 0);
	cast_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_register),
		cmocka_unit_test(test_direction_relay),
		cmocka_unit_test(test_direction_direct),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
