/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/report.h"
#include "appliance/app.h"
#include "appliance/config.h"
#include "appliance/dc_lcore.h"
#include "appliance/eal.h"
#include "appliance/flow_rules.h"
#include "appliance/iface.h"
#include "appliance/main_loop.h"
#include "appliance/tap.h"

#include <rte_ethdev.h>

#include <unistd.h>

void report_sum(const struct app *app, struct lcore_stats *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (uint16_t i = 0; i < app->n_workers; i++)
		stats_add(sum, &app->workers[i].stats);
	stats_add(sum, main_loop_stats(app->main_loop));
	if (app->dc != NULL)
		stats_add(sum, dc_lcore_stats(app->dc));
	if (app->taps != NULL)
		stats_add(sum, tap_thread_stats(app->taps));
}

static json_t *stages(const struct lcore_stats *sum)
{
	json_t *all = json_array();

	for (unsigned int i = 0; i < STAGE_MAX; i++)
		json_array_append_new(all, json_pack("{s:s, s:I, s:I, s:I}", "name", stage_name(i),
						     "calls", (json_int_t)sum->stage[i].calls,
						     "packets", (json_int_t)sum->stage[i].packets,
						     "cycles", (json_int_t)sum->stage[i].cycles));
	return all;
}

static json_t *drops(const struct lcore_stats *sum)
{
	json_t *all = json_array();

	for (unsigned int i = 0; i < DROP_MAX; i++)
		json_array_append_new(all,
				      json_pack("{s:s, s:I, s:s}", "name", drop_name(i), "count",
						(json_int_t)sum->drops[i], "help", drop_text(i)));
	return all;
}

static json_t *counters(const struct lcore_stats *sum)
{
	struct counter_row rows[64];
	unsigned int n = stats_counters(sum, rows, RTE_DIM(rows));
	json_t *all = json_object();

	for (unsigned int i = 0; i < n; i++)
		json_object_set_new(all, rows[i].name, json_integer((json_int_t)rows[i].value));
	return all;
}

static json_t *stalls_of(const struct app *app, const struct worker *w)
{
	const struct stall_log *l = &w->stalls;
	json_t *latest = json_array();

	for (uint32_t i = 0; i < stall_kept(l); i++)
		json_array_append_new(
			latest,
			json_pack("[I, I]", (json_int_t)clock_tsc(&app->clock, l->stall[i].from),
				  (json_int_t)clock_tsc(&app->clock, l->stall[i].to)));
	return json_pack("{s:i, s:I, s:I, s:I, s:o}", "lcore", w->lcore, "count",
			 (json_int_t)l->count, "total_us", (json_int_t)(l->total / 1000), "max_us",
			 (json_int_t)(l->max / 1000), "latest_tsc", latest);
}

static json_t *stalls(const struct app *app)
{
	json_t *all = json_array();

	for (uint16_t i = 0; i < app->n_workers; i++)
		json_array_append_new(all, stalls_of(app, &app->workers[i]));
	return all;
}

json_t *report_stats(const struct app *app)
{
	struct lcore_stats sum;

	report_sum(app, &sum);
	return json_pack("{s:o, s:o, s:o, s:o}", "stages", stages(&sum), "drops", drops(&sum),
			 "counters", counters(&sum), "stalls", stalls(app));
}

/* Share of turns that found work: an idle worker turns few times, a busy one without a pause. */
static json_t *lcore(const char *role, unsigned int number, const struct lcore_stats *st)
{
	json_t *o = json_pack("{s:i, s:s, s:I, s:I, s:I}", "lcore", (int)number, "role", role,
			      "loops", (json_int_t)st->loops, "busy_loops",
			      (json_int_t)st->busy_loops, "sleeps", (json_int_t)st->sleeps);

	if (st->loops > 0)
		json_object_set_new(o, "busy_pct",
				    json_real(100.0 * (double)st->busy_loops / (double)st->loops));
	return o;
}

