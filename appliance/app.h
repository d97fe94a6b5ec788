/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_APP_H
#define APPLIANCE_APP_H

/* The one process: what it owns, in the order in which it is made; app_stop() goes backwards. */
#include "appliance/admin.h"
#include "appliance/clock.h"
#include "appliance/fib.h"
#include "appliance/local.h"
#include "appliance/mailbox.h"
#include "appliance/nexthop.h"
#include "appliance/port.h"
#include "appliance/rcu.h"
#include "appliance/worker.h"

#include <stdbool.h>
#include <stdint.h>

struct config; /* appliance/config.h */
struct iface;  /* appliance/iface.h */
struct ctl_server;
struct dc_shell;
struct rs_shell;
struct tap_thread;
struct route_mirror;
struct main_loop;
struct dc_lcore;
struct hs_pool;
struct flow_rules;

struct app {
	_Atomic(const struct config *) config; /* immutable; replaced whole by a reload */
	const char *config_path;
	struct clock clock;
	struct rcu rcu;

	int numa_node; /* of the ports, SOCKET_ID_ANY where they have none */
	struct rte_mempool *pool;
	uint16_t n_ports;
	struct port_info ports[PORTS_MAX];
	struct flow_rules *flow_rules; /* while the ports run; NULL: none */
	uint16_t n_ifaces;
	struct iface *ifaces;

	uint32_t n_nexthops;
	struct nexthop *nexthops;		   /* written by the control lcore */
	_Atomic(const struct fib *) fib;	   /* the same */
	_Atomic(const struct local_table *) local; /* the same */

	uint16_t n_workers;
	struct worker *workers; /* an array */

	struct mailbox control_mb, dc_mb, tap_mb;
	struct tap_thread *taps;
	struct route_mirror *routes;
	struct hs_pool *hs_pool;
	struct main_loop *main_loop;
	struct dc_lcore *dc; /* NULL without the role */
	struct dc_shell *dc_shell;
	struct rs_shell *rs_shell;

	struct ctl_server *ctl;
	struct admin_role admin[ADMIN_ROLES_MAX];
	unsigned int n_admin;

	_Atomic bool leaving;	  /* peers are being told; work goes on */
	_Atomic bool stopping;	  /* workers and threads leave their loops */
	bool has_eal, has_lcores; /* for app_stop() */
};

/* 0 or -errno, after one line that says what failed. Main thread, once. app is zeroed memory;
 * config was made by malloc() and is the app's from now on.
 */
int app_start(struct app *app, const char *config_path, const struct config *config);

/* The control loop on the main lcore; returns at SIGTERM or SIGINT. The exit status. */
int app_run(struct app *app);

/* Also after a failed app_start(): undoes what was done. */
void app_stop(struct app *app);

static inline bool app_stopping(const struct app *app)
{
	return atomic_load_explicit(&app->stopping, memory_order_acquire);
}

#endif
