/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lab/delay_queue.h"

#define MS UINT64_C(1000000)

struct fixture {
	struct delay_queue q;
	uint8_t frame[DELAY_FRAME_MAX + 1];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_int_equal(delay_queue_init(&f->q, 1 << 16, 7), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	delay_queue_fini(&f->q);
	free(f);
	return 0;
}

static void assert_conserved(const struct delay_stats *s)
{
	assert_int_equal(s->rx_packets, s->tx_packets + s->lost + s->drop_queue + s->drop_ring +
						s->drop_long + s->tx_error + s->held);
}

static void push_number(struct fixture *f, uint32_t number, size_t len, uint64_t now)
{
	memcpy(f->frame, &number, sizeof(number));
	delay_queue_push(&f->q, f->frame, len, now);
}

static void test_delay_is_exact(void **state)
{
	struct fixture *f = *state;
	struct iovec iov[4];

	f->q.config.delay_us = 10000;
	push_number(f, 1, 100, 5 * MS);
	assert_int_equal(delay_queue_next_due(&f->q), 15 * MS);
	assert_int_equal(delay_queue_peek(&f->q, 15 * MS - 1, iov, 4), 0);
	assert_int_equal(delay_queue_peek(&f->q, 15 * MS, iov, 4), 1);
	assert_int_equal(iov[0].iov_len, 100);
	delay_queue_pop(&f->q, 1);
	assert_int_equal(delay_queue_next_due(&f->q), UINT64_MAX);
	assert_conserved(&f->q.stats);
}

/* A shorter delay must not let a later frame overtake an earlier one. */
static void test_order_survives_a_shorter_delay(void **state)
{
	struct fixture *f = *state;
	struct iovec iov[4];
	uint32_t number;

	f->q.config.delay_us = 50000;
	push_number(f, 1, 100, 0);
	f->q.config.delay_us = 1000;
	push_number(f, 2, 100, 10 * MS);
	assert_int_equal(delay_queue_peek(&f->q, 49 * MS, iov, 4), 0);
	assert_int_equal(delay_queue_peek(&f->q, 50 * MS, iov, 4), 2);
	memcpy(&number, iov[0].iov_base, sizeof(number));
	assert_int_equal(number, 1);
}

static void test_rate_spaces_frames_and_bounds_the_queue(void **state)
{
	struct fixture *f = *state;

	f->q.config.rate_kbit = 8000; /* 1000 bytes per ms */
	f->q.config.queue_bytes = 3000;
	for (uint32_t i = 0; i < 5; i++)
		push_number(f, i, 1000, 0);
	assert_int_equal(f->q.stats.drop_queue, 2);
	assert_int_equal(delay_queue_next_due(&f->q), 1 * MS);
	delay_queue_pop(&f->q, 1);
	assert_int_equal(delay_queue_next_due(&f->q), 2 * MS);
	push_number(f, 5, 1000, 1 * MS);
	assert_int_equal(f->q.stats.drop_queue, 2);
	assert_conserved(&f->q.stats);
}

static void test_loss_is_near_its_figure(void **state)
{
	struct fixture *f = *state;

	f->q.config.loss_ppm = 100000;
	for (uint32_t i = 0; i < 20000; i++) {
		push_number(f, i, 64, i);
		delay_queue_pop(&f->q, 1);
	}
	assert_in_range(f->q.stats.lost, 1800, 2200);
	assert_conserved(&f->q.stats);
}

static void test_long_frame_is_counted(void **state)
{
	struct fixture *f = *state;

	delay_queue_push(&f->q, f->frame, sizeof(f->frame), 0);
	assert_int_equal(f->q.stats.drop_long, 1);
	assert_int_equal(delay_queue_next_due(&f->q), UINT64_MAX);
	assert_conserved(&f->q.stats);
}

/* Random sizes, pushes and pops against a counter: no wrap of the ring loses or turns a frame. */
static void test_ring_twin(void **state)
{
	struct fixture *f = *state;
	unsigned int seed = 20261122, rnd = seed;
	uint32_t next_in = 0, next_out = 0;
	struct iovec iov[8];

	print_message("seed %u\n", seed);
	f->q.config.delay_us = 1;
	for (uint64_t now = 0; now < 200000; now++) {
		unsigned int due;
		uint64_t dropped = f->q.stats.drop_ring;
		size_t len = 14 + (size_t)(rand_r(&rnd) % (DELAY_FRAME_MAX - 13));

		push_number(f, next_in, len, now * 100);
		if (f->q.stats.drop_ring == dropped)
			next_in++;
		if (rand_r(&rnd) % 16)
			continue;
		due = delay_queue_peek(&f->q, now * 100, iov, 8);
		for (unsigned int i = 0; i < due; i++) {
			uint32_t number;

			memcpy(&number, iov[i].iov_base, sizeof(number));
			assert_int_equal(number, next_out++);
			delay_queue_pop(&f->q, i % 3 != 0);
		}
	}
	assert_true(f->q.stats.drop_ring > 0);
	assert_true(f->q.stats.tx_packets > 10000);
	assert_int_equal(next_in - next_out, f->q.stats.held);
	assert_conserved(&f->q.stats);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_delay_is_exact, setup, teardown),
		cmocka_unit_test_setup_teardown(test_order_survives_a_shorter_delay, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_rate_spaces_frames_and_bounds_the_queue, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_loss_is_near_its_figure, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_frame_is_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ring_twin, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
