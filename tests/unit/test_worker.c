/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/port.h"
#include "appliance/worker.h"
#include "tests/unit/eal_init.h"

#include <rte_malloc.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Steering: a frame for a leg of another worker goes there once, and is never lost unnamed. */
static struct worker *w;

static struct rte_mbuf *frame(void)
{
	struct rte_mbuf *m = worker_alloc(w);

	assert_non_null(m);
	assert_non_null(rte_pktmbuf_append(m, 64));
	pkt_meta(m)->iface = 3;
	return m;
}

static void test_steer(void **state)
{
	struct rte_mbuf *m = frame();
	struct mail mail;

	worker_steer(&w[0], m, 1);
	assert_int_equal(w[0].stats.steered, 1);
	assert_int_equal(w[0].stats.steer_miss, 1);
	assert_int_equal(w[0].wake_peers, 1u << 1);
	assert_int_equal(mailbox_take(&w[1].mailbox, &mail, 1), 1);
	assert_int_equal(mail.type, MAIL_STEER);
	assert_ptr_equal(mail.ptr, m);
	assert_true(pkt_meta(m)->flags & PKT_STEERED);
	assert_int_equal(pkt_meta(m)->iface, 3); /* its tag is gone, so this must stay */

	/* Whoever got it this way owns the leg, or nobody does. */
	worker_steer(&w[1], m, 0);
	assert_int_equal(w[1].stats.drops[DROP_WRONG_WORKER], 1);
	assert_int_equal(mailbox_take(&w[0].mailbox, &mail, 1), 0);
}

static void test_nowhere(void **state)
{
	worker_steer(&w[0], frame(), 2);
	worker_steer(&w[0], frame(), 0);
	assert_int_equal(w[0].stats.drops[DROP_WRONG_WORKER], 2);
}

static void test_full(void **state)
{
	unsigned int before = rte_mempool_avail_count(w->pool);
	struct mail mail;
	unsigned int got = 0;

	for (unsigned int i = 0; i < 40; i++)
		worker_steer(&w[0], frame(), 1);
	assert_true(w[0].stats.drops[DROP_MAILBOX_FULL] > 0);
	while (mailbox_take(&w[1].mailbox, &mail, 1) == 1) {
		rte_pktmbuf_free(mail.ptr);
		got++;
	}
	assert_int_equal(got + w[0].stats.drops[DROP_MAILBOX_FULL], 40);
	assert_int_equal(rte_mempool_avail_count(w->pool), before);
}

static int setup(void **state)
{
	w = rte_zmalloc("workers", 2 * sizeof(*w), RTE_CACHE_LINE_SIZE);
	if (w == NULL)
		return -1;
	for (uint16_t i = 0; i < 2; i++) {
		w[i].id = i;
		w[i].n_workers = 2;
		w[i].peers[0] = &w[0].mailbox;
		w[i].peers[1] = &w[1].mailbox;
		if (mailbox_init(&w[i].mailbox, i == 0 ? "t_w0" : "t_w1", 32) < 0)
			return -1;
	}
	w[0].pool = port_pool_create("worker", 255, 2176, SOCKET_ID_ANY);
	return w[0].pool == NULL ? -1 : 0;
}

static int teardown(void **state)
{
	mailbox_fini(&w[0].mailbox);
	mailbox_fini(&w[1].mailbox);
	rte_mempool_free(w[0].pool);
	rte_free(w);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_steer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nowhere, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
	};

	eal_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
