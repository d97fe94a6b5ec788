/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/bytes.h"
#include "common/handshake.h"
#include "common/tlv.h"

#include <openssl/crypto.h>
#include <string.h>

void hs_job_seed(struct hs_job *j, struct rng *rng)
{
	j->rng.fill = rng->fill;
	rng_fill(rng, j->rng.state, sizeof(j->rng.state));
}

void hs_job_wipe(struct hs_job *j)
{
	OPENSSL_cleanse(j, sizeof(*j));
}

static bool is_ik(const struct hs_job *j)
{
	return j->clear.kind != HS_LEG;
}

/* Bytes of MACs at the end of handshake 1. */
static size_t macs_len(const struct hs_job *j)
{
	return j->clear.id == WIRE_ID_NONE ? 2 * WIRE_MAC_LEN : 0;
}

static void noise_begin(struct hs_job *j, bool is_initiator)
{
	noise_init(&j->noise, is_ik(j) ? NOISE_IKPSK2 : NOISE_NNPSK0, is_initiator, j->prologue,
		   j->prologue_len, is_ik(j) ? &j->self : NULL, is_ik(j) ? j->peer_key : NULL);
	/* A responder of IKpsk2 does not know yet who asks. */
	if (is_initiator || !is_ik(j))
		noise_set_psk(&j->noise, j->psk);
}

static void put_bytes(struct tlv_writer *w, const uint8_t *data, size_t len)
{
	if (w->cap - w->len < len) {
		w->overflow = true;
		return;
	}
	memcpy(w->buf + w->len, data, len);
	w->len += len;
}

/* The fields of both messages. */
static void put_own(const struct hs_job *j, struct tlv_writer *w)
{
	if (j->clear.kind != HS_PATH)
		tlv_put_u64(w, HS_TLV_INDEX, j->own_index);
	tlv_put(w, HS_TLV_RESET_TOKEN, j->reset_token, sizeof(j->reset_token));
}

static enum hs_verdict write_1(struct hs_job *j)
{
	size_t macs = macs_len(j), most = WIRE_HS1_MAX, around;
	uint8_t text[WIRE_HS1_MAX], *body = j->hs1 + WIRE_HDR_LEN;
	struct tlv_writer w;
	int n;

	around = WIRE_HS1_NOISE + macs + (is_ik(j) ? NOISE_IK_1_OVERHEAD : NOISE_NN_1_OVERHEAD);
	if (j->clear.kind == HS_PATH)
		most = WIRE_HS1_PATH_MAX;
	tlv_write_init(&w, text, most - around);
	tlv_put_u64(&w, HS_TLV_ATTEMPT | TLV_MUST_UNDERSTAND, j->attempt);
	put_own(j, &w);
	put_bytes(&w, j->payload, j->payload_len);
	if (j->clear.kind != HS_PATH)
		tlv_pad_to(&w, WIRE_HS1_PADDED - around);
	if (w.overflow)
		return HS_LONG;

	wire_build(j->hs1, WIRE_HANDSHAKE_1, j->clear.flags, 0, j->clear.id);
	store_be64(body, j->own_index);
	body[8] = j->clear.kind;
	body[9] = j->clear.suite;
	body[10] = body[11] = 0;
	noise_begin(j, true);
	n = noise_write_1(&j->noise, &j->rng, text, w.len, j->hs1 + WIRE_HS1_NOISE,
			  sizeof(j->hs1) - WIRE_HS1_NOISE - macs);
	OPENSSL_cleanse(text, sizeof(text));
	if (n < 0)
		return HS_PEER_KEY; /* the one thing left to fail: a point of small order */
	j->hs1_len = (uint16_t)(WIRE_HS1_NOISE + (size_t)n + macs);
	memset(j->hs1 + j->hs1_len - macs, 0, macs);
	return HS_OK;
}

struct own_fields {
	bool has_token;
	bool has_index;
	uint64_t index;
};

static enum hs_verdict read_field(struct hs_job *j, const struct tlv *t, struct own_fields *own)
{
	if (t->type == HS_TLV_ATTEMPT && t->len == 8 && j->attempt == 0) {
		j->attempt = load_be64(t->val);
	} else if (t->type == HS_TLV_RESET_TOKEN && t->len == RESET_TOKEN_BYTES &&
		   !own->has_token) {
		memcpy(j->peer_reset_token, t->val, RESET_TOKEN_BYTES);
		own->has_token = true;
	} else if (t->type == HS_TLV_INDEX && t->len == 8 && !own->has_index) {
		own->index = load_be64(t->val);
		own->has_index = true;
	} else if (t->type == HS_TLV_ERROR && t->len >= 2 && j->error == 0) {
		j->error = load_be16(t->val);
	} else {
		return HS_BAD_PAYLOAD;
	}
	return HS_OK;
}

/* This layer's own fields of an authentic payload; each at most once. */
static enum hs_verdict read_payload(struct hs_job *j)
{
	struct own_fields own = {0};
	struct tlv_reader r;
	struct tlv t;
	int ret;

	j->attempt = 0;
	j->error = 0;
	tlv_read_init(&r, j->payload, j->payload_len);
	while ((ret = tlv_next(&r, &t)) > 0) {
		if (t.type != HS_TLV_ATTEMPT && t.type != HS_TLV_RESET_TOKEN &&
		    t.type != HS_TLV_ERROR && t.type != HS_TLV_INDEX)
			continue;
		if (read_field(j, &t, &own) != HS_OK)
			return HS_BAD_PAYLOAD;
	}
	if (ret < 0)
		return HS_BAD_PAYLOAD;
	if (j->error != 0)
		return HS_OK;
	if (!own.has_token)
		return HS_BAD_PAYLOAD;
	if (j->clear.kind != HS_PATH && (!own.has_index || own.index != j->peer_index))
		return HS_BAD_INDEX;
	return HS_OK;
}

