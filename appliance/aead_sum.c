/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/aead_backend.h"
#include "common/csum.h"

#include <immintrin.h>

uint64_t aead_sum_any(const uint8_t *p, size_t len)
{
	return csum_bytes(p, len, 0);
}

/* A word less 0x8000 is a signed one, and such are added in pairs by one instruction; what was taken off is
 * put back at the end, of the zeros behind the packet as well. A lane of 32 bits is enough for 2^15 blocks.
 */
__attribute__((target("avx512f,avx512bw"))) uint64_t aead_sum_avx512(const uint8_t *p, size_t len)
{
	const __m512i half = _mm512_set1_epi16(-0x8000), one = _mm512_set1_epi16(1);
	__m512i sum = _mm512_setzero_si512(), words;
	size_t left = len;

	for (; left >= 64; left -= 64, p += 64) {
		words = _mm512_xor_si512(_mm512_loadu_si512(p), half);
		sum = _mm512_add_epi32(sum, _mm512_madd_epi16(words, one));
	}
	words = _mm512_maskz_loadu_epi8((1ULL << left) - 1, p);
	sum = _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_xor_si512(words, half), one));
	return (uint64_t)((int64_t)_mm512_reduce_add_epi32(sum) +
			  (int64_t)(len / 64 + 1) * 32 * 0x8000);
}
