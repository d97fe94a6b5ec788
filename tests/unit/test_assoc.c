/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/assoc_ends.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define MSEC 1000000ULL
#define SEC (1000 * MSEC)

static const uint8_t all_kinds[] = {HS_NODE_DC, HS_DC_DC, HS_RS_DC, HS_PATH, HS_LEG};

static struct ends *make(uint8_t kind)
{
	struct ends *n = calloc(1, sizeof(*n));

	assert_non_null(n);
	ends_setup(n, kind, 1, 7);
	return n;
}

static void drop(struct ends *n)
{
	ends_teardown(n);
	free(n);
}

static void open_up(struct ends *n)
{
	assoc_start(&n->a.assoc, n->now);
	assert_true(ends_run(n, n->now + 9 * SEC, ends_both_up));
}

static void test_all_kinds(void **state)
{
	for (size_t i = 0; i < sizeof(all_kinds); i++) {
		for (int async = 0; async < 2; async++) {
			struct ends *n = make(all_kinds[i]);
			uint64_t start = n->now;

			n->async = async;
			open_up(n);
			/* A hears B after two round trips and no more. */
			assert_true(n->now - start < 4 * n->delay + MSEC);
			assert_int_equal(n->a.ups + n->b.ups, 2);
			assert_int_equal(n->a.answers, 1);
			assert_int_equal(n->a.hs_sent, 1);
			assert_int_equal(n->a.assoc.live.epoch, 0);
			assert_int_equal(responder_counters(n->b.responder)[HS_OK], 1);
			assert_int_equal(responder_in_work(n->b.responder), 0);
			assert_true(ends_data(n, &n->a, 0) && ends_data(n, &n->b, 1));
			ends_run(n, n->now + SEC, NULL);
			assert_int_equal(n->a.refused_in + n->b.refused_in, 0);
			drop(n);
		}
	}
}

/* B may send at once after a path's first handshake, and not before it heard A on a leg. */
static bool b_installed(const struct ends *n)
{
	return n->b.installs > 0;
}

static void test_early_data(void **state)
{
	for (size_t i = 0; i < sizeof(all_kinds); i++) {
		struct ends *n = make(all_kinds[i]);

		assoc_start(&n->a.assoc, n->now);
		assert_true(ends_run(n, n->now + SEC, b_installed));
		assert_int_equal(ends_data(n, &n->b, 0), all_kinds[i] == HS_PATH);
		ends_run(n, n->now + SEC, NULL);
		assert_int_equal(n->a.refused_in, 0);
		drop(n);
	}
}

static void test_resending(void **state)
{
	static const unsigned int at_ms[] = {0, 150, 400, 900, 1900};
	struct ends *n = make(HS_NODE_DC);
	uint64_t start = n->now;
	uint8_t first[WIRE_HS1_MAX];

	n->cut = true;
	assoc_start(&n->a.assoc, n->now);
	memcpy(first, n->hs1.bytes, n->hs1.len);
	ends_run(n, start + 9 * SEC, NULL);
	assert_int_equal(n->a.hs_sent, 5);
	for (int i = 0; i < 5; i++)
		assert_true(n->last_hs1_at[i] == start + at_ms[i] * MSEC);
	assert_memory_equal(first, n->hs1.bytes, n->hs1.len);
	assert_int_equal(n->a.tries, 4);
	assert_int_equal(n->a.fails, 0);
	/* A new one after 10 s, with other bytes and a greater number. */
	ends_run(n, start + 11 * SEC + MSEC, NULL);
	assert_int_equal(n->a.fails, 1);
	assert_int_equal(n->a.failed_why, ASSOC_TIMEOUT);
	assert_true(n->a.hs_sent > 5);
	assert_memory_not_equal(first, n->hs1.bytes, n->hs1.len);
	n->cut = false;
	assert_true(ends_run(n, n->now + 20 * SEC, ends_both_up));
	/* Stopped: silent. */
	assoc_stop(&n->a.assoc);
	assert_true(assoc_poll(&n->a.assoc, n->now) == UINT64_MAX);
	drop(n);
}

