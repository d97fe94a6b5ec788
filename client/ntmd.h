/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLIENT_NTMD_H
#define CLIENT_NTMD_H

/* The daemon: the node's core with sockets, a TUN, names and a control socket around it. One
 * thread and one loop.
 */
#include "client/config.h"
#include "client/dc_find.h"
#include "client/dns_io.h"
#include "client/dp.h"
#include "client/loop.h"
#include "client/netmon.h"
#include "client/node.h"
#include "client/offload.h"
#include "client/state.h"
#include "client/tun.h"
#include "client/udp.h"
#include "common/ctl.h"
#include "common/join.h"

struct ntmd_link {
	struct udp_link udp;
	struct loop_fd fd[2];
	struct ntmd *d;
	uint8_t number;
	bool is_used;
};

struct ntmd {
	const char *config_path;
	struct config conf;
	struct join join;
	uint8_t public_key[NOISE_KEY_LEN];
	struct rng rng;
	struct loop loop;
	struct state state;
	struct dc_find *find; /* the DC's addresses are looked for */
	struct node *node;    /* NULL until they are known */
	struct dp *dp;
	struct tun tun;
	struct netmon netmon;
	struct dns_io *dns; /* NULL: dns.mode off */
	struct ctl_server *ctl;
	struct ntmd_link links[NODE_LINKS_MAX];
	struct udp_batch *batch;
	struct udp_rx *rx;
	struct udp_counters udp;
	struct offload_split split;
	uint64_t turn_ns; /* when what is being read from the TUN began */
	struct offload_join *coalesce;
	uint8_t *tun_buf;
	struct loop_fd tun_fd, netmon_fd, ctl_fd, signal_fd;
	uint64_t start_ns, slept_ns;
	uint8_t rx_family;
	bool is_stopping, is_failed, has_resolv;
};

/* 0 or -errno with a line in the log; what was started is stopped again on failure. */
int ntmd_start(struct ntmd *d);
/* Until a signal says so. */
void ntmd_run(struct ntmd *d);
void ntmd_stop(struct ntmd *d);
/* reload.c: take over what the file says now, the whole of it or, where a key needs a restart or is
 * wrong, nothing; see common/ctl.h's reload. Returns the answer.
 */
json_t *ntmd_reload(struct ntmd *d);

/* ctl_node.c */
extern const struct ctl_command ntmd_commands[];

/* names.c: DNS and directions */
int names_start(struct ntmd *d);
void names_stop(struct ntmd *d);
void names_registered(struct ntmd *d, const struct node_registration *r);
int names_relay_set(struct ntmd *d);

#endif
