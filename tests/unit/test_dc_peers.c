/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/dc_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Two DCs: directions across, and who may speak for what. */

static const struct world_name names[] = {
	/* the other DC's zone, and one that it does not own but serves */
	{"dave.dc2.test", DC_LOOKUP_A, DC_LOOKUP_OK, {"240.2.0.16"}},
	{"dc2.test", DC_LOOKUP_NS, DC_LOOKUP_OK, {"ns.dc2.test"}},
	{"ns.dc2.test", DC_LOOKUP_TXT, DC_LOOKUP_OK, {"mark"}},
	{"www.stolen.test", DC_LOOKUP_A, DC_LOOKUP_OK, {"93.184.216.39"}},
	{"stolen.test", DC_LOOKUP_NS, DC_LOOKUP_OK, {"ns.dc2.test"}},
};

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
	t->a.names = names;
	t->a.names_n = sizeof(names) / sizeof(names[0]);
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
	peer_direct_vip(t->alice, &t->dave->vips.v6);
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
		peer_direct_vip(asks[i], &t->alice->vips.v6);
		assert_int_equal(world_count(&t->a, DC_COUNT_INFO_REFUSED), 1);
		assert_int_equal(world_count(&t->a, DC_COUNT_INFO_OK), i);
	}
	assert_int_equal(guest->answer.error, MSG_ERR_NOT_ALLOWED);
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
		cmocka_unit_test(test_foreign),	      cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_peer_restart),  cmocka_unit_test(test_not_told),
		cmocka_unit_test(test_peer_misnamed), cmocka_unit_test(test_opening_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
