/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PIPELINE_PART_H
#define PIPELINE_PART_H

/* Inner packets that came as two sealed parts (types 1 and 2): sequence n and n + 1 of one route. */
#include <stdbool.h>
#include <stdint.h>

struct rte_mbuf;
struct worker;

/* m holds an opened part, nothing else; taken. The joined packet, or NULL: waits, or was dropped. */
struct rte_mbuf *part_join(struct worker *w, struct rte_mbuf *m, uint64_t index, uint8_t flags,
			   uint64_t seq, bool is_second);
/* Give up parts whose other half did not come. A few per call. */
void part_turn(struct worker *w);

#endif
