/* SPDX-License-Identifier: BSD-3-Clause */
/* Two workers on two lcores: their rate together. scale.floor is the AEAD alone on the same cold
 * buffers, one loop per lcore: what the second lcore of this machine is worth at this moment. Floor
 * of a pair: one worker's rate times what the second loop adds to the first (floor.2w over floor.1w),
 * so that a ratio of 1 is two workers that do not get into each other's way.
 *
 * fat_path.2w: all packets are of one leg and come to the first worker; the second helps with their
 * crypto. Floor: the same. The order in which they leave is looked at after each slice.
 */
#include "perf/groups.h"
#include "perf/rs_bed.h"

#include "appliance/aead.h"
#include "appliance/batch_fifo.h"
#include "appliance/pipeline/outer.h"
#include "appliance/pipeline/share.h"
#include "common/rng.h"
#include "common/wire.h"

#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_pause.h>

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	PACKETS = 1 << 16, /* of each worker */
	PATHS = 1000000,
	INNER_RS_S = 64,
	INNER_RS_N = 1400,
	FRAME_MAX = 1536,
	FLOWS = 256,
	BULK = 32,
	HOST_PORT = 443,
};
#define PEER_INDEX 0xabcdef0012345678ULL

/* What the packets of a slice are. */
enum kind { RELAYED, SEALED, KINDS };

/* One worker with what goes into it. */
struct half {
	struct rs_bed bed;
	uint64_t index; /* of its leg */
	struct keys send;
	uint8_t (*frame[KINDS])[FRAME_MAX];
	uint16_t len[KINDS];
	struct aead *aead;
	uint8_t open_keys[AEAD_KEY_BYTES] __rte_aligned(64);
} __rte_cache_aligned;

struct pair {
	struct half half[2];
	struct rng rng;
	unsigned int lcore;			      /* of the second half */
	void (*work)(struct pair *p, struct half *h); /* of the slice */
	bool fat_seen;				      /* a slice was checked for order */
	bool is_fat;				      /* the last slice was fat_path */
	uint64_t reordered;			      /* packets of fat_path, so far */
	_Atomic bool go __rte_cache_aligned;
	_Atomic bool done __rte_cache_aligned;
	_Atomic bool first_done __rte_cache_aligned;
};

static struct ip_addr ip_of(const char *text)
{
	struct ip_addr ip;

	if (ip_parse(text, &ip) < 0)
		abort();
	return ip;
}

/* ---- what the packets are made of ---- */

static uint64_t path_id(uint32_t i)
{
	return (i + 1ULL) * 0x9e3779b97f4a7c15ULL & ~WIRE_ID_INDEX;
}

static struct endpoint node_of(uint32_t i, uint32_t net)
{
	return (struct endpoint){.ip = ip_from_v4(rte_cpu_to_be_32(net + (i & 0xffff))),
				 .port = (uint16_t)(1024 + (i >> 16))};
}

static int paths_up(struct rs_dp *dp)
{
	int ret = 0;

	for (uint32_t i = 0; i < PATHS && ret == 0; i++) {
		struct rs_dp_path p = {.id = path_id(i)};

		p.side[RS_SIDE_A] = (struct rs_dp_side){.peer = node_of(i, 0xc6330000),
							.local = (uint16_t)(i & 1),
							.state = RS_SIDE_CONFIRMED};
		p.side[RS_SIDE_B] = (struct rs_dp_side){.peer = node_of(i, 0xcb010000),
							.local = (uint16_t)(i & 1),
							.state = RS_SIDE_CONFIRMED};
		ret = rs_dp_path_set(dp, &p);
	}
	return ret;
}

static int leg_up(struct half *h, uint16_t worker, struct rng *rng)
{
	struct rs_dp_leg leg = {.vip4 = ip_of("240.0.0.2"),
				.peer = {ip_of("198.51.100.10"), 1111},
				.local = worker,
				.worker = worker,
				.confirmed = true};
	struct epoch_keys k = {.peer_index = PEER_INDEX};
	struct ip_addr vip = ip_of("240.128.0.1"), rip = ip_of("198.51.100.80");
	struct rs_dp *dp = h->bed.dp;
	int ret;

	h->send.suite = SUITE_AES128_GCM;
	rng_fill(rng, h->send.key, sizeof(h->send.key));
	k.recv = h->send;
	k.send = h->send;
	rng_fill(rng, k.send.key, sizeof(k.send.key));
	aead_expand(h->aead, &h->send, true, h->open_keys);
	ret = rs_dp_leg_reserve(dp, rng_u64(rng), &h->index);
	if (ret == 0)
		ret = rs_dp_leg_add(dp, h->index, &leg);
	if (ret == 0)
		ret = rs_dp_leg_key_install(dp, h->index, &k, UINT64_MAX);
	if (ret == 0)
		ret = rs_dp_leg_key_use(dp, h->index, 0);
	return ret == 0 ? rs_dp_binding_add(dp, h->index, 1, &vip, &rip) : ret;
}

