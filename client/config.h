/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLIENT_CONFIG_H
#define CLIENT_CONFIG_H

/* Keys of ntmd.yaml, in one table (common/yaml_conf.h). Plain memory; immutable after the load. */
#include "common/yaml_conf.h"

#include <net/if.h>

enum {
	CONFIG_NAME_SIZE = 254,
	CONFIG_JOIN_SIZE = 640 /* JOIN_TEXT_MAX and some */,
	CONFIG_LINKS_MAX = 16,
	CONFIG_SERVERS_MAX = 4,
	CONFIG_RELAY_MAX = 64,
};

enum config_dns_mode { CONFIG_DNS_OFF, CONFIG_DNS_LISTEN, CONFIG_DNS_FILE, CONFIG_DNS_RESOLVED };

struct config {
	char name[CONFIG_NAME_SIZE];
	char join[CONFIG_JOIN_SIZE];
	char dc_name[CONFIG_NAME_SIZE];
	char dc_key[64];
	struct endpoint dc[CONFIG_SERVERS_MAX];
	uint32_t dc_n;
	char state_dir[200];
	char control_socket[100];
	uint32_t log_level;

	char links[CONFIG_LINKS_MAX][IFNAMSIZ];
	uint32_t links_n;
	uint32_t port;
	uint32_t mark;
	char tun_name[IFNAMSIZ];

	uint32_t dns_mode;
	struct endpoint dns_listen[2];
	uint32_t dns_listen_n;
	struct endpoint dns_upstream[CONFIG_SERVERS_MAX];
	uint32_t dns_upstream_n;
	char resolv_conf[200];
	char relay[CONFIG_RELAY_MAX][CONFIG_NAME_SIZE];
	uint32_t relay_n;
	bool relay_fails_open;

	uint32_t suites[6];
	uint32_t suites_n;
	bool optimise;
	bool pin_strict;
	uint64_t keepalive_ns, keepalive_max_ns;
	uint64_t rekey_after_ns, reject_after_ns, control_rekey_ns;
	uint64_t rekey_after_packets, reject_after_packets;
};

extern const struct conf_row config_rows[];
extern const char config_title[];

/* 0 or -errno; what is wrong is in r (yaml_conf.h), which the caller prints and frees. */
int config_load(const char *path, struct config *c, struct conf_report *r);
/* Checks across keys. */
int config_check(const struct config *c, struct conf_report *r);

#endif
