/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/rng.h"
#include "common/session.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { PATH_ID = 77, SEC = 1000000000 };

struct ends {
	struct session_pool *pool;
	struct session *a, *b;
	struct session_limits limits;
	struct rng rng;
};

static void ends_setup(struct ends *e, uint64_t seed)
{
	memset(e, 0, sizeof(*e));
	rng_init_seeded(&e->rng, seed);
	e->limits = session_limits_default;
	e->pool = session_pool_create(64);
	e->a = session_create(PATH_ID, true, &e->limits, e->pool);
	e->b = session_create(PATH_ID, false, &e->limits, e->pool);
}

static void ends_teardown(struct ends *e)
{
	session_destroy(e->a);
	session_destroy(e->b);
	assert_int_equal(session_pool_in_use(e->pool), 0);
	session_pool_destroy(e->pool);
}

struct pair {
	struct epoch_keys a, b;
};

static struct pair make_keys(struct ends *e, uint8_t suite, uint8_t epoch)
{
	struct pair p = {0};
	uint8_t split[2][32];

	rng_fill(&e->rng, split, sizeof(split));
	p.a.own_index = p.a.peer_index = p.b.own_index = p.b.peer_index = PATH_ID;
	p.a.epoch = p.b.epoch = epoch;
	p.a.is_side_a = true;
	p.a.may_send = true;
	assert_int_equal(keys_derive(&p.a.send, suite, split[0]), 0);
	assert_int_equal(keys_derive(&p.a.recv, suite, split[1]), 0);
	p.b.send = p.a.recv;
	p.b.recv = p.a.send;
	return p;
}

/* Both ends ready in epoch 0, as after a path's first handshake. */
static void connect(struct ends *e, uint8_t suite, uint64_t now)
{
	struct pair p = make_keys(e, suite, 0);

	p.b.may_send = true;
	assert_int_equal(session_install(e->a, now, &p.a), 0);
	assert_int_equal(session_install(e->b, now, &p.b), 0);
}

static size_t seal(struct session *s, uint64_t now, uint8_t type, uint8_t route, const void *body,
		   size_t len, uint8_t *pkt)
{
	size_t n = 0;

	assert_int_equal(session_seal(s, now, type, route, body, len, pkt, 2048, &n), SESSION_OK);
	return n;
}

static enum session_verdict open_it(struct session *s, uint64_t now, const uint8_t *pkt, size_t len,
				    struct session_meta *meta)
{
	uint8_t out[2048];
	size_t n;

	return session_open(s, now, pkt, len, out, &n, meta);
}

static void test_both_ways(void **state)
{
	static const uint8_t body[64] = {0x45, 0, 0, 64};
	uint8_t pkt[2048];

	for (uint8_t suite = 1; suite <= 5; suite++) {
		struct session_meta m;
		struct ends e;
		size_t len, n;

		ends_setup(&e, suite);
		connect(&e, suite, 5);
		assert_int_equal(session_epoch(e.a), 0);
		assert_int_equal(session_suite(e.a), suite);
		for (uint64_t i = 0; i < 20; i++) {
			struct session *from = i & 1 ? e.a : e.b, *to = i & 1 ? e.b : e.a;
			uint8_t route = i / 2 % 4, type = i < 8 ? WIRE_DATA : WIRE_CONTROL;

			memcpy(pkt + WIRE_HDR_LEN, body, sizeof(body));
			assert_int_equal(session_seal_in_place(from, 9, type, route, pkt,
							       sizeof(body), sizeof(pkt), &len),
					 SESSION_OK);
			assert_int_equal(len, sizeof(body) + 32);
			assert_int_equal(session_open(to, 9, pkt, len, pkt + WIRE_HDR_LEN, &n, &m),
					 SESSION_OK);
			assert_int_equal(n, sizeof(body));
			assert_memory_equal(pkt + WIRE_HDR_LEN, body, n);
			assert_int_equal(m.type, type);
			assert_int_equal(m.route, route);
			assert_int_equal(m.seq, i / 8);
			assert_true(m.is_highest);
			assert_int_equal(m.is_new_epoch, i < 2);
		}
		assert_int_equal(session_pool_in_use(e.pool), 8);
		ends_teardown(&e);
	}
}

