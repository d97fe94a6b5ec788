/* SPDX-License-Identifier: BSD-3-Clause */
/* RS-N whole over net_ring: one node, hot keys, cold buffers. "open": sealed packets from the node
 * come out translated to the general host; "seal": the host's come out sealed for the node. Floor:
 * the I/O, two look-ups (leg and flow), and the AEAD alone on the same buffers.
 */
#include "perf/groups.h"
#include "perf/rs_bed.h"

#include "appliance/aead.h"
#include "appliance/pipeline/outer.h"
#include "common/rng.h"
#include "common/wire.h"

#include <errno.h>
#include <stdlib.h>

enum {
	PACKETS = (1 << 15) / BENCH_SMALLER,
	FLOWS = 256,
	FRAME_MAX = 1536,
	BULK = 32,
	HOST_PORT = 443
};
#define PEER_INDEX 0xabcdef0012345678ULL

/* What a slice begins with: frames sealed by the node, or plain ones of the host. */
enum side { OPEN, SEAL };

struct rs_n {
	struct rs_bed bed;
	struct rng rng;
	uint16_t inner; /* bytes of the inner IP packet */
	uint64_t index;
	struct endpoint node, pub[FLOWS];
	struct keys send, recv; /* of the node */
	struct aead *aead;
	uint8_t seal_keys[AEAD_KEY_BYTES] __rte_aligned(64);
	uint8_t open_keys[AEAD_KEY_BYTES] __rte_aligned(64);
	uint8_t (*frame[2])[FRAME_MAX];
	uint16_t len[2];
};

static struct ip_addr ip_of(const char *text)
{
	struct ip_addr ip;

	if (ip_parse(text, &ip) < 0)
		abort();
	return ip;
}

/* Ethernet header and an IPv4 UDP packet of len bytes with a right checksum; its length. */
static uint16_t frame_make(struct rs_n *n, uint8_t *p, const struct endpoint *src,
			   const struct endpoint *dst, const uint8_t *body, uint16_t len)
{
	uint8_t *udp = p + RTE_ETHER_HDR_LEN + IP4_HDR_LEN;
	uint16_t total = (uint16_t)(UDP_HDR_LEN + len), check;
	struct outer o = {.src = &src->ip, .dst = &dst->ip, .ttl = 64, .proto = IPPROTO_UDP};

	memset(p, 0, RTE_ETHER_HDR_LEN);
	memcpy(p, n->bed.iface.mac.addr_bytes, RTE_ETHER_ADDR_LEN);
	p[11] = 0x77;
	store_be16(p + 12, RTE_ETHER_TYPE_IPV4);
	outer_write(udp, total, &o);
	store_be16(udp, src->port);
	store_be16(udp + 2, dst->port);
	store_be16(udp + 4, total);
	store_be16(udp + 6, 0);
	memcpy(udp + UDP_HDR_LEN, body, len);
	check = (uint16_t)~csum_fold(
		csum_bytes(udp, total, csum_pseudo(&src->ip, &dst->ip, IPPROTO_UDP, total)));
	memcpy(udp + 6, &check, sizeof(check));
	return (uint16_t)(RTE_ETHER_HDR_LEN + IP4_HDR_LEN + total);
}

static int leg_up(struct rs_n *n)
{
	struct rs_dp_leg leg = {.vip4 = ip_of("240.0.0.2"), .peer = n->node, .confirmed = true};
	struct epoch_keys k = {.peer_index = PEER_INDEX};
	struct ip_addr vip = ip_of("240.128.0.1"), rip = ip_of("198.51.100.80");
	int ret;

	n->send.suite = SUITE_AES128_GCM;
	n->recv.suite = SUITE_AES128_GCM;
	rng_fill(&n->rng, n->send.key, sizeof(n->send.key));
	rng_fill(&n->rng, n->recv.key, sizeof(n->recv.key));
	k.recv = n->send;
	k.send = n->recv;
	aead_expand(n->aead, &n->send, false, n->seal_keys);
	aead_expand(n->aead, &n->send, true, n->open_keys);
	ret = rs_dp_leg_reserve(n->bed.dp, 1, &n->index);
	if (ret == 0)
		ret = rs_dp_leg_add(n->bed.dp, n->index, &leg);
	if (ret == 0)
		ret = rs_dp_leg_key_install(n->bed.dp, n->index, &k, UINT64_MAX);
	if (ret == 0)
		ret = rs_dp_leg_key_use(n->bed.dp, n->index, 0);
	return ret == 0 ? rs_dp_binding_add(n->bed.dp, n->index, 1, &vip, &rip) : ret;
}

/* Flow i exists before anything is measured; its public end is noted. */
static int flows_up(struct rs_n *n)
{
	struct nat *nat = n->bed.w->rs->nat;
	struct ip_addr vip = ip_of("240.128.0.1");

	for (uint16_t i = 0; i < FLOWS; i++) {
		enum drop_reason why;
		struct nat_flow *f = nat_flow_open(nat, 0, NAT_UDP, (uint16_t)(5000 + i), &vip,
						   n->bed.w->now, &why);

		if (f == NULL)
			return -ENOSPC;
		nat_flow_touch(nat, f, true, 0, n->bed.w->now);
		n->pub[i] = (struct endpoint){*nat_pool_addr(nat->pool, f->addr), f->port};
	}
	return 0;
}

