/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CTL_CLI_H
#define CTL_CLI_H

/* What the commands of ntmctl share: the options, and one call to the daemon. */
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

enum { EXIT_OK = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2 };

struct cli {
	const char *socket; /* NULL: the default ones in turn */
	bool json, all, qr, wait;
	const char *expires; /* a duration; NULL: the daemon's default */
	const char *timeout; /* of drain --wait */
	const char *kind;    /* of node add: node or rs; NULL: the daemon's default, a node */
	int argc;	     /* what stands behind the command's own words */
	char **argv;
};

struct cli_command {
	const char *words[2]; /* "node", "add"; the second may be NULL */
	const char *args;     /* for people, and their number: "NAME" is one */
	const char *help;
	/* Returns an exit status. */
	int (*run)(const struct cli *cli);
};

extern const struct cli_command show_commands[], why_commands[], node_commands[], admin_commands[];

/* Send request (takes the reference). A new reference, or NULL after a line on standard error; an
 * answer with "error" counts as none unless --json was given, which prints it.
 */
json_t *cli_call(const struct cli *cli, json_t *request);
/* {"cmd": cmd} */
json_t *cli_request(const char *cmd);
/* With --json: print it and return true, so that the caller is done. */
bool cli_print_json(const struct cli *cli, const json_t *answer);
/* "90s", "15m", "24h", "7d" to seconds; -1 when text is none. */
int64_t cli_duration(const char *text);

#endif
