/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/pipeline/part.h"

#include "appliance/rs_worker.h"
#include "appliance/worker.h"

enum { VISITS = 4 };

static void drop_late(struct worker *w, struct rs_part *p)
{
	burst_drop(&w->stats, p->m, DROP_PART_TIMEOUT);
	p->m = NULL;
	w->rs->n_parts--;
	w->stats.held--;
}

static uint32_t bucket_of(uint64_t index, uint8_t flags, uint64_t seq)
{
	uint64_t h = (index ^ seq ^ (uint64_t)flags << 56) * 0x9e3779b97f4a7c15ULL;

	return (uint32_t)(h >> 32) % (RS_PARTS / RS_PART_WAYS) * RS_PART_WAYS;
}

/* The second part's bytes behind the first's. */
static struct rte_mbuf *join(struct worker *w, struct rte_mbuf *first, struct rte_mbuf *second)
{
	uint16_t len = rte_pktmbuf_data_len(second);
	char *to = rte_pktmbuf_append(first, len);

	if (to == NULL) {
		burst_drop(&w->stats, first, DROP_PART_MISMATCH);
		burst_drop(&w->stats, second, DROP_PART_MISMATCH);
		return NULL;
	}
	memcpy(to, rte_pktmbuf_mtod(second, void *), len);
	rte_pktmbuf_free(second);
	w->stats.consumed++;
	return first;
}

struct rte_mbuf *part_join(struct worker *w, struct rte_mbuf *m, uint64_t index, uint8_t flags,
			   uint64_t seq, bool is_second)
{
	uint64_t first_seq = is_second ? seq - 1 : seq;
	struct rs_part *p = &w->rs->parts[bucket_of(index, flags, first_seq)], *open = NULL;

	for (int i = 0; i < RS_PART_WAYS; i++, p++) {
		if (p->m != NULL && p->until_ns <= w->now)
			drop_late(w, p);
		if (p->m == NULL) {
			open = p;
			continue;
		}
		if (p->index != index || p->seq != first_seq || p->flags != flags ||
		    p->is_second == is_second)
			continue;
		struct rte_mbuf *other = p->m;

		p->m = NULL;
		w->rs->n_parts--;
		w->stats.held--;
		return is_second ? join(w, other, m) : join(w, m, other);
	}
	if (open == NULL) {
		burst_drop(&w->stats, m, DROP_PART_FULL);
		return NULL;
	}
	*open = (struct rs_part){
		.m = m,
		.index = index,
		.seq = first_seq,
		.until_ns = w->now + RS_PART_NS,
		.flags = flags,
		.is_second = is_second,
	};
	w->rs->n_parts++;
	w->stats.held++;
	return NULL;
}

void part_turn(struct worker *w)
{
	struct rs_worker *rs = w->rs;

	for (int i = 0; i < VISITS && rs->n_parts > 0; i++) {
		struct rs_part *p = &rs->parts[rs->part_hand];

		rs->part_hand = (rs->part_hand + 1) % RS_PARTS;
		if (p->m != NULL && p->until_ns <= w->now)
			drop_late(w, p);
	}
}
