/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/config.h"
#include "appliance/worker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char config_title[] = "ntm-appliance: relay server (RS) and direction coordinator (DC)";

static const char *const role_words[] = {"rs", "dc", NULL};
static const char *const idle_words[] = {"adaptive", "poll", NULL};
static const char *const side_words[] = {"both", "access", "outside", NULL};
static const char *const level_words[] = {"err", "warn", "notice", "info", "debug", NULL};

/* clang-format off */
static const struct conf_row iface_rows[] = {
	CONF_STRING("name", struct config_iface, name, NULL, RESTART,
		    "name of the TAP through which Linux has its part: ARP, ND, ICMP, TCP"),
	CONF_STRING("port", struct config_iface, port, NULL, RESTART,
		    "DPDK device: a PCI address such as 0000:03:00.0, or a virtual one such as "
		    "net_af_packet0,iface=veth0"),
	CONF_U32("vlan", struct config_iface, vlan, 0, 4094, "0", RESTART,
		 "VLAN of this interface on its port; 0 is untagged"),
	CONF_ENUM("side", struct config_iface, side, side_words, "both", RESTART,
		  "access faces nodes, outside faces general hosts"),
	CONF_U32("mtu", struct config_iface, mtu, 1280, 9600, "1500", RESTART, "bytes of IP"),
	CONF_LIST(STRING, "addresses", struct config_iface, addresses, n_addresses, "", RESTART,
		  "addresses with prefix length to put on the TAP; the one word kernel leaves them "
		  "to others such as networkd or FRR"),
	CONF_LIST(IP, "gateways", struct config_iface, gateways, n_gateways, "", RESTART,
		  "default routes to enter, one per family at most; others are Linux's to make"),
	CONF_BOOL("keep_tap", struct config_iface, keep_tap, "no", RESTART,
		  "leave the TAP with its addresses when the process stops in order (it always "
		  "outlives a crash)"),
	CONF_END,
};

static const struct conf_row pool_rows[] = {
	CONF_PREFIX("prefix", struct config_pool, prefix, NULL, RESTART,
		    "public addresses of the NAT"),
	CONF_U32("port_min", struct config_pool, port_min, 1, 65535, "1024", RESTART,
		 "first port the NAT may use"),
	CONF_U32("port_max", struct config_pool, port_max, 1, 65535, "65535", RESTART,
		 "last port the NAT may use; on an address that is the box's own, keep clear of "
		 "net.ipv4.ip_local_port_range"),
	CONF_END,
};

