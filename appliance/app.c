/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/app.h"
#include "appliance/config.h"
#include "appliance/dc_lcore.h"
#include "appliance/dc_shell.h"
#include "appliance/eal.h"
#include "appliance/flow_rules.h"
#include "appliance/hs_pool.h"
#include "appliance/iface.h"
#include "appliance/main_loop.h"
#include "appliance/nl.h"
#include "appliance/numa.h"
#include "appliance/pipeline/burst.h"
#include "appliance/port.h"
#include "appliance/route.h"
#include "appliance/rs_shell.h"
#include "appliance/tap.h"
#include "appliance/telemetry.h"
#include "appliance/workers.h"
#include "common/log.h"

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_malloc.h>
#include <rte_version.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

LOG_TYPE("app");

static const struct config *config_of(const struct app *app)
{
	return atomic_load_explicit(&app->config, memory_order_acquire);
}

static int failed(const char *what, int err)
{
	LOG(ERR, "%s: %s", what, strerror(-err));
	return err;
}

static int make_memory(struct app *app, const struct config *c)
{
	int ret = rcu_init(&app->rcu, app->n_workers + 1u); /* the last is the DC lcore */

	if (ret < 0)
		return failed("reader states", ret);
	app->pool = port_pool_create("ntm_packets", c->tables.packets, config_packet_bytes(c),
				     app->numa_node);
	if (app->pool == NULL)
		return failed("packet buffers (tables.packets, dpdk.memory_mb)", -rte_errno);
	app->n_nexthops = c->tables.nexthops;
	app->nexthops = rte_zmalloc_socket("ntm_nexthops", app->n_nexthops * sizeof(*app->nexthops),
					   RTE_CACHE_LINE_SIZE, app->numa_node);
	if (app->nexthops == NULL)
		return failed("next hops (tables.nexthops, dpdk.memory_mb)", -ENOMEM);
	ret = mailbox_init(&app->control_mb, "ntm_control", c->tables.mailbox);
	if (ret == 0)
		ret = mailbox_init(&app->dc_mb, "ntm_dc", c->tables.mailbox);
	if (ret == 0)
		ret = mailbox_init(&app->tap_mb, "ntm_tap", c->tables.mailbox);
	return ret < 0 ? failed("mailboxes (tables.mailbox, dpdk.memory_mb)", ret) : 0;
}

/* Interfaces on one port share it. 0 with its place in app->ports, or -errno. */
static int port_of(struct app *app, const struct config *c, const struct config_iface *f,
		   uint16_t *place)
{
	struct port_config pc = {.queues = app->n_workers,
				 .pool = app->pool,
				 .descriptors = (uint16_t)c->tables.port_queue};
	int ret;

	for (*place = 0; *place < app->n_ports; ++*place)
		if (strcmp(app->ports[*place].device, f->port) == 0)
			return 0;
	for (uint32_t i = 0; i < c->n_ifaces; i++) {
		if (strcmp(c->ifaces[i].port, f->port) != 0)
			continue;
		if (c->ifaces[i].n_members > 0) {
			pc.n_members = c->ifaces[i].n_members;
			pc.members = c->ifaces[i].members;
		}
		pc.mtu = (uint16_t)RTE_MAX(pc.mtu, c->ifaces[i].mtu);
	}
	ret = port_open(f->port, &pc, &app->ports[app->n_ports]);
	if (ret == 0)
		app->n_ports++;
	return ret;
}

static int make_interfaces(struct app *app, const struct config *c)
{
	struct nl nl;
	int ret;

	app->ifaces = calloc(c->n_ifaces, sizeof(*app->ifaces));
	if (app->ifaces == NULL)
		return failed("interfaces", -ENOMEM);
	ret = nl_open(&nl, 0);
	if (ret < 0)
		return failed("rtnetlink", ret);
	for (uint32_t i = 0; i < c->n_ifaces && ret == 0; i++) {
		struct iface *f = &app->ifaces[i];
		uint16_t place;

		f->tap_fd = -1;
		app->n_ifaces = (uint16_t)(i + 1);
		ret = port_of(app, c, &c->ifaces[i], &place);
		if (ret < 0)
			break;
		f->index = (uint16_t)i;
		f->port = app->ports[place].id;
		f->tx_checksum = app->ports[place].tx_checksum;
		f->vlan = (uint16_t)c->ifaces[i].vlan;
		f->mtu = (uint16_t)c->ifaces[i].mtu;
		f->side = (uint8_t)c->ifaces[i].side;
		f->keep_tap = c->ifaces[i].keep_tap;
		f->flow_rules = c->ifaces[i].flow_rules == FLOW_RULES_AUTO;
		memcpy(f->name, c->ifaces[i].name, sizeof(f->name));
		(void)rte_eth_macaddr_get(f->port, &f->mac);
		ret = tap_open(f, &c->ifaces[i], c->route_table, &nl);
	}
	nl_close(&nl);
	return ret;
}

