/* SPDX-License-Identifier: BSD-3-Clause */
/* The NAT's state alone, with ten million mappings in place. "hit": a node's packets to flows that are
 * there, drawn at random, looked up in bulks as the stage does it. "new": first packets of nodes drawn
 * at random, each with a mapping, a port and a flow of its own. Floor of a hit: one prefetched random
 * cache line in a table of the size of the flows.
 */
#include "appliance/nat_flow.h"
#include "appliance/rs_dp.h"
#include "appliance/rs_worker.h"
#include "appliance/table_mem.h"
#include "common/bytes.h"
#include "common/rng.h"
#include "perf/groups.h"

#include <rte_prefetch.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	NODES = 40000 / BENCH_SMALLER,
	PER_NODE = 250, /* mappings: 10 M together */
	MAPPINGS = NODES * PER_NODE,
	NEW = (1 << 17) / BENCH_SMALLER, /* of a slice */
	ROOM = MAPPINGS + 2 * NEW,
	HITS = (1 << 20) / BENCH_SMALLER,
	BULK = 64,
	TURN_BUDGET = 1 << 20,
	TICKS = 16, /* of the wheel, within which the mappings of a slice have gone */
};

/* Kept small: the stage has its asks on the stack, and a list of whole ones would cost more to read than
 * the flows.
 */
struct ask {
	uint32_t subscriber;
	uint16_t port;
};

struct nat_bed {
	struct rs_dp *dp;
	struct nat *nat;
	struct rng rng;
	struct ip_addr vip;
	uint32_t *subscriber; /* by node */
	struct ask *hit;      /* what is looked up */
	struct ask *fresh;
	uint32_t *line;
	uint8_t *lines;
	uint64_t now;
};

static void nat_down(void *state)
{
	struct nat_bed *b = state;

	rs_dp_destroy(b->dp);
	free(b->subscriber);
	free(b->hit);
	free(b->fresh);
	free(b->line);
	table_mem_free(b->lines, (size_t)ROOM * 64);
	free(b);
}

static struct ip_addr ip_of(const char *text)
{
	struct ip_addr ip;

	if (ip_parse(text, &ip) < 0)
		abort();
	return ip;
}

static int node_up(struct nat_bed *b, uint32_t i)
{
	struct ip_addr rip = ip_of("8.8.8.8");
	struct rs_dp_leg leg = {.vip4 = ip_of("240.0.0.2"),
				.peer = {ip_of("198.51.100.10"), 1111},
				.confirmed = true};
	uint64_t index;
	int ret = rs_dp_leg_reserve(b->dp, rng_u64(&b->rng), &index);

	store_be32(leg.vip4.b + 12, load_be32(leg.vip4.b + 12) + i);
	if (ret == 0)
		ret = rs_dp_leg_add(b->dp, index, &leg);
	if (ret == 0)
		ret = rs_dp_binding_add(b->dp, index, 1, &b->vip, &rip);
	if (ret == 0)
		b->subscriber[i] = leg_table_find(b->dp->legs, index)->subscriber;
	return ret;
}

/* Nodes take turns, and so do the slots of the wheel. */
static int mappings_up(struct nat_bed *b)
{
	enum drop_reason why;

	for (uint32_t i = 0; i < MAPPINGS; i++) {
		struct nat_flow *f =
			nat_flow_open(b->nat, b->subscriber[i % NODES], NAT_UDP,
				      (uint16_t)(1024 + i / NODES), &b->vip, b->now, &why);

		if (f == NULL)
			return -ENOSPC;
		nat_flow_touch(b->nat, f, true, 0, b->now);
		if (i % NODES == 0) {
			b->now += 1ULL << NAT_TICK_SHIFT;
			nat_turn(b->nat, b->now, TURN_BUDGET);
		}
	}
	return 0;
}

static void asks_make(struct nat_bed *b)
{
	for (uint32_t i = 0; i < HITS; i++)
		b->hit[i] = (struct ask){
			.subscriber = b->subscriber[rng_below(&b->rng, NODES)],
			.port = (uint16_t)(1024 + rng_below(&b->rng, PER_NODE)),
		};
	/* Each node in random order, with ports it has not used. */
	for (uint32_t i = 0; i < NEW; i++)
		b->fresh[i] = (struct ask){
			.subscriber = b->subscriber[rng_below(&b->rng, NODES)],
			.port = (uint16_t)(20000 + i / 4),
		};
	for (uint32_t i = 0; i < HITS; i++)
		b->line[i] = (uint32_t)rng_below(&b->rng, ROOM);
}

