/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_AEAD_H
#define APPLIANCE_AEAD_H

/* Packet protection of the data path on Intel's IPsec-MB: AES-GCM by its direct functions, one
 * packet at a time (their inner loops fill the machine by themselves); ChaCha20-Poly1305 and the CBC
 * suites by its burst interface, several packets in flight. A CPU without AES-NI, for which IPsec-MB
 * has nothing, gets OpenSSL.
 *
 * One engine per thread. The instruction set is chosen in aead_create(), by CPU or as asked, and told
 * by aead_isa(). Every variant gives the same bytes (test_aead); the expanded keys of one are no use
 * to another. IPsec-MB allocates nothing after creation; OpenSSL may within its contexts.
 */
#include "common/keys.h"
#include "common/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* AEAD_NOAESNI is OpenSSL, the others are variants of IPsec-MB. */
enum aead_isa { AEAD_BEST, AEAD_NOAESNI, AEAD_SSE, AEAD_AVX, AEAD_AVX2, AEAD_AVX512, AEAD_ISAS };

enum {
	AEAD_BURST = 32,
	AEAD_KEY_BYTES = 1024, /* most that the expanded keys of one direction take */
	AEAD_KEY_TAIL =
		16, /* the last of them: the IV, where the suite has one, then a word that is free */
};

struct aead;

/* One packet of a burst: a finished header, then the body in place, then the tag. */
struct aead_op {
	uint8_t suite;
	bool wants_sum;	     /* in, sealing: sum is asked for */
	bool ok;	     /* out: opened and authentic; always true after sealing */
	uint16_t body_len;   /* in: opening, bytes between header and tag; sealing, of plain text */
	uint16_t out_len;    /* out: bytes of body now (CBC: whole blocks) */
	const uint8_t *keys; /* as aead_expand() made them, 64-byte aligned */
	const uint8_t *iv;   /* 12 bytes, those in the keys or others; not read for CBC */
	uint8_t *pkt;	     /* header; room behind the body for padding and tag when sealing */
	uint64_t sum;	     /* out, where wanted: of the whole sealed packet, as csum_bytes() */
};

/* NULL with errno: ENOTSUP for an instruction set that this CPU or library has not. */
struct aead *aead_create(enum aead_isa isa);
void aead_destroy(struct aead *a);
enum aead_isa aead_isa(const struct aead *a); /* never AEAD_BEST */
const char *aead_isa_name(enum aead_isa isa);
extern const char *const aead_isa_words[]; /* the names by number, NULL at the end */
/* Who computes: "IPsec-MB" or "OpenSSL", and which release of it. */
const char *aead_library(const struct aead *a);
const char *aead_version(const struct aead *a);

/* What they take with this engine, a multiple of 64: 1024 where AES-GCM has 48 powers of its hash key
 * (AVX-512), 512 where it has eight.
 */
unsigned int aead_key_bytes(const struct aead *a);

/* Expand the keys of one direction, its IV with them, for its one use: opening (is_rx) or sealing. out:
 * aead_key_bytes().
 */
void aead_expand(struct aead *a, const struct keys *k, bool is_rx, uint8_t *out);

/* The IV in expanded keys of so many bytes. */
static inline const uint8_t *aead_key_iv(const uint8_t *keys, unsigned int key_bytes)
{
	return keys + key_bytes - AEAD_KEY_TAIL;
}

/* The word behind it, zeroed by aead_expand(): for who keeps the keys, aligned. */
static inline uint32_t *aead_key_word(uint8_t *keys, unsigned int key_bytes)
{
	return (uint32_t *)(void *)(keys + key_bytes - sizeof(uint32_t));
}

/* n <= AEAD_BURST packets of data types, suites mixed. Opening decrypts in place only what is
 * authentic under CBC; under AEAD suites a body that is not ok is garbage. Cannot fail.
 */
void aead_open(struct aead *a, struct aead_op *op, unsigned int n);
void aead_seal(struct aead *a, struct aead_op *op, unsigned int n);

/* Bytes of the sealed packet for a body, header and tag included. */
static inline uint16_t aead_sealed_len(uint8_t suite, uint16_t body_len)
{
	bool cbc = suite == SUITE_AES128_CBC_HMAC_MD5 || suite == SUITE_AES128_CBC_HMAC_SHA256;
	uint16_t padded = cbc ? (uint16_t)((body_len + 15) & ~15) : body_len;

	return (uint16_t)(WIRE_HDR_LEN + padded + WIRE_TAG_LEN);
}

#endif
