/* SPDX-License-Identifier: BSD-3-Clause */
/* A join string as it was typed: what is taken has one form only. */
#include "common/join.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), again[JOIN_TEXT_MAX];
	struct join j, k;

	FUZZ_CHECK(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	if (join_parse(text, &j) == 0) {
		FUZZ_CHECK(join_parse(join_format(&j, again), &k) == 0);
		FUZZ_CHECK(memcmp(&j, &k, sizeof(j)) == 0);
	}
	free(text);
	return 0;
}
