/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/mailbox.h"
#include "tests/unit/eal_init.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_order_and_bound(void **state)
{
	struct mailbox mb;
	struct mail m[8];
	unsigned int sent = 0;

	assert_int_equal(mailbox_init(&mb, "t_order", 16), 0);
	while (mailbox_send(&mb, MAIL_CALL, sent, NULL) == 0)
		sent++;
	assert_in_range(sent, 15, 16);
	for (unsigned int got = 0; got < sent;) {
		unsigned int n = mailbox_take(&mb, m, 8);

		assert_true(n > 0);
		for (unsigned int i = 0; i < n; i++)
			assert_int_equal(m[i].arg, got++);
	}
	assert_int_equal(mailbox_take(&mb, m, 8), 0);
	mailbox_fini(&mb);
}

enum { SENDERS = 3, EACH = 20000 };

static void *sender(void *arg)
{
	struct mailbox *mb = arg;

	for (unsigned int i = 0; i < EACH;)
		i += mailbox_send(mb, MAIL_CALL, i, NULL) == 0;
	return NULL;
}

/* Senders and a receiver that sleeps whenever it can: a lost wake-up would end in the time-out. */
static void test_no_wake_lost(void **state)
{
	pthread_t thread[SENDERS];
	struct mailbox mb;
	struct mail m[32];
	unsigned int got = 0, late = 0;

	assert_int_equal(mailbox_init(&mb, "t_wake", 64), 0);
	for (unsigned int i = 0; i < SENDERS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, sender, &mb), 0);
	while (got < SENDERS * EACH && late == 0) {
		struct pollfd fd = {.fd = mb.wake_fd, .events = POLLIN};

		got += mailbox_take(&mb, m, 32);
		if (got < SENDERS * EACH && mailbox_sleep_begin(&mb))
			late += poll(&fd, 1, 20000) == 0;
		mailbox_sleep_end(&mb);
	}
	assert_int_equal(late, 0);
	for (unsigned int i = 0; i < SENDERS; i++)
		pthread_join(thread[i], NULL);
	mailbox_fini(&mb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_and_bound),
		cmocka_unit_test(test_no_wake_lost),
	};

	eal_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
