/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/store.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { MAP_BYTES = 16 << 20 };

static char dir[64];
static _Atomic unsigned int done_ok, done_bad;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	return remove(path);
}

static int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/ntm-store-XXXXXX");
	atomic_store(&done_ok, 0);
	atomic_store(&done_bad, 0);
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int teardown(void **state)
{
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void done(void *ctx, struct dc_write *w)
{
	atomic_fetch_add(w->status == 0 ? &done_ok : &done_bad, 1);
	free(w);
}

static struct store *open_store(void)
{
	struct store *s = NULL;
	const char *why = NULL;

	if (store_open(&s, dir, MAP_BYTES, done, NULL, &why) < 0)
		fail_msg("the store does not open: %s", why);
	return s;
}

static void submit(struct store *s, uint8_t table, uint32_t key, uint32_t value, bool is_delete)
{
	struct dc_write *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->table = table;
	w->is_delete = is_delete;
	w->key_len = sizeof(key);
	w->value_len = sizeof(value);
	memcpy(w->key, &key, sizeof(key));
	memcpy(w->value, &value, sizeof(value));
	store_submit(s, w);
}

/* The condition, not a moment: the time only ends a hang. */
static void wait_done(unsigned int n)
{
	const struct timespec tick = {.tv_nsec = 1000000};

	for (unsigned int i = 0; i < 30000 && atomic_load(&done_ok) < n; i++)
		nanosleep(&tick, NULL);
	assert_int_equal(atomic_load(&done_ok), n);
}

struct seen {
	uint32_t n, sum;
	uint8_t table;
};

static int each(void *ctx, uint8_t table, const uint8_t *key, size_t key_len, const uint8_t *value,
		size_t value_len)
{
	struct seen *seen = ctx;
	uint32_t v;

	assert_int_equal(value_len, sizeof(v));
	memcpy(&v, value, sizeof(v));
	assert_true(table >= seen->table); /* in the order of the tables */
	seen->table = table;
	seen->n++;
	seen->sum += v;
	return 0;
}

static struct seen walk(struct store *s)
{
	struct seen seen = {0};

	assert_int_equal(store_walk(s, each, &seen), 0);
	return seen;
}

static void test_order_and_groups(void **state)
{
	struct store *s = open_store();
	struct store_counters c;
	struct seen seen;

	assert_int_equal(walk(s).n, 0);
	for (uint32_t i = 0; i < 1000; i++)
		submit(s, DC_TABLE_NODE, i % 100, i, false); /* the last of each key counts */
	submit(s, DC_TABLE_RS, 7, 1, false);
	submit(s, DC_TABLE_NODE, 99, 0, true);
	submit(s, DC_TABLE_NODE, 12345, 0, true); /* not there: fine */
	assert_int_equal(store_start(s), 0);
	wait_done(1003);
	store_counters(s, &c);
	assert_int_equal(c.writes, 1003);
	assert_int_equal(c.groups, 1); /* all had gathered before the thread ran */
	store_close(s);
	s = open_store();
	seen = walk(s);
	assert_int_equal(seen.n, 100);
	/* 900 to 998, and the RS's 1 */
	assert_int_equal(seen.sum, (900 + 998) * 99 / 2 + 1);
	store_close(s);
}

static void test_one_owner(void **state)
{
	struct store *s = open_store(), *second = NULL;
	const char *why;

	assert_int_equal(store_open(&second, dir, MAP_BYTES, done, NULL, &why), -EBUSY);
	assert_null(second);
	store_close(s);
	store_close(open_store());
}

/* One bad write costs itself alone. */
static void test_bad_write(void **state)
{
	struct store *s = open_store();

	submit(s, DC_TABLE_NODE, 1, 1, false);
	submit(s, DC_TABLE_COUNT, 2, 2, false);
	submit(s, DC_TABLE_NODE, 3, 3, false);
	assert_int_equal(store_start(s), 0);
	store_finish(s);
	assert_int_equal(atomic_load(&done_ok), 2);
	assert_int_equal(atomic_load(&done_bad), 1);
	store_close(s);
	s = open_store();
	assert_int_equal(walk(s).n, 2);
	store_close(s);
}

/* What was reported as written is there after kill -9, at whatever moment that comes. */
static void crash_child(int fd)
{
	struct store *s = open_store();
	const struct timespec tick = {.tv_nsec = 50000};
	uint32_t reported = 0;

	if (store_start(s) < 0)
		_exit(1);
	for (uint32_t i = 0;; i++) {
		uint32_t ok;

		submit(s, DC_TABLE_NODE, i, 1, false);
		ok = atomic_load(&done_ok); /* commits are in order: keys 0 to ok - 1 */
		if (ok != reported && write(fd, &ok, sizeof(ok)) != sizeof(ok))
			_exit(1);
		reported = ok;
		nanosleep(&tick, NULL);
	}
}

static void test_crash(void **state)
{
	for (unsigned int round = 0; round < 5; round++) {
		uint32_t reported = 0, got;
		struct store *s;
		int fds[2];
		pid_t pid;

		assert_int_equal(pipe(fds), 0);
		pid = fork();
		if (pid == 0)
			crash_child(fds[1]);
		close(fds[1]);
		for (unsigned int i = 0; i < 20 + 7 * round; i++) {
			assert_int_equal(read(fds[0], &got, sizeof(got)), sizeof(got));
			reported = got;
		}
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		while (read(fds[0], &got, sizeof(got)) == sizeof(got))
			reported = got;
		close(fds[0]);
		s = open_store();
		assert_true(walk(s).n >= reported);
		store_close(s);
		teardown(NULL);
		setup(NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order_and_groups, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_owner, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_write, setup, teardown),
		cmocka_unit_test_setup_teardown(test_crash, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