/* The answers are lost: B answers the same bytes again, and computes once. */
static void test_repeats(void **state)
{
	struct ends *n = make(HS_PATH);
	struct packet kept;

	n->cut_answers = true;
	assoc_start(&n->a.assoc, n->now);
	ends_run(n, n->now + 1000 * MSEC, NULL);
	assert_int_equal(n->b.installs, 1);
	assert_int_equal(n->b.verdicts[HS_REPEATED], 3);
	kept = n->hs2;
	n->cut_answers = false;
	assert_true(ends_run(n, n->now + 2 * SEC, ends_both_up));
	assert_int_equal(n->b.installs, 1);
	assert_memory_equal(kept.bytes, n->hs2.bytes, kept.len);
	/* After 10 s the same bytes are an old attempt. */
	ends_run(n, n->now + 11 * SEC, NULL);
	kept = n->hs1;
	ends_inject(n, &n->b, kept.bytes, kept.len);
	assert_int_equal(responder_counters(n->b.responder)[HS_STALE], 1);
	assert_int_equal(n->b.installs, 1);
	drop(n);
}

/* Every answer of the first handshake is lost: the second replaces what is pending. */
static void test_replaced_pending(void **state)
{
	for (size_t i = 0; i < sizeof(all_kinds); i++) {
		struct ends *n = make(all_kinds[i]);

		n->cut_answers = true;
		assoc_start(&n->a.assoc, n->now);
		ends_run(n, n->now + 9 * SEC, NULL);
		n->cut_answers = false;
		assert_true(ends_run(n, n->now + 4 * SEC, ends_both_up));
		assert_int_equal(n->b.installs, 2);
		assert_int_equal(n->b.ups, 1);
		assert_true(ends_data(n, &n->a, 0) && ends_data(n, &n->b, 0));
		ends_run(n, n->now + SEC, NULL);
		assert_int_equal(n->a.refused_in + n->b.refused_in, 0);
		drop(n);
	}
}

static void test_stale(void **state)
{
	struct ends *n = make(HS_LEG);

	/* A's clock went back: it learns the greatest number and goes on from there. */
	n->b.assoc.peer_attempt = 5000 * SEC;
	open_up(n);
	assert_int_equal(responder_counters(n->b.responder)[HS_STALE], 1);
	assert_int_equal(n->b.installs, 1);
	assert_true(n->a.attempts.last > 5000 * SEC);
	assert_true(n->b.assoc.peer_attempt == n->a.attempts.last);
	drop(n);
}

static void test_refused(void **state)
{
	struct ends *n = make(HS_NODE_DC);

	n->refuse = true;
	assoc_start(&n->a.assoc, n->now);
	ends_run(n, n->now + 60 * SEC, NULL);
	assert_int_equal(n->a.fails, 1);
	assert_int_equal(n->a.failed_why, ASSOC_REFUSED);
	assert_int_equal(n->a.failed_code, 9);
	assert_int_equal(n->a.hs_sent, 1);
	assert_int_equal(n->a.installs + n->b.installs, 0);
	assert_int_equal(n->b.assoc.peer_attempt, 0);
	drop(n);
}

static void test_wrong_peer(void **state)
{
	for (size_t i = 0; i < sizeof(all_kinds); i++) {
		struct ends *n = make(all_kinds[i]);

		if (all_kinds[i] == HS_LEG)
			n->b.assoc.conf.psk[0] ^= 1;
		else
			n->b.assoc.conf.peer_key[0] ^= 1;
		assoc_start(&n->a.assoc, n->now);
		ends_run(n, n->now + SEC, NULL);
		assert_int_equal(n->b.installs, 0);
		assert_int_equal(n->b.assoc.peer_attempt, 0);
		assert_true(
			responder_counters(
				n->b.responder)[all_kinds[i] == HS_LEG ? HS_AUTH : HS_PEER_KEY] >
			0);
		drop(n);
	}
}

