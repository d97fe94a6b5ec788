/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_INNER_H
#define COMMON_INNER_H

/* "After the tag" (docs/protocol.md section 3): what an opened data packet must look like before
 * anyone routes it. Addresses are judged by the caller, who knows the path or leg.
 *
 * Pure; any thread, also the data path.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INNER_VERDICTS(X)                                                                          \
	X(OK, "inner packet is well formed")                                                       \
	X(EMPTY, "nothing inside")                                                                 \
	X(BAD_VERSION, "first nibble is neither 4 nor 6")                                          \
	X(SHORT, "plaintext ends inside the IP header")                                            \
	X(BAD_IHL, "IPv4 header length below 5 words or beyond the packet")                        \
	X(BAD_TOTAL, "IPv4 total length below the header length")                                  \
	X(ZERO_PAYLOAD, "IPv6 payload length 0 without next header 59")                            \
	X(TRUNCATED, "IP length is beyond the plaintext")                                          \
	X(TRAILING, "bytes after the IP packet")                                                   \
	X(BAD_PADDING, "padding is not zero")

enum inner_verdict {
#define X(name, text) INNER_##name,
	INNER_VERDICTS(X)
#undef X
		INNER_VERDICT_COUNT
};

/* is_padded: opened under a CBC suite, where up to 15 zero bytes may follow. *inner_len is the
 * length of the IP packet, written only for INNER_OK.
 */
enum inner_verdict inner_check(const uint8_t *p, size_t len, bool is_padded, size_t *inner_len);

/* "BAD_IHL" and the like, for counters. */
const char *inner_verdict_name(enum inner_verdict v);
const char *inner_verdict_text(enum inner_verdict v);

#endif
