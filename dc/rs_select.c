/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/rs_select.h"

static bool was_tried(const struct rs *rs, const struct rs_tried *tried)
{
	for (unsigned int i = 0; i < tried->n; i++)
		if (tried->rs[i] == rs)
			return true;
	return false;
}

static bool can(const struct rs *rs, const struct relay_want *w, const struct rs_tried *tried)
{
	if (!rs->is_up || rs->load.busy_permille >= RS_FULL_PERMILLE || was_tried(rs, tried))
		return false;
	if (w->only != NULL && w->only != rs)
		return false;
	if (w->families_a != 0 && (w->families_a & rs->families) == 0)
		return false;
	if (w->families_b != 0 && (w->families_b & rs->families) == 0)
		return false;
	return w->families_gn == 0 || (w->families_gn & rs->families) != 0;
}

/* Smaller is better. What was given to an RS since its last Status is not in its load yet: without
 * it all of a burst would go to the same one.
 */
static uint64_t cost(const struct rs *rs)
{
	uint64_t rows = (uint64_t)rs->load.legs + rs->load.paths + rs->assigned;

	return (uint64_t)rs->is_suspect << 62 | (uint64_t)(rs->load.busy_permille / 50) << 40 |
	       (rows & 0xffffffffffULL);
}

struct rs *rs_select(struct rs *const *rss, uint32_t n, const struct relay_want *w,
		     const struct rs_tried *tried)
{
	struct rs *best = NULL;

	for (unsigned int i = 0; i < sizeof(w->prefer) / sizeof(w->prefer[0]); i++) {
		struct rs *rs = w->prefer[i];

		if (rs != NULL && !rs->is_suspect && can(rs, w, tried) &&
		    rs->load.busy_permille < RS_NEAR_PERMILLE)
			return rs;
	}
	for (uint32_t i = 0; i < n; i++)
		if (can(rss[i], w, tried) && (best == NULL || cost(rss[i]) < cost(best)))
			best = rss[i];
	return best;
}
