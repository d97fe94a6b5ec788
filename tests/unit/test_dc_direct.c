/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/dc_cast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Directions between nodes of one DC: asked, refused, shared, renewed, released. */

static void test_refusals(void **state)
{
	struct cast *c = cast_new();
	struct peer *dora = peer_enrol(&c->w, HS_NODE_DC, "dora.dc1.test", "203.0.113.4:40004");
	struct msg *m = calloc(1, sizeof(*m));

	peer_direct(c->alice, "nobody.dc1.test");
	assert_int_equal(c->alice->answer.error, MSG_ERR_UNKNOWN_NAME);
	peer_direct(c->alice, "alice.dc1.test");
	assert_int_equal(c->alice->answer.error, MSG_ERR_NO_PATH);
	/* Enrolled, never registered: it has no VIP. */
	peer_direct(c->alice, "dora.dc1.test");
	assert_int_equal(c->alice->answer.error, MSG_ERR_UNKNOWN_NAME);
	peer_open(dora);
	world_run(&c->w, 100 * MS);
	peer_direct(dora, "bob.dc1.test");
	assert_int_equal(dora->answer.error, MSG_ERR_REGISTER);
	msg_init(m, MSG_DIRECTION, false, 0);
	m->has |= HAS(LOCATION);
	m->location = c->w.now;
	peer_ask(c->alice, m);
	world_run(&c->w, 50 * MS);
	assert_int_equal(c->alice->answer.error, MSG_ERR_BAD_MESSAGE);
	/* Messages that a node may not send. */
	msg_init(m, MSG_STATUS, false, 0);
	m->has |= HAS(LOAD);
	peer_ask(c->alice, m);
	world_run(&c->w, 50 * MS);
	assert_int_equal(c->alice->answer.error, MSG_ERR_NOT_ALLOWED);
	assert_int_equal(world_count(&c->w, DC_COUNT_MSG_WRONG_PARTY), 1);
	free(m);
	cast_free(c);
}

/* The peer's channel is dead: the path that was told already is taken back. */
static void test_unreachable(void **state)
{
	struct cast *c = cast_new();

	c->bob->is_deaf = true;
	peer_direct(c->alice, "bob.dc1.test");
	assert_int_equal(c->alice->answer.has & HAS(ERROR), 0);
	world_run(&c->w, 7 * SEC);
	assert_int_equal(world_count(&c->w, DC_COUNT_ROUTE_UNACKED), 1);
	assert_int_equal(c->alice->got_n[MSG_RELEASE], 1);
	assert_int_equal(c->alice->got[MSG_RELEASE].paths[0].path_id, c->alice->answer.path_id);
	assert_true((c->rs->got[MSG_RELAY_DIRECTION].paths[0].has & HAS(REMOVE)) != 0);
	peer_direct(c->alice, "bob.dc1.test");
	assert_int_equal(c->alice->answer.error, MSG_ERR_UNREACHABLE);
	/* It is heard of again, but the failure is believed for a second. */
	c->bob->is_deaf = false;
	peer_register(c->bob, behind_nat);
	peer_direct(c->alice, "bob.dc1.test");
	assert_int_equal(c->alice->answer.error, MSG_ERR_UNREACHABLE);
	assert_int_equal(world_count(&c->w, DC_COUNT_DIR_NEGATIVE_HIT), 1);
	world_run(&c->w, 1 * SEC);
	peer_direct(c->alice, "bob.dc1.test");
	assert_int_equal(c->alice->answer.has & HAS(ERROR), 0);
	cast_free(c);
}

