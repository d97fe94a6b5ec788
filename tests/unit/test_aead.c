/* SPDX-License-Identifier: BSD-3-Clause */
/* The data path's packet protection against that of nodes (common/seal.c), both ways, in every variant
 * that this CPU has; one that it lacks is refused.
 */
#include "appliance/aead_backend.h"
#include "common/csum.h"
#include "common/rng.h"
#include "common/seal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <cmocka.h>

enum { LEN_MAX = 1500, ROOM = LEN_MAX + 64, ROUNDS = 40 };

static const uint8_t suites[] = {SUITE_AES128_GCM, SUITE_AES256_GCM, SUITE_CHACHA20_POLY1305,
				 SUITE_AES128_CBC_HMAC_MD5, SUITE_AES128_CBC_HMAC_SHA256};

enum { SUITES = sizeof(suites) };
#define NO_SUM 0x5a5a5a5a5a5aULL

struct bench {
	struct rng rng;
	struct aead *a;
	struct keys keys[SUITES];
	struct seal_key *sealer[SUITES], *opener[SUITES]; /* the twin: OpenSSL */
	uint8_t rx[SUITES][AEAD_KEY_BYTES] __attribute__((aligned(64)));
	uint8_t tx[SUITES][AEAD_KEY_BYTES] __attribute__((aligned(64)));
	uint8_t pkt[AEAD_BURST][ROOM], plain[AEAD_BURST][ROOM];
	struct aead_op op[AEAD_BURST];
	unsigned int suite[AEAD_BURST];
};

/* A burst of random packets: mixed suites, lengths and headers. */
static void fill(struct bench *b, unsigned int n, unsigned int only)
{
	for (unsigned int i = 0; i < n; i++) {
		unsigned int s = only < SUITES ? only : (unsigned int)rng_below(&b->rng, SUITES);
		uint16_t len = (uint16_t)(1 + rng_below(&b->rng, LEN_MAX));

		b->suite[i] = s;
		wire_build(b->pkt[i], WIRE_DATA, wire_flags(true, 2, 1),
			   rng_u64(&b->rng) & WIRE_SEQ_MAX, rng_u64(&b->rng));
		rng_fill(&b->rng, b->pkt[i] + WIRE_HDR_LEN, len);
		memcpy(b->plain[i], b->pkt[i], ROOM);
		b->op[i] = (struct aead_op){.suite = suites[s], .body_len = len, .pkt = b->pkt[i]};
	}
}

/* With the IV that lies in them. */
static void keys_set(const struct bench *b, struct aead_op *op, const uint8_t *keys)
{
	op->keys = keys;
	op->iv = aead_key_iv(keys, aead_key_bytes(b->a));
}

/* The one's complement sum in the obvious way (RFC 1071). */
static uint16_t sum_by_bytes(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++) {
		sum += i & 1 ? (uint32_t)p[i] << 8 : p[i];
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)sum;
}

/* Few ones and none: what sums to 0 must be 0, and a lane must not run over. */
static void sums_of_extremes(void **state)
{
	static const uint8_t fills[] = {0, 0xff, 0x80, 0x7f};
	static uint8_t p[65536];

	for (unsigned int f = 0; f < sizeof(fills); f++) {
		memset(p, fills[f], sizeof(p));
		for (size_t len = 0; len <= sizeof(p); len += len < 200 ? 1 : 4999) {
			uint16_t want = sum_by_bytes(p, len);

			assert_int_equal(csum_fold(aead_sum_any(p, len)), want);
			if (__builtin_cpu_supports("avx512bw"))
				assert_int_equal(csum_fold(aead_sum_avx512(p, len)), want);
		}
	}
}

static void sealed_here_opens_there(struct bench *b, unsigned int n, unsigned int only)
{
	uint8_t out[ROOM];

	fill(b, n, only);
	for (unsigned int i = 0; i < n; i++) {
		keys_set(b, &b->op[i], b->tx[b->suite[i]]);
		b->op[i].wants_sum = rng_below(&b->rng, 2) == 0;
		b->op[i].sum = NO_SUM;
	}
	uint16_t len[AEAD_BURST];

	for (unsigned int i = 0; i < n; i++)
		len[i] = b->op[i].body_len;
	aead_seal(b->a, b->op, n);
	for (unsigned int i = 0; i < n; i++) {
		uint16_t total = aead_sealed_len(b->op[i].suite, len[i]);
		int got = seal_open(b->opener[b->suite[i]], b->pkt[i], total, out);

		assert_true(b->op[i].ok);
		assert_int_equal(b->op[i].out_len + WIRE_OVERHEAD, total);
		if (b->op[i].wants_sum)
			assert_int_equal(csum_fold(b->op[i].sum), sum_by_bytes(b->pkt[i], total));
		else
			assert_int_equal(b->op[i].sum, NO_SUM);
		assert_int_equal(got, b->op[i].out_len);
		assert_memory_equal(out, b->plain[i] + WIRE_HDR_LEN, len[i]);
		for (int j = len[i]; j < got; j++)
			assert_int_equal(out[j], 0);
	}
}

