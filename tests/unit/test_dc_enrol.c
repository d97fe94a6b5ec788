/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/dc_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Who gets in, what survives, and what a flood costs. */

static struct world *world_new(void)
{
	struct world *w = calloc(1, sizeof(*w));

	world_init(w, 11, 1);
	world_start(w);
	return w;
}

static void world_free(struct world *w)
{
	world_fini(w);
	free(w);
}

/* The token of the first handshakes, then the lasting PSK, then the token is closed. */
static void use_lasting(struct peer *p)
{
	p->has_token = false;
	peer_restart(p);
}

static void test_token_then_psk(void **state)
{
	struct world *w = world_new();
	struct peer *p = peer_enrol(w, HS_NODE_DC, "alice.dc1.test", "203.0.113.1:40001");
	struct vips first;

	peer_register(p, behind_nat);
	first = p->vips;
	/* It lost the answer and comes by the token again: the same PSK and VIPs. */
	peer_restart(p);
	peer_register(p, behind_nat);
	assert_true((p->answer.has & HAS(LASTING_PSK)) != 0);
	assert_memory_equal(&p->vips, &first, sizeof(first));
	use_lasting(p);
	peer_register(p, behind_nat);
	assert_int_equal(p->answer.has & (HAS(LASTING_PSK) | HAS(ERROR)), 0);
	assert_memory_equal(&p->vips, &first, sizeof(first));
	/* Now the token opens nothing any more. */
	p->has_token = true;
	peer_restart(p);
	peer_open(p);
	world_run(w, 500 * MS);
	assert_false(p->is_up);
	assert_true(world_count(w, DC_COUNT_HS_UNKNOWN_TOKEN) > 0);
	world_free(w);
}

static void test_token_of_another_key(void **state)
{
	struct world *w = world_new();
	struct peer *p = peer_enrol(w, HS_NODE_DC, "alice.dc1.test", "203.0.113.1:40001");
	struct peer *thief = peer_enrol(w, HS_NODE_DC, "bob.dc1.test", "203.0.113.9:40009");

	peer_register(p, behind_nat);
	memcpy(thief->token, p->token, sizeof(thief->token));
	snprintf(thief->name, sizeof(thief->name), "alice.dc1.test");
	peer_restart(thief);
	peer_open(thief);
	world_run(w, 500 * MS);
	assert_false(thief->is_up);
	assert_int_equal(thief->failure, MSG_ERR_NOT_ALLOWED);
	assert_int_equal(world_count(w, DC_COUNT_HS_TOKEN_TAKEN), 1);
	assert_true(p->is_up);
	world_free(w);
}

static void test_token_expired(void **state)
{
	struct world *w = world_new();
	struct peer *p = peer_enrol(w, HS_NODE_DC, "alice.dc1.test", "203.0.113.1:40001");

	world_run(w, 3601 * SEC);
	peer_open(p);
	world_run(w, 500 * MS);
	assert_false(p->is_up);
	assert_int_equal(p->failure, MSG_ERR_EXPIRED);
	assert_int_equal(world_count(w, DC_COUNT_HS_EXPIRED_TOKEN), 1);
	world_free(w);
}

/* Once, and is it in? HS_WRONG_NAME rose by that: a name that is not the key's, or not this DC's. */
static uint64_t named_wrong(struct world *w, struct peer *p, const char *name, const char *dc)
{
	uint64_t before = world_count(w, DC_COUNT_HS_WRONG_NAME);
	char own[sizeof(p->name)], host[sizeof(w->params.name)];

	memcpy(own, p->name, sizeof(own));
	memcpy(host, w->params.name, sizeof(host));
	snprintf(p->name, sizeof(p->name), "%s", name);
	snprintf(w->params.name, sizeof(w->params.name), "%s", dc); /* what p takes it for */
	peer_restart(p);
	peer_open(p);
	world_run(w, 500 * MS);
	assert_false(p->is_up);
	memcpy(p->name, own, sizeof(own));
	memcpy(w->params.name, host, sizeof(host));
	return world_count(w, DC_COUNT_HS_WRONG_NAME) - before;
}