const struct conf_row config_rows[] = {
	CONF_LIST_ENUM("role", struct config, roles, n_roles, role_words, "rs, dc", RESTART,
		       "what this process is"),
	CONF_ENUM("log_level", struct config, log_level, level_words, "info", RELOAD,
		  "least grave lines to write"),
	CONF_STRING("control_socket", struct config, control_socket, "/run/ntm/appliance.sock",
		    RESTART, "Unix socket on which ntmctl asks; empty: none"),

	CONF_BOOL("dpdk.huge", struct config, dpdk.huge, "no", RESTART,
		  "use hugepages; without them DPDK runs on ordinary memory, good for a lab"),
	CONF_U32("dpdk.memory_mb", struct config, dpdk.memory_mb, 64, 1048576, "512", RESTART,
		 "memory for packets and tables"),
	CONF_STRING("dpdk.file_prefix", struct config, dpdk.file_prefix, "ntm", RESTART,
		    "folder below /run/dpdk; processes side by side need different ones"),
	CONF_LIST(STRING, "dpdk.eal_extra", struct config, dpdk.extra, dpdk.n_extra, "", RESTART,
		  "further EAL arguments, one per element"),

	CONF_U32("lcores.workers", struct config, lcores.workers, 1, WORKERS_MAX, "1", RESTART,
		 "packet lcores"),
	CONF_LIST(STRING, "lcores.worker_cpus", struct config, lcores.worker_cpus,
		  lcores.n_worker_cpus, "", RESTART,
		  "CPU set per worker, such as 2 or 0-1; empty: all CPUs of the process"),
	CONF_STRING("lcores.control_cpus", struct config, lcores.control_cpus, "", RESTART,
		    "CPU set of the control lcore"),
	CONF_STRING("lcores.dc_cpus", struct config, lcores.dc_cpus, "", RESTART,
		    "CPU set of the DC lcore"),
	CONF_ENUM("idle.mode", struct config, idle, idle_words, "adaptive", RESTART,
		  "adaptive sleeps when there is nothing to do; poll never, for bare metal"),
	CONF_DURATION("idle.sleep_max", struct config, idle_sleep_max_ns, 10000, CONF_MS(100),
		      "1ms", RESTART, "longest sleep of an idle worker: what a first packet waits"),
	CONF_DURATION("hung_after", struct config, hung_after_ns, CONF_MS(100), CONF_SEC(3600),
		      "5s", RELOAD, "an lcore that shows no life for so long is reported as hung"),

	CONF_MAPS("interfaces", struct config, ifaces, n_ifaces, iface_rows, RESTART,
		  "what packets come in and go out by"),
	CONF_U32("route_table", struct config, route_table, 1, 0x7fffffff, "254", RESTART,
		 "Linux routing table to mirror; 254 is main"),

	CONF_U32("ntm.port", struct config, ntm.port, 1, 65535, "5525", RESTART,
		 "UDP port of the DC role, and of RS control"),
	CONF_U32("ntm.alt_port", struct config, ntm.alt_port, 0, 65535, "443", RESTART,
		 "second UDP port, for networks that let only few through; 0: none"),
	CONF_U32("ntm.base_port", struct config, ntm.base_port, 1, 65535, "5530", RESTART,
		 "UDP port of the first worker's legs; the n-th has this plus n"),

	CONF_U32("tables.packets", struct config, tables.packets, 1023, 16777215, "8191", RESTART,
		 "packet buffers; a power of two minus one wastes least"),
	CONF_U32("tables.packet_bytes", struct config, tables.packet_bytes, 2048, 16384, "2176",
		 RESTART, "bytes of a packet buffer, of which 128 are headroom"),
	CONF_U32("tables.nexthops", struct config, tables.nexthops, 16, 1048576, "1024", RESTART,
		 "gateways and on-link hosts in use at once"),
	CONF_U32("tables.mailbox", struct config, tables.mailbox, 64, 1048576, "1024", RESTART,
		 "messages that wait for an lcore"),
	CONF_U32("tables.port_queue", struct config, tables.port_queue, 32, 32768, "512", RESTART,
		 "descriptors of a port's queue"),
	CONF_U32("tables.hold_per_nexthop", struct config, tables.hold_per_nexthop, 0, 64, "8",
		 RELOAD, "packets that wait for one next hop to be resolved"),
	CONF_U32("tables.hold_total", struct config, tables.hold_total, 0, 4096, "256", RELOAD,
		 "packets that wait for next hops together"),

	CONF_U32("rs.handshake_threads", struct config, rs.handshake_threads, 1, 64, "1", RESTART,
		 "threads that compute handshakes"),
	CONF_MAPS("rs.pools", struct config, rs.pools, rs.n_pools, pool_rows, RESTART,
		  "public addresses of RS-N"),
	CONF_END,
};
/* clang-format on */

int config_address_parse(const char *text, struct ip_addr *ip, uint8_t *len)
{
	const char *slash = strchr(text, '/');
	char host[IP_TEXT_MAX];
	unsigned int bits = 0, max;

	if (slash == NULL || (size_t)(slash - text) >= sizeof(host) || slash[1] == '\0' ||
	    strlen(slash + 1) > 3)
		return -EINVAL;
	memcpy(host, text, (size_t)(slash - text));
	host[slash - text] = '\0';
	if (ip_parse(host, ip) < 0 || !ip_is_unicast(ip))
		return -EINVAL;
	for (const char *p = slash + 1; *p != '\0'; p++) {
		if (*p < '0' || *p > '9')
			return -EINVAL;
		bits = bits * 10 + (unsigned int)(*p - '0');
	}
	max = ip_is_v4(ip) ? 32 : 128;
	if (bits > max)
		return -EINVAL;
	*len = (uint8_t)(128 - max + bits);
	return 0;
}

