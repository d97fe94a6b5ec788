/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet protection of the node: sequence, replay window, limits and counters around OpenSSL. Floor:
 * one EVP AES-128-GCM encryption of the same bytes, context made once.
 */
#include "common/session.h"
#include "perf/groups.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

enum { PACKETS = 256, ROOM = 1536, OPS = (1 << 14) / BENCH_SMALLER };

struct session_bench {
	struct session_pool *pool;
	struct session *a, *b;
	EVP_CIPHER_CTX *evp;
	uint16_t len;
	size_t sealed_len;
	uint8_t body[ROOM], out[ROOM];
	uint8_t pkt[OPS][ROOM];
};

static void session_down(void *state)
{
	struct session_bench *s = state;

	if (s->a != NULL)
		session_destroy(s->a);
	if (s->b != NULL)
		session_destroy(s->b);
	if (s->pool != NULL)
		session_pool_destroy(s->pool);
	EVP_CIPHER_CTX_free(s->evp);
	free(s);
}

static struct session *end_create(struct session_pool *pool, bool is_side_a)
{
	static const uint8_t split[2][KEYS_SPLIT_LEN] = {{1}, {2}};
	struct epoch_keys k = {
		.own_index = 77, .peer_index = 77, .is_side_a = is_side_a, .may_send = true};
	struct session *s = session_create(77, is_side_a, &session_limits_default, pool);

	if (s == NULL || keys_derive(&k.send, SUITE_AES128_GCM, split[!is_side_a]) < 0 ||
	    keys_derive(&k.recv, SUITE_AES128_GCM, split[is_side_a]) < 0 ||
	    session_install(s, 1, &k) < 0)
		return NULL;
	return s;
}

static int session_up(void **state)
{
	static const uint8_t key[16] = {1};
	struct session_bench *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	s->pool = session_pool_create(8);
	s->a = end_create(s->pool, true);
	s->b = end_create(s->pool, false);
	s->evp = EVP_CIPHER_CTX_new();
	if (s->a == NULL || s->b == NULL || s->evp == NULL ||
	    EVP_EncryptInit_ex(s->evp, EVP_aes_128_gcm(), NULL, key, NULL) != 1) {
		session_down(s);
		return -ENOMEM;
	}
	*state = s;
	return 0;
}

static void run_seal(void *state, uint64_t n)
{
	struct session_bench *s = state;

	for (uint64_t i = 0; i < n; i++)
		if (session_seal(s->a, 2, WIRE_DATA, 0, s->body, s->len, s->pkt[i % PACKETS], ROOM,
				 &s->sealed_len) != SESSION_OK)
			abort();
}

/* Every packet opens once: as many are sealed as will be opened. */
static void seal_all(struct session_bench *s, uint16_t len)
{
	s->len = len;
	for (uint64_t i = 0; i < OPS; i++)
		if (session_seal(s->a, 2, WIRE_DATA, 0, s->body, len, s->pkt[i], ROOM,
				 &s->sealed_len) != SESSION_OK)
			abort();
}

static void run_open(void *state, uint64_t n)
{
	struct session_bench *s = state;
	struct session_meta meta;
	size_t len;

	for (uint64_t i = 0; i < n; i++)
		if (session_open(s->b, 2, s->pkt[i], s->sealed_len, s->out, &len, &meta) !=
		    SESSION_OK)
			abort();
}

static void run_evp(void *state, uint64_t n)
{
	struct session_bench *s = state;
	uint8_t iv[12] = {0}, tag[16];
	int len;

	for (uint64_t i = 0; i < n; i++) {
		uint8_t *p = s->pkt[i % PACKETS];

		memcpy(iv, &i, sizeof(i));
		EVP_EncryptInit_ex(s->evp, NULL, NULL, NULL, iv);
		EVP_EncryptUpdate(s->evp, NULL, &len, p, WIRE_HDR_LEN);
		EVP_EncryptUpdate(s->evp, p + WIRE_HDR_LEN, &len, s->body, s->len);
		EVP_EncryptFinal_ex(s->evp, p + WIRE_HDR_LEN + len, &len);
		EVP_CIPHER_CTX_ctrl(s->evp, EVP_CTRL_AEAD_GET_TAG, sizeof(tag), tag);
	}
}

#define BEFORE(n)                                                                                  \
	static void len_##n(void *state)                                                           \
	{                                                                                          \
		((struct session_bench *)state)->len = n;                                          \
	}                                                                                          \
	static void sealed_##n(void *state)                                                        \
	{                                                                                          \
		seal_all(state, n);                                                                \
	}
BEFORE(64)
BEFORE(1400)

/* clang-format off */
static const struct bench_case cases[] = {
	{"floor.evp.gcm128.64", BENCH_CYCLES, OPS, len_64, run_evp, {{NULL}}},
	{"session.seal.gcm128.64", BENCH_CYCLES, OPS, len_64, run_seal, {{"floor.evp.gcm128.64", 1}}},
	{"session.open.gcm128.64", BENCH_CYCLES, OPS, sealed_64, run_open, {{"floor.evp.gcm128.64", 1}}},
	{"floor.evp.gcm128.1400", BENCH_CYCLES, OPS, len_1400, run_evp, {{NULL}}},
	{"session.seal.gcm128.1400", BENCH_CYCLES, OPS, len_1400, run_seal, {{"floor.evp.gcm128.1400", 1}}},
	{"session.open.gcm128.1400", BENCH_CYCLES, OPS, sealed_1400, run_open, {{"floor.evp.gcm128.1400", 1}}},
};
/* clang-format on */

const struct bench_group bench_session = {
	"crypto", "packets of a node (OpenSSL)", session_up, session_down, cases, RTE_DIM(cases)};
