/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_RS_FIXTURE_H
#define TESTS_UNIT_RS_FIXTURE_H

/* A worker with the real tables and the real stages from parse to the tx lane, without ports: frames
 * go into the rx lane, what comes out is taken from the tx lane. Addresses, as in every RS test:
 *
 *	192.0.2.1, 2001:db8::1       the appliance (NTM endpoints 4700 + worker, 443 shared)
 *	192.0.2.64/30, 2001:db8:6::/64 NAT pool
 *	everything else              by next hop 1, MTU 1500; 203.0.113.0/24 by next hop 2, MTU 1400
 */
#include "appliance/iface.h"
#include "appliance/pipeline/outer.h"
#include "appliance/rs_worker.h"
#include "appliance/worker.h"
#include "common/bytes.h"
#include "common/rng.h"
#include "common/wire.h"
#include "tests/unit/eal_init.h"

#include <rte_ether.h>
#include <rte_malloc.h>

#include <assert.h>
#include <stdbool.h>

enum { FIX_WORKERS = 2, FIX_BASE_PORT = 4700, FIX_PACKET_MAX = 4096 };

struct fix {
	struct rs_dp *dp;
	struct worker *w[FIX_WORKERS];
	struct rte_mempool *pool;
	struct nexthop *nexthops;
	struct iface ifaces[2];
	struct fib *fib;
	struct local_table *local;
	struct rng rng;
};

static inline struct ip_addr fix_ip(const char *text)
{
	struct ip_addr ip;

	if (ip_parse(text, &ip) < 0)
		abort();
	return ip;
}

static inline struct endpoint fix_ep(const char *text)
{
	struct endpoint e;

	if (endpoint_parse(text, &e) < 0)
		abort();
	return e;
}

static inline struct ip_prefix fix_prefix(const char *text)
{
	struct ip_prefix p;

	if (prefix_parse(text, &p) < 0)
		abort();
	return p;
}

static inline void fix_routes(struct fix *f)
{
	struct fib_route routes[] = {
		{.prefix = fix_prefix("0.0.0.0/0"), .nexthop = 1},
		{.prefix = fix_prefix("::/0"), .nexthop = 1},
		{.prefix = fix_prefix("203.0.113.0/24"), .nexthop = 2},
	};
	struct local_addr own[] = {{.ip = fix_ip("192.0.2.1")}, {.ip = fix_ip("2001:db8::1")}};
	struct local_pool pools[] = {
		{.prefix = fix_prefix("192.0.2.64/30"), .port_min = 1024, .port_max = 65535},
		{.prefix = fix_prefix("2001:db8:6::/64"), .port_min = 1024, .port_max = 65535},
	};

	f->fib = fib_create(routes, RTE_DIM(routes), 1);
	f->local = local_create(own, RTE_DIM(own), pools, RTE_DIM(pools));
	f->nexthops = calloc(4, sizeof(*f->nexthops));
	for (uint16_t i = 0; i < 2; i++) {
		f->nexthops[i + 1].iface = i;
		f->ifaces[i] = (struct iface){.index = i, .port = i, .mtu = i == 0 ? 1500 : 1400};
		f->ifaces[i].mac.addr_bytes[5] = (uint8_t)(i + 1);
	}
}

static inline struct worker *fix_worker(struct fix *f, uint16_t id)
{
	struct worker *w = rte_zmalloc(NULL, sizeof(*w), RTE_CACHE_LINE_SIZE);
	char name[32];

	w->id = id;
	w->n_workers = FIX_WORKERS;
	w->ifaces = f->ifaces;
	w->n_ifaces = 2;
	w->nexthops = f->nexthops;
	w->n_nexthops = 4;
	w->ntm_port = 4699;
	w->alt_port = 443;
	w->base_port = FIX_BASE_PORT;
	w->has_rs = true;
	w->pool = f->pool;
	w->rs = rs_dp_worker(f->dp, id);
	w->now = 1000000000;
	w->fib = f->fib;
	w->local = f->local;
	snprintf(name, sizeof(name), "fix_mb_%u", id);
	if (mailbox_init(&w->mailbox, name, 256) < 0)
		abort();
	return w;
}

