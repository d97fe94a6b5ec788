/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/bytes.h"
#include "common/noise.h"
#include "tests/unit/hex.h"
#include "tests/vectors/noise.h"

#include <errno.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { N_ROWS = sizeof(noise_rows) / sizeof(noise_rows[0]) };

/* A source of the bytes a vector prescribes. */
struct fixed {
	struct rng rng;
	uint8_t bytes[32];
};

static void fixed_fill(struct rng *r, void *buf, size_t len)
{
	assert_int_equal(len, 32);
	memcpy(buf, ((struct fixed *)r)->bytes, len);
}

static void fixed_init(struct fixed *f, const char *hex)
{
	f->rng.fill = fixed_fill;
	hex_bytes(hex, f->bytes, sizeof(f->bytes));
}

struct pair {
	struct noise a, b;
	struct noise_keypair sa, sb;
	struct fixed ra, rb;
	enum noise_pattern pattern;
	uint8_t psk[32], m1[256], m2[256];
	int m1_len, m2_len;
};

/* Both ends of a vector row, initialised; IKpsk2's responder has no PSK yet. */
static void pair_setup(struct pair *p, const struct noise_row *r)
{
	uint8_t prologue[64];
	size_t len = hex_bytes(r->prologue, prologue, sizeof(prologue));

	memset(p, 0, sizeof(*p));
	p->pattern = r->init_static != NULL ? NOISE_IKPSK2 : NOISE_NNPSK0;
	if (r->init_static != NULL) {
		uint8_t pub[32];

		hex_bytes(r->init_static, p->sa.priv, 32);
		hex_bytes(r->resp_static, p->sb.priv, 32);
		assert_int_equal(noise_keypair_public(&p->sa), 0);
		assert_int_equal(noise_keypair_public(&p->sb), 0);
		hex_bytes(r->resp_static_pub, pub, 32);
		assert_memory_equal(p->sb.pub, pub, 32);
	}
	fixed_init(&p->ra, r->init_ephemeral);
	fixed_init(&p->rb, r->resp_ephemeral);
	hex_bytes(r->psk, p->psk, sizeof(p->psk));
	noise_init(&p->a, p->pattern, true, prologue, len, &p->sa, p->sb.pub);
	noise_init(&p->b, p->pattern, false, prologue, len, &p->sb, NULL);
	noise_set_psk(&p->a, p->psk);
	if (p->pattern == NOISE_NNPSK0)
		noise_set_psk(&p->b, p->psk);
}

static void transport(const uint8_t *key, uint64_t n, const uint8_t *in, size_t len, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t nonce[12] = {0};
	int l;

	store_be64(nonce + 4, n);
	assert_int_equal(EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce), 1);
	assert_int_equal(EVP_EncryptUpdate(ctx, out, &l, in, (int)len), 1);
	assert_int_equal(EVP_EncryptFinal_ex(ctx, out + l, &l), 1);
	assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, out + len), 1);
	EVP_CIPHER_CTX_free(ctx);
}

static void check_vector(const struct noise_row *r)
{
	uint8_t pay[2][64], want[256], out[256], hash[32], key[2][32], twin[2][32];
	size_t len[2];
	struct pair p;

	pair_setup(&p, r);
	for (int i = 0; i < 2; i++)
		len[i] = hex_bytes(r->message[i].payload, pay[i], sizeof(pay[i]));

	p.m1_len = noise_write_1(&p.a, &p.ra.rng, pay[0], len[0], p.m1, sizeof(p.m1));
	assert_int_equal(p.m1_len, hex_bytes(r->message[0].ciphertext, want, sizeof(want)));
	assert_memory_equal(p.m1, want, (size_t)p.m1_len);
	assert_int_equal(noise_read_1(&p.b, p.m1, (size_t)p.m1_len, out, sizeof(out)), len[0]);
	assert_memory_equal(out, pay[0], len[0]);
	if (p.pattern == NOISE_IKPSK2) {
		assert_memory_equal(p.b.rs, p.sa.pub, 32);
		noise_set_psk(&p.b, p.psk);
	}

	p.m2_len = noise_write_2(&p.b, &p.rb.rng, pay[1], len[1], p.m2, sizeof(p.m2));
	assert_int_equal(p.m2_len, hex_bytes(r->message[1].ciphertext, want, sizeof(want)));
	assert_memory_equal(p.m2, want, (size_t)p.m2_len);
	assert_int_equal(noise_read_2(&p.a, p.m2, (size_t)p.m2_len, out, sizeof(out)), len[1]);
	assert_memory_equal(out, pay[1], len[1]);

	hex_bytes(r->hash, hash, sizeof(hash));
	assert_memory_equal(p.a.h, hash, 32);
	assert_memory_equal(p.b.h, hash, 32);
	assert_int_equal(noise_split(&p.a, key[0], key[1]), 0);
	assert_int_equal(noise_split(&p.b, twin[0], twin[1]), 0);
	assert_memory_equal(key, twin, sizeof(key));
	for (int i = 2; i < 6; i++) {
		uint8_t text[64];
		size_t n = hex_bytes(r->message[i].payload, text, sizeof(text));

		transport(key[i % 2], (uint64_t)(i - 2) / 2, text, n, out);
		assert_int_equal(hex_bytes(r->message[i].ciphertext, want, sizeof(want)), n + 16);
		assert_memory_equal(out, want, n + 16);
	}
}

