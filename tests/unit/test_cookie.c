/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/bytes.h"
#include "common/cookie.h"
#include "common/hs_cache.h"
#include "common/probe.h"
#include "common/reset.h"
#include "common/token.h"
#include "tests/unit/hex.h"
#include "tests/vectors/clear.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { LEN = WIRE_HS1_PADDED };

static const uint8_t pub[32] = {9, 8, 7};
static const uint64_t sec = 1000000000;

struct fixture {
	struct cookie_jar jar;
	struct rng rng;
	struct endpoint here, there;
	uint8_t pkt[LEN];
};

static void setup(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	rng_init_seeded(&f->rng, 1);
	cookie_jar_init(&f->jar, pub);
	assert_int_equal(endpoint_parse("192.0.2.1:1000", &f->here), 0);
	assert_int_equal(endpoint_parse("192.0.2.1:1001", &f->there), 0);
	wire_build(f->pkt, WIRE_HANDSHAKE_1, 0x80, 0, WIRE_ID_NONE);
	rng_fill(&f->rng, f->pkt + 24, LEN - 24);
	store_be64(f->pkt + 16, WIRE_ID_INDEX | 5);
}

static void test_mac1(void **state)
{
	struct fixture f;

	setup(&f);
	cookie_write_macs(pub, NULL, f.pkt, LEN);
	assert_true(cookie_check_mac1(&f.jar, f.pkt, LEN));
	for (size_t i = 0; i < LEN - 16; i++) {
		f.pkt[i] ^= 4;
		assert_false(cookie_check_mac1(&f.jar, f.pkt, LEN));
		f.pkt[i] ^= 4;
	}
	assert_false(cookie_check_mac1(&f.jar, f.pkt, LEN - 1));
	assert_false(cookie_check_mac1(&f.jar, f.pkt, 47));
}

static void test_round_trip(void **state)
{
	uint8_t reply[WIRE_COOKIE_LEN], bad[WIRE_COOKIE_LEN], cookie[COOKIE_LEN];
	struct fixture f;

	setup(&f);
	cookie_write_macs(pub, NULL, f.pkt, LEN);
	assert_false(cookie_check_mac2(&f.jar, 7, &f.rng, &f.here, f.pkt, LEN));
	cookie_reply(&f.jar, 7, &f.rng, &f.here, f.pkt, LEN, reply);
	assert_int_equal(load_be64(reply + 8), WIRE_ID_INDEX | 5);
	for (size_t bit = 0; bit < WIRE_COOKIE_LEN * 8; bit++) {
		memcpy(bad, reply, sizeof(bad));
		bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(cookie_open(pub, f.pkt, LEN, bad, sizeof(bad), cookie), -EBADMSG);
	}
	assert_int_equal(cookie_open(pub, f.pkt, LEN, reply, sizeof(reply) - 1, cookie), -EBADMSG);
	assert_int_equal(cookie_open(pub, f.pkt, LEN, reply, sizeof(reply), cookie), 0);
	cookie_write_macs(pub, cookie, f.pkt, LEN);
	assert_true(cookie_check_mac1(&f.jar, f.pkt, LEN));
	assert_true(cookie_check_mac2(&f.jar, 8, &f.rng, &f.here, f.pkt, LEN));
	/* another port, a changed byte, too late */
	assert_false(cookie_check_mac2(&f.jar, 8, &f.rng, &f.there, f.pkt, LEN));
	f.pkt[100] ^= 1;
	assert_false(cookie_check_mac2(&f.jar, 8, &f.rng, &f.here, f.pkt, LEN));
	f.pkt[100] ^= 1;
	assert_true(cookie_check_mac2(&f.jar, 121 * sec, &f.rng, &f.here, f.pkt, LEN));
	assert_false(cookie_check_mac2(&f.jar, 242 * sec, &f.rng, &f.here, f.pkt, LEN));
	/* a reply to other bytes than those sent opens nothing */
	cookie_reply(&f.jar, 7, &f.rng, &f.here, f.pkt, LEN, reply);
	f.pkt[200] ^= 1;
	cookie_write_macs(pub, NULL, f.pkt, LEN);
	assert_int_equal(cookie_open(pub, f.pkt, LEN, reply, sizeof(reply), cookie), -EBADMSG);
}

static void test_long_silence(void **state)
{
	uint8_t reply[WIRE_COOKIE_LEN], cookie[COOKIE_LEN];
	struct fixture f;

	setup(&f);
	cookie_write_macs(pub, NULL, f.pkt, LEN);
	cookie_reply(&f.jar, 0, &f.rng, &f.here, f.pkt, LEN, reply);
	assert_int_equal(cookie_open(pub, f.pkt, LEN, reply, sizeof(reply), cookie), 0);
	cookie_write_macs(pub, cookie, f.pkt, LEN);
	assert_false(cookie_check_mac2(&f.jar, 9999 * sec, &f.rng, &f.here, f.pkt, LEN));
}

