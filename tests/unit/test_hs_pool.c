/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/hs_pool.h"
#include "appliance/mailbox.h"
#include "tests/unit/eal_init.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <time.h>

#include <cmocka.h>

enum { JOBS = 2000 };

static _Atomic unsigned int runs, drops;
static _Atomic bool hold;
static unsigned char seen[JOBS];

static void run(void *arg)
{
	const struct timespec tick = {.tv_nsec = 100000};

	while (atomic_load(&hold))
		nanosleep(&tick, NULL);
	atomic_fetch_add(&runs, 1);
}

static void drop(void *arg)
{
	atomic_fetch_add(&drops, 1);
}

/* Every job that was taken comes back once, through a mailbox far smaller than their number. */
static void test_all_come_back(void **state)
{
	struct mailbox mb;
	struct hs_pool *p = hs_pool_start(3, 64);
	unsigned int sent = 0, got = 0;
	struct mail m;

	assert_non_null(p);
	assert_int_equal(mailbox_init(&mb, "t_hs", 16), 0);
	while (got < JOBS) {
		if (sent < JOBS && hs_pool_submit(p, run, &seen[sent], &mb, 9) == 0)
			sent++;
		while (mailbox_take(&mb, &m, 1) == 1) {
			assert_int_equal(m.type, MAIL_DONE);
			assert_int_equal(m.arg, 9);
			assert_int_equal((*(unsigned char *)m.ptr)++, 0);
			got++;
		}
	}
	assert_int_equal(atomic_load(&runs), JOBS);
	hs_pool_stop(p, drop);
	assert_int_equal(atomic_load(&drops), 0);
	mailbox_fini(&mb);
}

/* A full queue refuses; what waits when the pool stops is dropped, not run. */
static void test_full_and_stop(void **state)
{
	struct hs_pool *p = hs_pool_start(1, 8);
	struct hs_pool_stats st;
	struct mailbox mb;
	struct mail m;
	unsigned int taken = 0;

	assert_non_null(p);
	assert_int_equal(mailbox_init(&mb, "t_full", 64), 0);
	atomic_store(&hold, true);
	atomic_store(&runs, 0);
	for (unsigned int i = 0; i < 32; i++)
		taken += hs_pool_submit(p, run, &seen[i], &mb, 0) == 0;
	assert_in_range(taken, 8, 9); /* one may be with the thread */
	assert_int_equal(hs_pool_submit(p, run, &seen[0], &mb, 0), -ENOBUFS);
	hs_pool_stats(p, &st);
	assert_int_equal(st.jobs, taken);
	assert_int_equal(st.refused, 33 - taken);
	atomic_store(&hold, false);
	hs_pool_stop(p, drop);
	for (taken = 0; mailbox_take(&mb, &m, 1) == 1;)
		taken++;
	assert_int_equal(taken, atomic_load(&runs));
	assert_int_equal(st.jobs, atomic_load(&runs) + atomic_load(&drops));
	mailbox_fini(&mb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_come_back),
		cmocka_unit_test(test_full_and_stop),
	};

	eal_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
