/* SPDX-License-Identifier: BSD-3-Clause */
/* Floods at RS-N, through the same worker as good traffic and beside it, buffers cold. Wrong tags come
 * with fresh numbers, so each costs the cipher. Replays are packets that the windows remember. In a storm
 * of new mappings each packet comes from a port that its node has not used: as many as a node may
 * have are opened and sent, the rest refused; both halves also have a row of their own. Floor: as
 * many good packets of the same size, on flows that exist.
 */
#include "appliance/nat_flow.h"
#include "common/bytes.h"
#include "common/csum.h"
#include "common/replay.h"
#include "perf/groups.h"
#include "perf/rs_n_bed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	PACKETS = (1 << 15) / BENCH_SMALLER,
	LEGS = 16,
	PER_LEG = PACKETS / LEGS,  /* in order, so a window knows them all */
	PER_LEG_MAX = 2 * PER_LEG, /* ports of a node, where the storm shall meet no limit */
	FLOWS = 256,
	INNER = 64,
	PORT_NEW = 20000, /* of a node, from here on no flow has one */
	PORT_FILL = 40000,
	UDP_CHECK = RTE_ETHER_HDR_LEN + IP4_HDR_LEN + 6,
};

_Static_assert((int)PER_LEG <= (int)REPLAY_WINDOW, "what came before is in the window");

struct storm {
	struct rs_n_bed *n;
	uint8_t (*bad_tag)[RS_N_FRAME_MAX];
	uint8_t (*fresh)[RS_N_FRAME_MAX]; /* from ports without a mapping */
	uint8_t (*fill)[RS_N_FRAME_MAX];  /* from other ones */
	uint32_t limit;			  /* ports of a node, as it is by default */
	bool is_used;			  /* the packets are in the pool or in the way out */
};

/* Only the tag is wrong: what the outer checksum covers adds up. */
static void tag_break(uint8_t *frame, uint16_t len)
{
	uint8_t *last = frame + RTE_ALIGN_FLOOR(len - 2, 2);
	uint16_t check, was, is;

	memcpy(&was, last, 2);
	is = was ^ 0x0101;
	memcpy(last, &is, 2);
	memcpy(&check, frame + UDP_CHECK, 2);
	check = csum_replace(check, was, is);
	memcpy(frame + UDP_CHECK, &check, 2);
}

static int frames_up(struct storm *s)
{
	struct rs_n_bed *n = s->n;

	s->bad_tag = calloc(PACKETS, sizeof(*s->bad_tag));
	s->fresh = calloc(PACKETS, sizeof(*s->fresh));
	s->fill = calloc(PACKETS, sizeof(*s->fill));
	if (s->bad_tag == NULL || s->fresh == NULL || s->fill == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < PACKETS; i++) {
		memcpy(s->bad_tag[i], n->frame[RS_N_OPEN][i], n->len[RS_N_OPEN]);
		tag_break(s->bad_tag[i], n->len[RS_N_OPEN]);
		rs_n_bed_frame(n, i, (uint16_t)(PORT_NEW + n->seq[i]), s->fresh[i]);
		rs_n_bed_frame(n, i, (uint16_t)(PORT_FILL + n->seq[i]), s->fill[i]);
	}
	return 0;
}

static void storm_down(void *state)
{
	struct storm *s = state;

	if (s->n != NULL)
		rs_n_bed_down(s->n);
	free(s->bad_tag);
	free(s->fresh);
	free(s->fill);
	free(s);
}

static int storm_up(void **state)
{
	struct storm *s = calloc(1, sizeof(*s));
	struct rs_n_config c = {.name = "hostile_rs_n",
				.suite = SUITE_AES128_GCM,
				.inner = INNER,
				.legs = LEGS,
				.flows = FLOWS,
				.packets = PACKETS};
	int ret;

	if (s == NULL)
		return -ENOMEM;
	c.dp.nat.flows_max = FLOWS + PACKETS;
	ret = rs_n_bed_up(&s->n, &c);
	if (ret == 0)
		ret = frames_up(s);
	if (ret < 0) {
		storm_down(s);
		return ret;
	}
	s->limit = s->n->bed.w->rs->nat->cfg.subscriber_ports;
	*state = s;
	return 0;
}

/* Dropped ones are in the pool, the others wait where they were sent to. */
static void packets_collect(struct storm *s)
{
	struct rs_bed *b = &s->n->bed;
	void *m;

	if (s->is_used) {
		while (rte_ring_dequeue(b->out, &m) == 0)
			rte_pktmbuf_free(m);
		if (rte_pktmbuf_alloc_bulk(b->pool, b->pkt, PACKETS) != 0)
			abort();
	}
	s->is_used = true;
}

