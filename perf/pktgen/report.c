/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/pktgen/report.h"

#include <rte_cycles.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Below this part of the asked rate the generator is what limits. */
static const double OFFERED_ENOUGH = 0.995;

static double us(uint64_t tsc)
{
	return (double)tsc * 1e6 / (double)rte_get_tsc_hz();
}

static void add_way(struct report *r, const struct ledger *l)
{
	r->sent += l->sent;
	r->received += l->received;
	r->refused += l->refused;
	r->lost += l->lost;
	r->duplicate += l->duplicate;
	r->reordered += l->reordered;
	r->late += l->late;
	r->foreign += l->foreign;
}

static int explain(struct report *r, const struct gen *g, const struct stall_log *rs)
{
	const struct stall_log *logs[2] = {&g->stalls, rs};
	uint64_t after = rte_get_tsc_hz() / 1000 * STALL_AFTER_MS, *left;

	for (int w = 0; w < WAYS; w++) {
		const struct ledger *l = &g->ledger[w];
		double share = r->sent > 0 ? (double)l->sent / (double)r->sent : 0;

		if (l->lost + l->refused == 0)
			continue;
		left = calloc(l->conf.slices, sizeof(*left));
		if (left == NULL)
			return -ENOMEM;
		r->explained +=
			stall_explain(l, logs, RTE_DIM(logs), g->pace.per_tsc * share, after, left);
		free(left);
	}
	return 0;
}

int report_make(struct report *r, const struct gen *g, const struct stall_log *rs, double asked_pps)
{
	*r = (struct report){.seconds = us(g->to_tsc - g->from_tsc) / 1e6,
			     .corrupt = g->traffic.corrupt,
			     .forfeited = g->pace.forfeited,
			     .stalls_gen = g->stalls.count,
			     .stalls_rs = rs->count};
	for (int w = 0; w < WAYS; w++)
		add_way(r, &g->ledger[w]);
	r->offered_pps = (double)r->sent / r->seconds;
	r->received_pps = (double)r->received / r->seconds;
	r->gen_limited = r->offered_pps < OFFERED_ENOUGH * asked_pps;
	r->stall_max_us = us(RTE_MAX(g->stalls.max, rs->max));
	r->stalled = us(g->stalls.total + rs->total) / 1e6 / r->seconds;
	return explain(r, g, rs);
}

void report_print(const struct report *r, const struct gen *g)
{
	printf("%-9s %12s %12s %9s %9s %6s %7s %9s %9s %9s\n", "way", "sent", "received", "refused",
	       "lost", "twice", "disord.", "p50 us", "p99 us", "p99.9 us");
	for (int w = 0; w < WAYS; w++) {
		const struct ledger *l = &g->ledger[w];

		if (l->sent == 0)
			continue;
		printf("%-9s %12" PRIu64 " %12" PRIu64 " %9" PRIu64 " %9" PRIu64 " %6" PRIu64
		       " %7" PRIu64 " %9.1f %9.1f %9.1f\n",
		       way_name((enum way)w), l->sent, l->received, l->refused, l->lost,
		       l->duplicate, l->reordered, us(hist_quantile(&l->latency, 500)),
		       us(hist_quantile(&l->latency, 990)), us(hist_quantile(&l->latency, 999)));
	}
	printf("offered %.0f pps for %.2f s%s; lost and refused %" PRIu64
	       ", stalls explain %" PRIu64 "; stalls above %d us: generator %" PRIu64
	       ", RS %" PRIu64 ", longest %.0f us, %.1f %% of the time\n",
	       r->offered_pps, r->seconds, r->gen_limited ? " (the generator's limit)" : "",
	       r->lost + r->refused, r->explained, STALL_NS / 1000, r->stalls_gen, r->stalls_rs,
	       r->stall_max_us, 100 * r->stalled);
	if (r->corrupt + r->foreign + r->late > 0)
		printf("corrupt %" PRIu64 " (%s), foreign %" PRIu64 ", late %" PRIu64 "\n",
		       r->corrupt, r->corrupt > 0 ? g->traffic.corrupt_why : "-", r->foreign,
		       r->late);
	fflush(stdout);
}

static json_t *way_json(const struct ledger *l)
{
	json_t *o = json_object();
	const struct {
		const char *name;
		uint64_t v;
	} counts[] = {{"sent", l->sent},
		      {"received", l->received},
		      {"refused", l->refused},
		      {"lost", l->lost},
		      {"duplicate", l->duplicate},
		      {"reordered", l->reordered},
		      {"late", l->late},
		      {"foreign", l->foreign},
		      {"sent_bytes", l->sent_bytes},
		      {"received_bytes", l->received_bytes}};
	const struct {
		const char *name;
		unsigned int per_mille;
	} quantiles[] = {{"p50_us", 500}, {"p99_us", 990}, {"p999_us", 999}};

	for (size_t i = 0; i < RTE_DIM(counts); i++)
		json_object_set_new(o, counts[i].name, json_integer((json_int_t)counts[i].v));
	for (size_t i = 0; i < RTE_DIM(quantiles); i++)
		json_object_set_new(
			o, quantiles[i].name,
			json_real(us(hist_quantile(&l->latency, quantiles[i].per_mille))));
	json_object_set_new(o, "max_us", json_real(us(l->latency.max)));
	return o;
}

json_t *report_json(const struct report *r, const struct gen *g, json_t *drops)
{
	json_t *ways = json_object(), *o;

	for (int w = 0; w < WAYS; w++)
		if (g->ledger[w].sent > 0)
			json_object_set_new(ways, way_name((enum way)w), way_json(&g->ledger[w]));
	o = json_pack(
		"{s:f, s:f, s:f, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:o}",
		"seconds", r->seconds, "offered_pps", r->offered_pps, "received_pps",
		r->received_pps, "generator_limited", r->gen_limited, "sent", (json_int_t)r->sent,
		"received", (json_int_t)r->received, "refused", (json_int_t)r->refused, "lost",
		(json_int_t)r->lost, "explained_by_stalls", (json_int_t)r->explained, "forfeited",
		(json_int_t)r->forfeited, "corrupt", (json_int_t)r->corrupt, "stalls_generator",
		(json_int_t)r->stalls_gen, "stalls_rs", (json_int_t)r->stalls_rs, "stall_max_us",
		r->stall_max_us, "stalled", r->stalled, "ways", ways);
	json_object_set_new(o, "strange", json_integer((json_int_t)g->kind[TRAFFIC_STRANGE]));
	json_object_set_new(o, "no_mbuf", json_integer((json_int_t)g->no_mbuf));
	if (drops != NULL)
		json_object_set(o, "drops", drops);
	return o;
}
