/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_RESET_H
#define COMMON_RESET_H

/* Type 8: "I have forgotten this index of mine". Each side hands a token over, sealed, in its
 * handshake; after a restart it can be made again from the host's lasting secret alone, so that
 * nobody else can end an association. Pure; any thread.
 */
#include "common/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	RESET_SECRET_LEN = 32,
	RESET_TOKEN_BYTES = 16,
};

/* HMAC-SHA256(secret, "ntm1 reset" | index), first 16 bytes. The secret survives restarts. */
void reset_token(const uint8_t secret[RESET_SECRET_LEN], uint64_t index,
		 uint8_t token[RESET_TOKEN_BYTES]);

/* The answer to a sealed packet of cause_len bytes for an index nobody here knows. Returns
 * WIRE_RESET_LEN, or 0 where that would not be shorter than its cause. The caller limits the rate. Of a
 * Path ID, which a relay switches by the direction bit, the caller sets the bit of its own side.
 */
size_t reset_build(const uint8_t secret[RESET_SECRET_LEN], uint64_t index, size_t cause_len,
		   uint8_t out[WIRE_RESET_LEN]);

/* Does pkt reset peer_index, by the token that peer gave us? Constant time. */
bool reset_check(const uint8_t *pkt, size_t len, uint64_t peer_index,
		 const uint8_t token[RESET_TOKEN_BYTES]);

#endif