static void frame_open(struct rs_n *n, uint32_t i)
{
	struct endpoint own = *rs_dp_local(n->bed.dp, 0);
	struct endpoint mn = {ip_of("240.0.0.2"), (uint16_t)(5000 + i % FLOWS)};
	struct endpoint gn = {ip_of("240.128.0.1"), HOST_PORT};
	uint8_t inner[FRAME_MAX] = {0}, pkt[FRAME_MAX], body[FRAME_MAX] = {0};
	struct aead_op op = {.suite = SUITE_AES128_GCM,
			     .body_len = n->inner,
			     .pkt = pkt,
			     .keys = n->seal_keys,
			     .iv = n->send.iv};

	frame_make(n, inner, &mn, &gn, body, (uint16_t)(n->inner - IP4_HDR_LEN - UDP_HDR_LEN));
	wire_build(pkt, WIRE_DATA, wire_flags(true, 0, 0), i, n->index);
	memcpy(pkt + WIRE_HDR_LEN, inner + RTE_ETHER_HDR_LEN, n->inner);
	aead_seal(n->aead, &op, 1);
	n->len[OPEN] = frame_make(n, n->frame[OPEN][i], &n->node, &own, pkt,
				  (uint16_t)(n->inner + WIRE_OVERHEAD));
}

static void frame_seal(struct rs_n *n, uint32_t i)
{
	struct endpoint host = {ip_of("198.51.100.80"), HOST_PORT};
	uint8_t body[FRAME_MAX] = {0};

	n->len[SEAL] = frame_make(n, n->frame[SEAL][i], &host, &n->pub[i % FLOWS], body,
				  (uint16_t)(n->inner - IP4_HDR_LEN - UDP_HDR_LEN));
}

/* The pool's addresses are the worker's too. */
static int pool_up(struct rs_n *n, const struct nat_range *range)
{
	struct local_addr own = {.ip = ip_of("192.0.2.1")};
	struct local_pool pool = {range->prefix, range->port_min, range->port_max};

	local_destroy(n->bed.local);
	n->bed.local = local_create(&own, 1, &pool, 1);
	n->bed.w->local = n->bed.local;
	return n->bed.local == NULL ? -ENOMEM : 0;
}

static void rs_n_down(void *state)
{
	struct rs_n *n = state;

	rs_bed_down(&n->bed);
	aead_destroy(n->aead);
	free(n->frame[OPEN]);
	free(n->frame[SEAL]);
	free(n);
}

static int rs_n_up(void **state, uint16_t inner, const char *name)
{
	struct rs_n *n = aligned_alloc(64, RTE_ALIGN_CEIL(sizeof(*n), 64));
	struct rs_dp_config cfg = {
		.n_workers = 1, .paths_max = 64, .legs_max = 64, .bindings_max = 64};
	int ret;

	if (n == NULL)
		return -ENOMEM;
	memset(n, 0, sizeof(*n));
	n->inner = inner;
	n->node = (struct endpoint){ip_of("198.51.100.10"), 1111};
	rng_init_seeded(&n->rng, 3);
	cfg.rng = &n->rng;
	cfg.nat.n_ranges = 1;
	if (prefix_parse("192.0.2.64/30", &cfg.nat.ranges[0].prefix) < 0 ||
	    prefix_parse("198.51.100.0/24", &cfg.inner[cfg.n_inner++]) < 0)
		abort();
	cfg.nat.ranges[0].port_min = 1024;
	cfg.nat.ranges[0].port_max = 65535;
	n->aead = aead_create(AEAD_BEST);
	n->frame[OPEN] = calloc(PACKETS, FRAME_MAX);
	n->frame[SEAL] = calloc(PACKETS, FRAME_MAX);
	ret = n->aead == NULL || n->frame[OPEN] == NULL || n->frame[SEAL] == NULL
		      ? -ENOMEM
		      : rs_bed_up(&n->bed, name, &cfg);
	if (ret == 0)
		ret = pool_up(n, &cfg.nat.ranges[0]);
	if (ret == 0)
		ret = leg_up(n);
	if (ret == 0)
		ret = flows_up(n);
	for (uint32_t i = 0; ret == 0 && i < PACKETS; i++) {
		frame_open(n, i);
		frame_seal(n, i);
	}
	if (ret < 0) {
		rs_n_down(n);
		return ret;
	}
	*state = n;
	return 0;
}

static int up_64(void **state)
{
	return rs_n_up(state, 64, "rs_n_64");
}

static int up_512(void **state)
{
	return rs_n_up(state, 512, "rs_n_512");
}

static int up_1400(void **state)
{
	return rs_n_up(state, 1400, "rs_n_1400");
}

