/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl/cli.h"
#include "common/ctl.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Above the 30 s after which a daemon itself gives up on an answer. */
enum { CALL_TIMEOUT_MS = 35000 };

static const char *const default_sockets[] = {"/run/ntm/appliance.sock", "/run/ntm/ntmd.sock"};

static json_t *call_first(const struct cli *cli, const json_t *request, char *why)
{
	json_t *answer = NULL;

	if (cli->socket != NULL)
		return ctl_call(cli->socket, request, CALL_TIMEOUT_MS, why);
	for (unsigned int i = 0; i < sizeof(default_sockets) / sizeof(default_sockets[0]); i++) {
		answer = ctl_call(default_sockets[i], request, CALL_TIMEOUT_MS, why);
		if (answer != NULL || (errno != ENOENT && errno != ECONNREFUSED))
			return answer;
	}
	snprintf(why, CTL_WHY_MAX, "no daemon on %s nor on %s", default_sockets[0],
		 default_sockets[1]);
	return NULL;
}

json_t *cli_call(const struct cli *cli, json_t *request)
{
	char why[CTL_WHY_MAX];
	json_t *answer = call_first(cli, request, why);
	const char *error;

	json_decref(request);
	if (answer == NULL) {
		fprintf(stderr, "ntmctl: %s\n", why);
		return NULL;
	}
	error = json_string_value(json_object_get(answer, "error"));
	if (error == NULL)
		return answer;
	if (!cli_print_json(cli, answer))
		fprintf(stderr, "ntmctl: %s\n", error);
	json_decref(answer);
	return NULL;
}

json_t *cli_request(const char *cmd)
{
	return json_pack("{s:s}", "cmd", cmd);
}

bool cli_print_json(const struct cli *cli, const json_t *answer)
{
	if (!cli->json)
		return false;
	json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
	putchar('\n');
	return true;
}

int64_t cli_duration(const char *text)
{
	static const struct {
		const char *unit;
		int64_t seconds;
	} units[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
	char *end;
	long v;

	if (!isdigit((unsigned char)*text))
		return -1;
	errno = 0;
	v = strtol(text, &end, 10);
	if (errno != 0 || v > 100000000)
		return -1;
	if (v == 0 && *end == '\0')
		return 0;
	for (unsigned int i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(end, units[i].unit) == 0)
			return v * units[i].seconds;
	return -1;
}
