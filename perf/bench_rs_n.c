/* SPDX-License-Identifier: BSD-3-Clause */
/* RS-N whole over net_ring. "open": sealed packets from nodes come out translated to the general host;
 * "seal": the host's come out sealed for the nodes. Hot: one node, its keys and the packets in the
 * cache, as they are behind a NIC that writes there. ".far": the same node, every packet out of memory.
 * "cold64k": 64 k nodes in no order, keys and all records out of memory too. Floors: the I/O, two look-ups
 * (leg and flow), and IPsec-MB alone, on the same buffers and keys.
 */
#include "appliance/aead.h"
#include "common/wire.h"
#include "perf/groups.h"
#include "perf/rs_n_bed.h"

#include <rte_prefetch.h>

#include <errno.h>
#include <intel-ipsec-mb.h>
#include <stdlib.h>

enum {
	HOT_PACKETS = (1 << 15) / BENCH_SMALLER,
	HOT_FLOWS = 256,
	NEAR = 128, /* packets that stay in the second-level cache: 300 kB of 1400 */
	NEAR_OPS = (1 << 14) / BENCH_SMALLER,
	COLD_PACKETS = (1 << 16) / BENCH_SMALLER,
	BULK = 32,
	AHEAD = 3, /* packets by which the cold floor fetches keys and bodies */
	AHEAD_MBUF = 16,
	AES_BLOCK = 16,
};

static void rs_n_down(void *state)
{
	rs_n_bed_down(state);
}

static int hot_up(void **state, uint8_t suite, uint16_t inner, const char *name)
{
	struct rs_n_config c = {.name = name,
				.suite = suite,
				.inner = inner,
				.legs = 1,
				.flows = HOT_FLOWS,
				.packets = HOT_PACKETS};

	return rs_n_bed_up((struct rs_n_bed **)state, &c);
}

static int up_64(void **state)
{
	return hot_up(state, SUITE_AES128_GCM, 64, "rs_n_64");
}

static int up_512(void **state)
{
	return hot_up(state, SUITE_AES128_GCM, 512, "rs_n_512");
}

static int up_1400(void **state)
{
	return hot_up(state, SUITE_AES128_GCM, 1400, "rs_n_1400");
}

static int up_sha256(void **state)
{
	return hot_up(state, SUITE_AES128_CBC_HMAC_SHA256, 1400, "rs_n_sha256");
}

static int up_md5(void **state)
{
	return hot_up(state, SUITE_AES128_CBC_HMAC_MD5, 1400, "rs_n_md5");
}

static int up_cold(void **state)
{
	struct rs_n_config c = {.name = "rs_n_cold",
				.suite = SUITE_AES128_GCM,
				.inner = 1400,
				.legs = COLD_PACKETS,
				.flows = COLD_PACKETS,
				.packets = COLD_PACKETS};

	return rs_n_bed_up((struct rs_n_bed **)state, &c);
}

static void before_open(void *state)
{
	rs_n_bed_refill(state, RS_N_OPEN);
}

static void before_seal(void *state)
{
	rs_n_bed_refill(state, RS_N_SEAL);
}

/* What was refilled is run whole. */
static void run(void *state, uint64_t n)
{
	struct rs_n_bed *b = state;

	rs_bed_run(&b->bed, b->cfg.packets);
}

static void run_io(void *state, uint64_t n)
{
	struct rs_n_bed *b = state;

	rs_bed_run_io(&b->bed, b->cfg.packets);
}

/* ---- the first few packets, again and again ---- */

static void near_run(struct rs_n_bed *b, uint64_t n, enum rs_n_side side,
		     void (*pass)(struct rs_bed *bed, uint32_t n))
{
	for (uint64_t at = 0; at < n; at += NEAR) {
		bench_pause();
		rs_n_bed_forget(b);
		rs_n_bed_put(b, b->frame[side], b->len[side], NEAR);
		bench_resume();
		pass(&b->bed, NEAR);
	}
}

static void run_near_open(void *state, uint64_t n)
{
	near_run(state, n, RS_N_OPEN, rs_bed_run);
}

static void run_near_seal(void *state, uint64_t n)
{
	near_run(state, n, RS_N_SEAL, rs_bed_run);
}

static void run_near_io(void *state, uint64_t n)
{
	near_run(state, n, RS_N_OPEN, rs_bed_run_io);
}

