/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/config.h"
#include "common/base64.h"
#include "common/join.h"
#include "common/msg.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const dns_modes[] = {"off", "listen", "file", "resolved", NULL};
static const char *const levels[] = {"err", "warn", "notice", "info", "debug", NULL};
/* The index is the suite's number on the wire. */
static const char *const suite_words[] = {"none",
					  "aes-128-gcm",
					  "aes-256-gcm",
					  "chacha20-poly1305",
					  "aes-128-cbc+hmac-md5",
					  "aes-128-cbc+hmac-sha256-128",
					  NULL};

const char config_title[] = "ntmd, the node daemon";

/* clang-format off */
const struct conf_row config_rows[] = {
	CONF_STRING("name", struct config, name, "", RESTART,
		"FQDN of this node; empty: the one in the join line."),
	CONF_SECRET("join", struct config, join, "", RESTART,
		"The line that `ntmctl node add` printed at the DC (ntm1:...). Only the first start needs its token."),
	CONF_STRING("dc.name", struct config, dc_name, "", RESTART, "Name of the DC; empty: the one in the join line."),
	CONF_STRING("dc.key", struct config, dc_key, "", RESTART,
		"The DC's public key, base64; empty: the one in the join line."),
	CONF_LIST(ENDPOINT, "dc.endpoints", struct config, dc, dc_n, "", RESTART,
		"Where the DC listens; empty: its name is looked up. Port 0: 5525, then 443."),
	CONF_STRING("state_dir", struct config, state_dir, "/var/lib/ntmd", RESTART,
		"Folder for the private key and what must survive a restart."),
	CONF_STRING("control_socket", struct config, control_socket, "/run/ntm/ntmd.sock", RESTART,
		"Where ntmctl speaks to the daemon."),
	CONF_ENUM("log.level", struct config, log_level, levels, "info", RELOAD, "How much is told."),
	CONF_LIST(STRING, "links", struct config, links, links_n, "", RESTART,
		"Interfaces that may carry paths, best first; empty: all, cable before radio before cellular."),
	CONF_U32("port", struct config, port, 0, 65535, "5525", RESTART,
		"UDP port for everything; 0: any."),
	CONF_U32("mark", struct config, mark, 0, 0xffffffff, "0", RESTART,
		"Firewall mark of the outer sockets, for policy routing; 0: none."),
	CONF_STRING("tun", struct config, tun_name, "ntm0", RESTART, "Name of the virtual interface."),
	CONF_ENUM("dns.mode", struct config, dns_mode, dns_modes, "file", RESTART,
		"file: resolv_conf names the stub while the daemon runs; resolved: systemd-resolved sends our suffixes alone; listen: only listen; off: no stub."),
	CONF_LIST(ENDPOINT, "dns.listen", struct config, dns_listen, dns_listen_n, "127.0.0.153:53", RESTART,
		"Where the stub resolver listens, UDP and TCP."),
	CONF_LIST(ENDPOINT, "dns.upstream", struct config, dns_upstream, dns_upstream_n, "", RESTART,
		"Resolvers for all other names; empty: those of resolv_conf."),
	CONF_STRING("dns.resolv_conf", struct config, resolv_conf, "/etc/resolv.conf", RESTART,
		"Written in place with dns.mode file, and put back at the end."),
	CONF_LIST(STRING, "relay.names", struct config, relay, relay_n, "", RELOAD,
		"General hosts, by name or suffix, whose connections shall survive moves: they go through a relay server (RS-N)."),
	CONF_BOOL("relay.fail_open", struct config, relay_fails_open, "false", RESTART,
		"Without a DC a name of relay.names gets its real address, and its connections do not survive a move."),
	CONF_LIST_ENUM("suites", struct config, suites, suites_n, suite_words,
		"aes-128-gcm, aes-256-gcm, chacha20-poly1305", RESTART, "Suites this node takes."),
	CONF_BOOL("optimise", struct config, optimise, "true", RESTART, "Look for direct routes behind the relay."),
	CONF_BOOL("pin_strict", struct config, pin_strict, "false", RESTART,
		"Refuse a peer whose key is not the one it showed before; else it is only told."),
	CONF_DURATION("keepalive.first", struct config, keepalive_ns, CONF_SEC(1), CONF_SEC(3600), "25s", RESTART,
		"First interval of keep-alives; it grows where the NAT holds its mapping longer."),
	CONF_DURATION("keepalive.max", struct config, keepalive_max_ns, CONF_SEC(1), CONF_SEC(3600), "15m", RESTART,
		"Longest interval."),
	CONF_DURATION("session.rekey_after", struct config, rekey_after_ns, CONF_SEC(1), CONF_SEC(86400), "120s", RESTART,
		"New data keys after this much use."),
	CONF_U64("session.rekey_packets", struct config, rekey_after_packets, 16, UINT64_C(1) << 40, "268435456", RESTART,
		"New data keys after this many packets."),
	CONF_DURATION("session.reject_after", struct config, reject_after_ns, CONF_SEC(2), CONF_SEC(86400), "180s", RESTART,
		"Data under older keys is refused."),
	CONF_U64("session.reject_packets", struct config, reject_after_packets, 32, UINT64_C(1) << 41, "536870912", RESTART,
		"Data past this many packets of a key is refused."),
	CONF_DURATION("session.control_rekey", struct config, control_rekey_ns, CONF_SEC(10), CONF_SEC(604800), "6h", RESTART,
		"New keys of associations that carry only control."),
	CONF_END,
};
/* clang-format on */

