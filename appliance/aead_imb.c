/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/aead_imb.h"

#include <errno.h>
#include <stdlib.h>

enum { LINE = 64, KEYS_AHEAD = 3, BODY_AHEAD = 2 };

/* The hash keys of all variants but the one for AVX-512: eight powers, and as many of what Karatsuba's
 * multiplication takes.
 */
enum { GCM_FEW_POWERS = 2 * 8 * BLOCK, KEY_BYTES_FEW = 512 };

/* The library's struct is padded to whole lines: the tail is where the padding is. */
_Static_assert(sizeof(struct gcm_key_data) <= AEAD_KEY_BYTES &&
		       offsetof(struct gcm_key_data, ghash_keys) +
				       sizeof(((struct gcm_key_data *)0)->ghash_keys) <=
			       AEAD_KEY_BYTES - AEAD_KEY_TAIL,
	       "GCM keys fit");
_Static_assert(offsetof(struct gcm_key_data, ghash_keys) + GCM_FEW_POWERS <=
		       KEY_BYTES_FEW - AEAD_KEY_TAIL,
	       "GCM keys fit without AVX-512");
_Static_assert(sizeof(struct cbc_keys) <= KEY_BYTES_FEW - AEAD_KEY_TAIL, "CBC keys fit");

static struct aead_imb *imb_of(struct aead *a)
{
	return (struct aead_imb *)a;
}

/* ---- keys ---- */

/* State of the hash after one block of key xor pad (RFC 2104). */
static void hmac_state(struct aead_imb *a, const struct keys *k, uint8_t pad, uint8_t *out)
{
	uint8_t block[HMAC_BLOCK];
	size_t len = k->suite == SUITE_AES128_CBC_HMAC_MD5 ? 16 : 32;

	memset(block, pad, sizeof(block));
	for (size_t i = 0; i < len; i++)
		block[i] ^= k->mac[i];
	if (k->suite == SUITE_AES128_CBC_HMAC_MD5)
		IMB_MD5_ONE_BLOCK(a->mgr, block, out);
	else
		IMB_SHA256_ONE_BLOCK(a->mgr, block, out);
	explicit_bzero(block, sizeof(block));
}

static void expand_cbc(struct aead_imb *a, const struct keys *k, bool is_rx, struct cbc_keys *out)
{
	if (is_rx)
		IMB_AES_KEYEXP_128(a->mgr, k->enc, a->unused, out->cipher);
	else
		IMB_AES_KEYEXP_128(a->mgr, k->enc, out->cipher, a->unused);
	IMB_AES_KEYEXP_128(a->mgr, k->ivkey, out->iv, a->unused);
	explicit_bzero(a->unused, sizeof(a->unused));
	hmac_state(a, k, 0x36, out->ipad);
	hmac_state(a, k, 0x5c, out->opad);
}

static void imb_expand(struct aead *base, const struct keys *k, bool is_rx, uint8_t *out)
{
	struct aead_imb *a = imb_of(base);

	switch (k->suite) {
	case SUITE_AES128_GCM:
		IMB_AES128_GCM_PRE(a->mgr, k->key, (struct gcm_key_data *)(void *)out);
		break;
	case SUITE_AES256_GCM:
		IMB_AES256_GCM_PRE(a->mgr, k->key, (struct gcm_key_data *)(void *)out);
		break;
	case SUITE_CHACHA20_POLY1305:
		memcpy(out, k->key, 32);
		break;
	case SUITE_AES128_CBC_HMAC_MD5:
	case SUITE_AES128_CBC_HMAC_SHA256:
		expand_cbc(a, k, is_rx, (struct cbc_keys *)(void *)out);
		break;
	default:
		break;
	}
}

/* ---- packets ---- */

static void gcm_open(struct aead_imb *a, struct aead_op *op, const uint8_t nonce[12])
{
	const struct gcm_key_data *k = (const struct gcm_key_data *)(const void *)op->keys;
	uint8_t *body = op->pkt + WIRE_HDR_LEN, tag[BLOCK];

	if (op->suite == SUITE_AES128_GCM)
		IMB_AES128_GCM_DEC(a->mgr, k, &a->gcm, body, body, op->body_len, nonce, op->pkt,
				   WIRE_HDR_LEN, tag, sizeof(tag));
	else
		IMB_AES256_GCM_DEC(a->mgr, k, &a->gcm, body, body, op->body_len, nonce, op->pkt,
				   WIRE_HDR_LEN, tag, sizeof(tag));
	op->ok = aead_tag_equal(tag, body + op->body_len);
	op->out_len = op->body_len;
}