/* rs_bed_frame() writes the packet's buffer; it is kept as what a slice begins with. */
static void frame_keep(struct half *h, enum kind kind, uint32_t i)
{
	h->len[kind] = h->bed.frame_len;
	memcpy(h->frame[kind][i], rte_pktmbuf_mtod(h->bed.pkt[i], void *), h->len[kind]);
}

static void frame_relayed(struct half *h, struct rng *rng, uint32_t i)
{
	uint8_t ntm[WIRE_HDR_LEN + INNER_RS_S + WIRE_TAG_LEN] = {0};
	/* Even paths are worker 0's, odd ones worker 1's: so the nodes talk to them. */
	uint32_t path = ((uint32_t)rng_below(rng, PATHS) & ~1u) + h->bed.w->id;
	struct endpoint src = node_of(path, 0xc6330000);

	wire_build(ntm, WIRE_DATA, wire_flags(true, 0, 0), i, path_id(path));
	rs_bed_frame(&h->bed, i, &src, ntm, sizeof(ntm));
	frame_keep(h, RELAYED, i);
}

/* The inner packet carries its number, in the first bytes of the UDP payload. */
static void inner_write(uint8_t *ip, uint32_t i)
{
	struct ip_addr src = ip_of("240.0.0.2"), dst = ip_of("240.128.0.1");
	const uint16_t udp_len = INNER_RS_N - IP4_HDR_LEN;
	struct outer o = {.src = &src, .dst = &dst, .ttl = 64, .proto = IPPROTO_UDP};
	uint8_t *udp = ip + IP4_HDR_LEN;
	uint16_t check;

	memset(ip, 0, INNER_RS_N);
	outer_write4(udp, udp_len, &o);
	store_be16(udp, (uint16_t)(5000 + i % FLOWS));
	store_be16(udp + 2, HOST_PORT);
	store_be16(udp + 4, udp_len);
	store_be32(udp + UDP_HDR_LEN, i);
	check = (uint16_t)~csum_fold(
		csum_bytes(udp, udp_len, csum_pseudo(&src, &dst, IPPROTO_UDP, udp_len)));
	memcpy(udp + 6, &check, sizeof(check));
}

static void frame_sealed(struct half *h, const uint8_t *keys, uint32_t i)
{
	uint8_t pkt[WIRE_OVERHEAD + INNER_RS_N];
	struct endpoint src = {ip_of("198.51.100.10"), 1111};
	struct aead_op op = {.suite = SUITE_AES128_GCM,
			     .body_len = INNER_RS_N,
			     .pkt = pkt,
			     .keys = keys,
			     .iv = h->send.iv};

	wire_build(pkt, WIRE_DATA, wire_flags(true, 0, 0), i, h->index);
	inner_write(pkt + WIRE_HDR_LEN, i);
	aead_seal(h->aead, &op, 1);
	rs_bed_frame(&h->bed, i, &src, pkt, sizeof(pkt));
	frame_keep(h, SEALED, i);
}

static int half_up(struct pair *p, uint16_t id)
{
	uint8_t keys[AEAD_KEY_BYTES] __rte_aligned(64);
	struct half *h = &p->half[id];
	int ret;

	h->aead = aead_create(AEAD_BEST);
	h->frame[RELAYED] = calloc(PACKETS, FRAME_MAX);
	h->frame[SEALED] = calloc(PACKETS, FRAME_MAX);
	if (h->aead == NULL || h->frame[RELAYED] == NULL || h->frame[SEALED] == NULL)
		return -ENOMEM;
	ret = leg_up(h, id, &p->rng);
	if (ret < 0)
		return ret;
	aead_expand(h->aead, &h->send, false, keys);
	for (uint32_t i = 0; i < PACKETS; i++) {
		frame_relayed(h, &p->rng, i);
		frame_sealed(h, keys, i);
	}
	return 0;
}

static void pair_down(void *state)
{
	struct pair *p = state;

	rte_eal_wait_lcore(p->lcore);
	if (p->fat_seen)
		(void)bench_results_add(bench_current_results(), "fat_path.reordered",
					(double)p->reordered, "packets", 0);
	for (int i = 1; i >= 0; i--) {
		struct half *h = &p->half[i];

		rs_bed_down(&h->bed);
		aead_destroy(h->aead);
		free(h->frame[RELAYED]);
		free(h->frame[SEALED]);
	}
	free(p);
}

