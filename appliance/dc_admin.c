/* SPDX-License-Identifier: BSD-3-Clause */
/* What the DC has to say over the control socket: asked by the control lcore, answered on the DC
 * lcore, which owns the core (dc/ctl.h), and carried back when it is durable.
 */
#include "appliance/dc_shell_impl.h"
#include "appliance/dns_tcp.h"
#include "common/ctl.h"
#include "dc/ctl.h"
#include "dc/dns_client.h"

#include <stdlib.h>

/* ---- DC lcore ---- */

static json_t *dns_counters(const struct dc_shell *s)
{
	json_t *dns = json_object();

	for (unsigned int i = 0; i < DNS_COUNT_MAX; i++)
		json_object_set_new(dns, dns_counter_name(i),
				    json_integer((json_int_t)s->dns.count[i]));
	json_object_set_new(dns, "names_refused", json_integer((json_int_t)s->names_refused));
	if (s->rrl != NULL)
		json_object_set_new(dns, "rrl_evicted",
				    json_integer((json_int_t)dns_rrl_evicted(s->rrl)));
	return dns;
}

static json_t *store_figures(const struct dc_shell *s)
{
	struct store_counters c;

	store_counters(s->store, &c);
	return json_pack("{s:I, s:I, s:I}", "writes", (json_int_t)c.writes, "groups",
			 (json_int_t)c.groups, "failed", (json_int_t)c.failed);
}

static json_t *lookup_figures(const struct dc_shell *s)
{
	struct dns_client_stats c;

	dns_client_stats(s->client, &c);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "asked", (json_int_t)c.asked,
			 "refused", (json_int_t)c.refused, "ok", (json_int_t)c.ok, "no_data",
			 (json_int_t)c.no_data, "nx_domain", (json_int_t)c.nx_domain, "failed",
			 (json_int_t)(c.failed + c.bogus), "timeouts", (json_int_t)c.timeouts);
}

static void add_counters(const struct dc_shell *s, json_t *counters)
{
	json_object_set_new(counters, "dc", dc_ctl_counters(s->dc));
	json_object_set_new(counters, "dns", dns_counters(s));
	json_object_set_new(counters, "store", store_figures(s));
	json_object_set_new(counters, "lookup", lookup_figures(s));
}

static void answered(void *arg, json_t *answer)
{
	struct dc_request *q = arg;

	json_decref(q->answer);
	q->answer = answer;
	dc_request_answer(q, 0);
}

void dc_admin_run(struct dc_shell *s, struct dc_request *q, uint64_t now)
{
	switch (q->op) {
	case DC_REQUEST_STATUS:
		json_object_set_new(q->answer, "dc", dc_ctl_status(s->dc));
		break;
	case DC_REQUEST_STATS:
		add_counters(s, json_object_get(q->answer, "counters"));
		break;
	case DC_REQUEST_PATHS:
		dc_ctl_paths(s->dc, now, json_object_get(q->answer, "paths"));
		break;
	case DC_REQUEST_SESSIONS:
		dc_ctl_sessions(s->dc, now, json_object_get(q->answer, "sessions"));
		break;
	case DC_REQUEST_NODE_ADD:
		dc_ctl_node_add(s->dc, now, q->args, answered, q);
		return;
	case DC_REQUEST_NODE_LIST:
		dc_ctl_node_list(s->dc, now, q->args, answered, q);
		return;
	case DC_REQUEST_NODE_DEL:
		dc_ctl_node_del(s->dc, now, q->args, answered, q);
		return;
	default:
		break;
	}
	dc_request_answer(q, 0);
}

/* ---- control lcore ---- */

static void done(void *ctx, struct dc_request *q)
{
	struct app *app = ctx;

	admin_answer(app, q->id, q->answer);
	q->answer = NULL; /* admin_answer() took the reference */
	dc_request_free(q);
}

json_t *dc_admin_ask(struct app *app, enum dc_request_op op, const json_t *args, json_t *partial,
		     uint64_t id)
{
	struct dc_request *q = calloc(1, sizeof(*q));

	if (q == NULL) {
		json_decref(partial);
		return ctl_error("no memory");
	}
	q->op = op;
	q->id = id;
	q->done = done;
	q->ctx = app;
	q->answer = partial;
	/* Reference counts of JSON are not for two threads: the other one gets its own. */
	q->args = args != NULL ? json_deep_copy(args) : NULL;
	if (dc_shell_ask(app, q) == 0)
		return NULL;
	dc_request_free(q);
	return ctl_error("the DC is too busy");
}
