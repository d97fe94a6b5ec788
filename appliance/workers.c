/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/workers.h"
#include "appliance/app.h"
#include "appliance/eal.h"
#include "appliance/rs_shell.h"
#include "common/log.h"

#include <rte_launch.h>
#include <rte_malloc.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

LOG_TYPE("workers");

/* A port without one is looked at more often; that is all that goes wrong. */
static void bells_open(struct worker *w, const struct config *c, const struct app *app)
{
	for (uint16_t i = 0; i < PORTS_MAX; i++)
		w->bells[i].fd = -1;
	for (uint16_t i = 0; c->idle == IDLE_ADAPTIVE && i < app->n_ports; i++) {
		int ret = bell_open(&w->bells[i], app->ports[i].device);

		if (ret < 0)
			LOG(WARN, "port %s cannot wake worker %u: %s", app->ports[i].device, w->id,
			    strerror(-ret));
	}
}

static int worker_init(struct app *app, struct worker *w, uint16_t id)
{
	const struct config *c = atomic_load_explicit(&app->config, memory_order_acquire);
	char name[32];

	w->app = app;
	w->id = id;
	w->lcore = LCORE_WORKER_0 + id;
	w->n_workers = app->n_workers;
	w->n_ifaces = app->n_ifaces;
	w->ifaces = app->ifaces;
	w->n_ports = app->n_ports;
	for (uint16_t i = 0; i < app->n_ports; i++)
		w->ports[i] = app->ports[i].id;
	w->nexthops = app->nexthops;
	w->n_nexthops = app->n_nexthops;
	w->ntm_port = (uint16_t)c->ntm.port;
	w->alt_port = (uint16_t)c->ntm.alt_port;
	w->base_port = (uint16_t)c->ntm.base_port;
	w->has_rs = config_has_role(c, ROLE_RS);
	w->has_dc = config_has_role(c, ROLE_DC);
	w->pool = app->pool;
	w->control = &app->control_mb;
	w->dc = w->has_dc ? &app->dc_mb : NULL;
	w->tap = &app->tap_mb;
	w->rs = app->rs_shell != NULL ? rs_shell_worker(app->rs_shell, id) : NULL;
	for (uint16_t i = 0; i < app->n_workers; i++)
		w->peers[i] = &app->workers[i].mailbox;
	bells_open(w, c, app);
	w->out = rte_zmalloc_socket("ntm_out", app->n_ports * sizeof(*w->out), RTE_CACHE_LINE_SIZE,
				    app->numa_node);
	if (w->out == NULL)
		return -ENOMEM;
	snprintf(name, sizeof(name), "ntm_worker_%u", id);
	return mailbox_init(&w->mailbox, name, c->tables.mailbox);
}

int workers_create(struct app *app)
{
	int ret = 0;

	app->workers = rte_zmalloc_socket("ntm_workers", app->n_workers * sizeof(*app->workers),
					  RTE_CACHE_LINE_SIZE, app->numa_node);
	if (app->workers == NULL)
		return -ENOMEM;
	for (uint16_t i = 0; i < app->n_workers && ret == 0; i++)
		ret = worker_init(app, &app->workers[i], i);
	return ret;
}

static void bells_close(struct worker *w)
{
	for (uint16_t i = 0; i < w->n_ports; i++)
		bell_close(&w->bells[i]);
}

void workers_destroy(struct app *app)
{
	if (app->workers == NULL)
		return;
	for (uint16_t i = 0; i < app->n_workers; i++) {
		mailbox_fini(&app->workers[i].mailbox);
		bells_close(&app->workers[i]);
		rte_free(app->workers[i].out);
	}
	rte_free(app->workers);
	app->workers = NULL;
}

int workers_launch(struct app *app)
{
	int ret = 0;

	for (uint16_t i = 0; i < app->n_workers && ret == 0; i++)
		ret = rte_eal_remote_launch(worker_main, &app->workers[i], app->workers[i].lcore);
	return ret;
}
