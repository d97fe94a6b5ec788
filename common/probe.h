/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_PROBE_H
#define COMMON_PROBE_H

/* The body of a probe (type 7, docs/protocol.md section 4): proves a route, tells the address the
 * other side saw, and, padded, how large a packet the route takes.
 *
 *	kind 1 | 0 | outer size asked 2 | number 4 | observed address 16, port 2 | padding
 *
 * Pure; any thread.
 */
#include "common/ip.h"

#include <stddef.h>
#include <stdint.h>

enum { PROBE_ASK = 0, PROBE_ANSWER = 1 };
enum {
	PROBE_LEN = 26,
	PROBE_UDP_LEN = 100, /* UDP payload of a probe that asks for no size */
};

struct probe {
	uint8_t kind;
	uint16_t outer_size; /* bytes of the outer IP packet; 0: not a size probe */
	uint32_t number;
	struct endpoint observed; /* answer only */
};

/* Write into buf, zero up to len, which is at least PROBE_LEN. */
void probe_build(const struct probe *p, uint8_t *buf, size_t len);
/* 0 or -EBADMSG. */
int probe_parse(const uint8_t *buf, size_t len, struct probe *p);
/* Turn an ask into its answer in place: same length, number and size. */
void probe_answer(uint8_t *buf, const struct endpoint *observed);

#endif
