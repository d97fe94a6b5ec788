/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_JOIN_H
#define COMMON_JOIN_H

/* What a new node is told out of band, as one line that fits a QR code:
 *
 *	ntm1:NAME:DC:KEY:TOKEN:EXPIRES
 *
 * NAME and DC are the full names of the node and its DC, KEY the DC's public key and TOKEN the
 * one-time join token (32 bytes each, base64url without padding), EXPIRES seconds since 1970 in
 * decimal. `ntmctl node add` prints it, the key `join` of ntmd.yaml takes it. It is a secret until
 * the node has enrolled. Pure; any thread.
 */
#include <stddef.h>
#include <stdint.h>

enum {
	JOIN_NAME_MAX = 254, /* 253 characters of a name in text, and a zero */
	JOIN_KEY_LEN = 32,
	JOIN_TEXT_MAX = 5 + 2 * JOIN_NAME_MAX + 2 * 44 + 21,
};

struct join {
	char name[JOIN_NAME_MAX];
	char dc[JOIN_NAME_MAX];
	uint8_t dc_key[JOIN_KEY_LEN];
	uint8_t token[JOIN_KEY_LEN];
	uint64_t expires_s; /* UTC; 0: never */
};

/* buf has JOIN_TEXT_MAX bytes. Returns buf. */
const char *join_format(const struct join *j, char *buf);
/* 0, or -EINVAL when text is not exactly of the form above. Names are checked for their characters
 * and lengths (letters, digits, '-' and '_' in labels of 1 to 63), not for being known.
 */
int join_parse(const char *text, struct join *j);

#endif
