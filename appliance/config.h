/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_CONFIG_H
#define APPLIANCE_CONFIG_H

/* The appliance's configuration as one immutable struct; the table in config.c says what each key
 * means, its range and default, and whether a reload may change it.
 */
#include "common/ip.h"
#include "common/yaml_conf.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	CONFIG_IFACES_MAX = 16,
	CONFIG_ADDRS_MAX = 16,
	CONFIG_POOLS_MAX = 16,
	CONFIG_CPUS_MAX = 64, /* bytes of a CPU set such as "0-1,4" */
	CONFIG_PATH_MAX = 108,
	CONFIG_NAME_MAX = 256,
};

enum config_role { ROLE_RS, ROLE_DC, ROLE_MAX };
enum config_idle { IDLE_ADAPTIVE, IDLE_POLL };
enum config_side { SIDE_BOTH, SIDE_ACCESS, SIDE_OUTSIDE };

struct config_iface {
	char name[16];	/* of the TAP: a Linux interface name */
	char port[256]; /* DPDK device string */
	uint32_t vlan;	/* 0: untagged */
	uint32_t side;	/* enum config_side */
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
	uint64_t idle_sleep_max_ns;
	uint64_t hung_after_ns;

	uint32_t n_ifaces;
	struct config_iface ifaces[CONFIG_IFACES_MAX];
	uint32_t route_table;

	struct {
		uint32_t port, alt_port, base_port;
	} ntm;

	struct {
		uint32_t packets;      /* mbufs */
		uint32_t packet_bytes; /* data room of one */
		uint32_t nexthops;
		uint32_t mailbox;
		uint32_t port_queue; /* descriptors per port queue */
		uint32_t hold_per_nexthop, hold_total;
	} tables;

	struct {
		uint32_t handshake_threads;
		uint32_t n_pools;
		struct config_pool pools[CONFIG_POOLS_MAX];
	} rs;
};

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
