/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_NAT_FLOW_H
#define APPLIANCE_NAT_FLOW_H

/* State of one worker's NAT.
 *
 * A mapping ties (subscriber, protocol, inner port) to a public address and port, whomever the node
 * talks to (endpoint-independent, RFC 4787 REQ-1). A flow ties a mapping to one general host, for
 * both directions and all of the host's ports: it is what a packet hits, one cache line behind one
 * line of index. A mapping lives as long as a flow of it.
 *
 * Looking up and opening go by bulks: each step is done for all packets, and fetches what the next one
 * needs. With ten million mappings each of the ten lines of a new one would else be waited for.
 *
 * Flows hang on a wheel and are looked at at least every WHEEL_SLOTS ticks: expired ones go, as do
 * those whose binding is gone. Owning worker only; nothing allocates after
 * nat_create(). Memory: 68 bytes per flow, 36 per mapping, and 26 to 51 of index
 * for each.
 */
#include "appliance/binding.h"
#include "appliance/flow_index.h"
#include "appliance/hash_key.h"
#include "appliance/leg_table.h"
#include "appliance/nat_pool.h"
#include "appliance/pipeline/drop.h"

#include <stdbool.h>

enum {
	NAT_KIND_PROTO = 3, /* enum nat_proto */
	NAT_KIND_IN6 = 1 << 2,
	NAT_KIND_OUT6 = 1 << 3,
};

enum nat_state {
	NAT_SEEN_OUT = 1 << 0, /* a packet went to the general host */
	NAT_SEEN_IN = 1 << 1,  /* one came from it */
	NAT_FIN_OUT = 1 << 2,
	NAT_FIN_IN = 1 << 3,
	NAT_RST = 1 << 4,
	NAT_HAIRPIN = 1 << 5, /* for life: the general host's address is of our own pool */
};

/* Byte 13 of a TCP header. */
enum { NAT_TCP_FIN = 1, NAT_TCP_SYN = 2, NAT_TCP_RST = 4 };

struct nat_flow {
	struct ip_addr vip, rip; /* of the general host, inside and outside */
	uint32_t subscriber;
	uint16_t in_port; /* of the node; identifier of an ICMP query */
	uint8_t kind;	  /* protocol and both families */
	uint8_t state;	  /* enum nat_state */
	uint16_t addr;	  /* of the pool */
	uint16_t port;	  /* public port */
	uint32_t map;
	uint32_t expires; /* tick */
	uint32_t next;	  /* on the wheel: flow + 1 */
	uint32_t route_gen, nexthop;
} __attribute__((aligned(64)));

struct nat_map {
	uint32_t subscriber;
	uint32_t flows;
	uint32_t block;
	uint16_t in_port, port, addr;
	uint8_t kind;
	bool is_extra; /* made for one flow whose general host has two VIPs; not found by in_port */
	uint8_t pad[12];
};

struct nat_config {
	unsigned int n_ranges;
	struct nat_range ranges[NAT_RANGES_MAX];
	uint32_t flows_max;	   /* per worker */
	uint32_t subscriber_ports; /* most ports of a subscriber (RFC 6888 REQ-4) */
	uint32_t subscriber_flows; /* most flows of a subscriber */
	bool endpoint_independent; /* filtering; else address-dependent */
	bool refuse_hairpin;
	uint64_t udp_ns, tcp_open_ns, tcp_half_ns, icmp_ns;
};

enum { NAT_WHEEL_SLOTS = 256, NAT_TICK_SHIFT = 27 /* 134 ms */ };

struct nat {
	struct nat_config cfg;
	struct nat_pool *pool;
	struct leg_table *legs;
	const struct binding_table *bindings;
	struct nat_flow *flows;
	struct nat_map *maps;
	uint32_t *free_flows, *free_maps; /* stacks: what comes next can be told, and fetched */
	uint32_t n_free_flows, n_free_maps;
	uint32_t n_flows, n_maps;
	struct flow_index flow_in, flow_out, map_in, map_out;
	uint64_t secret[2];
	uint32_t wheel[NAT_WHEEL_SLOTS]; /* flow + 1 */
	uint32_t tick;			 /* slots up to here are done */
};

/* Defaults of RFC 4787 REQ-5, RFC 5382 REQ-5 and RFC 5508 REQ-2. */
void nat_config_default(struct nat_config *c);

/* NULL with errno. Main thread. */
struct nat *nat_create(const struct nat_config *cfg, struct leg_table *legs,
		       const struct binding_table *bindings, uint16_t worker, uint16_t n_workers,
		       const uint64_t secret[2]);
void nat_destroy(struct nat *n);

static inline uint32_t nat_tick(uint64_t now)
{
	return (uint32_t)(now >> NAT_TICK_SHIFT);
}

static inline uint64_t nat_hash_in(const struct nat *n, uint32_t subscriber, enum nat_proto proto,
				   uint16_t in_port, const struct ip_addr *vip)
{
	return hash_key(n->secret, (uint64_t)subscriber << 32 | (uint32_t)proto << 16 | in_port,
			vip);
}

