/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/aead_imb.h"

/* The suites that IPsec-MB does several packets of at a time. */

typedef void (*fill_fn)(struct aead_imb *a, IMB_JOB *j, struct aead_op *op, unsigned int i);

/* Run one step over n packets: all jobs in at once, the rest flushed out. A job that IPsec-MB finds
 * invalid leaves its packet not ok.
 */
static void run_jobs(struct aead_imb *a, struct aead_op **op, const unsigned int *slot,
		     unsigned int n, fill_fn fill)
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

static void fill_chacha(struct aead_imb *a, IMB_JOB *j, struct aead_op *op, unsigned int i,
			bool seal)
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

static void fill_chacha_open(struct aead_imb *a, IMB_JOB *j, struct aead_op *op, unsigned int i)
{
	fill_chacha(a, j, op, i, false);
}

static void fill_chacha_seal(struct aead_imb *a, IMB_JOB *j, struct aead_op *op, unsigned int i)
{
	fill_chacha(a, j, op, i, true);
}

/* IV = AES(ivkey, header). */
static void fill_iv(struct aead_imb *a, IMB_JOB *j, struct aead_op *op, unsigned int i)
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

static void fill_mac(struct aead_imb *a, IMB_JOB *j, struct aead_op *op, unsigned int i,
		     uint8_t *tag)
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

static void fill_mac_only(struct aead_imb *a, IMB_JOB *j, struct aead_op *op, unsigned int i)
{
	j->cipher_mode = IMB_CIPHER_NULL;
	j->cipher_direction = IMB_DIR_DECRYPT;
	j->chain_order = IMB_ORDER_HASH_CIPHER;
	j->msg_len_to_cipher_in_bytes = 0;
	fill_mac(a, j, op, i, a->tag[i]);
}

static void fill_cbc(struct aead_imb *a, IMB_JOB *j, struct aead_op *op, unsigned int i, bool seal)
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

static void fill_cbc_open(struct aead_imb *a, IMB_JOB *j, struct aead_op *op, unsigned int i)
{
	fill_cbc(a, j, op, i, false);
	j->chain_order = IMB_ORDER_HASH_CIPHER;
	j->hash_alg = IMB_AUTH_NULL;
}

static void fill_cbc_seal(struct aead_imb *a, IMB_JOB *j, struct aead_op *op, unsigned int i)
{
	fill_cbc(a, j, op, i, true);
	j->chain_order = IMB_ORDER_CIPHER_HASH;
	fill_mac(a, j, op, i, op->pkt + WIRE_HDR_LEN + op->body_len);
}

void imb_chacha_open(struct aead_imb *a, struct imb_batch *b)
{
	run_jobs(a, b->op, b->slot, b->n, fill_chacha_open);
	for (unsigned int i = 0; i < b->n; i++) {
		struct aead_op *op = b->op[i];

		op->ok = op->ok &&
			 aead_tag_equal(a->tag[b->slot[i]], op->pkt + WIRE_HDR_LEN + op->body_len);
		op->out_len = op->body_len;
	}
}

/* MAC of all, then decrypt those that are authentic: no byte of a forged packet is decrypted. */
void imb_cbc_open(struct aead_imb *a, struct imb_batch *b)
{
	struct imb_batch good = {.n = 0};

	run_jobs(a, b->op, b->slot, b->n, fill_mac_only);
	for (unsigned int i = 0; i < b->n; i++) {
		struct aead_op *op = b->op[i];

		op->ok = op->ok &&
			 aead_tag_equal(a->tag[b->slot[i]], op->pkt + WIRE_HDR_LEN + op->body_len);
		op->out_len = op->body_len;
		if (op->ok)
			imb_batch_add(&good, op, b->slot[i]);
	}
	run_jobs(a, good.op, good.slot, good.n, fill_iv);
	run_jobs(a, good.op, good.slot, good.n, fill_cbc_open);
}

void imb_cbc_seal(struct aead_imb *a, struct imb_batch *b)
{
	for (unsigned int i = 0; i < b->n; i++) {
		struct aead_op *op = b->op[i];

		op->body_len = aead_pad(op->pkt + WIRE_HDR_LEN, op->body_len);
		op->out_len = op->body_len;
	}
	run_jobs(a, b->op, b->slot, b->n, fill_iv);
	run_jobs(a, b->op, b->slot, b->n, fill_cbc_seal);
}

void imb_chacha_seal(struct aead_imb *a, struct imb_batch *b)
{
	run_jobs(a, b->op, b->slot, b->n, fill_chacha_seal);
	for (unsigned int i = 0; i < b->n; i++)
		b->op[i]->out_len = b->op[i]->body_len;
}
