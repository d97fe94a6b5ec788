/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_NAT_POOL_H
#define APPLIANCE_NAT_POOL_H

/* Public addresses and ports of one worker's NAT, in blocks of 64 ports.
 *
 * A block is one worker's for good, so that any worker knows from an address and a port whose mapping
 * it is (nat_pool_owner), and the flow rules of a NIC can say it. Of each range every worker has as
 * many addresses alone as there are for all, in one run; those that are over are shared by blocks:
 * block number modulo workers. A subscriber gets whole blocks, all on one address per family (paired
 * pooling, RFC 4787 REQ-2), and its ports at random within them, of the same parity where it can be
 * (RFC 4787 REQ-4). Ports of UDP and TCP and identifiers of ICMP are counted apart.
 *
 * Owning worker only, but for create, destroy and owner. No allocation after creation. 48 bytes per
 * block.
 */
#include "common/ip.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	NAT_BLOCK_PORTS = 64,
	NAT_RANGES_MAX = 16,
	NAT_ADDRS_MAX = 4096,
	NAT_RANGE_ADDRS_V6 = 16, /* of an IPv6 prefix the first ones after the anycast address */
};

enum nat_proto { NAT_UDP, NAT_TCP, NAT_ICMP, NAT_PROTOS };

struct nat_range {
	struct ip_prefix prefix;
	uint16_t port_min, port_max;
};

struct nat_pool;

/* How a range is divided; any thread. Addresses that the worker has alone, from first on, and those that
 * all share.
 */
uint32_t nat_range_own(const struct nat_range *r, uint16_t worker, uint16_t n_workers,
		       struct ip_addr *first);
uint32_t nat_range_shared(const struct nat_range *r, uint16_t n_workers, struct ip_addr *first);
/* Of a shared address the worker's ports are those with (port & mask) == value, as far as the range
 * goes. false: no mask says it, as the number of workers is no power of two.
 */
bool nat_range_ports(const struct nat_range *r, uint16_t worker, uint16_t n_workers,
		     uint16_t *value, uint16_t *mask);

/* What a subscriber holds in one family's part of the pool; zeroed memory is "nothing". */
struct nat_share {
	uint32_t first_block; /* block + 1 */
	uint16_t addr : 13;   /* address + 1 */
	uint16_t full : 3;    /* a bit per protocol: no port of it is free in any of the blocks */
	uint16_t blocks;
};

/* NULL with errno. seed makes the choice of ports hard to guess. */
struct nat_pool *nat_pool_create(const struct nat_range *ranges, unsigned int n, uint16_t worker,
				 uint16_t n_workers, uint64_t seed);
void nat_pool_destroy(struct nat_pool *p);

/* A free port (or ICMP identifier) of the family for the subscriber. 0 and addr, port and block; or
 * -ENOSPC: no free block on its address (for a new subscriber: on any), -EADDRNOTAVAIL: no address of
 * that family, -EDQUOT: the subscriber has max_blocks.
 */
int nat_pool_take(struct nat_pool *p, struct nat_share *s, bool v4, enum nat_proto proto,
		  uint16_t like, uint16_t max_blocks, uint16_t *addr, uint16_t *port,
		  uint32_t *block);
/* Fetch what nat_pool_take() will look at first. */
void nat_pool_prefetch(const struct nat_pool *p, const struct nat_share *s);
void nat_pool_give(struct nat_pool *p, struct nat_share *s, uint32_t block, enum nat_proto proto,
		   uint16_t port);

const struct ip_addr *nat_pool_addr(const struct nat_pool *p, uint16_t addr);
/* Number of the address, -1 if it is none of the pool. */
int nat_pool_addr_find(const struct nat_pool *p, const struct ip_addr *ip);
/* Worker whose block the port lies in, -1: no block. Any thread. */
int nat_pool_owner(const struct nat_pool *p, uint16_t addr, uint16_t port);
/* Worker that has the address alone, -1: it is shared by blocks. Any thread. */
int nat_pool_addr_owner(const struct nat_pool *p, uint16_t addr);
/* Blocks of this worker that nobody has, of the family. */
uint32_t nat_pool_free_blocks(const struct nat_pool *p, bool v4);

#endif
