/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_SIPHASH_H
#define COMMON_SIPHASH_H

/* SipHash-2-4 with 64 bits of output (Aumasson and Bernstein, 2012): the keyed hash for tables
 * that strangers can aim at, and for DNS server cookies (RFC 9018).
 *
 * Pure, any thread, cannot fail. About 1.5 cycles per byte plus 60.
 */
#include <stddef.h>
#include <stdint.h>

struct siphash_key {
	uint64_t k[2];
};

/* The 16 bytes in the order the reference gives them. */
void siphash_key_load(struct siphash_key *key, const uint8_t bytes[16]);
/* As a number; the reference's 8 output bytes are this in little-endian order. */
uint64_t siphash24(const struct siphash_key *key, const void *data, size_t len);

#endif
