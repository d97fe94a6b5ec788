/* SPDX-License-Identifier: BSD-3-Clause */
/* The outer sockets against each other over a loopback of their own: what is sent in batches comes
 * out packet by packet, with as few system calls as promised.
 */
#include "client/udp.h"
#include "tests/unit/own_net.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PACKETS = 200, SIZE = 1400 };

struct got {
	unsigned int n;
	size_t len[PACKETS];
	uint8_t first[PACKETS], tos;
	struct endpoint from;
};

struct pair {
	struct udp_link a, b;
	struct udp_batch *batch;
	struct udp_rx *rx;
	struct udp_counters tx_count, rx_count;
	struct got got;
};

static int pair_up(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));
	unsigned int lo = if_nametoindex("lo");

	*state = p;
	if (p == NULL || udp_open(&p->a, "lo", lo, 0, 0) < 0 || udp_open(&p->b, "lo", lo, 0, 0) < 0)
		return -1;
	p->batch = calloc(1, sizeof(*p->batch));
	p->rx = udp_rx_create();
	return p->batch == NULL || p->rx == NULL;
}

static int pair_down(void **state)
{
	struct pair *p = *state;

	udp_close(&p->a);
	udp_close(&p->b);
	udp_rx_destroy(p->rx);
	free(p->batch);
	free(p);
	return 0;
}

static void packet(void *ctx, const struct endpoint *from, uint8_t tos, uint8_t *pkt, size_t len)
{
	struct got *g = ctx;

	assert_true(g->n < PACKETS);
	g->from = *from;
	g->tos = tos;
	g->first[g->n] = len > 0 ? pkt[0] : 0;
	g->len[g->n++] = len;
	for (size_t i = 1; i < len; i++)
		assert_int_equal(pkt[i], (uint8_t)(pkt[0] + i));
}

static struct endpoint to_b(const struct pair *p, int family)
{
	struct endpoint e = {.port = p->b.port};

	assert_int_equal(ip_parse(family == 0 ? "127.0.0.1" : "::1", &e.ip), 0);
	return e;
}

static void add(struct pair *p, const struct endpoint *to, uint8_t first, uint8_t tos, size_t len)
{
	uint8_t pkt[SIZE];

	for (size_t i = 0; i < len; i++)
		pkt[i] = (uint8_t)(first + i);
	udp_add(p->batch, &p->tx_count, &p->a, to, tos, pkt, len);
}

/* Until n have come in all. */
static void receive(struct pair *p, int family, unsigned int n)
{
	struct pollfd fd = {.fd = p->b.fd[family], .events = POLLIN};

	while (p->got.n < n) {
		assert_int_equal(poll(&fd, 1, 5000), 1);
		udp_receive(&p->b, family, p->rx, &p->rx_count, packet, &p->got);
	}
	assert_int_equal(p->got.n, n);
}

static void both_families(void **state)
{
	struct pair *p = *state;

	for (int family = 0; family < 2; family++) {
		struct endpoint to = to_b(p, family);

		memset(&p->got, 0, sizeof(p->got));
		add(p, &to, 9, 0x2e << 2 | 1, 100);
		udp_flush(p->batch, &p->tx_count);
		receive(p, family, 1);
		assert_int_equal(p->got.len[0], 100);
		assert_int_equal(p->got.tos, 0x2e << 2 | 1);
		assert_int_equal(p->got.from.port, p->a.port);
		assert_true(ip_equal(&p->got.from.ip, &to.ip));
	}
	assert_int_equal(p->a.port != 0, 1);
}

/* 64 to a call, whatever the rest; the order stays. */
static void batches(void **state)
{
	struct pair *p = *state;
	struct endpoint to = to_b(p, 0);

	for (unsigned int i = 0; i < PACKETS; i++)
		add(p, &to, (uint8_t)i, 0, 1000);
	udp_flush(p->batch, &p->tx_count);
	receive(p, 0, PACKETS);
	for (unsigned int i = 0; i < PACKETS; i++) {
		assert_int_equal(p->got.first[i], (uint8_t)i);
		assert_int_equal(p->got.len[i], 1000);
	}
	assert_int_equal(p->tx_count.tx_packets, PACKETS);
	assert_int_equal(p->tx_count.tx_bytes, PACKETS * 1000);
	assert_int_equal(p->tx_count.tx_errors, 0);
	assert_false(p->a.no_gso);
	assert_int_equal(p->tx_count.tx_calls,
			 (PACKETS + UDP_BATCH_PACKETS - 1) / UDP_BATCH_PACKETS);
	/* More than 8 packets a call on the way in as well. */
	assert_true(p->rx_count.rx_calls * 8 < p->rx_count.rx_packets);
}