static void test_wrong_name(void **state)
{
	struct world *w = world_new();
	struct peer *p = peer_enrol(w, HS_NODE_DC, "alice.dc1.test", "203.0.113.1:40001");

	peer_enrol(w, HS_NODE_DC, "bob.dc1.test", "203.0.113.9:40009");
	assert_true(named_wrong(w, p, "bob.dc1.test", "ns.dc1.test") > 0);
	assert_true(named_wrong(w, p, "alice.dc1.test", "ns.dc2.test") > 0);
	peer_restart(p);
	peer_register(p, behind_nat);
	assert_true(p->is_up);
	use_lasting(p);
	assert_true(named_wrong(w, p, "bob.dc1.test", "ns.dc1.test") > 0);
	assert_true(named_wrong(w, p, "alice.dc1.test", "ns.dc2.test") > 0);
	peer_restart(p);
	peer_register(p, behind_nat);
	assert_true(p->is_up);
	assert_int_equal(p->answer.has & HAS(ERROR), 0);
	world_free(w);
}

static void test_wrong_psk(void **state)
{
	struct world *w = world_new();
	struct peer *p = peer_enrol(w, HS_NODE_DC, "alice.dc1.test", "203.0.113.1:40001");

	peer_register(p, behind_nat);
	use_lasting(p);
	p->assoc.conf.psk[3] ^= 1;
	peer_open(p);
	world_run(w, 9 * SEC);
	assert_false(p->is_up);
	world_free(w);
}

/* A new invitation for an enrolled name: the old key works until the new one has proven itself. */
static void test_enrol_again(void **state)
{
	struct world *w = world_new();
	struct peer *p = peer_enrol(w, HS_NODE_DC, "alice.dc1.test", "203.0.113.1:40001"), *q;
	struct vips first;
	struct msg *m = calloc(1, sizeof(*m));

	peer_register(p, behind_nat);
	first = p->vips;
	q = peer_enrol(w, HS_NODE_DC, "alice.dc1.test", "203.0.113.5:40005");
	peer_fill_registration(p, m, behind_nat);
	peer_ask(p, m);
	world_run(w, 100 * MS);
	assert_int_equal(p->answer.has & HAS(ERROR), 0);
	peer_register(q, behind_nat);
	assert_int_equal(q->answer.has & HAS(ERROR), 0);
	assert_memory_equal(&q->vips, &first, sizeof(first));
	assert_memory_not_equal(q->psk, p->psk, sizeof(p->psk));
	/* The old key is nobody now: its association is gone. */
	peer_fill_registration(p, m, behind_nat);
	peer_ask(p, m);
	world_run(w, 8 * SEC);
	assert_true(world_count(w, DC_COUNT_RX_UNKNOWN_INDEX) > 0);
	assert_true(world_count(w, DC_COUNT_HS_UNKNOWN_KEY) +
			    world_count(w, DC_COUNT_HS_TOKEN_TAKEN) +
			    world_count(w, DC_COUNT_HS_UNKNOWN_TOKEN) >
		    0);
	free(m);
	world_free(w);
}

/* Nothing acknowledged is lost, nothing lost was acknowledged: the DC dies between request and
 * commit, and after it.
 */
static void test_kill_in_the_middle(void **state)
{
	struct world *w = world_new();
	struct peer *p[8];
	struct msg *m = calloc(1, sizeof(*m));
	char name[32], addr[32];
	struct vips had[8];

	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "n%d.dc1.test", i);
		snprintf(addr, sizeof(addr), "203.0.113.%d:40000", i + 1);
		p[i] = peer_enrol(w, HS_NODE_DC, name, addr);
		if (i < 4)
			peer_register(p[i], behind_nat);
		else
			peer_open(p[i]);
	}
	world_run(w, 100 * MS);
	w->store_stuck = true;
	for (int i = 4; i < 8; i++) {
		peer_fill_registration(p[i], m, behind_nat);
		peer_ask(p[i], m);
	}
	world_run(w, 150 * MS);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(p[i]->has_answer, i < 4);
		had[i] = p[i]->vips;
	}
	w->store_stuck = false;
	world_restart_dc(w);
	/* Half come back by themselves, for a forgotten index is answered with a reset. */
	world_run(w, 5 * SEC);
	for (int i = 0; i < 8; i++) {
		if (i < 4)
			use_lasting(p[i]);
		peer_register(p[i], behind_nat);
		assert_int_equal(p[i]->answer.type, MSG_REGISTRATION);
		assert_int_equal(p[i]->answer.has & HAS(ERROR), 0);
		if (i < 4)
			assert_memory_equal(&p[i]->vips, &had[i], sizeof(had[i]));
		for (int k = 0; k < i; k++)
			assert_false(ip_equal(&p[i]->vips.v4, &p[k]->vips.v4));
	}
	free(m);
	world_free(w);
}

