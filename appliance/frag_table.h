/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_FRAG_TABLE_H
#define APPLIANCE_FRAG_TABLE_H

/* Datagrams in pieces, held until they are whole. A NAT needs the ports, which stand in the first
 * piece alone, and it cannot let pieces go before it knows that no two overlap (RFC 5722, RFC 8200
 * section 4.5), so the whole datagram is put together, in whatever order its pieces come.
 *
 * Bounded in datagrams, pieces and time; one worker's own. 1.3 kB per datagram. Nothing allocates
 * after creation. What is refused or given up is dropped by name.
 */
#include "common/ip.h"

#include <stdbool.h>

struct frag_table;
struct lcore_stats;
struct rte_mbuf;

enum { FRAG_PIECES = 64 };

struct frag_config {
	uint32_t datagrams; /* at once; rounded up to a multiple of 8. 0: 256 */
	uint32_t pieces;    /* held at once over all. 0: 1024 */
	uint64_t wait_ns;   /* from the first piece that came. 0: 2 s */
};

/* Which datagram: scope keeps apart what has the same addresses (the leg; 0 on the GN side). */
struct frag_key {
	struct ip_addr src, dst;
	uint64_t scope;
	uint32_t id;
	uint8_t proto; /* IPv4; 0 in IPv6, whose key has none */
};

/* A piece as it lies in its packet. */
struct frag_piece {
	struct rte_mbuf *m;
	uint16_t ip;	 /* offset of the IP header in the data of m */
	uint16_t header; /* bytes from there to the payload, the fragment header included */
	uint16_t offset; /* of the payload in the datagram */
	uint16_t len;	 /* of the payload */
	bool more;
};

/* NULL with errno. Main thread. */
struct frag_table *frag_table_create(const struct frag_config *cfg);
/* Frees what is held. */
void frag_table_destroy(struct frag_table *t);

/* Read key and piece from m, whose IP header lies at offset ip; false if it is no piece or cut off. */
bool frag_parse(struct rte_mbuf *m, uint16_t ip, uint16_t len, struct frag_key *k,
		struct frag_piece *p);

/* Which of n workers puts the datagram together. */
unsigned int frag_worker(const struct frag_key *k, unsigned int n);

/* Take a piece; the packet is the table's now. The number of pieces if the datagram is whole, which
 * then stand in out[FRAG_PIECES] in order and are the caller's again; else 0.
 */
unsigned int frag_put(struct frag_table *t, struct lcore_stats *st, const struct frag_key *k,
		      const struct frag_piece *p, uint64_t now, struct frag_piece *out);

/* The datagram as one packet without fragment fields into buf. Its length, 0 if it would be longer
 * than an IP packet can be.
 */
uint32_t frag_join(const struct frag_piece *p, unsigned int n, uint8_t *buf);

/* Give up what has waited too long. A few entries per call. */
void frag_turn(struct frag_table *t, struct lcore_stats *st, uint64_t now);

#endif
