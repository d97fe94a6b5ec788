/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/pktgen/rs_stats.h"

#include "appliance/pipeline/drop.h"
#include "common/ctl.h"

#include <stdio.h>

enum { WAIT_MS = 5000 };

static json_t *drops_here(const struct worker *w)
{
	json_t *o = json_object();

	for (int i = 0; i < DROP_MAX; i++)
		json_object_set_new(o, drop_name((enum drop_reason)i),
				    json_integer((json_int_t)w->stats.drops[i]));
	return o;
}

/* Stalls of all workers since `since`, into one log. */
static void stalls_take(struct stall_log *l, const json_t *stalls, uint64_t since)
{
	json_t *worker, *s;
	size_t i, k;

	stall_init(l, 0);
	json_array_foreach(stalls, i, worker)
	{
		json_array_foreach(json_object_get(worker, "latest_tsc"), k, s)
		{
			uint64_t from = (uint64_t)json_integer_value(json_array_get(s, 0));
			uint64_t to = (uint64_t)json_integer_value(json_array_get(s, 1));

			if (to > since && to > from)
				stall_add(l, from, to);
		}
	}
}

static json_t *drops_there(struct rs_stats *s, uint64_t since)
{
	json_t *ask = json_pack("{s:s}", "cmd", "stats"), *answer, *o, *d;
	char why[CTL_WHY_MAX];
	size_t i;

	answer = ctl_call(s->socket, ask, WAIT_MS, why);
	json_decref(ask);
	if (answer == NULL) {
		fprintf(stderr, "ntm-pktgen: %s: %s\n", s->socket, why);
		return NULL;
	}
	o = json_object();
	json_array_foreach(json_object_get(answer, "drops"), i, d)
	{
		json_object_set(o, json_string_value(json_object_get(d, "name")),
				json_object_get(d, "count"));
	}
	stalls_take(&s->stalls, json_object_get(answer, "stalls"), since);
	json_decref(answer);
	return o;
}

static json_t *drops_now(struct rs_stats *s, uint64_t since)
{
	if (s->dut != NULL)
		return drops_here(s->dut->w);
	return s->socket != NULL ? drops_there(s, since) : NULL;
}

void rs_stats_begin(struct rs_stats *s)
{
	json_decref(s->before);
	s->before = drops_now(s, UINT64_MAX);
	if (s->dut != NULL)
		atomic_fetch_add(&s->dut->epoch, 1);
}

json_t *rs_stats_end(struct rs_stats *s, uint64_t since)
{
	json_t *now = drops_now(s, since), *o, *v;
	const char *name;

	if (now == NULL)
		return NULL;
	o = json_object();
	json_object_foreach(now, name, v)
	{
		json_int_t n = json_integer_value(v) -
			       json_integer_value(json_object_get(s->before, name));

		if (n > 0)
			json_object_set_new(o, name, json_integer(n));
	}
	json_decref(now);
	return o;
}

const struct stall_log *rs_stats_stalls(const struct rs_stats *s)
{
	return s->dut != NULL ? &s->dut->stalls : &s->stalls;
}

void rs_stats_fini(struct rs_stats *s)
{
	json_decref(s->before);
}
