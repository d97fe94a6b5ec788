/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/aead_backend.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <errno.h>
#include <stdlib.h>

/* For a CPU without AES-NI: the same packets by OpenSSL, which has code in constant time for it. One
 * packet after the other; an engine keeps one context per algorithm and gives it a key when the last
 * packet had another one.
 */
enum { MAC_KEY_MAX = 32, DIGEST_MAX = 32 };

/* "Expanded" keys are plain ones here. */
struct evp_keys {
	uint8_t key[SUITE_KEY_MAX]; /* GCM, ChaCha20 */
	uint8_t enc[16], ivkey[16], mac[MAC_KEY_MAX];
};

enum { EVP_KEY_BYTES = 128 };

_Static_assert(sizeof(struct evp_keys) <= EVP_KEY_BYTES - AEAD_KEY_TAIL, "plain keys fit");

struct evp_cipher {
	EVP_CIPHER_CTX *ctx;
	uint8_t key[SUITE_KEY_MAX];
	size_t key_len;
	bool is_keyed;
};

struct evp_mac {
	EVP_MAC_CTX *ctx;
	uint8_t key[MAC_KEY_MAX];
	size_t key_len;
	bool is_keyed;
};

enum evp_use { EVP_GCM128, EVP_GCM256, EVP_CHACHA, EVP_CBC, EVP_BLOCK, EVP_USES };

struct aead_evp {
	struct aead base;
	struct evp_cipher cipher[EVP_USES][2]; /* opening, sealing */
	struct evp_mac md5, sha256;
};

static struct aead_evp *evp_of(struct aead *a)
{
	return (struct aead_evp *)a;
}

/* ---- keys ---- */

static void evp_expand(struct aead *a, const struct keys *k, bool is_rx, uint8_t *out)
{
	struct evp_keys *e = (struct evp_keys *)(void *)out;

	memcpy(e->key, k->key, sizeof(e->key));
	memcpy(e->enc, k->enc, sizeof(e->enc));
	memcpy(e->ivkey, k->ivkey, sizeof(e->ivkey));
	memcpy(e->mac, k->mac, sizeof(e->mac));
}

static bool cipher_key(struct evp_cipher *c, const uint8_t *key)
{
	if (c->is_keyed && CRYPTO_memcmp(c->key, key, c->key_len) == 0)
		return true;
	memcpy(c->key, key, c->key_len);
	c->is_keyed = EVP_CipherInit_ex(c->ctx, NULL, NULL, key, NULL, -1) == 1;
	return c->is_keyed;
}

/* Ready for the next message under the key. */
static bool mac_key(struct evp_mac *m, const uint8_t *key)
{
	if (m->is_keyed && CRYPTO_memcmp(m->key, key, m->key_len) == 0)
		return EVP_MAC_init(m->ctx, NULL, 0, NULL) == 1;
	memcpy(m->key, key, m->key_len);
	m->is_keyed = EVP_MAC_init(m->ctx, key, m->key_len, NULL) == 1;
	return m->is_keyed;
}

/* ---- AEAD suites ---- */

static struct evp_cipher *cipher_of(struct aead_evp *a, uint8_t suite, bool sealing)
{
	switch (suite) {
	case SUITE_AES128_GCM:
		return &a->cipher[EVP_GCM128][sealing];
	case SUITE_AES256_GCM:
		return &a->cipher[EVP_GCM256][sealing];
	case SUITE_CHACHA20_POLY1305:
		return &a->cipher[EVP_CHACHA][sealing];
	default:
		return NULL;
	}
}

static bool aead_run(struct evp_cipher *c, const struct aead_op *op, const struct evp_keys *k)
{
	uint8_t nonce[SUITE_IV_LEN], *body = op->pkt + WIRE_HDR_LEN;
	int n;

	wire_nonce(nonce, op->iv, op->pkt);
	return cipher_key(c, k->key) &&
	       EVP_CipherInit_ex(c->ctx, NULL, NULL, NULL, nonce, -1) == 1 &&
	       EVP_CipherUpdate(c->ctx, NULL, &n, op->pkt, WIRE_HDR_LEN) == 1 &&
	       (op->body_len == 0 || EVP_CipherUpdate(c->ctx, body, &n, body, op->body_len) == 1);
}

