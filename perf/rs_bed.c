/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/rs_bed.h"

#include "appliance/pipeline/outer.h"
#include "common/rng.h"

#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_pause.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define OWN4 "192.0.2.1"
#define OWN6 "2001:db8::1"

enum { OWN_PORT = 4700, MBUF_ROOM = 2048, RING_SIZE = 2 * BED_PACKETS, TOUCH = 128 };

static struct ip_addr ip_of(const char *text)
{
	struct ip_addr ip;

	if (ip_parse(text, &ip) < 0)
		abort();
	return ip;
}

static int routes_up(struct rs_bed *b)
{
	struct fib_route routes[] = {{.nexthop = 1}, {.nexthop = 1}};
	struct local_addr own[] = {{.ip = ip_of(OWN4)}, {.ip = ip_of(OWN6)}};

	if (prefix_parse("0.0.0.0/0", &routes[0].prefix) < 0 ||
	    prefix_parse("::/0", &routes[1].prefix) < 0)
		return -EINVAL;
	b->fib = fib_create(routes, 2, 1);
	b->local = local_create(own, 2, NULL, 0);
	b->iface = (struct iface){.mtu = 1500, .port = b->port};
	b->iface.mac.addr_bytes[5] = 1;
	atomic_store(&b->nexthops[1].word, (uint64_t)NEXTHOP_READY << 48 | 0x770000000002);
	return b->fib == NULL || b->local == NULL ? -ENOMEM : 0;
}

static int rings_up(struct rs_bed *b, const char *name)
{
	char text[32];

	for (uint16_t q = 0; q < b->n_workers; q++) {
		snprintf(text, sizeof(text), "%s_in%u", name, q);
		b->queue_in[q] = rte_ring_create(text, RING_SIZE, SOCKET_ID_ANY,
						 RING_F_SP_ENQ | RING_F_SC_DEQ);
		snprintf(text, sizeof(text), "%s_out%u", name, q);
		b->queue_out[q] = rte_ring_create(text, RING_SIZE, SOCKET_ID_ANY,
						  RING_F_SP_ENQ | RING_F_SC_DEQ);
		if (b->queue_in[q] == NULL || b->queue_out[q] == NULL)
			return -ENOMEM;
	}
	b->in = b->queue_in[0];
	b->out = b->queue_out[0];
	return 0;
}

static int port_up(struct rs_bed *b, const char *name)
{
	struct rte_eth_conf conf = {.txmode = {.mq_mode = RTE_ETH_MQ_TX_NONE}};
	int port, ret = rings_up(b, name);

	if (ret < 0)
		return ret;
	port = rte_eth_from_rings(name, b->queue_in, b->n_workers, b->queue_out, b->n_workers, 0);
	if (port < 0)
		return -ENODEV;
	b->port = (uint16_t)port;
	ret = rte_eth_dev_configure(b->port, b->n_workers, b->n_workers, &conf);
	for (uint16_t q = 0; q < b->n_workers && ret == 0; q++) {
		ret = rte_eth_rx_queue_setup(b->port, q, 1024, SOCKET_ID_ANY, NULL, b->pool);
		if (ret == 0)
			ret = rte_eth_tx_queue_setup(b->port, q, 1024, SOCKET_ID_ANY, NULL);
	}
	return ret == 0 ? rte_eth_dev_start(b->port) : ret;
}

static int worker_up(struct rs_bed *b, const char *name, uint16_t id)
{
	struct worker *w = rte_zmalloc(NULL, sizeof(*w), RTE_CACHE_LINE_SIZE);
	struct rs_bed *shared = b->first != NULL ? b->first : b;

	b->w = w;
	if (w == NULL)
		return -ENOMEM;
	w->id = id;
	w->n_workers = shared->n_workers;
	w->ifaces = &shared->iface;
	w->n_ifaces = 1;
	w->n_ports = 1;
	w->ports[0] = b->port;
	w->nexthops = shared->nexthops;
	w->n_nexthops = 2;
	w->ntm_port = OWN_PORT - 1;
	w->alt_port = 443;
	w->base_port = OWN_PORT;
	w->has_rs = true;
	w->pool = b->pool;
	w->rs = rs_dp_worker(b->dp, id);
	w->now = 1000000000;
	w->fib = shared->fib;
	w->local = shared->local;
	w->out = rte_zmalloc(NULL, sizeof(*w->out), RTE_CACHE_LINE_SIZE);
	w->peers[id] = &w->mailbox;
	return w->out == NULL ? -ENOMEM : mailbox_init(&w->mailbox, name, 256);
}

