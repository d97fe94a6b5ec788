/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/aead_backend.h"

#include <errno.h>

const char *const aead_isa_words[] = {"best", "noaesni", "sse", "avx", "avx2", "avx512", NULL};

const char *aead_isa_name(enum aead_isa isa)
{
	return aead_isa_words[isa];
}

struct aead *aead_create(enum aead_isa isa)
{
	struct aead *a;

	if (isa == AEAD_NOAESNI)
		return aead_evp_create();
	a = aead_imb_create(isa);
	if (a == NULL && errno == ENOTSUP && isa == AEAD_BEST)
		return aead_evp_create();
	return a;
}

void aead_destroy(struct aead *a)
{
	if (a != NULL)
		a->backend->destroy(a);
}

enum aead_isa aead_isa(const struct aead *a)
{
	return a->isa;
}

const char *aead_library(const struct aead *a)
{
	return a->backend->name;
}

const char *aead_version(const struct aead *a)
{
	return a->backend->version();
}

unsigned int aead_key_bytes(const struct aead *a)
{
	return a->key_bytes;
}

_Static_assert(SUITE_IV_LEN + sizeof(uint32_t) <= AEAD_KEY_TAIL, "IV and word fit in the tail");

void aead_expand(struct aead *a, const struct keys *k, bool is_rx, uint8_t *out)
{
	memset(out, 0, a->key_bytes);
	a->backend->expand(a, k, is_rx, out);
	if (!suite_is_cbc(k->suite))
		memcpy(out + a->key_bytes - AEAD_KEY_TAIL, k->iv, sizeof(k->iv));
}

void aead_open(struct aead *a, struct aead_op *op, unsigned int n)
{
	a->backend->open(a, op, n);
}

void aead_seal(struct aead *a, struct aead_op *op, unsigned int n)
{
	a->backend->seal(a, op, n);
}
