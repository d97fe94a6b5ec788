/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_AEAD_IMB_H
#define APPLIANCE_AEAD_IMB_H

/* What aead_imb.c and aead_jobs.c share; nobody else includes it. */
#include "appliance/aead_backend.h"

#include <intel-ipsec-mb.h>

enum {
	BLOCK = 16,
	HMAC_BLOCK = 64,
	AES128_ROUND_KEYS = 11 * BLOCK,
	DIGEST_MAX = 32,
};

/* Expanded keys of a CBC suite for one direction: as IPsec-MB wants them, each 16-byte aligned. */
struct cbc_keys {
	uint8_t cipher[AES128_ROUND_KEYS]; /* of the direction: for decryption or for encryption */
	uint8_t iv[AES128_ROUND_KEYS];	   /* encrypts the header to the IV */
	uint8_t ipad[DIGEST_MAX];	   /* HMAC states after key xor ipad, opad */
	uint8_t opad[DIGEST_MAX];
};

struct aead_imb {
	struct aead base;
	IMB_MGR *mgr;
	struct gcm_context_data gcm;
	uint8_t iv[AEAD_BURST][BLOCK] __attribute__((aligned(BLOCK)));
	uint8_t tag[AEAD_BURST][BLOCK];
	uint8_t unused[AES128_ROUND_KEYS] __attribute__((aligned(BLOCK)));
	IMB_JOB job[AEAD_BURST]; /* of the calls that need no queue */
};

/* Packets of one suite out of a burst; slot is the packet's place in it. */
struct imb_batch {
	struct aead_op *op[AEAD_BURST];
	unsigned int slot[AEAD_BURST];
	unsigned int n;
};

static inline void imb_batch_add(struct imb_batch *b, struct aead_op *op, unsigned int slot)
{
	b->op[b->n] = op;
	b->slot[b->n++] = slot;
}

/* ChaCha20-Poly1305: the nonces stand in a->iv[slot]. */
void imb_chacha_open(struct aead_imb *a, struct imb_batch *b);
void imb_chacha_seal(struct aead_imb *a, struct imb_batch *b);
/* Opening, bodies are whole blocks. No byte of a forged packet is decrypted. */
void imb_cbc_open(struct aead_imb *a, struct imb_batch *b);
void imb_cbc_seal(struct aead_imb *a, struct imb_batch *b);

#endif
