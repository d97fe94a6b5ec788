/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_RELAY_TABLE_H
#define APPLIANCE_RELAY_TABLE_H

/* Path ID -> path record, for RS-S.
 *
 * One writer, the control lcore; any number of workers read. A bucket is one cache line of five Path
 * IDs and five references to 64-byte records, so that one vector compare tells the way and a look-up
 * costs one line, prefetched in bulk; the record is the caller's to fetch. The hash is keyed: who
 * chooses Path IDs cannot choose buckets.
 *
 * A record is never changed under a reader: an update writes a fresh one and stores the reference
 * (one release store); the old one is used again after a grace period. The exceptions are the
 * atomic fields below, which are hints.
 *
 * Memory per path at the size asked for: 66 bytes of record, 32 of buckets, 29 of lists.
 */
#include "common/ip.h"

#include <rte_common.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct rte_rcu_qsbr;
struct relay_table;

enum {
	/* A reference has 24 bits, and some records wait for their grace period. */
	RELAY_PATHS_MAX = 15 << 20,
	RELAY_BULK_MAX = 128,
};

enum path_side_flag {
	SIDE_BOUND = 1 << 0,
	SIDE_CONFIRMED = 1 << 1,
	SIDE_CREDIT = 1 << 2, /* what goes to the side is limited by the credit of its leg */
	/* Nothing is to be asked about what the side sends: both are bound, confirmed and of IPv4, and the
	 * other is not on credit.
	 */
	SIDE_PLAIN4 = 1 << 3,
	SIDE_PLAIN6 = 1 << 4,	    /* the same with both of IPv6 */
	SIDE_PLAIN_ACROSS = 1 << 5, /* and with one of each */
};

struct path_side {
	struct ip_addr ip;
	uint16_t port;
	uint16_t local : 10;	/* own endpoint, of RS_LOCALS_MAX */
	uint16_t flags : 6;	/* enum path_side_flag */
	_Atomic uint32_t count; /* what the side has sent: path_count.h; workers write it */
};

struct path_record {
	uint64_t id;
	struct path_side side[2];
	/* Kept look-ups of both addresses: bits 0-19 and 20-39 next hops, 40-63 path_route_mark() of
	 * the table they were looked up in. Workers refresh it.
	 */
	_Atomic uint64_t route;
} __rte_aligned(64);

enum { PATH_NEXTHOP_BITS = 20, PATH_NEXTHOP_MASK = (1 << PATH_NEXTHOP_BITS) - 1 };

/* Of a routing table's generation, 24 bits and never 0. A path would have to be silent for a multiple
 * of 16.8 M changes of the routes to take an old one for a new one.
 */
static inline uint32_t path_route_mark(uint32_t generation)
{
	return generation % 0xffffff + 1;
}

struct relay_table_config {
	uint32_t paths_max;
	uint64_t secret[4];	   /* random */
	struct rte_rcu_qsbr *qsbr; /* NULL: no readers while the writer works (tests) */
	/* A record that no reader holds any more, before it is used again; may be NULL. Writer. */
	void (*released)(void *ctx, const struct path_record *rec, uint32_t number);
	void *ctx;
};

enum relay_isa { RELAY_SCALAR, RELAY_AVX2, RELAY_AVX512, RELAY_ISAS };

/* NULL with errno. Control lcore. */
struct relay_table *relay_table_create(const struct relay_table_config *cfg);
/* No reader may be left. */
void relay_table_destroy(struct relay_table *t);

/* Path IDs have their top bit 0, here and below.
 *
 * Enter rec under rec->id, or replace the record that is there; rec is copied.
 * 0 and the path's number, below paths_max and the same through updates, -EINVAL: no Path ID, or -ENOSPC: paths_max reached, no room near the two buckets, or every spare
 * record still waits for its grace period. Single writer. About 0.3 us.
 */
int relay_table_set(struct relay_table *t, const struct path_record *rec, uint32_t *number);
int relay_table_del(struct relay_table *t, uint64_t id); /* -ENOENT */
/* Take back the records whose grace period is over. Single writer. */
void relay_table_reclaim(struct relay_table *t);
uint32_t relay_table_count(const struct relay_table *t);

/* One record or NULL. The writer, or a reader between two quiescent reports. */
const struct path_record *relay_table_find(const struct relay_table *t, uint64_t id);

/* The number of a path whose record is at hand. A line of its own: for what is rare. */
uint32_t relay_table_number(const struct relay_table *t, const struct path_record *rec);

/* Ask for that line. */
void relay_table_number_fetch(const struct relay_table *t, const struct path_record *rec);

/* A bulk look-up in two steps, for those who learn the Path IDs one by one: ask for the line of each
 * as soon as it is known, then look all up. A place is good until the table is destroyed.
 */
uint32_t relay_table_place(const struct relay_table *t, uint64_t id);
void relay_table_places(const struct relay_table *t, const uint64_t *id, uint16_t n,
			uint32_t *place);
typedef void (*relay_lookup_fn)(const struct relay_table *t, const uint64_t *id,
				const uint32_t *place, uint16_t n, const struct path_record **out);
void relay_table_lookup_placed(const struct relay_table *t, const uint64_t *id,
			       const uint32_t *place, uint16_t n, const struct path_record **out);

/* n <= RELAY_BULK_MAX records at once, NULL where there is none; they stay whole until the
 * reader's next quiescent report. Cannot fail. One cache line per key; the records are not touched.
 */
void relay_table_lookup_bulk(const struct relay_table *t, const uint64_t *id, uint16_t n,
			     const struct path_record **out);

/* The best variant that this CPU has is taken at creation; tests and benchmarks take others.
 * -ENOTSUP. Not while readers run.
 */
int relay_table_isa_set(struct relay_table *t, enum relay_isa isa);
enum relay_isa relay_table_isa(const struct relay_table *t);
const char *relay_isa_name(enum relay_isa isa);

#endif
