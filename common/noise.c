/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/noise.h"
#include "common/bytes.h"
#include "common/hash.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

/* Both protocol names are HASHLEN long, so that each is its own first hash (section 5.2). */
static const char name_ik[] = "Noise_IKpsk2_25519_AESGCM_SHA256";
static const char name_nn[] = "Noise_NNpsk0_25519_AESGCM_SHA256";
_Static_assert(sizeof(name_ik) - 1 == NOISE_HASH_LEN, "name is one hash long");
_Static_assert(sizeof(name_nn) - 1 == NOISE_HASH_LEN, "name is one hash long");

int noise_keypair_public(struct noise_keypair *kp)
{
	EVP_PKEY *key =
		EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, kp->priv, sizeof(kp->priv));
	size_t len = sizeof(kp->pub);
	int ret = 0;

	if (key == NULL || EVP_PKEY_get_raw_public_key(key, kp->pub, &len) != 1)
		ret = -EINVAL;
	EVP_PKEY_free(key);
	return ret;
}

void noise_keypair_generate(struct noise_keypair *kp, struct rng *rng)
{
	/* X25519 takes any 32 bytes (RFC 7748 section 5); only a library without memory fails. */
	do {
		rng_fill(rng, kp->priv, sizeof(kp->priv));
	} while (noise_keypair_public(kp) < 0);
}

/* X25519; fails for a point of small order (RFC 7748 section 6.1). */
static int dh(const struct noise_keypair *own, const uint8_t *peer, uint8_t out[NOISE_KEY_LEN])
{
	EVP_PKEY *a = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, own->priv, NOISE_KEY_LEN);
	EVP_PKEY *b = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, peer, NOISE_KEY_LEN);
	EVP_PKEY_CTX *ctx = a != NULL ? EVP_PKEY_CTX_new(a, NULL) : NULL;
	size_t len = NOISE_KEY_LEN;
	int ret = 0;

	if (ctx == NULL || b == NULL || EVP_PKEY_derive_init(ctx) != 1 ||
	    EVP_PKEY_derive_set_peer(ctx, b) != 1 || EVP_PKEY_derive(ctx, out, &len) != 1)
		ret = -EPROTO;
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(b);
	EVP_PKEY_free(a);
	return ret;
}

static void mix_hash(struct noise *n, const void *data, size_t len)
{
	hash_sha256(n->h, sizeof(n->h), data, len, n->h);
}

/* Section 4.3: n outputs of 32 bytes from chaining key and input, n is 2 or 3. */
static void hkdf(const uint8_t *ck, const void *input, size_t len, uint8_t out[][NOISE_HASH_LEN],
		 uint8_t n)
{
	uint8_t temp[NOISE_HASH_LEN], block[NOISE_HASH_LEN + 1];

	hash_hmac(ck, NOISE_HASH_LEN, input, len, temp);
	block[0] = 1;
	hash_hmac(temp, sizeof(temp), block, 1, out[0]);
	for (uint8_t i = 1; i < n; i++) {
		memcpy(block, out[i - 1], NOISE_HASH_LEN);
		block[NOISE_HASH_LEN] = i + 1;
		hash_hmac(temp, sizeof(temp), block, sizeof(block), out[i]);
	}
	OPENSSL_cleanse(temp, sizeof(temp));
	OPENSSL_cleanse(block, sizeof(block));
}

static void set_key(struct noise *n, const uint8_t *k)
{
	memcpy(n->k, k, sizeof(n->k));
	n->n = 0;
	n->has_key = true;
}

static void mix_key(struct noise *n, const void *input, size_t len)
{
	uint8_t out[2][NOISE_HASH_LEN];

	hkdf(n->ck, input, len, out, 2);
	memcpy(n->ck, out[0], sizeof(n->ck));
	set_key(n, out[1]);
	OPENSSL_cleanse(out, sizeof(out));
}

static void mix_psk(struct noise *n)
{
	uint8_t out[3][NOISE_HASH_LEN];

	hkdf(n->ck, n->psk, sizeof(n->psk), out, 3);
	memcpy(n->ck, out[0], sizeof(n->ck));
	mix_hash(n, out[1], sizeof(out[1]));
	set_key(n, out[2]);
	OPENSSL_cleanse(out, sizeof(out));
}

static int mix_dh(struct noise *n, const struct noise_keypair *own, const uint8_t *peer)
{
	uint8_t shared[NOISE_KEY_LEN];
	int ret = dh(own, peer, shared);

	if (ret == 0)
		mix_key(n, shared, sizeof(shared));
	OPENSSL_cleanse(shared, sizeof(shared));
	return ret;
}