static void gcm_seal(struct aead_imb *a, struct aead_op *op, const uint8_t nonce[12])
{
	const struct gcm_key_data *k = (const struct gcm_key_data *)(const void *)op->keys;
	uint8_t *body = op->pkt + WIRE_HDR_LEN, *tag = body + op->body_len;

	if (op->suite == SUITE_AES128_GCM)
		IMB_AES128_GCM_ENC(a->mgr, k, &a->gcm, body, body, op->body_len, nonce, op->pkt,
				   WIRE_HDR_LEN, tag, WIRE_TAG_LEN);
	else
		IMB_AES256_GCM_ENC(a->mgr, k, &a->gcm, body, body, op->body_len, nonce, op->pkt,
				   WIRE_HDR_LEN, tag, WIRE_TAG_LEN);
	op->ok = true;
	op->out_len = op->body_len;
	aead_sum(&a->base, op);
}

static bool is_gcm(uint8_t suite)
{
	return suite == SUITE_AES128_GCM || suite == SUITE_AES256_GCM;
}

/* The keys of a packet are 8 or 16 lines, as many as a core has misses under way at once: they are asked for
 * a few packets ahead, by whoever does the cipher, and once for packets of one leg in a row.
 */
static inline void fetch_keys(const struct aead_imb *a, const struct aead_op *op, unsigned int n,
			      unsigned int i)
{
	if (i >= n || (i > 0 && op[i].keys == op[i - 1].keys))
		return;
	for (unsigned int at = 0; at < a->base.key_bytes; at += LINE)
		__builtin_prefetch(op[i].keys + at);
}

/* A body that was just received lies in memory, or at best in the outer cache: it is fetched while the
 * packets before it are worked on. Its first line has been read already.
 */
static void fetch_body(const struct aead_op *op, unsigned int n, unsigned int i)
{
	if (i >= n)
		return;
	for (unsigned int at = LINE; at < WIRE_OVERHEAD + (unsigned int)op[i].body_len; at += LINE)
		__builtin_prefetch(op[i].pkt + at, 1);
}

static void imb_open(struct aead *base, struct aead_op *op, unsigned int n)
{
	struct aead_imb *a = imb_of(base);
	struct imb_batch chacha, cbc; /* as far as n: no need to clear the rest */
	uint8_t nonce[12];

	chacha.n = 0;
	cbc.n = 0;
	for (unsigned int i = 0; i < KEYS_AHEAD; i++)
		fetch_keys(a, op, n, i);
	for (unsigned int i = 0; i < BODY_AHEAD; i++)
		fetch_body(op, n, i);
	for (unsigned int i = 0; i < n; i++) {
		fetch_keys(a, op, n, i + KEYS_AHEAD);
		fetch_body(op, n, i + BODY_AHEAD);
		op[i].ok = false;
		if (is_gcm(op[i].suite)) {
			wire_nonce(nonce, op[i].iv, op[i].pkt);
			gcm_open(a, &op[i], nonce);
		} else if (op[i].suite == SUITE_CHACHA20_POLY1305) {
			wire_nonce(a->iv[i], op[i].iv, op[i].pkt);
			imb_batch_add(&chacha, &op[i], i);
		} else if (suite_is_cbc(op[i].suite) && op[i].body_len > 0 &&
			   op[i].body_len % BLOCK == 0) {
			imb_batch_add(&cbc, &op[i], i);
		}
	}
	if (chacha.n > 0)
		imb_chacha_open(a, &chacha);
	if (cbc.n > 0)
		imb_cbc_open(a, &cbc);
}

