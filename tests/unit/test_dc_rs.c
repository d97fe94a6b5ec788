/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/dc_cast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Relay servers as a DC sees them: chosen, refusing, silent, expelled, back again. */

static const char *const rs2_own[] = {"198.51.100.51", NULL};

static void status(struct peer *rs, uint32_t legs, uint32_t busy)
{
	struct msg *m = calloc(1, sizeof(*m));

	msg_init(m, MSG_STATUS, false, 0);
	m->has |= HAS(LOAD);
	m->load.legs = legs;
	m->load.busy_permille = busy;
	peer_ask(rs, m);
	world_run(rs->w, 50 * MS);
	assert_int_equal(rs->answer.has & HAS(ERROR), 0);
	free(m);
}

static void test_no_rs(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct peer *a, *b, *rs;

	world_init(w, 3, 1);
	world_start(w);
	rs = peer_enrol(w, HS_RS_DC, "rs1.test", "198.51.100.50:5525");
	a = peer_enrol(w, HS_NODE_DC, "alice.dc1.test", "203.0.113.1:40001");
	b = peer_enrol(w, HS_NODE_DC, "bob.dc1.test", "203.0.113.2:40002");
	peer_register(a, behind_nat);
	peer_register(b, behind_nat);
	assert_int_equal(a->answer.has & (HAS(GRANT) | HAS(ERROR)), 0);
	peer_direct(a, "bob.dc1.test");
	assert_int_equal(a->answer.error, MSG_ERR_NO_RS);
	/* One comes up: the next keep-alive sends the node to register, which names it. */
	peer_register(rs, rs_own);
	assert_int_equal(keep_alive(a), MSG_ERR_REGISTER);
	peer_register(a, behind_nat);
	assert_int_equal(a->answer.grants_n, 1);
	assert_int_equal(keep_alive(a), 0);
	world_fini(w);
	free(w);
}

static void test_busy(void **state)
{
	struct cast *c = cast_new();
	struct peer *rs2 = peer_enrol(&c->w, HS_RS_DC, "rs2.test", "198.51.100.51:5525");
	struct peer *dora = peer_enrol(&c->w, HS_NODE_DC, "dora.dc1.test", "203.0.113.4:40004");

	peer_register(rs2, rs2_own);
	/* Near wins while it is not loaded. */
	status(c->rs, 500, 700);
	status(rs2, 0, 0);
	peer_direct(c->alice, "bob.dc1.test");
	assert_true(endpoint_equal(&c->alice->answer.grants[0].endpoints[0], &c->rs->legs));
	/* A newcomer has no home yet: the idle one. */
	peer_register(dora, behind_nat);
	assert_true(endpoint_equal(&dora->answer.grants[0].endpoints[0], &rs2->legs));
	/* Full: nothing new there, the path moves with its next direction. */
	status(c->rs, 500, 990);
	peer_direct(c->alice, "bob.dc1.test");
	assert_true(endpoint_equal(&c->alice->answer.grants[0].endpoints[0], &rs2->legs));
	status(rs2, 500, 999);
	peer_direct(dora, "bob.dc1.test");
	assert_int_equal(dora->answer.error, MSG_ERR_NO_RS);
	cast_free(c);
}

static void test_rs_refuses(void **state)
{
	struct cast *c = cast_new();
	struct peer *rs2 = peer_enrol(&c->w, HS_RS_DC, "rs2.test", "198.51.100.51:5525");

	peer_register(rs2, rs2_own);
	c->rs->refuse_path = MSG_ERR_FULL;
	peer_direct(c->alice, "bob.dc1.test");
	assert_true(endpoint_equal(&c->alice->answer.grants[0].endpoints[0], &rs2->legs));
	assert_true(world_count(&c->w, DC_COUNT_RS_REFUSED_ROW) > 0);
	/* A taken id is only another id. */
	c->rs->refuse_path = 0;
	rs2->refuse_path = MSG_ERR_ID_TAKEN;
	cast_free(c);
}

static void test_id_taken(void **state)
{
	struct cast *c = cast_new();

	c->rs->refuse_path = MSG_ERR_ID_TAKEN;
	peer_direct(c->alice, "bob.dc1.test");
	assert_int_equal(c->alice->answer.has & HAS(ERROR), 0);
	assert_int_equal(c->alice->answer.path_id,
			 c->rs->got[MSG_RELAY_DIRECTION].paths[0].path_id);
	assert_int_equal(c->bob->got[MSG_ROUTE_DIRECTION].path_id, c->alice->answer.path_id);
	cast_free(c);
}

static void test_rs_silent(void **state)
{
	struct cast *c = cast_new();
	struct peer *rs2 = peer_enrol(&c->w, HS_RS_DC, "rs2.test", "198.51.100.51:5525");

	peer_register(rs2, rs2_own);
	c->rs->is_deaf = true;
	peer_direct(c->alice, "bob.dc1.test");
	assert_false(c->alice->has_answer);
	world_run(&c->w, 1500 * MS);
	assert_true(c->alice->has_answer);
	assert_true(endpoint_equal(&c->alice->answer.grants[0].endpoints[0], &rs2->legs));
	/* No Status for long: it is down, and the next path does not even try it. */
	world_run(&c->w, 20 * SEC);
	status(rs2, 1, 1);
	world_run(&c->w, 20 * SEC);
	assert_int_equal(world_count(&c->w, DC_COUNT_RS_DOWN), 1);
	cast_free(c);
}