/* AES-256-GCM, nonce 32 zero bits and the counter big-endian (section 12.4), h as associated data.
 * len is of the text without its tag.
 */
static bool aead(struct noise *n, bool encrypt, const uint8_t *in, size_t len, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t nonce[12] = {0}, tag[NOISE_TAG_LEN];
	bool ok;
	int l;

	store_be64(nonce + 4, n->n);
	ok = ctx != NULL &&
	     EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, n->k, nonce, encrypt) == 1 &&
	     EVP_CipherUpdate(ctx, NULL, &l, n->h, sizeof(n->h)) == 1 &&
	     (len == 0 || EVP_CipherUpdate(ctx, out, &l, in, (int)len) == 1);
	if (ok && !encrypt) {
		memcpy(tag, in + len, sizeof(tag));
		ok = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, NOISE_TAG_LEN, tag) == 1;
	}
	ok = ok && EVP_CipherFinal_ex(ctx, tag, &l) == 1;
	if (ok && encrypt)
		ok = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, NOISE_TAG_LEN, out + len) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

static int encrypt_and_hash(struct noise *n, const uint8_t *in, size_t len, uint8_t *out)
{
	if (!aead(n, true, in, len, out))
		return -EPROTO;
	n->n++;
	mix_hash(n, out, len + NOISE_TAG_LEN);
	return 0;
}

static int decrypt_and_hash(struct noise *n, const uint8_t *in, size_t len, uint8_t *out)
{
	if (!aead(n, false, in, len, out))
		return -EBADMSG;
	n->n++;
	mix_hash(n, in, len + NOISE_TAG_LEN);
	return 0;
}

void noise_init(struct noise *n, enum noise_pattern pattern, bool is_initiator,
		const void *prologue, size_t prologue_len, const struct noise_keypair *s,
		const uint8_t *peer)
{
	memset(n, 0, sizeof(*n));
	n->pattern = pattern;
	n->is_initiator = is_initiator;
	memcpy(n->h, pattern == NOISE_IKPSK2 ? name_ik : name_nn, sizeof(n->h));
	memcpy(n->ck, n->h, sizeof(n->ck));
	mix_hash(n, prologue, prologue_len);
	if (pattern == NOISE_NNPSK0)
		return;
	n->s = *s;
	if (is_initiator)
		memcpy(n->rs, peer, sizeof(n->rs));
	mix_hash(n, is_initiator ? n->rs : n->s.pub, NOISE_KEY_LEN);
}

void noise_set_psk(struct noise *n, const uint8_t psk[NOISE_PSK_LEN])
{
	memcpy(n->psk, psk, sizeof(n->psk));
	n->has_psk = true;
}

/* Token "e" of a PSK handshake mixes the public key into hash and key (section 9.2). */
static void mix_ephemeral(struct noise *n, const uint8_t *pub)
{
	mix_hash(n, pub, NOISE_KEY_LEN);
	mix_key(n, pub, NOISE_KEY_LEN);
}

static int die(struct noise *n, int err)
{
	noise_wipe(n);
	return err;
}

static bool can_step(const struct noise *n, bool is_initiator, uint8_t step)
{
	bool needs_psk = n->pattern == NOISE_NNPSK0 || step == 1;

	return !n->is_dead && n->is_initiator == is_initiator && n->step == step &&
	       (n->has_psk || !needs_psk);
}

int noise_write_1(struct noise *n, struct rng *rng, const uint8_t *payload, size_t len,
		  uint8_t *out, size_t cap)
{
	bool is_ik = n->pattern == NOISE_IKPSK2;
	size_t total = len + (is_ik ? NOISE_IK_1_OVERHEAD : NOISE_NN_1_OVERHEAD);
	uint8_t *at = out;
	int ret = 0;

	if (!can_step(n, true, 0))
		return die(n, -EPROTO);
	if (cap < total)
		return die(n, -ENOBUFS);
	if (!is_ik)
		mix_psk(n);
	noise_keypair_generate(&n->e, rng);
	memcpy(at, n->e.pub, NOISE_KEY_LEN);
	at += NOISE_KEY_LEN;
	mix_ephemeral(n, n->e.pub);
	if (is_ik) {
		ret = mix_dh(n, &n->e, n->rs);
		if (ret == 0)
			ret = encrypt_and_hash(n, n->s.pub, NOISE_KEY_LEN, at);
		if (ret == 0)
			ret = mix_dh(n, &n->s, n->rs);
		at += NOISE_KEY_LEN + NOISE_TAG_LEN;
	}
	if (ret == 0)
		ret = encrypt_and_hash(n, payload, len, at);
	if (ret < 0)
		return die(n, ret);
	n->step = 1;
	return (int)total;
}

