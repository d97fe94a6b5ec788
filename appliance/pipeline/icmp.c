/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/pipeline/icmp.h"

enum { IP6_MIN_MTU = 1280, HEADER_GROWTH = 20 };

/* RFC 7915 section 4.2: destination unreachable by code. */
static bool unreachable_to6(struct icmp_error *e)
{
	if (e->code > 15)
		return false;
	switch (e->code) {
	case ICMP4_CODE_PROTOCOL: /* a parameter problem that points at Next Header */
		*e = (struct icmp_error){.type = ICMP6_PARAMETER, .code = 1, .mtu = 6};
		return true;
	case ICMP4_CODE_PORT:
		*e = (struct icmp_error){.type = ICMP6_UNREACHABLE, .code = 4};
		return true;
	case ICMP4_CODE_TOO_BIG:
		e->type = ICMP6_TOO_BIG;
		e->code = 0;
		e->mtu =
			e->mtu + HEADER_GROWTH < IP6_MIN_MTU ? IP6_MIN_MTU : e->mtu + HEADER_GROWTH;
		return true;
	case 9: /* administratively prohibited: network, host, communication */
	case 10:
	case 13:
	case 15:
		*e = (struct icmp_error){.type = ICMP6_UNREACHABLE, .code = 1};
		return true;
	case 14: /* host precedence violation */
		return false;
	default:
		*e = (struct icmp_error){.type = ICMP6_UNREACHABLE, .code = 0};
		return true;
	}
}

bool icmp_error_to6(struct icmp_error *e)
{
	switch (e->type) {
	case ICMP4_UNREACHABLE:
		return unreachable_to6(e);
	case ICMP4_TIME_EXCEEDED:
		e->type = ICMP6_TIME_EXCEEDED;
		return true;
	default: /* pointers into one header mean nothing in the other */
		return false;
	}
}

/* RFC 7915 section 5.2. */
bool icmp_error_to4(struct icmp_error *e)
{
	static const uint8_t codes[] = {1, 10, 1, 1, 3};

	switch (e->type) {
	case ICMP6_UNREACHABLE:
		if (e->code >= sizeof(codes))
			return false;
		*e = (struct icmp_error){.type = ICMP4_UNREACHABLE, .code = codes[e->code]};
		return true;
	case ICMP6_TOO_BIG:
		e->type = ICMP4_UNREACHABLE;
		e->code = ICMP4_CODE_TOO_BIG;
		e->mtu = e->mtu > HEADER_GROWTH ? e->mtu - HEADER_GROWTH : 0;
		return true;
	case ICMP6_TIME_EXCEEDED:
		e->type = ICMP4_TIME_EXCEEDED;
		return true;
	case ICMP6_PARAMETER: /* unknown next header */
		if (e->code != 1)
			return false;
		*e = (struct icmp_error){.type = ICMP4_UNREACHABLE, .code = ICMP4_CODE_PROTOCOL};
		return true;
	default:
		return false;
	}
}
