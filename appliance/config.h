/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_CONFIG_H
#define APPLIANCE_CONFIG_H

/* The appliance's configuration as one immutable struct; the table in config.c says what each key
 * means, its range and default, and whether a reload may change it.
 */
#include "appliance/rs_control.h"
#include "common/ip.h"
#include "common/join.h"
#include "common/session.h"
#include "common/suite.h"
#include "common/yaml_conf.h"
#include "dc/dc_core.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	CONFIG_IFACES_MAX = 16,
	CONFIG_ADDRS_MAX = 16,
	CONFIG_POOLS_MAX = 16,
	CONFIG_INNER_MAX = 16,
	CONFIG_RELAY_MAX = DC_ZONES_MAX,
	CONFIG_PEERS_MAX = 16,
	CONFIG_CPUS_MAX = 64, /* bytes of a CPU set such as "0-1,4" */
	CONFIG_MEMBERS_MAX = 8,
	CONFIG_PATH_MAX = 108,
	CONFIG_NAME_MAX = 256,
};

enum config_role { ROLE_RS, ROLE_DC, ROLE_MAX };
enum config_idle { IDLE_ADAPTIVE, IDLE_POLL };
enum config_share { SHARE_AUTO, SHARE_OFF };
enum config_flow_rules { FLOW_RULES_AUTO, FLOW_RULES_OFF };
enum config_nat_filter { NAT_FILTER_ADDRESS, NAT_FILTER_ENDPOINT };
enum config_side { SIDE_BOTH, SIDE_ACCESS, SIDE_OUTSIDE };

struct config_iface {
	char name[16];	/* of the TAP: a Linux interface name */
	char port[256]; /* DPDK device string */
	uint32_t n_members;
	char members[CONFIG_MEMBERS_MAX][256]; /* of a net_bonding port */
	uint32_t vlan;			       /* 0: untagged */
	uint32_t side;			       /* enum config_side */
	uint32_t flow_rules;		       /* enum config_flow_rules */
	uint32_t mtu;
	uint32_t n_addresses;
	char addresses[CONFIG_ADDRS_MAX][64]; /* "192.0.2.1/24"; or "kernel" alone */
	uint32_t n_gateways;
	struct ip_addr gateways[4];
	bool keep_tap;
};

struct config_pool {
	struct ip_prefix prefix;
	uint32_t port_min, port_max;
};

/* Another DC that is known by configuration. */
struct config_peer {
	char name[CONFIG_NAME_MAX];
	char key[64], psk[64]; /* base64 */
	struct endpoint endpoint;
	uint32_t n_zones;
	char zones[DC_ZONES_MAX][CONFIG_NAME_MAX];
};

struct config {
	uint32_t n_roles;
	uint32_t roles[ROLE_MAX]; /* enum config_role */
	uint32_t log_level;
	char control_socket[CONFIG_PATH_MAX];

	struct {
		bool huge;
		uint32_t memory_mb;
		char file_prefix[64];
		uint32_t n_extra;
		char extra[16][128];
	} dpdk;

	struct {
		uint32_t workers;
		uint32_t n_worker_cpus;
		char worker_cpus[32][CONFIG_CPUS_MAX];
		char control_cpus[CONFIG_CPUS_MAX];
		char dc_cpus[CONFIG_CPUS_MAX];
	} lcores;
	uint32_t idle; /* enum config_idle */
	uint64_t idle_sleep_max_ns, idle_look_every_ns;
	uint64_t hung_after_ns;

	uint32_t n_ifaces;
	struct config_iface ifaces[CONFIG_IFACES_MAX];
	uint32_t route_table;

	struct {
		uint32_t port, alt_port, base_port;
	} ntm;

	struct {
		uint32_t packets;      /* mbufs */
		uint32_t packet_bytes; /* data room of one; 0: config_packet_bytes() */
		uint32_t nexthops;
		uint32_t mailbox;
		uint32_t port_queue; /* descriptors per port queue */
		uint32_t hold_per_nexthop, hold_total;
	} tables;

	uint32_t handshake_threads;
	uint32_t n_suites;
	uint32_t suites[SUITE_COUNT]; /* enum suite */
	struct session_limits limits;

	struct {
		char name[CONFIG_NAME_MAX]; /* "": rs1. and the DC's zone */
		char store[CONFIG_PATH_MAX];
		char join[JOIN_TEXT_MAX];
		uint32_t n_dc;
		struct endpoint dc[RS_DC_ENDPOINTS_MAX];
		uint32_t legs, paths, bindings;
		uint32_t aead;	       /* enum aead_isa */
		uint32_t share_crypto; /* enum config_share */
		uint32_t n_pools;
		struct config_pool pools[CONFIG_POOLS_MAX];
		uint32_t n_inner;
		struct ip_prefix inner[CONFIG_INNER_MAX];
		struct {
			uint32_t flows, subscriber_ports, subscriber_flows;
			uint32_t filter; /* enum config_nat_filter */
			bool hairpin;
			uint64_t udp_ns, tcp_open_ns, tcp_half_ns, icmp_ns;
		} nat;
		struct {
			uint32_t datagrams, pieces; /* per worker and direction */
			uint64_t wait_ns;
		} frag;
	} rs;

	struct {
		char zone[CONFIG_NAME_MAX];
		char name[CONFIG_NAME_MAX]; /* "": ns. and the zone */
		char store[CONFIG_PATH_MAX];
		char zone_file[CONFIG_PATH_MAX];
		char trust_anchor[CONFIG_PATH_MAX];
		uint64_t store_bytes;
		struct ip_prefix pool4, pool6, gn4, gn6;
		uint32_t n_relay;
		char relay_names[CONFIG_RELAY_MAX][CONFIG_NAME_MAX];
		struct ip_addr resolver;
		uint32_t n_peers;
		struct config_peer peers[CONFIG_PEERS_MAX];
		uint32_t nodes, paths, bindings;
		uint64_t key_lifetime_ns, keepalive_ns;
		uint32_t unproven_factor;
		struct {
			uint32_t rate, burst, slip, entries;
		} rrl;
	} dc;
};

/* Set of suites as common/suite.h has it. */
static inline uint32_t config_suites(const struct config *c)
{
	uint32_t set = 0;

	for (uint32_t i = 0; i < c->n_suites; i++)
		set |= UINT32_C(1) << c->suites[i];
	return set;
}

/* Where secrets of the roles lie: an RS beside a DC has no folder of its own unless it is given. */
static inline const char *config_rs_store(const struct config *c)
{
	return c->rs.store[0] != '\0' ? c->rs.store : c->dc.store;
}

/* Bytes of a packet buffer with its headroom: as given, or what the largest MTU needs. */
uint32_t config_packet_bytes(const struct config *c);

/* The pools as the NAT and the flow rules have them, into room for NAT_RANGES_MAX. How many. */
struct nat_range;
uint32_t config_nat_ranges(const struct config *c, struct nat_range *ranges);

/* 0 or -EINVAL; what was wrong is in r (yaml_conf.h), which the caller prints and frees. */
int config_load(const char *path, struct config *c, struct conf_report *r);

static inline bool config_has_role(const struct config *c, enum config_role role)
{
	for (uint32_t i = 0; i < c->n_roles; i++)
		if (c->roles[i] == role)
			return true;
	return false;
}

/* "192.0.2.1/24" as an address with its prefix length in 16-byte form. 0 or -EINVAL. */
int config_address_parse(const char *text, struct ip_addr *ip, uint8_t *len);

extern const struct conf_row config_rows[];
extern const char config_title[];

#endif