static void test_reset(void **state)
{
	static const uint8_t secret[RESET_SECRET_LEN] = {1, 2, 3};
	uint64_t index = WIRE_ID_INDEX | 77;
	uint8_t token[RESET_TOKEN_BYTES], pkt[WIRE_RESET_LEN], bad[WIRE_RESET_LEN];

	reset_token(secret, index, token);
	assert_int_equal(reset_build(secret, index, WIRE_RESET_LEN, pkt), 0);
	assert_int_equal(reset_build(secret, index, WIRE_RESET_LEN + 1, pkt), WIRE_RESET_LEN);
	assert_true(reset_check(pkt, sizeof(pkt), index, token));
	assert_false(reset_check(pkt, sizeof(pkt) - 1, index, token));
	assert_false(reset_check(pkt, sizeof(pkt), index + 1, token));
	pkt[1] = WIRE_SIDE_A; /* of an association it says no side, of a path it does */
	assert_false(reset_check(pkt, sizeof(pkt), index, token));
	pkt[1] = 0;
	for (size_t i = 0; i < sizeof(pkt); i++) {
		memcpy(bad, pkt, sizeof(bad));
		bad[i] ^= 0x80;
		assert_false(reset_check(bad, sizeof(bad), index, token));
	}
}

/* What somebody else made of the page is what we make, and understand. */
static void test_vectors(void **state)
{
	uint8_t key[32], hs1[LEN], made[LEN], cookie[COOKIE_LEN], opened[COOKIE_LEN];
	uint8_t reply[WIRE_COOKIE_LEN], secret[RESET_SECRET_LEN], join[TOKEN_LEN], id[8];
	uint8_t reset[WIRE_RESET_LEN], mine[WIRE_RESET_LEN], ask[PROBE_LEN], answer[PROBE_LEN];
	struct cookie_jar jar;
	struct endpoint seen;
	struct probe probe;

	for (int i = 0; i < 32; i++)
		key[i] = (uint8_t)i;
	assert_int_equal(hex_bytes(clear_hs1, hs1, sizeof(hs1)), LEN);
	hex_bytes(clear_cookie, cookie, sizeof(cookie));
	assert_int_equal(hex_bytes(clear_cookie_packet, reply, sizeof(reply)), sizeof(reply));
	memcpy(made, hs1, LEN);
	memset(made + LEN - 2 * WIRE_MAC_LEN, 0, 2 * WIRE_MAC_LEN);
	cookie_write_macs(key, cookie, made, LEN);
	assert_memory_equal(made, hs1, LEN);
	cookie_jar_init(&jar, key);
	assert_true(cookie_check_mac1(&jar, hs1, LEN));
	assert_int_equal(cookie_open(key, hs1, LEN, reply, sizeof(reply), opened), 0);
	assert_memory_equal(opened, cookie, sizeof(cookie));

	memset(secret, 0x10, sizeof(secret));
	hex_bytes(clear_reset, reset, sizeof(reset));
	assert_int_equal(reset_build(secret, WIRE_ID_INDEX | 0xa1, 100, mine), sizeof(mine));
	assert_memory_equal(mine, reset, sizeof(reset));
	memset(join, 0x5a, sizeof(join));
	hex_bytes(clear_token_id, id, sizeof(id));
	assert_true(token_id(join) == load_be64(id));

	hex_bytes(clear_probe_ask, ask, sizeof(ask));
	hex_bytes(clear_probe_answer, answer, sizeof(answer));
	assert_int_equal(probe_parse(ask, sizeof(ask), &probe), 0);
	assert_true(probe.kind == PROBE_ASK && probe.outer_size == 1480 && probe.number == 7);
	assert_int_equal(endpoint_parse("20.1.0.1:40001", &seen), 0);
	probe_answer(ask, &seen);
	assert_memory_equal(ask, answer, sizeof(ask));
}

static void test_cache(void **state)
{
	struct hs_cache *c = hs_cache_create(8);
	const uint8_t *answer = NULL;
	uint8_t key[32] = {0};
	size_t len = 0;

	assert_int_equal(hs_cache_begin(c, 0, key, &answer, &len), HS_CACHE_NEW);
	assert_int_equal(hs_cache_begin(c, 0, key, &answer, &len), HS_CACHE_IN_WORK);
	hs_cache_finish(c, 5, key, (const uint8_t *)"answer", 6);
	assert_int_equal(hs_cache_begin(c, 5 + 10 * sec - 1, key, &answer, &len), HS_CACHE_DONE);
	assert_int_equal(len, 6);
	assert_memory_equal(answer, "answer", 6);
	assert_int_equal(hs_cache_begin(c, 5 + 10 * sec, key, &answer, &len), HS_CACHE_NEW);
	hs_cache_forget(c, key);
	assert_int_equal(hs_cache_begin(c, 0, key, &answer, &len), HS_CACHE_NEW);

	/* Full of work: refused. Full of answers: the oldest goes, work stays. */
	for (uint8_t i = 1; i < 8; i++) {
		key[31] = i;
		assert_int_equal(hs_cache_begin(c, 0, key, &answer, &len), HS_CACHE_NEW);
	}
	key[31] = 8;
	assert_int_equal(hs_cache_begin(c, 0, key, &answer, &len), HS_CACHE_FULL);
	for (uint8_t i = 1; i < 8; i++) {
		key[31] = i;
		hs_cache_finish(c, 100 - i, key, (const uint8_t *)"x", 1);
	}
	key[31] = 8;
	assert_int_equal(hs_cache_begin(c, 0, key, &answer, &len), HS_CACHE_NEW);
	key[31] = 0;
	assert_int_equal(hs_cache_begin(c, 0, key, &answer, &len), HS_CACHE_IN_WORK);
	key[31] = 6;
	assert_int_equal(hs_cache_begin(c, 0, key, &answer, &len), HS_CACHE_DONE);
	key[31] = 7;
	assert_int_equal(hs_cache_begin(c, 0, key, &answer, &len), HS_CACHE_NEW);
	hs_cache_destroy(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mac1),	     cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_long_silence), cmocka_unit_test(test_reset),
		cmocka_unit_test(test_cache),	     cmocka_unit_test(test_vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
