/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/aead.h"

#include <intel-ipsec-mb.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	BLOCK = 16,
	HMAC_BLOCK = 64,
	AES128_ROUND_KEYS = 11 * BLOCK,
	DIGEST_MAX = 32,
};

/* Expanded keys of a CBC suite: as IPsec-MB wants them, each 16-byte aligned. */
struct cbc_keys {
	uint8_t enc[AES128_ROUND_KEYS];
	uint8_t dec[AES128_ROUND_KEYS];
	uint8_t iv[AES128_ROUND_KEYS]; /* encrypts the header to the IV */
	uint8_t ipad[DIGEST_MAX];      /* HMAC states after key xor ipad, opad */
	uint8_t opad[DIGEST_MAX];
};

_Static_assert(sizeof(struct gcm_key_data) <= AEAD_KEY_BYTES, "GCM keys fit");
_Static_assert(sizeof(struct cbc_keys) <= AEAD_KEY_BYTES, "CBC keys fit");

struct aead {
	IMB_MGR *mgr;
	enum aead_isa isa;
	struct gcm_context_data gcm;
	uint8_t iv[AEAD_BURST][BLOCK] __attribute__((aligned(BLOCK)));
	uint8_t tag[AEAD_BURST][BLOCK];
	uint8_t dummy_dec[AES128_ROUND_KEYS] __attribute__((aligned(BLOCK)));
};

/* ---- life ---- */

const char *aead_isa_name(enum aead_isa isa)
{
	static const char *const names[AEAD_ISAS] = {"best", "noaesni", "sse",
						     "avx",  "avx2",	"avx512"};

	return names[isa];
}

const char *aead_version(void)
{
	return imb_get_version_str();
}

