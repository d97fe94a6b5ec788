/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/seal.h"
#include "tests/unit/hex.h"
#include "tests/vectors/aead.h"
#include "tests/vectors/frames.h"

#include <errno.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include <cmocka.h>

enum { N_FRAMES = sizeof(frame_rows) / sizeof(frame_rows[0]) };

/* The raw AEAD, in one go and by the book: checked against the published vectors, then trusted as
 * the twin of seal_packet().
 */
static void aead_raw(int suite, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad,
		     size_t aad_len, const uint8_t *in, size_t len, uint8_t *out)
{
	static const char *const names[] = {"", "AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305"};
	EVP_CIPHER *c = EVP_CIPHER_fetch(NULL, names[suite], NULL);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n;

	assert_int_equal(EVP_EncryptInit_ex(ctx, c, NULL, key, nonce), 1);
	assert_int_equal(EVP_EncryptUpdate(ctx, NULL, &n, aad, (int)aad_len), 1);
	if (len > 0)
		assert_int_equal(EVP_EncryptUpdate(ctx, out, &n, in, (int)len), 1);
	assert_int_equal(EVP_EncryptFinal_ex(ctx, out + len, &n), 1);
	assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, out + len), 1);
	EVP_CIPHER_CTX_free(ctx);
	EVP_CIPHER_free(c);
}

static void test_aead_vectors(void **state)
{
	for (size_t i = 0; i < sizeof(aead_rows) / sizeof(aead_rows[0]); i++) {
		const struct aead_row *r = &aead_rows[i];
		uint8_t key[32], nonce[12], aad[32], in[256], out[256], want[256];
		size_t aad_len, len;

		hex_bytes(r->key, key, sizeof(key));
		hex_bytes(r->nonce, nonce, sizeof(nonce));
		aad_len = hex_bytes(r->aad, aad, sizeof(aad));
		len = hex_bytes(r->plaintext, in, sizeof(in));
		hex_bytes(r->ciphertext, want, sizeof(want));
		hex_bytes(r->tag, want + len, 16);
		aead_raw(r->suite, key, nonce, aad, aad_len, in, len, out);
		assert_memory_equal(out, want, len + 16);
	}
}

/* seal_packet() is that AEAD with the header as associated data, nonce by wire_nonce(). */
static void test_aead_twin(void **state)
{
	uint64_t seed = (uint64_t)time(NULL);
	struct rng {
		uint64_t s;
	} rng = {seed | 1};

	print_message("seed %llu\n", (unsigned long long)seed);
	for (int suite = 1; suite <= 3; suite++) {
		uint8_t split[32], pkt[1600], want[1600], nonce[12];
		struct seal_key *s;
		struct keys k;

		for (size_t i = 0; i < sizeof(split); i++)
			split[i] = (uint8_t)(seed >> (i % 8) * 8) ^ (uint8_t)i;
		assert_int_equal(keys_derive(&k, (uint8_t)suite, split), 0);
		s = seal_key_create(&k, SEAL_SEND);
		for (size_t len = 0; len < 1500; len += 1 + len / 8) {
			for (size_t i = 0; i < len; i++) {
				rng.s = rng.s * 6364136223846793005ULL + 1442695040888963407ULL;
				pkt[16 + i] = (uint8_t)(rng.s >> 56);
			}
			wire_build(pkt, WIRE_DATA, 0xb0, rng.s >> 16, rng.s);
			wire_nonce(nonce, k.iv, pkt);
			memcpy(want, pkt, 16);
			aead_raw(suite, k.key, nonce, pkt, 16, pkt + 16, len, want + 16);
			assert_int_equal(seal_packet(s, pkt, len, sizeof(pkt)), len + 32);
			assert_memory_equal(pkt, want, len + 32);
		}
		seal_key_destroy(s);
	}
}

struct frame {
	uint8_t body[256], pkt[256];
	size_t body_len, len;
	struct seal_key *send, *receive;
};

static void frame_setup(struct frame *f, const struct frame_row *r)
{
	uint8_t split[32];
	struct keys k;

	memset(f, 0, sizeof(*f));
	hex_bytes(r->split, split, sizeof(split));
	f->body_len = hex_bytes(r->body, f->body, sizeof(f->body));
	f->len = hex_bytes(r->packet, f->pkt, sizeof(f->pkt));
	assert_int_equal(keys_derive(&k, (uint8_t)r->suite, split), 0);
	f->send = seal_key_create(&k, SEAL_SEND);
	f->receive = seal_key_create(&k, SEAL_RECEIVE);
	assert_non_null(f->send);
	assert_non_null(f->receive);
}

static void frame_teardown(struct frame *f)
{
	seal_key_destroy(f->send);
	seal_key_destroy(f->receive);
}