static int pair_up(void **state)
{
	struct pair *p = aligned_alloc(64, RTE_ALIGN_CEIL(sizeof(*p), 64));
	struct rs_dp_config cfg = {.n_workers = 2,
				   .paths_max = PATHS,
				   .legs_max = 64,
				   .bindings_max = 64,
				   .share_crypto = true};
	int ret = -ENODEV;

	if (p == NULL)
		return -ENOMEM;
	memset(p, 0, sizeof(*p));
	p->lcore = rte_get_next_lcore(-1, 1, 0);
	if (p->lcore == RTE_MAX_LCORE) {
		fprintf(stderr, "bench: two workers need two CPUs\n");
		goto err_free;
	}
	rng_init_seeded(&p->rng, 17);
	cfg.rng = &p->rng;
	cfg.nat.n_ranges = 1;
	if (prefix_parse("192.0.2.64/30", &cfg.nat.ranges[0].prefix) < 0 ||
	    prefix_parse("198.51.100.0/24", &cfg.inner[cfg.n_inner++]) < 0)
		abort();
	cfg.nat.ranges[0].port_min = 1024;
	cfg.nat.ranges[0].port_max = 65535;
	ret = rs_bed_up_with(&p->half[0].bed, "scale_0", &cfg, PACKETS);
	if (ret == 0)
		ret = rs_bed_beside(&p->half[1].bed, "scale_1", &p->half[0].bed);
	if (ret == 0)
		ret = paths_up(p->half[0].bed.dp);
	for (uint16_t i = 0; i < 2 && ret == 0; i++)
		ret = half_up(p, i);
	if (ret < 0) {
		pair_down(p);
		return ret;
	}
	*state = p;
	return 0;

err_free:
	free(p);
	return ret;
}

/* ---- slices ---- */

/* Packets as they were, and a leg that has not heard of them yet. */
static void refill(struct half *h, enum kind kind)
{
	rte_ring_reset(h->bed.in);
	rte_ring_reset(h->bed.out);
	for (uint32_t i = 0; i < PACKETS; i++) {
		struct rte_mbuf *m = h->bed.pkt[i];

		rte_pktmbuf_reset(m);
		m->port = h->bed.port;
		m->data_len = h->len[kind];
		m->pkt_len = h->len[kind];
		memcpy(rte_pktmbuf_mtod(m, void *), h->frame[kind][i], h->len[kind]);
	}
	if (rte_ring_enqueue_bulk(h->bed.in, (void **)h->bed.pkt, PACKETS, NULL) != PACKETS)
		abort();
}

static void windows_reset(struct pair *p)
{
	struct leg_table *legs = p->half[0].bed.dp->legs;

	memset(legs->windows, 0, legs->windows_max * sizeof(*legs->windows));
}

static void work_pipeline(struct pair *p, struct half *h)
{
	bench_use(p->is_fat);
	rs_bed_run(&h->bed, PACKETS);
}

/* The loops of two workers, of which only the first has packets. */
static void work_fat(struct pair *p, struct half *h)
{
	if (h != &p->half[0]) {
		while (!atomic_load_explicit(&p->first_done, memory_order_acquire))
			share_help(h->bed.w, pipeline_run(h->bed.w));
		return;
	}
	while (rs_bed_has_more(&h->bed) || share_pending(h->bed.w))
		share_help(h->bed.w, pipeline_run(h->bed.w));
	atomic_store_explicit(&p->first_done, true, memory_order_release);
	rs_bed_run(&h->bed, PACKETS);
}

/* What came out carries its numbers in order. */
static void order_check(struct pair *p)
{
	const unsigned int at = RTE_ETHER_HDR_LEN + IP4_HDR_LEN + UDP_HDR_LEN;
	void *obj;

	if (!p->is_fat)
		return;
	p->fat_seen = true;
	for (uint32_t i = 0; rte_ring_dequeue(p->half[0].bed.out, &obj) == 0; i++) {
		struct rte_mbuf *m = obj;

		p->reordered += load_be32(rte_pktmbuf_mtod_offset(m, uint8_t *, at)) != i;
	}
}