/* Taken from the pool in an order of no meaning, so that no hardware prefetcher knows the next. */
static int packets_up(struct rs_bed *b)
{
	struct rng rng;

	b->pkt = calloc(b->n_packets, sizeof(*b->pkt));
	b->frame = calloc(b->n_packets, sizeof(*b->frame));
	if (b->pkt == NULL || b->frame == NULL ||
	    rte_pktmbuf_alloc_bulk(b->pool, b->pkt, b->n_packets) != 0)
		return -ENOMEM;
	rng_init_seeded(&rng, 5);
	for (uint32_t i = b->n_packets - 1; i > 0; i--) {
		uint32_t j = (uint32_t)rng_below(&rng, i + 1);
		struct rte_mbuf *m = b->pkt[i];

		b->pkt[i] = b->pkt[j];
		b->pkt[j] = m;
	}
	return 0;
}

static struct rte_mempool *pool_up(const char *name, uint32_t packets)
{
	return rte_pktmbuf_pool_create(name, packets + 511, 256, sizeof(struct pkt_meta),
				       MBUF_ROOM + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
}

int rs_bed_up_with(struct rs_bed *b, const char *name, const struct rs_dp_config *cfg,
		   uint32_t packets)
{
	struct endpoint own = {.ip = ip_of(OWN4)}, own6 = {.ip = ip_of(OWN6), .port = OWN_PORT};
	int ret = 0;

	memset(b, 0, sizeof(*b));
	if (cfg->n_workers > BED_WORKERS_MAX || packets > BED_PACKETS)
		return -EINVAL;
	b->n_packets = packets;
	b->n_workers = cfg->n_workers;
	b->pool = pool_up(name, packets);
	if (b->pool == NULL)
		return -ENOMEM;
	b->dp = rs_dp_create(cfg);
	if (b->dp == NULL)
		return -errno;
	for (uint16_t i = 0; i < cfg->n_workers && ret >= 0; i++) {
		own.port = (uint16_t)(OWN_PORT + i);
		ret = rs_dp_local_add(b->dp, &own, i);
	}
	if (ret >= 0) /* behind those of the workers: rs_bed.h */
		ret = rs_dp_local_add(b->dp, &own6, 0);
	if (ret >= 0)
		ret = port_up(b, name);
	if (ret == 0)
		ret = routes_up(b);
	if (ret == 0)
		ret = worker_up(b, name, 0);
	return ret == 0 ? packets_up(b) : ret;
}

int rs_bed_up(struct rs_bed *b, const char *name, const struct rs_dp_config *cfg)
{
	return rs_bed_up_with(b, name, cfg, BED_PACKETS);
}

int rs_bed_beside(struct rs_bed *b, const char *name, struct rs_bed *first)
{
	int ret;

	memset(b, 0, sizeof(*b));
	b->first = first;
	b->n_packets = first->n_packets;
	b->dp = first->dp;
	b->port = first->port;
	b->iface = first->iface;
	b->in = first->queue_in[1];
	b->out = first->queue_out[1];
	b->pool = pool_up(name, b->n_packets);
	if (b->pool == NULL)
		return -ENOMEM;
	ret = worker_up(b, name, 1);
	if (ret < 0)
		return ret;
	first->w->peers[1] = &b->w->mailbox;
	b->w->peers[0] = &first->w->mailbox;
	return packets_up(b);
}

static void worker_down(struct rs_bed *b)
{
	if (b->w == NULL)
		return;
	mailbox_fini(&b->w->mailbox);
	rte_free(b->w->out);
	rte_free(b->w);
}

/* What only the first has. */
static void shared_down(struct rs_bed *b)
{
	if (b->w != NULL) {
		rte_eth_dev_stop(b->port);
		rte_eth_dev_close(b->port);
	}
	for (uint16_t q = 0; q < b->n_workers; q++) {
		rte_ring_free(b->queue_in[q]);
		rte_ring_free(b->queue_out[q]);
	}
	if (b->dp != NULL)
		rs_dp_destroy(b->dp);
	if (b->fib != NULL)
		fib_destroy(b->fib);
	if (b->local != NULL)
		local_destroy(b->local);
}

void rs_bed_down(struct rs_bed *b)
{
	if (b->in != NULL)
		rte_ring_reset(b->in);
	if (b->out != NULL)
		rte_ring_reset(b->out);
	if (b->first == NULL)
		shared_down(b);
	worker_down(b);
	rte_mempool_free(b->pool);
	free(b->pkt);
	free(b->frame);
}

/* Of UDP, as it stands in the packet. */
static uint16_t checksum(const struct ip_addr *src, const struct ip_addr *dst, const uint8_t *udp,
			 uint16_t len)
{
	uint64_t sum = csum_ip(src) + csum_ip(dst) + csum_be16(IPPROTO_UDP) + csum_be16(len);
	uint16_t check = (uint16_t)~csum_fold(csum_bytes(udp, len, sum));

	return check ? check : 0xffff;
}

void rs_bed_frame(struct rs_bed *b, uint32_t i, const struct endpoint *src, const uint8_t *ntm,
		  uint16_t len)
{
	const bool v4 = ip_is_v4(&src->ip);
	const unsigned int eth = RTE_ETHER_HDR_LEN, head = eth + outer_len(&src->ip) + UDP_HDR_LEN;
	struct ip_addr own = ip_of(v4 ? OWN4 : OWN6);
	struct outer o = {.src = &src->ip, .dst = &own, .ttl = 64, .proto = IPPROTO_UDP};
	uint8_t *p = rte_pktmbuf_mtod(b->pkt[i], uint8_t *), *udp = p + head - UDP_HDR_LEN;
	uint16_t check;

	memset(p, 0, head);
	memcpy(p, b->iface.mac.addr_bytes, RTE_ETHER_ADDR_LEN);
	p[11] = 0x77;
	store_be16(p + 12, v4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
	outer_write(udp, (uint16_t)(UDP_HDR_LEN + len), &o);
	store_be16(udp, src->port);
	store_be16(udp + 2, (uint16_t)(OWN_PORT + b->w->id));
	store_be16(udp + 4, (uint16_t)(UDP_HDR_LEN + len));
	store_be16(udp + 6, 0);
	memcpy(p + head, ntm, len);
	check = checksum(&src->ip, &own, udp, (uint16_t)(UDP_HDR_LEN + len));
	memcpy(udp + 6, &check, sizeof(check));
	b->frame_len = (uint16_t)(head + len);
	memcpy(b->frame[i], p, RTE_MIN(b->frame_len, (uint16_t)BED_FRAME_MAX));
}

void rs_bed_refill(struct rs_bed *b, uint32_t n)
{
	rte_ring_reset(b->in);
	rte_ring_reset(b->out);
	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *m = b->pkt[i];

		rte_pktmbuf_reset(m);
		m->port = b->port;
		m->data_len = b->frame_len;
		m->pkt_len = b->frame_len;
		memcpy(rte_pktmbuf_mtod(m, void *), b->frame[i],
		       RTE_MIN(b->frame_len, (uint16_t)BED_FRAME_MAX));
	}
	if (rte_ring_enqueue_bulk(b->in, (void **)b->pkt, n, NULL) != n)
		abort();
}

bool rs_bed_has_more(const struct rs_bed *b)
{
	return rte_ring_count(b->in) > 0 || b->w->lanes.ahead.n > 0;
}

void rs_bed_run(struct rs_bed *b, uint32_t n)
{
	while (rs_bed_has_more(b))
		pipeline_run(b->w);
	if (rte_ring_count(b->out) == n)
		return;
	for (int i = 0; i < DROP_MAX; i++)
		if (b->w->stats.drops[i] != 0)
			fprintf(stderr, "bench: %llu packets dropped: %s\n",
				(unsigned long long)b->w->stats.drops[i],
				drop_name((enum drop_reason)i));
	abort();
}

void rs_bed_run_io(struct rs_bed *b, uint32_t n)
{
	struct rte_mbuf *m[BURST_MAX];
	uint64_t sum = 0;
	uint16_t got;

	while ((got = rte_eth_rx_burst(b->port, b->w->id, m, BURST_MAX)) > 0) {
		for (uint16_t i = 0; i < got; i++)
			for (int line = 0; line < TOUCH; line += RTE_CACHE_LINE_SIZE)
				rte_prefetch0(rte_pktmbuf_mtod_offset(m[i], void *, line));
		for (uint16_t i = 0; i < got; i++)
			for (int line = 0; line < TOUCH; line += RTE_CACHE_LINE_SIZE)
				sum += *rte_pktmbuf_mtod_offset(m[i], uint64_t *, line);
		if (rte_eth_tx_burst(b->port, b->w->id, m, got) != got)
			abort();
	}
	if (sum == 1 || rte_ring_count(b->out) != n)
		abort();
}