static enum hs_verdict read_1(struct hs_job *j)
{
	enum hs_verdict v;
	int n;

	noise_begin(j, false);
	n = noise_read_1(&j->noise, j->hs1 + WIRE_HS1_NOISE,
			 j->hs1_len - WIRE_HS1_NOISE - macs_len(j), j->payload, sizeof(j->payload));
	if (n < 0)
		return HS_AUTH;
	j->payload_len = (uint16_t)n;
	j->peer_index = j->clear.peer_index;
	memcpy(j->peer_key, j->noise.rs, sizeof(j->peer_key));
	v = read_payload(j);
	if (v == HS_OK && (j->attempt == 0 || j->error != 0))
		v = HS_BAD_PAYLOAD;
	return v;
}

/* The two keys of Split() to those of both directions. */
static enum hs_verdict make_keys(struct hs_job *j, struct noise *n, bool is_initiator)
{
	uint8_t out[KEYS_SPLIT_LEN], back[KEYS_SPLIT_LEN];
	struct epoch_keys *k = &j->keys;
	enum hs_verdict v = HS_OK;

	if (noise_split(n, out, back) < 0 ||
	    keys_derive(is_initiator ? &k->send : &k->recv, j->clear.suite, out) < 0 ||
	    keys_derive(is_initiator ? &k->recv : &k->send, j->clear.suite, back) < 0)
		v = HS_BAD_SUITE;
	OPENSSL_cleanse(out, sizeof(out));
	OPENSSL_cleanse(back, sizeof(back));
	k->own_index = j->own_index;
	k->peer_index = j->peer_index;
	k->epoch = j->clear.epoch;
	k->is_side_a = is_initiator;
	return v;
}

static enum hs_verdict write_2(struct hs_job *j)
{
	uint8_t text[WIRE_HS2_MAX], error[2];
	struct tlv_writer w;
	int n;

	/* Never longer than its question: the source has not proven itself. */
	tlv_write_init(&w, text, j->hs1_len - WIRE_HS2_NOISE - NOISE_2_OVERHEAD);
	if (j->error != 0) {
		store_be16(error, j->error);
		tlv_put(&w, HS_TLV_ERROR | TLV_MUST_UNDERSTAND, error, sizeof(error));
		if (j->error == HS_ERROR_STALE)
			tlv_put_u64(&w, HS_TLV_ATTEMPT | TLV_MUST_UNDERSTAND, j->attempt);
	} else {
		put_own(j, &w);
	}
	put_bytes(&w, j->payload, j->payload_len);
	if (w.overflow)
		return HS_LONG;

	wire_build(j->hs2, WIRE_HANDSHAKE_2, j->clear.flags & ~WIRE_SIDE_A, 0, j->clear.peer_index);
	store_be64(j->hs2 + WIRE_HDR_LEN, j->error != 0 ? 0 : j->own_index);
	noise_set_psk(&j->noise, j->psk);
	n = noise_write_2(&j->noise, &j->rng, text, w.len, j->hs2 + WIRE_HS2_NOISE,
			  sizeof(j->hs2) - WIRE_HS2_NOISE);
	OPENSSL_cleanse(text, sizeof(text));
	if (n < 0)
		return HS_AUTH; /* the asker's ephemeral key is of small order */
	j->hs2_len = (uint16_t)(WIRE_HS2_NOISE + n);
	if (j->error == 0)
		return make_keys(j, &j->noise, false);
	noise_wipe(&j->noise);
	return HS_OK;
}

static bool index_is_good(const struct hs_job *j)
{
	if (j->clear.kind == HS_PATH)
		return j->peer_index == j->clear.id;
	return !wire_is_path_id(j->peer_index) && j->peer_index != WIRE_ID_NONE;
}

static enum hs_verdict read_2(struct hs_job *j)
{
	/* A copy: a forged answer must not spoil the wait for the true one. */
	struct noise noise = j->noise;
	enum hs_verdict v = HS_AUTH;
	int n;

	n = noise_read_2(&noise, j->hs2 + WIRE_HS2_NOISE, j->hs2_len - WIRE_HS2_NOISE, j->payload,
			 sizeof(j->payload));
	if (n >= 0) {
		j->payload_len = (uint16_t)n;
		j->peer_index = load_be64(j->hs2 + WIRE_HDR_LEN);
		v = read_payload(j);
	}
	if (v == HS_OK && j->error != 0)
		v = j->peer_index == 0 ? HS_OK : HS_BAD_INDEX;
	else if (v == HS_OK)
		v = index_is_good(j) ? make_keys(j, &noise, true) : HS_BAD_INDEX;
	noise_wipe(&noise);
	return v;
}

void hs_job_run(struct hs_job *j)
{
	switch (j->work) {
	case HS_WRITE_1:
		j->verdict = write_1(j);
		break;
	case HS_READ_1:
		j->verdict = read_1(j);
		break;
	case HS_WRITE_2:
		j->verdict = write_2(j);
		break;
	case HS_READ_2:
		j->verdict = read_2(j);
		break;
	}
}