static void check_addresses(const struct config_iface *f, uint32_t at, struct conf_report *r)
{
	char path[64];
	struct ip_addr ip;
	uint8_t len;

	snprintf(path, sizeof(path), "interfaces[%u].addresses", at);
	if (f->n_addresses == 1 && strcmp(f->addresses[0], "kernel") == 0)
		return;
	for (uint32_t i = 0; i < f->n_addresses; i++)
		if (config_address_parse(f->addresses[i], &ip, &len) < 0)
			yaml_conf_reject(r, path, "%s is no address with prefix length",
					 f->addresses[i]);
}

static void check_iface(const struct config *c, uint32_t at, struct conf_report *r)
{
	const struct config_iface *f = &c->ifaces[at];
	char path[64];

	snprintf(path, sizeof(path), "interfaces[%u].name", at);
	if (f->name[0] == '\0' || strpbrk(f->name, "/ \t:%") != NULL)
		yaml_conf_reject(r, path, "\"%s\" is no interface name", f->name);
	for (uint32_t i = 0; i < at; i++) {
		if (strcmp(c->ifaces[i].name, f->name) == 0)
			yaml_conf_reject(r, path, "%s is there twice", f->name);
		if (strcmp(c->ifaces[i].port, f->port) == 0 && c->ifaces[i].vlan == f->vlan)
			yaml_conf_reject(r, path, "%s has the port and VLAN of %s", f->name,
					 c->ifaces[i].name);
	}
	check_addresses(f, at, r);
	/* Ethernet header, VLAN tag and the headroom the mbuf keeps for new headers */
	if (f->mtu + 18 + 128 > c->tables.packet_bytes) {
		snprintf(path, sizeof(path), "interfaces[%u].mtu", at);
		yaml_conf_reject(r, path, "%u needs tables.packet_bytes of at least %u", f->mtu,
				 f->mtu + 18 + 128);
	}
}

static bool port_in_workers(const struct config *c, uint32_t port)
{
	return port >= c->ntm.base_port && port < c->ntm.base_port + c->lcores.workers;
}

static void check_ntm(const struct config *c, struct conf_report *r)
{
	if (c->ntm.base_port + c->lcores.workers > 65536)
		yaml_conf_reject(r, "ntm.base_port", "%u leaves no ports for %u workers",
				 c->ntm.base_port, c->lcores.workers);
	if (port_in_workers(c, c->ntm.port))
		yaml_conf_reject(r, "ntm.port", "%u is a worker's port (ntm.base_port)",
				 c->ntm.port);
	if (c->ntm.alt_port == c->ntm.port || port_in_workers(c, c->ntm.alt_port))
		yaml_conf_reject(r, "ntm.alt_port", "%u is in use by NTM already", c->ntm.alt_port);
}

static void check_rest(const struct config *c, struct conf_report *r)
{
	if (c->n_roles == 0)
		yaml_conf_reject(r, "role", "at least one of rs, dc");
	if (c->n_ifaces == 0)
		yaml_conf_reject(r, "interfaces", "at least one");
	if (c->lcores.n_worker_cpus != 0 && c->lcores.n_worker_cpus != c->lcores.workers)
		yaml_conf_reject(r, "lcores.worker_cpus", "%u sets for %u workers",
				 c->lcores.n_worker_cpus, c->lcores.workers);
	if (strchr(c->dpdk.file_prefix, '/') != NULL || c->dpdk.file_prefix[0] == '\0' ||
	    c->dpdk.file_prefix[0] == '.')
		yaml_conf_reject(r, "dpdk.file_prefix", "a plain file name");
	for (uint32_t i = 0; i < c->rs.n_pools; i++)
		if (c->rs.pools[i].port_min > c->rs.pools[i].port_max)
			yaml_conf_reject(r, "rs.pools", "port_min %u is above port_max %u",
					 c->rs.pools[i].port_min, c->rs.pools[i].port_max);
}

int config_load(const char *path, struct config *c, struct conf_report *r)
{
	int ret = yaml_conf_load(config_rows, path, c, r);

	if (ret < 0)
		return ret;
	for (uint32_t i = 0; i < c->n_ifaces; i++)
		check_iface(c, i, r);
	check_ntm(c, r);
	check_rest(c, r);
	return r->n_errors > 0 ? -EINVAL : 0;
}