static int dp_up(struct nat_bed *b)
{
	struct rs_dp_config cfg = {.n_workers = 1,
				   .paths_max = 64,
				   .legs_max = NODES,
				   .keys_max = NODES,
				   .bindings_max = NODES,
				   .rng = &b->rng};
	struct endpoint own = {.ip = ip_of("192.0.2.1"), .port = 4700};

	cfg.nat.flows_max = ROOM;
	cfg.nat.udp_ns = 7200ULL * 1000000000;
	cfg.nat.tcp_half_ns = 1000000000;
	cfg.nat.n_ranges = 1;
	cfg.nat.ranges[0].port_min = 1024;
	cfg.nat.ranges[0].port_max = 65535;
	if (prefix_parse("198.18.0.0/24", &cfg.nat.ranges[0].prefix) < 0)
		abort();
	b->dp = rs_dp_create(&cfg);
	if (b->dp == NULL)
		return -errno;
	b->nat = b->dp->workers[0].nat;
	return rs_dp_local_add(b->dp, &own, 0) < 0 ? -ENOSPC : 0;
}

static int nat_up(void **state)
{
	struct nat_bed *b = calloc(1, sizeof(*b));
	int ret = -ENOMEM;

	if (b == NULL)
		return -ENOMEM;
	rng_init_seeded(&b->rng, 11);
	b->vip = ip_of("240.128.0.1");
	b->now = 1000000000000;
	b->subscriber = calloc(NODES, sizeof(*b->subscriber));
	b->hit = calloc(HITS, sizeof(*b->hit));
	b->fresh = calloc(NEW, sizeof(*b->fresh));
	b->line = calloc(HITS, sizeof(*b->line));
	b->lines = table_mem_alloc((size_t)ROOM * 64);
	if (b->subscriber != NULL && b->hit != NULL && b->fresh != NULL && b->line != NULL &&
	    b->lines != NULL)
		ret = dp_up(b);
	for (uint32_t i = 0; ret == 0 && i < NODES; i++)
		ret = node_up(b, i);
	if (ret == 0)
		ret = mappings_up(b);
	if (ret < 0) {
		nat_down(b);
		return ret;
	}
	asks_make(b);
	*state = b;
	return 0;
}

static void run_line(void *state, uint64_t n)
{
	struct nat_bed *b = state;
	uint64_t sum = 0;

	for (uint64_t at = 0; at < n; at += BULK) {
		const uint32_t *line = &b->line[at % HITS];

		for (int i = 0; i < BULK; i++)
			rte_prefetch0(&b->lines[(size_t)line[i] * 64]);
		for (int i = 0; i < BULK; i++)
			sum += b->lines[(size_t)line[i] * 64];
	}
	bench_use(sum);
}

static void asks_hash(const struct nat_bed *b, const struct ask *from, enum nat_proto proto,
		      struct nat_ask *ask)
{
	for (int i = 0; i < BULK; i++) {
		ask[i] = (struct nat_ask){.vip = b->vip,
					  .subscriber = from[i].subscriber,
					  .port = from[i].port,
					  .proto = (uint8_t)proto};
		nat_ask_hash(b->nat, &ask[i]);
	}
}

static void run_hit(void *state, uint64_t n)
{
	struct nat_bed *b = state;
	struct nat_flow *f[BULK];
	struct nat_ask ask[BULK];

	for (uint64_t at = 0; at < n; at += BULK) {
		asks_hash(b, &b->hit[at % HITS], NAT_UDP, ask);
		if (!nat_flow_find_bulk(b->nat, ask, BULK, f))
			abort();
		for (int i = 0; i < BULK; i++)
			nat_flow_touch(b->nat, f[i], true, 0, b->now);
	}
}

/* What the last slice made has run out by now. */
static void before_new(void *state)
{
	struct nat_bed *b = state;

	for (int i = 0; i < TICKS; i++) {
		b->now += 1ULL << NAT_TICK_SHIFT;
		nat_turn(b->nat, b->now, TURN_BUDGET);
	}
	if (b->nat->n_flows != MAPPINGS)
		abort();
}

static void run_new(void *state, uint64_t n)
{
	struct nat_bed *b = state;
	struct nat_flow *f[BULK];
	struct nat_ask ask[BULK];

	for (uint64_t at = 0; at < n; at += BULK) {
		enum drop_reason why[BULK];

		asks_hash(b, &b->fresh[at], NAT_TCP, ask);
		if (nat_flow_find_bulk(b->nat, ask, BULK, f))
			abort();
		nat_flow_open_bulk(b->nat, ask, BULK, b->now, f, why);
		for (int i = 0; i < BULK; i++) {
			if (f[i] == NULL)
				abort();
			nat_flow_touch(b->nat, f[i], true, 2 /* SYN */, b->now);
		}
	}
}

/* clang-format off */
static const struct bench_case cases[] = {
	{"floor.nat.line.10m", BENCH_CYCLES, HITS, NULL, run_line, {{NULL}}},
	{"nat.hit.10m", BENCH_CYCLES, HITS, NULL, run_hit, {{"floor.nat.line.10m", 1}}},
	{"nat.new.10m", BENCH_CYCLES, NEW, before_new, run_new, {{NULL}}},
};
/* clang-format on */

const struct bench_group bench_nat = {"pipeline", "NAT, 10 M mappings", nat_up, nat_down,
				      cases,	  RTE_DIM(cases)};