static void imb_seal(struct aead *base, struct aead_op *op, unsigned int n)
{
	struct aead_imb *a = imb_of(base);
	struct imb_batch chacha, cbc; /* as far as n: no need to clear the rest */
	uint8_t nonce[12];

	chacha.n = 0;
	cbc.n = 0;
	for (unsigned int i = 0; i < KEYS_AHEAD; i++)
		fetch_keys(a, op, n, i);
	for (unsigned int i = 0; i < BODY_AHEAD; i++)
		fetch_body(op, n, i);
	for (unsigned int i = 0; i < n; i++) {
		fetch_keys(a, op, n, i + KEYS_AHEAD);
		fetch_body(op, n, i + BODY_AHEAD);
		op[i].ok = false;
		if (is_gcm(op[i].suite)) {
			wire_nonce(nonce, op[i].iv, op[i].pkt);
			gcm_seal(a, &op[i], nonce);
		} else if (op[i].suite == SUITE_CHACHA20_POLY1305) {
			wire_nonce(a->iv[i], op[i].iv, op[i].pkt);
			imb_batch_add(&chacha, &op[i], i);
		} else if (suite_is_cbc(op[i].suite)) {
			imb_batch_add(&cbc, &op[i], i);
		}
	}
	if (chacha.n > 0)
		imb_chacha_seal(a, &chacha);
	if (cbc.n > 0)
		imb_cbc_seal(a, &cbc);
	for (unsigned int i = 0; i < chacha.n; i++)
		aead_sum(base, chacha.op[i]);
	for (unsigned int i = 0; i < cbc.n; i++)
		aead_sum(base, cbc.op[i]);
}

/* ---- life ---- */

static enum aead_isa isa_of(const IMB_MGR *mgr)
{
	switch (mgr->used_arch) {
	case IMB_ARCH_SSE:
		return AEAD_SSE;
	case IMB_ARCH_AVX:
		return AEAD_AVX;
	case IMB_ARCH_AVX2:
		return AEAD_AVX2;
	default:
		return AEAD_AVX512;
	}
}

/* IPsec-MB does not refuse a variant that the CPU lacks: its feature bits have to be asked. The least
 * needs AES-NI and PCLMULQDQ; what the library has for CPUs without them is left out of most builds.
 */
static int init_variant(IMB_MGR *mgr, enum aead_isa isa)
{
	static const uint64_t need[AEAD_ISAS] = {
		[AEAD_BEST] = IMB_CPUFLAGS_SSE,	     [AEAD_SSE] = IMB_CPUFLAGS_SSE,
		[AEAD_AVX] = IMB_CPUFLAGS_AVX,	     [AEAD_AVX2] = IMB_CPUFLAGS_AVX2,
		[AEAD_AVX512] = IMB_CPUFLAGS_AVX512,
	};

	if ((mgr->features & need[isa]) != need[isa])
		return -ENOTSUP;
	switch (isa) {
	case AEAD_SSE:
		init_mb_mgr_sse(mgr);
		break;
	case AEAD_AVX:
		init_mb_mgr_avx(mgr);
		break;
	case AEAD_AVX2:
		init_mb_mgr_avx2(mgr);
		break;
	case AEAD_AVX512:
		init_mb_mgr_avx512(mgr);
		break;
	default:
		init_mb_mgr_auto(mgr, NULL);
		break;
	}
	return imb_get_errno(mgr) == 0 ? 0 : -ENOTSUP;
}

static void imb_free(struct aead_imb *a)
{
	free_mb_mgr(a->mgr);
	explicit_bzero(a, sizeof(*a));
	free(a);
}

static void imb_destroy(struct aead *base)
{
	imb_free(imb_of(base));
}

static const char *imb_version(void)
{
	return imb_get_version_str();
}

struct aead *aead_imb_create(enum aead_isa isa)
{
	static const struct aead_backend backend = {
		.name = "IPsec-MB",
		.version = imb_version,
		.destroy = imb_destroy,
		.expand = imb_expand,
		.open = imb_open,
		.seal = imb_seal,
	};
	struct aead_imb *a = aligned_alloc(64, (sizeof(*a) + 63) & ~(size_t)63);

	if (a == NULL)
		return NULL;
	memset(a, 0, sizeof(*a));
	a->base.backend = &backend;
	a->mgr = alloc_mb_mgr(0);
	if (a->mgr == NULL) {
		free(a);
		errno = ENOMEM;
		return NULL;
	}
	if (init_variant(a->mgr, isa) < 0)
		goto err_destroy;
	a->base.isa = isa_of(a->mgr);
	a->base.sum = a->base.isa == AEAD_AVX512 ? aead_sum_avx512 : aead_sum_any;
	a->base.key_bytes = a->base.isa == AEAD_AVX512 ? AEAD_KEY_BYTES : KEY_BYTES_FEW;
	if (isa != AEAD_BEST && a->base.isa != isa)
		goto err_destroy;
	return &a->base;

err_destroy:
	imb_free(a);
	errno = ENOTSUP;
	return NULL;
}
