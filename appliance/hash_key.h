/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_HASH_KEY_H
#define APPLIANCE_HASH_KEY_H

/* Keyed hash of a small number and an address, for tables whose keys strangers choose. Universal in
 * the secret: without it nobody can aim at a bucket. About 10 cycles. Pure.
 */
#include "common/ip.h"

#include <stdint.h>
#include <string.h>

static inline uint64_t hash_fold(uint64_t a, uint64_t b)
{
	unsigned __int128 p = (unsigned __int128)a * b;

	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

/* secret[1] must be odd. */
static inline uint64_t hash_key(const uint64_t secret[2], uint64_t n, const struct ip_addr *ip)
{
	uint64_t w[2];

	memcpy(w, ip->b, sizeof(w));
	n = hash_fold(n ^ secret[0], secret[1]);
	return hash_fold(hash_fold(w[0] ^ n, secret[1] ^ 0x9e3779b97f4a7c14ULL) ^ w[1] ^ secret[0],
			 secret[1]);
}

#endif
