/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl/cli.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const struct cli_command *const groups[] = {show_commands, why_commands, node_commands,
						   admin_commands};
enum { N_GROUPS = sizeof(groups) / sizeof(groups[0]) };

static const struct option options[] = {
	{"socket", required_argument, NULL, 's'},
	{"json", no_argument, NULL, 'j'},
	{"all", no_argument, NULL, 'a'},
	{"qr", no_argument, NULL, 'q'},
	{"expires", required_argument, NULL, 'e'},
	{"wait", no_argument, NULL, 'w'},
	{"timeout", required_argument, NULL, 't'},
	{"version", no_argument, NULL, 'V'},
	{"kind", required_argument, NULL, 'k'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static void usage(FILE *f)
{
	char words[64];

	fprintf(f, "usage: ntmctl [--socket PATH] [--json] COMMAND\n\n");
	for (int g = 0; g < N_GROUPS; g++) {
		for (const struct cli_command *c = groups[g]; c->words[0] != NULL; c++) {
			snprintf(words, sizeof(words), "%s%s%s %s", c->words[0],
				 c->words[1] ? " " : "", c->words[1] ?: "", c->args);
			fprintf(f, "  %-16s %s\n", words, c->help);
		}
	}
	fprintf(f, "\nWithout --socket: /run/ntm/appliance.sock, then /run/ntm/ntmd.sock.\n"
		   "Exit status: 0 done, 1 refused or nobody there, 2 wrong usage.\n");
}

/* Takes the command's words off argv; NULL when there is no such command. */
static const struct cli_command *command_find(struct cli *cli)
{
	for (int g = 0; g < N_GROUPS; g++) {
		for (const struct cli_command *c = groups[g]; c->words[0] != NULL; c++) {
			int n = c->words[1] == NULL ? 1 : 2;

			if (cli->argc < n || strcmp(cli->argv[0], c->words[0]) != 0 ||
			    (n == 2 && strcmp(cli->argv[1], c->words[1]) != 0))
				continue;
			cli->argc -= n;
			cli->argv += n;
			return c;
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	const struct cli_command *c;
	struct cli cli = {0};
	int opt;

	while ((opt = getopt_long(argc, argv, "s:jh", options, NULL)) != -1) {
		switch (opt) {
		case 's':
			cli.socket = optarg;
			break;
		case 'j':
			cli.json = true;
			break;
		case 'a':
			cli.all = true;
			break;
		case 'q':
			cli.qr = true;
			break;
		case 'e':
			cli.expires = optarg;
			break;
		case 'k':
			cli.kind = optarg;
			break;
		case 'w':
			cli.wait = true;
			break;
		case 't':
			cli.timeout = optarg;
			break;
		case 'V':
			printf("ntmctl %s\n", NTM_VERSION);
			return EXIT_OK;
		case 'h':
			usage(stdout);
			return EXIT_OK;
		default:
			return EXIT_USAGE;
		}
	}
	cli.argc = argc - optind;
	cli.argv = argv + optind;
	c = command_find(&cli);
	if (c == NULL || cli.argc != (c->args[0] != '\0')) {
		usage(stderr);
		return EXIT_USAGE;
	}
	return c->run(&cli);
}
