/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/pipeline/part.h"
#include "appliance/rs_worker.h"
#include "appliance/worker.h"

/* Flows looked at per turn: a turn takes at least a microsecond, so a wheel of millions is kept up
 * with, and a burst never waits long behind it.
 */
enum { FLOWS_PER_TURN = 64 };

void rs_worker_turn(struct worker *w)
{
	struct rs_worker *rs = w->rs;

	part_turn(w);
	if (rs->nat == NULL)
		return;
	nat_turn(rs->nat, w->now, FLOWS_PER_TURN);
	frag_turn(rs->frags_node, &w->stats, w->now);
	frag_turn(rs->frags_gn, &w->stats, w->now);
}
