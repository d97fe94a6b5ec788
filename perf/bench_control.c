/* SPDX-License-Identifier: BSD-3-Clause */
/* Handshakes and control messages: what a thread of the handshake pool and a control lcore spend. A
 * handshake is both sides' work, four messages' worth of steps; floor: one X25519 multiplication.
 */
#include "common/msg.h"
#include "common/noise.h"
#include "perf/groups.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

enum { HANDSHAKES = 64, MULTIPLICATIONS = 256, MESSAGES = 1 << 14 };

struct control_bench {
	struct rng rng;
	struct noise_keypair a, b;
	EVP_PKEY *own, *peer;
	struct msg msg, decoded;
	uint8_t buf[MSG_MAX];
	int len;
};

static void control_down(void *state)
{
	struct control_bench *c = state;

	EVP_PKEY_free(c->own);
	EVP_PKEY_free(c->peer);
	free(c);
}

static struct endpoint endpoint_of(const char *text)
{
	struct endpoint e;

	if (endpoint_parse(text, &e) < 0)
		abort();
	return e;
}

/* A Route Direction as a DC sends it: 20 fields, some of them rows. */
static void message_fill(struct msg *m)
{
	struct msg_grant *g = &m->grants[0];

	msg_init(m, MSG_ROUTE_DIRECTION, false, 0x01020304);
	m->has = HAS(RELAY_TYPE) | HAS(PEER_NAME) | HAS(PATH_ID) | HAS(SIDE) | HAS(PATH_KEY) |
		 HAS(PEER_VIPS) | HAS(GRANT) | HAS(CANDIDATE) | HAS(SUITES) | HAS(REASON);
	snprintf(m->peer_name, sizeof(m->peer_name), "bob.dc1.ntm.example");
	m->path_id = 77;
	m->peer_vips.v4 = endpoint_of("240.1.0.2:1").ip;
	m->peer_vips.v6 = endpoint_of("[fd00:1::2]:1").ip;
	m->suites_n = 2;
	m->suites[0] = 1;
	m->suites[1] = 3;
	m->candidates_n = 2;
	m->candidates[0] = (struct candidate){CANDIDATE_LOCAL, 1, endpoint_of("192.168.1.2:5525")};
	m->candidates[1] = (struct candidate){CANDIDATE_DC, 1, endpoint_of("[2a00::1]:40000")};
	snprintf(m->reason_text, sizeof(m->reason_text), "both behind NATs");
	m->grants_n = 1;
	g->has = HAS(RS_ID) | HAS(KEY_ID) | HAS(TEMP_KEY) | HAS(ENDPOINT) | HAS(LIFETIME);
	g->key_id = 0x8000000000000001ULL;
	g->endpoints_n = 2;
	g->endpoints[0] = endpoint_of("20.0.0.1:4700");
	g->endpoints[1] = endpoint_of("[2a00::9]:4700");
}

static int control_up(void **state)
{
	struct control_bench *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return -ENOMEM;
	rng_init_system(&c->rng);
	noise_keypair_generate(&c->a, &c->rng);
	noise_keypair_generate(&c->b, &c->rng);
	c->own = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, c->a.priv, 32);
	c->peer = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, c->b.pub, 32);
	message_fill(&c->msg);
	c->len = msg_encode(&c->msg, c->buf, sizeof(c->buf));
	if (c->own == NULL || c->peer == NULL || c->len < 0) {
		control_down(c);
		return -EINVAL;
	}
	*state = c;
	return 0;
}

static void handshake(struct control_bench *c, enum noise_pattern pattern)
{
	static const uint8_t psk[NOISE_PSK_LEN] = {1};
	uint8_t m1[256], m2[256], out[256], k1[32], k2[32];
	struct noise a, b;
	int n1, n2;

	noise_init(&a, pattern, true, "NTM1", 4, pattern == NOISE_IKPSK2 ? &c->a : NULL,
		   pattern == NOISE_IKPSK2 ? c->b.pub : NULL);
	noise_init(&b, pattern, false, "NTM1", 4, pattern == NOISE_IKPSK2 ? &c->b : NULL, NULL);
	noise_set_psk(&a, psk);
	noise_set_psk(&b, psk);
	n1 = noise_write_1(&a, &c->rng, psk, 32, m1, sizeof(m1));
	if (n1 < 0 || noise_read_1(&b, m1, (size_t)n1, out, sizeof(out)) < 0)
		abort();
	n2 = noise_write_2(&b, &c->rng, psk, 32, m2, sizeof(m2));
	if (n2 < 0 || noise_read_2(&a, m2, (size_t)n2, out, sizeof(out)) < 0)
		abort();
	if (noise_split(&a, k1, k2) < 0 || noise_split(&b, k1, k2) < 0)
		abort();
}

static void run_ik(void *state, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		handshake(state, NOISE_IKPSK2);
}

static void run_nn(void *state, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		handshake(state, NOISE_NNPSK0);
}

static void run_x25519(void *state, uint64_t n)
{
	struct control_bench *c = state;
	uint8_t out[32];
	size_t len = sizeof(out);

	for (uint64_t i = 0; i < n; i++) {
		EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(c->own, NULL);

		if (ctx == NULL || EVP_PKEY_derive_init(ctx) != 1 ||
		    EVP_PKEY_derive_set_peer(ctx, c->peer) != 1 ||
		    EVP_PKEY_derive(ctx, out, &len) != 1)
			abort();
		EVP_PKEY_CTX_free(ctx);
	}
}

static void run_encode(void *state, uint64_t n)
{
	struct control_bench *c = state;

	for (uint64_t i = 0; i < n; i++)
		bench_use((uint64_t)msg_encode(&c->msg, c->buf, sizeof(c->buf)));
}

static void run_decode(void *state, uint64_t n)
{
	struct control_bench *c = state;

	for (uint64_t i = 0; i < n; i++)
		if (msg_decode(&c->decoded, c->buf, (size_t)c->len) < 0)
			abort();
}

/* clang-format off */
static const struct bench_case cases[] = {
	{"floor.x25519", BENCH_PER_SECOND, MULTIPLICATIONS, NULL, run_x25519, {{NULL}}},
	{"handshake.ikpsk2", BENCH_PER_SECOND, HANDSHAKES, NULL, run_ik, {{"floor.x25519", 8}}},
	{"handshake.nnpsk0", BENCH_PER_SECOND, HANDSHAKES, NULL, run_nn, {{"floor.x25519", 2}}},
	{"msg.encode", BENCH_PER_SECOND, MESSAGES, NULL, run_encode, {{NULL}}},
	{"msg.decode", BENCH_PER_SECOND, MESSAGES, NULL, run_decode, {{NULL}}},
};
/* clang-format on */

const struct bench_group bench_control = {
	"control", "handshakes and messages", control_up, control_down, cases, RTE_DIM(cases)};
