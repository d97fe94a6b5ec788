/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/siphash.h"
#include "common/bytes.h"

#include <string.h>

struct sip_state {
	uint64_t v[4];
};

static uint64_t load_le64(const uint8_t *p)
{
	return __builtin_bswap64(load_be64(p));
}

static inline uint64_t rotl(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

static inline void sip_rounds(struct sip_state *s, int n)
{
	uint64_t *v = s->v;

	for (; n > 0; n--) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotl(v[1], 13) ^ v[0];
		v[3] = rotl(v[3], 16) ^ v[2];
		v[0] = rotl(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotl(v[1], 17) ^ v[2];
		v[3] = rotl(v[3], 21) ^ v[0];
		v[2] = rotl(v[2], 32);
	}
}

static inline void sip_word(struct sip_state *s, uint64_t m)
{
	s->v[3] ^= m;
	sip_rounds(s, 2);
	s->v[0] ^= m;
}

void siphash_key_load(struct siphash_key *key, const uint8_t bytes[16])
{
	key->k[0] = load_le64(bytes);
	key->k[1] = load_le64(bytes + 8);
}

uint64_t siphash24(const struct siphash_key *key, const void *data, size_t len)
{
	const uint64_t k0 = key->k[0], k1 = key->k[1];
	/* "somepseudorandomlygeneratedbytes", as in the reference */
	struct sip_state s = {{k0 ^ 0x736f6d6570736575ULL, k1 ^ 0x646f72616e646f6dULL,
			       k0 ^ 0x6c7967656e657261ULL, k1 ^ 0x7465646279746573ULL}};
	const uint8_t *p = data;
	uint64_t last = (uint64_t)len << 56;
	size_t i;

	for (i = 0; i + 8 <= len; i += 8)
		sip_word(&s, load_le64(p + i));
	for (size_t j = i; j < len; j++)
		last |= (uint64_t)p[j] << 8 * (j - i);
	sip_word(&s, last);
	s.v[2] ^= 0xff;
	sip_rounds(&s, 4);
	return s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
}
