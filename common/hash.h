/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_HASH_H
#define COMMON_HASH_H

/* SHA-256 and what is made of it (RFC 2104, RFC 5869), on OpenSSL. They fail only where OpenSSL
 * has no memory or no SHA-256; there is no safe way on from that, so they abort. Any thread.
 */
#include <stddef.h>
#include <stdint.h>

enum { HASH_LEN = 32 };

/* SHA256(a | b); b may be NULL with length 0. */
void hash_sha256(const void *a, size_t a_len, const void *b, size_t b_len, uint8_t out[HASH_LEN]);
void hash_hmac(const void *key, size_t key_len, const void *data, size_t len,
	       uint8_t out[HASH_LEN]);
/* One block of HKDF-Expand: out_len at most 32, info at most 64 bytes. */
void hash_expand(const uint8_t prk[HASH_LEN], const void *info, size_t info_len, uint8_t *out,
		 size_t out_len);

#endif
