/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
#ifndef COMMON_BYTES_H
#define COMMON_BYTES_H

/* Big-endian loads and stores at any alignment; the compiler makes one movbe. For machines that are
 * little-endian themselves.
 */
#ifdef __KERNEL__
#include <linux/string.h>
#include <linux/types.h>
#else
#include <stdint.h>
#include <string.h>
#endif

static inline uint16_t load_be16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap16(v);
}

static inline uint32_t load_be32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap32(v);
}

static inline uint64_t load_be64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap64(v);
}

static inline uint64_t load_be48(const void *p)
{
	return (uint64_t)load_be16(p) << 32 | load_be32((const uint8_t *)p + 2);
}

static inline void store_be16(void *p, uint16_t v)
{
	v = __builtin_bswap16(v);
	memcpy(p, &v, sizeof(v));
}

static inline void store_be32(void *p, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, sizeof(v));
}

static inline void store_be64(void *p, uint64_t v)
{
	v = __builtin_bswap64(v);
	memcpy(p, &v, sizeof(v));
}

static inline void store_be48(void *p, uint64_t v)
{
	store_be16(p, (uint16_t)(v >> 32));
	store_be32((uint8_t *)p + 2, (uint32_t)v);
}

#endif