static const char *word(bool on)
{
	return on ? "yes" : "no";
}

static void tell_facts(const struct app *app, const struct config *c)
{
	char map[4096] = "", mac[RTE_ETHER_ADDR_FMT_SIZE], ip[IP_TEXT_MAX], way[128];
	const struct local_addr *addrs;
	uint32_t n;

	(void)eal_lcore_map(c, map, sizeof(map));
	LOG(INFO, "ntm-appliance version=%s dpdk=%s roles=%s%s idle=%s", NTM_VERSION,
	    rte_version() + strlen("DPDK "), config_has_role(c, ROLE_RS) ? "rs," : "",
	    config_has_role(c, ROLE_DC) ? "dc" : "", c->idle == IDLE_POLL ? "poll" : "adaptive");
	LOG(INFO, "lcores control=0 workers=1-%u dc=%u map=%s", app->n_workers,
	    app->dc != NULL ? lcore_dc(c) : 0, map);
	for (uint16_t i = 0; i < app->n_ifaces; i++) {
		rte_ether_format_addr(mac, sizeof(mac), &app->ifaces[i].mac);
		LOG(INFO, "interface %s port=%u device=%s vlan=%u mtu=%u mac=%s",
		    app->ifaces[i].name, app->ifaces[i].port, c->ifaces[i].port,
		    app->ifaces[i].vlan, app->ifaces[i].mtu, mac);
	}
	for (uint16_t i = 0; i < app->n_ports; i++) {
		const struct port_info *p = &app->ports[i];

		LOG(INFO,
		    "port %u queues=%u rss=%s rx_checksum=%s tx_checksum=%s vlan_strip=%s socket=%d",
		    p->id, app->n_workers, word(p->rss), word(p->rx_checksum), word(p->tx_checksum),
		    word(p->vlan_strip), p->socket);
		flow_rules_way(app, i, way, sizeof(way));
		LOG(INFO, "port %u packets reach workers by %s", p->id, way);
	}
	addrs = local_addrs(atomic_load(&app->local), &n);
	for (uint32_t i = 0; i < n; i++)
		LOG(INFO, "address %s interface=%s", ip_format(&addrs[i].ip, ip),
		    app->ifaces[addrs[i].iface].name);
	LOG(INFO, "tables packets=%u nexthops=%u mailbox=%u ntm_port=%u alt_port=%u base_port=%u",
	    c->tables.packets, app->n_nexthops, c->tables.mailbox, c->ntm.port, c->ntm.alt_port,
	    c->ntm.base_port);
}

static int start_ports(struct app *app)
{
	int ret = 0;

	for (uint16_t i = 0; i < app->n_ports && ret == 0; i++)
		ret = port_start(&app->ports[i]);
	return ret;
}

static int launch(struct app *app, const struct config *c)
{
	int ret = start_ports(app);

	if (ret < 0)
		return ret;
	app->flow_rules = flow_rules_start(app);
	if (app->flow_rules != NULL)
		(void)main_loop_tick_add(app->main_loop, flow_rules_tick, app->flow_rules);
	app->has_lcores = true;
	ret = workers_launch(app);
	if (ret == 0 && app->dc != NULL)
		ret = rte_eal_remote_launch(dc_lcore_main, app->dc, lcore_dc(c));
	if (ret < 0)
		return failed("lcores", ret);
	app->taps = tap_thread_start(app);
	return app->taps == NULL ? failed("TAP thread", -errno) : 0;
}

/* Room for every handshake that both roles may have in work. */
enum { HANDSHAKE_QUEUE = 4096 };

static int make_roles(struct app *app, const struct config *c)
{
	int ret = 0;

	app->hs_pool = hs_pool_start(c->handshake_threads, HANDSHAKE_QUEUE);
	if (app->hs_pool == NULL)
		return failed("handshake threads", -errno);
	if (config_has_role(c, ROLE_DC))
		ret = dc_shell_create(app);
	if (ret == 0 && app->rs_shell != NULL)
		ret = rs_shell_start(app);
	return ret;
}