static void test_vectors(void **state)
{
	for (size_t i = 0; i < N_ROWS; i++)
		check_vector(&noise_rows[i]);
}

/* Every bit of each message flipped, every length cut: refused, and the state is dead. */
static void test_mutations(void **state)
{
	static const uint8_t text[8] = "payload";
	uint8_t out[256], bad[256];

	for (size_t i = 0; i < N_ROWS; i++) {
		struct noise a, b;
		struct pair p;

		pair_setup(&p, &noise_rows[i]);
		p.m1_len = noise_write_1(&p.a, &p.ra.rng, text, 8, p.m1, sizeof(p.m1));
		for (int bit = 0; bit < p.m1_len * 8; bit++) {
			/* X25519 ignores the top bit of a point, the hash does not. */
			b = p.b;
			memcpy(bad, p.m1, (size_t)p.m1_len);
			bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_true(noise_read_1(&b, bad, (size_t)p.m1_len, out, sizeof(out)) < 0);
			assert_true(b.is_dead);
			assert_int_equal(noise_read_1(&b, p.m1, (size_t)p.m1_len, out, sizeof(out)),
					 -EPROTO);
		}
		for (int len = 0; len < p.m1_len; len++) {
			b = p.b;
			assert_true(noise_read_1(&b, p.m1, (size_t)len, out, sizeof(out)) < 0);
		}
		assert_int_equal(noise_read_1(&p.b, p.m1, (size_t)p.m1_len, out, sizeof(out)), 8);
		noise_set_psk(&p.b, p.psk);
		p.m2_len = noise_write_2(&p.b, &p.rb.rng, text, 8, p.m2, sizeof(p.m2));
		for (int bit = 0; bit < p.m2_len * 8; bit++) {
			a = p.a;
			memcpy(bad, p.m2, (size_t)p.m2_len);
			bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_true(noise_read_2(&a, bad, (size_t)p.m2_len, out, sizeof(out)) < 0);
			assert_true(a.is_dead);
		}
		for (int len = 0; len < p.m2_len; len++) {
			a = p.a;
			assert_true(noise_read_2(&a, p.m2, (size_t)len, out, sizeof(out)) < 0);
		}
		assert_int_equal(noise_read_2(&p.a, p.m2, (size_t)p.m2_len, out, sizeof(out)), 8);
	}
}

static void test_wrong_secrets(void **state)
{
	uint8_t out[256], wrong[32] = {1};

	for (size_t i = 0; i < N_ROWS; i++) {
		struct pair p;
		int ret;

		pair_setup(&p, &noise_rows[i]);
		p.m1_len = noise_write_1(&p.a, &p.ra.rng, NULL, 0, p.m1, sizeof(p.m1));
		/* psk0 is asked before any Diffie-Hellman, psk2 only in the answer. */
		noise_set_psk(&p.b, wrong);
		ret = noise_read_1(&p.b, p.m1, (size_t)p.m1_len, out, sizeof(out));
		assert_int_equal(ret, p.pattern == NOISE_NNPSK0 ? -EBADMSG : 0);
		if (ret < 0)
			continue;
		p.m2_len = noise_write_2(&p.b, &p.rb.rng, NULL, 0, p.m2, sizeof(p.m2));
		assert_int_equal(noise_read_2(&p.a, p.m2, (size_t)p.m2_len, out, sizeof(out)),
				 -EBADMSG);
	}
}

static void test_order(void **state)
{
	uint8_t out[256], zero[32] = {0};
	struct pair p;

	/* a step before its turn, by the wrong end, or without the PSK */
	pair_setup(&p, &noise_rows[0]);
	assert_int_equal(noise_write_2(&p.b, &p.rb.rng, NULL, 0, out, sizeof(out)), -EPROTO);
	pair_setup(&p, &noise_rows[0]);
	assert_int_equal(noise_write_1(&p.b, &p.rb.rng, NULL, 0, out, sizeof(out)), -EPROTO);
	pair_setup(&p, &noise_rows[0]);
	assert_int_equal(noise_split(&p.a, out, out + 32), -EPROTO);
	pair_setup(&p, &noise_rows[0]);
	p.m1_len = noise_write_1(&p.a, &p.ra.rng, NULL, 0, p.m1, sizeof(p.m1));
	assert_int_equal(noise_read_1(&p.b, p.m1, (size_t)p.m1_len, out, sizeof(out)), 0);
	assert_int_equal(noise_write_2(&p.b, &p.rb.rng, NULL, 0, out, sizeof(out)), -EPROTO);

	/* no room */
	pair_setup(&p, &noise_rows[0]);
	assert_int_equal(noise_write_1(&p.a, &p.ra.rng, out, 8, p.m1, 8 + NOISE_IK_1_OVERHEAD - 1),
			 -ENOBUFS);

	/* a static key of small order */
	pair_setup(&p, &noise_rows[0]);
	noise_init(&p.a, NOISE_IKPSK2, true, "x", 1, &p.sa, zero);
	assert_int_equal(noise_write_1(&p.a, &p.ra.rng, NULL, 0, p.m1, sizeof(p.m1)), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_wrong_secrets),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