static inline uint64_t nat_hash_out(const struct nat *n, uint16_t addr, enum nat_proto proto,
				    uint16_t port, const struct ip_addr *rip)
{
	return hash_key(n->secret, (uint64_t)addr << 32 | (uint32_t)proto << 16 | port, rip);
}

struct nat_flow *nat_flow_find_in(struct nat *n, uint64_t hash, uint32_t subscriber,
				  enum nat_proto proto, uint16_t in_port,
				  const struct ip_addr *vip);
struct nat_flow *nat_flow_find_out(struct nat *n, uint64_t hash, uint16_t addr,
				   enum nat_proto proto, uint16_t port, const struct ip_addr *rip);

/* Is f the flow of that public address and port with rip? */
static inline bool nat_flow_is_out(const struct nat_flow *f, uint16_t addr, enum nat_proto proto,
				   uint16_t port, const struct ip_addr *rip)
{
	return f->addr == addr && f->port == port && (f->kind & NAT_KIND_PROTO) == proto &&
	       ip_equal(&f->rip, rip);
}

/* The mapping of a public address and port, whomever it talks to; NULL if there is none. */
struct nat_map *nat_map_find_out(struct nat *n, uint16_t addr, enum nat_proto proto, uint16_t port);

/* What a node's packet asks for. */
struct nat_ask {
	struct ip_addr vip; /* of the general host */
	uint32_t subscriber;
	uint16_t port; /* of the node; identifier of an ICMP query */
	uint8_t proto; /* enum nat_proto */
	uint64_t hash; /* nat_ask_hash() writes it */
};

enum { NAT_BULK = 64 };

/* First step of a bulk look-up: the bucket is on its way. */
static inline void nat_ask_hash(const struct nat *n, struct nat_ask *a)
{
	a->hash = nat_hash_in(n, a->subscriber, (enum nat_proto)a->proto, a->port, &a->vip);
	flow_index_prefetch(&n->flow_in, a->hash);
}

/* The flows of hashed asks, NULL where there is none yet. True if all are there. */
bool nat_flow_find_bulk(struct nat *n, const struct nat_ask *ask, unsigned int cnt,
			struct nat_flow **f);

/* Nodes' first packets to general hosts: a flow where f[i] is NULL, and a mapping if need be. Two of
 * them may ask for the same. Where none is made f[i] stays NULL and why[i] tells: no binding, a limit,
 * no port.
 */
void nat_flow_open_bulk(struct nat *n, const struct nat_ask *ask, unsigned int cnt, uint64_t now,
			struct nat_flow **f, enum drop_reason *why);

/* The same for one that a look-up did not find. */
struct nat_flow *nat_flow_open(struct nat *n, uint32_t subscriber, enum nat_proto proto,
			       uint16_t in_port, const struct ip_addr *vip, uint64_t now,
			       enum drop_reason *why);
/* A general host's first packet to a mapping, where filtering lets it in. */
struct nat_flow *nat_flow_accept(struct nat *n, struct nat_map *m, const struct ip_addr *rip,
				 uint64_t now, enum drop_reason *why);

static inline uint64_t nat_flow_life(const struct nat *n, const struct nat_flow *f)
{
	const uint8_t both = NAT_SEEN_OUT | NAT_SEEN_IN, fins = NAT_FIN_OUT | NAT_FIN_IN;
	const uint8_t proto = f->kind & NAT_KIND_PROTO;

	if (proto != NAT_TCP)
		return proto == NAT_UDP ? n->cfg.udp_ns : n->cfg.icmp_ns;
	return (f->state & (both | NAT_RST)) != both || (f->state & fins) == fins
		       ? n->cfg.tcp_half_ns
		       : n->cfg.tcp_open_ns;
}

/* A packet went through: state and life. tcp_flags: byte 13 of the TCP header, 0 otherwise. */
static inline void nat_flow_touch(const struct nat *n, struct nat_flow *f, bool out,
				  uint8_t tcp_flags, uint64_t now)
{
	const bool is_tcp = (f->kind & NAT_KIND_PROTO) == NAT_TCP;

	if (is_tcp && (tcp_flags & NAT_TCP_SYN) != 0) /* a new connection on the same ports */
		f->state &= (uint8_t) ~(NAT_FIN_OUT | NAT_FIN_IN | NAT_RST);
	if (is_tcp && (tcp_flags & NAT_TCP_FIN) != 0)
		f->state |= out ? NAT_FIN_OUT : NAT_FIN_IN;
	if (is_tcp && (tcp_flags & NAT_TCP_RST) != 0)
		f->state |= NAT_RST;
	f->state |= out ? NAT_SEEN_OUT : NAT_SEEN_IN;
	/* Only the inside keeps a UDP or ICMP mapping alive (RFC 4787 REQ-6). An earlier end is noticed
	 * at the next visit, which is at most one turn of the wheel away.
	 */
	if (out || is_tcp)
		f->expires = nat_tick(now + nat_flow_life(n, f)) + 1;
}

/* Visit what is due, at most budget flows. */
void nat_turn(struct nat *n, uint64_t now, unsigned int budget);

#endif
