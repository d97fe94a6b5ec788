/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/sim.h"

#include <stdlib.h>

enum { PORT_BASE = 20000, PORT_SPAN = 40000 };

void sim_nat_init(struct sim_nat *n, const char *outside, enum sim_nat_class class)
{
	memset(n, 0, sizeof(*n));
	if (ip_parse(outside, &n->outside) < 0)
		abort();
	n->class = class;
	n->life_ns = 120 * SIM_SEC;
}

/* Ports go on from where they were: an old mapping's port is not soon another's. */
void sim_nat_flush(struct sim_nat *n)
{
	memset(n->map, 0, sizeof(n->map));
}

static bool is_alive(struct sim_nat *n, struct sim_mapping *m, uint64_t now)
{
	if (m->is_used && now - m->last_ns > n->life_ns)
		m->is_used = false;
	return m->is_used;
}

/* What of the destination a mapping depends on. */
static struct endpoint dependence(const struct sim_nat *n, const struct endpoint *dst)
{
	struct endpoint none = {.port = 0};

	switch (n->class) {
	case SIM_NAT_SYMMETRIC:
		return *dst;
	case SIM_NAT_SYMMETRIC_ADDR:
		none.ip = dst->ip;
		return none;
	default:
		return none;
	}
}

static void remember(struct sim_mapping *m, const struct endpoint *dst)
{
	for (unsigned int i = 0; i < m->remotes_n; i++)
		if (endpoint_equal(&m->remotes[i], dst))
			return;
	if (m->remotes_n == SIM_NAT_REMOTES) {
		memmove(m->remotes, m->remotes + 1, sizeof(m->remotes) - sizeof(m->remotes[0]));
		m->remotes_n--;
	}
	m->remotes[m->remotes_n++] = *dst;
}

bool sim_nat_out(struct sim_nat *n, uint64_t now, struct endpoint *src, const struct endpoint *dst)
{
	struct endpoint towards = dependence(n, dst);
	struct sim_mapping *m = NULL;

	for (int i = 0; i < SIM_NAT_MAPPINGS; i++) {
		struct sim_mapping *c = &n->map[i];

		if (!is_alive(n, c, now)) {
			m = m == NULL ? c : m;
		} else if (endpoint_equal(&c->inside, src) &&
			   endpoint_equal(&c->towards, &towards)) {
			m = c;
			break;
		}
	}
	if (m == NULL)
		return false;
	if (!m->is_used) {
		*m = (struct sim_mapping){.is_used = true, .inside = *src, .towards = towards};
		m->port = n->is_wall ? src->port : (uint16_t)(PORT_BASE + n->next_port);
		n->next_port = (uint16_t)((n->next_port + 7) % PORT_SPAN);
	}
	m->last_ns = now;
	remember(m, dst);
	*src = (struct endpoint){.ip = n->outside, .port = m->port};
	return true;
}

static bool passes(const struct sim_nat *n, const struct sim_mapping *m, const struct endpoint *src)
{
	if (n->class == SIM_NAT_FULL_CONE)
		return true;
	for (unsigned int i = 0; i < m->remotes_n; i++) {
		if (!ip_equal(&m->remotes[i].ip, &src->ip))
			continue;
		if (n->class == SIM_NAT_RESTRICTED || n->class == SIM_NAT_SYMMETRIC_ADDR ||
		    m->remotes[i].port == src->port)
			return true;
	}
	return false;
}

bool sim_nat_in(struct sim_nat *n, uint64_t now, const struct endpoint *src, struct endpoint *dst)
{
	for (int i = 0; i < SIM_NAT_MAPPINGS; i++) {
		struct sim_mapping *m = &n->map[i];

		if (!is_alive(n, m, now) || m->port != dst->port || !passes(n, m, src))
			continue;
		*dst = m->inside;
		return true;
	}
	n->refused++;
	return false;
}
