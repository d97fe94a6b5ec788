/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_HS_CACHE_H
#define COMMON_HS_CACHE_H

/* Identical handshake 1 -> identical handshake 2, for 10 s: askers resend byte for byte, and a
 * second computation would make second keys. Also knows what is being computed now. Fixed size;
 * a full bucket gives up its oldest answer, never a computation. One thread.
 */
#include "common/wire.h"

#include <stddef.h>
#include <stdint.h>

enum { HS_CACHE_LIFE_SEC = 10 };

enum hs_cache_state { HS_CACHE_NEW, HS_CACHE_IN_WORK, HS_CACHE_DONE, HS_CACHE_FULL };

struct hs_cache;

/* entries is rounded up to a power of two, at least 8; about 1.3 kB each. NULL: no memory. */
struct hs_cache *hs_cache_create(uint32_t entries);
void hs_cache_destroy(struct hs_cache *c);

/* NEW: key is now in work, finish or forget it. DONE: *answer and *len until the next call. */
enum hs_cache_state hs_cache_begin(struct hs_cache *c, uint64_t now, const uint8_t key[32],
				   const uint8_t **answer, size_t *len);
void hs_cache_finish(struct hs_cache *c, uint64_t now, const uint8_t key[32], const uint8_t *answer,
		     size_t len);
void hs_cache_forget(struct hs_cache *c, const uint8_t key[32]);

#endif
