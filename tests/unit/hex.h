/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_HEX_H
#define TESTS_UNIT_HEX_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Hex text of vectors to bytes; returns how many. Aborts on a malformed vector. */
static inline size_t hex_bytes(const char *hex, uint8_t *out, size_t cap)
{
	size_t n = strlen(hex) / 2;

	if (n > cap || strlen(hex) % 2 != 0)
		abort();
	for (size_t i = 0; i < n; i++) {
		unsigned int v;

		if (sscanf(hex + 2 * i, "%2x", &v) != 1)
			abort();
		out[i] = (uint8_t)v;
	}
	return n;
}

#endif