static void test_frames(void **state)
{
	for (size_t i = 0; i < N_FRAMES; i++) {
		const struct frame_row *r = &frame_rows[i];
		uint8_t buf[256], out[256];
		struct frame f;
		int n;

		frame_setup(&f, r);
		hex_bytes(r->header, buf, sizeof(buf));
		memcpy(buf + 16, f.body, f.body_len);
		assert_int_equal(seal_packet_len((uint8_t)r->suite, buf[0] & 15, f.body_len),
				 f.len);
		assert_int_equal(seal_packet(f.send, buf, f.body_len, f.len - 1), -ENOBUFS);
		assert_int_equal(seal_packet(f.send, buf, f.body_len, f.len), f.len);
		assert_memory_equal(buf, f.pkt, f.len);

		n = seal_open(f.receive, buf, f.len, out);
		assert_int_equal(n, f.len - 32);
		assert_memory_equal(out, f.body, f.body_len);
		/* in place, and twice: no state is left behind */
		assert_int_equal(seal_open(f.receive, buf, f.len, buf + 16), n);
		assert_memory_equal(buf + 16, out, (size_t)n);
		/* a sending key does not open, a receiving one does not seal */
		assert_int_equal(seal_open(f.send, f.pkt, f.len, out), -EBADMSG);
		assert_int_equal(seal_packet(f.receive, buf, f.body_len, sizeof(buf)), -EINVAL);
		frame_teardown(&f);
	}
}

static void test_mutations(void **state)
{
	for (size_t i = 0; i < N_FRAMES; i++) {
		uint8_t bad[256], out[256];
		struct frame f;

		frame_setup(&f, &frame_rows[i]);
		for (size_t bit = 0; bit < f.len * 8; bit++) {
			memcpy(bad, f.pkt, f.len);
			bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(seal_open(f.receive, bad, f.len, out), -EBADMSG);
		}
		for (size_t len = 0; len < f.len; len++)
			assert_int_equal(seal_open(f.receive, f.pkt, len, out), -EBADMSG);
		memcpy(bad, f.pkt, f.len);
		memset(bad + f.len, 0, 16);
		assert_int_equal(seal_open(f.receive, bad, f.len + 1, out), -EBADMSG);
		assert_int_equal(seal_open(f.receive, bad, f.len + 16, out), -EBADMSG);
		assert_int_equal(seal_open(f.receive, f.pkt, f.len, out), f.len - 32);
		frame_teardown(&f);
	}
}

static void test_cbc_rules(void **state)
{
	uint8_t split[32] = {7}, buf[128] = {0};
	struct seal_key *s;
	struct keys k;

	for (uint8_t suite = SUITE_AES128_CBC_HMAC_MD5; suite <= SUITE_AES128_CBC_HMAC_SHA256;
	     suite++) {
		assert_int_equal(keys_derive(&k, suite, split), 0);
		s = seal_key_create(&k, SEAL_SEND);
		wire_build(buf, WIRE_DATA, 0, 0, 1);
		assert_int_equal(seal_packet(s, buf, 0, sizeof(buf)), -EINVAL);
		assert_int_equal(seal_packet(s, buf, 16, sizeof(buf)), 48);
		assert_int_equal(seal_packet(s, buf, 17, sizeof(buf)), 64);
		wire_build(buf, WIRE_DATA_FIRST, 0, 1, 1);
		assert_int_equal(seal_packet(s, buf, 17, sizeof(buf)), -EINVAL);
		assert_int_equal(seal_packet(s, buf, 32, sizeof(buf)), 64);
		wire_build(buf, WIRE_PROBE, 0, 2, 1);
		assert_int_equal(seal_packet(s, buf, 17, sizeof(buf)), 49);
		seal_key_destroy(s);
	}
}

static void test_keys(void **state)
{
	uint8_t split[32] = {1};
	struct keys a, b;

	assert_int_equal(keys_derive(&a, 1, split), 0);
	assert_int_equal(keys_derive(&b, 3, split), 0);
	assert_memory_not_equal(a.key, b.key, 16);
	split[31] ^= 1;
	assert_int_equal(keys_derive(&b, 1, split), 0);
	assert_memory_not_equal(a.key, b.key, 16);
	assert_memory_not_equal(a.iv, b.iv, 12);
	assert_memory_not_equal(a.standby, b.standby, 32);
	assert_int_equal(keys_derive(&b, SUITE_COUNT, split), -EINVAL);
	assert_null(seal_key_create(&(struct keys){.suite = SUITE_COUNT}, SEAL_SEND));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_aead_vectors), cmocka_unit_test(test_aead_twin),
		cmocka_unit_test(test_frames),	     cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_cbc_rules),    cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
