/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl/cli.h"
#include "ctl/table.h"

#include <stdio.h>
#include <string.h>

static const struct column path_columns[] = {
	{"id", "ID"},
	{"peer", "PEER"},
	{"state", "STATE"},
	{"route", "ROUTE"},
	{"rs", "RS"},
	{"rtt_ms", "RTT ms"},
	{"mtu", "MTU"},
	{"tx_packets", "TX PKTS"},
	{"rx_packets", "RX PKTS"},
	{"tx_bytes", "TX BYTES"},
	{"rx_bytes", "RX BYTES"},
	{"age_s", "AGE"},
	{NULL, NULL},
};

static const struct column session_columns[] = {
	{"id", "ID"},
	{"kind", "KIND"},
	{"peer", "PEER"},
	{"endpoint", "ENDPOINT"},
	{"state", "STATE"},
	{"suite", "SUITE"},
	{"epoch", "EPOCH"},
	{"age_s", "AGE"},
	{"rekey_s", "REKEY IN"},
	{"tx_packets", "TX PKTS"},
	{"rx_packets", "RX PKTS"},
	{NULL, NULL},
};

static const struct column stage_columns[] = {
	{"name", "STAGE"},
	{"calls", "CALLS"},
	{"packets", "PACKETS"},
	{"pkts_per_call", "PKTS/CALL"},
	{"cycles_per_call", "CYCLES/CALL"},
	{"cycles_per_pkt", "CYCLES/PKT"},
	{"cycles", NULL},
	{NULL, NULL},
};

static const struct column drop_columns[] = {
	{"name", "DROP"},
	{"count", "PACKETS"},
	{"help", "WHY"},
	{NULL, NULL},
};

static int status_run(const struct cli *cli)
{
	json_t *a = cli_call(cli, cli_request("status"));

	if (a == NULL)
		return EXIT_REFUSED;
	if (!cli_print_json(cli, a))
		object_print(stdout, a, NULL);
	json_decref(a);
	return EXIT_OK;
}

static int version_run(const struct cli *cli)
{
	json_t *a = cli_call(cli, cli_request("version"));

	if (!cli->json)
		printf("ntmctl %s\n", NTM_VERSION);
	if (a == NULL)
		return EXIT_REFUSED;
	if (!cli_print_json(cli, a)) {
		const char *name = json_string_value(json_object_get(a, "program"));
		const char *version = json_string_value(json_object_get(a, "version"));

		printf("%s %s\n", name ?: "?", version ?: "?");
	}
	json_decref(a);
	return EXIT_OK;
}

static int list_run(const struct cli *cli, const char *cmd, const struct column *columns)
{
	json_t *a = cli_call(cli, cli_request(cmd));
	const json_t *rows;

	if (a == NULL)
		return EXIT_REFUSED;
	rows = json_object_get(a, cmd);
	if (!cli_print_json(cli, a)) {
		if (json_array_size(rows) == 0)
			printf("no %s\n", cmd);
		else
			table_print(stdout, rows, columns);
	}
	json_decref(a);
	return EXIT_OK;
}

static int paths_run(const struct cli *cli)
{
	return list_run(cli, "paths", path_columns);
}

static int sessions_run(const struct cli *cli)
{
	return list_run(cli, "sessions", session_columns);
}

static json_t *ratio(const json_t *row, const char *over, const char *under)
{
	double a = json_number_value(json_object_get(row, over));
	double b = json_number_value(json_object_get(row, under));

	return b > 0 ? json_real(a / b) : json_null();
}

static void put_stages(json_t *stages)
{
	json_t *row;
	size_t i;

	if (json_array_size(stages) == 0)
		return;
	json_array_foreach(stages, i, row)
	{
		json_object_set_new(row, "pkts_per_call", ratio(row, "packets", "calls"));
		json_object_set_new(row, "cycles_per_call", ratio(row, "cycles", "calls"));
		json_object_set_new(row, "cycles_per_pkt", ratio(row, "cycles", "packets"));
	}
	table_print(stdout, stages, stage_columns);
	putchar('\n');
}

static void put_drops(const json_t *drops, bool all)
{
	json_t *shown = json_array(), *row;
	size_t i;

	json_array_foreach(drops, i,
			   row) if (all || json_integer_value(json_object_get(row, "count")) != 0)
		json_array_append(shown, row);
	if (json_array_size(shown) > 0)
		table_print(stdout, shown, drop_columns);
	else
		printf("no drops\n");
	json_decref(shown);
}

/* Times at which a worker had no CPU; when they were is for programs (--json). */
static void put_stalls(const json_t *stalls)
{
	static const struct column columns[] = {{"lcore", "LCORE"},	  {"count", "STALLS"},
						{"max_us", "LONGEST US"}, {"total_us", "TOTAL US"},
						{"latest_tsc", NULL},	  {NULL, NULL}};
	json_t *shown = json_array(), *row;
	size_t i;

	json_array_foreach(stalls, i, row) if (json_integer_value(json_object_get(row, "count")) !=
					       0) json_array_append(shown, row);
	if (json_array_size(shown) > 0) {
		putchar('\n');
		table_print(stdout, shown, columns);
	}
	json_decref(shown);
}

/* Counters, in groups one level deep; zeros only with --all. */
static json_t *counters_shown(json_t *counters, bool all)
{
	json_t *out = json_object(), *v, *inner, *group;
	const char *key, *inner_key;

	json_object_foreach(counters, key, v)
	{
		if (json_is_object(v)) {
			group = json_object();
			json_object_foreach(v, inner_key,
					    inner) if (all || json_number_value(inner) != 0)
				json_object_set(group, inner_key, inner);
			json_object_set_new(out, key, group);
		} else if (all || json_number_value(v) != 0) {
			json_object_set(out, key, v);
		}
	}
	return out;
}

static int stats_run(const struct cli *cli)
{
	/* stages, drops, counters and stalls have a form of their own; the rest is printed as it comes */
	static const char *const known[] = {"stages", "drops", "counters", "stalls", NULL};
	json_t *a = cli_call(cli, cli_request("stats")), *counters;

	if (a == NULL)
		return EXIT_REFUSED;
	if (!cli_print_json(cli, a)) {
		put_stages(json_object_get(a, "stages"));
		put_drops(json_object_get(a, "drops"), cli->all);
		counters = counters_shown(json_object_get(a, "counters"), cli->all);
		if (json_object_size(counters) > 0)
			putchar('\n');
		object_print(stdout, counters, NULL);
		json_decref(counters);
		put_stalls(json_object_get(a, "stalls"));
		object_print(stdout, a, known);
	}
	json_decref(a);
	return EXIT_OK;
}

const struct cli_command show_commands[] = {
	{{"status", NULL}, "", "what runs, its names, addresses and state", status_run},
	{{"paths", NULL}, "", "paths with their routes", paths_run},
	{{"sessions", NULL}, "", "associations with their keys' age", sessions_run},
	{{"stats", NULL}, "", "stages, drops and counters (--all: zeros, too)", stats_run},
	{{"version", NULL}, "", "versions of this tool and of the daemon", version_run},
	{{NULL, NULL}, NULL, NULL, NULL},
};
