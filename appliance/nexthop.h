/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_NEXTHOP_H
#define APPLIANCE_NEXTHOP_H

/* Where a frame goes: interface and MAC address, by index. Paths and flows keep the index. The
 * control lcore enters and refreshes entries from the kernel's neighbour table; workers only read.
 *
 * An entry's interface never changes while the entry lives, and its MAC and state are one 64-bit
 * word, so that a reader sees either the old pair or the new one.
 */
#include "common/ip.h"

#include <rte_common.h>
#include <stdatomic.h>
#include <stdint.h>

enum nexthop_state {
	NEXTHOP_FREE,	 /* also index 0: no route */
	NEXTHOP_GLEAN,	 /* stands for a whole on-link prefix: ask control for a host entry */
	NEXTHOP_PENDING, /* asked for, not resolved */
	NEXTHOP_READY,	 /* MAC known */
	NEXTHOP_FAILED,	 /* the neighbour did not answer */
};

struct nexthop {
	_Atomic uint64_t word;	/* bits 0-47: MAC, byte 0 lowest; bits 48-55: enum nexthop_state */
	uint16_t iface;		/* set before the entry is published */
	_Atomic uint8_t used;	/* set by workers, cleared by control once a minute */
	struct ip_addr ip;	/* control only: the gateway, or the on-link destination */
	uint32_t refs;		/* control only: routes that lead here */
	uint64_t idle_since_ns; /* control only */
} __rte_cache_aligned;

static inline enum nexthop_state nexthop_state(uint64_t word)
{
	return (enum nexthop_state)(word >> 48 & 0xff);
}

#endif
