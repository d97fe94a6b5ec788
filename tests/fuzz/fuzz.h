/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

/* A fuzz target is one file fuzz_<parser>.c with LLVMFuzzerTestOneInput(), linked either with
 * replay_main.c (each `make test`: seeds, past crashers, a few thousand mutations) or, in a build
 * with -Dfuzz=true, with libFuzzer. It has no state from one input to the next but what it makes
 * on the first, and asserts more than not crashing wherever the parser promises more.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(what)                                                                           \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #what);   \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

#endif
