/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DC_DNS_NODES_H
#define DC_DNS_NODES_H

/* The names of enrolled nodes, for the DNS stage: name -> virtual addresses. The registry writes,
 * the answers read.
 *
 * One thread (the DC lcore) owns a table: it writes and reads without locks. All memory is taken
 * at creation, about 640 bytes per name; nothing after it allocates or makes a system call. The
 * names between a node and the apex (empty non-terminals, RFC 4592 2.2.2) take an entry each too.
 */
#include "common/dns_name.h"
#include "common/ip.h"
#include "common/siphash.h"

enum { DNS_NODE_REALS_MAX = 4, DNS_NODES_APEXES_MAX = 16 };

struct dns_node {
	struct ip_addr vip4; /* none: the node has no address of that family */
	struct ip_addr vip6;
	struct ip_addr real[DNS_NODE_REALS_MAX];
	uint8_t real_n;
	bool publish_real; /* policy: A and AAAA show real[] instead of the VIPs */
};

struct dns_nodes;

/* apexes: of the zones the nodes stand in, 1 to DNS_NODES_APEXES_MAX. capacity counts entries. key:
 * random, so that names cannot be chosen to collide. NULL without memory. Control thread.
 */
struct dns_nodes *dns_nodes_create(const struct dns_name *apexes, unsigned int apex_n,
				   uint32_t capacity, const struct siphash_key *key);
void dns_nodes_destroy(struct dns_nodes *t);

/* Add or replace; name is copied. -EINVAL when it does not stand below an apex, -ENOSPC when the
 * table is full (nothing has changed then).
 */
int dns_nodes_set(struct dns_nodes *t, const struct dns_name *name, const struct dns_node *node);
/* -ENOENT when there is no such node. */
int dns_nodes_remove(struct dns_nodes *t, const struct dns_name *name);

enum dns_found { DNS_FOUND_NONE, DNS_FOUND_EMPTY, DNS_FOUND_NODE };

/* name is the len bytes of a lower-case wire name, so that a tail of a name can be asked for
 * in place. *node is valid until the next change. One or two cache lines and a SipHash.
 */
enum dns_found dns_nodes_find(const struct dns_nodes *t, const uint8_t *name, uint8_t len,
			      const struct dns_node **node);

uint32_t dns_nodes_used(const struct dns_nodes *t);

#endif