static void test_unknown_and_unserved(void **state)
{
	struct ends *n = make(HS_PATH);

	n->forget_assoc = true;
	assoc_start(&n->a.assoc, n->now);
	ends_run(n, n->now + SEC, NULL);
	assert_int_equal(n->b.verdicts[HS_UNKNOWN_ID], 4);
	/* known a little later: the resend is taken */
	n->forget_assoc = false;
	assert_true(ends_run(n, n->now + 2 * SEC, ends_both_up));
	drop(n);
}

static void test_rekey(void **state)
{
	for (size_t i = 0; i < sizeof(all_kinds); i++) {
		struct ends *n = make(all_kinds[i]);

		open_up(n);
		for (unsigned int k = 1; k <= 20; k++) {
			assoc_rekey(&n->a.assoc, n->now);
			/* data all the while, both ways */
			for (int j = 0; j < 30; j++) {
				assert_true(ends_data(n, &n->a, j & 3));
				assert_true(ends_data(n, &n->b, j & 3));
				ends_run(n, n->now + 5 * MSEC, NULL);
			}
			assert_int_equal(n->a.assoc.live.epoch, k & 3);
			assert_int_equal(n->b.assoc.live.epoch, k & 3);
			assert_int_equal(session_epoch(n->b.session), k & 3);
			ends_run(n, n->now + 100 * MSEC, NULL);
		}
		assert_int_equal(n->a.refused_in + n->b.refused_in, 0);
		assert_int_equal(n->a.ups + n->b.ups, 2);
		assert_int_equal(n->a.retires + n->b.retires, 0);
		assert_true(n->a.sealed_in >= 600 && n->b.sealed_in >= 600);
		drop(n);
	}
}

/* Only for use, by A itself, also when only B sends; control-only ones by time. */
static void test_rekey_timer(void **state)
{
	struct ends *n = make(HS_LEG);
	uint64_t start;

	open_up(n);
	start = n->now;
	ends_run(n, start + 1000 * SEC, NULL);
	assert_int_equal(n->a.assoc.handshakes, 1);
	n->now = start = n->now + SEC;
	assoc_rekey(&n->a.assoc, n->now);
	ends_run(n, n->now + SEC, NULL);
	start = n->now;
	while (n->now < start + 400 * SEC) {
		assert_true(ends_data(n, &n->b, 0));
		ends_run(n, n->now + 500 * MSEC, NULL);
	}
	assert_int_equal(n->a.assoc.handshakes, 2 + 3);
	assert_int_equal(n->a.refused_in, 0);
	drop(n);

	n = make(HS_NODE_DC);
	open_up(n);
	start = n->now;
	ends_run(n, start + 5 * 3600 * SEC, NULL);
	assert_int_equal(n->a.assoc.handshakes, 1);
	ends_run(n, start + 7 * 3600 * SEC, NULL);
	assert_int_equal(n->a.assoc.handshakes, 2);
	drop(n);
}

static void test_peer_restarts(void **state)
{
	for (size_t i = 0; i < sizeof(all_kinds); i++) {
		struct ends *n = make(all_kinds[i]);
		uint64_t old;

		open_up(n);
		old = n->a.assoc.live.peer_index;
		ends_restart(n, &n->b, true);
		n->b.has_live = false;
		/* B answers A's next packet with a reset; A opens anew. */
		assert_true(ends_data(n, &n->a, 0));
		assert_true(ends_run(n, n->now + 2 * SEC, ends_both_up));
		assert_int_equal(n->a.fails, 1);
		assert_int_equal(n->a.failed_why, ASSOC_RESET);
		assert_int_equal(n->a.ups, 2);
		if (all_kinds[i] != HS_PATH)
			assert_true(n->a.assoc.live.peer_index != old);
		assert_true(ends_data(n, &n->a, 0) && ends_data(n, &n->b, 0));
		ends_run(n, n->now + SEC, NULL);
		assert_int_equal(n->b.refused_in, 1);
		drop(n);
	}
}