static bool name_ok(const char *name)
{
	return name[0] == '\0' || name_is_valid(name, strlen(name));
}

static bool key_ok(const char *text)
{
	uint8_t key[JOIN_KEY_LEN];

	return base64_decode(text, strlen(text), key, sizeof(key)) == 0;
}

int config_check(const struct config *c, struct conf_report *r)
{
	struct join j;
	int ret = 0;

	if (!name_ok(c->name))
		ret = yaml_conf_reject(r, "name",
				       "not a name: lower-case labels of letters, digits, '-'");
	if (!name_ok(c->dc_name))
		ret = yaml_conf_reject(r, "dc.name", "not a name");
	if (c->dc_key[0] != '\0' && !key_ok(c->dc_key))
		ret = yaml_conf_reject(r, "dc.key", "is not 32 bytes in base64");
	if (c->join[0] != '\0' && join_parse(c->join, &j) < 0)
		ret = yaml_conf_reject(r, "join",
				       "not a join line (ntm1:NAME:DC:KEY:TOKEN:EXPIRES)");
	if (c->join[0] == '\0' &&
	    (c->name[0] == '\0' || c->dc_name[0] == '\0' || c->dc_key[0] == '\0'))
		ret = yaml_conf_reject(r, "join", "needed, or all of name, dc.name and dc.key");
	for (uint32_t i = 0; i < c->suites_n; i++) {
#ifndef NTM_INSECURE_BENCH
		if (c->suites[i] == 0)
			ret = yaml_conf_reject(
				r, "suites",
				"\"none\" is only in builds for measuring (-Dinsecure_bench=true)");
#endif
	}
	if (c->suites_n == 0)
		ret = yaml_conf_reject(r, "suites", "at least one is needed");
	for (uint32_t i = 0; i < c->relay_n; i++)
		if (!name_is_valid(c->relay[i], strlen(c->relay[i])))
			ret = yaml_conf_reject(r, "relay.names", "\"%s\" is not a name",
					       c->relay[i]);
	if (c->keepalive_max_ns < c->keepalive_ns)
		ret = yaml_conf_reject(r, "keepalive.max", "is below keepalive.first");
	if (c->reject_after_ns <= c->rekey_after_ns)
		ret = yaml_conf_reject(r, "session.reject_after",
				       "must be above session.rekey_after");
	if (c->reject_after_packets <= c->rekey_after_packets)
		ret = yaml_conf_reject(r, "session.reject_packets",
				       "must be above session.rekey_packets");
	return ret;
}

int config_load(const char *path, struct config *c, struct conf_report *r)
{
	int ret = yaml_conf_load(config_rows, path, c, r);

	return ret == 0 ? config_check(c, r) : ret;
}
