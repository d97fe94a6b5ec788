/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/sim_dc.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { PORT = 5525, PORT_SECOND = 443 };

static void op_send(void *ctx, const struct endpoint *local, const struct endpoint *to,
		    const uint8_t *pkt, size_t len)
{
	struct sim_dc *d = ctx;

	sim_send(&d->host.ifaces[0], local != NULL && local->port != 0 ? local->port : PORT, to, 0,
		 pkt, len);
}

static void apply(struct sim_dc *d, const struct dc_write *w)
{
	struct sim_dc_record *r = d->records;
	unsigned int i;

	for (i = 0; i < d->records_n; i++, r++)
		if (r->table == w->table && r->key_len == w->key_len &&
		    memcmp(r->key, w->key, w->key_len) == 0)
			break;
	if (w->is_delete) {
		if (i < d->records_n)
			*r = d->records[--d->records_n];
		return;
	}
	assert(i < SIM_DC_RECORDS);
	if (i == d->records_n)
		d->records_n++;
	r->table = w->table;
	r->key_len = w->key_len;
	memcpy(r->key, w->key, w->key_len);
	r->value_len = w->value_len;
	memcpy(r->value, w->value, w->value_len);
}

/* A commit that was not through when the DC went down is lost, and so is its answer. */
static void committed(struct sim *s, struct sim_event *e)
{
	struct sim_dc *d = e->a;
	struct dc_write *w = e->b;

	if (d->dc == NULL) {
		free(w);
		return;
	}
	apply(d, w);
	w->status = 0;
	dc_store_done(d->dc, s->now, w);
	sim_kick(&d->host);
}

static void op_store(void *ctx, struct dc_write *w)
{
	struct sim_dc *d = ctx;

	sim_after(d->host.sim, d->store_ns, committed, d, w, 0);
}

struct lookup {
	uint64_t id;
	struct dc_lookup_result res;
};

static void looked_up(struct sim *s, struct sim_event *e)
{
	struct sim_dc *d = e->a;
	struct lookup *l = e->b;

	if (d->dc != NULL) {
		dc_lookup_done(d->dc, s->now, l->id, &l->res);
		sim_kick(&d->host);
	}
	free(l);
}

static void op_lookup(void *ctx, uint64_t id, enum dc_lookup_type type, const char *name)
{
	struct sim_dc *d = ctx;
	struct lookup *l = calloc(1, sizeof(*l));

	l->id = id;
	l->res.ttl_sec = 60;
	l->res.status = DC_LOOKUP_NODATA;
	for (unsigned int i = 0; i < d->hosts_n; i++) {
		if (strcmp(d->hosts[i].name, name) != 0)
			continue;
		if ((type == DC_LOOKUP_A && ip_is_v4(&d->hosts[i].ip)) ||
		    (type == DC_LOOKUP_AAAA && !ip_is_v4(&d->hosts[i].ip))) {
			l->res.status = DC_LOOKUP_OK;
			l->res.addrs[l->res.addrs_n++] = d->hosts[i].ip;
		}
	}
	if (type == DC_LOOKUP_NS) {
		l->res.status = DC_LOOKUP_OK;
		l->res.names_n = 1;
		snprintf(l->res.names[0], sizeof(l->res.names[0]), "ns.example");
	}
	sim_after(d->host.sim, 1 * SIM_MS, looked_up, d, l, 0);
}

static const struct dc_ops ops = {.send = op_send, .store = op_store, .lookup = op_lookup};

static void input(struct sim_host *h, struct sim_iface *i, const struct endpoint *from,
		  const struct endpoint *to, uint8_t tos, uint8_t *pkt, size_t len)
{
	struct sim_dc *d = h->ctx;

	if (to->port == PORT || to->port == PORT_SECOND)
		dc_input(d->dc, h->sim->now, from, to, pkt, len);
}

static uint64_t poll(struct sim_host *h, uint64_t now)
{
	struct sim_dc *d = h->ctx;

	return dc_poll(d->dc, now);
}

void sim_dc_init(struct sim_dc *d, struct sim *s, struct sim_net *net, const char *ip4,
		 const char *ip6, uint64_t seed)
{
	memset(d, 0, sizeof(*d));
	rng_init_seeded(&d->rng, seed);
	sim_host_add(s, &d->host, "dc", d);
	d->host.input = input;
	d->host.poll = poll;
	d->host.is_off = true;
	sim_iface_add(&d->host, net, ip4, ip6);
	d->store_ns = 2 * SIM_MS;
	dc_params_default(&d->params);
	snprintf(d->params.name, sizeof(d->params.name), "ns.dc1.example");
	snprintf(d->params.zones[0], sizeof(d->params.zones[0]), "dc1.example");
	d->params.zones_n = 1;
	noise_keypair_generate(&d->params.self, &d->rng);
	rng_fill(&d->rng, d->params.reset_secret, RESET_SECRET_LEN);
	d->params.real_offset_ns = 1700000000LL * (int64_t)SIM_SEC;
	d->params.nodes_max = 64;
	d->params.rss_max = 4;
	d->params.tokens_max = 64;
	d->params.paths_max = 256;
	d->params.grants_max = 256;
	d->params.bindings_max = 256;
	d->params.gn_per_node = 64;
	d->params.directions_max = 64;
	d->params.jobs_max = 32;
}

void sim_dc_start(struct sim_dc *d)
{
	const char *why = NULL;
	uint64_t now = d->host.sim->now;

	d->dc = dc_create(&d->params, &ops, d, &d->rng, &why);
	if (d->dc == NULL) {
		printf("dc: %s\n", why);
		abort();
	}
	for (unsigned int i = 0; i < d->records_n; i++) {
		const struct sim_dc_record *r = &d->records[i];

		if (dc_load(d->dc, r->table, r->key, r->key_len, r->value, r->value_len) < 0)
			abort();
	}
	dc_start(d->dc, now);
	d->host.is_off = false;
	sim_kick(&d->host);
}

void sim_dc_stop(struct sim_dc *d)
{
	d->host.is_off = true;
	dc_destroy(d->dc);
	d->dc = NULL;
}

void sim_dc_general_host(struct sim_dc *d, const char *name, const char *ip)
{
	assert(d->hosts_n < SIM_DC_HOSTS);
	snprintf(d->hosts[d->hosts_n].name, sizeof(d->hosts[0].name), "%s", name);
	if (ip_parse(ip, &d->hosts[d->hosts_n++].ip) < 0)
		abort();
}

static void enrolled(void *arg, int status)
{
	*(int *)arg = status;
}

static bool is_enrolled(void *arg)
{
	return *(int *)arg != 1;
}

void sim_dc_enrol(struct sim_dc *d, enum dc_kind kind, const char *name, uint8_t token[32])
{
	int status = 1;

	if (dc_enrol(d->dc, d->host.sim->now, kind, name, 3600, token, enrolled, &status) < 0)
		abort();
	if (!sim_run_until(d->host.sim, SIM_SEC, is_enrolled, &status) || status != 0)
		abort();
}