int noise_read_1(struct noise *n, const uint8_t *msg, size_t len, uint8_t *out, size_t cap)
{
	bool is_ik = n->pattern == NOISE_IKPSK2;
	size_t overhead = is_ik ? NOISE_IK_1_OVERHEAD : NOISE_NN_1_OVERHEAD;
	const uint8_t *at = msg + NOISE_KEY_LEN;
	int ret = 0;

	if (!can_step(n, false, 0))
		return die(n, -EPROTO);
	if (len < overhead)
		return die(n, -EBADMSG);
	if (cap < len - overhead)
		return die(n, -ENOBUFS);
	if (!is_ik)
		mix_psk(n);
	memcpy(n->re, msg, NOISE_KEY_LEN);
	mix_ephemeral(n, n->re);
	if (is_ik) {
		ret = mix_dh(n, &n->s, n->re);
		if (ret == 0)
			ret = decrypt_and_hash(n, at, NOISE_KEY_LEN, n->rs);
		if (ret == 0)
			ret = mix_dh(n, &n->s, n->rs);
		at += NOISE_KEY_LEN + NOISE_TAG_LEN;
	}
	if (ret == 0)
		ret = decrypt_and_hash(n, at, len - overhead, out);
	if (ret < 0)
		return die(n, ret);
	n->step = 1;
	return (int)(len - overhead);
}

/* Tokens ee, se, psk of message 2, the same for both ends but for who holds which half. */
static int mix_second(struct noise *n)
{
	int ret = mix_dh(n, &n->e, n->re);

	if (ret < 0 || n->pattern == NOISE_NNPSK0)
		return ret;
	ret = n->is_initiator ? mix_dh(n, &n->s, n->re) : mix_dh(n, &n->e, n->rs);
	if (ret == 0)
		mix_psk(n);
	return ret;
}

int noise_write_2(struct noise *n, struct rng *rng, const uint8_t *payload, size_t len,
		  uint8_t *out, size_t cap)
{
	int ret;

	if (!can_step(n, false, 1))
		return die(n, -EPROTO);
	if (cap < len + NOISE_2_OVERHEAD)
		return die(n, -ENOBUFS);
	noise_keypair_generate(&n->e, rng);
	memcpy(out, n->e.pub, NOISE_KEY_LEN);
	mix_ephemeral(n, n->e.pub);
	ret = mix_second(n);
	if (ret == 0)
		ret = encrypt_and_hash(n, payload, len, out + NOISE_KEY_LEN);
	if (ret < 0)
		return die(n, ret);
	n->step = 2;
	return (int)(len + NOISE_2_OVERHEAD);
}

int noise_read_2(struct noise *n, const uint8_t *msg, size_t len, uint8_t *out, size_t cap)
{
	int ret;

	if (!can_step(n, true, 1))
		return die(n, -EPROTO);
	if (len < NOISE_2_OVERHEAD)
		return die(n, -EBADMSG);
	if (cap < len - NOISE_2_OVERHEAD)
		return die(n, -ENOBUFS);
	memcpy(n->re, msg, NOISE_KEY_LEN);
	mix_ephemeral(n, n->re);
	ret = mix_second(n);
	if (ret == 0)
		ret = decrypt_and_hash(n, msg + NOISE_KEY_LEN, len - NOISE_2_OVERHEAD, out);
	if (ret < 0)
		return die(n, ret);
	n->step = 2;
	return (int)(len - NOISE_2_OVERHEAD);
}

int noise_split(struct noise *n, uint8_t to_responder[NOISE_KEY_LEN],
		uint8_t to_initiator[NOISE_KEY_LEN])
{
	uint8_t out[2][NOISE_HASH_LEN];

	if (n->is_dead || n->step != 2)
		return die(n, -EPROTO);
	hkdf(n->ck, NULL, 0, out, 2);
	memcpy(to_responder, out[0], NOISE_KEY_LEN);
	memcpy(to_initiator, out[1], NOISE_KEY_LEN);
	OPENSSL_cleanse(out, sizeof(out));
	noise_wipe(n);
	return 0;
}

void noise_wipe(struct noise *n)
{
	OPENSSL_cleanse(n, sizeof(*n));
	n->is_dead = true;
}
