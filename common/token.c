/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/token.h"
#include "common/bytes.h"
#include "common/hash.h"

uint64_t token_id(const uint8_t token[TOKEN_LEN])
{
	static const char label[] = "ntm1 token";
	uint8_t md[HASH_LEN];

	hash_sha256(label, sizeof(label) - 1, token, TOKEN_LEN, md);
	return load_be64(md);
}
