/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/dc_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Directions: what goes wrong, general hosts, relay servers that come and go, other DCs. */

static const char *const rs2_own[] = {"198.51.100.51", NULL};

struct cast {
	struct world w;
	struct peer *rs, *alice, *bob;
};

static struct cast *cast_of(void (*change)(struct dc_params *p))
{
	struct cast *c = calloc(1, sizeof(*c));

	world_init(&c->w, 31, 1);
	if (change != NULL)
		change(&c->w.params);
	world_start(&c->w);
	c->rs = peer_enrol(&c->w, HS_RS_DC, "rs1.test", "198.51.100.50:5525");
	c->alice = peer_enrol(&c->w, HS_NODE_DC, "alice.dc1.test", "203.0.113.1:40001");
	c->bob = peer_enrol(&c->w, HS_NODE_DC, "bob.dc1.test", "203.0.113.2:40002");
	peer_register(c->rs, rs_own);
	peer_register(c->alice, behind_nat);
	peer_register(c->bob, behind_nat);
	return c;
}

static struct cast *cast_new(void)
{
	return cast_of(NULL);
}

static void cast_free(struct cast *c)
{
	world_fini(&c->w);
	free(c);
}

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

static uint16_t keep_alive(struct peer *p)
{
	struct msg *m = calloc(1, sizeof(*m));

	msg_init(m, MSG_KEEP_ALIVE, false, 0);
	m->has |= HAS(LOCATION);
	m->location = p->w->now;
	peer_ask(p, m);
	world_run(p->w, 50 * MS);
	free(m);
	assert_true(p->has_answer);
	return p->answer.error;
}

/* ---- refusals ---- */

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
	struct msg *m = calloc(1, sizeof(*m));

	msg_init(m, MSG_DIRECTION, false, 0);
	m->has |= HAS(PEER_VIP) | HAS(LOCATION);
	m->peer_vip = c->bob->vips.v4;
	m->location = c->w.now;
	peer_ask(c->alice, m);
	world_run(&c->w, 200 * MS);
	assert_int_equal(c->alice->answer.type, MSG_ROUTE_DIRECTION);
	assert_string_equal(c->alice->answer.peer_name, "bob.dc1.test");
	m->peer_vip.b[15] ^= 64;
	peer_ask(c->alice, m);
	world_run(&c->w, 200 * MS);
	assert_int_equal(c->alice->answer.error, MSG_ERR_UNKNOWN_NAME);
	free(m);
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
	struct cast *c = cast_of(NULL);
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

/* ---- relay servers ---- */

