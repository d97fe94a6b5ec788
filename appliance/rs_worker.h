/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_RS_WORKER_H
#define APPLIANCE_RS_WORKER_H

/* Inside of the RS data path: what the stages of appliance/pipeline see, and how it is made. The
 * control lcore's view is rs_dp.h.
 */
#include "appliance/binding.h"
#include "appliance/frag_table.h"
#include "appliance/leg_table.h"
#include "appliance/nat_flow.h"
#include "appliance/pipeline/meta.h"
#include "appliance/relay_table.h"
#include "appliance/rs_dp.h"

#include <rte_ring.h>
#include <stdatomic.h>

struct rte_rcu_qsbr;
struct rng;
struct batch_fifo; /* appliance/batch_fifo.h */
struct worker;

enum {
	RS_LOCALS_MAX = 1024,
	RS_WORKERS_MAX = 32,
	RS_PREFIXES_MAX = 64,
	RS_SHARED = 0xffff, /* as worker of a local: every worker hears it */
};
/* Events of one path side, or of one leg, about strangers: at most one in this time and worker. */
#define RS_STRANGER_EVENT_NS 20000000ULL
/* One ICMP hint of a worker in this time. */
#define RS_HINT_NS 5000000ULL

struct rs_local {
	struct endpoint ep;
	uint16_t worker;
	uint32_t sum; /* of address and port, for checksums */
};

/* What is rarely needed about a path, by its number; shared by all workers, so atomic. */
struct path_ctl {
	_Atomic uint32_t event_ms[RS_SIDES]; /* of the last stranger event, low bits of now */
	_Atomic uint16_t strays[RS_SIDES];   /* left to forward, by sending side */
	_Atomic uint16_t handshakes;
	uint32_t leg[RS_SIDES]; /* slot + 1 whose credit counts towards the side */
	/* Sums by sending side: path_count.h. */
	_Atomic uint64_t packets[RS_SIDES];
	_Atomic uint64_t bytes[RS_SIDES];
} __rte_aligned(64);

/* Rings from one worker to control, most important first. */
enum rs_event_class { RS_CLASS_SEALED, RS_CLASS_HINT, RS_CLASS_STRANGER, RS_CLASSES };

/* First parts (types 1 and 2) that wait for their second or the reverse; by owning worker. */
enum { RS_PARTS = 256, RS_PART_WAYS = 4, RS_PART_NS = 200000000 };

struct rs_part {
	struct rte_mbuf *m;  /* NULL: free; data is the opened body */
	uint64_t index, seq; /* of the leg; of the first part */
	uint64_t until_ns;
	uint8_t flags; /* byte 1 of the header */
	bool is_second;
};

/* One worker's part. */
struct rs_worker {
	struct rs_dp *dp;
	uint16_t id;
	struct rte_ring *events[RS_CLASSES];
	uint64_t events_lost; /* events without a packet, ring full */
	bool event_put;	      /* since the worker last woke control; see rs_worker_turn() */
	struct aead *aead;
	struct batch_fifo *fifo; /* batches for aead, or for another worker's */
	struct nat *nat;
	struct frag_table *frags_node, *frags_gn; /* pieces of inner and of GN-side datagrams */
	struct rs_part parts[RS_PARTS];
	uint32_t n_parts, part_hand;
	uint8_t *scratch;      /* RS_SCRATCH bytes: a whole datagram while it is translated */
	uint16_t ip_id;	       /* of IPv4 headers made here */
	uint64_t hint_next_ns; /* RS_EV_ICMP_ERROR may go up again */
	uint64_t icmp_ms;      /* errors made in this millisecond */
	unsigned int icmp_n;
} __rte_cache_aligned; /* no line of two workers */

enum {
	RS_SCRATCH_HEADROOM = 128,
	RS_SCRATCH = RS_SCRATCH_HEADROOM + 65536 + 64,
	RS_TUNNEL_MTU = 1420,
	RS_TUNNEL_MTU_CBC = 1408,
	RS_INNER_MIN = 1280,
	RS_ICMP_PER_MS = 8, /* ICMP errors that one worker makes */
};

struct rs_dp_config {
	uint16_t n_workers;
	uint32_t paths_max;
	uint32_t legs_max;
	uint32_t keys_max; /* epochs held over all legs; 0: twice legs_max */
	uint32_t bindings_max;
	bool share_crypto;	   /* let workers help each other; batch_fifo.h */
	uint32_t event_ring;	   /* entries per worker and class; 0: 1024 */
	struct rte_rcu_qsbr *qsbr; /* NULL: control and workers are one thread (tests) */
	struct rng *rng;
	uint32_t key_soft_packets, key_hard_packets; /* 0: KEY_SOFT_PACKETS, KEY_HARD_PACKETS */
	enum aead_isa aead;
	struct nat_config nat;	 /* n_ranges 0: no NAT, RS-S alone; zero times: defaults */
	struct frag_config frag; /* zero: defaults */
	/* Destinations: these networks are served though not global unicast; these never are. */
	struct ip_prefix inner[RS_PREFIXES_MAX], refused[RS_PREFIXES_MAX];
	unsigned int n_inner, n_refused;
};

/* A subscriber without legs: its number is free once its owner has ended its flows. */
struct rs_gone {
	uint32_t subscriber;
	uint64_t token; /* of the grace period after which nobody makes new ones */
};

struct rs_dp {
	/* Constant after rs_dp_create(). */
	uint16_t n_workers;
	struct relay_table *paths;
	struct path_ctl *path_ctl;
	struct leg_table *legs;
	struct rs_worker *workers;
	struct rte_rcu_qsbr *qsbr;
	uint32_t paths_max;
	uint32_t key_soft_packets, key_hard_packets;
	struct ip_prefix inner[RS_PREFIXES_MAX], refused[RS_PREFIXES_MAX];
	unsigned int n_inner, n_refused;

	/* Written by control; entries below n_locals never change. */
	_Atomic uint32_t n_locals;
	struct rs_local locals[RS_LOCALS_MAX];

	struct binding_table bindings; /* written by control, read by workers */

	/* Control. */
	unsigned int next_worker; /* whose rings rs_dp_events() begins with */
	struct rs_gone *gone;	  /* subscribers whose flows have to end first */
	uint32_t n_gone;
};

/* NULL with errno. The big tables are made here and never grow. Main thread, before the lcores. */
struct rs_dp *rs_dp_create(const struct rs_dp_config *cfg);
/* After the lcores have stopped. Frees the packets of events nobody took. */
void rs_dp_destroy(struct rs_dp *dp);
struct rs_worker *rs_dp_worker(struct rs_dp *dp, uint16_t id);

/* Index of the endpoint, -ENOENT if it is none of ours. Any thread; a walk over few entries. */
int rs_local_find(const struct rs_dp *dp, const struct endpoint *ep);

/* Timers of the worker: flows, pieces and parts that have waited long enough. Owning worker, every
 * turn of its loop, outside of the stages; bounded work.
 */
void rs_worker_turn(struct worker *w);

/* From a worker's stages. With a packet (ev->m) ownership passes; a full ring drops it by name. */
void rs_event_put(struct worker *w, enum rs_event_class c, struct rs_event *ev);

#endif
