/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/config.h"
#include "appliance/aead.h"
#include "appliance/nat_pool.h"
#include "appliance/port.h"
#include "appliance/worker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char config_title[] = "ntm-appliance: relay server (RS) and direction coordinator (DC)";

static const char *const role_words[] = {"rs", "dc", NULL};
static const char *const idle_words[] = {"adaptive", "poll", NULL};
static const char *const auto_words[] = {"auto", "off", NULL};
static const char *const filter_words[] = {"address", "endpoint", NULL};
static const char *const side_words[] = {"both", "access", "outside", NULL};
/* In the order of enum suite, whose number is the wire's. */
static const char *const suite_words[] = {"none",
					  "aes-128-gcm",
					  "aes-256-gcm",
					  "chacha20-poly1305",
					  "aes-128-cbc+hmac-md5",
					  "aes-128-cbc+hmac-sha256-128",
					  NULL};
static const char *const level_words[] = {"err", "warn", "notice", "info", "debug", NULL};

/* clang-format off */
static const struct conf_row iface_rows[] = {
	CONF_STRING("name", struct config_iface, name, NULL, RESTART,
		    "name of the TAP through which Linux has its part: ARP, ND, ICMP, TCP"),
	CONF_STRING("port", struct config_iface, port, NULL, RESTART,
		    "DPDK device: a PCI address such as 0000:03:00.0, or a virtual one such as "
		    "net_af_packet0,iface=veth0; net_bonding0,mode=1 joins the members"),
	CONF_LIST(STRING, "members", struct config_iface, members, n_members, "", RESTART,
		  "devices that a net_bonding port joins; mode=0 takes turns, 1 is active and "
		  "backup, 2 balances, 4 is LACP"),
	CONF_U32("vlan", struct config_iface, vlan, 0, 4094, "0", RESTART,
		 "VLAN of this interface on its port; 0 is untagged"),
	CONF_ENUM("side", struct config_iface, side, side_words, "both", RESTART,
		  "access faces nodes, outside faces general hosts"),
	CONF_ENUM("flow_rules", struct config_iface, flow_rules, auto_words, "auto", RESTART,
		  "auto: with several workers, ask the NIC to put packets on the queue of the worker "
		  "that needs them; what it does not take goes on by ring; off: do not ask"),
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

static const struct conf_row peer_rows[] = {
	CONF_STRING("name", struct config_peer, name, NULL, RESTART, "name of the DC"),
	CONF_STRING("key", struct config_peer, key, NULL, RESTART, "its public key, base64"),
	CONF_SECRET("psk", struct config_peer, psk, NULL, RESTART,
		    "32 bytes that both share, base64"),
	CONF_ENDPOINT("endpoint", struct config_peer, endpoint, "", RESTART,
		      "where it is; empty: it opens"),
	CONF_LIST(STRING, "zones", struct config_peer, zones, n_zones, "", RESTART,
		  "all that it may speak for"),
	CONF_END,
};

const struct conf_row config_rows[] = {
	CONF_LIST_ENUM("role", struct config, roles, n_roles, role_words, "rs", RESTART,
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
		      "1ms", RESTART,
		      "longest sleep of an idle worker all of whose ports can wake it (net_af_packet)"),
	CONF_DURATION("idle.look_every", struct config, idle_look_every_ns, 10000, CONF_MS(100),
		      "30us", RESTART,
		      "longest sleep where a port cannot: what a first packet waits; shorter sleeps take more of the CPU"),
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
	CONF_U32("tables.packet_bytes", struct config, tables.packet_bytes, 0, 16384, "0",
		 RESTART, "bytes of a packet buffer, of which 128 are headroom; 0: as the largest mtu "
		 "of the interfaces needs, 2176 for 1500, 9344 for 9000"),
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

	CONF_U32("handshake_threads", struct config, handshake_threads, 1, 64, "1", RESTART,
		 "threads that compute handshakes"),
	CONF_LIST_ENUM("suites", struct config, suites, n_suites, suite_words,
		       "aes-128-gcm, aes-256-gcm, chacha20-poly1305", RESTART,
		       "how packets may be protected; the cbc ones are those of the papers"),
	CONF_DURATION("limits.rekey_after", struct config, limits.rekey_after_ns, CONF_SEC(1),
		      CONF_SEC(86400), "120s", RESTART, "age at which data keys are made anew"),
	CONF_U64("limits.rekey_packets", struct config, limits.rekey_after_packets, 16,
		 UINT64_C(1) << 40, "268435456", RESTART, "or after so many packets"),
	CONF_DURATION("limits.reject_after", struct config, limits.reject_after_ns, CONF_SEC(2),
		      CONF_SEC(86400), "180s", RESTART, "age past which data is refused"),
	CONF_U64("limits.reject_packets", struct config, limits.reject_after_packets, 32,
		 UINT64_C(1) << 40, "536870912", RESTART, "or past so many packets"),
	CONF_DURATION("limits.control_rekey", struct config, limits.control_rekey_ns, CONF_SEC(10),
		      CONF_SEC(864000), "6h", RESTART,
		      "age at which keys of associations without data are made anew"),

	CONF_STRING("rs.name", struct config, rs.name, "", RESTART,
		    "name of this RS; empty: rs1 below the DC's zone"),
	CONF_STRING("rs.store", struct config, rs.store, "", RESTART,
		    "folder for its keys; empty: that of the DC in this process"),
	CONF_SECRET("rs.join", struct config, rs.join, "", RESTART,
		    "join string that the DC made for it (node_add with kind rs); an RS beside its DC needs none"),
	CONF_LIST(ENDPOINT, "rs.dc", struct config, rs.dc, rs.n_dc, "", RESTART,
		  "where its DC is; an RS beside its DC needs none"),
	CONF_U32("rs.legs", struct config, rs.legs, 16, RS_LEGS_LIMIT, "4096", RESTART,
		 "nodes with an association here"),
	CONF_U32("rs.paths", struct config, rs.paths, 16, RS_PATHS_LIMIT, "16384", RESTART,
		 "paths bound here"),
	CONF_U32("rs.bindings", struct config, rs.bindings, 16, 1 << 24, "16384", RESTART,
		 "general hosts of all nodes"),
	CONF_ENUM("rs.aead", struct config, rs.aead, aead_isa_words, "best", RESTART,
		  "who protects packets of RS-N: best is the fastest variant of IPsec-MB that the "
		  "CPU has, OpenSSL without AES-NI; noaesni is OpenSSL in any case"),
	CONF_ENUM("rs.share_crypto", struct config, rs.share_crypto, auto_words, "auto", RESTART,
		  "auto: workers with time help one whose legs bring more than it can seal and "
		  "open; off: each does its own, and a leg gets no more than one core"),
	CONF_MAPS("rs.pools", struct config, rs.pools, rs.n_pools, pool_rows, RESTART,
		  "public addresses of RS-N; none: no general hosts"),
	CONF_LIST(PREFIX, "rs.inner", struct config, rs.inner, rs.n_inner, "", RESTART,
		  "networks that are not global, yet served as general hosts"),

	CONF_U32("rs.nat.flows", struct config, rs.nat.flows, 64, 1 << 26, "16384", RESTART,
		 "flows per worker"),
	CONF_U32("rs.nat.subscriber_ports", struct config, rs.nat.subscriber_ports, 1, 65535,
		 "2048", RESTART, "ports that one node may hold (RFC 6888 REQ-4)"),
	CONF_U32("rs.nat.subscriber_flows", struct config, rs.nat.subscriber_flows, 1, 1 << 26,
		 "8192", RESTART, "flows that one node may hold"),
	CONF_ENUM("rs.nat.filter", struct config, rs.nat.filter, filter_words, "address", RESTART,
		  "who may send to a mapping: addresses it has sent to, or anyone (endpoint; RFC "
		  "4787 REQ-8)"),
	CONF_BOOL("rs.nat.hairpin", struct config, rs.nat.hairpin, "yes", RESTART,
		  "let nodes reach each other's mappings (RFC 4787 REQ-9)"),
	CONF_DURATION("rs.nat.udp", struct config, rs.nat.udp_ns, CONF_SEC(1), CONF_SEC(86400),
		      "5m", RESTART, "idle time of a UDP mapping (RFC 4787 REQ-5)"),
	CONF_DURATION("rs.nat.tcp_open", struct config, rs.nat.tcp_open_ns, CONF_SEC(1),
		      CONF_SEC(864000), "124m", RESTART,
		      "idle time of an established TCP connection (RFC 5382 REQ-5)"),
	CONF_DURATION("rs.nat.tcp_half", struct config, rs.nat.tcp_half_ns, CONF_SEC(1),
		      CONF_SEC(86400), "4m", RESTART, "of one that is opening or closing"),
	CONF_DURATION("rs.nat.icmp", struct config, rs.nat.icmp_ns, CONF_SEC(1), CONF_SEC(86400),
		      "60s", RESTART, "idle time of an ICMP mapping (RFC 5508 REQ-2)"),
	CONF_U32("rs.frag.datagrams", struct config, rs.frag.datagrams, 8, 1 << 20, "256", RESTART,
		 "datagrams in pieces that a worker puts together at once, per direction"),
	CONF_U32("rs.frag.pieces", struct config, rs.frag.pieces, 8, 1 << 22, "1024", RESTART,
		 "pieces it holds for them; each is a packet buffer"),
	CONF_DURATION("rs.frag.wait", struct config, rs.frag.wait_ns, CONF_MS(10), CONF_SEC(120),
		      "2s", RESTART, "how long a datagram may take from its first piece to its last"),

	CONF_STRING("dc.zone", struct config, dc.zone, "", RESTART,
		    "DNS zone whose nodes this DC knows; needed for the role"),
	CONF_STRING("dc.name", struct config, dc.name, "", RESTART,
		    "name of the DC and its name server; empty: ns below the zone"),
	CONF_STRING("dc.store", struct config, dc.store, "/var/lib/ntm/dc", RESTART,
		    "folder of the registry and of the DC's keys"),
	CONF_SIZE("dc.store_bytes", struct config, dc.store_bytes, 1 << 20, UINT64_C(1) << 40,
		  "1G", RESTART, "how large the registry may grow"),
	CONF_STRING("dc.zone_file", struct config, dc.zone_file, "", RESTART,
		    "further records of the zone, as RFC 1035 writes them; empty: none"),
	CONF_PREFIX("dc.pool4", struct config, dc.pool4, "240.0.0.0/12", RESTART,
		    "virtual IPv4 addresses of nodes"),
	CONF_PREFIX("dc.pool6", struct config, dc.pool6, "", RESTART,
		    "virtual IPv6 addresses of nodes; empty: a random ULA /64, kept in the store"),
	CONF_PREFIX("dc.gn4", struct config, dc.gn4, "241.0.0.0/16", RESTART,
		    "virtual IPv4 addresses of general hosts, the same for all nodes"),
	CONF_PREFIX("dc.gn6", struct config, dc.gn6, "", RESTART,
		    "virtual IPv6 addresses of general hosts; empty: beside pool6"),
	CONF_LIST(STRING, "dc.relay_names", struct config, dc.relay_names, dc.n_relay, "", RESTART,
		  "names of general hosts, or suffixes of them, that nodes reach by RS-N; empty: "
		  "all"),
	CONF_IP("dc.resolver", struct config, dc.resolver, "", RESTART,
		"DNS server for look-ups of the DC's own; empty: from the root servers down"),
	CONF_STRING("dc.trust_anchor", struct config, dc.trust_anchor, "", RESTART,
		    "file of DNSSEC trust anchors; empty: nothing is validated"),
	CONF_MAPS("dc.peers", struct config, dc.peers, dc.n_peers, peer_rows, RESTART,
		  "other DCs"),
	CONF_U32("dc.nodes", struct config, dc.nodes, 1, 10000000, "10000", RESTART,
		 "nodes enrolled"),
	CONF_U32("dc.paths", struct config, dc.paths, 16, 1 << 24, "65536", RESTART,
		 "paths at all RSs of this DC"),
	CONF_U32("dc.bindings", struct config, dc.bindings, 16, 1 << 24, "65536", RESTART,
		 "general hosts of all nodes"),
	CONF_DURATION("dc.key_lifetime", struct config, dc.key_lifetime_ns, CONF_SEC(60),
		      CONF_SEC(86400), "1d", RESTART, "of path and temporary keys"),
	CONF_DURATION("dc.keepalive", struct config, dc.keepalive_ns, CONF_SEC(1), CONF_SEC(900),
		      "25s", RESTART, "keep-alive interval that nodes begin with"),
	CONF_U32("dc.unproven_factor", struct config, dc.unproven_factor, 0, 100, "4", RESTART,
		 "DNS answers by UDP have at most so many times the bytes of a question without a valid "
		 "cookie; larger ones are empty with TC, for TCP; 0: no such limit"),
	CONF_U32("dc.rrl.rate", struct config, dc.rrl.rate, 0, 1000000, "200", RESTART,
		 "DNS answers per second and source network; 0: no limit"),
	CONF_U32("dc.rrl.burst", struct config, dc.rrl.burst, 1, 1000000, "400", RESTART,
		 "DNS answers at once after a rest"),
	CONF_U32("dc.rrl.slip", struct config, dc.rrl.slip, 0, 100, "2", RESTART,
		 "above the rate each so-manieth answer is truncated instead of dropped"),
	CONF_U32("dc.rrl.entries", struct config, dc.rrl.entries, 8, 1 << 24, "65536", RESTART,
		 "source networks watched"),
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

uint32_t config_packet_bytes(const struct config *c)
{
	uint32_t mtu = 0;

	if (c->tables.packet_bytes != 0)
		return c->tables.packet_bytes;
	for (uint32_t i = 0; i < c->n_ifaces; i++)
		mtu = RTE_MAX(mtu, c->ifaces[i].mtu);
	return RTE_PKTMBUF_HEADROOM + port_slot(mtu);
}

_Static_assert((int)CONFIG_POOLS_MAX <= (int)NAT_RANGES_MAX, "each pool has a range");

uint32_t config_nat_ranges(const struct config *c, struct nat_range *ranges)
{
	for (uint32_t i = 0; i < c->rs.n_pools; i++)
		ranges[i] = (struct nat_range){.prefix = c->rs.pools[i].prefix,
					       .port_min = (uint16_t)c->rs.pools[i].port_min,
					       .port_max = (uint16_t)c->rs.pools[i].port_max};
	return c->rs.n_pools;
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
	if (f->mtu + 18 + 128 > config_packet_bytes(c)) {
		snprintf(path, sizeof(path), "interfaces[%u].mtu", at);
		yaml_conf_reject(r, path, "%u needs tables.packet_bytes of at least %u", f->mtu,
				 f->mtu + 18 + 128);
	}
}

/* Interfaces on one port say its members once. */
static void check_bond(const struct config *c, uint32_t at, struct conf_report *r)
{
	const struct config_iface *f = &c->ifaces[at];
	uint32_t members = 0;
	char path[48];

	snprintf(path, sizeof(path), "interfaces[%u].members", at);
	if (!port_is_bond(f->port)) {
		if (f->n_members > 0)
			yaml_conf_reject(r, path, "%s joins no devices, net_bonding0 does",
					 f->port);
		return;
	}
	for (uint32_t i = 0; i < c->n_ifaces; i++)
		if (strcmp(c->ifaces[i].port, f->port) == 0)
			members += c->ifaces[i].n_members;
	if (members == 0)
		yaml_conf_reject(r, path, "a net_bonding port needs at least one");
	if (f->n_members > 0 && members > f->n_members)
		yaml_conf_reject(r, path, "said already for this port");
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

static void check_dc(struct config *c, struct conf_report *r)
{
	if (!config_has_role(c, ROLE_DC))
		return;
	if (c->dc.zone[0] == '\0') {
		yaml_conf_reject(r, "dc.zone", "the role dc needs one");
		return;
	}
	if (c->dc.name[0] == '\0' && snprintf(c->dc.name, sizeof(c->dc.name), "ns.%s",
					      c->dc.zone) >= (int)sizeof(c->dc.name))
		yaml_conf_reject(r, "dc.zone", "too long");
	if (c->rs.name[0] == '\0' && snprintf(c->rs.name, sizeof(c->rs.name), "rs1.%s",
					      c->dc.zone) >= (int)sizeof(c->rs.name))
		yaml_conf_reject(r, "dc.zone", "too long");
}

static void check_rs(const struct config *c, struct conf_report *r)
{
	struct join join;

	if (!config_has_role(c, ROLE_RS))
		return;
	if (c->rs.join[0] != '\0' && join_parse(c->rs.join, &join) < 0)
		yaml_conf_reject(r, "rs.join", "no join string");
	if (c->rs.join[0] != '\0' && c->rs.n_dc == 0)
		yaml_conf_reject(r, "rs.dc", "an RS that joins needs to know where its DC is");
	if (c->rs.join[0] != '\0' && c->rs.store[0] == '\0')
		yaml_conf_reject(r, "rs.store", "an RS that joins keeps its keys in a folder");
}

static void check_suites(const struct config *c, struct conf_report *r)
{
	if (c->n_suites == 0)
		yaml_conf_reject(r, "suites", "at least one");
#ifndef NTM_INSECURE_BENCH
	if (config_suites(c) & UINT32_C(1) << SUITE_NONE)
		yaml_conf_reject(r, "suites", "none is for builds with -Dinsecure_bench=true");
#endif
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
	for (uint32_t i = 0; i < c->n_ifaces; i++)
		check_bond(c, i, r);
	check_ntm(c, r);
	check_rest(c, r);
	check_suites(c, r);
	check_rs(c, r);
	check_dc(c, r);
	return r->n_errors > 0 ? -EINVAL : 0;
}