/* A shorter packet ends a batch, a longer one, another TOS or another address begins one. */
static void what_ends_a_batch(void **state)
{
	static const struct {
		size_t len;
		uint8_t tos;
		int family;
		uint64_t calls; /* so far */
	} rows[] = {
		{500, 0, 0, 0}, {500, 0, 0, 0}, {400, 0, 0, 0}, {400, 0, 0, 1}, {401, 0, 0, 2},
		{401, 1, 0, 3}, {401, 1, 1, 4}, {401, 1, 1, 4}, {1, 1, 1, 4},	{1400, 1, 1, 5},
	};
	struct pair *p = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct endpoint to = to_b(p, rows[i].family);

		add(p, &to, (uint8_t)i, rows[i].tos, rows[i].len);
		assert_int_equal(p->tx_count.tx_calls, rows[i].calls);
	}
	udp_flush(p->batch, &p->tx_count);
	receive(p, 0, 6);
	receive(p, 1, 10);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(p->got.len[i], rows[i].len);
}

/* A device that cannot segment: one by one, in one call. */
static void without_gso(void **state)
{
	struct pair *p = *state;
	struct endpoint to = to_b(p, 0);

	p->a.no_gso = true;
	for (unsigned int i = 0; i < 50; i++)
		add(p, &to, (uint8_t)i, 2, i == 49 ? 10 : 700);
	udp_flush(p->batch, &p->tx_count);
	assert_int_equal(p->tx_count.tx_calls, 1);
	assert_int_equal(p->tx_count.tx_packets, 50);
	receive(p, 0, 50);
	assert_int_equal(p->got.len[48], 700);
	assert_int_equal(p->got.len[49], 10);
	assert_int_equal(p->got.tos, 2);
}

static void mtu_set(int mtu)
{
	struct ifreq ifr = {.ifr_name = "lo", .ifr_mtu = mtu};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(ioctl(fd, SIOCSIFMTU, &ifr), 0);
	close(fd);
}

/* Packets too large for the link fail in any form: no reason to give up segmentation for good. */
static void too_large_keeps_gso(void **state)
{
	struct pair *p = *state;
	struct endpoint to = to_b(p, 0);

	mtu_set(1300);
	for (unsigned int i = 0; i < 4; i++)
		add(p, &to, (uint8_t)i, 0, 1400);
	udp_flush(p->batch, &p->tx_count);
	mtu_set(65536);
	assert_int_equal(p->tx_count.tx_errors, 4);
	assert_int_equal(p->tx_count.tx_packets, 0);
	assert_false(p->a.no_gso);
	for (unsigned int i = 0; i < 4; i++)
		add(p, &to, (uint8_t)i, 0, 1400);
	udp_flush(p->batch, &p->tx_count);
	receive(p, 0, 4);
}

/* Whoever counts packets must hear of one without bytes, too. */
static void empty_packet(void **state)
{
	struct pair *p = *state;
	struct endpoint to = to_b(p, 0);

	add(p, &to, 0, 0, 0);
	udp_flush(p->batch, &p->tx_count);
	receive(p, 0, 1);
	assert_int_equal(p->got.len[0], 0);
	assert_int_equal(p->rx_count.rx_packets, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(both_families, pair_up, pair_down),
		cmocka_unit_test_setup_teardown(batches, pair_up, pair_down),
		cmocka_unit_test_setup_teardown(what_ends_a_batch, pair_up, pair_down),
		cmocka_unit_test_setup_teardown(without_gso, pair_up, pair_down),
		cmocka_unit_test_setup_teardown(too_large_keeps_gso, pair_up, pair_down),
		cmocka_unit_test_setup_teardown(empty_packet, pair_up, pair_down),
	};

	if (!own_net_enter()) {
		fprintf(stderr, "skipped: no network namespace to be had\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
