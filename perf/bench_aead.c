/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet protection of the data path, bursts of 32 hot packets under one key. Floor: IPsec-MB's own
 * direct calls on the same buffers, without our operation records, nonces or headers.
 */
#include "appliance/aead.h"
#include "appliance/table_mem.h"
#include "common/rng.h"
#include "perf/groups.h"

#include <errno.h>
#include <intel-ipsec-mb.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

enum { BURST = AEAD_BURST, ROOM = 1536, OPS = 1 << 16, KEY_SUITES = 3 };

static const uint8_t suites[KEY_SUITES] = {SUITE_AES128_GCM, SUITE_AES128_CBC_HMAC_MD5,
					   SUITE_AES128_CBC_HMAC_SHA256};

struct aead_state {
	struct aead *a;
	IMB_MGR *mb;
	struct gcm_key_data key __rte_aligned(64);
	uint8_t tx[KEY_SUITES][AEAD_KEY_BYTES] __rte_aligned(64);
	uint8_t rx[KEY_SUITES][AEAD_KEY_BYTES] __rte_aligned(64);
	struct keys keys[KEY_SUITES];
	uint8_t pkt[BURST][ROOM] __rte_aligned(64);
	uint8_t sealed[BURST][ROOM]; /* what opening starts from */
	struct aead_op op[BURST];
	uint16_t len; /* of the body */
	unsigned int suite;
};

static void aead_down(void *state)
{
	struct aead_state *s = state;

	if (s->a != NULL)
		aead_destroy(s->a);
	if (s->mb != NULL)
		free_mb_mgr(s->mb);
	table_mem_free(s, sizeof(*s));
}