static void test_asker_restarts(void **state)
{
	for (size_t i = 0; i < sizeof(all_kinds); i++) {
		struct ends *n = make(all_kinds[i]);
		unsigned int sealed;

		if (all_kinds[i] == HS_PATH) {
			drop(n); /* a path dies with either end's state; the DC makes another */
			continue;
		}
		open_up(n);
		ends_restart(n, &n->a, true);
		n->a.has_live = false;
		assoc_start(&n->a.assoc, n->now);
		/* The old session of B lives until the first packet under the new keys. */
		n->cut_answers = true;
		ends_run(n, n->now + 500 * MSEC, NULL);
		assert_int_equal(n->b.retires, 0);
		assert_int_equal(n->b.ups, 1);
		n->cut_answers = false;
		assert_true(ends_run(n, n->now + 2 * SEC, ends_both_up));
		assert_int_equal(n->b.retires, 1);
		assert_int_equal(n->b.ups, 2);
		sealed = n->a.sealed_in;
		assert_true(ends_data(n, &n->b, 0));
		ends_run(n, n->now + SEC, NULL);
		assert_int_equal(n->a.sealed_in, sealed + 1);
		drop(n);
	}
}

static void test_forged_reset(void **state)
{
	struct ends *n = make(HS_LEG);
	uint8_t pkt[WIRE_RESET_LEN];

	open_up(n);
	reset_build(n->a.host.reset_secret, n->a.assoc.live.peer_index, 100, pkt);
	ends_inject(n, &n->a, pkt, sizeof(pkt));
	assert_int_equal(n->a.verdicts[HS_BAD_TOKEN], 1);
	assert_true(n->a.assoc.live.is_used);
	drop(n);
}

/* Every byte of a handshake 2 flipped: refused, and the true one is still taken. */
static void test_forged_answers(void **state)
{
	for (size_t i = 0; i < sizeof(all_kinds); i++) {
		struct ends *n = make(all_kinds[i]);
		struct packet good;

		n->cut_answers = true;
		assoc_start(&n->a.assoc, n->now);
		ends_run(n, n->now + 100 * MSEC, NULL);
		good = n->hs2;
		for (size_t b = 0; b < good.len; b++) {
			struct packet bad = good;

			bad.bytes[b] ^= 0x10;
			ends_inject(n, &n->a, bad.bytes, bad.len);
			assert_int_equal(n->a.installs, 0);
		}
		ends_inject(n, &n->a, good.bytes, good.len - 1);
		ends_inject(n, &n->a, good.bytes, 30);
		assert_int_equal(n->a.installs, 0);
		ends_inject(n, &n->a, good.bytes, good.len);
		assert_int_equal(n->a.installs, 1);
		ends_inject(n, &n->a, good.bytes, good.len);
		assert_int_equal(n->a.installs, 1);
		assert_int_equal(n->a.verdicts[HS_UNEXPECTED] > 0, 1);
		drop(n);
	}
}

/* Every byte of a handshake 1 flipped: nothing installed, attempt numbers unchanged. */
static void test_forged_questions(void **state)
{
	for (size_t i = 0; i < sizeof(all_kinds); i++) {
		struct ends *n = make(all_kinds[i]);
		bool has_macs = all_kinds[i] < HS_PATH;
		struct packet good;

		n->cut = true;
		assoc_start(&n->a.assoc, n->now);
		good = n->hs1;
		for (size_t b = 0; b + (has_macs ? 16 : 0) < good.len; b++) {
			struct packet bad = good;

			bad.bytes[b] ^= 0x10;
			ends_inject(n, &n->b, bad.bytes, bad.len);
		}
		assert_int_equal(n->b.installs, 0);
		assert_int_equal(n->b.assoc.peer_attempt, 0);
		assert_int_equal(responder_in_work(n->b.responder), 0);
		n->cut = false;
		assert_true(ends_run(n, n->now + SEC, ends_both_up));
		drop(n);
	}
}