static void test_verdicts(void **state)
{
	uint8_t pkt[2048], bad[2048], out[2048];
	struct session_meta m;
	struct ends e;
	size_t len;

	ends_setup(&e, 1);
	assert_int_equal(session_seal(e.a, 0, WIRE_DATA, 0, pkt, 1, out, 2048, &len),
			 SESSION_NO_KEY);
	assert_int_equal(session_epoch(e.a), -ENOENT);
	assert_false(session_can_send(e.a, 0));
	connect(&e, SUITE_AES128_CBC_HMAC_SHA256, 0);
	assert_int_equal(session_seal(e.a, 0, WIRE_HANDSHAKE_1, 0, pkt, 1, out, 2048, &len),
			 SESSION_BAD_TYPE);
	assert_int_equal(session_seal(e.a, 0, WIRE_DATA, 4, pkt, 1, out, 2048, &len),
			 SESSION_BAD_TYPE);
	assert_int_equal(session_seal(e.a, 0, WIRE_DATA, 0, pkt, 64, out, 79, &len),
			 SESSION_NO_ROOM);
	assert_int_equal(session_seal(e.a, 0, WIRE_DATA, 0, pkt, 64, out, 95, &len),
			 SESSION_NO_ROOM);
	assert_int_equal(session_seal(e.a, 0, WIRE_DATA_FIRST, 0, pkt, 15, out, 2048, &len),
			 SESSION_NO_ROOM);

	/* none of these used a sequence number */
	len = seal(e.a, 0, WIRE_CONTROL, 0, "hello", 5, pkt);
	assert_int_equal(load_be48(pkt + 2), 0);
	assert_int_equal(open_it(e.b, 0, pkt, 31, &m), SESSION_SHORT);
	assert_int_equal(open_it(e.a, 0, pkt, len, &m), SESSION_REFLECTED);
	memcpy(bad, pkt, len);
	bad[0] = 0x26;
	assert_int_equal(open_it(e.b, 0, bad, len, &m), SESSION_BAD_HEADER);
	bad[0] = 0x14;
	assert_int_equal(open_it(e.b, 0, bad, len, &m), SESSION_BAD_TYPE);
	memcpy(bad, pkt, len);
	bad[1] ^= 1 << WIRE_EPOCH_SHIFT;
	assert_int_equal(open_it(e.b, 0, bad, len, &m), SESSION_EPOCH_UNKNOWN);
	memcpy(bad, pkt, len);
	bad[15] ^= 1;
	assert_int_equal(open_it(e.b, 0, bad, len, &m), SESSION_BAD_ID);

	/* every bit of the packet */
	for (size_t bit = 0; bit < len * 8; bit++) {
		memcpy(bad, pkt, len);
		bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_true(open_it(e.b, 0, bad, len, &m) != SESSION_OK);
	}
	assert_int_equal(session_pool_in_use(e.pool), 0);
	assert_int_equal(open_it(e.b, 0, pkt, len, &m), SESSION_OK);
	assert_int_equal(open_it(e.b, 0, pkt, len, &m), SESSION_REPLAY);
	assert_int_equal(session_stats(e.b)->verdicts[SESSION_REPLAY], 1);
	assert_int_equal(session_stats(e.b)->verdicts[SESSION_OK], 1);
	ends_teardown(&e);
}

static void test_old_and_loss(void **state)
{
	uint8_t first[64], second[64], pkt[64];
	size_t n1, n2, len = 0;
	struct session_meta m;
	struct ends e;

	ends_setup(&e, 2);
	connect(&e, 1, 0);
	n1 = seal(e.a, 0, WIRE_PROBE, 2, NULL, 0, first);
	n2 = seal(e.a, 0, WIRE_PROBE, 2, NULL, 0, second);
	for (int i = 0; i < 2048; i++)
		len = seal(e.a, 0, WIRE_PROBE, 2, NULL, 0, pkt);
	assert_int_equal(open_it(e.b, 3, pkt, len, &m), SESSION_OK);
	assert_int_equal(session_stats(e.b)->route[2].lost, 2049);
	assert_int_equal(open_it(e.b, 3, first, n1, &m), SESSION_OLD);
	assert_int_equal(open_it(e.b, 4, second, n2, &m), SESSION_OLD);
	len = seal(e.a, 0, WIRE_PROBE, 2, NULL, 0, pkt);
	n1 = seal(e.a, 0, WIRE_PROBE, 2, NULL, 0, first);
	assert_int_equal(open_it(e.b, 5, first, n1, &m), SESSION_OK);
	assert_true(m.is_highest);
	assert_int_equal(open_it(e.b, 6, pkt, len, &m), SESSION_OK);
	assert_false(m.is_highest);
	assert_int_equal(session_stats(e.b)->route[2].lost, 2049);
	assert_int_equal(session_stats(e.b)->route[2].received, 3);
	assert_int_equal(session_stats(e.b)->route[2].last_ns, 6);
	assert_int_equal(session_stats(e.b)->route[0].received, 0);
	ends_teardown(&e);
}

