/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PIPELINE_ICMP_H
#define PIPELINE_ICMP_H

/* ICMP of both families by value (RFC 792, RFC 4443), and from one to the other (RFC 7915 sections
 * 4.2 and 5.2). Pure.
 */
#include <stdbool.h>
#include <stdint.h>

enum {
	ICMP_HDR_LEN = 8,

	ICMP4_ECHO_REPLY = 0,
	ICMP4_UNREACHABLE = 3,
	ICMP4_ECHO_REQUEST = 8,
	ICMP4_TIME_EXCEEDED = 11,
	ICMP4_PARAMETER = 12,
	ICMP4_CODE_PROTOCOL = 2,
	ICMP4_CODE_PORT = 3,
	ICMP4_CODE_TOO_BIG = 4,

	ICMP6_UNREACHABLE = 1,
	ICMP6_TOO_BIG = 2,
	ICMP6_TIME_EXCEEDED = 3,
	ICMP6_PARAMETER = 4,
	ICMP6_ECHO_REQUEST = 128,
	ICMP6_ECHO_REPLY = 129,
};

static inline bool icmp_is_error(bool v6, uint8_t type)
{
	if (v6)
		return type >= ICMP6_UNREACHABLE && type <= ICMP6_PARAMETER;
	return type == ICMP4_UNREACHABLE || type == ICMP4_TIME_EXCEEDED || type == ICMP4_PARAMETER;
}

static inline bool icmp_is_echo(bool v6, uint8_t type)
{
	if (v6)
		return type == ICMP6_ECHO_REQUEST || type == ICMP6_ECHO_REPLY;
	return type == ICMP4_ECHO_REQUEST || type == ICMP4_ECHO_REPLY;
}

static inline uint8_t icmp_echo_across(bool to_v6, uint8_t type)
{
	if (to_v6)
		return type == ICMP4_ECHO_REQUEST ? ICMP6_ECHO_REQUEST : ICMP6_ECHO_REPLY;
	return type == ICMP6_ECHO_REQUEST ? ICMP4_ECHO_REQUEST : ICMP4_ECHO_REPLY;
}

/* First four bytes of meaning of an error: type, code, and the size that a too-big tells (0: none).
 */
struct icmp_error {
	uint8_t type, code;
	uint32_t mtu;
};

/* False: has no counterpart, and is not passed on. */
bool icmp_error_to6(struct icmp_error *e);
bool icmp_error_to4(struct icmp_error *e);

#endif
