/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_AEAD_BACKEND_H
#define APPLIANCE_AEAD_BACKEND_H

/* What stands behind aead.h: IPsec-MB (aead_imb.c, its jobs in aead_jobs.c) where the CPU has AES-NI,
 * OpenSSL (aead_evp.c) where it has not. A backend's own struct begins with struct aead; expanded keys
 * are its business alone, but for the AEAD_KEY_TAIL bytes at their end, so whoever expands and whoever uses
 * them ask for the same one.
 */
#include "appliance/aead.h"

struct aead_backend {
	const char *name;
	const char *(*version)(void);
	void (*destroy)(struct aead *a);
	void (*expand)(struct aead *a, const struct keys *k, bool is_rx, uint8_t *out);
	void (*open)(struct aead *a, struct aead_op *op, unsigned int n);
	void (*seal)(struct aead *a, struct aead_op *op, unsigned int n);
};

typedef uint64_t (*aead_sum_fn)(const uint8_t *p, size_t len);

struct aead {
	const struct aead_backend *backend;
	enum aead_isa isa;
	unsigned int key_bytes; /* of one direction; aead_key_bytes() */
	aead_sum_fn sum;	/* the best for this CPU */
};

/* csum_bytes() from 0, and the same in 64 bytes at a time. */
uint64_t aead_sum_any(const uint8_t *p, size_t len);
uint64_t aead_sum_avx512(const uint8_t *p, size_t len); /* AVX-512BW */

/* The outer checksum reads all that was just written: it is taken while that lies in the first cache. */
static inline void aead_sum(const struct aead *a, struct aead_op *op)
{
	if (op->wants_sum)
		op->sum = a->sum(op->pkt, (size_t)op->out_len + WIRE_OVERHEAD);
}

/* NULL with errno; ENOTSUP where the CPU lacks the variant. */
struct aead *aead_imb_create(enum aead_isa isa);
struct aead *aead_evp_create(void);

/* No early end: the time does not tell how much of the tag was right. */
static inline bool aead_tag_equal(const uint8_t a[WIRE_TAG_LEN], const uint8_t b[WIRE_TAG_LEN])
{
	uint64_t x[2], y[2];

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

/* Zeros behind a body up to whole blocks; its length then. */
static inline uint16_t aead_pad(uint8_t *body, uint16_t len)
{
	uint16_t padded = (uint16_t)((len + SUITE_BLOCK_LEN - 1) & ~(SUITE_BLOCK_LEN - 1));

	memset(body + len, 0, padded - len);
	return padded;
}

#endif
