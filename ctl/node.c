/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl/cli.h"
#include "ctl/qr.h"
#include "ctl/table.h"

#include <stdio.h>
#include <string.h>

static const struct column node_columns[] = {
	{"name", "NAME"},	  {"vip4", "VIPv4"}, {"vip6", "VIPv6"},	 {"state", "STATE"},
	{"endpoint", "ENDPOINT"}, {"nat", "NAT"},    {"seen_s", "SEEN"}, {NULL, NULL},
};

static void put_invitation(const struct cli *cli, const json_t *a)
{
	static const char *const no_join[] = {"join", NULL};
	const char *join = json_string_value(json_object_get(a, "join"));

	object_print(stdout, a, no_join);
	if (join == NULL)
		return;
	/* On a line of its own, whole, for copying; it is longer than a cell. */
	printf("\njoin: %s\n", join);
	if (!cli->qr)
		return;
	putchar('\n');
	if (qr_print(stdout, join) < 0)
		fprintf(stderr, "ntmctl: the join string does not fit a QR code\n");
}

static int node_add_run(const struct cli *cli)
{
	json_t *request = json_pack("{s:s, s:s}", "cmd", "node_add", "name", cli->argv[0]), *a;
	int64_t expires = cli->expires == NULL ? 0 : cli_duration(cli->expires);

	if (expires < 0) {
		fprintf(stderr, "ntmctl: --expires wants a duration such as 30m, 24h or 7d\n");
		json_decref(request);
		return EXIT_USAGE;
	}
	if (cli->expires != NULL)
		json_object_set_new(request, "expires_s", json_integer(expires));
	if (cli->kind != NULL)
		json_object_set_new(request, "kind", json_string(cli->kind));
	a = cli_call(cli, request);
	if (a == NULL)
		return EXIT_REFUSED;
	if (!cli_print_json(cli, a))
		put_invitation(cli, a);
	json_decref(a);
	return EXIT_OK;
}

static int node_list_run(const struct cli *cli)
{
	json_t *a = cli_call(cli, cli_request("node_list"));
	const json_t *nodes;

	if (a == NULL)
		return EXIT_REFUSED;
	nodes = json_object_get(a, "nodes");
	if (!cli_print_json(cli, a)) {
		if (json_array_size(nodes) == 0)
			printf("no nodes\n");
		else
			table_print(stdout, nodes, node_columns);
	}
	json_decref(a);
	return EXIT_OK;
}

static int node_del_run(const struct cli *cli)
{
	json_t *request = json_pack("{s:s, s:s}", "cmd", "node_del", "name", cli->argv[0]);
	json_t *a = cli_call(cli, request);

	if (a == NULL)
		return EXIT_REFUSED;
	if (!cli_print_json(cli, a))
		object_print(stdout, a, NULL);
	json_decref(a);
	return EXIT_OK;
}

const struct cli_command node_commands[] = {
	{{"node", "add"},
	 "NAME",
	 "invite a node: token and join string (--qr, --expires 24h, --kind rs)",
	 node_add_run},
	{{"node", "list"}, "", "the DC's nodes", node_list_run},
	{{"node", "del"}, "NAME", "forget a node: its key and its addresses", node_del_run},
	{{NULL, NULL}, NULL, NULL, NULL},
};