/* The operator expels an RS that is gone, while directions wait for its answer. */
static void test_rs_expelled(void **state)
{
	struct cast *c = cast_new();
	struct peer *rs2 = peer_enrol(&c->w, HS_RS_DC, "rs2.test", "198.51.100.51:5525");
	struct peer *dan = peer_enrol(&c->w, HS_NODE_DC, "dan.dc1.test", "203.0.113.4:40004");

	peer_register(rs2, rs2_own);
	peer_register(dan, behind_nat);
	c->rs->is_deaf = true;
	peer_direct(c->alice, "bob.dc1.test");
	assert_false(c->alice->has_answer);
	assert_int_equal(dc_expel(c->w.dc, c->w.now, DC_RS, "rs1.test", NULL, NULL), 0);
	world_run(&c->w, 100 * MS);
	assert_true(c->alice->has_answer);
	assert_true(endpoint_equal(&c->alice->answer.grants[0].endpoints[0], &rs2->legs));
	/* And the last one: nobody is left to take it. */
	rs2->is_deaf = true;
	peer_direct(dan, "alice.dc1.test");
	assert_false(dan->has_answer);
	assert_int_equal(dc_expel(c->w.dc, c->w.now, DC_RS, "rs2.test", NULL, NULL), 0);
	world_run(&c->w, 100 * MS);
	assert_true(dan->has_answer);
	assert_int_equal(dan->answer.error, MSG_ERR_NO_RS);
	world_run(&c->w, 10 * SEC);
	cast_free(c);
}

/* It has said yes to a new node, which is still being stored. */
static void test_home_expelled(void **state)
{
	struct cast *c = cast_new();
	struct peer *dan = peer_enrol(&c->w, HS_NODE_DC, "dan.dc1.test", "203.0.113.4:40004");

	c->w.store_delay = 500 * MS;
	peer_register(dan, behind_nat);
	assert_false(dan->has_answer);
	assert_int_equal(dc_expel(c->w.dc, c->w.now, DC_RS, "rs1.test", NULL, NULL), 0);
	world_run(&c->w, 2 * SEC);
	assert_true(dan->has_answer);
	assert_int_equal(dan->answer.has & (HAS(ERROR) | HAS(GRANT)), 0);
	cast_free(c);
}

/* After a new handshake of the RS everything that lives is told again, in pages. */
static void test_resync(void **state)
{
	struct cast *c = cast_new();
	struct peer *n[12];
	unsigned int grants = 0, paths = 0;
	char name[32], addr[32];

	for (int i = 0; i < 12; i++) {
		snprintf(name, sizeof(name), "n%d.dc1.test", i);
		snprintf(addr, sizeof(addr), "203.0.113.%d:40000", i + 10);
		n[i] = peer_enrol(&c->w, HS_NODE_DC, name, addr);
		peer_register(n[i], behind_nat);
		peer_direct(n[i], "bob.dc1.test");
		assert_int_equal(n[i]->answer.has & HAS(ERROR), 0);
	}
	c->rs->got_n[MSG_RELAY_DIRECTION] = 0;
	c->rs->has_token = false;
	peer_restart(c->rs);
	peer_open(c->rs);
	world_run(&c->w, 50 * MS);
	{
		struct msg *m = calloc(1, sizeof(*m));
		unsigned int seen = 0;

		peer_fill_registration(c->rs, m, rs_own);
		peer_ask(c->rs, m);
		for (int i = 0; i < 400; i++) {
			world_run(&c->w, 1 * MS);
			if (c->rs->got_n[MSG_RELAY_DIRECTION] == seen)
				continue;
			assert_int_equal(c->rs->got_n[MSG_RELAY_DIRECTION], seen + 1);
			seen++;
			grants += c->rs->got[MSG_RELAY_DIRECTION].grants_n;
			paths += c->rs->got[MSG_RELAY_DIRECTION].paths_n;
		}
		free(m);
	}
	assert_int_equal(grants, 14);
	assert_int_equal(paths, 12);
	assert_int_equal(keep_alive(c->alice), 0);
	/* It comes back with its legs elsewhere: the nodes have to hear of that. */
	c->rs->legs.port = 5531;
	peer_restart(c->rs);
	peer_register(c->rs, rs_own);
	assert_int_equal(keep_alive(c->alice), MSG_ERR_REGISTER);
	peer_register(c->alice, behind_nat);
	assert_int_equal(c->alice->answer.grants[0].endpoints[0].port, 5531);
	assert_int_equal(keep_alive(c->alice), 0);
	cast_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_rs),	      cmocka_unit_test(test_busy),
		cmocka_unit_test(test_rs_refuses),    cmocka_unit_test(test_id_taken),
		cmocka_unit_test(test_rs_silent),     cmocka_unit_test(test_rs_expelled),
		cmocka_unit_test(test_home_expelled), cmocka_unit_test(test_resync),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
