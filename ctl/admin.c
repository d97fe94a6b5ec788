/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl/cli.h"
#include "ctl/table.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct column change_columns[] = {
	{"key", "KEY"}, {"was", "WAS"}, {"is", "IS"}, {NULL, NULL}};

static int simple_run(const struct cli *cli, const char *cmd)
{
	json_t *a = cli_call(cli, cli_request(cmd));

	if (a == NULL)
		return EXIT_REFUSED;
	if (!cli_print_json(cli, a))
		object_print(stdout, a, NULL);
	json_decref(a);
	return EXIT_OK;
}

/* Ask until the state is "drained". The daemon pushes nothing, and a second is soon enough. */
static int drain_wait(const struct cli *cli, int64_t timeout_s)
{
	time_t end = time(NULL) + (time_t)timeout_s;
	json_t *a;

	for (;;) {
		const char *state;
		bool is_drained;

		a = cli_call(cli, cli_request("status"));
		if (a == NULL)
			return EXIT_REFUSED;
		state = json_string_value(json_object_get(a, "state"));
		is_drained = state != NULL && strcmp(state, "drained") == 0;
		if (is_drained && !cli_print_json(cli, a))
			printf("drained\n");
		json_decref(a);
		if (is_drained)
			return EXIT_OK;
		if (time(NULL) >= end)
			break;
		sleep(1);
	}
	fprintf(stderr, "ntmctl: not drained after %lld s\n", (long long)timeout_s);
	return EXIT_REFUSED;
}

static int drain_run(const struct cli *cli)
{
	int64_t timeout_s = cli->timeout == NULL ? 3600 : cli_duration(cli->timeout);
	json_t *a;

	if (timeout_s < 0) {
		fprintf(stderr, "ntmctl: --timeout wants a duration such as 90s or 2h\n");
		return EXIT_USAGE;
	}
	if (!cli->wait)
		return simple_run(cli, "drain");
	a = cli_call(cli, cli_request("drain"));
	if (a == NULL)
		return EXIT_REFUSED;
	json_decref(a);
	return drain_wait(cli, timeout_s);
}

static int undrain_run(const struct cli *cli)
{
	return simple_run(cli, "undrain");
}

static int reload_run(const struct cli *cli)
{
	json_t *a = cli_call(cli, cli_request("reload"));
	const json_t *changed;

	if (a == NULL)
		return EXIT_REFUSED;
	changed = json_object_get(a, "changed");
	if (!cli_print_json(cli, a)) {
		if (json_array_size(changed) > 0)
			table_print(stdout, changed, change_columns);
		else
			printf("nothing changed\n");
	}
	json_decref(a);
	return EXIT_OK;
}

const struct cli_command admin_commands[] = {
	{{"drain", NULL},
	 "",
	 "take no new legs (--wait: until none is left; --timeout 1h)",
	 drain_run},
	{{"undrain", NULL}, "", "take new legs again", undrain_run},
	{{"reload", NULL}, "", "read the config file again", reload_run},
	{{NULL, NULL}, NULL, NULL, NULL},
};