static void run_look(void *state, uint64_t n)
{
	struct rs_n_bed *s = state;
	struct nat *nat = s->bed.w->rs->nat;
	struct ip_addr rip;
	uint64_t sum = 0;

	if (ip_parse("198.51.100.80", &rip) < 0)
		abort();
	for (uint64_t i = 0; i < n; i++) {
		const struct endpoint *pub = &s->pub[i % s->cfg.flows];
		int addr = nat_pool_addr_find(nat->pool, &pub->ip);
		struct nat_flow *f = nat_flow_find_out(
			nat, nat_hash_out(nat, (uint16_t)addr, NAT_UDP, pub->port, &rip),
			(uint16_t)addr, NAT_UDP, pub->port, &rip);

		sum += f->in_port;
	}
	bench_use(sum);
}

/* ---- IPsec-MB alone ---- */

/* The body is as long as it was sealed: whole blocks under CBC. */
static void op_set(struct rs_n_bed *b, struct aead_op *op, uint64_t i)
{
	uint32_t leg = rs_n_bed_leg(b, i);

	*op = (struct aead_op){
		.suite = b->cfg.suite,
		.body_len = (uint16_t)(aead_sealed_len(b->cfg.suite, b->cfg.inner) - WIRE_OVERHEAD),
		.pkt = rs_n_bed_ntm(b, i),
		.keys = leg_key_rx(b->bed.dp->legs, &b->bed.dp->legs->keys[b->key[leg]]),
		.iv = b->send[leg].iv,
	};
}

/* In bursts as the stages do it. */
static void run_aead(struct rs_n_bed *b, uint64_t packets, bool open)
{
	struct aead *a = b->bed.dp->workers[0].aead;
	struct aead_op op[BULK];

	for (uint64_t at = 0; at < packets; at += BULK) {
		for (unsigned int i = 0; i < BULK; i++)
			op_set(b, &op[i], at + i);
		if (open)
			aead_open(a, op, BULK);
		else
			aead_seal(a, op, BULK);
	}
}

static void run_aead_open(void *state, uint64_t n)
{
	run_aead(state, n, true);
}

static void run_near_aead_open(void *state, uint64_t n)
{
	for (uint64_t at = 0; at < n; at += NEAR)
		run_aead(state, NEAR, true);
}

static void run_near_aead_seal(void *state, uint64_t n)
{
	for (uint64_t at = 0; at < n; at += NEAR)
		run_aead(state, NEAR, false);
}

static void fetch(const uint8_t *p, unsigned int bytes)
{
	for (unsigned int at = 0; at < bytes; at += RTE_CACHE_LINE_SIZE)
		rte_prefetch0(p + at);
}

/* As good as it gets: the next packets' keys and bodies are on their way while this one is opened. */
static void run_aead_ahead(void *state, uint64_t n)
{
	struct rs_n_bed *b = state;
	struct aead *a = b->bed.dp->workers[0].aead;
	struct aead_op op[AHEAD + 1];

	for (uint64_t i = 0; i < n + AHEAD; i++) {
		if (i + AHEAD_MBUF < n)
			rte_prefetch0(b->bed.pkt[i + AHEAD_MBUF]);
		if (i < n) {
			struct aead_op *next = &op[i % (AHEAD + 1)];

			op_set(b, next, i);
			fetch(next->keys, aead_key_bytes(a));
			fetch(next->pkt, WIRE_OVERHEAD + next->body_len);
		}
		if (i >= AHEAD)
			aead_open(a, &op[(i - AHEAD) % (AHEAD + 1)], 1);
	}
}

/* CBC: cipher and HMAC chained in one job per packet, a burst in flight, the IV given. */
struct imb_cbc {
	IMB_MGR *mb;
	uint8_t enc[11 * AES_BLOCK] __rte_aligned(AES_BLOCK);
	uint8_t dec[11 * AES_BLOCK] __rte_aligned(AES_BLOCK);
	uint8_t ipad[64] __rte_aligned(64);
	uint8_t opad[64] __rte_aligned(64);
	uint8_t iv[AES_BLOCK] __rte_aligned(AES_BLOCK);
	uint8_t tag[BULK][32];
};

