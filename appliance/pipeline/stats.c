/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/pipeline/stats.h"

static const char *const drop_names[] = {
#define X(name, text) #name,
	DROP_REASONS(X)
#undef X
};

static const char *const drop_texts[] = {
#define X(name, text) text,
	DROP_REASONS(X)
#undef X
};

static const char *const stage_names[] = {
#define X(name) #name,
	STAGES(X)
#undef X
};

const char *drop_name(enum drop_reason r)
{
	return r < DROP_MAX ? drop_names[r] : "?";
}

const char *drop_text(enum drop_reason r)
{
	return r < DROP_MAX ? drop_texts[r] : "?";
}

const char *stage_name(enum stage s)
{
	return s < STAGE_MAX ? stage_names[s] : "?";
}

void stats_add(struct lcore_stats *a, const struct lcore_stats *b)
{
#define X(name, text) a->name += b->name;
	COUNTERS(X)
#undef X
	for (unsigned int i = 0; i < DROP_MAX; i++)
		a->drops[i] += b->drops[i];
	for (unsigned int i = 0; i < STAGE_MAX; i++) {
		a->stage[i].calls += b->stage[i].calls;
		a->stage[i].packets += b->stage[i].packets;
		a->stage[i].cycles += b->stage[i].cycles;
	}
}

unsigned int stats_counters(const struct lcore_stats *st, struct counter_row *rows,
			    unsigned int max)
{
	const struct counter_row all[] = {
#define X(name, text) {#name, text, st->name},
		COUNTERS(X)
#undef X
	};
	unsigned int n = RTE_DIM(all) < max ? RTE_DIM(all) : max;

	for (unsigned int i = 0; i < n; i++)
		rows[i] = all[i];
	return n;
}

uint64_t stats_drop_sum(const struct lcore_stats *st)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < DROP_MAX; i++)
		sum += st->drops[i];
	return sum;
}
