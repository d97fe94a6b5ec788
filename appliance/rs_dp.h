/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_RS_DP_H
#define APPLIANCE_RS_DP_H

/* What RS control tells the RS data path, and what it hears from it.
 *
 * Every function here belongs to the one control lcore that owns the data path: it is the single
 * writer of all shared tables. Workers see a change at their next packet; what a change replaces is
 * reused only after every worker has reported a quiescent state, so nothing here waits for one.
 * Nothing here blocks. Errors: 0 or -errno; a table that is full answers -ENOSPC and leaves what it
 * holds unharmed.
 *
 * An index with the top bit set names a leg; the data path hands them out (rs_dp_leg_reserve)
 * because the low bits are the slot of the leg: workers find it without a hash.
 */
#include "common/ip.h"
#include "common/keys.h"

#include <stdbool.h>
#include <stdint.h>

struct rs_dp;
struct rs_event;
struct rte_mbuf;

enum {
	RS_STRAYS_PER_CHALLENGE = 64, /* packets of a known path from a wrong source */
	RS_HANDSHAKES_UNCONFIRMED = 8,
	RS_CREDIT_BYTES = 128 * 1024,
	RS_EPOCHS = 4,
	RS_PATHS_LIMIT = 1 << 24, /* a path record spends 24 bits on its number */
	RS_LEGS_LIMIT = 1 << 24,  /* the low bits of an index */
};
#define RS_CREDIT_NS 1000000000ULL
#define RS_LEG_NONE 0ULL
/* Private to one process with both roles: RS and its control set this bit in every association index
 * they choose, the DC role clears it, so that a worker knows whose a packet is.
 */
#define RS_INDEX_BIT (1ULL << 62)

/* ---- paths (RS-S) ---- */

enum rs_side_state {
	RS_SIDE_UNBOUND,   /* no leg yet: nothing passes towards it or from it */
	RS_SIDE_BOUND,	   /* address noted, not proven: a few handshake packets, no data */
	RS_SIDE_CONFIRMED, /* a sealed packet came from the address */
};

enum { RS_SIDE_A, RS_SIDE_B, RS_SIDES };

struct rs_dp_side {
	struct endpoint peer; /* outer address of the node */
	uint64_t leg;	      /* whose credit limits what goes to peer; RS_LEG_NONE: no limit */
	uint16_t local;	      /* index of the own endpoint that this node talks to */
	uint8_t state;	      /* enum rs_side_state */
};

struct rs_dp_path {
	uint64_t id; /* Path ID, top bit 0, not 0 */
	struct rs_dp_side side[RS_SIDES];
	uint8_t handshakes; /* left towards unconfirmed sides; refilled by each set */
};

/* Indexed by the side that sent. */
struct rs_dp_path_stats {
	uint64_t packets[RS_SIDES];
	uint64_t bytes[RS_SIDES]; /* outer IP bytes as received */
	uint8_t strays_left[RS_SIDES];
	uint8_t handshakes_left;
};

/* Make the path, or replace its record by one release store: a packet sees the old record whole or
 * the new one whole. -ENOSPC: table full, or too many replaced records still waiting for a grace
 * period (try again after rs_dp_housekeep); -EINVAL: bad id, side or local.
 */
int rs_dp_path_set(struct rs_dp *dp, const struct rs_dp_path *p);
int rs_dp_path_del(struct rs_dp *dp, uint64_t id); /* -ENOENT */
int rs_dp_path_stats(const struct rs_dp *dp, uint64_t id, struct rs_dp_path_stats *out);
/* A challenge went out: the next RS_STRAYS_PER_CHALLENGE packets from elsewhere may pass. */
int rs_dp_path_challenged(struct rs_dp *dp, uint64_t id, unsigned int side);
uint32_t rs_dp_path_count(const struct rs_dp *dp);

/* ---- legs (RS-N, and the index of every node-RS association) ---- */

struct rs_dp_leg {
	struct ip_addr vip4, vip6; /* what the node may send from; none = family not in use */
	struct endpoint peer;
	uint16_t local; /* own endpoint, for life */
	uint16_t
		worker; /* owner, for life; as rs_dp_local_worker(local) unless the port is shared */
	bool confirmed;
	/* Index of an older leg of the same node and worker, or RS_LEG_NONE: its bindings and NAT
	 * mappings are this leg's too; what general hosts send goes to this one from the moment it
	 * is confirmed. The older one still opens until it is deleted.
	 */
	uint64_t heir_of;
};

struct rs_dp_leg_stats {
	uint64_t rx_packets, rx_bytes; /* opened: plaintext bytes */
	uint64_t tx_packets, tx_bytes; /* sealed: plaintext bytes */
	uint64_t last_rx_ns;
	uint32_t mappings; /* of the owner's NAT */
};

/* Take an index that nothing uses, 38 of its bits from random: it may be told to the peer at once;
 * packets for it arrive as RS_EV_UNKNOWN_INDEX until rs_dp_leg_add. Control's own associations (to
 * DCs) take theirs here too and are never added. Given back by rs_dp_leg_del.
 */
int rs_dp_leg_reserve(struct rs_dp *dp, uint64_t random, uint64_t *index);
int rs_dp_leg_add(struct rs_dp *dp, uint64_t index, const struct rs_dp_leg *leg);
/* Keys, bindings and NAT mappings go with it (keys are wiped); paths are the caller's to delete. */
int rs_dp_leg_del(struct rs_dp *dp, uint64_t index);
/* What the handshake handed over: k->recv opens what the node sends, k->send seals under
 * k->peer_index; k->own_index is not looked at. The caller wipes k. The sequence of a key starts at 0;
 * a key that any held epoch of this leg already has is refused with -EEXIST. Data stops at
 * data_until_ns, both ways. A used epoch is dropped first by the caller.
 */