/* State of the hash after a block of key xor pad. */
static void imb_pad(IMB_MGR *mb, const struct keys *k, uint8_t pad, uint8_t *out)
{
	bool md5 = k->suite == SUITE_AES128_CBC_HMAC_MD5;
	uint8_t block[64];

	memset(block, pad, sizeof(block));
	for (int i = 0; i < (md5 ? 16 : 32); i++)
		block[i] ^= k->mac[i];
	if (md5)
		IMB_MD5_ONE_BLOCK(mb, block, out);
	else
		IMB_SHA256_ONE_BLOCK(mb, block, out);
}

static void imb_cbc_up(struct imb_cbc *c, const struct keys *k)
{
	c->mb = alloc_mb_mgr(0);
	if (c->mb == NULL)
		abort();
	init_mb_mgr_auto(c->mb, NULL);
	IMB_AES_KEYEXP_128(c->mb, k->enc, c->enc, c->dec);
	imb_pad(c->mb, k, 0x36, c->ipad);
	imb_pad(c->mb, k, 0x5c, c->opad);
}

static void imb_cbc_fill(struct imb_cbc *c, IMB_JOB *j, const struct rs_n_bed *b, uint64_t i,
			 uint16_t body)
{
	j->cipher_mode = IMB_CIPHER_CBC;
	j->cipher_direction = IMB_DIR_DECRYPT;
	j->chain_order = IMB_ORDER_HASH_CIPHER;
	j->hash_alg =
		b->cfg.suite == SUITE_AES128_CBC_HMAC_MD5 ? IMB_AUTH_MD5 : IMB_AUTH_HMAC_SHA_256;
	j->enc_keys = c->enc;
	j->dec_keys = c->dec;
	j->key_len_in_bytes = AES_BLOCK;
	j->iv = c->iv;
	j->iv_len_in_bytes = AES_BLOCK;
	j->src = rs_n_bed_ntm(b, i);
	j->dst = rs_n_bed_ntm(b, i) + WIRE_HDR_LEN;
	j->cipher_start_src_offset_in_bytes = WIRE_HDR_LEN;
	j->msg_len_to_cipher_in_bytes = body;
	j->hash_start_src_offset_in_bytes = 0;
	j->msg_len_to_hash_in_bytes = WIRE_HDR_LEN + (uint64_t)body;
	j->u.HMAC._hashed_auth_key_xor_ipad = c->ipad;
	j->u.HMAC._hashed_auth_key_xor_opad = c->opad;
	j->auth_tag_output = c->tag[i % BULK];
	j->auth_tag_output_len_in_bytes = WIRE_TAG_LEN;
}

static void run_imb_cbc(void *state, uint64_t n)
{
	const struct rs_n_bed *b = state;
	struct imb_cbc *c = aligned_alloc(64, RTE_ALIGN_CEIL(sizeof(*c), 64));
	uint16_t body = (uint16_t)(aead_sealed_len(b->cfg.suite, b->cfg.inner) - WIRE_OVERHEAD);
	IMB_JOB *jobs[BULK];

	if (c == NULL)
		abort();
	imb_cbc_up(c, &b->send[0]);
	for (uint64_t at = 0; at < n; at += BULK) {
		uint32_t done;

		if (IMB_GET_NEXT_BURST(c->mb, BULK, jobs) < BULK)
			abort();
		for (unsigned int i = 0; i < BULK; i++)
			imb_cbc_fill(c, jobs[i], b, at + i, body);
		done = IMB_SUBMIT_BURST(c->mb, BULK, jobs);
		while (done < BULK) {
			uint32_t more = IMB_FLUSH_BURST(c->mb, BULK, jobs);

			if (more == 0)
				abort();
			done += more;
		}
	}
	bench_use(c->tag[0][0]);
	free_mb_mgr(c->mb);
	free(c);
}

