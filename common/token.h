/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_TOKEN_H
#define COMMON_TOKEN_H

/* A join token is the PSK of a first handshake; its id says which one without giving it away
 * (docs/protocol.md section 3). Pure; any thread.
 */
#include <stdint.h>

enum { TOKEN_LEN = 32 };

/* First 8 bytes of SHA-256("ntm1 token" | token). */
uint64_t token_id(const uint8_t token[TOKEN_LEN]);

#endif
