/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/aead_imb.h"

/* The suites that IPsec-MB does several packets of at a time. */

static const struct cbc_keys *cbc_keys_of(const struct aead_op *op)
{
	return (const struct cbc_keys *)(const void *)op->keys;
}

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

/* IV = AES(ivkey, header), as one block of CFB over zeros: a call instead of a job. */
static void iv_make(struct aead_imb *a, const struct imb_batch *b)
{
	static const uint8_t zeros[BLOCK];

	for (unsigned int i = 0; i < b->n; i++)
		IMB_AES128_CFB_ONE(a->mgr, a->iv[b->slot[i]], zeros, b->op[i]->pkt,
				   cbc_keys_of(b->op[i])->iv, BLOCK);
}

static void fill_mac(struct aead_imb *a, IMB_JOB *j, struct aead_op *op, uint8_t *tag)
{
	const struct cbc_keys *k = cbc_keys_of(op);

	j->hash_alg = op->suite == SUITE_AES128_CBC_HMAC_MD5 ? IMB_AUTH_MD5 : IMB_AUTH_HMAC_SHA_256;
	j->src = op->pkt;
	j->hash_start_src_offset_in_bytes = 0;
	j->msg_len_to_hash_in_bytes = WIRE_HDR_LEN + op->body_len;
	j->u.HMAC._hashed_auth_key_xor_ipad = k->ipad;
	j->u.HMAC._hashed_auth_key_xor_opad = k->opad;
	j->auth_tag_output = tag;
	j->auth_tag_output_len_in_bytes = WIRE_TAG_LEN;
}

static void fill_md5_open(struct aead_imb *a, IMB_JOB *j, struct aead_op *op, unsigned int i)
{
	j->cipher_mode = IMB_CIPHER_NULL;
	j->cipher_direction = IMB_DIR_DECRYPT;
	j->chain_order = IMB_ORDER_HASH_CIPHER;
	j->msg_len_to_cipher_in_bytes = 0;
	fill_mac(a, j, op, a->tag[i]);
}

static void fill_md5_seal(struct aead_imb *a, IMB_JOB *j, struct aead_op *op, unsigned int i)
{
	fill_md5_open(a, j, op, i);
	j->auth_tag_output = op->pkt + WIRE_HDR_LEN + op->body_len;
}

/* Jobs of our own, done when the call returns; they come without the manager's queue. What it does not
 * finish leaves its packet not ok.
 */
static void sha256_all(struct aead_imb *a, const struct imb_batch *b, bool seal)
{
	for (unsigned int i = 0; i < b->n; i++) {
		struct aead_op *op = b->op[i];

		fill_mac(a, &a->job[i], op,
			 seal ? op->pkt + WIRE_HDR_LEN + op->body_len : a->tag[b->slot[i]]);
		a->job[i].status = 0;
	}
	if (b->n > 0)
		IMB_SUBMIT_HASH_BURST_NOCHECK(a->mgr, a->job, b->n, IMB_AUTH_HMAC_SHA_256);
	for (unsigned int i = 0; i < b->n; i++)
		b->op[i]->ok = a->job[i].status == IMB_STATUS_COMPLETED;
}

static void cbc_all(struct aead_imb *a, const struct imb_batch *b, bool seal)
{
	iv_make(a, b);
	for (unsigned int i = 0; i < b->n; i++) {
		IMB_JOB *j = &a->job[i];
		struct aead_op *op = b->op[i];

		j->cipher_mode = IMB_CIPHER_CBC;
		j->cipher_direction = seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
		j->enc_keys = cbc_keys_of(op)->cipher;
		j->dec_keys = cbc_keys_of(op)->cipher;
		j->key_len_in_bytes = 16;
		j->src = op->pkt;
		j->dst = op->pkt + WIRE_HDR_LEN;
		j->cipher_start_src_offset_in_bytes = WIRE_HDR_LEN;
		j->msg_len_to_cipher_in_bytes = op->body_len;
		j->iv = a->iv[b->slot[i]];
		j->iv_len_in_bytes = BLOCK;
		j->status = 0;
	}
	if (b->n > 0)
		IMB_SUBMIT_CIPHER_BURST_NOCHECK(a->mgr, a->job, b->n, IMB_CIPHER_CBC,
						seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT,
						IMB_KEY_128_BYTES);
	for (unsigned int i = 0; i < b->n; i++)
		b->op[i]->ok = a->job[i].status == IMB_STATUS_COMPLETED;
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

void imb_chacha_seal(struct aead_imb *a, struct imb_batch *b)
{
	run_jobs(a, b->op, b->slot, b->n, fill_chacha_seal);
	for (unsigned int i = 0; i < b->n; i++)
		b->op[i]->out_len = b->op[i]->body_len;
}

/* ---- CBC ---- */

static void mac_all(struct aead_imb *a, const struct imb_batch *b, bool seal)
{
	struct imb_batch sha256 = {.n = 0}, md5 = {.n = 0};

	for (unsigned int i = 0; i < b->n; i++)
		imb_batch_add(b->op[i]->suite == SUITE_AES128_CBC_HMAC_MD5 ? &md5 : &sha256,
			      b->op[i], b->slot[i]);
	sha256_all(a, &sha256, seal);
	run_jobs(a, md5.op, md5.slot, md5.n, seal ? fill_md5_seal : fill_md5_open);
}

void imb_cbc_open(struct aead_imb *a, struct imb_batch *b)
{
	struct imb_batch good = {.n = 0};

	mac_all(a, b, false);
	for (unsigned int i = 0; i < b->n; i++) {
		struct aead_op *op = b->op[i];

		op->ok = op->ok &&
			 aead_tag_equal(a->tag[b->slot[i]], op->pkt + WIRE_HDR_LEN + op->body_len);
		op->out_len = op->body_len;
		if (op->ok)
			imb_batch_add(&good, op, b->slot[i]);
	}
	cbc_all(a, &good, false);
}

void imb_cbc_seal(struct aead_imb *a, struct imb_batch *b)
{
	struct imb_batch good = {.n = 0};

	for (unsigned int i = 0; i < b->n; i++) {
		struct aead_op *op = b->op[i];

		op->body_len = aead_pad(op->pkt + WIRE_HDR_LEN, op->body_len);
		op->out_len = op->body_len;
	}
	cbc_all(a, b, true);
	for (unsigned int i = 0; i < b->n; i++)
		if (b->op[i]->ok)
			imb_batch_add(&good, b->op[i], b->slot[i]);
	mac_all(a, &good, true);
}
