/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_BASE64_H
#define COMMON_BASE64_H

/* Base64 (RFC 4648 section 4) and its URL-safe form without padding (section 5), for keys and
 * tokens on their way through terminals, files and QR codes. Pure; any thread; not constant time.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BASE64_KEY_SIZE = 45 }; /* text of 32 bytes with padding and its zero */

/* Bytes of text, its terminating zero counted, for len bytes. */
static inline size_t base64_size(size_t len)
{
	return (len + 2) / 3 * 4 + 1;
}

/* Writes at most base64_size(len) bytes. */
void base64_encode(const void *in, size_t len, bool is_url, char *out);

/* text_len characters into exactly len bytes; both alphabets, with or without padding. 0 or
 * -EINVAL: wrong length, a foreign character, or bits behind the end that are not zero.
 */
int base64_decode(const char *text, size_t text_len, void *out, size_t len);

#endif
