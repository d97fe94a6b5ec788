/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/keys.h"
#include "common/hash.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

static void derive(const uint8_t *split, uint8_t suite, const char *label, uint8_t *out, size_t len)
{
	uint8_t info[5 + 1 + 16] = "ntm1 ";
	size_t n = strlen(label);

	info[5] = suite;
	memcpy(info + 6, label, n);
	hash_expand(split, info, 6 + n, out, len);
}

int keys_derive(struct keys *k, uint8_t suite, const uint8_t split[KEYS_SPLIT_LEN])
{
	bool is_cbc = suite_is_cbc(suite);

	memset(k, 0, sizeof(*k));
	if (!suite_is_known(suite))
		return -EINVAL;
	k->suite = suite;
	derive(split, suite, is_cbc ? "gcm" : "key", k->key, suite_key_len(suite));
	derive(split, suite, is_cbc ? "gcmiv" : "iv", k->iv, sizeof(k->iv));
	if (is_cbc) {
		derive(split, suite, "enc", k->enc, sizeof(k->enc));
		derive(split, suite, "mac", k->mac, suite_mac_key_len(suite));
		derive(split, suite, "ivkey", k->ivkey, sizeof(k->ivkey));
	}
	derive(split, suite, "standby", k->standby, sizeof(k->standby));
	return 0;
}

void keys_wipe(struct keys *k)
{
	OPENSSL_cleanse(k, sizeof(*k));
}
