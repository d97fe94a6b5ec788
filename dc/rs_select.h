/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DC_RS_SELECT_H
#define DC_RS_SELECT_H

/* Which relay server (D-06, R-25): one that both ends can reach, near them first, then the least
 * loaded; one that says it is fully busy gets nothing new. DC lcore only; cost: one pass over the
 * relay servers of this DC.
 */
#include "dc/relay.h"

enum {
	RS_TRIED_MAX = 4,
	RS_FULL_PERMILLE = 950, /* from here on nothing new */
	RS_NEAR_PERMILLE = 800, /* up to here locality wins over load */
};

struct rs_tried {
	const struct rs *rs[RS_TRIED_MAX];
	unsigned int n;
};

/* NULL: none that is up, can do it, is not full and was not tried. */
struct rs *rs_select(struct rs *const *rss, uint32_t n, const struct relay_want *w,
		     const struct rs_tried *tried);

#endif
