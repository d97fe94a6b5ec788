/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PIPELINE_PIPELINE_H
#define PIPELINE_PIPELINE_H

/* The chain of stages that a worker runs to completion. A stage is one file of this folder; it
 * takes the packets of its lane, moves each to another lane or drops it by name, and leaves its
 * own lane with the survivors only (usually none). pipeline.c holds the order and the drawing.
 *
 * Nothing in this folder logs, allocates, locks, waits or calls the system.
 */
#include "appliance/pipeline/burst.h"

struct worker;

/* The lanes of one pass. Empty before and after pipeline_run(), but for ahead.
 *
 * Packets of paths and data for legs are no lanes but struct hops (hops.h): w->hops from parse to tx, and
 * w->sealed from parse to open.
 *
 * In rx..dc and local the data of an mbuf starts at the Ethernet header, with the offsets in
 * pkt_meta. In nat_out, seal and tx it starts at an IP header: the inner packet in nat_out and
 * seal, the outer one in tx.
 */
struct lanes {
	struct burst rx;      /* as received from ports */
	struct burst ahead;   /* rx of the next pass, where this one's is full */
	struct burst steered; /* received and given here by another worker; meta->iface is set */
	struct burst ntm;     /* parse: UDP to one of our NTM endpoints */
	struct burst gn;      /* parse: to an address of the NAT pool, from general hosts */
	struct burst nat_out; /* open: inner packets of nodes; meta->leg is set */
	struct burst seal;    /* nat: inner packets for nodes; meta->leg is set */
	struct burst tx;      /* IP packets; meta->nexthop is set */
	struct burst control; /* any stage: for the control lcore; meta->msg says what it is */
	struct burst dc;      /* parse: DNS and NTM for the DC role; meta->msg says which */
	struct burst local;   /* parse: the kernel's, through the TAP */
	struct burst frame;   /* mailbox: whole frames from the TAP; meta->iface says where to */
};

/* One pass: the ports, and what the mailbox left in w->lanes.steered, tx and frame. Returns the packets
 * it found. Owning worker only.
 */
unsigned int pipeline_run(struct worker *w);

/* What other workers help with is finished and sent, what was received ahead is dropped: nothing is left
 * in the worker. Takes no new packets. Owning worker, at its end.
 */
void pipeline_flush(struct worker *w);

/* The stages. Each works on the lane of its name in w->lanes; owning worker only. Cannot fail. */
void rx_stage(struct worker *w);      /* ports -> rx, ahead */
void parse_stage(struct worker *w);   /* rx, steered -> hops, sealed, ntm, gn, dc, local */
void relay_stage(struct worker *w);   /* ntm -> hops, sealed, control, dc; paths, legs of these */
void switch_stage(struct worker *w);  /* hops: outer headers */
void open_stage(struct worker *w);    /* sealed -> nat_out, control */
void share_stage(struct worker *w);   /* batches that are done -> nat_out, control, tx */
void nat_out_stage(struct worker *w); /* nat_out -> tx, seal (hairpin, ICMP errors) */
void nat_in_stage(struct worker *w);  /* gn -> seal, tx (hairpin, ICMP errors) */
void seal_stage(struct worker *w);    /* seal -> tx */
void tx_stage(struct worker *w);      /* hops, tx, frame -> ports, control (unresolved next hop) */
void hand_stage(struct worker *w);    /* control, dc, local -> rings to other threads */

/* Drop what was received ahead. Owning worker, at its end. */
void rx_flush(struct worker *w);

#endif