/* The frames again, and a node and a worker that have not sent anything yet. */
static void refill(struct rs_n *n, enum side side)
{
	struct leg_table *legs = n->bed.dp->legs;

	rte_ring_reset(n->bed.in);
	rte_ring_reset(n->bed.out);
	for (uint32_t i = 0; i < PACKETS; i++) {
		struct rte_mbuf *m = n->bed.pkt[i];

		rte_pktmbuf_reset(m);
		m->port = n->bed.port;
		m->data_len = n->len[side];
		m->pkt_len = n->len[side];
		memcpy(rte_pktmbuf_mtod(m, void *), n->frame[side][i], n->len[side]);
	}
	memset(legs->windows, 0, legs->windows_max * sizeof(*legs->windows));
	atomic_store(&legs->keys[0].tx_seq[0], 0);
	if (rte_ring_enqueue_bulk(n->bed.in, (void **)n->bed.pkt, PACKETS, NULL) != PACKETS)
		abort();
}

static void before_open(void *state)
{
	refill(state, OPEN);
}

static void before_seal(void *state)
{
	refill(state, SEAL);
}

static void run(void *state, uint64_t n)
{
	rs_bed_run(&((struct rs_n *)state)->bed, (uint32_t)n);
}

static void run_io(void *state, uint64_t n)
{
	rs_bed_run_io(&((struct rs_n *)state)->bed, (uint32_t)n);
}

static void run_look(void *state, uint64_t n)
{
	struct rs_n *s = state;
	struct nat *nat = s->bed.w->rs->nat;
	struct ip_addr rip = ip_of("198.51.100.80");
	uint64_t sum = 0;

	for (uint64_t i = 0; i < n; i++) {
		uint16_t port = s->pub[i % FLOWS].port;
		int addr = nat_pool_addr_find(nat->pool, &s->pub[i % FLOWS].ip);
		struct nat_flow *f = nat_flow_find_out(
			nat, nat_hash_out(nat, (uint16_t)addr, NAT_UDP, port, &rip), (uint16_t)addr,
			NAT_UDP, port, &rip);

		sum += f->in_port;
	}
	bench_use(sum);
}

/* The cipher alone on the buffers as refilled, in bursts as the stages do it. */
static void run_aead(struct rs_n *n, uint64_t packets, bool open)
{
	const uint16_t head = RTE_ETHER_HDR_LEN + IP4_HDR_LEN + UDP_HDR_LEN;
	struct aead_op op[BULK];

	for (uint64_t at = 0; at < packets; at += BULK) {
		for (unsigned int i = 0; i < BULK; i++) {
			struct rte_mbuf *m = n->bed.pkt[at + i];

			op[i] = (struct aead_op){
				.suite = SUITE_AES128_GCM,
				.body_len = n->inner,
				.pkt = rte_pktmbuf_mtod_offset(m, uint8_t *, head),
				.keys = open ? n->open_keys : n->seal_keys,
				.iv = n->send.iv,
			};
		}
		if (open)
			aead_open(n->aead, op, BULK);
		else
			aead_seal(n->aead, op, BULK);
	}
}

static void run_aead_open(void *state, uint64_t n)
{
	run_aead(state, n, true);
}

static void run_aead_seal(void *state, uint64_t n)
{
	run_aead(state, n, false);
}

/* clang-format off */
#define CASES(size)                                                                                \
	{"floor.rs_n.io." #size, BENCH_CYCLES, PACKETS, before_open, run_io, {{NULL}}},             \
	{"floor.rs_n.look." #size, BENCH_CYCLES, PACKETS, NULL, run_look, {{NULL}}},                \
	{"floor.rs_n.aead_open." #size, BENCH_CYCLES, PACKETS, before_open, run_aead_open, {{NULL}}}, \
	{"floor.rs_n.aead_seal." #size, BENCH_CYCLES, PACKETS, before_open, run_aead_seal, {{NULL}}}, \
	{"rs_n.open.gcm128." #size, BENCH_CYCLES, PACKETS, before_open, run,                        \
	 {{"floor.rs_n.io." #size, 1}, {"floor.rs_n.look." #size, 2},                               \
	  {"floor.rs_n.aead_open." #size, 1}}},                                                     \
	{"rs_n.seal.gcm128." #size, BENCH_CYCLES, PACKETS, before_seal, run,                        \
	 {{"floor.rs_n.io." #size, 1}, {"floor.rs_n.look." #size, 2},                               \
	  {"floor.rs_n.aead_seal." #size, 1}}},

static const struct bench_case cases_64[] = {CASES(64)};
static const struct bench_case cases_512[] = {CASES(512)};
static const struct bench_case cases_1400[] = {CASES(1400)};
/* clang-format on */

const struct bench_group bench_rs_n_64 = {"pipeline", "RS-N, 64 B", up_64,
					  rs_n_down,  cases_64,	    RTE_DIM(cases_64)};
const struct bench_group bench_rs_n_512 = {"pipeline", "RS-N, 512 B", up_512,
					   rs_n_down,  cases_512,     RTE_DIM(cases_512)};
const struct bench_group bench_rs_n_1400 = {"pipeline", "RS-N, 1400 B", up_1400,
					    rs_n_down,	cases_1400,	RTE_DIM(cases_1400)};