static bool aead_open_one(struct evp_cipher *c, struct aead_op *op, const struct evp_keys *k)
{
	uint8_t *tag = op->pkt + WIRE_HDR_LEN + op->body_len, none[SUITE_BLOCK_LEN];
	int n;

	return aead_run(c, op, k) &&
	       EVP_CIPHER_CTX_ctrl(c->ctx, EVP_CTRL_AEAD_SET_TAG, WIRE_TAG_LEN, tag) == 1 &&
	       EVP_CipherFinal_ex(c->ctx, none, &n) == 1;
}

static bool aead_seal_one(struct evp_cipher *c, struct aead_op *op, const struct evp_keys *k)
{
	uint8_t *tag = op->pkt + WIRE_HDR_LEN + op->body_len, none[SUITE_BLOCK_LEN];
	int n;

	return aead_run(c, op, k) && EVP_CipherFinal_ex(c->ctx, none, &n) == 1 &&
	       EVP_CIPHER_CTX_ctrl(c->ctx, EVP_CTRL_AEAD_GET_TAG, WIRE_TAG_LEN, tag) == 1;
}

/* ---- CBC suites ---- */

/* HMAC over header and body, the first 16 bytes of it. */
static bool cbc_tag(struct aead_evp *a, const struct aead_op *op, const struct evp_keys *k,
		    uint8_t tag[WIRE_TAG_LEN])
{
	struct evp_mac *m = op->suite == SUITE_AES128_CBC_HMAC_MD5 ? &a->md5 : &a->sha256;
	uint8_t full[DIGEST_MAX];
	size_t n;

	if (!mac_key(m, k->mac) ||
	    EVP_MAC_update(m->ctx, op->pkt, WIRE_HDR_LEN + (size_t)op->body_len) != 1 ||
	    EVP_MAC_final(m->ctx, full, &n, sizeof(full)) != 1)
		return false;
	memcpy(tag, full, WIRE_TAG_LEN);
	return true;
}

/* The IV is the header, encrypted as one block. */
static bool cbc_run(struct aead_evp *a, const struct aead_op *op, const struct evp_keys *k,
		    bool sealing)
{
	struct evp_cipher *c = &a->cipher[EVP_CBC][sealing], *b = &a->cipher[EVP_BLOCK][true];
	uint8_t iv[SUITE_BLOCK_LEN], *body = op->pkt + WIRE_HDR_LEN;
	int n;

	return cipher_key(b, k->ivkey) &&
	       EVP_CipherUpdate(b->ctx, iv, &n, op->pkt, WIRE_HDR_LEN) == 1 &&
	       cipher_key(c, k->enc) && EVP_CipherInit_ex(c->ctx, NULL, NULL, NULL, iv, -1) == 1 &&
	       EVP_CipherUpdate(c->ctx, body, &n, body, op->body_len) == 1;
}

static bool cbc_open_one(struct aead_evp *a, struct aead_op *op, const struct evp_keys *k)
{
	uint8_t tag[WIRE_TAG_LEN];

	if (op->body_len == 0 || op->body_len % SUITE_BLOCK_LEN != 0)
		return false;
	return cbc_tag(a, op, k, tag) &&
	       aead_tag_equal(tag, op->pkt + WIRE_HDR_LEN + op->body_len) &&
	       cbc_run(a, op, k, false);
}

static bool cbc_seal_one(struct aead_evp *a, struct aead_op *op, const struct evp_keys *k)
{
	op->body_len = aead_pad(op->pkt + WIRE_HDR_LEN, op->body_len);
	return cbc_run(a, op, k, true) && cbc_tag(a, op, k, op->pkt + WIRE_HDR_LEN + op->body_len);
}

/* ---- bursts ---- */

