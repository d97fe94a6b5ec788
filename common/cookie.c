/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/cookie.h"
#include "common/bytes.h"
#include "common/hash.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

enum {
	MACS_LEN = 2 * WIRE_MAC_LEN,
	HS1_INDEX = WIRE_HDR_LEN, /* where a handshake 1 holds the asker's index */
	REPLY_RANDOM = WIRE_HDR_LEN,
	REPLY_SEALED = REPLY_RANDOM + 32,
};

static const uint64_t life_ns = COOKIE_LIFE_SEC * 1000000000ULL;

static void mac(const void *key, size_t key_len, const void *data, size_t len,
		uint8_t out[WIRE_MAC_LEN])
{
	uint8_t full[HASH_LEN];

	hash_hmac(key, key_len, data, len, full);
	memcpy(out, full, WIRE_MAC_LEN);
}

static void mac1_key(const uint8_t *pub, uint8_t out[HASH_LEN])
{
	hash_sha256("ntm1 mac1", 9, pub, 32, out);
}

void cookie_jar_init(struct cookie_jar *j, const uint8_t pub[32])
{
	memset(j, 0, sizeof(*j));
	memcpy(j->pub, pub, sizeof(j->pub));
	mac1_key(pub, j->mac1_key);
}

bool cookie_check_mac1(const struct cookie_jar *j, const uint8_t *pkt, size_t len)
{
	uint8_t want[WIRE_MAC_LEN];

	if (len < WIRE_HDR_LEN + MACS_LEN)
		return false;
	mac(j->mac1_key, sizeof(j->mac1_key), pkt, len - MACS_LEN, want);
	return CRYPTO_memcmp(want, pkt + len - MACS_LEN, sizeof(want)) == 0;
}

static void rotate(struct cookie_jar *j, uint64_t now, struct rng *rng)
{
	uint64_t age = now - j->since_ns;

	if (j->has_secret && age < life_ns)
		return;
	memcpy(j->secret[1], j->secret[0], sizeof(j->secret[1]));
	if (!j->has_secret || age >= 2 * life_ns)
		rng_fill(rng, j->secret[1], sizeof(j->secret[1]));
	rng_fill(rng, j->secret[0], sizeof(j->secret[0]));
	j->since_ns = now;
	j->has_secret = true;
}

static void cookie_of(const uint8_t *secret, const struct endpoint *from, uint8_t out[COOKIE_LEN])
{
	uint8_t where[sizeof(from->ip.b) + 2];

	memcpy(where, from->ip.b, sizeof(from->ip.b));
	store_be16(where + sizeof(from->ip.b), from->port);
	mac(secret, 32, where, sizeof(where), out);
}

bool cookie_check_mac2(struct cookie_jar *j, uint64_t now, struct rng *rng,
		       const struct endpoint *from, const uint8_t *pkt, size_t len)
{
	uint8_t cookie[COOKIE_LEN], want[WIRE_MAC_LEN];
	bool is_good = false;

	if (len < WIRE_HDR_LEN + MACS_LEN)
		return false;
	rotate(j, now, rng);
	for (int i = 0; i < 2; i++) {
		cookie_of(j->secret[i], from, cookie);
		mac(cookie, sizeof(cookie), pkt, len - WIRE_MAC_LEN, want);
		is_good |= CRYPTO_memcmp(want, pkt + len - WIRE_MAC_LEN, sizeof(want)) == 0;
	}
	return is_good;
}

/* The key of one cookie packet: HKDF (RFC 5869) with its random bytes as salt. */
static void reply_key(const uint8_t *pub, const uint8_t *random, uint8_t key[32])
{
	uint8_t prk[HASH_LEN];

	hash_hmac(random, 32, pub, 32, prk);
	hash_expand(prk, "ntm1 cookie", 11, key, 32);
}

static bool reply_crypt(const uint8_t key[32], bool encrypt, const uint8_t mac1[WIRE_MAC_LEN],
			const uint8_t *in, uint8_t *out, uint8_t *tag)
{
	/* Nonce 0: the key is for this packet alone. */
	static const uint8_t nonce[12];
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t none[16];
	bool ok;
	int n;

	ok = ctx != NULL &&
	     EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce, encrypt) == 1 &&
	     EVP_CipherUpdate(ctx, NULL, &n, mac1, WIRE_MAC_LEN) == 1 &&
	     EVP_CipherUpdate(ctx, out, &n, in, COOKIE_LEN) == 1;
	if (ok && !encrypt)
		ok = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, WIRE_TAG_LEN, tag) == 1;
	ok = ok && EVP_CipherFinal_ex(ctx, none, &n) == 1;
	if (ok && encrypt)
		ok = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, WIRE_TAG_LEN, tag) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

void cookie_reply(struct cookie_jar *j, uint64_t now, struct rng *rng, const struct endpoint *from,
		  const uint8_t *pkt, size_t len, uint8_t out[WIRE_COOKIE_LEN])
{
	uint8_t cookie[COOKIE_LEN], key[32];
	uint8_t *sealed = out + REPLY_SEALED;

	rotate(j, now, rng);
	cookie_of(j->secret[0], from, cookie);
	wire_build(out, WIRE_COOKIE, 0, 0, load_be64(pkt + HS1_INDEX));
	rng_fill(rng, out + REPLY_RANDOM, 32);
	reply_key(j->pub, out + REPLY_RANDOM, key);
	if (!reply_crypt(key, true, pkt + len - MACS_LEN, cookie, sealed, sealed + COOKIE_LEN))
		memset(sealed, 0, COOKIE_LEN + WIRE_TAG_LEN); /* opens for nobody */
}

void cookie_write_macs(const uint8_t peer_pub[32], const uint8_t *cookie, uint8_t *pkt, size_t len)
{
	uint8_t key[HASH_LEN], *mac1 = pkt + len - MACS_LEN, *mac2 = mac1 + WIRE_MAC_LEN;

	mac1_key(peer_pub, key);
	mac(key, sizeof(key), pkt, len - MACS_LEN, mac1);
	if (cookie != NULL)
		mac(cookie, COOKIE_LEN, pkt, len - WIRE_MAC_LEN, mac2);
	else
		memset(mac2, 0, WIRE_MAC_LEN);
}

int cookie_open(const uint8_t peer_pub[32], const uint8_t *sent, size_t sent_len,
		const uint8_t *pkt, size_t len, uint8_t cookie[COOKIE_LEN])
{
	uint8_t key[32], tag[WIRE_TAG_LEN], text[COOKIE_LEN];
	struct wire_fields f;

	if (len != WIRE_COOKIE_LEN || wire_parse(pkt, len, &f) != WIRE_OK ||
	    f.type != WIRE_COOKIE || f.flags != 0 || f.seq != 0 ||
	    f.id != load_be64(sent + HS1_INDEX))
		return -EBADMSG;
	reply_key(peer_pub, pkt + REPLY_RANDOM, key);
	memcpy(tag, pkt + REPLY_SEALED + COOKIE_LEN, sizeof(tag));
	if (!reply_crypt(key, false, sent + sent_len - MACS_LEN, pkt + REPLY_SEALED, text, tag))
		return -EBADMSG;
	memcpy(cookie, text, COOKIE_LEN);
	return 0;
}
