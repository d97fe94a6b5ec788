/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/reset.h"
#include "common/hash.h"

#include <openssl/crypto.h>
#include <string.h>

void reset_token(const uint8_t secret[RESET_SECRET_LEN], uint64_t index,
		 uint8_t token[RESET_TOKEN_BYTES])
{
	uint8_t data[10 + 8] = "ntm1 reset", full[HASH_LEN];

	store_be64(data + 10, index);
	hash_hmac(secret, RESET_SECRET_LEN, data, sizeof(data), full);
	memcpy(token, full, RESET_TOKEN_BYTES);
}

size_t reset_build(const uint8_t secret[RESET_SECRET_LEN], uint64_t index, size_t cause_len,
		   uint8_t out[WIRE_RESET_LEN])
{
	if (cause_len <= WIRE_RESET_LEN)
		return 0;
	wire_build(out, WIRE_RESET, 0, 0, index);
	reset_token(secret, index, out + WIRE_HDR_LEN);
	return WIRE_RESET_LEN;
}

bool reset_check(const uint8_t *pkt, size_t len, uint64_t peer_index,
		 const uint8_t token[RESET_TOKEN_BYTES])
{
	uint8_t may = wire_is_path_id(peer_index) ? WIRE_SIDE_A : 0;
	struct wire_fields f;

	return len == WIRE_RESET_LEN && wire_parse(pkt, len, &f) == WIRE_OK &&
	       f.type == WIRE_RESET && (f.flags & ~may) == 0 && f.seq == 0 && f.id == peer_index &&
	       CRYPTO_memcmp(pkt + WIRE_HDR_LEN, token, RESET_TOKEN_BYTES) == 0;
}