/* What the last storm has opened runs out; the good flows live on. */
static void flows_expire(struct storm *s)
{
	struct worker *w = s->n->bed.w;
	struct nat *nat = w->rs->nat;

	w->now += nat->cfg.udp_ns + (4ULL << NAT_TICK_SHIFT);
	for (uint32_t f = 0; f < FLOWS; f++)
		nat_flow_touch(nat, &nat->flows[f], true, 0, w->now);
	nat_turn(nat, w->now, UINT32_MAX);
	if (nat->n_flows != FLOWS)
		abort();
}

/* Everything as it was, and the frames in front of the worker. */
static void before(struct storm *s, uint8_t (*frame)[RS_N_FRAME_MAX])
{
	packets_collect(s);
	flows_expire(s);
	s->n->bed.w->rs->nat->cfg.subscriber_ports = s->limit;
	rs_n_bed_forget(s->n);
	rs_n_bed_put(s->n, frame, s->n->len[RS_N_OPEN], s->n->cfg.packets);
}

static void drain(struct storm *s)
{
	while (rs_bed_has_more(&s->n->bed))
		pipeline_run(s->n->bed.w);
}

static void before_good(void *state)
{
	struct storm *s = state;

	before(s, s->n->frame[RS_N_OPEN]);
}

static void before_bad_tag(void *state)
{
	struct storm *s = state;

	before(s, s->bad_tag);
}

/* All have come once. */
static void before_replay(void *state)
{
	struct storm *s = state;

	before_good(s);
	drain(s);
	packets_collect(s);
	rs_n_bed_put(s->n, s->n->frame[RS_N_OPEN], s->n->len[RS_N_OPEN], s->n->cfg.packets);
}

static void before_new(void *state)
{
	struct storm *s = state;

	before(s, s->fresh);
}

static void before_opened(void *state)
{
	struct storm *s = state;

	before(s, s->fresh);
	s->n->bed.w->rs->nat->cfg.subscriber_ports = PER_LEG_MAX;
}

/* The nodes have all the ports they get, and none of these packets is from one of them. */
static void before_refused(void *state)
{
	struct storm *s = state;

	before(s, s->fill);
	drain(s);
	packets_collect(s);
	rs_n_bed_forget(s->n);
	rs_n_bed_put(s->n, s->fresh, s->n->len[RS_N_OPEN], s->n->cfg.packets);
}

/* Each packet was sent, or dropped for this reason. How many were dropped. */
static uint64_t flood(struct storm *s, enum drop_reason why)
{
	const uint64_t *drops = &s->n->bed.w->stats.drops[why];
	uint64_t from = *drops, dropped;

	drain(s);
	dropped = *drops - from;
	if (dropped + rte_ring_count(s->n->bed.out) == PACKETS)
		return dropped;
	fprintf(stderr, "bench: %llu packets dropped as %s, %u sent\n", (unsigned long long)dropped,
		drop_name(why), rte_ring_count(s->n->bed.out));
	abort();
}

static void run_good(void *state, uint64_t n)
{
	if (flood(state, DROP_AUTH) != 0)
		abort();
}

static void run_bad_tag(void *state, uint64_t n)
{
	if (flood(state, DROP_AUTH) != n)
		abort();
}

static void run_replay(void *state, uint64_t n)
{
	if (flood(state, DROP_REPLAY) != n)
		abort();
}

static void run_new(void *state, uint64_t n)
{
	uint64_t refused = flood(state, DROP_NAT_LIMIT);

	if (refused == 0 || refused == n)
		abort();
}

static void run_opened(void *state, uint64_t n)
{
	if (flood(state, DROP_NAT_LIMIT) != 0)
		abort();
}

static void run_refused(void *state, uint64_t n)
{
	if (flood(state, DROP_NAT_LIMIT) != n)
		abort();
}

/* clang-format off */
static const struct bench_case cases[] = {
	{"hostile.floor.rs_n", BENCH_CYCLES, PACKETS, before_good, run_good, {{NULL}}},
	{"hostile.bad_tag", BENCH_CYCLES, PACKETS, before_bad_tag, run_bad_tag, {{"hostile.floor.rs_n", 1}}},
	{"hostile.replay", BENCH_CYCLES, PACKETS, before_replay, run_replay, {{"hostile.floor.rs_n", 1}}},
	{"hostile.new_mapping", BENCH_CYCLES, PACKETS, before_new, run_new, {{"hostile.floor.rs_n", 1}}},
	{"hostile.new_mapping.opened", BENCH_CYCLES, PACKETS, before_opened, run_opened, {{"hostile.floor.rs_n", 1}}},
	{"hostile.new_mapping.refused", BENCH_CYCLES, PACKETS, before_refused, run_refused, {{"hostile.floor.rs_n", 1}}},
};
/* clang-format on */

const struct bench_group bench_hostile_rs_n = {
	"pipeline", "hostile traffic to RS-N", storm_up, storm_down, cases, RTE_DIM(cases)};
