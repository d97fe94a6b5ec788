/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PIPELINE_STATS_H
#define PIPELINE_STATS_H

/* What one lcore counts. A single writer (the owning thread), plain uint64_t, never reset: readers
 * sum over threads, and "since" is a baseline that the reader keeps.
 *
 * Conservation, per thread and over all of them, asserted by tests:
 *	rx + from_mailbox + created
 *		= tx + to_tap + to_control + to_dc + steered + consumed + sum(drops) + held
 */
#include "appliance/pipeline/drop.h"

#include <rte_common.h>
#include <stdint.h>

/* clang-format off */
#define COUNTERS(X)                                                                 \
	X(rx,            "packets received from ports")                              \
	X(rx_bytes,      "bytes received from ports")                                \
	X(tx,            "packets given to ports")                                   \
	X(tx_bytes,      "bytes given to ports")                                     \
	X(from_mailbox,  "packets from other threads")                               \
	X(created,       "packets made here: parts, fragments, ICMP errors")         \
	X(consumed,      "packets used up here: joined parts, reassembled pieces")   \
	X(held,          "packets waiting here now (a level, not a sum)")            \
	X(to_tap,        "packets handed to the kernel")                             \
	X(to_control,    "packets handed to the control lcore")                      \
	X(to_dc,         "packets handed to the DC lcore")                           \
	X(steered,       "packets handed to the worker that owns their leg")         \
	X(steer_miss,    "packets that arrived at another worker than their leg's")  \
	X(relayed,       "packets switched from one leg to another (RS-S)")          \
	X(opened,        "packets opened for general hosts (RS-N)")                  \
	X(sealed,        "packets sealed for nodes (RS-N)")                          \
	X(shared,        "packets put where other workers may do their crypto")      \
	X(helped,        "packets opened or sealed here for other workers")          \
	X(path_stranger, "packets of a path from a wrong source, still forwarded")   \
	X(loops,         "turns of the loop: the heartbeat")                         \
	X(busy_loops,    "turns that found work")                                    \
	X(sleeps,        "times the loop slept")                                     \
	X(msgs,          "messages taken from the mailbox")
/* clang-format on */

/* In the order of pipeline.c; a stage here has a row in `ntmctl stats`. */
/* clang-format off */
#define STAGES(X)     \
	X(rx)         \
	X(parse)      \
	X(relay)      \
	X(switch)     \
	X(open)       \
	X(share)      \
	X(nat_out)    \
	X(nat_in)     \
	X(seal)       \
	X(tx)         \
	X(hand)       \
	X(help)
/* clang-format on */

enum stage {
#define X(name) STAGE_##name,
	STAGES(X)
#undef X
		STAGE_MAX
};

struct stage_stats {
	uint64_t calls;
	uint64_t packets;
	uint64_t cycles; /* of the TSC */
};

struct lcore_stats {
#define X(name, text) uint64_t name;
	COUNTERS(X)
#undef X
	uint64_t drops[DROP_MAX];
	struct stage_stats stage[STAGE_MAX];
} __rte_cache_aligned;

const char *stage_name(enum stage s);

/* a += b, counter by counter. Any thread; the readings are each whole, not taken at one moment. */
void stats_add(struct lcore_stats *a, const struct lcore_stats *b);

/* The counters as rows, for those who print them. Returns how many rows were filled. */
struct counter_row {
	const char *name, *text;
	uint64_t value;
};
unsigned int stats_counters(const struct lcore_stats *st, struct counter_row *rows,
			    unsigned int max);
uint64_t stats_drop_sum(const struct lcore_stats *st);

#endif
