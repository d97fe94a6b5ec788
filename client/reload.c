/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/ntmd.h"
#include "common/log.h"

#include <stdlib.h>

LOG_TYPE("reload");

static void changed(void *ctx, const struct conf_row *row, const char *path, const char *was,
		    const char *is)
{
	json_t *answer = ctx;
	const char *list = row->reload == CONF_RELOAD ? "changed" : "restart";

	json_array_append_new(json_object_get(answer, list),
			      json_pack("{s:s, s:s, s:s}", "key", path, "was", was, "is", is));
}

static int load(const char *path, struct config *c, json_t *answer)
{
	struct conf_report r;
	int ret = config_load(path, c, &r);

	for (unsigned int i = 0; i < r.n_errors && i < CONF_ERRORS_MAX; i++) {
		LOG(ERR, "refused: %s", r.text[i]);
		if (i == 0)
			json_object_set_new(answer, "error", json_string(r.text[i]));
	}
	conf_report_free(&r);
	return ret;
}

json_t *ntmd_reload(struct ntmd *d)
{
	struct config *c = calloc(1, sizeof(*c));
	json_t *answer = json_pack("{s:[], s:[]}", "changed", "restart");

	if (c == NULL) {
		json_object_set_new(answer, "error", json_string("no memory"));
	} else if (load(d->config_path, c, answer) < 0) {
		LOG(NOTICE, "configuration not taken over");
	} else if (yaml_conf_diff(config_rows, &d->conf, c, changed, answer) > 0) {
		json_object_set_new(answer, "error", json_string("some keys need a restart"));
	} else {
		d->conf = *c;
		log_set_level(d->conf.log_level);
		names_relay_set(d);
		LOG(NOTICE, "configuration reloaded");
	}
	free(c);
	return answer;
}