json_t *report_lcores(const struct app *app)
{
	const struct config *c = atomic_load_explicit(&app->config, memory_order_acquire);
	json_t *all = json_array();

	json_array_append_new(all,
			      lcore("control", LCORE_CONTROL, main_loop_stats(app->main_loop)));
	for (uint16_t i = 0; i < app->n_workers; i++)
		json_array_append_new(
			all, lcore("worker", app->workers[i].lcore, &app->workers[i].stats));
	if (app->dc != NULL)
		json_array_append_new(all, lcore("dc", lcore_dc(c), dc_lcore_stats(app->dc)));
	return all;
}

static json_t *addresses_of(const struct app *app, uint16_t iface)
{
	const struct local_addr *addrs;
	json_t *all = json_array();
	char text[IP_TEXT_MAX];
	uint32_t n;

	addrs = local_addrs(atomic_load_explicit(&app->local, memory_order_acquire), &n);
	for (uint32_t i = 0; i < n; i++)
		if (addrs[i].iface == iface)
			json_array_append_new(all, json_string(ip_format(&addrs[i].ip, text)));
	return all;
}

static json_t *interfaces(const struct app *app, const struct config *c)
{
	json_t *all = json_array();

	for (uint16_t i = 0; i < app->n_ifaces; i++) {
		const struct iface *f = &app->ifaces[i];
		char mac[RTE_ETHER_ADDR_FMT_SIZE];
		struct rte_eth_link link = {0};

		(void)rte_eth_link_get_nowait(f->port, &link);
		rte_ether_format_addr(mac, sizeof(mac), &f->mac);
		json_array_append_new(all, json_pack("{s:s, s:s, s:i, s:i, s:s, s:s, s:o}", "name",
						     f->name, "port", c->ifaces[i].port, "vlan",
						     f->vlan, "mtu", f->mtu, "mac", mac, "state",
						     link.link_status ? "up" : "down", "addresses",
						     addresses_of(app, i)));
	}
	return all;
}

static json_t *ports(const struct app *app)
{
	json_t *all = json_array();
	char way[128];

	for (uint16_t i = 0; i < app->n_ports; i++) {
		flow_rules_way(app, i, way, sizeof(way));
		json_array_append_new(all,
				      json_pack("{s:i, s:s, s:i, s:s}", "port", app->ports[i].id,
						"device", app->ports[i].device, "queues",
						app->n_workers, "to_workers_by", way));
	}
	return all;
}

static json_t *roles(const struct config *c)
{
	json_t *all = json_array();

	if (config_has_role(c, ROLE_RS))
		json_array_append_new(all, json_string("rs"));
	if (config_has_role(c, ROLE_DC))
		json_array_append_new(all, json_string("dc"));
	return all;
}

json_t *report_status(const struct app *app)
{
	const struct config *c = atomic_load_explicit(&app->config, memory_order_acquire);

	return json_pack("{s:s, s:s, s:i, s:f, s:s, s:o, s:o, s:o, s:o}", "program",
			 "ntm-appliance", "version", NTM_VERSION, "pid", (int)getpid(), "uptime_s",
			 (double)clock_ns(&app->clock) / 1e9, "state",
			 atomic_load(&app->leaving) ? "stopping" : "running", "roles", roles(c),
			 "lcores", report_lcores(app), "interfaces", interfaces(app, c), "ports",
			 ports(app));
}

static const char *const state_names[] = {"free", "glean", "pending", "ready", "failed"};

json_t *report_nexthops(const struct app *app)
{
	json_t *all = json_array();

	for (uint32_t i = 1; i < app->n_nexthops; i++) {
		const struct nexthop *nh = &app->nexthops[i];
		uint64_t word = atomic_load_explicit(&nh->word, memory_order_acquire);
		char ip[IP_TEXT_MAX], mac[RTE_ETHER_ADDR_FMT_SIZE];
		struct rte_ether_addr addr;

		if (nexthop_state(word) == NEXTHOP_FREE || nexthop_state(word) == NEXTHOP_GLEAN)
			continue;
		memcpy(&addr, &word, sizeof(addr));
		rte_ether_format_addr(mac, sizeof(mac), &addr);
		json_array_append_new(all, json_pack("{s:i, s:s, s:s, s:s, s:s}", "index", (int)i,
						     "address", ip_format(&nh->ip, ip), "interface",
						     app->ifaces[nh->iface].name, "mac", mac,
						     "state", state_names[nexthop_state(word)]));
	}
	return all;
}