/* Work piles up: kinds of a DC must show a cookie, repeats are not computed twice. */
static void test_under_load(void **state)
{
	struct ends *n = make(HS_NODE_DC);
	uint8_t pkt[WIRE_HS1_MAX];
	unsigned int i;

	n->async = true;
	n->cut = true;
	ends_run(n, n->now + 1, NULL);
	assoc_start(&n->a.assoc, n->now);
	ends_run(n, n->now + MSEC, NULL);
	n->cut = false;
	memcpy(pkt, n->hs1.bytes, n->hs1.len);
	for (i = 0; i < 8; i++) {
		store_be64(pkt + 40, i);
		cookie_write_macs(n->b.key.pub, NULL, pkt, n->hs1.len);
		ends_inject(n, &n->b, pkt, n->hs1.len);
		ends_inject(n, &n->b, pkt, n->hs1.len);
	}
	assert_int_equal(n->b.verdicts[HS_OK], 8);
	assert_int_equal(n->b.verdicts[HS_IN_WORK], 7); /* the eighth already met the cookie rule */
	assert_int_equal(n->b.verdicts[HS_COOKIE_SENT], 1);
	ends_inject(n, &n->b, n->hs1.bytes, n->hs1.len);
	assert_int_equal(n->b.verdicts[HS_COOKIE_SENT], 2);
	assert_int_equal(n->hs2.len, WIRE_COOKIE_LEN);
	/* A forged cookie, then the true one: A sends the same handshake with MAC2. */
	memcpy(pkt, n->hs2.bytes, n->hs2.len);
	pkt[50] ^= 1;
	ends_inject(n, &n->a, pkt, n->hs2.len);
	assert_int_equal(n->a.verdicts[HS_BAD_COOKIE], 1);
	ends_inject(n, &n->a, n->hs2.bytes, n->hs2.len);
	assert_int_equal(n->a.hs_sent, 2);
	ends_inject(n, &n->b, n->hs1.bytes, n->hs1.len);
	assert_int_equal(n->b.verdicts[HS_OK], 9);
	assert_int_equal(responder_in_work(n->b.responder), 9);
	n->line_n = 0;
	assert_true(ends_run(n, n->now + 2 * SEC, ends_both_up));
	assert_int_equal(responder_counters(n->b.responder)[HS_AUTH], 8);
	assert_int_equal(responder_in_work(n->b.responder), 0);
	drop(n);
}

/* The association goes away while its handshake is computed. */
static void test_forget(void **state)
{
	struct ends *n = make(HS_PATH);

	n->async = true;
	ends_run(n, n->now + 1, NULL);
	assoc_start(&n->a.assoc, n->now);
	hs_job_run(n->a.jobs[0]);
	n->a.jobs_n = 0;
	assoc_filed(n->a.jobs[0], n->now);
	ends_inject(n, &n->b, n->hs1.bytes, n->hs1.len);
	assert_int_equal(n->b.jobs_n, 1);
	responder_forget(n->b.responder, &n->b.assoc);
	ends_run(n, n->now + 10 * MSEC, NULL);
	assert_int_equal(n->b.installs, 0);
	assert_int_equal(responder_counters(n->b.responder)[HS_UNKNOWN_ID], 1);
	/* and on the asking side: the job comes home to nobody */
	assoc_start(&n->a.assoc, n->now);
	assert_int_equal(n->a.jobs_n, 1);
	assoc_stop(&n->a.assoc);
	ends_run(n, n->now + 10 * MSEC, NULL);
	drop(n);
}

/* The same between the two steps of B: the index that was made for it goes back. */
static void test_forget_index(void **state)
{
	struct ends *n = make(HS_LEG);

	n->async = true;
	assoc_start(&n->a.assoc, n->now);
	ends_run(n, n->now + 1, NULL);
	for (int i = 0; i < 1000 && n->b.indexes_out == 0; i++)
		ends_run(n, n->now + MSEC / 10, NULL);
	assert_int_equal(n->b.indexes_out, 1);
	assert_int_equal(n->b.jobs_n, 1);
	responder_forget(n->b.responder, &n->b.assoc);
	assert_int_equal(n->b.indexes_out, 0);
	ends_run(n, n->now + 10 * MSEC, NULL);
	assert_int_equal(n->b.installs, 0);
	assoc_stop(&n->a.assoc);
	drop(n);
}

