/* SPDX-License-Identifier: BSD-3-Clause */
/* What ntmctl may ask the daemon (docs/control-socket.md). */
#include "client/ntmd.h"
#include "common/base64.h"
#include "common/hash.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const double NS = 1e9;

static json_t *endpoint_json(const struct endpoint *e)
{
	char text[ENDPOINT_TEXT_MAX];

	return e->port == 0 ? json_null() : json_string(endpoint_format(e, text));
}

static json_t *ip_json(const struct ip_addr *a)
{
	char text[IP_TEXT_MAX];

	return ip_is_none(a) ? json_null() : json_string(ip_format(a, text));
}

static json_t *id_json(uint64_t id)
{
	char text[17];

	snprintf(text, sizeof(text), "%016llx", (unsigned long long)id);
	return json_string(text);
}

static json_t *age_json(uint64_t now, uint64_t since)
{
	return since == 0 ? json_null() : json_real((double)(now - since) / NS);
}

static json_t *cmd_version(void *ctx, const json_t *args, uint64_t id)
{
	return json_pack("{s:s, s:s}", "program", "ntmd", "version", NTM_VERSION);
}

static const char *nat_word(uint8_t nat)
{
	switch (nat) {
	case NAT_NONE:
		return "none";
	case NAT_INDEPENDENT:
		return "endpoint-independent";
	case NAT_DEPENDENT:
		return "symmetric";
	default:
		return "unknown";
	}
}

static json_t *links_json(const struct ntmd *d, uint8_t in_use)
{
	json_t *list = json_array();

	for (int i = 0; i < NODE_LINKS_MAX; i++) {
		const struct netmon_link *l = &d->netmon.links[i];
		char ip[IP_TEXT_MAX];

		if (l->ifindex == 0)
			continue;
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:i, s:s}", "name", l->link.name, "address",
					ip_format(&l->link.addrs[0], ip), "port", l->link.port,
					"state", l->link.number == in_use ? "in use" : "ready"));
	}
	return list;
}

/* Before the DC was found there is no core to ask. */
static json_t *starting(const struct ntmd *d)
{
	return json_pack("{s:s, s:s, s:i, s:f, s:s, s:s, s:{s:s, s:s}}", "program", "ntmd",
			 "version", NTM_VERSION, "pid", (int)getpid(), "uptime_s",
			 (double)(loop_now() - d->start_ns) / NS, "state", "starting", "name",
			 d->join.name, "dc", "name", d->join.dc, "state", "looked for");
}

static json_t *cmd_status(void *ctx, const json_t *args, uint64_t id)
{
	struct ntmd *d = ctx;
	uint64_t now = loop_now();
	struct node_status s;
	json_t *o, *dc;

	if (d->node == NULL)
		return starting(d);
	node_status(d->node, &s);
	o = json_pack(
		"{s:s, s:s, s:i, s:f, s:s, s:s, s:s}", "program", "ntmd", "version", NTM_VERSION,
		"pid", (int)getpid(), "uptime_s", (double)(now - d->start_ns) / NS, "state",
		d->is_stopping ? "stopping" : "running", "name", s.name, "nat", nat_word(s.nat));
	dc = json_pack("{s:s, s:s, s:s}", "name", s.dc_name, "state", s.state, "refusal",
		       s.refusal);
	json_object_set_new(dc, "endpoint", endpoint_json(&s.dc));
	json_object_set_new(dc, "registered_s", age_json(now, s.registered_ns));
	json_object_set_new(o, "dc", dc);
	json_object_set_new(o, "vip4", ip_json(&s.vips.v4));
	json_object_set_new(o, "vip6", ip_json(&s.vips.v6));
	json_object_set_new(o, "observed_dc", endpoint_json(&s.observed_dc));
	json_object_set_new(o, "observed_rs", endpoint_json(&s.observed_rs));
	json_object_set_new(o, "location", json_integer((json_int_t)s.location));
	json_object_set_new(o, "moves", json_integer((json_int_t)s.moves));
	json_object_set_new(o, "legs", json_integer(s.legs));
	json_object_set_new(o, "paths", json_integer(s.paths));
	json_object_set_new(o, "bindings", json_integer(s.bindings));
	json_object_set_new(o, "wakeups", json_integer((json_int_t)s.wakeups));
	json_object_set_new(o, "links", links_json(d, s.link));
	return o;
}