static void test_both_ask_at_once(void **state)
{
	struct cast *c = cast_new();
	struct msg *m = calloc(1, sizeof(*m));

	for (int i = 0; i < 2; i++) {
		msg_init(m, MSG_DIRECTION, false, 0);
		m->has |= HAS(PEER_NAME) | HAS(LOCATION);
		snprintf(m->peer_name, sizeof(m->peer_name), "%s",
			 i == 0 ? "bob.dc1.test" : "alice.dc1.test");
		m->location = c->w.now;
		peer_ask(i == 0 ? c->alice : c->bob, m);
	}
	world_run(&c->w, 300 * MS);
	assert_int_equal(c->alice->answer.type, MSG_ROUTE_DIRECTION);
	assert_int_equal(c->bob->answer.type, MSG_ROUTE_DIRECTION);
	assert_int_equal(c->alice->answer.path_id, c->bob->answer.path_id);
	assert_int_not_equal(c->alice->answer.side, c->bob->answer.side);
	assert_int_equal(c->bob->got_n[MSG_ROUTE_DIRECTION], 0);
	assert_int_equal(world_count(&c->w, DC_COUNT_DIR_SHARED), 1);
	free(m);
	cast_free(c);
}

static void test_by_vip(void **state)
{
	struct cast *c = cast_new();
	struct ip_addr vip = c->bob->vips.v4;

	peer_direct_vip(c->alice, &vip);
	assert_int_equal(c->alice->answer.type, MSG_ROUTE_DIRECTION);
	assert_string_equal(c->alice->answer.peer_name, "bob.dc1.test");
	vip.b[15] ^= 64;
	peer_direct_vip(c->alice, &vip);
	assert_int_equal(c->alice->answer.error, MSG_ERR_UNKNOWN_NAME);
	cast_free(c);
}

static void test_release(void **state)
{
	struct cast *c = cast_new();
	struct msg *m = calloc(1, sizeof(*m));
	uint64_t id;

	peer_direct(c->alice, "bob.dc1.test");
	id = c->alice->answer.path_id;
	for (int i = 0; i < 2; i++) {
		msg_init(m, MSG_RELEASE, false, 0);
		m->has |= HAS(PATH);
		m->paths_n = 1;
		m->paths[0].has = HAS(PATH_ID) | HAS(REMOVE);
		m->paths[0].path_id = i == 0 ? id ^ 1 : id;
		peer_ask(c->alice, m);
		world_run(&c->w, 100 * MS);
		assert_int_equal(world_count(&c->w, DC_COUNT_RELEASED), i);
	}
	assert_int_equal(c->bob->got[MSG_RELEASE].paths[0].path_id, id);
	peer_direct(c->alice, "bob.dc1.test");
	assert_int_not_equal(c->alice->answer.path_id, id);
	free(m);
	cast_free(c);
}

/* Who asks for a path that it was told long ago has lost it: both get another. */
static void test_lost_path(void **state)
{
	struct cast *c = cast_new();
	uint64_t id;

	peer_direct(c->alice, "bob.dc1.test");
	id = c->alice->answer.path_id;
	peer_direct(c->bob, "alice.dc1.test"); /* at once: only its own question */
	assert_int_equal(c->bob->answer.path_id, id);
	world_run(&c->w, 10 * SEC);
	peer_renew(c->alice, "bob.dc1.test", id);
	assert_int_equal(c->alice->answer.path_id, id);
	world_run(&c->w, 10 * SEC);
	peer_direct(c->bob, "alice.dc1.test");
	assert_int_not_equal(c->bob->answer.path_id, id);
	assert_int_equal(c->alice->got[MSG_RELEASE].paths[0].path_id, id);
	assert_int_equal(c->alice->got[MSG_ROUTE_DIRECTION].path_id, c->bob->answer.path_id);
	cast_free(c);
}

/* Past half of its life a key is made anew when it is asked for; what nobody asks for ends. */
static void short_life(struct dc_params *p)
{
	p->key_lifetime_sec = 100;
	p->rs_silent_sec = 100000;
}

