/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_VECTORS_REPLAY_H
#define TESTS_VECTORS_REPLAY_H

/* In order, on a fresh window: sequence, and what replay_check() says before it is committed (a
 * sequence that is not fresh is not committed).
 */
#include "common/replay.h"

struct replay_row {
	__u64 seq;
	enum replay_verdict verdict;
};

/* clang-format off */
static const struct replay_row replay_rows[] = {
	{0, REPLAY_FRESH}, {0, REPLAY_SEEN}, {9, REPLAY_FRESH}, {8, REPLAY_FRESH}, {8, REPLAY_SEEN},
	{1, REPLAY_FRESH}, {9, REPLAY_SEEN},
	/* the oldest number of the window, and the one before it */
	{REPLAY_WINDOW + 1, REPLAY_FRESH}, {2, REPLAY_FRESH}, {1, REPLAY_OLD}, {0, REPLAY_OLD},
	{9, REPLAY_SEEN}, {10, REPLAY_FRESH},
	/* a bit of the last round must not be taken for one of this */
	{REPLAY_WINDOW + 8, REPLAY_FRESH}, {REPLAY_WINDOW + 9, REPLAY_FRESH},
	{REPLAY_WINDOW + 7, REPLAY_FRESH}, {REPLAY_WINDOW + 7, REPLAY_SEEN},
	/* a jump by exactly one window, by less, by far */
	{2 * REPLAY_WINDOW + 9, REPLAY_FRESH}, {REPLAY_WINDOW + 10, REPLAY_FRESH},
	{REPLAY_WINDOW + 9, REPLAY_OLD}, {2 * REPLAY_WINDOW + 8, REPLAY_FRESH},
	{1ULL << 40, REPLAY_FRESH}, {(1ULL << 40) - REPLAY_WINDOW, REPLAY_OLD},
	{(1ULL << 40) - REPLAY_WINDOW + 1, REPLAY_FRESH}, {(1ULL << 40) - 1, REPLAY_FRESH},
	/* the end of the numbers */
	{(1ULL << 48) - 1, REPLAY_FRESH}, {(1ULL << 48) - 1, REPLAY_SEEN},
	{(1ULL << 48) - 2, REPLAY_FRESH},
};
/* clang-format on */

#endif
