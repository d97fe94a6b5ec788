/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_NOISE_H
#define COMMON_NOISE_H

/* The two Noise handshakes of protocol.md section 2 (Noise revision 34), step by step over one
 * symmetric state, on OpenSSL's primitives:
 *
 *	Noise_IKpsk2_25519_AESGCM_SHA256	Noise_NNpsk0_25519_AESGCM_SHA256
 *	  <- s					  -> psk, e
 *	  -> e, es, s, ss			  <- e, ee
 *	  <- e, ee, se, psk
 *
 * Initiator: init, write_1, read_2, split. Responder: init, read_1, write_2, split. Of IKpsk2 the
 * responder may set the PSK after read_1, once it knows who asks. A step that fails leaves the
 * state dead: start again from init. No global state: any thread, one thread at a time per state.
 * Cost: IKpsk2 four X25519 multiplications per side and two key generations, about 0.25 ms.
 */
#include "common/rng.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	NOISE_KEY_LEN = 32,
	NOISE_HASH_LEN = 32,
	NOISE_PSK_LEN = 32,
	NOISE_TAG_LEN = 16,
	/* What a message adds to its payload. */
	NOISE_IK_1_OVERHEAD = NOISE_KEY_LEN + (NOISE_KEY_LEN + NOISE_TAG_LEN) + NOISE_TAG_LEN,
	NOISE_NN_1_OVERHEAD = NOISE_KEY_LEN + NOISE_TAG_LEN,
	NOISE_2_OVERHEAD = NOISE_KEY_LEN + NOISE_TAG_LEN,
};

enum noise_pattern { NOISE_IKPSK2, NOISE_NNPSK0 };

struct noise_keypair {
	uint8_t priv[NOISE_KEY_LEN];
	uint8_t pub[NOISE_KEY_LEN];
};

struct noise {
	enum noise_pattern pattern;
	bool is_initiator;
	bool is_dead;
	bool has_psk;
	bool has_key;
	uint8_t step; /* messages done */
	uint64_t n;   /* nonce of the next encryption under k */
	uint8_t ck[NOISE_HASH_LEN];
	uint8_t h[NOISE_HASH_LEN];
	uint8_t k[NOISE_KEY_LEN];
	uint8_t psk[NOISE_PSK_LEN];
	struct noise_keypair s;	   /* own static, IK only */
	struct noise_keypair e;	   /* own ephemeral */
	uint8_t rs[NOISE_KEY_LEN]; /* peer's static: given, or learnt by read_1 */
	uint8_t re[NOISE_KEY_LEN];
};

/* A new static key pair. */
void noise_keypair_generate(struct noise_keypair *kp, struct rng *rng);
/* Fill in pub from priv. 0, or -EINVAL. */
int noise_keypair_public(struct noise_keypair *kp);

/* s: own static key, copied (NULL for NNpsk0). peer: initiator of IKpsk2 only, else NULL. */
void noise_init(struct noise *n, enum noise_pattern pattern, bool is_initiator,
		const void *prologue, size_t prologue_len, const struct noise_keypair *s,
		const uint8_t *peer);
/* Before write_1 or read_1 for NNpsk0; before read_2 or write_2 for IKpsk2. */
void noise_set_psk(struct noise *n, const uint8_t psk[NOISE_PSK_LEN]);

/* Each returns the number of bytes put into out, or: -EBADMSG the message is not authentic or too
 * short; -ENOBUFS cap is too small; -EPROTO out of order, no PSK, or a point of small order.
 * payload and out must not overlap.
 */
int noise_write_1(struct noise *n, struct rng *rng, const uint8_t *payload, size_t len,
		  uint8_t *out, size_t cap);
int noise_read_1(struct noise *n, const uint8_t *msg, size_t len, uint8_t *out, size_t cap);
int noise_write_2(struct noise *n, struct rng *rng, const uint8_t *payload, size_t len,
		  uint8_t *out, size_t cap);
int noise_read_2(struct noise *n, const uint8_t *msg, size_t len, uint8_t *out, size_t cap);

/* After both messages: the key from initiator to responder, and the one back. Wipes the state.
 * 0 or -EPROTO.
 */
int noise_split(struct noise *n, uint8_t to_responder[NOISE_KEY_LEN],
		uint8_t to_initiator[NOISE_KEY_LEN]);
/* Wipe every secret; safe at any time. */
void noise_wipe(struct noise *n);

#endif