/* The cipher alone, in bursts as the stages do it. */
static void work_aead(struct pair *p, struct half *h)
{
	const uint16_t head = RTE_ETHER_HDR_LEN + IP4_HDR_LEN + UDP_HDR_LEN;
	struct aead_op op[BULK];

	bench_use(p->is_fat);
	for (uint32_t at = 0; at < PACKETS; at += BULK) {
		for (unsigned int i = 0; i < BULK; i++)
			op[i] = (struct aead_op){
				.suite = SUITE_AES128_GCM,
				.body_len = INNER_RS_N,
				.pkt = rte_pktmbuf_mtod_offset(h->bed.pkt[at + i], uint8_t *, head),
				.keys = h->open_keys,
				.iv = h->send.iv,
			};
		aead_open(h->aead, op, BULK);
		for (unsigned int i = 0; i < BULK; i++)
			if (!op[i].ok)
				abort();
	}
}

static int second_main(void *arg)
{
	struct sched_param fifo = {.sched_priority = 1}, other = {0};
	struct pair *p = arg;

	(void)sched_setscheduler(0, SCHED_FIFO, &fifo);
	while (!atomic_load_explicit(&p->go, memory_order_acquire))
		rte_pause();
	p->work(p, &p->half[1]);
	atomic_store_explicit(&p->done, true, memory_order_release);
	(void)sched_setscheduler(0, SCHED_OTHER, &other);
	return 0;
}

static void begin(struct pair *p, enum kind kind, unsigned int halves,
		  void (*work)(struct pair *, struct half *))
{
	rte_eal_wait_lcore(p->lcore);
	order_check(p);
	p->is_fat = work == work_fat;
	windows_reset(p);
	refill(&p->half[0], kind);
	if (halves == 2 && !p->is_fat)
		refill(&p->half[1], kind);
	/* Nobody helps but the second of a fat path. */
	for (unsigned int i = 0; i < 2; i++)
		atomic_store(&p->half[i].bed.w->rs->fifo->busy, !p->is_fat);
	atomic_store(&p->first_done, false);
	p->work = work;
	atomic_store(&p->go, false);
	atomic_store(&p->done, halves == 1);
	if (halves == 2 && rte_eal_remote_launch(second_main, p, p->lcore) != 0)
		abort();
}

static void before_floor_1(void *state)
{
	begin(state, SEALED, 1, work_aead);
}

static void before_floor_2(void *state)
{
	begin(state, SEALED, 2, work_aead);
}

static void before_rs_n_1(void *state)
{
	begin(state, SEALED, 1, work_pipeline);
}

static void before_rs_n_2(void *state)
{
	begin(state, SEALED, 2, work_pipeline);
}

static void before_fat(void *state)
{
	begin(state, SEALED, 2, work_fat);
}

static void before_rs_s_1(void *state)
{
	begin(state, RELAYED, 1, work_pipeline);
}

static void before_rs_s_2(void *state)
{
	begin(state, RELAYED, 2, work_pipeline);
}

/* From the start of both to the end of the later one. */
static void run(void *state, uint64_t n)
{
	struct pair *p = state;

	bench_use(n);
	atomic_store_explicit(&p->go, true, memory_order_release);
	p->work(p, &p->half[0]);
	while (!atomic_load_explicit(&p->done, memory_order_acquire))
		rte_pause();
}

/* clang-format off */
static const struct bench_case cases[] = {
	{"scale.floor.1w", BENCH_PER_SECOND, PACKETS, before_floor_1, run, {{NULL}}, NULL, NULL},
	{"scale.floor", BENCH_PER_SECOND, 2 * PACKETS, before_floor_2, run, {{NULL}}, NULL, NULL},
	{"scale.rs_n.1w", BENCH_PER_SECOND, PACKETS, before_rs_n_1, run, {{NULL}}, NULL, NULL},
	{"scale.rs_n.2w", BENCH_PER_SECOND, 2 * PACKETS, before_rs_n_2, run,
	 {{"scale.rs_n.1w", 1}}, "scale.floor", "scale.floor.1w"},
	{"fat_path.2w", BENCH_PER_SECOND, PACKETS, before_fat, run,
	 {{"scale.rs_n.1w", 1}}, "scale.floor", "scale.floor.1w"},
	{"scale.rs_s.1w", BENCH_PER_SECOND, PACKETS, before_rs_s_1, run, {{NULL}}, NULL, NULL},
	{"scale.rs_s.2w", BENCH_PER_SECOND, 2 * PACKETS, before_rs_s_2, run,
	 {{"scale.rs_s.1w", 1}}, "scale.floor", "scale.floor.1w"},
};
/* clang-format on */

const struct bench_group bench_scale = {
	"scale", "two workers, two lcores", pair_up, pair_down, cases, RTE_DIM(cases)};
