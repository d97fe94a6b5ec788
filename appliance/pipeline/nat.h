/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PIPELINE_NAT_H
#define PIPELINE_NAT_H

/* What the two directions of the NAT, its ICMP errors and its pieces share. Owning worker. */
#include "appliance/pipeline/burst.h"
#include "appliance/pipeline/rewrite.h"
#include "appliance/rs_worker.h"

struct worker;

/* One packet on its way through. It lies in m, or, put together from pieces, in the worker's scratch
 * memory with m NULL. c and t are kept in step.
 */
struct nat_pass {
	struct rte_mbuf *m;
	struct cut c;
	struct tuple t;
	struct leg *leg; /* of the node it comes from or goes to */
	struct nat_flow *f;
	uint16_t iface; /* it came in by */
	bool is_quick; /* as nat_quick.h means it: of t nothing, or what a look-up needs, is set yet */
};

/* Where it goes. */
struct nat_exit {
	struct burst *lane; /* tx or seal */
	struct leg *leg;    /* seal */
	uint32_t nexthop;   /* tx */
	uint16_t mtu;
};

/* Free the packet under a name; a datagram from scratch has been counted as used up already. */
void nat_drop(struct worker *w, struct nat_pass *p, enum drop_reason why);

/* Hand the packet on, in pieces where it is too large. Takes it. */
void nat_emit(struct worker *w, struct nat_pass *p, const struct nat_exit *e);

/* Tell the sender of p, as it came in and before any rewrite, that mtu is all that passes; then drop
 * it as DROP_MTU. to_node: p came from a node (p->leg). Takes p.
 */
void nat_too_big(struct worker *w, struct nat_pass *p, uint16_t mtu, bool to_node);

/* ICMP errors with the packet they quote (RFC 5508 section 7). They take p. */
void nat_error_out(struct worker *w, struct nat_pass *p);
void nat_error_in(struct worker *w, struct nat_pass *p, uint16_t addr);

/* One whole packet, from m or scratch. They take p. */
void nat_out_packet(struct worker *w, struct nat_pass *p);
void nat_in_packet(struct worker *w, struct nat_pass *p);

/* The public port that an ICMP error is about: the quoted packet's source. False: cannot tell. */
bool nat_quoted_port(const uint8_t *ip, const struct tuple *t, enum nat_proto *proto,
		     uint16_t *port);

/* A packet for an address of the pool, sent by a node: to the worker that owns the mapping, as if it
 * had come in by an interface. Takes p.
 */
void nat_hairpin(struct worker *w, struct nat_pass *p, uint16_t addr, uint16_t port);

/* p as the piece of a datagram, from a node or from the GN side. Takes p->m. */
void nat_piece_out(struct worker *w, struct nat_pass *p);
void nat_piece_in(struct worker *w, struct rte_mbuf *m);

/* Largest TCP segment that fits into an inner packet of the MTU, for the inner family. */
static inline uint16_t nat_mss(uint16_t mtu, bool v6)
{
	return (uint16_t)(mtu - (v6 ? 60 : 40));
}

#endif
