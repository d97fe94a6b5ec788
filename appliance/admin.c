/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/admin.h"
#include "appliance/app.h"
#include "appliance/config.h"
#include "appliance/dc_shell.h"
#include "appliance/main_loop.h"
#include "appliance/reload.h"
#include "appliance/report.h"
#include "common/ctl.h"
#include "common/log.h"

#include <errno.h>
#include <string.h>

LOG_TYPE("admin");

static json_t *do_version(void *ctx, const json_t *args, uint64_t id)
{
	return json_pack("{s:s, s:s}", "program", "ntm-appliance", "version", NTM_VERSION);
}

/* What the DC of this process has to add, it adds on its own lcore. */
static json_t *with_dc(struct app *app, enum dc_request_op op, json_t *partial, uint64_t id)
{
	return app->dc_shell != NULL ? dc_admin_ask(app, op, NULL, partial, id) : partial;
}

static json_t *do_status(void *ctx, const json_t *args, uint64_t id)
{
	const struct app *app = ctx;
	json_t *status = report_status(app);

	for (unsigned int i = 0; i < app->n_admin; i++)
		if (app->admin[i].status != NULL)
			app->admin[i].status(app->admin[i].ctx, status);
	return with_dc(ctx, DC_REQUEST_STATUS, status, id);
}

static json_t *do_stats(void *ctx, const json_t *args, uint64_t id)
{
	const struct app *app = ctx;
	json_t *stats = report_stats(app), *counters = json_object_get(stats, "counters");

	for (unsigned int i = 0; i < app->n_admin; i++)
		if (app->admin[i].counters != NULL)
			app->admin[i].counters(app->admin[i].ctx, counters);
	return with_dc(ctx, DC_REQUEST_STATS, stats, id);
}

static json_t *do_paths(void *ctx, const json_t *args, uint64_t id)
{
	const struct app *app = ctx;
	json_t *list = json_array();

	for (unsigned int i = 0; i < app->n_admin; i++)
		if (app->admin[i].paths != NULL)
			app->admin[i].paths(app->admin[i].ctx, list);
	return with_dc(ctx, DC_REQUEST_PATHS, json_pack("{s:o}", "paths", list), id);
}

static json_t *do_sessions(void *ctx, const json_t *args, uint64_t id)
{
	const struct app *app = ctx;
	json_t *list = json_array();

	for (unsigned int i = 0; i < app->n_admin; i++)
		if (app->admin[i].sessions != NULL)
			app->admin[i].sessions(app->admin[i].ctx, list);
	return with_dc(ctx, DC_REQUEST_SESSIONS, json_pack("{s:o}", "sessions", list), id);
}

static json_t *do_nexthops(void *ctx, const json_t *args, uint64_t id)
{
	return json_pack("{s:o}", "nexthops", report_nexthops(ctx));
}

static json_t *do_reload(void *ctx, const json_t *args, uint64_t id)
{
	json_t *answer = json_pack("{s:[], s:[]}", "changed", "restart");

	(void)reload_config_tell(ctx, answer);
	return answer;
}

static json_t *drain(const struct app *app, bool on)
{
	for (unsigned int i = 0; i < app->n_admin; i++)
		if (app->admin[i].drain != NULL)
			return app->admin[i].drain(app->admin[i].ctx, on);
	return ctl_error("this appliance has no role rs");
}

static json_t *do_drain(void *ctx, const json_t *args, uint64_t id)
{
	return drain(ctx, true);
}

static json_t *do_undrain(void *ctx, const json_t *args, uint64_t id)
{
	return drain(ctx, false);
}

static json_t *of_dc(struct app *app, enum dc_request_op op, const json_t *args, uint64_t id)
{
	return app->dc_shell != NULL ? dc_admin_ask(app, op, args, NULL, id)
				     : ctl_error("this appliance has no role dc");
}

static json_t *do_node_add(void *ctx, const json_t *args, uint64_t id)
{
	return of_dc(ctx, DC_REQUEST_NODE_ADD, args, id);
}

static json_t *do_node_list(void *ctx, const json_t *args, uint64_t id)
{
	return of_dc(ctx, DC_REQUEST_NODE_LIST, args, id);
}

static json_t *do_node_del(void *ctx, const json_t *args, uint64_t id)
{
	return of_dc(ctx, DC_REQUEST_NODE_DEL, args, id);
}

static const struct ctl_command commands[] = {
	{"version", "", "program and version", do_version},
	{"status", "", "state, roles, lcores, interfaces", do_status},
	{"paths", "", "paths that are bound here", do_paths},
	{"sessions", "", "associations of this appliance", do_sessions},
	{"stats", "", "stages, drops and counters", do_stats},
	{"nexthops", "", "gateways and on-link hosts in use", do_nexthops},
	{"node_add", "name [expires_s] [kind]", "make a join token for a node or an RS",
	 do_node_add},
	{"node_list", "", "nodes of this DC", do_node_list},
	{"node_del", "name", "forget a node", do_node_del},
	{"drain", "", "take no new legs", do_drain},
	{"undrain", "", "take legs again", do_undrain},
	{"reload", "", "read the configuration anew", do_reload},
	{NULL, NULL, NULL, NULL},
};

int admin_open(struct app *app)
{
	const struct config *c = atomic_load_explicit(&app->config, memory_order_acquire);
	int ret;

	if (c->control_socket[0] == '\0')
		return 0;
	ret = ctl_server_open(&app->ctl, c->control_socket, commands, app);
	if (ret < 0) {
		LOG(ERR, "control socket %s: %s", c->control_socket,
		    ret == -EBUSY ? "another process answers there" : strerror(-ret));
		return ret;
	}
	main_loop_ctl_set(app->main_loop, app->ctl);
	return 0;
}

void admin_close(struct app *app)
{
	if (app->main_loop != NULL)
		main_loop_ctl_set(app->main_loop, NULL);
	ctl_server_close(app->ctl);
	app->ctl = NULL;
}

void admin_role_add(struct app *app, const struct admin_role *role)
{
	if (app->n_admin < ADMIN_ROLES_MAX)
		app->admin[app->n_admin++] = *role;
}

void admin_answer(struct app *app, uint64_t id, json_t *answer)
{
	if (app->ctl != NULL)
		ctl_server_answer(app->ctl, id, answer);
	else
		json_decref(answer);
}
