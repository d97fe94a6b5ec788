/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/pktgen/ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int ledger_init(struct ledger *l, const struct ledger_conf *conf)
{
	size_t slots = (size_t)1 << conf->window_bits;

	memset(l, 0, sizeof(*l));
	l->conf = *conf;
	l->slot = calloc(slots, sizeof(*l->slot));
	l->highest = calloc(conf->streams, sizeof(*l->highest));
	l->slice = calloc(conf->slices, sizeof(*l->slice));
	if (l->slot == NULL || l->highest == NULL || l->slice == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < slots; i++)
		l->slot[i].tsc = LEDGER_DONE;
	hist_init(&l->latency);
	return 0;
}

void ledger_fini(struct ledger *l)
{
	free(l->slot);
	free(l->highest);
	free(l->slice);
}

static struct ledger_slot *slot_of(const struct ledger *l, uint64_t seq)
{
	return &l->slot[seq & ((1ULL << l->conf.window_bits) - 1)];
}

static struct ledger_slice *slice_of(const struct ledger *l, uint64_t tsc)
{
	uint64_t i = (tsc - l->start_tsc) / l->conf.slice_tsc;

	return &l->slice[i < l->conf.slices ? i : l->conf.slices - 1];
}

static void lose(struct ledger *l, struct ledger_slot *s)
{
	slice_of(l, s->tsc)->lost++;
	l->lost++;
	s->tsc = LEDGER_DONE;
}

void ledger_start(struct ledger *l, uint64_t now_tsc)
{
	for (size_t i = 0; i < (size_t)1 << l->conf.window_bits; i++)
		l->slot[i].tsc = LEDGER_DONE;
	memset(l->slice, 0, l->conf.slices * sizeof(*l->slice));
	memset(l->highest, 0, l->conf.streams * sizeof(*l->highest));
	l->start_tsc = now_tsc;
	l->base_seq = l->next_seq;
	l->sent = l->received = l->refused = l->lost = 0;
	l->duplicate = l->reordered = l->late = l->foreign = 0;
	l->sent_bytes = l->received_bytes = 0;
	hist_init(&l->latency);
}

void ledger_close(struct ledger *l)
{
	for (size_t i = 0; i < (size_t)1 << l->conf.window_bits; i++)
		if (l->slot[i].tsc != LEDGER_DONE)
			lose(l, &l->slot[i]);
}

uint64_t ledger_sent(struct ledger *l, uint64_t tsc, uint32_t bytes)
{
	uint64_t seq = l->next_seq++;
	struct ledger_slot *s = slot_of(l, seq);

	if (s->tsc != LEDGER_DONE)
		lose(l, s);
	*s = (struct ledger_slot){.tsc = tsc, .seq = seq};
	slice_of(l, tsc)->sent++;
	l->sent++;
	l->sent_bytes += bytes;
	return seq;
}

void ledger_refused(struct ledger *l, uint64_t seq)
{
	struct ledger_slot *s = slot_of(l, seq);

	if (s->seq != seq || s->tsc == LEDGER_DONE)
		return;
	slice_of(l, s->tsc)->lost++;
	l->refused++;
	s->tsc = LEDGER_DONE;
}

enum ledger_verdict ledger_received(struct ledger *l, uint64_t seq, uint32_t stream, uint64_t tsc,
				    uint32_t bytes)
{
	struct ledger_slot *s = slot_of(l, seq);

	if (seq < l->base_seq || seq >= l->next_seq || stream >= l->conf.streams) {
		l->foreign++;
		return LEDGER_FOREIGN;
	}
	if (s->seq != seq) {
		l->late++;
		return LEDGER_LATE;
	}
	if (s->tsc == LEDGER_DONE) {
		l->duplicate++;
		return LEDGER_DUPLICATE;
	}
	hist_add(&l->latency, tsc > s->tsc ? tsc - s->tsc : 0);
	s->tsc = LEDGER_DONE;
	l->received++;
	l->received_bytes += bytes;
	if (seq + 1 < l->highest[stream])
		l->reordered++;
	else
		l->highest[stream] = seq + 1;
	return LEDGER_OK;
}