struct list {
	json_t *array;
	uint64_t now;
};

static void traffic_set(json_t *o, const struct datapath_stats *st)
{
	uint64_t tx = 0, rx = 0, bytes = 0;

	for (int i = 0; i < DATAPATH_ROUTES; i++) {
		tx += st->route[i].tx_packets;
		rx += st->route[i].rx_packets;
		bytes += st->route[i].tx_bytes;
	}
	json_object_set_new(o, "tx_packets", json_integer((json_int_t)tx));
	json_object_set_new(o, "tx_bytes", json_integer((json_int_t)bytes));
	json_object_set_new(o, "rx_packets", json_integer((json_int_t)rx));
	json_object_set_new(o, "rx_bytes", json_integer((json_int_t)st->rx_bytes));
}

static bool path_each(void *arg, const struct node_path_info *p)
{
	const struct node_route_info *r =
		p->sending < DATAPATH_ROUTES ? &p->route[p->sending] : NULL;
	struct list *l = arg;
	const char *route = "none";
	json_t *o;

	if (r != NULL && r->is_used)
		route = r->is_relay ? "rs-s" : "direct";
	o = json_pack("{s:s, s:s, s:s}", "peer", p->peer, "state", p->state, "route", route);
	json_object_set_new(o, "id", id_json(p->path_id));
	json_object_set_new(o, "via",
			    r != NULL && r->is_used ? endpoint_json(&r->to) : json_null());
	json_object_set_new(o, "rs",
			    r != NULL && r->is_used && r->is_relay ? endpoint_json(&r->to)
								   : json_null());
	json_object_set_new(o, "rtt_ms",
			    r != NULL && r->rtt_us != 0 ? json_real((double)r->rtt_us / 1000)
							: json_null());
	json_object_set_new(o, "mtu",
			    r != NULL && r->outer != 0 ? json_integer(r->outer) : json_null());
	traffic_set(o, &p->stats);
	json_object_set_new(o, "switches", json_integer((json_int_t)p->switches));
	json_object_set_new(o, "age_s", age_json(l->now, p->since_ns));
	json_array_append_new(l->array, o);
	return true;
}

static bool binding_each(void *arg, const struct node_binding_info *b)
{
	struct list *l = arg;
	json_t *o = json_pack("{s:s, s:s, s:s}", "peer", b->name, "state", "up", "route", "rs-n");

	json_object_set_new(o, "id", id_json(b->number));
	json_object_set_new(o, "vip", ip_json(&b->vip_gn));
	json_object_set_new(o, "address", ip_json(&b->rip_gn));
	json_array_append_new(l->array, o);
	return true;
}

static json_t *cmd_paths(void *ctx, const json_t *args, uint64_t id)
{
	struct ntmd *d = ctx;
	struct list l = {.now = loop_now()};

	if (d->node == NULL)
		return ctl_error("starting: the DC is looked for");
	l.array = json_array();
	node_paths(d->node, path_each, &l);
	node_bindings(d->node, binding_each, &l);
	return json_pack("{s:o}", "paths", l.array);
}

static bool leg_each(void *arg, const struct node_leg_info *i)
{
	struct list *l = arg;
	json_t *o = json_pack("{s:s, s:s}", "kind", "leg", "state", i->state);

	json_object_set_new(o, "id", id_json(i->rs_id));
	json_object_set_new(o, "peer", json_string(i->is_home ? "home RS" : "RS"));
	json_object_set_new(o, "endpoint", endpoint_json(&i->to));
	json_object_set_new(o, "observed", endpoint_json(&i->observed));
	json_object_set_new(o, "rtt_ms",
			    i->rtt_us != 0 ? json_real((double)i->rtt_us / 1000) : json_null());
	json_object_set_new(o, "rekeys", json_integer((json_int_t)i->rekeys));
	traffic_set(o, &i->stats);
	json_array_append_new(l->array, o);
	return true;
}