static void test_limits(void **state)
{
	uint8_t pkt[64], old[64];
	struct session_meta m;
	size_t len, n;
	struct ends e;

	ends_setup(&e, 3);
	connect(&e, 1, 0);
	assert_false(session_rekey_due(e.a, 1000ULL * SEC)); /* never used */
	len = seal(e.a, 1, WIRE_CONTROL, 0, NULL, 0, pkt);
	assert_false(session_rekey_due(e.a, 1000ULL * SEC)); /* not for data */
	n = seal(e.a, 1, WIRE_DATA, 0, "x", 1, old);
	assert_false(session_rekey_due(e.a, 120ULL * SEC - 1));
	assert_true(session_rekey_due(e.a, 120ULL * SEC));
	assert_false(session_rekey_due(e.b, 120ULL * SEC));
	assert_true(session_can_send(e.a, 180ULL * SEC - 1));
	assert_false(session_can_send(e.a, 180ULL * SEC));
	assert_int_equal(session_seal(e.a, 180ULL * SEC, WIRE_DATA, 0, pkt, 1, pkt, 64, &len),
			 SESSION_KEY_EXPIRED);
	/* the receiver refuses data too; control stays good */
	assert_int_equal(open_it(e.b, 180ULL * SEC, old, n, &m), SESSION_KEY_EXPIRED);
	len = seal(e.a, 9999ULL * SEC, WIRE_CONTROL, 0, NULL, 0, pkt);
	assert_int_equal(open_it(e.b, 9999ULL * SEC, pkt, len, &m), SESSION_OK);
	ends_teardown(&e);
}

/* Keys that nobody used for data before they expired are renewed when data wants to go. */
static void test_expired_unused(void **state)
{
	uint8_t pkt[64];
	struct ends e;
	size_t len;

	ends_setup(&e, 3);
	connect(&e, 1, 0);
	assert_false(session_rekey_due(e.a, 999ULL * SEC));
	assert_int_equal(session_seal(e.a, 999ULL * SEC, WIRE_DATA, 0, pkt, 1, pkt, 64, &len),
			 SESSION_KEY_EXPIRED);
	assert_true(session_rekey_due(e.a, 999ULL * SEC));
	assert_false(session_rekey_due(e.b, 999ULL * SEC));
	ends_teardown(&e);
}

static void test_packet_limits(void **state)
{
	uint8_t pkt[64];
	size_t len = 0;
	struct ends e;

	ends_setup(&e, 4);
	session_destroy(e.a);
	e.limits.rekey_after_packets = 5;
	e.limits.reject_after_packets = 8;
	e.a = session_create(PATH_ID, true, &e.limits, e.pool);
	connect(&e, 1, 0);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(session_rekey_due(e.a, 0), i >= 5);
		seal(e.a, 0, WIRE_DATA, i % 4, "x", 1, pkt);
	}
	assert_int_equal(session_seal(e.a, 0, WIRE_DATA, 0, pkt, 1, pkt, 64, &len),
			 SESSION_KEY_EXPIRED);
	seal(e.a, 0, WIRE_PROBE, 0, "x", 1, pkt);
	ends_teardown(&e);
}

static void test_install_rules(void **state)
{
	struct session_meta m;
	uint8_t pkt[64];
	struct pair p, q;
	struct ends e;
	size_t len;

	ends_setup(&e, 5);
	p = make_keys(&e, 1, 0);
	assert_int_equal(session_install(e.a, 0, &p.b), -EINVAL); /* the other side's */
	p.a.own_index = 78;
	assert_int_equal(session_install(e.a, 0, &p.a), -EINVAL);
	p.a.own_index = PATH_ID;
	assert_int_equal(session_install(e.a, 0, &p.a), 0);
	p.a.epoch = 1;
	assert_int_equal(session_install(e.a, 0, &p.a), -EEXIST);
	q = make_keys(&e, 1, 1);
	q.a.recv = p.a.send; /* the same key in the other direction */
	assert_int_equal(session_install(e.a, 0, &q.a), -EEXIST);
	q.a.recv = q.a.send;
	assert_int_equal(session_install(e.a, 0, &q.a), -EEXIST);

	/* B may not send until it has heard A */
	assert_int_equal(session_install(e.b, 0, &p.b), 0);
	assert_int_equal(session_seal(e.b, 0, WIRE_CONTROL, 0, pkt, 1, pkt, 64, &len),
			 SESSION_NO_KEY);
	len = seal(e.a, 0, WIRE_CONTROL, 0, NULL, 0, pkt);
	assert_int_equal(open_it(e.b, 0, pkt, len, &m), SESSION_OK);
	assert_true(m.is_new_epoch);
	seal(e.b, 0, WIRE_CONTROL, 0, NULL, 0, pkt);

	/* keys in use are not replaced; a next that was not heard is */
	q = make_keys(&e, 1, 0);
	assert_int_equal(session_install(e.b, 0, &q.b), -EBUSY);
	q = make_keys(&e, 1, 1);
	assert_int_equal(session_install(e.b, 0, &q.b), 0);
	q = make_keys(&e, 1, 1);
	assert_int_equal(session_install(e.b, 0, &q.b), 0);
	assert_int_equal(session_epoch(e.b), 0);
	assert_int_equal(session_install(e.a, 0, &q.a), 0);
	assert_int_equal(session_epoch(e.a), 1);
	len = seal(e.a, 0, WIRE_CONTROL, 0, NULL, 0, pkt);
	assert_int_equal(open_it(e.b, 0, pkt, len, &m), SESSION_OK);
	assert_int_equal(session_epoch(e.b), 1);
	ends_teardown(&e);
}