/* cfg may be NULL: defaults. */
static inline void fix_up(struct fix *f, const struct rs_dp_config *cfg)
{
	struct rs_dp_config c = cfg != NULL ? *cfg : (struct rs_dp_config){.n_workers = 0};

	memset(f, 0, sizeof(*f));
	rng_init_seeded(&f->rng, 7);
	c.n_workers = FIX_WORKERS;
	c.paths_max = c.paths_max ? c.paths_max : 64;
	c.legs_max = c.legs_max ? c.legs_max : 16;
	c.bindings_max = c.bindings_max ? c.bindings_max : 64;
	c.rng = &f->rng;
	if (c.nat.n_ranges == 0) {
		c.nat.n_ranges = 2;
		c.nat.ranges[0] = (struct nat_range){fix_prefix("192.0.2.64/30"), 1024, 65535};
		c.nat.ranges[1] = (struct nat_range){fix_prefix("2001:db8:6::/64"), 1024, 65535};
	}
	c.nat.flows_max = c.nat.flows_max ? c.nat.flows_max : 1024;
	/* Documentation prefixes are no global unicast. */
	c.inner[c.n_inner++] = fix_prefix("198.51.100.0/24");
	c.inner[c.n_inner++] = fix_prefix("203.0.113.0/24");
	c.inner[c.n_inner++] = fix_prefix("2001:db8::/32");
	f->dp = rs_dp_create(&c);
	if (f->dp == NULL)
		abort();
	f->pool = rte_pktmbuf_pool_create("fix_pool", 2047, 0, sizeof(struct pkt_meta),
					  FIX_PACKET_MAX + RTE_PKTMBUF_HEADROOM, 0);
	fix_routes(f);
	for (uint16_t i = 0; i < FIX_WORKERS; i++)
		f->w[i] = fix_worker(f, i);
	for (uint16_t i = 0; i < FIX_WORKERS; i++)
		for (uint16_t j = 0; j < FIX_WORKERS; j++)
			f->w[i]->peers[j] = &f->w[j]->mailbox;
	/* Own endpoints 0 to 5: per family worker 0, worker 1, shared. */
	for (int v6 = 0; v6 < 2; v6++) {
		struct endpoint e = {.ip = fix_ip(v6 ? "2001:db8::1" : "192.0.2.1")};

		for (int i = 0; i < FIX_WORKERS; i++) {
			e.port = (uint16_t)(FIX_BASE_PORT + i);
			rs_dp_local_add(f->dp, &e, i);
		}
		e.port = 443;
		rs_dp_local_add(f->dp, &e, -1);
	}
}

/* The law of stats.h over all workers: packets that came in and went nowhere. */
static inline int64_t fix_missing(const struct fix *f)
{
	uint64_t in = 0, out = 0;

	for (uint16_t i = 0; i < FIX_WORKERS; i++) {
		const struct lcore_stats *st = &f->w[i]->stats;

		in += st->rx + st->from_mailbox + st->created;
		out += st->tx + st->to_control + st->to_dc + st->to_tap + st->steered +
		       st->consumed + st->held + stats_drop_sum(st);
	}
	return (int64_t)(in - out);
}

static inline void fix_conserve(const struct fix *f)
{
	int64_t missing = fix_missing(f);

	if (missing == 0)
		return;
	fprintf(stderr, "%lld packets are missing\n", (long long)missing);
	abort();
}

/* Nothing may be left: every packet was counted under some name. */
static inline void fix_down(struct fix *f)
{
	fix_conserve(f);
	for (uint16_t i = 0; i < FIX_WORKERS; i++) {
		mailbox_fini(&f->w[i]->mailbox);
	}
	rs_dp_destroy(f->dp);
	if (rte_mempool_in_use_count(f->pool) != 0) {
		fprintf(stderr, "%u packets leaked\n", rte_mempool_in_use_count(f->pool));
		abort();
	}
	rte_mempool_free(f->pool);
	for (uint16_t i = 0; i < FIX_WORKERS; i++)
		rte_free(f->w[i]);
	free(f->nexthops);
	fib_destroy(f->fib);
	local_destroy(f->local);
}

struct fix_udp {
	struct endpoint src, dst;
	uint8_t ttl, tos;
	bool no_checksum;
};

