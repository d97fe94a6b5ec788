/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/path_count.h"

_Static_assert((int)RS_WORKERS_MAX < (int)COUNT_OWNER, "every worker has a number in a word");

static void sums_add(struct path_ctl *ctl, unsigned int side, uint64_t packets, uint64_t bytes)
{
	atomic_fetch_add_explicit(&ctl->packets[side], packets, memory_order_relaxed);
	atomic_fetch_add_explicit(&ctl->bytes[side], bytes, memory_order_relaxed);
}

void path_count_carry(struct rs_worker *w, struct path_record *rec, unsigned int side,
		      uint16_t bytes)
{
	_Atomic uint32_t *word = &rec->side[side].count;
	uint32_t mine = ((uint32_t)bytes << COUNT_BYTES_SHIFT) + COUNT_PACKET + w->id + 1u;
	struct path_ctl *ctl;
	uint32_t was = 0;

	if (atomic_compare_exchange_strong_explicit(word, &was, mine, memory_order_relaxed,
						    memory_order_relaxed))
		return;
	ctl = &w->dp->path_ctl[relay_table_number(w->dp->paths, rec)];
	if ((was & COUNT_OWNER) != w->id + 1u) {
		sums_add(ctl, side, 1, bytes);
		return;
	}
	sums_add(ctl, side, count_packets(was) + 1, (uint64_t)count_bytes(was) + bytes);
	atomic_store_explicit(word, 0, memory_order_relaxed);
}

void path_count_released(void *ctx, const struct path_record *rec, uint32_t number)
{
	struct rs_dp *dp = ctx;

	for (unsigned int s = 0; s < RS_SIDES; s++) {
		uint32_t word = atomic_load_explicit(&rec->side[s].count, memory_order_relaxed);

		if (word != 0)
			sums_add(&dp->path_ctl[number], s, count_packets(word), count_bytes(word));
	}
}

void path_count_read(const struct rs_dp *dp, const struct path_record *rec, unsigned int side,
		     uint64_t *packets, uint64_t *bytes)
{
	const struct path_ctl *ctl = &dp->path_ctl[relay_table_number(dp->paths, rec)];
	uint32_t word = atomic_load_explicit(&rec->side[side].count, memory_order_relaxed);

	*packets = atomic_load_explicit(&ctl->packets[side], memory_order_relaxed) +
		   count_packets(word);
	*bytes = atomic_load_explicit(&ctl->bytes[side], memory_order_relaxed) + count_bytes(word);
}