/* clang-format off */
#define FLOOR(name, look, size) {{"floor.rs_n.io." #size, 1}, {"floor.rs_n.look." #look, 2}, {"floor.rs_n." name "." #size, 1}}
#define CASES(size)                                                                                \
	{"floor.rs_n.look." #size, BENCH_CYCLES, HOT_PACKETS, NULL, run_look, {{NULL}}},                   \
	{"floor.rs_n.io." #size, BENCH_CYCLES, NEAR_OPS, NULL, run_near_io, {{NULL}}},              \
	{"floor.rs_n.aead_open." #size, BENCH_CYCLES, NEAR_OPS, before_open, run_near_aead_open, {{NULL}}}, \
	{"floor.rs_n.aead_seal." #size, BENCH_CYCLES, NEAR_OPS, before_open, run_near_aead_seal, {{NULL}}}, \
	{"rs_n.open.gcm128." #size, BENCH_CYCLES, NEAR_OPS, NULL, run_near_open, FLOOR("aead_open", size, size)}, \
	{"rs_n.seal.gcm128." #size, BENCH_CYCLES, NEAR_OPS, NULL, run_near_seal, FLOOR("aead_seal", size, size)}, \
	{"floor.rs_n.io." #size ".far", BENCH_CYCLES, HOT_PACKETS, before_open, run_io, {{NULL}}},  \
	{"floor.rs_n.aead_open." #size ".far", BENCH_CYCLES, HOT_PACKETS, before_open, run_aead_ahead, {{NULL}}}, \
	{"rs_n.open.gcm128." #size ".far", BENCH_CYCLES, HOT_PACKETS, before_open, run, FLOOR("aead_open", size, size.far)}, \
	{"rs_n.seal.gcm128." #size ".far", BENCH_CYCLES, HOT_PACKETS, before_seal, run, FLOOR("aead_open", size, size.far)},
#define CBC_CASES(suite)                                                                           \
	{"floor.rs_n.imb." #suite, BENCH_CYCLES, HOT_PACKETS, before_open, run_imb_cbc, {{NULL}}},  \
	{"floor.rs_n.aead_open." #suite, BENCH_CYCLES, HOT_PACKETS, before_open, run_aead_open,     \
	 {{"floor.rs_n.imb." #suite, 1}}},                                                          \
	{"rs_n.open." #suite ".1400", BENCH_CYCLES, HOT_PACKETS, before_open, run,                  \
	 {{"floor.rs_n.imb." #suite, 1}}},

static const struct bench_case cases_64[] = {CASES(64)};
static const struct bench_case cases_512[] = {CASES(512)};
static const struct bench_case cases_1400[] = {CASES(1400)};
static const struct bench_case cases_sha256[] = {CBC_CASES(cbc_sha256)};
static const struct bench_case cases_md5[] = {CBC_CASES(cbc_md5)};
static const struct bench_case cases_cold[] = {
	{"floor.rs_n.aead_open.cold64k", BENCH_CYCLES, COLD_PACKETS, before_open, run_aead_open, {{NULL}}},
	{"floor.rs_n.aead_ahead.cold64k", BENCH_CYCLES, COLD_PACKETS, before_open, run_aead_ahead, {{NULL}}},
	{"rs_n.open.gcm128.1400.cold64k", BENCH_CYCLES, COLD_PACKETS, before_open, run,
	 {{"floor.rs_n.aead_ahead.cold64k", 1}}},
	{"rs_n.seal.gcm128.1400.cold64k", BENCH_CYCLES, COLD_PACKETS, before_seal, run,
	 {{"floor.rs_n.aead_ahead.cold64k", 1}}},
};
/* clang-format on */

const struct bench_group bench_rs_n_64 = {"pipeline", "RS-N, 64 B", up_64,
					  rs_n_down,  cases_64,	    RTE_DIM(cases_64)};
const struct bench_group bench_rs_n_512 = {"pipeline", "RS-N, 512 B", up_512,
					   rs_n_down,  cases_512,     RTE_DIM(cases_512)};
const struct bench_group bench_rs_n_1400 = {"pipeline", "RS-N, 1400 B", up_1400,
					    rs_n_down,	cases_1400,	RTE_DIM(cases_1400)};
const struct bench_group bench_rs_n_sha256 = {"pipeline",   "RS-N, CBC + HMAC-SHA-256",
					      up_sha256,    rs_n_down,
					      cases_sha256, RTE_DIM(cases_sha256)};
const struct bench_group bench_rs_n_md5 = {"pipeline", "RS-N, CBC + HMAC-MD5", up_md5, rs_n_down,
					   cases_md5,  RTE_DIM(cases_md5)};
const struct bench_group bench_rs_n_cold = {
	"pipeline", "RS-N, 64 k nodes, cold", up_cold, rs_n_down, cases_cold, RTE_DIM(cases_cold)};