/* The checksum of what stands behind an IP header, computed in full: the slow twin of csum.h. */
static inline uint16_t fix_l4_sum(const struct ip_addr *src, const struct ip_addr *dst,
				  uint8_t proto, const uint8_t *p, size_t len)
{
	uint64_t sum = 0;

	for (int i = 0; i < 16; i += 2)
		sum += (uint64_t)load_be16(src->b + i) + load_be16(dst->b + i);
	if (ip_is_v4(src))
		sum -= 2 * 0xffff;
	sum += proto + len;
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint64_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* An Ethernet frame for interface 0 around an IP packet. */
static inline struct rte_mbuf *fix_frame(struct fix *f, const uint8_t *ip, uint16_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(f->pool);
	uint8_t *p;

	if (m == NULL)
		abort();
	memset(pkt_meta(m), 0, sizeof(struct pkt_meta));
	m->port = 0;
	p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(RTE_ETHER_HDR_LEN + len));
	memset(p, 0, RTE_ETHER_HDR_LEN);
	memcpy(p, f->ifaces[0].mac.addr_bytes, 6);
	p[11] = 0x77;
	store_be16(p + 12, ip[0] >> 4 == 4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
	memcpy(p + RTE_ETHER_HDR_LEN, ip, len);
	return m;
}

/* An IP packet of any protocol into buf (FIX_PACKET_MAX bytes); returns its length. */
static inline uint16_t fix_ip_packet(uint8_t *buf, const struct ip_addr *src,
				     const struct ip_addr *dst, uint8_t proto, uint8_t ttl,
				     uint8_t tos, const uint8_t *body, uint16_t len)
{
	unsigned int hdr = outer_len(dst);
	struct outer o = {.src = src, .dst = dst, .tos = tos, .ttl = ttl, .proto = proto};

	outer_write(buf + hdr, len, &o);
	memcpy(buf + hdr, body, len);
	return (uint16_t)(hdr + len);
}

static inline struct rte_mbuf *fix_udp_frame(struct fix *f, const struct fix_udp *u,
					     const uint8_t *payload, uint16_t len)
{
	uint8_t udp[FIX_PACKET_MAX], ip[FIX_PACKET_MAX];
	uint16_t sum;

	store_be16(udp, u->src.port);
	store_be16(udp + 2, u->dst.port);
	store_be16(udp + 4, (uint16_t)(8 + len));
	store_be16(udp + 6, 0);
	memcpy(udp + 8, payload, len);
	sum = fix_l4_sum(&u->src.ip, &u->dst.ip, IPPROTO_UDP, udp, 8u + len);
	if (!u->no_checksum)
		store_be16(udp + 6, sum ? sum : 0xffff);
	len = fix_ip_packet(ip, &u->src.ip, &u->dst.ip, IPPROTO_UDP, u->ttl, u->tos, udp,
			    (uint16_t)(8 + len));
	return fix_frame(f, ip, len);
}

/* A frame arrives. */
static inline void fix_inject(struct worker *w, struct rte_mbuf *m)
{
	bool is_steered = pkt_meta(m)->flags & PKT_STEERED;

	w->stats.rx++;
	burst_push(&w->stats, is_steered ? &w->lanes.steered : &w->lanes.rx, m);
}

/* The chain up to the tx lane, in the order of pipeline.c. */
static inline void fix_run(struct worker *w)
{
	parse_stage(w);
	relay_stage(w);
	switch_stage(w);
	open_stage(w);
	nat_out_stage(w);
	nat_in_stage(w);
	seal_stage(w);
	rs_worker_turn(w);
}

/* What other workers put into the mailbox (steered frames) is run as well. */
static inline void fix_mail(struct worker *w)
{
	struct mail m;

	while (mailbox_take(&w->mailbox, &m, 1) == 1) {
		w->stats.from_mailbox++;
		burst_push(&w->stats, &w->lanes.steered, m.ptr);
		fix_run(w);
	}
}

/* For a failing test: what was dropped so far, by name. */
static inline void fix_print_drops(const struct worker *w)
{
	for (int i = 0; i < DROP_MAX; i++) {
		if (w->stats.drops[i] != 0)
			fprintf(stderr, "drop %s: %llu\n", drop_name((enum drop_reason)i),
				(unsigned long long)w->stats.drops[i]);
	}
}

/* The one packet for tx, a hop or in the lane, or NULL; nothing is left there afterwards. */
static inline struct rte_mbuf *fix_out(struct worker *w)
{
	struct rte_mbuf *m = NULL;

	for (uint16_t i = 0; i < w->hops.n; i++)
		burst_push(&w->stats, &w->lanes.tx, hop_leave(&w->hops, i));
	w->hops.n = 0;
	for (uint16_t i = 0; i < w->lanes.tx.n; i++) {
		if (m == NULL)
			m = w->lanes.tx.pkt[i];
		else
			rte_pktmbuf_free(w->lanes.tx.pkt[i]);
	}
	w->stats.tx += w->lanes.tx.n;
	w->lanes.tx.n = 0;
	return m;
}

/* Events are taken one by one; false when there is none. The packet, if any, is freed. */
static inline bool fix_event(struct fix *f, struct rs_event *ev)
{
	if (rs_dp_events(f->dp, ev, 1) == 0)
		return false;
	if (ev->m != NULL) {
		rte_pktmbuf_free(ev->m);
		ev->m = NULL;
	}
	return true;
}

#endif
