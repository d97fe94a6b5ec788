/* SPDX-License-Identifier: BSD-3-Clause */
/* A frame at the appliance's port: it leaves the parse stage in one lane or by one named drop, and
 * no buffer is lost.
 */
#include "appliance/iface.h"
#include "appliance/port.h"
#include "appliance/worker.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/eal_init.h"

#include <rte_malloc.h>

#include <string.h>

enum { FRAME_MAX = 1800 };

/* LeakSanitizer does not look into DPDK's memory, where the worker is: a pointer for it to find. */
static struct local_table *local __attribute__((used));

static struct iface ifaces[1] = {{.mac = {{2, 0, 0, 0, 0, 1}}, .mtu = 1500, .vlan = 0}};

/* One worker, made on the first input: the box 192.0.2.1 and 2001:db8::1, a pool of each family. */
static struct worker *worker_get(void)
{
	static struct worker *w;
	struct local_addr addrs[2] = {{.iface = 0}, {.iface = 0}};
	struct local_pool pools[2] = {{.port_min = 1}, {.port_min = 1}};

	if (w != NULL)
		return w;
	eal_start();
	w = rte_zmalloc("worker", sizeof(*w), RTE_CACHE_LINE_SIZE);
	FUZZ_CHECK(w != NULL && ip_parse("192.0.2.1", &addrs[0].ip) == 0 &&
		   ip_parse("2001:db8::1", &addrs[1].ip) == 0 &&
		   prefix_parse("198.51.100.0/24", &pools[0].prefix) == 0 &&
		   prefix_parse("2001:db8:9::/64", &pools[1].prefix) == 0);
	w->pool = port_pool_create("parse", 255, 2176, SOCKET_ID_ANY);
	w->local = local = local_create(addrs, 2, pools, 2);
	FUZZ_CHECK(w->pool != NULL && w->local != NULL);
	w->ifaces = ifaces;
	w->n_ifaces = 1;
	w->n_workers = 2;
	w->ntm_port = 5525;
	w->alt_port = 443;
	w->base_port = 5530;
	w->has_rs = w->has_dc = true;
	return w;
}

static unsigned int lane_empty(struct burst *b)
{
	unsigned int n = b->n;

	for (uint16_t i = 0; i < b->n; i++) {
		/* What a lane promises: the stages behind it read these without asking again. */
		const struct pkt_meta *meta = pkt_meta(b->pkt[i]);

		uint32_t len = rte_pktmbuf_data_len(b->pkt[i]);

		FUZZ_CHECK((uint32_t)meta->l3 + meta->l3_len <= len && meta->l4 <= len);
		FUZZ_CHECK((uint32_t)meta->data + meta->data_len <= len);
		rte_pktmbuf_free(b->pkt[i]);
	}
	b->n = 0;
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct worker *w = worker_get();
	unsigned int before = rte_mempool_avail_count(w->pool);
	uint64_t drops = stats_drop_sum(&w->stats);
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->pool);
	unsigned int out;

	if (size > FRAME_MAX) {
		rte_pktmbuf_free(m);
		return 0;
	}
	FUZZ_CHECK(m != NULL);
	memset(rte_pktmbuf_mtod(m, void *), 0xee, rte_pktmbuf_tailroom(m));
	memcpy(rte_pktmbuf_append(m, (uint16_t)size), data, size);
	memset(pkt_meta(m), 0, sizeof(struct pkt_meta));
	m->port = 0;
	burst_push(&w->stats, &w->lanes.rx, m);
	parse_stage(w);
	FUZZ_CHECK(w->lanes.rx.n == 0);
	out = lane_empty(&w->lanes.ntm) + lane_empty(&w->lanes.gn) + lane_empty(&w->lanes.dc) +
	      lane_empty(&w->lanes.local);
	for (uint16_t i = 0; i < w->hops.n; i++) {
		FUZZ_CHECK(w->hops.len[i] <= size && w->hops.ip_len[i] <= size);
		rte_pktmbuf_free(w->hops.m[i]);
	}
	out += w->hops.n;
	w->hops.n = 0;
	FUZZ_CHECK(out + stats_drop_sum(&w->stats) == drops + 1);
	FUZZ_CHECK(rte_mempool_avail_count(w->pool) == before);
	return 0;
}
