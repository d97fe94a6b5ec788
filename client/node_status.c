/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/node_impl.h"

static const char *const state_names[] = {
	[REGISTRAR_OFFLINE] = "offline",	 [REGISTRAR_CONNECTING] = "connecting",
	[REGISTRAR_REGISTERING] = "registering", [REGISTRAR_REGISTERED] = "registered",
	[REGISTRAR_REFUSED] = "refused",
};

static const char *const path_states[] = {
	[PATH_OPENING] = "opening",
	[PATH_UP] = "up",
	[PATH_FAILED] = "failed",
};

void node_status(const struct node *n, struct node_status *out)
{
	const struct registrar *r = &n->registrar;
	const struct leg *home = leg_home(n);

	*out = (struct node_status){
		.name = n->name,
		.dc_name = n->dc_name,
		.state = state_names[r->state],
		.refusal = r->refusal != 0 ? msg_error_text(r->refusal) : "",
		.vips = r->vips,
		.observed_dc = r->observed,
		.nat = mover_nat(n),
		.link = n->link,
		.location = n->location,
		.registered_ns = r->registered_ns,
		.moves = n->counters[NODE_MOVES],
		.legs = n->legs_n,
		.paths = n->paths_n,
		.bindings = n->bindings_n,
		.wakeups = n->counters[NODE_WAKEUPS],
	};
	if (r->chan.has_route)
		out->dc = r->chan.dest[r->chan.number].to;
	if (home != NULL)
		out->observed_rs = home->observed;
}

static void route_info(const struct path *p, uint8_t number, struct node_route_info *out)
{
	const struct chan *c = &p->chan;

	*out = (struct node_route_info){
		.is_used = c->dest[number].to.port != 0,
		.is_relay = leg_is_source(p->leg, &c->dest[number].to),
		.link = c->dest[number].link,
		.outer = c->outer[number],
		.to = c->dest[number].to,
	};
	out->rtt_us = (uint32_t)((out->is_relay ? p->leg->rtt_ns : p->prober.rtt_ns) / 1000);
}

void node_paths(const struct node *n, bool (*each)(void *arg, const struct node_path_info *p),
		void *arg)
{
	const struct path *p;

	TAILQ_FOREACH(p, &n->paths, link)
	{
		struct node_path_info info = {
			.path_id = p->id,
			.rs_id = p->leg->rs_id,
			.peer = p->peer,
			.vips = p->vips,
			.state = path_states[p->state],
			.suite = suite_name(p->suite),
			.is_side_a = p->is_side_a,
			.peer_nat = p->peer_nat,
			.preferred = p->preferred,
			.sending = p->chan.number,
			.reason = p->reason,
			.since_ns = p->since_ns,
			.rekeys = p->chan.assoc.handshakes > 0 ? p->chan.assoc.handshakes - 1 : 0,
			.switches = p->switches,
			.expires_ns = p->expires_ns,
		};

		if (p->chan.is_dead)
			continue;
		for (uint8_t i = 0; i < DATAPATH_ROUTES; i++)
			route_info(p, i, &info.route[i]);
		chan_stats(&p->chan, &info.stats);
		if (!each(arg, &info))
			return;
	}
}

static uint32_t paths_of(const struct node *n, const struct leg *l)
{
	const struct path *p;
	uint32_t count = 0;

	TAILQ_FOREACH(p, &n->paths, link)
	count += p->leg == l && !p->chan.is_dead ? 1 : 0;
	return count;
}

static uint32_t bindings_of(const struct node *n, const struct leg *l)
{
	const struct binding *b;
	uint32_t count = 0;

	TAILQ_FOREACH(b, &n->bindings, link)
	count += b->leg == l ? 1 : 0;
	return count;
}

void node_legs(const struct node *n, bool (*each)(void *arg, const struct node_leg_info *l),
	       void *arg)
{
	const struct leg *l;

	TAILQ_FOREACH(l, &n->legs, link)
	{
		struct node_leg_info info = {
			.rs_id = l->rs_id,
			.state = l->is_up ? "up" : "opening",
			.is_home = l->is_home,
			.observed = l->observed,
			.rtt_us = (uint32_t)(l->rtt_ns / 1000),
			.paths = paths_of(n, l),
			.bindings = bindings_of(n, l),
			.rekeys = l->chan.assoc.handshakes > 0 ? l->chan.assoc.handshakes - 1 : 0,
			.expires_ns = l->expires_ns,
		};
		struct datapath_dest dest;

		if (leg_dest(l, &dest))
			info.to = dest.to;
		chan_stats(&l->chan, &info.stats);
		if (!each(arg, &info))
			return;
	}
}

void node_bindings(const struct node *n, bool (*each)(void *arg, const struct node_binding_info *b),
		   void *arg)
{
	const struct binding *b;

	TAILQ_FOREACH(b, &n->bindings, link)
	{
		struct node_binding_info info = {
			.name = b->name,
			.number = b->number,
			.rs_id = b->leg->rs_id,
			.vip_gn = b->vip_gn,
			.rip_gn = b->rip_gn,
			.expires_ns = b->expires_ns,
		};

		if (!each(arg, &info))
			return;
	}
}

bool node_owns_name(const struct node *n, const char *name)
{
	for (int i = 0; i < n->registrar.suffixes_n; i++)
		if (name_is_under(name, n->registrar.suffixes[i]))
			return true;
	return false;
}

bool node_owns_vip(const struct node *n, const struct ip_addr *vip)
{
	for (int i = 0; i < n->registrar.ranges_n; i++)
		if (prefix_contains(&n->registrar.ranges[i], vip))
			return true;
	return false;
}

const char *node_vip_name(const struct node *n, const struct ip_addr *vip)
{
	const struct path *p = path_by_vip(n, vip);
	const struct binding *b = binding_by_vip(n, vip);

	if (p != NULL)
		return p->peer;
	return b != NULL ? b->name : NULL;
}

void node_counters(const struct node *n,
		   bool (*each)(void *arg, const char *name, uint64_t value, const char *help),
		   void *arg)
{
	static const struct {
		const char *name, *help;
	} texts[NODE_COUNTER_COUNT] = {
#define X(name, help) [NODE_##name] = {#name, help},
		NODE_COUNTERS(X)
#undef X
	};
	const uint64_t *hs = responder_counters(n->responder);

	for (int i = 0; i < NODE_COUNTER_COUNT; i++)
		if (!each(arg, texts[i].name, n->counters[i], texts[i].help))
			return;
	for (int v = 0; v < HS_VERDICT_COUNT; v++)
		if (!each(arg, hs_verdict_name(v), hs[v] + n->verdicts[v], hs_verdict_text(v)))
			return;
}