int rs_dp_leg_key_install(struct rs_dp *dp, uint64_t index, const struct epoch_keys *k,
			  uint64_t data_until_ns);
/* Send in this epoch from now on: after RS_EV_EPOCH_SEEN, or a control packet opened in it. */
int rs_dp_leg_key_use(struct rs_dp *dp, uint64_t index, unsigned int epoch);
int rs_dp_leg_key_drop(struct rs_dp *dp, uint64_t index, unsigned int epoch);
/* The leg moved; to another family: the worker's own endpoint of that family serves it now. With credit_until_ns != 0 at most credit_bytes go there until then or until
 * rs_dp_leg_confirm, also on paths whose side names this leg. Each move takes the other of route
 * numbers 0 and 2, so that late packets of the old way are still good at the node.
 */
int rs_dp_leg_endpoint_set(struct rs_dp *dp, uint64_t index, const struct endpoint *peer,
			   uint32_t credit_bytes, uint64_t credit_until_ns);
int rs_dp_leg_confirm(struct rs_dp *dp, uint64_t index);
/* Path MTU of the outer way to the node, 0 = that of the link (ICMP hints, answered probes). */
int rs_dp_leg_mtu_set(struct rs_dp *dp, uint64_t index, uint16_t outer_bytes);
int rs_dp_leg_stats(const struct rs_dp *dp, uint64_t index, struct rs_dp_leg_stats *out);
uint32_t rs_dp_leg_count(const struct rs_dp *dp);

/* ---- bindings: a general host under a leg ---- */

/* -EPERM: rip_gn may not be reached (not global unicast, own, pool, embedded form; design.md 3).
 * -EEXIST: number or vip_gn in use on this leg. The families of the two may differ (RFC 7915).
 */
int rs_dp_binding_add(struct rs_dp *dp, uint64_t index, uint32_t number,
		      const struct ip_addr *vip_gn, const struct ip_addr *rip_gn);
int rs_dp_binding_del(struct rs_dp *dp, uint64_t index, uint32_t number);

/* May a binding be made to this address at all? What rs_dp_binding_add() asks, before
 * there is a leg.
 */
bool rs_dp_destination_allowed(const struct rs_dp *dp, const struct ip_addr *rip_gn);

/* ---- what comes up ---- */

/* clang-format off */
#define RS_EVENTS(X)                                                                               \
	X(WRONG_SOURCE,  "packet of a known path from a source that is not recorded")              \
	X(REBIND,        "highest sequence of a leg came from another source")                     \
	X(LEG_PACKET,    "control or probe packet of a known leg, still sealed")                   \
	X(HANDSHAKE,     "handshake, cookie or reset for this host")                               \
	X(UNKNOWN_INDEX, "sealed packet for an index that is no leg of the data path")             \
	X(KEY_SOFT,      "a sending key passed its soft packet limit")                             \
	X(EPOCH_SEEN,    "first packet that opened in an epoch other than the sending one")        \
	X(ICMP_ERROR,    "ICMP error about a packet of a path or leg")                             \
	X(TOO_BIG,       "packet larger than the outgoing link")
/* clang-format on */

enum rs_event_type {
#define X(name, text) RS_EV_##name,
	RS_EVENTS(X)
#undef X
		RS_EV_COUNT,
};

/* id: Path ID for WRONG_SOURCE, and for ICMP_ERROR and TOO_BIG whose top bit is 0; else the index
 * as it stood in the packet (of an ICMP_ERROR in the one we sent: the node's own, and src where we
 * sent it). side: the side that sent (WRONG_SOURCE), or towards which the packet
 * went (ICMP_ERROR, TOO_BIG). ICMP errors are hints from anybody: believe a size, never a death.
 */
struct rs_event {
	uint8_t type;
	uint8_t side;
	uint8_t epoch;
	uint8_t icmp_type, icmp_code; /* of the outer family, ICMP_ERROR alone */
	uint8_t worker;
	uint16_t local; /* own endpoint it came to */
	uint16_t mtu;	/* TOO_BIG: of the link; ICMP_ERROR: as told, 0 = not told */
	uint16_t len;	/* bytes of the NTM packet that caused it (a challenge is no longer) */
	struct endpoint src;
	uint64_t id;
	uint64_t now_ns;
	struct rte_mbuf
		*m; /* data starts at the NTM header; NULL where none; the caller frees it */
};

/* Take up to max events; sealed packets of known legs come first, strangers' handshakes last, each
 * from its own bounded ring, so that a flood of the latter cannot starve the former.
 */
unsigned int rs_dp_events(struct rs_dp *dp, struct rs_event *ev, unsigned int max);

/* Free what has passed its grace period; call a few times per second, and after bursts of sets. */
void rs_dp_housekeep(struct rs_dp *dp, uint64_t now);

/* ---- own endpoints ---- */

/* Make ep an own endpoint (an address of ours, with the NTM port, 443, or a worker's port); worker is
 * -1 where all workers hear it. The index, the same again for the same ep, or -ENOSPC.
 */
int rs_dp_local_add(struct rs_dp *dp, const struct endpoint *ep, int worker);
unsigned int rs_dp_local_count(const struct rs_dp *dp);
const struct endpoint *rs_dp_local(const struct rs_dp *dp, uint16_t local);
int rs_dp_local_worker(const struct rs_dp *dp, uint16_t local); /* -1: shared by all workers */

#endif
