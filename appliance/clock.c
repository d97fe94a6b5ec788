/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/clock.h"

#include <rte_cycles.h>

void clock_init(struct clock *c)
{
	c->base_tsc = rte_rdtsc();
	c->mult = (uint64_t)(((unsigned __int128)1000000000 << 32) / rte_get_tsc_hz());
}

uint64_t clock_ns(const struct clock *c)
{
	uint64_t cycles = rte_rdtsc() - c->base_tsc;

	return (uint64_t)((unsigned __int128)cycles * c->mult >> 32) + 1;
}

uint64_t clock_tsc(const struct clock *c, uint64_t ns)
{
	return c->base_tsc + (uint64_t)(((unsigned __int128)ns << 32) / c->mult);
}