static enum aead_isa isa_of(const IMB_MGR *mgr)
{
	switch (mgr->used_arch) {
	case IMB_ARCH_NOAESNI:
		return AEAD_NOAESNI;
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

/* IPsec-MB does not refuse a variant that the CPU lacks: its feature bits have to be asked. */
static int init_variant(IMB_MGR *mgr, enum aead_isa isa)
{
	static const uint64_t need[AEAD_ISAS] = {
		[AEAD_SSE] = IMB_CPUFLAGS_SSE,
		[AEAD_AVX] = IMB_CPUFLAGS_AVX,
		[AEAD_AVX2] = IMB_CPUFLAGS_AVX2,
		[AEAD_AVX512] = IMB_CPUFLAGS_AVX512,
	};

	if ((mgr->features & need[isa]) != need[isa])
		return -ENOTSUP;
	switch (isa) {
	case AEAD_NOAESNI:
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

struct aead *aead_create(enum aead_isa isa)
{
	struct aead *a = aligned_alloc(64, (sizeof(*a) + 63) & ~(size_t)63);

	if (a == NULL)
		return NULL;
	memset(a, 0, sizeof(*a));
	a->mgr = alloc_mb_mgr(isa == AEAD_NOAESNI ? IMB_FLAG_AESNI_OFF : 0);
	if (a->mgr == NULL) {
		free(a);
		errno = ENOMEM;
		return NULL;
	}
	if (init_variant(a->mgr, isa) < 0) {
		aead_destroy(a);
		errno = ENOTSUP;
		return NULL;
	}
	a->isa = isa_of(a->mgr);
	if (isa != AEAD_BEST && a->isa != isa) {
		aead_destroy(a);
		errno = ENOTSUP;
		return NULL;
	}
	return a;
}

void aead_destroy(struct aead *a)
{
	if (a == NULL)
		return;
	free_mb_mgr(a->mgr);
	explicit_bzero(a, sizeof(*a));
	free(a);
}

enum aead_isa aead_isa(const struct aead *a)
{
	return a->isa;
}

/* ---- keys ---- */

static bool is_cbc(uint8_t suite)
{
	return suite == SUITE_AES128_CBC_HMAC_MD5 || suite == SUITE_AES128_CBC_HMAC_SHA256;
}

/* State of the hash after one block of key xor pad (RFC 2104). */
static void hmac_state(struct aead *a, const struct keys *k, uint8_t pad, uint8_t *out)
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

static void expand_cbc(struct aead *a, const struct keys *k, struct cbc_keys *out)
{
	IMB_AES_KEYEXP_128(a->mgr, k->enc, out->enc, out->dec);
	IMB_AES_KEYEXP_128(a->mgr, k->ivkey, out->iv, a->dummy_dec);
	explicit_bzero(a->dummy_dec, sizeof(a->dummy_dec));
	hmac_state(a, k, 0x36, out->ipad);
	hmac_state(a, k, 0x5c, out->opad);
}

void aead_expand(struct aead *a, const struct keys *k, bool is_rx, uint8_t out[AEAD_KEY_BYTES])
{
	memset(out, 0, AEAD_KEY_BYTES);
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
		expand_cbc(a, k, (struct cbc_keys *)(void *)out);
		break;
	default:
		break;
	}
}

/* ---- one packet ---- */

/* No early end: the time does not tell how much of the tag was right. */
static bool tag_equal(const uint8_t *a, const uint8_t *b)
{
	uint64_t x[2], y[2];

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

static void gcm_open(struct aead *a, struct aead_op *op, const uint8_t nonce[12])
{
	const struct gcm_key_data *k = (const struct gcm_key_data *)(const void *)op->keys;
	uint8_t *body = op->pkt + WIRE_HDR_LEN, tag[BLOCK];

	if (op->suite == SUITE_AES128_GCM)
		IMB_AES128_GCM_DEC(a->mgr, k, &a->gcm, body, body, op->body_len, nonce, op->pkt,
				   WIRE_HDR_LEN, tag, sizeof(tag));
	else
		IMB_AES256_GCM_DEC(a->mgr, k, &a->gcm, body, body, op->body_len, nonce, op->pkt,
				   WIRE_HDR_LEN, tag, sizeof(tag));
	op->ok = tag_equal(tag, body + op->body_len);
	op->out_len = op->body_len;
}

static void gcm_seal(struct aead *a, struct aead_op *op, const uint8_t nonce[12])
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
}

/* ---- bursts ---- */

typedef void (*fill_fn)(struct aead *a, IMB_JOB *j, struct aead_op *op, unsigned int i);

/* Run one step over n packets: all jobs in at once, the rest flushed out. A job that IPsec-MB finds
 * invalid leaves its packet not ok.
 */
static void run_jobs(struct aead *a, struct aead_op **op, const unsigned int *slot, unsigned int n,
		     fill_fn fill)
{
	IMB_JOB *jobs[AEAD_BURST];
	unsigned int done = 0;

	if (n == 0)
		return;
	/* Nothing is in flight between two calls, so there is always room for a burst. */
	if (IMB_GET_NEXT_BURST(a->mgr, n, jobs) < n)
		return;
	for (unsigned int i = 0; i < n; i++) {
		jobs[i]->user_data = op[i];
		fill(a, jobs[i], op[i], slot[i]);
	}
	done = IMB_SUBMIT_BURST(a->mgr, n, jobs);
	for (;;) {
		for (unsigned int i = 0; i < done; i++) {
			struct aead_op *o = jobs[i]->user_data;

			o->ok = jobs[i]->status == IMB_STATUS_COMPLETED;
		}
		done = IMB_FLUSH_BURST(a->mgr, n, jobs);
		if (done == 0)
			break;
	}
}

static void fill_chacha(struct aead *a, IMB_JOB *j, struct aead_op *op, unsigned int i, bool seal)
{
	j->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
	j->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
	j->cipher_direction = seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
	j->chain_order = seal ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
	j->enc_keys = op->keys;
	j->dec_keys = op->keys;
	j->key_len_in_bytes = 32;
	j->src = op->pkt;
	j->dst = op->pkt + WIRE_HDR_LEN;
	j->cipher_start_src_offset_in_bytes = WIRE_HDR_LEN;
	j->msg_len_to_cipher_in_bytes = op->body_len;
	j->hash_start_src_offset_in_bytes = WIRE_HDR_LEN;
	j->msg_len_to_hash_in_bytes = op->body_len;
	j->iv = a->iv[i];
	j->iv_len_in_bytes = SUITE_IV_LEN;
	j->u.CHACHA20_POLY1305.aad = op->pkt;
	j->u.CHACHA20_POLY1305.aad_len_in_bytes = WIRE_HDR_LEN;
	j->auth_tag_output = seal ? op->pkt + WIRE_HDR_LEN + op->body_len : a->tag[i];
	j->auth_tag_output_len_in_bytes = WIRE_TAG_LEN;
}

static void fill_chacha_open(struct aead *a, IMB_JOB *j, struct aead_op *op, unsigned int i)
{
	fill_chacha(a, j, op, i, false);
}

static void fill_chacha_seal(struct aead *a, IMB_JOB *j, struct aead_op *op, unsigned int i)
{
	fill_chacha(a, j, op, i, true);
}

/* IV = AES(ivkey, header). */
static void fill_iv(struct aead *a, IMB_JOB *j, struct aead_op *op, unsigned int i)
{
	const struct cbc_keys *k = (const struct cbc_keys *)(const void *)op->keys;

	j->cipher_mode = IMB_CIPHER_ECB;
	j->hash_alg = IMB_AUTH_NULL;
	j->cipher_direction = IMB_DIR_ENCRYPT;
	j->chain_order = IMB_ORDER_CIPHER_HASH;
	j->enc_keys = k->iv;
	j->dec_keys = k->iv;
	j->key_len_in_bytes = 16;
	j->src = op->pkt;
	j->dst = a->iv[i];
	j->cipher_start_src_offset_in_bytes = 0;
	j->msg_len_to_cipher_in_bytes = BLOCK;
	j->iv = NULL;
	j->iv_len_in_bytes = 0;
}

static void fill_mac(struct aead *a, IMB_JOB *j, struct aead_op *op, unsigned int i, uint8_t *tag)
{
	const struct cbc_keys *k = (const struct cbc_keys *)(const void *)op->keys;

	j->hash_alg = op->suite == SUITE_AES128_CBC_HMAC_MD5 ? IMB_AUTH_MD5 : IMB_AUTH_HMAC_SHA_256;
	j->src = op->pkt;
	j->hash_start_src_offset_in_bytes = 0;
	j->msg_len_to_hash_in_bytes = WIRE_HDR_LEN + op->body_len;
	j->u.HMAC._hashed_auth_key_xor_ipad = k->ipad;
	j->u.HMAC._hashed_auth_key_xor_opad = k->opad;
	j->auth_tag_output = tag;
	j->auth_tag_output_len_in_bytes = WIRE_TAG_LEN;
}

static void fill_mac_only(struct aead *a, IMB_JOB *j, struct aead_op *op, unsigned int i)
{
	j->cipher_mode = IMB_CIPHER_NULL;
	j->cipher_direction = IMB_DIR_DECRYPT;
	j->chain_order = IMB_ORDER_HASH_CIPHER;
	j->msg_len_to_cipher_in_bytes = 0;
	fill_mac(a, j, op, i, a->tag[i]);
}

static void fill_cbc(struct aead *a, IMB_JOB *j, struct aead_op *op, unsigned int i, bool seal)
{
	const struct cbc_keys *k = (const struct cbc_keys *)(const void *)op->keys;

	j->cipher_mode = IMB_CIPHER_CBC;
	j->cipher_direction = seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
	j->enc_keys = k->enc;
	j->dec_keys = k->dec;
	j->key_len_in_bytes = 16;
	j->src = op->pkt;
	j->dst = op->pkt + WIRE_HDR_LEN;
	j->cipher_start_src_offset_in_bytes = WIRE_HDR_LEN;
	j->msg_len_to_cipher_in_bytes = op->body_len;
	j->iv = a->iv[i];
	j->iv_len_in_bytes = BLOCK;
}

static void fill_cbc_open(struct aead *a, IMB_JOB *j, struct aead_op *op, unsigned int i)
{
	fill_cbc(a, j, op, i, false);
	j->chain_order = IMB_ORDER_HASH_CIPHER;
	j->hash_alg = IMB_AUTH_NULL;
}

static void fill_cbc_seal(struct aead *a, IMB_JOB *j, struct aead_op *op, unsigned int i)
{
	fill_cbc(a, j, op, i, true);
	j->chain_order = IMB_ORDER_CIPHER_HASH;
	fill_mac(a, j, op, i, op->pkt + WIRE_HDR_LEN + op->body_len);
}

struct batch {
	struct aead_op *op[AEAD_BURST];
	unsigned int slot[AEAD_BURST];
	unsigned int n;
};

static void batch_add(struct batch *b, struct aead_op *op, unsigned int slot)
{
	b->op[b->n] = op;
	b->slot[b->n++] = slot;
}

static void chacha_open(struct aead *a, struct batch *b)
{
	run_jobs(a, b->op, b->slot, b->n, fill_chacha_open);
	for (unsigned int i = 0; i < b->n; i++) {
		struct aead_op *op = b->op[i];

		op->ok = op->ok &&
			 tag_equal(a->tag[b->slot[i]], op->pkt + WIRE_HDR_LEN + op->body_len);
		op->out_len = op->body_len;
	}
}

/* MAC of all, then decrypt those that are authentic: no byte of a forged packet is decrypted. */
static void cbc_open(struct aead *a, struct batch *b)
{
	struct batch good = {.n = 0};

	run_jobs(a, b->op, b->slot, b->n, fill_mac_only);
	for (unsigned int i = 0; i < b->n; i++) {
		struct aead_op *op = b->op[i];

		op->ok = op->ok &&
			 tag_equal(a->tag[b->slot[i]], op->pkt + WIRE_HDR_LEN + op->body_len);
		op->out_len = op->body_len;
		if (op->ok)
			batch_add(&good, op, b->slot[i]);
	}
	run_jobs(a, good.op, good.slot, good.n, fill_iv);
	run_jobs(a, good.op, good.slot, good.n, fill_cbc_open);
}

static void cbc_seal(struct aead *a, struct batch *b)
{
	for (unsigned int i = 0; i < b->n; i++) {
		struct aead_op *op = b->op[i];
		uint16_t padded = (uint16_t)((op->body_len + BLOCK - 1) & ~(BLOCK - 1));

		memset(op->pkt + WIRE_HDR_LEN + op->body_len, 0, padded - op->body_len);
		op->body_len = padded;
		op->out_len = padded;
	}
	run_jobs(a, b->op, b->slot, b->n, fill_iv);
	run_jobs(a, b->op, b->slot, b->n, fill_cbc_seal);
}

static void chacha_seal(struct aead *a, struct batch *b)
{
	run_jobs(a, b->op, b->slot, b->n, fill_chacha_seal);
	for (unsigned int i = 0; i < b->n; i++)
		b->op[i]->out_len = b->op[i]->body_len;
}

void aead_open(struct aead *a, struct aead_op *op, unsigned int n)
{
	struct batch chacha = {.n = 0}, cbc = {.n = 0};
	uint8_t nonce[12];

	for (unsigned int i = 0; i < n; i++) {
		op[i].ok = false;
		if (op[i].suite == SUITE_AES128_GCM || op[i].suite == SUITE_AES256_GCM) {
			wire_nonce(nonce, op[i].iv, op[i].pkt);
			gcm_open(a, &op[i], nonce);
		} else if (op[i].suite == SUITE_CHACHA20_POLY1305) {
			wire_nonce(a->iv[i], op[i].iv, op[i].pkt);
			batch_add(&chacha, &op[i], i);
		} else if (is_cbc(op[i].suite) && op[i].body_len > 0 &&
			   op[i].body_len % BLOCK == 0) {
			batch_add(&cbc, &op[i], i);
		}
	}
	chacha_open(a, &chacha);
	cbc_open(a, &cbc);
}

void aead_seal(struct aead *a, struct aead_op *op, unsigned int n)
{
	struct batch chacha = {.n = 0}, cbc = {.n = 0};
	uint8_t nonce[12];

	for (unsigned int i = 0; i < n; i++) {
		op[i].ok = false;
		if (op[i].suite == SUITE_AES128_GCM || op[i].suite == SUITE_AES256_GCM) {
			wire_nonce(nonce, op[i].iv, op[i].pkt);
			gcm_seal(a, &op[i], nonce);
		} else if (op[i].suite == SUITE_CHACHA20_POLY1305) {
			wire_nonce(a->iv[i], op[i].iv, op[i].pkt);
			batch_add(&chacha, &op[i], i);
		} else if (is_cbc(op[i].suite)) {
			batch_add(&cbc, &op[i], i);
		}
	}
	chacha_seal(a, &chacha);
	cbc_seal(a, &cbc);
}