static void test_renewal(void **state)
{
	struct cast *c = cast_of(short_life);
	uint8_t key[KEY_LEN];
	uint64_t id, grant;

	peer_direct(c->alice, "bob.dc1.test");
	id = c->alice->answer.path_id;
	grant = c->alice->answer.grants[0].key_id;
	memcpy(key, c->alice->answer.path_key, sizeof(key));
	world_run(&c->w, 40 * SEC);
	peer_renew(c->alice, "bob.dc1.test", id);
	assert_memory_equal(c->alice->answer.path_key, key, sizeof(key));
	assert_in_range(c->alice->answer.lifetime_sec, 58, 60);
	world_run(&c->w, 20 * SEC);
	peer_renew(c->alice, "bob.dc1.test", id);
	assert_int_equal(c->alice->answer.path_id, id);
	assert_memory_not_equal(c->alice->answer.path_key, key, sizeof(key));
	assert_int_not_equal(c->alice->answer.grants[0].key_id, grant);
	assert_memory_equal(c->bob->got[MSG_ROUTE_DIRECTION].path_key, c->alice->answer.path_key,
			    KEY_LEN);
	/* Registration renews the home grant as well; a keep-alive says when it is time. */
	grant = c->alice->answer.grants[0].key_id;
	assert_int_equal(keep_alive(c->alice), 0);
	world_run(&c->w, 60 * SEC);
	assert_int_equal(keep_alive(c->alice), MSG_ERR_REGISTER);
	peer_register(c->alice, behind_nat);
	assert_int_not_equal(c->alice->answer.grants[0].key_id, grant);
	assert_int_equal(keep_alive(c->alice), 0);
	world_run(&c->w, 200 * SEC);
	assert_true(world_count(&c->w, DC_COUNT_EXPIRED) > 0);
	peer_register(c->alice, behind_nat);
	peer_register(c->bob, behind_nat);
	peer_direct(c->alice, "bob.dc1.test");
	assert_int_not_equal(c->alice->answer.path_id, id);
	cast_free(c);
}

static void one_direction(struct dc_params *p)
{
	p->directions_max = 1;
}

/* The table of directions in work is full: a second one is told so and counted, the one in work goes on,
 * and there is room again afterwards.
 */
static void test_full_directions(void **state)
{
	struct cast *c = cast_of(one_direction);
	struct peer *dora = peer_enrol(&c->w, HS_NODE_DC, "dora.dc1.test", "203.0.113.4:40004");
	struct msg *m = calloc(1, sizeof(*m));

	peer_register(dora, behind_nat);
	c->rs->is_deaf = true; /* the direction waits for it */
	msg_init(m, MSG_DIRECTION, false, 0);
	m->has |= HAS(PEER_NAME) | HAS(LOCATION);
	m->location = c->w.now;
	snprintf(m->peer_name, sizeof(m->peer_name), "bob.dc1.test");
	peer_ask(c->alice, m);
	world_run(&c->w, 50 * MS);
	assert_int_equal(world_count(&c->w, DC_COUNT_DIR_FULL), 0);
	peer_direct(dora, "alice.dc1.test");
	assert_int_equal(dora->answer.error, MSG_ERR_BUSY);
	assert_int_equal(world_count(&c->w, DC_COUNT_DIR_FULL), 1);
	c->rs->is_deaf = false;
	world_run(&c->w, 2 * SEC);
	assert_int_equal(c->alice->answer.has & HAS(ERROR), 0);
	assert_int_equal(c->alice->answer.type, MSG_ROUTE_DIRECTION);
	peer_direct(dora, "alice.dc1.test");
	assert_int_equal(dora->answer.has & HAS(ERROR), 0);
	assert_int_equal(world_count(&c->w, DC_COUNT_DIR_FULL), 1);
	free(m);
	cast_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals),	 cmocka_unit_test(test_unreachable),
		cmocka_unit_test(test_both_ask_at_once), cmocka_unit_test(test_by_vip),
		cmocka_unit_test(test_release),		 cmocka_unit_test(test_lost_path),
		cmocka_unit_test(test_renewal),		 cmocka_unit_test(test_full_directions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