static bool no_time(const struct ends *n)
{
	return false;
}

/* Any order of loss, restarts, rekeys and moves ends in both ends up and data flowing. */
static void test_random(void **state)
{
	const char *env = getenv("SEED");
	uint64_t seed = env != NULL ? strtoull(env, NULL, 0) : (uint64_t)time(NULL);
	struct rng rng;

	print_message("SEED=%llu\n", (unsigned long long)seed);
	rng_init_seeded(&rng, seed);
	for (int run = 0; run < 60; run++) {
		uint8_t kind = all_kinds[rng_below(&rng, sizeof(all_kinds))];
		struct ends *n = calloc(1, sizeof(*n));
		uint64_t in_a, in_b;

		ends_setup(n, kind, (uint8_t)(1 + rng_below(&rng, 5)), rng_u64(&rng));
		n->loss_percent = (unsigned int)rng_below(&rng, 40);
		n->delay = (1 + rng_below(&rng, 300)) * MSEC;
		assoc_start(&n->a.assoc, n->now);
		for (int step = 0; step < 20; step++) {
			switch (rng_below(&rng, 6)) {
			case 0:
				assoc_rekey(&n->a.assoc, n->now);
				break;
			case 1:
				assoc_start(&n->a.assoc, n->now);
				break;
			case 2:
				ends_restart(n, &n->b, rng_below(&rng, 2) == 0);
				break;
			case 3:
				ends_data(n, &n->a, 0);
				break;
			case 4:
				ends_data(n, &n->b, 0);
				break;
			}
			ends_run(n, n->now + rng_below(&rng, 8 * SEC), no_time);
		}
		n->loss_percent = 0;
		/* B may have forgotten everything: A's packets bring the reset that mends it. Of a path B
		 * may also have taken a late copy of an older handshake for a new one, if it forgot what it
		 * had seen; then it gives out no reset, for its keys are about to live, and it is for A's
		 * owner to find that nobody answers (client/path_watch.c) and to open anew.
		 */
		for (int i = 0; i < 40; i++) {
			uint64_t before = n->a.sealed_in;

			ends_data(n, &n->a, 0);
			ends_data(n, &n->b, 0);
			ends_run(n, n->now + SEC, NULL);
			if (kind == HS_PATH && i % 10 == 9 && n->a.sealed_in == before)
				assoc_start(&n->a.assoc, n->now);
		}
		in_a = n->a.sealed_in;
		in_b = n->b.sealed_in;
		if (!ends_data(n, &n->a, 0) || !ends_data(n, &n->b, 0))
			fail_msg("run %d kind %u: no keys", run, kind);
		ends_run(n, n->now + SEC, NULL);
		if (n->a.sealed_in == in_a || n->b.sealed_in == in_b)
			fail_msg("run %d kind %u: data does not arrive", run, kind);
		ends_teardown(n);
		free(n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_kinds),
		cmocka_unit_test(test_early_data),
		cmocka_unit_test(test_resending),
		cmocka_unit_test(test_repeats),
		cmocka_unit_test(test_replaced_pending),
		cmocka_unit_test(test_stale),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_wrong_peer),
		cmocka_unit_test(test_unknown_and_unserved),
		cmocka_unit_test(test_rekey),
		cmocka_unit_test(test_rekey_timer),
		cmocka_unit_test(test_peer_restarts),
		cmocka_unit_test(test_asker_restarts),
		cmocka_unit_test(test_forged_reset),
		cmocka_unit_test(test_forged_answers),
		cmocka_unit_test(test_forged_questions),
		cmocka_unit_test(test_under_load),
		cmocka_unit_test(test_forget),
		cmocka_unit_test(test_forget_index),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
