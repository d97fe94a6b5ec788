/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PKTGEN_PACE_H
#define PKTGEN_PACE_H

/* When to send: so many packets are due as time went by, in bursts as fine as the caller asks. What
 * was missed by more than PACE_DEBT packets is not caught up with (a burst of thousands would fill
 * the ring of a receiver that does nothing wrong) but forfeited and counted, so that the rate that
 * was really offered is known. Pure; one thread.
 */
#include <stdint.h>

enum { PACE_DEBT = 256 };

struct pace {
	double per_tsc; /* packets per TSC cycle */
	uint64_t start_tsc, given;
	uint64_t forfeited;
};

static inline void pace_start(struct pace *p, uint64_t now_tsc, double per_second, uint64_t tsc_hz)
{
	p->per_tsc = per_second / (double)tsc_hz;
	p->start_tsc = now_tsc;
	p->given = 0;
	p->forfeited = 0;
}

/* How many to send now, at most max; counted as sent. */
static inline uint32_t pace_due(struct pace *p, uint64_t now_tsc, uint32_t max)
{
	uint64_t due = (uint64_t)(p->per_tsc * (double)(now_tsc - p->start_tsc)), owed;

	if (due <= p->given)
		return 0;
	owed = due - p->given;
	if (owed > PACE_DEBT) {
		p->forfeited += owed - PACE_DEBT;
		p->given += owed - PACE_DEBT;
		owed = PACE_DEBT;
	}
	if (owed > max)
		owed = max;
	p->given += owed;
	return (uint32_t)owed;
}

#endif
