/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl/cli.h"
#include "ctl/table.h"

#include <stdio.h>

static const struct column step_columns[] = {
	{"time", "TIME (UTC)"}, {"what", "WHAT"}, {"detail", "DETAIL"}, {NULL, NULL}};

static int why_run(const struct cli *cli)
{
	static const char *const tables[] = {"steps", NULL};
	json_t *request = json_pack("{s:s, s:s}", "cmd", "why", "name", cli->argv[0]);
	json_t *a = cli_call(cli, request);
	const json_t *steps;

	if (a == NULL)
		return EXIT_REFUSED;
	if (!cli_print_json(cli, a)) {
		object_print(stdout, a, tables);
		steps = json_object_get(a, "steps");
		if (json_array_size(steps) > 0) {
			putchar('\n');
			table_print(stdout, steps, step_columns);
		}
	}
	json_decref(a);
	return EXIT_OK;
}

const struct cli_command why_commands[] = {
	{{"why", NULL}, "NAME", "why packets to NAME take the route they take", why_run},
	{{NULL, NULL}, NULL, NULL, NULL},
};