static void sealed_there_opens_here(struct bench *b, unsigned int n, unsigned int only)
{
	bool forged[AEAD_BURST];

	fill(b, n, only);
	for (unsigned int i = 0; i < n; i++) {
		struct aead_op *op = &b->op[i];
		uint16_t len = op->body_len;
		int total = seal_packet(b->sealer[b->suite[i]], b->pkt[i], len, ROOM);

		assert_true(total > 0);
		assert_int_equal(total, aead_sealed_len(op->suite, len));
		op->body_len = (uint16_t)(total - WIRE_OVERHEAD);
		keys_set(b, op, b->rx[b->suite[i]]);
		forged[i] = rng_below(&b->rng, 4) == 0;
		if (forged[i]) /* one bit anywhere, header and tag included */
			b->pkt[i][rng_below(&b->rng, (uint64_t)total)] ^=
				(uint8_t)(1 << rng_below(&b->rng, 8));
	}
	aead_open(b->a, b->op, n);
	for (unsigned int i = 0; i < n; i++) {
		assert_int_equal(b->op[i].ok, !forged[i]);
		if (forged[i])
			continue;
		assert_memory_equal(b->pkt[i] + WIRE_HDR_LEN, b->plain[i] + WIRE_HDR_LEN,
				    b->op[i].out_len - 15 * (b->suite[i] > 2));
	}
}

/* As the compiler's run-time library sees it. */
static bool cpu_has(enum aead_isa isa)
{
	bool aes = __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");

	switch (isa) {
	case AEAD_SSE:
		return aes;
	case AEAD_AVX:
		return aes && __builtin_cpu_supports("avx");
	case AEAD_AVX2:
		return aes && __builtin_cpu_supports("avx2");
	case AEAD_AVX512:
		return aes && __builtin_cpu_supports("avx512f") &&
		       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512cd") &&
		       __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
	default:
		return true;
	}
}

/* Fresh keys end in their IV and a word of zeros, which is then made something that nobody may mind. */
static void tail_begin(const struct bench *b, unsigned int s, uint8_t *keys)
{
	static const uint8_t none[SUITE_IV_LEN];
	const unsigned int bytes = aead_key_bytes(b->a);

	assert_memory_equal(aead_key_iv(keys, bytes),
			    suite_is_cbc(suites[s]) ? none : b->keys[s].iv, SUITE_IV_LEN);
	assert_int_equal(*aead_key_word(keys, bytes), 0);
	*aead_key_word(keys, bytes) = 0xdeadbeef + s;
}

static void tail_end(const struct bench *b, unsigned int s, uint8_t *keys)
{
	const unsigned int bytes = aead_key_bytes(b->a);

	assert_int_equal(*aead_key_word(keys, bytes), 0xdeadbeef + s);
	*aead_key_word(keys, bytes) = 0;
	tail_begin(b, s, keys);
}

static void variant(enum aead_isa isa)
{
	struct bench *b = aligned_alloc(64, (sizeof(*b) + 63) & ~63ul);
	const char *env = getenv("SEED");
	uint64_t seed = env != NULL ? strtoull(env, NULL, 0) : (uint64_t)time(NULL);

	memset(b, 0, sizeof(*b));
	b->a = aead_create(isa);
	if (b->a == NULL) {
		/* OpenSSL needs nothing of the CPU, and there is always a best one. */
		assert_int_equal(errno, ENOTSUP);
		assert_true(isa != AEAD_NOAESNI && isa != AEAD_BEST);
		assert_false(cpu_has(isa));
		print_message("%s: not on this CPU\n", aead_isa_name(isa));
		free(b);
		return;
	}
	assert_true(cpu_has(isa));
	if (isa != AEAD_BEST)
		assert_int_equal(aead_isa(b->a), isa);
	print_message("%s, %s %s, SEED=%llu\n", aead_isa_name(aead_isa(b->a)), aead_library(b->a),
		      aead_version(b->a), (unsigned long long)seed);
	rng_init_seeded(&b->rng, seed);
	for (unsigned int s = 0; s < SUITES; s++) {
		b->keys[s].suite = suites[s];
		rng_fill(&b->rng, b->keys[s].key, 32);
		rng_fill(&b->rng, b->keys[s].iv, 12);
		rng_fill(&b->rng, b->keys[s].enc, 16);
		rng_fill(&b->rng, b->keys[s].mac, 32);
		rng_fill(&b->rng, b->keys[s].ivkey, 16);
		b->sealer[s] = seal_key_create(&b->keys[s], SEAL_SEND);
		b->opener[s] = seal_key_create(&b->keys[s], SEAL_RECEIVE);
		assert_non_null(b->sealer[s]);
		assert_non_null(b->opener[s]);
		aead_expand(b->a, &b->keys[s], true, b->rx[s]);
		aead_expand(b->a, &b->keys[s], false, b->tx[s]);
		tail_begin(b, s, b->rx[s]);
		tail_begin(b, s, b->tx[s]);
	}
	for (int r = 0; r < ROUNDS; r++) {
		/* Each suite alone, then all mixed; bursts of every size. */
		for (unsigned int only = 0; only <= SUITES; only++) {
			unsigned int n = 1 + (unsigned int)rng_below(&b->rng, AEAD_BURST);

			sealed_here_opens_there(b, n, only);
			sealed_there_opens_here(b, n, only);
		}
	}
	for (unsigned int s = 0; s < SUITES; s++) {
		tail_end(b, s, b->rx[s]);
		tail_end(b, s, b->tx[s]);
		seal_key_destroy(b->sealer[s]);
		seal_key_destroy(b->opener[s]);
	}
	aead_destroy(b->a);
	free(b);
}