static bool path_session_each(void *arg, const struct node_path_info *p)
{
	struct list *l = arg;
	json_t *o = json_pack("{s:s, s:s, s:s, s:s}", "kind", "path", "peer", p->peer, "state",
			      p->state, "suite", p->suite);

	json_object_set_new(o, "id", id_json(p->path_id));
	json_object_set_new(o, "rekeys", json_integer((json_int_t)p->rekeys));
	json_object_set_new(o, "age_s", age_json(l->now, p->since_ns));
	traffic_set(o, &p->stats);
	json_array_append_new(l->array, o);
	return true;
}

static json_t *cmd_sessions(void *ctx, const json_t *args, uint64_t id)
{
	struct ntmd *d = ctx;
	struct list l = {.now = loop_now()};
	struct node_status s;
	json_t *dc;

	if (d->node == NULL)
		return ctl_error("starting: the DC is looked for");
	l.array = json_array();
	node_status(d->node, &s);
	dc = json_pack("{s:s, s:s, s:s}", "kind", "node-dc", "peer", s.dc_name, "state", s.state);
	json_object_set_new(dc, "endpoint", endpoint_json(&s.dc));
	json_array_append_new(l.array, dc);
	node_legs(d->node, leg_each, &l);
	node_paths(d->node, path_session_each, &l);
	return json_pack("{s:o}", "sessions", l.array);
}

static bool counter_each(void *arg, const char *name, uint64_t value, const char *help)
{
	json_object_set_new(arg, name, json_integer((json_int_t)value));
	return true;
}

static json_t *drops_json(const struct ntmd *d)
{
	const uint64_t *c = dp_counters(d->dp);
	json_t *list = json_array();

	for (int i = 0; i < DP_COUNTER_COUNT; i++)
		if (strncmp(dp_counter_help(i), "drop: ", 6) == 0)
			json_array_append_new(list, json_pack("{s:s, s:I, s:s}", "name",
							      dp_counter_name(i), "count",
							      (json_int_t)c[i], "help",
							      dp_counter_help(i) + 6));
	return list;
}

static json_t *io_json(const struct ntmd *d)
{
	const struct udp_counters *u = &d->udp;
	uint64_t calls = u->tx_calls + u->rx_calls + d->tun.reads + d->tun.writes;
	uint64_t packets = u->tx_packets + u->rx_packets + d->split.packets + d->coalesce->packets;

	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "udp_tx_calls",
			 (json_int_t)u->tx_calls, "udp_tx_packets", (json_int_t)u->tx_packets,
			 "udp_tx_errors", (json_int_t)u->tx_errors, "udp_rx_calls",
			 (json_int_t)u->rx_calls, "udp_rx_packets", (json_int_t)u->rx_packets,
			 "tun_reads", (json_int_t)d->tun.reads, "tun_read_packets",
			 (json_int_t)d->split.packets, "tun_writes", (json_int_t)d->tun.writes,
			 "tun_write_packets", (json_int_t)d->coalesce->packets, "packets_per_call",
			 calls > 0 ? (double)packets / (double)calls : 0.0);
}

static json_t *cmd_stats(void *ctx, const json_t *args, uint64_t id)
{
	struct ntmd *d = ctx;
	const uint64_t *c;
	json_t *core, *path, *dns;

	if (d->node == NULL)
		return ctl_error("starting: the DC is looked for");
	c = dp_counters(d->dp);
	core = json_object();
	path = json_object();
	dns = json_object();
	node_counters(d->node, counter_each, core);
	for (int i = 0; i < DP_COUNTER_COUNT; i++)
		if (strncmp(dp_counter_help(i), "drop: ", 6) != 0)
			json_object_set_new(path, dp_counter_name(i),
					    json_integer((json_int_t)c[i]));
	for (int i = 0; d->dns != NULL && i < DNS_STUB_COUNTERS_N; i++)
		json_object_set_new(
			dns, dns_stub_counter_name(i),
			json_integer((json_int_t)dns_stub_count(dns_io_stub(d->dns), i)));
	return json_pack("{s:o, s:{s:o, s:o, s:o, s:o}}", "drops", drops_json(d), "counters", "io",
			 io_json(d), "core", core, "path", path, "dns", dns);
}

