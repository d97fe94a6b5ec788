/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/nat_map.h"

#include "appliance/hash_key.h"

#include <errno.h>

static const struct ip_addr no_host;

uint64_t nat_map_hash_in(const struct nat *n, uint32_t subscriber, uint8_t kind, uint16_t in_port)
{
	return hash_key(n->secret, (uint64_t)subscriber << 32 | (uint32_t)kind << 16 | in_port,
			&no_host);
}

uint64_t nat_map_hash_out(const struct nat *n, uint16_t addr, enum nat_proto proto, uint16_t port)
{
	return hash_key(n->secret, (uint64_t)addr << 32 | (uint32_t)proto << 16 | port, &no_host);
}

struct nat_map *nat_map_find_out(struct nat *n, uint16_t addr, enum nat_proto proto, uint16_t port)
{
	struct flow_probe p;
	uint32_t ref = flow_index_first(&n->map_out, nat_map_hash_out(n, addr, proto, port), &p);

	for (; ref != FLOW_NONE; ref = flow_index_next(&n->map_out, &p)) {
		struct nat_map *m = &n->maps[ref];

		if (m->addr == addr && m->port == port && nat_proto_of(m->kind) == proto)
			return m;
	}
	return NULL;
}

struct nat_map *nat_map_find_in(struct nat *n, uint64_t hash, uint32_t subscriber, uint8_t kind,
				uint16_t in_port)
{
	struct flow_probe p;
	uint32_t ref = flow_index_first(&n->map_in, hash, &p);

	for (; ref != FLOW_NONE; ref = flow_index_next(&n->map_in, &p)) {
		struct nat_map *m = &n->maps[ref];

		if (m->subscriber == subscriber && m->kind == kind && m->in_port == in_port)
			return m;
	}
	return NULL;
}

static enum drop_reason pool_reason(int err)
{
	return err == -EDQUOT ? DROP_NAT_LIMIT : DROP_NAT_FULL;
}

struct nat_map *nat_map_make(struct nat *n, uint32_t subscriber, uint8_t kind, uint16_t in_port,
			     bool is_extra, enum drop_reason *why)
{
	struct subscriber *s = &n->legs->subscribers[subscriber];
	bool v4 = (kind & NAT_KIND_OUT6) == 0;
	struct nat_map *m;
	uint32_t at;
	int ret;

	*why = DROP_NAT_FULL;
	if (n->n_free_maps == 0)
		return NULL;
	at = n->free_maps[n->n_free_maps - 1];
	m = &n->maps[at];
	ret = nat_pool_take(
		n->pool, &s->share[v4], v4, nat_proto_of(kind), in_port,
		(uint16_t)((n->cfg.subscriber_ports + NAT_BLOCK_PORTS - 1) / NAT_BLOCK_PORTS),
		&m->addr, &m->port, &m->block);
	if (ret < 0) {
		*why = pool_reason(ret);
		return NULL;
	}
	n->n_free_maps--;
	m->subscriber = subscriber;
	m->flows = 0;
	m->in_port = in_port;
	m->kind = kind;
	m->is_extra = is_extra;
	if (!is_extra)
		flow_index_add(&n->map_in, nat_map_hash_in(n, subscriber, kind, in_port), at);
	s->mappings++;
	n->n_maps++;
	return m;
}

void nat_map_enter(struct nat *n, const struct nat_map *m, uint64_t hash_out)
{
	flow_index_add(&n->map_out, hash_out, (uint32_t)(m - n->maps));
}

void nat_map_free(struct nat *n, struct nat_map *m)
{
	struct subscriber *s = &n->legs->subscribers[m->subscriber];
	uint32_t at = (uint32_t)(m - n->maps);
	bool v4 = (m->kind & NAT_KIND_OUT6) == 0;

	if (!m->is_extra)
		flow_index_del(&n->map_in, nat_map_hash_in(n, m->subscriber, m->kind, m->in_port),
			       at);
	flow_index_del(&n->map_out, nat_map_hash_out(n, m->addr, nat_proto_of(m->kind), m->port),
		       at);
	nat_pool_give(n->pool, &s->share[v4], m->block, nat_proto_of(m->kind), m->port);
	n->free_maps[n->n_free_maps++] = at;
	n->n_maps--;
	s->mappings--;
}
