/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_PATH_COUNT_H
#define APPLIANCE_PATH_COUNT_H

/* What a path carries, counted exactly without a cache line of its own and without an atomic
 * operation per packet.
 *
 * Each side of a record has a word: owner, packets and bytes of late. One worker owns it, takes it
 * while it is 0 by compare-and-swap, adds by plain stores, and when it is full carries it to the
 * path's sums and gives it up. Workers that meet another's word (a side's packets seldom come to two
 * of them) add to the sums directly. Control adds what a replaced record still has once no worker
 * can hold that any more.
 */
#include "appliance/relay_table.h"
#include "appliance/rs_worker.h"

enum {
	COUNT_OWNER = 0x3f, /* worker + 1; 0: nobody's, and then all of the word is 0 */
	COUNT_PACKET = 1 << 6,
	COUNT_PACKETS = 0x7f << 6,
	COUNT_BYTES_SHIFT = 13,
};

static inline uint32_t count_packets(uint32_t word)
{
	return (word & COUNT_PACKETS) / COUNT_PACKET;
}

static inline uint32_t count_bytes(uint32_t word)
{
	return word >> COUNT_BYTES_SHIFT;
}

/* The word is not this worker's, or full. */
void path_count_carry(struct rs_worker *w, struct path_record *rec, unsigned int side,
		      uint16_t bytes);

/* One packet of so many bytes sent by side. Workers. */
static inline void path_count_add(struct rs_worker *w, const struct path_record *record,
				  unsigned int side, uint16_t bytes)
{
	struct path_record *rec = (struct path_record *)(uintptr_t)record;
	uint32_t was = atomic_load_explicit(&rec->side[side].count, memory_order_relaxed);
	uint32_t now = was + ((uint32_t)bytes << COUNT_BYTES_SHIFT) + COUNT_PACKET;

	if (likely((was & COUNT_OWNER) == w->id + 1u && now > was &&
		   (was & COUNT_PACKETS) != COUNT_PACKETS))
		atomic_store_explicit(&rec->side[side].count, now, memory_order_relaxed);
	else
		path_count_carry(w, rec, side, bytes);
}

/* For the relay table's writer, as its `released`: ctx is the struct rs_dp. */
void path_count_released(void *ctx, const struct path_record *rec, uint32_t number);

/* Packets and bytes that side has sent. Control. */
void path_count_read(const struct rs_dp *dp, const struct path_record *rec, unsigned int side,
		     uint64_t *packets, uint64_t *bytes);

#endif