struct why {
	json_t *steps;
	double offset; /* real time - now, in s */
	char last[4 * NODE_WHY_TEXT_MAX];
};

static bool why_each(void *arg, uint64_t at_ns, const char *text)
{
	struct why *w = arg;

	snprintf(w->last, sizeof(w->last), "%s", text);
	json_array_append_new(w->steps, json_pack("{s:f, s:s}", "time",
						  (double)at_ns / NS + w->offset, "detail", text));
	return true;
}

struct route_of {
	const char *name;
	const char *route;
	char reason[160];
};

static bool route_each(void *arg, const struct node_path_info *p)
{
	struct route_of *r = arg;
	const struct node_route_info *i =
		p->sending < DATAPATH_ROUTES ? &p->route[p->sending] : NULL;

	if (strcmp(p->peer, r->name) != 0)
		return true;
	if (i != NULL && i->is_used)
		r->route = i->is_relay ? "rs-s" : "direct";
	snprintf(r->reason, sizeof(r->reason), "%s", p->reason);
	return false;
}

static bool binding_route_each(void *arg, const struct node_binding_info *b)
{
	struct route_of *r = arg;

	if (strcmp(b->name, r->name) == 0)
		r->route = "rs-n";
	return true;
}

static json_t *fingerprints(struct ntmd *d, const char *name)
{
	json_t *o = json_object();
	const char *pin = json_string_value(json_object_get(d->state.pins, name));
	uint8_t key[NOISE_KEY_LEN], md[HASH_LEN];
	char text[BASE64_KEY_SIZE];

	if (pin != NULL && base64_decode(pin, strlen(pin), key, sizeof(key)) == 0) {
		hash_sha256(key, sizeof(key), NULL, 0, md);
		base64_encode(md, sizeof(md), false, text);
		json_object_set_new(o, "peer", json_sprintf("SHA256:%s", text));
	}
	hash_sha256(d->public_key, sizeof(d->public_key), NULL, 0, md);
	base64_encode(md, sizeof(md), false, text);
	json_object_set_new(o, "own", json_sprintf("SHA256:%s", text));
	return o;
}

static json_t *cmd_why(void *ctx, const json_t *args, uint64_t id)
{
	struct ntmd *d = ctx;
	const char *asked = json_string_value(json_object_get(args, "name")), *name = asked;
	struct why w = {.steps = NULL};
	struct route_of r = {.route = "none"};
	struct ip_addr vip;
	struct timespec ts;
	uint64_t now = loop_now();

	if (d->node == NULL)
		return ctl_error("starting: the DC is looked for");
	w.steps = json_array();
	if (asked != NULL && ip_parse(asked, &vip) == 0)
		name = node_vip_name(d->node, &vip);
	clock_gettime(CLOCK_REALTIME, &ts);
	w.offset = (double)ts.tv_sec + (double)ts.tv_nsec / NS - (double)now / NS;
	if (name == NULL || !node_why(d->node, now, name, why_each, &w)) {
		json_decref(w.steps);
		return ctl_error("nothing is known of %s", asked != NULL ? asked : "(no name)");
	}
	r.name = name;
	node_bindings(d->node, binding_route_each, &r);
	node_paths(d->node, route_each, &r);
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "name", name, "route", r.route, "reason",
			 w.last, "table1", r.reason, "steps", w.steps, "fingerprints",
			 fingerprints(d, name));
}

static json_t *cmd_reload(void *ctx, const json_t *args, uint64_t id)
{
	return ntmd_reload(ctx);
}

const struct ctl_command ntmd_commands[] = {
	{"version", "", "program and version", cmd_version},
	{"status", "", "registration, addresses, NAT, links", cmd_status},
	{"paths", "", "peers and how their packets go", cmd_paths},
	{"sessions", "", "associations with DC, RSs and peers", cmd_sessions},
	{"stats", "", "counters and named drops", cmd_stats},
	{"why", "NAME", "why packets to a peer go as they do", cmd_why},
	{"reload", "", "take over the configuration file", cmd_reload},
	{0},
};
