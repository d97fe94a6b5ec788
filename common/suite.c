/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/suite.h"

#include <errno.h>
#include <string.h>

struct suite_row {
	const char *name;
	uint8_t key_len;
	uint8_t mac_key_len; /* not 0: a CBC suite */
};

static const struct suite_row suites[SUITE_COUNT] = {
#ifdef NTM_INSECURE_BENCH
	[SUITE_NONE] = {"none", 0, 0},
#endif
	[SUITE_AES128_GCM] = {"aes-128-gcm", 16, 0},
	[SUITE_AES256_GCM] = {"aes-256-gcm", 32, 0},
	[SUITE_CHACHA20_POLY1305] = {"chacha20-poly1305", 32, 0},
	[SUITE_AES128_CBC_HMAC_MD5] = {"aes-128-cbc+hmac-md5", 16, 16},
	[SUITE_AES128_CBC_HMAC_SHA256] = {"aes-128-cbc+hmac-sha256-128", 16, 32},
};

bool suite_is_known(uint8_t suite)
{
	return suite < SUITE_COUNT && suites[suite].name != NULL;
}

bool suite_is_cbc(uint8_t suite)
{
	return suite_mac_key_len(suite) > 0;
}

size_t suite_key_len(uint8_t suite)
{
	return suite_is_known(suite) ? suites[suite].key_len : 0;
}

size_t suite_mac_key_len(uint8_t suite)
{
	return suite_is_known(suite) ? suites[suite].mac_key_len : 0;
}

const char *suite_name(uint8_t suite)
{
	return suite_is_known(suite) ? suites[suite].name : "unknown";
}

int suite_parse(const char *name, uint8_t *suite)
{
	for (uint8_t i = 0; i < SUITE_COUNT; i++) {
		if (suite_is_known(i) && strcmp(suites[i].name, name) == 0) {
			*suite = i;
			return 0;
		}
	}
	return -EINVAL;
}

int suite_pick(const uint8_t *prefer, size_t n, uint32_t set_a, uint32_t set_b, uint8_t *suite)
{
	for (size_t i = 0; i < n; i++) {
		if (suite_is_known(prefer[i]) && (set_a & set_b & 1u << prefer[i]) != 0) {
			*suite = prefer[i];
			return 0;
		}
	}
	return -ENOENT;
}
