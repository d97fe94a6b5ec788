/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_SUITE_H
#define COMMON_SUITE_H

/* Names and sizes of the packet protection suites. The DC picks one for a path from both ends'
 * lists, the handshake's prologue binds it, and an end refuses what its config does not enable.
 *
 * Pure; any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The number is the wire's suite byte. NONE exists only in builds with -Dinsecure_bench=true: in
 * all others it is an unknown suite.
 */
enum suite {
	SUITE_NONE = 0,
	SUITE_AES128_GCM = 1,
	SUITE_AES256_GCM = 2,
	SUITE_CHACHA20_POLY1305 = 3,
	SUITE_AES128_CBC_HMAC_MD5 = 4,
	SUITE_AES128_CBC_HMAC_SHA256 = 5,
	SUITE_COUNT = 6,
	SUITE_DEFAULT = SUITE_AES128_GCM,
};

enum {
	SUITE_TAG_LEN = 16,
	SUITE_IV_LEN = 12,
	SUITE_KEY_MAX = 32,
	SUITE_BLOCK_LEN = 16, /* of AES-CBC */
	/* A set of suites is a bit mask, bit n for suite n. The CBC ones are off by default. */
	SUITE_SET_DEFAULT =
		1 << SUITE_AES128_GCM | 1 << SUITE_AES256_GCM | 1 << SUITE_CHACHA20_POLY1305,
};

bool suite_is_known(uint8_t suite);
/* Data packets (types 0 to 2) go by CBC and a truncated HMAC, everything else by AES-128-GCM. */
bool suite_is_cbc(uint8_t suite);
/* Bytes of the AEAD key; of a CBC suite, of its AES-128-GCM for the packets that are not data.
 * 0 for NONE.
 */
size_t suite_key_len(uint8_t suite);
/* Bytes of the HMAC key of a CBC suite; 0 for all others. */
size_t suite_mac_key_len(uint8_t suite);

/* "aes-128-gcm", "aes-128-cbc+hmac-sha256-128"...; "unknown" where there is none. */
const char *suite_name(uint8_t suite);
/* 0 or -EINVAL. */
int suite_parse(const char *name, uint8_t *suite);

/* The first of prefer (n suite bytes, the best first) that is in both sets; -ENOENT if none. */
int suite_pick(const uint8_t *prefer, size_t n, uint32_t set_a, uint32_t set_b, uint8_t *suite);

#endif
