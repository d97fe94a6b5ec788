/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

void hash_sha256(const void *a, size_t a_len, const void *b, size_t b_len, uint8_t out[HASH_LEN])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (ctx == NULL || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1 ||
	    EVP_DigestUpdate(ctx, a, a_len) != 1 ||
	    (b_len > 0 && EVP_DigestUpdate(ctx, b, b_len) != 1) ||
	    EVP_DigestFinal_ex(ctx, out, NULL) != 1)
		abort();
	EVP_MD_CTX_free(ctx);
}

void hash_hmac(const void *key, size_t key_len, const void *data, size_t len, uint8_t out[HASH_LEN])
{
	unsigned int n = HASH_LEN;

	if (HMAC(EVP_sha256(), key, (int)key_len, data, len, out, &n) == NULL)
		abort();
}

void hash_expand(const uint8_t prk[HASH_LEN], const void *info, size_t info_len, uint8_t *out,
		 size_t out_len)
{
	uint8_t block[64 + 1], t[HASH_LEN];

	if (info_len > sizeof(block) - 1 || out_len > HASH_LEN)
		abort();
	memcpy(block, info, info_len);
	block[info_len] = 1;
	hash_hmac(prk, HASH_LEN, block, info_len + 1, t);
	memcpy(out, t, out_len);
	OPENSSL_cleanse(t, sizeof(t));
}
