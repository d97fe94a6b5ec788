/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/flow_rules.h"
#include "appliance/app.h"
#include "appliance/config.h"
#include "appliance/flow_port.h"
#include "common/log.h"

#include <stdio.h>
#include <stdlib.h>

LOG_TYPE("flow_rules");

struct rules_port {
	struct flow_port fp;
	uint8_t one_by_one; /* where it takes no prefixes */
	char told[512];	    /* the last line in the log */
};

struct flow_rules {
	const struct app *app;
	const struct local_table *local; /* that the rules are made for */
	uint32_t n_ranges;
	struct nat_range ranges[NAT_RANGES_MAX];
	struct flow_plan plan;
	uint16_t n_ports;
	struct rules_port ports[];
};

static const struct config *config_of(const struct app *app)
{
	return atomic_load_explicit(&app->config, memory_order_acquire);
}

static void plan_for(struct flow_rules *r, const struct rules_port *p)
{
	struct flow_plan_config c = {.port = p->fp.port,
				     .n_workers = r->app->n_workers,
				     .base_port = (uint16_t)config_of(r->app)->ntm.base_port,
				     .one_by_one = p->one_by_one,
				     .ifaces = r->app->ifaces,
				     .n_ifaces = r->app->n_ifaces,
				     .ranges = r->ranges,
				     .n_ranges = r->n_ranges};

	c.addrs = local_addrs(r->local, &c.n_addrs);
	flow_plan_make(&r->plan, &c);
}

/* Once for each new state, for addresses may come and go. */
static void tell(struct rules_port *p)
{
	static const char by_ring[] = "what comes to another worker goes on by ring";
	const struct flow_port *fp = &p->fp;
	char refused[256], line[sizeof(p->told)];

	flow_port_refusals(fp, refused, sizeof(refused));
	if (fp->wanted == 0)
		snprintf(line, sizeof(line), "port %u: no flow rules wanted", fp->port);
	else if (fp->none)
		snprintf(line, sizeof(line), "port %u knows no flow rules: %s", fp->port, by_ring);
	else if (fp->n == fp->wanted)
		snprintf(line, sizeof(line), "port %u took all %u flow rules", fp->port, fp->n);
	else if (fp->n == 0 && !fp->full)
		snprintf(line, sizeof(line), "port %u took none of %u flow rules (%s): %s",
			 fp->port, fp->wanted, fp->why, by_ring);
	else
		snprintf(line, sizeof(line), "port %u took %u of %u flow rules%s%s%s (%s): %s",
			 fp->port, fp->n, fp->wanted, fp->full ? ", it has no room for more" : "",
			 refused[0] != '\0' ? ", refused " : "", refused,
			 fp->why[0] != '\0' ? fp->why : "more are not asked for", by_ring);
	if (strcmp(line, p->told) != 0)
		LOG(INFO, "%s", line);
	snprintf(p->told, sizeof(p->told), "%s", line);
}

static void sync_port(struct flow_rules *r, struct rules_port *p)
{
	uint8_t singles;

	plan_for(r, p);
	flow_port_sync(&p->fp, &r->plan);
	singles = flow_port_singles(&p->fp);
	if (singles != 0) {
		p->one_by_one |= singles;
		plan_for(r, p);
		flow_port_sync(&p->fp, &r->plan);
	}
	tell(p);
}

uint64_t flow_rules_tick(void *ctx, uint64_t now)
{
	struct flow_rules *r = ctx;
	const struct local_table *t = atomic_load_explicit(&r->app->local, memory_order_acquire);

	(void)now;
	if (t == r->local)
		return UINT64_MAX;
	r->local = t;
	for (uint16_t i = 0; i < r->n_ports; i++)
		sync_port(r, &r->ports[i]);
	return UINT64_MAX;
}

struct flow_rules *flow_rules_start(const struct app *app)
{
	const struct config *c = config_of(app);
	struct flow_rules *r;

	if (app->n_workers == 1 || !config_has_role(c, ROLE_RS))
		return NULL;
	r = calloc(1, sizeof(*r) + app->n_ports * sizeof(r->ports[0]));
	if (r == NULL) {
		LOG(WARN, "no memory for flow rules: packets reach their workers by ring");
		return NULL;
	}
	r->app = app;
	r->n_ranges = config_nat_ranges(c, r->ranges);
	r->n_ports = app->n_ports;
	for (uint16_t i = 0; i < r->n_ports; i++)
		r->ports[i].fp.port = app->ports[i].id;
	(void)flow_rules_tick(r, 0);
	return r;
}

void flow_rules_stop(struct flow_rules *r)
{
	if (r == NULL)
		return;
	for (uint16_t i = 0; i < r->n_ports; i++)
		flow_port_clear(&r->ports[i].fp);
	free(r);
}

void flow_rules_way(const struct app *app, uint16_t place, char *text, size_t size)
{
	const char *rest = app->ports[place].rss ? "RSS" : "the device's own choice of queues";
	const struct flow_port *fp =
		app->flow_rules != NULL ? &app->flow_rules->ports[place].fp : NULL;

	if (app->n_workers == 1)
		snprintf(text, size, "one queue");
	else if (fp != NULL && fp->n > 0)
		snprintf(text, size, "%u of %u flow rules, else %s", fp->n, fp->wanted, rest);
	else
		snprintf(text, size, "%s", rest);
}
