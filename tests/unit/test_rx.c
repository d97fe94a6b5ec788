/* SPDX-License-Identifier: BSD-3-Clause */
/* The rx stage from a port: a burst at a time and in order, one more received ahead only where the first
 * is full, each packet counted once, and what is left at the end dropped by name.
 */
#include "appliance/worker.h"
#include "tests/unit/eal_init.h"

#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { RING = 1024, PACKETS = 511 };

static struct {
	struct rte_mempool *pool;
	struct rte_ring *wire;
	struct worker *w;
	uint16_t port;
	uint64_t put, taken; /* packets, whose number is in their first bytes */
} rig;

static int up(void **state)
{
	struct rte_eth_conf conf = {.txmode = {.mq_mode = RTE_ETH_MQ_TX_NONE}};
	int port;

	rig.pool = rte_pktmbuf_pool_create("rx", PACKETS, 0, sizeof(struct pkt_meta),
					   RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	rig.wire = rte_ring_create("rx_wire", RING, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	rig.w = rte_zmalloc(NULL, sizeof(*rig.w), RTE_CACHE_LINE_SIZE);
	if (rig.pool == NULL || rig.wire == NULL || rig.w == NULL)
		return -1;
	port = rte_eth_from_rings("rx_port", &rig.wire, 1, &rig.wire, 1, 0);
	if (port < 0 || rte_eth_dev_configure((uint16_t)port, 1, 1, &conf) != 0 ||
	    rte_eth_rx_queue_setup((uint16_t)port, 0, RING, 0, NULL, rig.pool) != 0 ||
	    rte_eth_tx_queue_setup((uint16_t)port, 0, RING, 0, NULL) != 0 ||
	    rte_eth_dev_start((uint16_t)port) != 0)
		return -1;
	rig.port = (uint16_t)port;
	rig.w->ports[0] = rig.port;
	rig.w->n_ports = 1;
	return 0;
}

static int down(void **state)
{
	rte_eth_dev_stop(rig.port);
	rte_eth_dev_close(rig.port);
	rte_ring_free(rig.wire);
	rte_free(rig.w);
	rte_mempool_free(rig.pool);
	return 0;
}

static void put(unsigned int n)
{
	while (n-- > 0) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(rig.pool);

		assert_non_null(m);
		memcpy(rte_pktmbuf_append(m, sizeof(rig.put)), &rig.put, sizeof(rig.put));
		assert_int_equal(rte_ring_enqueue(rig.wire, m), 0);
		rig.put++;
	}
}

/* One pass: n packets are this pass's and the next in order, ahead wait for the next one. */
static void pass(uint16_t n, uint16_t ahead)
{
	struct burst *rx = &rig.w->lanes.rx;

	rx_stage(rig.w);
	rig.w->stats.loops++;
	assert_int_equal(rx->n, n);
	assert_int_equal(rig.w->lanes.ahead.n, ahead);
	for (uint16_t i = 0; i < rx->n; i++) {
		assert_memory_equal(rte_pktmbuf_mtod(rx->pkt[i], void *), &rig.taken,
				    sizeof(rig.taken));
		rig.taken++;
		rte_pktmbuf_free(rx->pkt[i]);
	}
	rx->n = 0;
	assert_int_equal(rig.w->stats.rx, rig.taken);
}

static void little_is_taken_at_once(void **state)
{
	pass(0, 0);
	put(1);
	pass(1, 0);
	put(BURST_MAX - 1);
	pass(BURST_MAX - 1, 0);
	pass(0, 0);
}

static void more_than_a_burst_is_received_ahead(void **state)
{
	put(BURST_MAX);
	pass(BURST_MAX, 0);
	put(2 * BURST_MAX + 22);
	pass(BURST_MAX, BURST_MAX);
	pass(BURST_MAX, 22);
	pass(22, 0);
	pass(0, 0);
}

static void a_part_is_filled_up(void **state)
{
	put(BURST_MAX + 6);
	pass(BURST_MAX, 6);
	put(10);
	pass(16, 0);
	put(BURST_MAX + 6);
	pass(BURST_MAX, 6);
	put(BURST_MAX);
	pass(BURST_MAX, 6);
	pass(6, 0);
}

static void the_rest_is_dropped_by_name(void **state)
{
	put(BURST_MAX + 7);
	pass(BURST_MAX, 7);
	pipeline_flush(rig.w);
	assert_int_equal(rig.w->lanes.ahead.n, 0);
	assert_int_equal(rig.w->stats.drops[DROP_STOPPING], 7);
	assert_int_equal(rig.w->stats.rx, rig.put);
	assert_int_equal(rte_mempool_avail_count(rig.pool), PACKETS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(little_is_taken_at_once),
		cmocka_unit_test(more_than_a_burst_is_received_ahead),
		cmocka_unit_test(a_part_is_filled_up),
		cmocka_unit_test(the_rest_is_dropped_by_name),
	};

	eal_start();
	return cmocka_run_group_tests(tests, up, down);
}