int app_start(struct app *app, const char *config_path, const struct config *config)
{
	int ret;

	atomic_init(&app->config, config);
	app->config_path = config_path;
	app->n_workers = (uint16_t)config->lcores.workers;
	log_set_level((enum log_level)config->log_level);
	ret = eal_start(config);
	if (ret < 0)
		return ret;
	app->has_eal = true;
	clock_init(&app->clock);
	app->numa_node = numa_of_ports(config);
	(void)numa_prefer(app->numa_node);
	numa_check_workers(config, app->numa_node);
	ret = make_memory(app, config);
	if (ret == 0)
		ret = make_interfaces(app, config);
	if (ret < 0)
		return ret;
	if (config_has_role(config, ROLE_RS))
		ret = rs_shell_create(app);
	if (ret < 0)
		return ret;
	ret = workers_create(app);
	if (ret < 0)
		return failed("workers (dpdk.memory_mb)", ret);
	app->main_loop = main_loop_create(app);
	if (app->main_loop == NULL)
		return failed("control", -errno);
	app->routes = route_create(app, main_loop_stats(app->main_loop));
	if (app->routes == NULL)
		return failed("routes and addresses", -errno);
	ret = make_roles(app, config);
	if (ret == 0)
		ret = launch(app, config);
	if (ret == 0)
		ret = telemetry_start(app);
	if (ret == 0)
		ret = admin_open(app);
	if (ret == 0)
		tell_facts(app, config);
	return ret;
}

int app_run(struct app *app)
{
	return main_loop_run(app->main_loop);
}

/* What nobody will take any more. */
static void drain(struct mailbox *mb, struct lcore_stats *st)
{
	struct mail m;

	while (mb->ring != NULL && mailbox_take(mb, &m, 1) == 1) {
		if (!mail_brings_packet(m.type))
			continue;
		st->from_mailbox++;
		burst_drop(st, m.ptr, DROP_STOPPING);
	}
}

static void stop_lcores(struct app *app)
{
	struct mailbox *all[] = {&app->dc_mb, &app->tap_mb};

	atomic_store_explicit(&app->stopping, true, memory_order_release);
	for (size_t i = 0; i < RTE_DIM(all); i++)
		mailbox_wake(all[i]);
	for (uint16_t i = 0; i < app->n_workers; i++)
		mailbox_wake(&app->workers[i].mailbox);
	rte_eal_mp_wait_lcore();
	tap_thread_stop(app->taps);
	app->taps = NULL;
}

static void stop_interfaces(struct app *app)
{
	for (uint16_t i = 0; i < app->n_ports; i++)
		port_close(&app->ports[i]);
	for (uint16_t i = 0; i < app->n_ifaces; i++)
		tap_close(&app->ifaces[i]);
	free(app->ifaces);
}

static void free_memory(struct app *app)
{
	rcu_fini(&app->rcu);
	fib_destroy((struct fib *)(uintptr_t)atomic_load(&app->fib));
	local_destroy((struct local_table *)(uintptr_t)atomic_load(&app->local));
	mailbox_fini(&app->tap_mb);
	mailbox_fini(&app->dc_mb);
	mailbox_fini(&app->control_mb);
	rte_free(app->nexthops);
	rte_mempool_free(app->pool);
}

void app_stop(struct app *app)
{
	if (!app->has_eal)
		goto out_config;
	admin_close(app);
	telemetry_stop();
	if (app->has_lcores)
		stop_lcores(app);
	hs_pool_stop(app->hs_pool, NULL);
	dc_shell_destroy(app->dc_shell);
	rs_shell_destroy(app->rs_shell);
	if (app->main_loop != NULL) {
		struct lcore_stats *st = main_loop_stats(app->main_loop);

		drain(&app->tap_mb, st);
		drain(&app->dc_mb, st);
		drain(&app->control_mb, st);
		for (uint16_t i = 0; app->workers != NULL && i < app->n_workers; i++)
			drain(&app->workers[i].mailbox, st);
	}
	route_destroy(app->routes);
	main_loop_destroy(app->main_loop);
	dc_lcore_destroy(app->dc);
	flow_rules_stop(app->flow_rules);
	stop_interfaces(app);
	workers_destroy(app);
	free_memory(app);
	eal_stop();
out_config:
	free((void *)(uintptr_t)config_of(app));
}
