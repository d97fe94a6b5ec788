/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_SIM_NODE_H
#define SIM_SIM_NODE_H

/* A node: the real core and the real portable packet path, with test traffic on top. What goes in
 * at one node is known byte for byte, so that what comes out at another can be judged.
 */
#include "client/dp.h"
#include "client/node.h"
#include "tests/sim/sim.h"

enum { SIM_FLOW_MAX = 65536 };

struct sim_node;

/* UDP packets from one node to another (or to a general host, which echoes). */
struct sim_flow {
	TAILQ_ENTRY(sim_flow) link;
	struct sim_node *from, *to; /* to NULL: a general host */
	struct ip_addr src, dst;
	uint16_t id;
	uint16_t size; /* inner IP packet */
	bool wants_echo, is_running;
	uint64_t gap_ns;
	uint32_t sent, got, echoes, duplicates;
	uint64_t first_ns, last_ns, longest_gap_ns; /* of arrivals */
	uint64_t first_echo_ns, last_echo_ns, longest_echo_gap_ns;
	uint8_t seen[SIM_FLOW_MAX / 8], echo_seen[SIM_FLOW_MAX / 8];
};

struct sim_node {
	struct sim_host host;
	struct rng rng;
	char name[64];
	struct node_params params; /* what a restart begins with */
	struct node *node;
	struct dp *dp;
	struct vips vips;
	uint16_t port;
	unsigned int registrations, path_ups, key_changes, route_changes, path_downs;
	uint64_t bad_inner; /* delivered but never sent by anyone: must stay 0 */
	uint64_t icmp;
	bool is_direct; /* last route event */
	bool is_verbose;
	uint8_t last_tos;
};

void sim_node_init(struct sim_node *n, struct sim *s, const char *name, uint64_t seed);
void sim_node_start(struct sim_node *n);
void sim_node_stop(struct sim_node *n);
/* The core is told of all interfaces as they are. */
void sim_node_links(struct sim_node *n);
/* Interface number comes into net with these addresses. */
void sim_node_attach(struct sim_node *n, uint8_t number, struct sim_net *net, const char *v4,
		     const char *v6);
void sim_node_detach(struct sim_node *n, uint8_t number);
bool sim_node_is_registered(const struct sim_node *n);

void sim_flow_start(struct sim_flow *f, struct sim_node *from, struct sim_node *to,
		    const struct ip_addr *dst, uint16_t size, uint64_t gap_ns, bool wants_echo);
void sim_flow_stop(struct sim_flow *f);
/* One packet now. */
void sim_flow_send(struct sim_flow *f);
void sim_flow_deliver(struct sim_node *n, const uint8_t *pkt, size_t len);

#endif