static void test_store_fails(void **state)
{
	struct world *w = world_new();
	struct peer *p = peer_enrol(w, HS_NODE_DC, "alice.dc1.test", "203.0.113.1:40001");

	w->store_fails = 1;
	peer_register(p, behind_nat);
	assert_int_equal(p->answer.error, MSG_ERR_BUSY);
	assert_int_equal(world_count(w, DC_COUNT_STORE_FAILED), 1);
	assert_int_equal(w->published, 0);
	peer_register(p, behind_nat);
	assert_int_equal(p->answer.has & HAS(ERROR), 0);
	assert_int_equal(w->published, 1);
	world_free(w);
}

static void test_no_vip(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct peer *last = NULL, *first = NULL;
	char name[32], addr[32];

	world_init(w, 5, 1);
	assert_int_equal(prefix_parse("240.1.0.0/27", &w->params.pool4), 0);
	world_start(w);
	for (int i = 0; i < 16; i++) {
		snprintf(name, sizeof(name), "n%d.dc1.test", i);
		snprintf(addr, sizeof(addr), "203.0.113.%d:40000", i + 1);
		last = peer_enrol(w, HS_NODE_DC, name, addr);
		peer_register(last, behind_nat);
		if (i == 0)
			first = last;
	}
	assert_int_equal(last->answer.error, MSG_ERR_NO_VIP);
	assert_int_equal(world_count(w, DC_COUNT_REG_NO_VIP), 1);
	peer_register(first, behind_nat);
	assert_int_equal(first->answer.has & HAS(ERROR), 0);
	world_free(w);
}

static void test_restart_resets(void **state)
{
	struct world *w = world_new();
	struct peer *p = peer_enrol(w, HS_NODE_DC, "alice.dc1.test", "203.0.113.1:40001");
	struct msg *m = calloc(1, sizeof(*m));
	unsigned int ups;

	peer_register(p, behind_nat);
	memcpy(p->assoc.conf.psk, p->psk, sizeof(p->psk)); /* as a node does after its answer */
	p->has_token = false;
	ups = p->ups;
	world_restart_dc(w);
	msg_init(m, MSG_KEEP_ALIVE, false, 0);
	m->has |= HAS(LOCATION);
	m->location = w->now;
	peer_ask(p, m);
	world_run(w, 1 * SEC);
	assert_int_equal(world_count(w, DC_COUNT_RESET_SENT), 1);
	assert_int_equal(p->ups, ups + 1);
	/* Known again, but not where it is. */
	assert_true(p->has_answer);
	assert_int_equal(p->answer.error, MSG_ERR_REGISTER);
	peer_register(p, behind_nat);
	assert_int_equal(p->answer.has & HAS(ERROR), 0);
	free(m);
	world_free(w);
}

/* Handshakes with a right MAC1 from sources that do not exist: they cost a cookie each, and a real
 * node gets in meanwhile.
 */
static void test_flood(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct peer *p, *model;
	uint8_t pkt[WIRE_HS1_PADDED];
	struct endpoint from = {.port = 7};
	uint64_t before;

	world_init(w, 21, 1);
	w->params.hs_per_sec = 20;
	world_start(w);
	p = peer_enrol(w, HS_NODE_DC, "alice.dc1.test", "203.0.113.1:40001");
	model = peer_enrol(w, HS_NODE_DC, "bob.dc1.test", "203.0.113.2:40002");
	/* One handshake of a real asker, with another ephemeral key each time. */
	peer_open(model);
	assert_false(TAILQ_EMPTY(&w->wire));
	memcpy(pkt, TAILQ_FIRST(&w->wire)->pkt, sizeof(pkt));
	peer_restart(model);
	world_run(w, 100 * MS);
	before = w->from_dc_bytes;
	for (int i = 0; i < 2000; i++) {
		assert_int_equal(ip_parse("198.18.0.0", &from.ip), 0);
		from.ip.b[14] = (uint8_t)(i >> 8);
		from.ip.b[15] = (uint8_t)i;
		rng_fill(&w->rng, pkt + WIRE_HS1_NOISE, 32);
		cookie_write_macs(w->dc_kp.pub, NULL, pkt, sizeof(pkt));
		world_send(w, &from, pkt, sizeof(pkt));
		if (i == 1000)
			peer_open(p);
		world_run(w, 1 * MS);
	}
	assert_true(p->is_up);
	assert_true(world_count(w, DC_COUNT_HS_RATE_COOKIE) > 1800);
	/* No amplification: a cookie is far shorter than its question. */
	assert_true(w->from_dc_bytes - before < 2000 * sizeof(pkt) / 4);
	world_free(w);
}