static void test_no_rs(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct peer *a, *b, *rs;
	struct msg *m = calloc(1, sizeof(*m));

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
	msg_init(m, MSG_KEEP_ALIVE, false, 0);
	m->has |= HAS(LOCATION);
	m->location = w->now;
	peer_ask(a, m);
	world_run(w, 100 * MS);
	assert_int_equal(a->answer.error, MSG_ERR_REGISTER);
	peer_register(a, behind_nat);
	assert_int_equal(a->answer.grants_n, 1);
	peer_ask(a, m);
	world_run(w, 100 * MS);
	assert_int_equal(a->answer.has & HAS(ERROR), 0);
	free(m);
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

/* ---- general hosts ---- */

static const struct world_name names[] = {
	{"web.example.com", DC_LOOKUP_A, DC_LOOKUP_OK, {"93.184.216.34"}},
	{"example.com", DC_LOOKUP_NS, DC_LOOKUP_OK, {"ns.example.com"}},
	{"two.example.com", DC_LOOKUP_A, DC_LOOKUP_OK, {"93.184.216.35"}},
	{"two.example.com", DC_LOOKUP_AAAA, DC_LOOKUP_OK, {"2600::35"}},
	{"loop.example.com", DC_LOOKUP_A, DC_LOOKUP_OK, {"127.0.0.1"}},
	{"meta.example.com", DC_LOOKUP_A, DC_LOOKUP_OK, {"169.254.169.254"}},
	{"map.example.com", DC_LOOKUP_AAAA, DC_LOOKUP_OK, {"64:ff9b::7f00:1"}},
	{"self.example.com", DC_LOOKUP_A, DC_LOOKUP_OK, {"198.51.100.50"}},
	{"pool.example.com", DC_LOOKUP_A, DC_LOOKUP_OK, {"240.1.0.20"}},
	{"lan.example.com", DC_LOOKUP_A, DC_LOOKUP_OK, {"10.9.8.7"}},
	{"mix.example.com", DC_LOOKUP_A, DC_LOOKUP_OK, {"127.0.0.1", "93.184.216.36"}},
	{"gone.example.com", DC_LOOKUP_A, DC_LOOKUP_NXDOMAIN, {NULL}},
	{"gone.example.com", DC_LOOKUP_AAAA, DC_LOOKUP_NXDOMAIN, {NULL}},
	{"www.slow.test", DC_LOOKUP_A, DC_LOOKUP_OK, {"93.184.216.37"}},
	{"slow.test", DC_LOOKUP_NS, DC_LOOKUP_OK, {"ns.slow.test"}},
	{"ns.slow.test", DC_LOOKUP_TXT, DC_LOOKUP_FAILED, {NULL}},
	{"x.evil.test", DC_LOOKUP_A, DC_LOOKUP_OK, {"93.184.216.38"}},
	{"evil.test", DC_LOOKUP_NS, DC_LOOKUP_OK, {"ns.evil.test"}},
	{"ns.evil.test", DC_LOOKUP_TXT, DC_LOOKUP_OK, {"mark"}},
	/* the other DC's zone, and one that it does not own but serves */
	{"dave.dc2.test", DC_LOOKUP_A, DC_LOOKUP_OK, {"240.2.0.16"}},
	{"dc2.test", DC_LOOKUP_NS, DC_LOOKUP_OK, {"ns.dc2.test"}},
	{"ns.dc2.test", DC_LOOKUP_TXT, DC_LOOKUP_OK, {"mark"}},
	{"www.stolen.test", DC_LOOKUP_A, DC_LOOKUP_OK, {"93.184.216.39"}},
	{"stolen.test", DC_LOOKUP_NS, DC_LOOKUP_OK, {"ns.dc2.test"}},
};

static void with_names(struct world *w)
{
	w->names = names;
	w->names_n = sizeof(names) / sizeof(names[0]);
}

static void test_general_host(void **state)
{
	struct cast *c = cast_new();
	const struct msg *a = &c->alice->answer;
	struct msg *m = calloc(1, sizeof(*m));
	struct ip_addr rip, vip;

	with_names(&c->w);
	peer_direct(c->alice, "web.example.com");
	assert_int_equal(a->has & HAS(ERROR), 0);
	assert_int_equal(a->relay_type, RELAY_NAT);
	assert_int_equal(a->bindings_n, 2);
	assert_int_equal(ip_parse("93.184.216.34", &rip), 0);
	/* Both virtual addresses lead there, also the one of the other family. */
	assert_true(ip_equal(&a->bindings[0].rip_gn, &rip));
	assert_true(ip_equal(&a->bindings[1].rip_gn, &rip));
	assert_true(prefix_contains(&c->w.params.gn4, &a->bindings[0].vip_gn));
	assert_true(prefix_contains(&c->w.params.gn6, &a->bindings[1].vip_gn));
	assert_int_equal(c->rs->got[MSG_RELAY_DIRECTION].bindings_n, 2);
	assert_int_equal(c->rs->got[MSG_RELAY_DIRECTION].relay_type, RELAY_NAT);
	vip = a->bindings[0].vip_gn;
	/* Asked again, also by address: the same, and the RS is not asked again. */
	c->rs->got_n[MSG_RELAY_DIRECTION] = 0;
	msg_init(m, MSG_DIRECTION, false, 0);
	m->has |= HAS(PEER_VIP) | HAS(LOCATION);
	m->peer_vip = vip;
	m->location = c->w.now;
	peer_ask(c->alice, m);
	world_run(&c->w, 300 * MS);
	assert_true(ip_equal(&a->bindings[0].vip_gn, &vip));
	assert_int_equal(c->rs->got_n[MSG_RELAY_DIRECTION], 0);
	/* Another node has its own block, which is the same block. */
	peer_direct(c->bob, "two.example.com");
	assert_true(ip_equal(&c->bob->answer.bindings[0].vip_gn, &vip));
	/* The RS of this test has IPv4 alone: its AAAA is not used. */
	assert_true(ip_is_v4(&c->bob->answer.bindings[1].rip_gn));
	peer_direct(c->alice, "mix.example.com");
	assert_int_equal(ip_parse("93.184.216.36", &rip), 0);
	assert_true(ip_equal(&a->bindings[0].rip_gn, &rip));
	assert_false(ip_equal(&a->bindings[0].vip_gn, &vip));
	free(m);
	cast_free(c);
}

static void test_refused_hosts(void **state)
{
	static const struct {
		const char *name;
		uint16_t error;
		enum dc_counter counter;
	} rows[] = {
		{"loop.example.com", MSG_ERR_REFUSED_DST, DC_COUNT_DIR_REFUSED_DST},
		{"meta.example.com", MSG_ERR_REFUSED_DST, DC_COUNT_DIR_REFUSED_DST},
		{"map.example.com", MSG_ERR_REFUSED_DST, DC_COUNT_DIR_REFUSED_DST},
		{"self.example.com", MSG_ERR_REFUSED_DST, DC_COUNT_DIR_REFUSED_DST},
		{"pool.example.com", MSG_ERR_REFUSED_DST, DC_COUNT_DIR_REFUSED_DST},
		{"lan.example.com", MSG_ERR_REFUSED_DST, DC_COUNT_DIR_REFUSED_DST},
		{"gone.example.com", MSG_ERR_UNKNOWN_NAME, DC_COUNT_DIR_UNKNOWN_NAME},
		/* perhaps an NTMobile name */
		{"www.slow.test", MSG_ERR_TIMEOUT, DC_COUNT_DIR_TIMEOUT},
		/* the mark proves nothing */
		{"x.evil.test", MSG_ERR_UNREACHABLE, DC_COUNT_DIR_UNREACHABLE},
	};
	struct cast *c = cast_new();

	with_names(&c->w);
	c->rs->got_n[MSG_RELAY_DIRECTION] = 0;
	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t before = world_count(&c->w, rows[i].counter);

		peer_direct(c->alice, rows[i].name);
		print_message("%s: %s\n", rows[i].name, msg_error_name(c->alice->answer.error));
		assert_int_equal(c->alice->answer.error, rows[i].error);
		assert_int_equal(world_count(&c->w, rows[i].counter), before + 1);
	}
	assert_int_equal(c->rs->got_n[MSG_RELAY_DIRECTION], 0);
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

static void policy(struct dc_params *p)
{
	snprintf(p->relay_suffixes[0], sizeof(p->relay_suffixes[0]), "web.example.com");
	p->relay_suffixes_n = 1;
	assert_int_equal(prefix_parse("10.9.0.0/16", &p->inner[0]), 0);
	p->inner_n = 1;
	p->binding_lifetime_sec = 100;
	p->gn_quarantine_sec = 1000;
	p->rs_silent_sec = 100000;
	p->key_lifetime_sec = 100000;
}

static void test_policy(void **state)
{
	struct cast *c = cast_of(policy);

	with_names(&c->w);
	peer_direct(c->alice, "web.example.com");
	assert_int_equal(c->alice->answer.has & HAS(ERROR), 0);
	peer_direct(c->alice, "two.example.com");
	assert_int_equal(c->alice->answer.error, MSG_ERR_NOT_NTM);
	cast_free(c);
}

static void no_policy(struct dc_params *p)
{
	policy(p);
	p->relay_suffixes_n = 0;
}

/* a virtual address rests before it stands for another host, through a restart too. */
static void test_quarantine(void **state)
{
	struct cast *c = cast_of(no_policy);
	struct ip_addr web, lan;

	with_names(&c->w);
	peer_direct(c->alice, "web.example.com");
	web = c->alice->answer.bindings[0].vip_gn;
	world_run(&c->w, 200 * SEC);
	peer_direct(c->alice, "lan.example.com");
	assert_int_equal(c->alice->answer.has & HAS(ERROR), 0);
	lan = c->alice->answer.bindings[0].vip_gn;
	assert_false(ip_equal(&lan, &web));
	c->rs->has_token = false;
	c->alice->has_token = false;
	peer_restart(c->rs);
	peer_restart(c->alice);
	world_restart_dc(&c->w);
	peer_register(c->rs, rs_own);
	peer_register(c->alice, behind_nat);
	peer_direct(c->alice, "mix.example.com");
	assert_false(ip_equal(&c->alice->answer.bindings[0].vip_gn, &web));
	assert_false(ip_equal(&c->alice->answer.bindings[0].vip_gn, &lan));
	/* The host itself gets its own again. */
	peer_direct(c->alice, "web.example.com");
	assert_true(ip_equal(&c->alice->answer.bindings[0].vip_gn, &web));
	cast_free(c);
}

static void test_rs_refuses_binding(void **state)
{
	struct cast *c = cast_new();

	with_names(&c->w);
	c->rs->refuse_binding = MSG_ERR_REFUSED_DST;
	peer_direct(c->alice, "web.example.com");
	assert_int_equal(c->alice->answer.error, MSG_ERR_REFUSED_DST);
	cast_free(c);
}

/* ---- two DCs ---- */

static void introduce(struct world *a, const struct world *b, const uint8_t psk[32],
		      struct dc_peer_conf *conf)
{
	memset(conf, 0, sizeof(*conf));
	memcpy(conf->name, b->params.name, sizeof(conf->name));
	memcpy(conf->key, b->dc_kp.pub, sizeof(conf->key));
	memcpy(conf->psk, psk, 32);
	conf->endpoint = b->dc_addr;
	memcpy(conf->zones[0], b->params.zones[0], sizeof(conf->zones[0]));
	conf->zones_n = 1;
	a->params.peers = conf;
	a->params.peers_n = 1;
	a->other = (struct world *)(uintptr_t)b;
}

struct two {
	struct world a, b;
	struct dc_peer_conf ca, cb;
	struct peer *rs, *alice, *dave;
};

static struct two *two_new(bool overlap)
{
	struct two *t = calloc(1, sizeof(*t));
	uint8_t psk[32] = {1, 2, 3};

	world_init(&t->a, 41, 1);
	world_init(&t->b, 41, 2);
	if (overlap)
		t->b.params.pool4 = t->a.params.pool4;
	t->a.params.rs_silent_sec = 100000;
	introduce(&t->a, &t->b, psk, &t->ca);
	introduce(&t->b, &t->a, psk, &t->cb);
	world_start(&t->a);
	world_start(&t->b);
	with_names(&t->a);
	world_run(&t->a, 1 * SEC);
	t->rs = peer_enrol(&t->a, HS_RS_DC, "rs1.test", "198.51.100.50:5525");
	t->alice = peer_enrol(&t->a, HS_NODE_DC, "alice.dc1.test", "203.0.113.1:40001");
	t->dave = peer_enrol(&t->b, HS_NODE_DC, "dave.dc2.test", "203.0.113.7:40007");
	peer_register(t->rs, rs_own);
	peer_register(t->alice, behind_nat);
	peer_register(t->dave, behind_nat);
	return t;
}

static void two_free(struct two *t)
{
	t->a.other = t->b.other = NULL;
	world_fini(&t->a);
	world_fini(&t->b);
	free(t);
}

static void test_foreign(void **state)
{
	struct two *t = two_new(false);
	const struct msg *a = &t->alice->answer, *d = &t->dave->got[MSG_ROUTE_DIRECTION];
	struct msg *m = calloc(1, sizeof(*m));

	peer_direct(t->alice, "dave.dc2.test");
	assert_int_equal(a->has & HAS(ERROR), 0);
	assert_int_equal(t->dave->got_n[MSG_ROUTE_DIRECTION], 1);
	assert_int_equal(a->path_id, d->path_id);
	assert_memory_equal(a->path_key, d->path_key, KEY_LEN);
	assert_int_equal(d->has & (HAS(NAME) | HAS(VIPS)), 0);
	assert_memory_equal(a->peer_key, t->dave->kp.pub, 32);
	assert_memory_equal(d->peer_key, t->alice->kp.pub, 32);
	assert_true(ip_equal(&d->peer_vips.v4, &t->alice->vips.v4));
	/* Both have leave at the RS of alice's DC. */
	assert_true(endpoint_equal(&d->grants[0].endpoints[0], &t->rs->legs));
	assert_int_equal(world_count(&t->b, DC_COUNT_INFO_OK), 1);
	assert_int_equal(world_count(&t->a, DC_COUNT_ROUTE_UNACKED), 0);
	/* By address. */
	msg_init(m, MSG_DIRECTION, false, 0);
	m->has |= HAS(PEER_VIP) | HAS(LOCATION);
	m->peer_vip = t->dave->vips.v6;
	m->location = t->a.now;
	peer_ask(t->alice, m);
	world_run(&t->a, 300 * MS);
	assert_int_equal(a->has & HAS(ERROR), 0);
	assert_string_equal(a->peer_name, "dave.dc2.test");
	/* It serves a zone that it may not speak for. */
	assert_int_equal(world_count(&t->a, DC_COUNT_PEER_AUTHORITY), 0);
	peer_direct(t->alice, "www.stolen.test");
	assert_int_equal(a->error, MSG_ERR_UNREACHABLE);
	assert_int_equal(world_count(&t->a, DC_COUNT_PEER_AUTHORITY), 1);
	/* Its node is away. */
	t->dave->is_deaf = true;
	peer_direct(t->alice, "dave.dc2.test");
	world_run(&t->a, 8 * SEC);
	assert_int_equal(t->alice->got_n[MSG_RELEASE], 1);
	peer_direct(t->alice, "dave.dc2.test");
	assert_int_equal(a->error, MSG_ERR_UNREACHABLE);
	free(m);
	two_free(t);
}

static void test_overlap(void **state)
{
	struct two *t = two_new(true);

	assert_true(world_count(&t->a, DC_COUNT_PEER_OVERLAP) +
			    world_count(&t->b, DC_COUNT_PEER_OVERLAP) >
		    0);
	peer_direct(t->alice, "dave.dc2.test");
	assert_int_equal(t->alice->answer.error, MSG_ERR_TIMEOUT);
	two_free(t);
}

static void test_peer_restart(void **state)
{
	struct two *t = two_new(false);

	t->dave->has_token = false;
	world_restart_dc(&t->b);
	world_run(&t->a, 30 * SEC);
	peer_restart(t->dave);
	peer_register(t->dave, behind_nat);
	peer_direct(t->alice, "dave.dc2.test");
	world_run(&t->a, 30 * SEC);
	peer_direct(t->alice, "dave.dc2.test");
	assert_int_equal(t->alice->answer.has & HAS(ERROR), 0);
	two_free(t);
}

static const struct flight *handshake_of(const struct world *w)
{
	const struct flight *f;

	TAILQ_FOREACH(f, &w->wire, link)
	if (f->len >= WIRE_HS1_NOISE && f->pkt[0] == (WIRE_VERSION << 4 | WIRE_HANDSHAKE_1) &&
	    endpoint_equal(&f->src, &w->dc_addr))
		return f;
	return NULL;
}

static void zones_become(struct world *w, unsigned int n)
{
	snprintf(w->params.zones[1], sizeof(w->params.zones[1]), "lab.test");
	w->params.zones_n = n;
	world_restart_dc(w);
	world_run(w, 30 * SEC);
}

/* A node is left from when its DC had another zone, for which other DCs do not let it speak: they tell
 * it nothing of theirs. Its other nodes are told.
 */
static void test_not_told(void **state)
{
	struct two *t = two_new(false);
	struct msg *m = calloc(1, sizeof(*m));
	struct peer *guest, *asks[2];

	zones_become(&t->b, 2);
	assert_true(world_count(&t->a, DC_COUNT_PEER_ZONE) > 0);
	guest = peer_enrol(&t->b, HS_NODE_DC, "guest.lab.test", "203.0.113.8:40008");
	peer_register(guest, behind_nat);
	zones_become(&t->b, 1);
	asks[0] = guest;
	asks[1] = t->dave;
	for (int i = 0; i < 2; i++) {
		asks[i]->has_token = false;
		peer_restart(asks[i]);
		peer_register(asks[i], behind_nat);
		msg_init(m, MSG_DIRECTION, false, 0);
		m->has |= HAS(PEER_VIP) | HAS(LOCATION);
		m->peer_vip = t->alice->vips.v6;
		m->location = t->b.now;
		peer_ask(asks[i], m);
		world_run(&t->b, 300 * MS);
		assert_int_equal(world_count(&t->a, DC_COUNT_INFO_REFUSED), 1);
		assert_int_equal(world_count(&t->a, DC_COUNT_INFO_OK), i);
	}
	assert_int_equal(guest->answer.error, MSG_ERR_NOT_ALLOWED);
	free(m);
	two_free(t);
}

/* The entry for a peer has the right key and another's name: no association. */
static void test_peer_misnamed(void **state)
{
	struct two *t = two_new(false);
	bool a_opens = memcmp(t->a.dc_kp.pub, t->b.dc_kp.pub, 32) < 0;
	struct world *opener = a_opens ? &t->a : &t->b, *other = a_opens ? &t->b : &t->a;
	struct dc_peer_conf *conf = a_opens ? &t->ca : &t->cb;

	world_restart_dc(opener);
	world_run(opener, 30 * SEC);
	assert_int_equal(world_count(other, DC_COUNT_HS_WRONG_NAME), 0);
	snprintf(conf->name, sizeof(conf->name), "ns.dc9.test");
	world_restart_dc(opener);
	world_run(opener, 30 * SEC);
	assert_true(world_count(other, DC_COUNT_HS_WRONG_NAME) > 0);
	two_free(t);
}

/* The index that a DC opens with stands in clear. Who sees it and asks for its reset token in time
 * could end the association with it, as often as it is opened.
 */
static void test_opening_token(void **state)
{
	struct two *t = two_new(false);
	struct world *w = memcmp(t->a.dc_kp.pub, t->b.dc_kp.pub, 32) < 0 ? &t->a : &t->b;
	struct endpoint eve = {.port = 666};
	const struct flight *f = NULL;
	uint8_t pkt[64] = {WIRE_VERSION << 4 | WIRE_CONTROL};

	world_restart_dc(w);
	for (int i = 0; i < 1000 && f == NULL; i++) {
		f = handshake_of(w);
		if (f == NULL)
			world_run_both(&t->a, &t->b, MS / 10);
	}
	assert_non_null(f);
	memcpy(pkt + 8, f->pkt + WIRE_HDR_LEN, WIRE_INDEX_LEN);
	assert_int_equal(ip_parse("198.51.100.66", &eve.ip), 0);
	world_send(w, &eve, pkt, sizeof(pkt));
	world_run_both(&t->a, &t->b, 50 * MS);
	assert_int_equal(world_count(w, DC_COUNT_RX_UNKNOWN_INDEX), 1);
	assert_int_equal(world_count(w, DC_COUNT_RESET_SENT), 0);
	two_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_unreachable),
		cmocka_unit_test(test_both_ask_at_once),
		cmocka_unit_test(test_by_vip),
		cmocka_unit_test(test_release),
		cmocka_unit_test(test_lost_path),
		cmocka_unit_test(test_renewal),
		cmocka_unit_test(test_no_rs),
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_rs_refuses),
		cmocka_unit_test(test_id_taken),
		cmocka_unit_test(test_rs_silent),
		cmocka_unit_test(test_rs_expelled),
		cmocka_unit_test(test_home_expelled),
		cmocka_unit_test(test_resync),
		cmocka_unit_test(test_general_host),
		cmocka_unit_test(test_refused_hosts),
		cmocka_unit_test(test_full_directions),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_quarantine),
		cmocka_unit_test(test_rs_refuses_binding),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_peer_restart),
		cmocka_unit_test(test_not_told),
		cmocka_unit_test(test_peer_misnamed),
		cmocka_unit_test(test_opening_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
