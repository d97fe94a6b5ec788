/* SPDX-License-Identifier: BSD-3-Clause */
/* A request on the control socket: the answer is always an object that can be written. */
#include "common/ctl.h"
#include "tests/fuzz/fuzz.h"

static json_t *cmd_echo(void *ctx, const json_t *args, uint64_t id)
{
	return json_pack("{s:O}", "echo", args);
}

static const struct ctl_command table[] = {{"echo", "", "say it again", cmd_echo}, {NULL}};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ctl_counters c = {0};
	json_t *answer;
	char *text;

	if (size > CTL_REQUEST_MAX)
		return 0;
	answer = ctl_dispatch(table, NULL, 1, (const char *)data, size, &c);
	FUZZ_CHECK(json_is_object(answer));
	FUZZ_CHECK(c.requests == 1);
	FUZZ_CHECK((json_object_get(answer, "error") != NULL) ==
		   (c.refused_json + c.refused_command > 0));
	text = json_dumps(answer, JSON_COMPACT);
	FUZZ_CHECK(text != NULL);
	free(text);
	json_decref(answer);
	return 0;
}