/* A handshake 1 that was recorded changes nothing when it comes again, also after a restart. */
static void test_replayed_handshake(void **state)
{
	struct world *w = world_new();
	struct peer *p = peer_enrol(w, HS_NODE_DC, "alice.dc1.test", "203.0.113.1:40001");
	struct peer *rs = peer_enrol(w, HS_RS_DC, "rs1.test", "198.51.100.50:5525");
	struct endpoint thief;
	struct msg *m = calloc(1, sizeof(*m));
	uint8_t pkt[WIRE_HS1_PADDED];

	assert_int_equal(endpoint_parse("198.51.100.66:1", &thief), 0);
	peer_register(rs, rs_own);
	peer_open(p);
	memcpy(pkt, TAILQ_FIRST(&w->wire)->pkt, sizeof(pkt));
	peer_register(p, behind_nat);
	world_run(w, 20 * SEC);
	for (int i = 0; i < 3; i++) {
		world_send(w, &thief, pkt, sizeof(pkt));
		world_run(w, 1 * SEC);
		if (i == 1)
			world_restart_dc(w);
	}
	use_lasting(p);
	peer_register(p, behind_nat);
	assert_int_equal(p->answer.has & HAS(ERROR), 0);
	assert_true(endpoint_equal(&p->answer.observed, &p->addr));
	free(m);
	world_free(w);
}

static void test_expel(void **state)
{
	struct world *w = world_new();
	struct peer *p = peer_enrol(w, HS_NODE_DC, "alice.dc1.test", "203.0.113.1:40001");

	peer_register(p, behind_nat);
	assert_int_equal(dc_expel(w->dc, w->now, DC_NODE, "nobody.dc1.test", NULL, NULL), -2);
	assert_int_equal(dc_expel(w->dc, w->now, DC_NODE, "alice.dc1.test", NULL, NULL), 0);
	world_run(w, 100 * MS);
	assert_int_equal(w->unpublished, 1);
	use_lasting(p);
	peer_open(p);
	world_run(w, 1 * SEC);
	assert_false(p->is_up);
	assert_true(world_count(w, DC_COUNT_HS_UNKNOWN_KEY) > 0);
	world_restart_dc(w);
	world_run(w, 12 * SEC);
	assert_false(p->is_up);
	world_free(w);
}

static void test_stale_location(void **state)
{
	struct world *w = world_new();
	struct peer *p = peer_enrol(w, HS_NODE_DC, "alice.dc1.test", "203.0.113.1:40001");
	struct msg *m = calloc(1, sizeof(*m));
	uint64_t known;

	peer_register(p, behind_nat);
	known = p->answer.location;
	assert_true(known > 5);
	peer_fill_registration(p, m, behind_nat);
	m->location = 5;
	peer_ask(p, m);
	world_run(w, 100 * MS);
	assert_int_equal(p->answer.error, MSG_ERR_STALE);
	assert_int_equal(world_count(w, DC_COUNT_REG_STALE), 1);
	assert_int_equal(p->answer.has & HAS(LOCATION), HAS(LOCATION)); /* the one to exceed */
	assert_int_equal(p->answer.location, known);
	free(m);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_token_then_psk),
		cmocka_unit_test(test_token_of_another_key),
		cmocka_unit_test(test_token_expired),
		cmocka_unit_test(test_wrong_name),
		cmocka_unit_test(test_wrong_psk),
		cmocka_unit_test(test_enrol_again),
		cmocka_unit_test(test_kill_in_the_middle),
		cmocka_unit_test(test_store_fails),
		cmocka_unit_test(test_no_vip),
		cmocka_unit_test(test_restart_resets),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_replayed_handshake),
		cmocka_unit_test(test_expel),
		cmocka_unit_test(test_stale_location),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
