/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PKTGEN_PLAN_H
#define PKTGEN_PLAN_H

/* Who speaks in a measurement: nodes with their legs, paths between them through RS-S, flows of
 * theirs to general hosts through RS-N. Everything follows from the configuration and the seed, so
 * two runs of one seed send the same packets; what only the RS can say (its endpoints, indexes and
 * the keys of a leg's handshake) is filled in by plan_ring.c or talk.c.
 *
 * Addresses are those that RFC 2544 and RFC 5180 set aside for measuring:
 *
 *	198.18.0.0/16	2001:2:0:a::/64	 nodes of side A, and of RS-N
 *	198.19.0.0/17	2001:2:0:b::/64	 nodes of side B
 *	198.19.128.0/24			 general hosts
 *
 * The ends of a path are both ours, so its keys are made here without the ends' handshake, which an
 * RS could not tell from noise. All paths share one expanded pair, each with an IV of its own: ten
 * million pairs would not fit into memory, and an RS never has them.
 *
 * Written before the generator's loop starts, and by the learning of NAT mappings.
 */
#include "appliance/aead.h"
#include "common/ip.h"
#include "common/keys.h"
#include "common/rng.h"

#include <stdbool.h>
#include <stdint.h>

/* Which way a packet goes. */
enum way {
	WAY_A,	 /* RS-S, from side A to side B */
	WAY_B,	 /* RS-S, back */
	WAY_OUT, /* RS-N, node to general host: sealed in, plain out */
	WAY_IN,	 /* RS-N, general host to node: plain in, sealed out */
	WAYS,
};

const char *way_name(enum way w);

enum {
	PLAN_LEGS_MAX = 1 << 20,
	PLAN_PATHS_MAX = 10000000,
	PLAN_FLOWS_MAX = 1 << 20,
	PLAN_HOSTS_MAX = 250,
	PLAN_HOST_PORT = 443,
	PLAN_FLOW_PORT = 5000, /* inner source port of a node's first flow */
	PLAN_FLOWS_PER_LEG = 60000,
};

struct plan_conf {
	uint32_t legs;	/* nodes of each side */
	uint32_t paths; /* 0: no RS-S */
	uint32_t flows; /* 0: no RS-N */
	uint32_t hosts; /* general hosts, of which each node talks to one */
	bool outer6;	/* nodes reach the RS by IPv6 */
	uint8_t suite;	/* of paths and, where it is ours to say, of legs */
	uint64_t seed;
};

struct plan_node {
	struct endpoint self; /* where it is */
	struct endpoint rs;   /* its leg's endpoint */
	uint64_t rs_index;    /* ID of what it seals for the RS */
	uint8_t send_iv[SUITE_IV_LEN], recv_iv[SUITE_IV_LEN];
	uint8_t flags; /* byte 1 of what it seals for the RS */
	uint8_t suite;
};

/* Expanded keys of one association: what we seal with, what we open with. */
struct plan_keys {
	uint8_t send[AEAD_KEY_BYTES], recv[AEAD_KEY_BYTES];
} __attribute__((aligned(64)));

struct plan {
	struct plan_conf conf;
	struct rng rng;
	struct aead *aead;
	struct plan_node *node;	       /* conf.legs of side A, then as many of side B */
	struct plan_keys *leg_keys;    /* by node of side A; NULL without flows */
	struct plan_keys path_keys[2]; /* of what A seals, of what B seals */
	uint8_t path_iv[2][SUITE_IV_LEN];
	uint64_t id_factor, id_inverse; /* Path ID = (number + 1) * id_factor modulo 2^63 */
	struct endpoint *pub; /* by flow: what the NAT made of it; port 0: not known yet */
	uint32_t known_flows;
};

/* 0, -EINVAL (a number that is out of range) or -ENOMEM. plan_fini() in any case. */
int plan_init(struct plan *p, const struct plan_conf *conf);
void plan_fini(struct plan *p);

/* A leg's keys as its handshake gave them, to send and to receive; side A's nodes only. */
void plan_leg_keys(struct plan *p, uint32_t node, const struct epoch_keys *k);

static inline uint64_t plan_path_id(const struct plan *p, uint32_t path)
{
	return (path + 1) * p->id_factor & (UINT64_MAX >> 1);
}

/* UINT32_MAX: no path of ours. */
static inline uint32_t plan_path_find(const struct plan *p, uint64_t id)
{
	uint64_t n = (id * p->id_inverse & (UINT64_MAX >> 1)) - 1;

	return n < p->conf.paths ? (uint32_t)n : UINT32_MAX;
}

static inline uint32_t plan_path_node(const struct plan *p, uint32_t path, bool side_b)
{
	return path % p->conf.legs + (side_b ? p->conf.legs : 0);
}

static inline uint32_t plan_flow_node(const struct plan *p, uint32_t flow)
{
	return flow % p->conf.legs;
}

static inline uint16_t plan_flow_port(const struct plan *p, uint32_t flow)
{
	return (uint16_t)(PLAN_FLOW_PORT + flow / p->conf.legs);
}

static inline uint32_t plan_node_host(const struct plan *p, uint32_t node)
{
	return node % p->conf.hosts;
}

static inline bool plan_way_used(const struct plan *p, enum way w)
{
	return w <= WAY_B ? p->conf.paths > 0 : p->conf.flows > 0;
}

/* Streams of a way: paths, or flows. */
static inline uint32_t plan_streams(const struct plan *p, enum way w)
{
	return w <= WAY_B ? p->conf.paths : p->conf.flows;
}

/* The index that the RS puts on packets to a node; its low bits are the node's number. */
static inline uint64_t plan_own_index(uint32_t node)
{
	return 1ULL << 63 | 0x3b1ULL << 40 | node;
}

static inline uint32_t plan_node_of_index(uint64_t index)
{
	return (uint32_t)index;
}

struct ip_addr plan_node_addr(const struct plan *p, uint32_t node);
struct ip_addr plan_vip(uint32_t node);	      /* virtual address of a node */
struct ip_addr plan_vip_host(uint32_t host);  /* what nodes call a general host */
struct ip_addr plan_host_addr(uint32_t host); /* where it is */

#endif