static void evp_open(struct aead *base, struct aead_op *op, unsigned int n)
{
	struct aead_evp *a = evp_of(base);

	for (unsigned int i = 0; i < n; i++) {
		const struct evp_keys *k = (const struct evp_keys *)(const void *)op[i].keys;
		struct evp_cipher *c = cipher_of(a, op[i].suite, false);

		op[i].ok = c != NULL		       ? aead_open_one(c, &op[i], k)
			   : suite_is_cbc(op[i].suite) ? cbc_open_one(a, &op[i], k)
						       : false;
		op[i].out_len = op[i].body_len;
		aead_sum(base, &op[i]);
	}
}

static void evp_seal(struct aead *base, struct aead_op *op, unsigned int n)
{
	struct aead_evp *a = evp_of(base);

	for (unsigned int i = 0; i < n; i++) {
		const struct evp_keys *k = (const struct evp_keys *)(const void *)op[i].keys;
		struct evp_cipher *c = cipher_of(a, op[i].suite, true);

		op[i].ok = c != NULL		       ? aead_seal_one(c, &op[i], k)
			   : suite_is_cbc(op[i].suite) ? cbc_seal_one(a, &op[i], k)
						       : false;
		op[i].out_len = op[i].body_len;
		aead_sum(base, &op[i]);
	}
}

/* ---- life ---- */

static bool cipher_init(struct evp_cipher *c, const EVP_CIPHER *type, bool sealing)
{
	c->ctx = EVP_CIPHER_CTX_new();
	c->key_len = (size_t)EVP_CIPHER_get_key_length(type);
	return c->ctx != NULL && EVP_CipherInit_ex(c->ctx, type, NULL, NULL, NULL, sealing) == 1 &&
	       EVP_CIPHER_CTX_set_padding(c->ctx, 0) == 1;
}

static bool mac_init(struct evp_mac *m, const char *digest, size_t key_len)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string("digest", (char *)(uintptr_t)digest, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);

	m->ctx = EVP_MAC_CTX_new(hmac);
	m->key_len = key_len;
	EVP_MAC_free(hmac);
	return m->ctx != NULL && EVP_MAC_CTX_set_params(m->ctx, params) == 1;
}

static void evp_destroy(struct aead *base)
{
	struct aead_evp *a = evp_of(base);

	for (unsigned int u = 0; u < EVP_USES; u++)
		for (unsigned int d = 0; d < 2; d++)
			EVP_CIPHER_CTX_free(a->cipher[u][d].ctx);
	EVP_MAC_CTX_free(a->md5.ctx);
	EVP_MAC_CTX_free(a->sha256.ctx);
	OPENSSL_cleanse(a, sizeof(*a));
	free(a);
}

static const char *evp_version(void)
{
	return OpenSSL_version(OPENSSL_VERSION_STRING);
}

static bool contexts_make(struct aead_evp *a)
{
	const EVP_CIPHER *types[EVP_USES] = {
		[EVP_GCM128] = EVP_aes_128_gcm(),	[EVP_GCM256] = EVP_aes_256_gcm(),
		[EVP_CHACHA] = EVP_chacha20_poly1305(), [EVP_CBC] = EVP_aes_128_cbc(),
		[EVP_BLOCK] = EVP_aes_128_ecb(),
	};

	for (unsigned int u = 0; u < EVP_USES; u++)
		for (unsigned int d = 0; d < 2; d++)
			if (!cipher_init(&a->cipher[u][d], types[u], d))
				return false;
	return mac_init(&a->md5, "MD5", 16) && mac_init(&a->sha256, "SHA256", 32);
}

struct aead *aead_evp_create(void)
{
	static const struct aead_backend backend = {
		.name = "OpenSSL",
		.version = evp_version,
		.destroy = evp_destroy,
		.expand = evp_expand,
		.open = evp_open,
		.seal = evp_seal,
	};
	struct aead_evp *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->base.backend = &backend;
	a->base.isa = AEAD_NOAESNI;
	a->base.sum = aead_sum_any;
	a->base.key_bytes = EVP_KEY_BYTES;
	if (!contexts_make(a)) {
		evp_destroy(&a->base);
		errno = ENOTSUP;
		return NULL;
	}
	return &a->base;
}
