/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/reload.h"
#include "appliance/app.h"
#include "appliance/config.h"
#include "common/log.h"

#include <errno.h>
#include <stdlib.h>

LOG_TYPE("reload");

static void tell(void *ctx, const struct conf_row *row, const char *path, const char *was,
		 const char *is)
{
	bool restart = row->reload == CONF_RESTART;

	json_array_append_new(json_object_get(ctx, restart ? "restart" : "changed"),
			      json_pack("{s:s, s:s, s:s}", "key", path, "was", was, "is", is));
	if (restart)
		LOG(ERR, "refused: %s needs a restart was=%s is=%s", path, was, is);
	else
		LOG(NOTICE, "changed %s was=%s is=%s", path, was, is);
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
	return ret < 0 ? -EINVAL : 0;
}

int reload_config_tell(struct app *app, json_t *answer)
{
	const struct config *old = atomic_load_explicit(&app->config, memory_order_acquire);
	struct config *c = calloc(1, sizeof(*c));
	int ret;

	if (c == NULL)
		return -ENOMEM;
	ret = load(app->config_path, c, answer);
	if (ret == 0 && yaml_conf_diff(config_rows, old, c, tell, answer) > 0) {
		json_object_set_new(answer, "error", json_string("keys need a restart"));
		ret = -EBUSY;
	}
	if (ret < 0) {
		free(c);
		return ret;
	}
	log_set_level((enum log_level)c->log_level);
	atomic_store_explicit(&app->config, c, memory_order_release);
	rcu_defer(&app->rcu, free, (void *)(uintptr_t)old);
	LOG(NOTICE, "configuration taken over");
	return 0;
}

int reload_config(struct app *app)
{
	json_t *answer = json_pack("{s:[], s:[]}", "changed", "restart");
	int ret = answer == NULL ? -ENOMEM : reload_config_tell(app, answer);

	json_decref(answer);
	return ret;
}
