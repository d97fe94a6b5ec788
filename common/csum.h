/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_CSUM_H
#define COMMON_CSUM_H

/* The Internet checksum (RFC 1071) and its incremental update (RFC 1624 equation 3).
 *
 * Sums are of 16-bit words as they lie in memory: the one's complement sum does not mind the byte
 * order as long as all parts use the same, so nothing is swapped. The 16-byte form of an IPv4
 * address sums to the same as its four bytes (its ffff counts as zero), so one rule serves both
 * families and the way across them. Pure; any thread.
 */
#include "common/ip.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* 16 bits of one's complement sum, not inverted. */
static inline uint16_t csum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static inline uint64_t csum_ip(const struct ip_addr *a)
{
	uint32_t w[4];

	memcpy(w, a->b, sizeof(w));
	return (uint64_t)w[0] + w[1] + w[2] + w[3];
}

/* v is in host order and stands in the packet in network order. */
static inline uint64_t csum_be16(uint16_t v)
{
	return __builtin_bswap16(v);
}

static inline uint64_t csum_be32(uint32_t v)
{
	return __builtin_bswap32(v);
}

/* Sum of len bytes that begin at an even offset of what is summed; an odd last byte is padded. */
static inline uint64_t csum_bytes(const void *p, size_t len, uint64_t sum)
{
	const uint8_t *b = (const uint8_t *)p;
	uint32_t w;

	for (; len >= 4; len -= 4, b += 4) {
		memcpy(&w, b, 4);
		sum += w;
	}
	if (len > 0) {
		w = 0;
		memcpy(&w, b, len);
		sum += w;
	}
	return sum;
}

/* The checksum field after parts that summed to old now sum to new_sum. */
static inline uint16_t csum_replace(uint16_t check, uint64_t old, uint64_t new_sum)
{
	uint64_t sum = (uint16_t)~check;

	sum += (uint16_t)~csum_fold(old);
	sum += csum_fold(new_sum);
	return (uint16_t)~csum_fold(sum);
}

/* Pseudo header of UDP, TCP and ICMPv6; the same sum for IPv4 and IPv6. */
static inline uint64_t csum_pseudo(const struct ip_addr *src, const struct ip_addr *dst,
				   uint8_t proto, uint32_t len)
{
	return csum_ip(src) + csum_ip(dst) + csum_be16(proto) + csum_be32(len);
}

#endif
