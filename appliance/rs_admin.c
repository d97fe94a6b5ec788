/* SPDX-License-Identifier: BSD-3-Clause */
/* What the RS has to say over the control socket. */
#include "appliance/aead.h"
#include "appliance/rs_shell_impl.h"
#include "common/handshake.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const counter_names[] = {
#define X(name, text) #name,
	RS_CONTROL_COUNTERS(X)
#undef X
};

static void add_status(void *ctx, json_t *status)
{
	const struct rs_shell *s = ctx;
	json_t *o = json_pack("{s:s, s:i, s:i, s:b, s:b}", "name", s->params.name, "legs",
			      (int)rs_dp_leg_count(s->dp), "paths", (int)rs_dp_path_count(s->dp),
			      "registered", s->control != NULL && rs_control_has_dc(s->control),
			      "draining", s->is_draining);
	const struct aead *a = s->dp->workers[0].aead;
	bool empty = s->control == NULL ||
		     rs_control_legs(s->control) + rs_control_paths(s->control) == 0;

	json_object_set_new(o, "aead",
			    json_sprintf("%s %s, %s", aead_library(a), aead_version(a),
					 aead_isa_name(aead_isa(a))));
	json_object_set_new(status, "rs", o);
	if (s->is_draining)
		json_object_set_new(status, "state", json_string(empty ? "drained" : "draining"));
}

static void add_counters(void *ctx, json_t *counters)
{
	const struct rs_shell *s = ctx;
	const uint64_t *v;
	json_t *o, *hs;

	if (s->control == NULL)
		return;
	v = rs_control_counters(s->control);
	o = json_object();
	for (unsigned int i = 0; i < RS_C_COUNT; i++)
		json_object_set_new(o, counter_names[i], json_integer((json_int_t)v[i]));
	json_object_set_new(counters, "rs", o);
	hs = json_object();
	for (unsigned int i = 0; i < HS_VERDICT_COUNT; i++)
		json_object_set_new(hs, hs_verdict_name((enum hs_verdict)i),
				    json_integer((json_int_t)rs_control_verdicts(
					    s->control, (enum hs_verdict)i)));
	json_object_set_new(counters, "rs_handshake", hs);
}

static void put_endpoint(json_t *o, const char *key, const struct endpoint *e)
{
	char text[ENDPOINT_TEXT_MAX];

	json_object_set_new(o, key, json_string(endpoint_format(e, text)));
}

static void put_id(json_t *o, uint64_t id)
{
	char text[24];

	snprintf(text, sizeof(text), "%016" PRIx64, id);
	json_object_set_new(o, "id", json_string(text));
}

/* The walks below hand their list and the shell to each step. */
struct listing {
	const struct rs_shell *s;
	json_t *list;
};

static bool add_path(void *arg, const struct rs_path_info *i)
{
	struct listing *l = arg;
	struct rs_dp_path_stats st = {0};
	json_t *o = json_object();
	char peer[2 * ENDPOINT_TEXT_MAX + 8], a[ENDPOINT_TEXT_MAX], b[ENDPOINT_TEXT_MAX];

	(void)rs_dp_path_stats(l->s->dp, i->id, &st);
	put_id(o, i->id);
	snprintf(peer, sizeof(peer), "%s <-> %s",
		 i->is_bound[RS_SIDE_A] ? endpoint_format(&i->peer[RS_SIDE_A], a) : "?",
		 i->is_bound[RS_SIDE_B] ? endpoint_format(&i->peer[RS_SIDE_B], b) : "?");
	json_object_set_new(o, "peer", json_string(peer));
	json_object_set_new(o, "route", json_string("rs-s"));
	json_object_set_new(
		o, "state",
		json_string(i->is_bound[RS_SIDE_A] && i->is_bound[RS_SIDE_B] ? "bound" : "half"));
	json_object_set_new(o, "a_packets", json_integer((json_int_t)st.packets[RS_SIDE_A]));
	json_object_set_new(o, "a_bytes", json_integer((json_int_t)st.bytes[RS_SIDE_A]));
	json_object_set_new(o, "b_packets", json_integer((json_int_t)st.packets[RS_SIDE_B]));
	json_object_set_new(o, "b_bytes", json_integer((json_int_t)st.bytes[RS_SIDE_B]));
	json_array_append_new(l->list, o);
	return true;
}

static void add_paths(void *ctx, json_t *list)
{
	struct listing l = {.s = ctx, .list = list};

	if (l.s->control != NULL)
		rs_control_each_path(l.s->control, add_path, &l);
}

static bool add_leg(void *arg, const struct rs_leg_info *i)
{
	struct listing *l = arg;
	struct rs_dp_leg_stats st = {0};
	uint64_t now = clock_ns(&l->s->app->clock);
	json_t *o = json_object();
	char ip[IP_TEXT_MAX];

	(void)rs_dp_leg_stats(l->s->dp, i->index, &st);
	put_id(o, i->index);
	json_object_set_new(o, "kind", json_string("leg"));
	json_object_set_new(o, "peer", json_string(ip_format(&i->vips.v4, ip)));
	put_endpoint(o, "endpoint", &i->peer);
	json_object_set_new(o, "state",
			    json_string(!i->is_up	  ? "granted"
					: i->is_confirmed ? "confirmed"
							  : "unproven"));
	if (i->is_up)
		json_object_set_new(o, "age_s", json_real((double)(now - i->since_ns) / 1e9));
	json_object_set_new(o, "paths", json_integer(i->paths));
	json_object_set_new(o, "bindings", json_integer(i->bindings));
	json_object_set_new(o, "nat_mappings", json_integer(st.mappings));
	json_object_set_new(o, "rx_packets", json_integer((json_int_t)st.rx_packets));
	json_object_set_new(o, "tx_packets", json_integer((json_int_t)st.tx_packets));
	json_array_append_new(l->list, o);
	return true;
}

static void add_sessions(void *ctx, json_t *list)
{
	struct listing l = {.s = ctx, .list = list};

	if (l.s->control != NULL)
		rs_control_each_leg(l.s->control, add_leg, &l);
}

static json_t *drain(void *ctx, bool on)
{
	struct rs_shell *s = ctx;
	uint32_t legs = 0, paths = 0;

	s->is_draining = on;
	if (s->control != NULL) {
		rs_control_drain(s->control, on);
		legs = rs_control_legs(s->control);
		paths = rs_control_paths(s->control);
	}
	return json_pack("{s:s, s:i, s:i}", "state",
			 !on		     ? "running"
			 : legs + paths == 0 ? "drained"
					     : "draining",
			 "paths", (int)paths, "legs", (int)legs);
}

void rs_admin_add(struct rs_shell *s)
{
	const struct admin_role role = {.ctx = s,
					.status = add_status,
					.counters = add_counters,
					.paths = add_paths,
					.sessions = add_sessions,
					.drain = drain};

	admin_role_add(s->app, &role);
}
