/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/state.h"
#include "tests/unit/temp_dir.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

static struct node_state filled(void)
{
	struct node_state n = {.has_psk = true, .has_vips = true};

	n.attempt = 0x0123456789abcdef;
	n.location = 77;
	memset(n.psk, 0x5a, sizeof(n.psk));
	memset(n.reset_secret, 0xa5, sizeof(n.reset_secret));
	assert_int_equal(ip_parse("240.0.0.2", &n.vips.v4), 0);
	assert_int_equal(ip_parse("fd00::2", &n.vips.v6), 0);
	return n;
}

static void test_round_trip(void **state)
{
	struct temp_dir t;
	struct state s;
	struct node_state n = filled(), got;

	temp_dir_make(&t);
	assert_int_equal(state_open(&s, temp_dir_path(&t, "a/b")), 0);
	assert_int_equal(state_load(&s, &got), 0);
	assert_false(got.has_psk || got.has_vips);
	assert_int_equal(state_save(&s, &n), 0);
	assert_int_equal(state_load(&s, &got), 0);
	assert_int_equal(got.attempt, n.attempt);
	assert_int_equal(got.location, n.location);
	assert_true(got.has_psk && got.has_vips);
	assert_memory_equal(got.psk, n.psk, sizeof(n.psk));
	assert_memory_equal(got.reset_secret, n.reset_secret, sizeof(n.reset_secret));
	assert_true(ip_equal(&got.vips.v4, &n.vips.v4) && ip_equal(&got.vips.v6, &n.vips.v6));
	state_close(&s);
	temp_dir_remove(&t);
}

/* Secrets are nobody else's to read. */
static void test_modes(void **state)
{
	struct temp_dir t;
	struct state s;
	struct node_state n = filled();
	struct stat st;

	temp_dir_make(&t);
	assert_int_equal(state_open(&s, temp_dir_path(&t, "s")), 0);
	assert_int_equal(state_save(&s, &n), 0);
	assert_int_equal(stat(temp_dir_path(&t, "s"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(stat(temp_dir_path(&t, "s/state.json"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	state_close(&s);
	temp_dir_remove(&t);
}

/* What a crash in the middle of a save leaves behind does not matter, nor does a full disk. */
static void test_save_is_atomic(void **state)
{
	struct temp_dir t;
	struct state s;
	struct node_state n = filled(), got;

	temp_dir_make(&t);
	assert_int_equal(state_open(&s, temp_dir_path(&t, "s")), 0);
	assert_int_equal(state_save(&s, &n), 0);
	temp_dir_write(&t, "s/state.json.new", "{ \"attempt\": 1");
	assert_int_equal(state_load(&s, &got), 0);
	assert_int_equal(got.attempt, n.attempt);
	n.attempt++;
	assert_int_equal(state_save(&s, &n), 0);
	assert_int_equal(state_load(&s, &got), 0);
	assert_int_equal(got.attempt, n.attempt);
	/* A save that cannot be leaves the old one whole. */
	assert_int_equal(mkdir(temp_dir_path(&t, "s/state.json.new"), 0700), 0);
	n.attempt++;
	assert_true(state_save(&s, &n) < 0);
	assert_int_equal(state_load(&s, &got), 0);
	assert_int_equal(got.attempt, n.attempt - 1);
	assert_int_equal(rmdir(temp_dir_path(&t, "s/state.json.new")), 0);
	state_close(&s);
	temp_dir_remove(&t);
}

static void test_corrupt_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"{\"attempt\": \"1\"}",
		"{\"attempt\": -5}",
		"{\"attempt\": 1, \"location\": 1, \"psk\": \"short\"}",
		"{\"attempt\": 1, \"location\": 1, \"psk\": 5}",
		"{\"attempt\": 1, \"location\": 1, \"reset_secret\": \"!\"}",
		"{\"attempt\": 1, \"location\": 1, \"vip4\": \"240.0.0\"}",
	};
	struct temp_dir t;
	struct state s;
	struct node_state got;

	temp_dir_make(&t);
	assert_int_equal(state_open(&s, temp_dir_path(&t, "s")), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		print_message("%s\n", bad[i]);
		temp_dir_write(&t, "s/state.json", bad[i]);
		assert_int_equal(state_load(&s, &got), -EBADMSG);
	}
	state_close(&s);
	temp_dir_remove(&t);
}

/* Forgetting the keys of peers in silence would let anyone in for whom they were kept. */
static void test_corrupt_pins_are_refused(void **state)
{
	const uint8_t key[NOISE_KEY_LEN] = {7};
	struct temp_dir t;
	struct state s;

	temp_dir_make(&t);
	assert_int_equal(state_open(&s, temp_dir_path(&t, "s")), 0);
	assert_int_equal(state_pin_save(&s, "bob.dc1.example", key), 0);
	state_close(&s);
	assert_int_equal(state_open(&s, temp_dir_path(&t, "s")), 0);
	assert_int_equal(json_object_size(s.pins), 1);
	state_close(&s);
	temp_dir_write(&t, "s/pins.json", "{ \"bob.dc1.example\": ");
	assert_int_equal(state_open(&s, temp_dir_path(&t, "s")), -EBADMSG);
	temp_dir_remove(&t);
}

static void test_key(void **state)
{
	struct noise_keypair a, b;
	struct temp_dir t;
	struct state s;
	struct rng rng;

	rng_init_system(&rng);
	temp_dir_make(&t);
	assert_int_equal(state_open(&s, temp_dir_path(&t, "s")), 0);
	assert_int_equal(state_key(&s, &rng, &a), 0);
	assert_int_equal(state_key(&s, &rng, &b), 0);
	assert_memory_equal(&a, &b, sizeof(a));
	temp_dir_write(&t, "s/key", "too short");
	assert_true(state_key(&s, &rng, &b) < 0);
	state_close(&s);
	temp_dir_remove(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_save_is_atomic),
		cmocka_unit_test(test_corrupt_is_refused),
		cmocka_unit_test(test_corrupt_pins_are_refused),
		cmocka_unit_test(test_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
