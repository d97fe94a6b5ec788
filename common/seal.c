/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/seal.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

struct seal_key {
	uint8_t suite;
	bool is_sender;
	uint8_t iv[SUITE_IV_LEN];
	EVP_CIPHER_CTX *aead;
	/* CBC suites only. */
	EVP_CIPHER_CTX *cbc;
	EVP_CIPHER_CTX *block; /* AES of the header: the IV */
	EVP_MAC_CTX *mac;
};

static const EVP_CIPHER *aead_cipher(uint8_t suite)
{
	switch (suite) {
	case SUITE_AES256_GCM:
		return EVP_aes_256_gcm();
	case SUITE_CHACHA20_POLY1305:
		return EVP_chacha20_poly1305();
	default: /* also what a CBC suite's control packets take */
		return EVP_aes_128_gcm();
	}
}

static EVP_CIPHER_CTX *cipher_create(const EVP_CIPHER *cipher, const uint8_t *key, bool encrypt)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	if (ctx == NULL)
		return NULL;
	if (EVP_CipherInit_ex(ctx, cipher, NULL, key, NULL, encrypt) != 1) {
		EVP_CIPHER_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

/* Of a block mode. OpenSSL repeats this with each packet's IV, so AEADs, which never pad, go without. */
static bool padding_off(EVP_CIPHER_CTX *ctx)
{
	return ctx != NULL && EVP_CIPHER_CTX_set_padding(ctx, 0) == 1;
}

static EVP_MAC_CTX *mac_create(uint8_t suite, const uint8_t *key)
{
	char *digest = suite == SUITE_AES128_CBC_HMAC_MD5 ? (char *)"MD5" : (char *)"SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string("digest", digest, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(hmac);

	EVP_MAC_free(hmac);
	if (ctx != NULL && EVP_MAC_init(ctx, key, suite_mac_key_len(suite), params) != 1) {
		EVP_MAC_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

struct seal_key *seal_key_create(const struct keys *k, enum seal_use use)
{
	struct seal_key *s;

	if (!suite_is_known(k->suite))
		return NULL;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->suite = k->suite;
	s->is_sender = use == SEAL_SEND;
	memcpy(s->iv, k->iv, sizeof(s->iv));
	if (k->suite == SUITE_NONE)
		return s;
	s->aead = cipher_create(aead_cipher(k->suite), k->key, s->is_sender);
	if (s->aead == NULL)
		goto err_destroy;
	if (!suite_is_cbc(k->suite))
		return s;
	s->cbc = cipher_create(EVP_aes_128_cbc(), k->enc, s->is_sender);
	s->block = cipher_create(EVP_aes_128_ecb(), k->ivkey, true);
	s->mac = mac_create(k->suite, k->mac);
	if (padding_off(s->cbc) && padding_off(s->block) && s->mac != NULL)
		return s;
err_destroy:
	seal_key_destroy(s);
	return NULL;
}

void seal_key_destroy(struct seal_key *s)
{
	if (s == NULL)
		return;
	EVP_CIPHER_CTX_free(s->aead);
	EVP_CIPHER_CTX_free(s->cbc);
	EVP_CIPHER_CTX_free(s->block);
	EVP_MAC_CTX_free(s->mac);
	OPENSSL_cleanse(s, sizeof(*s));
	free(s);
}

uint8_t seal_key_suite(const struct seal_key *s)
{
	return s->suite;
}

static bool goes_by_cbc(uint8_t suite, uint8_t type)
{
	return suite_is_cbc(suite) && wire_type_is_data(type);
}

static size_t padding_len(size_t body_len)
{
	return -body_len & (SUITE_BLOCK_LEN - 1);
}

size_t seal_packet_len(uint8_t suite, uint8_t type, size_t body_len)
{
	return WIRE_OVERHEAD + body_len + (goes_by_cbc(suite, type) ? padding_len(body_len) : 0);
}

/* Encrypt or decrypt len bytes from in to out with pkt's header as associated data. */
static bool aead_run(struct seal_key *s, const uint8_t *pkt, const uint8_t *in, size_t len,
		     uint8_t *out)
{
	uint8_t nonce[SUITE_IV_LEN];
	int n;

	wire_nonce(nonce, s->iv, pkt);
	return EVP_CipherInit_ex(s->aead, NULL, NULL, NULL, nonce, -1) == 1 &&
	       EVP_CipherUpdate(s->aead, NULL, &n, pkt, WIRE_HDR_LEN) == 1 &&
	       (len == 0 || EVP_CipherUpdate(s->aead, out, &n, in, (int)len) == 1);
}

static bool aead_seal(struct seal_key *s, uint8_t *pkt, size_t len)
{
	uint8_t *body = pkt + WIRE_HDR_LEN;
	int n;

	return aead_run(s, pkt, body, len, body) &&
	       EVP_CipherFinal_ex(s->aead, body + len, &n) == 1 &&
	       EVP_CIPHER_CTX_ctrl(s->aead, EVP_CTRL_AEAD_GET_TAG, WIRE_TAG_LEN, body + len) == 1;
}

static bool aead_open(struct seal_key *s, const uint8_t *pkt, size_t len, uint8_t *out)
{
	uint8_t tag[WIRE_TAG_LEN], none[1];
	int n;

	/* The tag is copied first: out may be where the packet is. */
	memcpy(tag, pkt + WIRE_HDR_LEN + len, sizeof(tag));
	return aead_run(s, pkt, pkt + WIRE_HDR_LEN, len, out) &&
	       EVP_CIPHER_CTX_ctrl(s->aead, EVP_CTRL_AEAD_SET_TAG, WIRE_TAG_LEN, tag) == 1 &&
	       EVP_CipherFinal_ex(s->aead, none, &n) == 1;
}

/* HMAC over header and ciphertext, the first 16 bytes of it. */
static bool cbc_tag(struct seal_key *s, const uint8_t *pkt, size_t len, uint8_t tag[WIRE_TAG_LEN])
{
	uint8_t full[32];
	size_t n;

	if (EVP_MAC_init(s->mac, NULL, 0, NULL) != 1 ||
	    EVP_MAC_update(s->mac, pkt, WIRE_HDR_LEN + len) != 1 ||
	    EVP_MAC_final(s->mac, full, &n, sizeof(full)) != 1)
		return false;
	memcpy(tag, full, WIRE_TAG_LEN);
	return true;
}

static bool cbc_run(struct seal_key *s, const uint8_t *pkt, const uint8_t *in, size_t len,
		    uint8_t *out)
{
	uint8_t iv[SUITE_BLOCK_LEN];
	int n;

	return EVP_EncryptUpdate(s->block, iv, &n, pkt, WIRE_HDR_LEN) == 1 &&
	       EVP_CipherInit_ex(s->cbc, NULL, NULL, NULL, iv, -1) == 1 &&
	       EVP_CipherUpdate(s->cbc, out, &n, in, (int)len) == 1;
}

static bool cbc_seal(struct seal_key *s, uint8_t *pkt, size_t len)
{
	uint8_t *body = pkt + WIRE_HDR_LEN;
	size_t padded = len + padding_len(len);

	memset(body + len, 0, padded - len);
	return cbc_run(s, pkt, body, padded, body) && cbc_tag(s, pkt, padded, body + padded);
}

static bool cbc_open(struct seal_key *s, const uint8_t *pkt, size_t len, uint8_t *out)
{
	uint8_t tag[WIRE_TAG_LEN];

	if (len == 0 || len % SUITE_BLOCK_LEN != 0)
		return false;
	if (!cbc_tag(s, pkt, len, tag) ||
	    CRYPTO_memcmp(tag, pkt + WIRE_HDR_LEN + len, WIRE_TAG_LEN) != 0)
		return false;
	return cbc_run(s, pkt, pkt + WIRE_HDR_LEN, len, out);
}

int seal_packet(struct seal_key *s, uint8_t *pkt, size_t body_len, size_t cap)
{
	uint8_t type = pkt[0] & 15;
	bool by_cbc = goes_by_cbc(s->suite, type);
	size_t total = seal_packet_len(s->suite, type, body_len);

	if (cap < total)
		return -ENOBUFS;
	if (!s->is_sender)
		return -EINVAL;
	if (by_cbc && (body_len == 0 || (type == WIRE_DATA_FIRST && padding_len(body_len) != 0)))
		return -EINVAL;
	if (s->suite == SUITE_NONE)
		memset(pkt + WIRE_HDR_LEN + body_len, 0, WIRE_TAG_LEN);
	else if (!(by_cbc ? cbc_seal(s, pkt, body_len) : aead_seal(s, pkt, body_len)))
		return -EINVAL;
	return (int)total;
}

int seal_open(struct seal_key *s, const uint8_t *pkt, size_t len, uint8_t *out)
{
	size_t body_len = len - WIRE_OVERHEAD;
	bool is_good;

	if (len < WIRE_OVERHEAD || s->is_sender)
		return -EBADMSG;
	if (s->suite == SUITE_NONE) {
		memmove(out, pkt + WIRE_HDR_LEN, body_len);
		return (int)body_len;
	}
	is_good = goes_by_cbc(s->suite, pkt[0] & 15) ? cbc_open(s, pkt, body_len, out)
						     : aead_open(s, pkt, body_len, out);
	return is_good ? (int)body_len : -EBADMSG;
}
