/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLIENT_DATAPATH_H
#define CLIENT_DATAPATH_H

/* The seam between a node's protocol core (client/node.h) and its packet path. Behind it stands
 * the portable path of client/dp.h (TUN and simulation) or the kernel module; the core knows
 * neither.
 *
 * The packet path knows associations by the ID of packets to us (association index, or Path ID),
 * their keys, up to three numbered routes each, and which VIP goes into which association. It
 * seals, opens, checks addresses, holds packets that wait, and tells the core what it cannot decide.
 * DC associations are here too: one way to send and receive sealed control for all.
 *
 * Ops are called by the core's thread, events arrive on it. Ops may be called from inside events.
 * Nothing here blocks. Errors: 0 or -errno; -ENOENT: no such association.
 */
#include "common/ip.h"
#include "common/keys.h"
#include "common/msg.h"
#include "common/session.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	DATAPATH_ROUTES = 3,	     /* route numbers 0 to 2 */
	DATAPATH_HOLD_MAX = 32,	     /* packets held per VIP without a path */
	DATAPATH_SMALL_INNER = 1280, /* an inner packet up to this goes in two parts if it must */
	DATAPATH_PROBE_MAX = 1500,   /* longest body that send() must take */
};
#define DATAPATH_HOLD_NS 3000000000ULL

struct datapath_route {
	uint8_t link; /* number of the local link (client/node.h) */
	struct endpoint to;
	/* Largest outer IP packet; 0: not known yet, then inner packets above 1280 wait a while. */
	uint16_t outer;
	/* Address not proven: at most so many bytes until then; until 0: no limit. */
	uint32_t credit_bytes;
	uint64_t credit_until_ns;
};

struct datapath_assoc {
	uint64_t id;
	bool is_side_a;
	/* A path: inner sources must be one of these. Both none: an inner source must be a VIP that
	 * vip_set() gave to this very association (RS-N); of a DC there are none.
	 */
	struct vips peer;
	struct session_limits limits;
};

/* Where an authentic packet came from. */
struct datapath_rx {
	uint64_t id;
	uint8_t type; /* WIRE_CONTROL, WIRE_PROBE; any sealed type in moved() */
	uint8_t route;
	uint8_t link;
	bool is_highest;    /* greatest sequence of its route so far */
	uint16_t outer_len; /* UDP payload */
	struct endpoint from;
};

struct datapath_route_stats {
	uint64_t tx_packets, tx_bytes; /* data */
	uint64_t rx_packets;
	uint64_t lost;
	uint64_t last_tx_ns; /* data sent, 0: never */
	uint64_t last_rx_ns; /* anything authentic received on this number, 0: never */
};

struct datapath_stats {
	struct datapath_route_stats route[DATAPATH_ROUTES];
	uint64_t rx_bytes;
	uint64_t last_tx_ns; /* data, over all routes */
	uint64_t last_rx_ns;
	/* "Silent while sending" counts from here: first data sent after the last packet received, from
	 * anywhere; and from the very remote of the route in use. 0: nothing is waited for.
	 */
	uint64_t waiting_since_ns;
	uint64_t route_waiting_since_ns;
	uint64_t rekeys;
};

struct datapath_dest {
	uint8_t link;
	struct endpoint to;
};

struct datapath_ops {
	/* Inner packets must have these as source when they go out, as destination when they come in. */
	int (*own_set)(void *dp, const struct vips *own);
	/* -EEXIST, -ENOSPC, -ENOMEM. */
	int (*assoc_add)(void *dp, uint64_t now, const struct datapath_assoc *a);
	/* Keys are wiped; VIPs of it are forgotten. */
	void (*assoc_del)(void *dp, uint64_t now, uint64_t id);
	/* Into the association k->own_index; as session_install(). */
	int (*key_install)(void *dp, uint64_t now, const struct epoch_keys *k);
	int (*route_set)(void *dp, uint64_t now, uint64_t id, uint8_t number,
			 const struct datapath_route *r);
	/* Data goes by this route from now on; packets that waited for a route go out. */
	int (*route_use)(void *dp, uint64_t now, uint64_t id, uint8_t number);
	/* Packets to vip go into association id; those that were held go out now. */
	int (*vip_set)(void *dp, uint64_t now, const struct ip_addr *vip, uint64_t id);
	void (*vip_del)(void *dp, uint64_t now, const struct ip_addr *vip);
	/* No path to vip will come: what is held for it is answered with ICMP unreachable. Nothing where
	 * vip goes into an association.
	 */
	void (*vip_refuse)(void *dp, uint64_t now, const struct ip_addr *vip);
	/* Seal body as control or probe under route number's sequence and send it: to the route's own
	 * remote, or to the one given. -ENOTCONN: no key, or no route; -EMSGSIZE.
	 */
	int (*send)(void *dp, uint64_t now, uint64_t id, uint8_t type, uint8_t number,
		    const struct datapath_dest *to, const uint8_t *body, size_t len);
	int (*stats)(void *dp, uint64_t id, struct datapath_stats *out);
	/* Call active() once, at the next data packet sent on id. */
	int (*watch)(void *dp, uint64_t id);
};

struct datapath_events {
	/* A control or probe body, opened. */
	void (*body)(void *ctx, uint64_t now, const struct datapath_rx *rx, const uint8_t *body,
		     size_t len);
	/* Not for an association here: handshakes, cookies, resets, and sealed packets of an unknown
	 * ID. Nothing of it is authentic.
	 */
	void (*raw)(void *ctx, uint64_t now, uint8_t link, const struct endpoint *from,
		    const uint8_t *pkt, size_t len);
	/* An inner packet for a VIP without association; it is held. Once per VIP until vip_set(),
	 * vip_refuse() or the end of holding.
	 */
	void (*miss)(void *ctx, uint64_t now, const struct ip_addr *vip);
	/* First packet opened under an epoch: for assoc_heard(). */
	void (*heard)(void *ctx, uint64_t now, uint64_t id, uint8_t epoch);
	/* A soft limit of the sending keys is passed; again every 5 s until keys are installed. */
	void (*rekey_due)(void *ctx, uint64_t now, uint64_t id);
	/* The greatest sequence of its route came from another source or link than the one before. */
	void (*moved)(void *ctx, uint64_t now, const struct datapath_rx *rx);
	void (*active)(void *ctx, uint64_t now, uint64_t id);
};

/* What the core is given. */
struct datapath {
	const struct datapath_ops *ops;
	void *dp;
};

#endif