static void best(void **state)
{
	variant(AEAD_BEST);
}

static void noaesni(void **state)
{
	variant(AEAD_NOAESNI);
}

static void sse(void **state)
{
	variant(AEAD_SSE);
}

static void avx(void **state)
{
	variant(AEAD_AVX);
}

/* What the CPU cannot do, nobody asks it to. */
static void best_is_openssl_without_aesni(void **state)
{
	struct aead *a = aead_create(AEAD_BEST);

	assert_non_null(a);
	assert_int_equal(aead_isa(a) == AEAD_NOAESNI, !cpu_has(AEAD_SSE));
	assert_string_equal(aead_library(a), cpu_has(AEAD_SSE) ? "IPsec-MB" : "OpenSSL");
	aead_destroy(a);
}

static void avx2(void **state)
{
	variant(AEAD_AVX2);
}

static void avx512(void **state)
{
	variant(AEAD_AVX512);
}

/* A body that is not whole blocks cannot be CBC; it is refused before anything is computed. */
static void cbc_lengths(enum aead_isa isa)
{
	struct aead *a = aead_create(isa);
	uint8_t pkt[128] = {0};
	static uint8_t keys[AEAD_KEY_BYTES] __attribute__((aligned(64)));

	assert_non_null(a);
	for (uint16_t len = 0; len < 32; len++) {
		struct aead_op op = {.suite = SUITE_AES128_CBC_HMAC_SHA256,
				     .body_len = len,
				     .pkt = pkt,
				     .keys = keys,
				     .ok = true};

		aead_open(a, &op, 1);
		assert_false(op.ok);
	}
	aead_destroy(a);
}

static void cbc_lengths_best(void **state)
{
	cbc_lengths(AEAD_BEST);
}

static void cbc_lengths_noaesni(void **state)
{
	cbc_lengths(AEAD_NOAESNI);
}

/* Expanded keys at the end of a page, behind which there is nothing: nobody writes or reads beyond
 * aead_key_bytes(), whatever the suite and length.
 */
static void keys_within_bounds(enum aead_isa isa)
{
	struct aead *a = aead_create(isa);
	const size_t page = 4096;
	uint8_t *map =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static uint8_t pkt[ROOM];
	struct keys k = {.suite = 0};
	uint8_t *keys;

	if (a == NULL) {
		munmap(map, 2 * page);
		return;
	}
	assert_true(map != MAP_FAILED);
	assert_int_equal(mprotect(map + page, page, PROT_NONE), 0);
	keys = map + page - aead_key_bytes(a);
	assert_true(aead_key_bytes(a) <= AEAD_KEY_BYTES && aead_key_bytes(a) % 64 == 0);
	for (unsigned int s = 0; s < SUITES; s++) {
		k.suite = suites[s];
		for (uint16_t len = 16; len <= LEN_MAX; len += 16) {
			struct aead_op op = {.suite = suites[s],
					     .body_len = len,
					     .pkt = pkt,
					     .keys = keys,
					     .iv = k.iv};

			aead_expand(a, &k, false, keys);
			aead_seal(a, &op, 1);
			assert_true(op.ok);
			op.body_len = op.out_len;
			aead_expand(a, &k, true, keys);
			aead_open(a, &op, 1);
			assert_true(op.ok);
		}
	}
	munmap(map, 2 * page);
	aead_destroy(a);
}

static void keys_end_where_they_say(void **state)
{
	for (int isa = AEAD_NOAESNI; isa < AEAD_ISAS; isa++)
		keys_within_bounds((enum aead_isa)isa);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_of_extremes),
		cmocka_unit_test(best),
		cmocka_unit_test(noaesni),
		cmocka_unit_test(keys_end_where_they_say),
		cmocka_unit_test(sse),
		cmocka_unit_test(avx),
		cmocka_unit_test(avx2),
		cmocka_unit_test(avx512),
		cmocka_unit_test(best_is_openssl_without_aesni),
		cmocka_unit_test(cbc_lengths_best),
		cmocka_unit_test(cbc_lengths_noaesni),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