static int aead_up(void **state)
{
	static const uint8_t split[KEYS_SPLIT_LEN] = {1, 2, 3};
	struct aead_state *s = table_mem_alloc(sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	s->a = aead_create(AEAD_BEST);
	s->mb = alloc_mb_mgr(0);
	if (s->a == NULL || s->mb == NULL) {
		aead_down(s);
		return -ENOTSUP;
	}
	init_mb_mgr_auto(s->mb, NULL);
	for (int i = 0; i < KEY_SUITES; i++) {
		if (keys_derive(&s->keys[i], suites[i], split) < 0) {
			aead_down(s);
			return -EINVAL;
		}
		aead_expand(s->a, &s->keys[i], false, s->tx[i]);
		aead_expand(s->a, &s->keys[i], true, s->rx[i]);
	}
	IMB_AES128_GCM_PRE(s->mb, s->keys[0].key, &s->key);
	*state = s;
	return 0;
}

static void ops_set(struct aead_state *s, bool sealing, uint16_t sealed_body)
{
	for (int i = 0; i < BURST; i++)
		s->op[i] = (struct aead_op){
			.suite = suites[s->suite],
			.body_len = sealing ? s->len : sealed_body,
			.keys = sealing ? s->tx[s->suite] : s->rx[s->suite],
			.iv = s->keys[s->suite].iv,
			.pkt = s->pkt[i],
		};
}

static void prepare(struct aead_state *s, unsigned int suite, uint16_t len)
{
	s->suite = suite;
	s->len = len;
	memset(s->pkt, 0, sizeof(s->pkt));
	for (int i = 0; i < BURST; i++)
		wire_build(s->pkt[i], WIRE_DATA, wire_flags(true, 0, 0), (uint64_t)i, 77);
	ops_set(s, true, 0);
	aead_seal(s->a, s->op, BURST);
	memcpy(s->sealed, s->pkt, sizeof(s->pkt));
}

/* Sealing sealed bytes again costs the same; a fresh header each time would measure memcpy. */
static void run_seal(void *state, uint64_t n)
{
	struct aead_state *s = state;

	ops_set(s, true, 0);
	for (uint64_t at = 0; at < n; at += BURST)
		aead_seal(s->a, s->op, BURST);
}

/* Opening decrypts in place, so a packet opens once: what comes later fails its tag, after the same
 * work. CBC suites look at the tag first, so they get their bytes back each time.
 */
static void run_open(void *state, uint64_t n)
{
	struct aead_state *s = state;
	uint16_t body = (uint16_t)(aead_sealed_len(suites[s->suite], s->len) - WIRE_OVERHEAD);
	bool cbc = s->suite != 0;

	for (uint64_t at = 0; at < n; at += BURST) {
		if (cbc)
			for (int i = 0; i < BURST; i++)
				memcpy(s->pkt[i], s->sealed[i], body + (size_t)WIRE_OVERHEAD);
		ops_set(s, false, body);
		aead_open(s->a, s->op, BURST);
	}
}

static void run_copy(void *state, uint64_t n)
{
	struct aead_state *s = state;
	uint16_t body = (uint16_t)(aead_sealed_len(suites[s->suite], s->len) - WIRE_OVERHEAD);

	for (uint64_t at = 0; at < n; at += BURST)
		for (int i = 0; i < BURST; i++)
			memcpy(s->pkt[i], s->sealed[i], body + (size_t)WIRE_OVERHEAD);
}

static void run_imb(void *state, uint64_t n)
{
	struct aead_state *s = state;
	struct gcm_context_data ctx;

	for (uint64_t at = 0; at < n; at += BURST)
		for (int i = 0; i < BURST; i++) {
			uint8_t *p = s->pkt[i], *body = p + WIRE_HDR_LEN;

			IMB_AES128_GCM_ENC(s->mb, &s->key, &ctx, body, body, s->len, s->keys[0].iv,
					   p, WIRE_HDR_LEN, body + s->len, WIRE_TAG_LEN);
		}
}

#define BEFORE(name, suite, len)                                                                   \
	static void before_##name(void *state)                                                     \
	{                                                                                          \
		prepare(state, suite, len);                                                        \
	}
BEFORE(64, 0, 64)
BEFORE(512, 0, 512)
BEFORE(1400, 0, 1400)
BEFORE(md5, 1, 1400)
BEFORE(sha256, 2, 1400)

/* clang-format off */
static const struct bench_case cases[] = {
	{"floor.aead.gcm128.64", BENCH_CYCLES, OPS, before_64, run_imb, {{NULL}}},
	{"aead.seal.gcm128.64", BENCH_CYCLES, OPS, before_64, run_seal, {{"floor.aead.gcm128.64", 1}}},
	{"aead.open.gcm128.64", BENCH_CYCLES, OPS, before_64, run_open, {{"floor.aead.gcm128.64", 1}}},
	{"floor.aead.gcm128.512", BENCH_CYCLES, OPS, before_512, run_imb, {{NULL}}},
	{"aead.seal.gcm128.512", BENCH_CYCLES, OPS, before_512, run_seal, {{"floor.aead.gcm128.512", 1}}},
	{"aead.open.gcm128.512", BENCH_CYCLES, OPS, before_512, run_open, {{"floor.aead.gcm128.512", 1}}},
	{"floor.aead.gcm128.1400", BENCH_CYCLES, OPS, before_1400, run_imb, {{NULL}}},
	{"aead.seal.gcm128.1400", BENCH_CYCLES, OPS, before_1400, run_seal, {{"floor.aead.gcm128.1400", 1}}},
	{"aead.open.gcm128.1400", BENCH_CYCLES, OPS, before_1400, run_open, {{"floor.aead.gcm128.1400", 1}}},
	{"floor.copy.1400", BENCH_CYCLES, OPS / 4, before_md5, run_copy, {{NULL}}},
	{"aead.open.cbc_md5.1400", BENCH_CYCLES, OPS / 4, before_md5, run_open, {{NULL}}},
	{"aead.open.cbc_sha256.1400", BENCH_CYCLES, OPS / 4, before_sha256, run_open, {{NULL}}},
};
/* clang-format on */

const struct bench_group bench_aead = {
	"crypto", "packet protection (IPsec-MB)", aead_up, aead_down, cases, RTE_DIM(cases)};