static void test_no_window(void **state)
{
	struct session_pool *pool = session_pool_create(1);
	struct session_meta m;
	uint8_t pkt[64];
	struct ends e;
	size_t len;

	ends_setup(&e, 6);
	session_destroy(e.b);
	e.b = session_create(PATH_ID, false, &e.limits, pool);
	connect(&e, 1, 0);
	len = seal(e.a, 0, WIRE_PROBE, 0, NULL, 0, pkt);
	assert_int_equal(open_it(e.b, 0, pkt, len, &m), SESSION_OK);
	len = seal(e.a, 0, WIRE_PROBE, 1, NULL, 0, pkt);
	assert_int_equal(open_it(e.b, 0, pkt, len, &m), SESSION_NO_WINDOW);
	len = seal(e.a, 0, WIRE_PROBE, 0, NULL, 0, pkt);
	assert_int_equal(open_it(e.b, 0, pkt, len, &m), SESSION_OK);
	session_destroy(e.b);
	e.b = NULL;
	assert_int_equal(session_pool_in_use(pool), 0);
	session_pool_destroy(pool);
	ends_teardown(&e);
}

/* A line that delivers in any order within its delay. */
enum { LINE = 64 };

struct line {
	struct {
		uint8_t pkt[64];
		size_t len;
	} slot[LINE];
};

static void line_step(struct line *l, struct session *to, struct rng *rng, const uint8_t *pkt,
		      size_t len, uint64_t *delivered)
{
	uint64_t i = rng_below(rng, LINE);
	struct session_meta m;

	if (l->slot[i].len > 0) {
		assert_int_equal(open_it(to, 0, l->slot[i].pkt, l->slot[i].len, &m), SESSION_OK);
		(*delivered)++;
	}
	if (len > 0)
		memcpy(l->slot[i].pkt, pkt, len);
	l->slot[i].len = len;
}

/* Rekeys under traffic both ways, with reordering: nothing is lost. The answer to a handshake may
 * come late, so that A goes on in the old epoch while B holds the next.
 */
static void test_rekey_without_loss(void **state)
{
	uint64_t seed = (uint64_t)time(NULL), sent = 0, delivered = 0;
	struct line ab = {0}, ba = {0};
	struct pair p = {0};
	unsigned int rekeys = 0;
	int a_in = -1;
	struct ends e;

	print_message("seed %llu\n", (unsigned long long)seed);
	ends_setup(&e, seed);
	connect(&e, 1, 0);
	for (int i = 0; i < 120000; i++) {
		uint8_t pkt[64], route = (uint8_t)rng_below(&e.rng, 4);
		size_t len;

		len = seal(e.a, 0, WIRE_DATA, route, "a", 1, pkt);
		line_step(&ab, e.b, &e.rng, pkt, len, &delivered);
		len = seal(e.b, 0, WIRE_DATA, route, "b", 1, pkt);
		line_step(&ba, e.a, &e.rng, pkt, len, &delivered);
		sent += 2;
		/* Every 1500 packets, which is longer than any packet is under way. */
		if (i % 1500 == 1499) {
			p = make_keys(&e, (uint8_t)(1 + i / 1500 % 3),
				      (session_epoch(e.a) + 1) & 3);
			assert_int_equal(session_install(e.b, 0, &p.b), 0);
			a_in = i + (int)rng_below(&e.rng, 300);
		}
		if (i == a_in) {
			assert_int_equal(session_install(e.a, 0, &p.a), 0);
			rekeys++;
		}
	}
	for (int i = 0; i < LINE * 40; i++) {
		line_step(&ab, e.b, &e.rng, NULL, 0, &delivered);
		line_step(&ba, e.a, &e.rng, NULL, 0, &delivered);
	}
	assert_true(rekeys >= 79);
	assert_int_equal(delivered, sent);
	for (int r = 0; r < WIRE_ROUTES; r++) {
		assert_int_equal(session_stats(e.a)->route[r].lost, 0);
		assert_int_equal(session_stats(e.b)->route[r].lost, 0);
	}
	ends_teardown(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways),	   cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_old_and_loss),	   cmocka_unit_test(test_limits),
		cmocka_unit_test(test_expired_unused),	   cmocka_unit_test(test_packet_limits),
		cmocka_unit_test(test_install_rules),	   cmocka_unit_test(test_no_window),
		cmocka_unit_test(test_rekey_without_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
