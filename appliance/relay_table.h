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
 * Memory per path at the size asked for: 64 bytes of record, 26 of buckets, 24 of lists.
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

struct path_side {
	struct ip_addr ip;
	uint16_t port;
	uint16_t local;
	_Atomic uint32_t nexthop; /* kept look-up of ip; stands while route_gen does */
};

enum path_flag {
	PATH_A_BOUND = 1 << 0, /* shift left by RS_SIDE_B for side B, the same below */
	PATH_B_BOUND = 1 << 1,
	PATH_A_CONFIRMED = 1 << 2,
	PATH_B_CONFIRMED = 1 << 3,
	PATH_A_CREDIT = 1 << 4, /* what goes to the side is limited by the credit of its leg */
	PATH_B_CREDIT = 1 << 5,
};

struct path_record {
	uint64_t id;
	struct path_side side[2];
	_Atomic uint32_t route_gen; /* fib_generation() of both next hops; workers refresh them */
	uint32_t number : 24; /* stable through updates: index of counters; set by the table */
	uint32_t flags : 8;
} __rte_aligned(64);

struct relay_table_config {
	uint32_t paths_max;
	uint64_t secret[4];	   /* random */
	struct rte_rcu_qsbr *qsbr; /* NULL: no readers while the writer works (tests) */
};

enum relay_isa { RELAY_SCALAR, RELAY_AVX2, RELAY_AVX512, RELAY_ISAS };

/* NULL with errno. Control lcore. */
struct relay_table *relay_table_create(const struct relay_table_config *cfg);
/* No reader may be left. */
void relay_table_destroy(struct relay_table *t);

/* Path IDs have their top bit 0, here and below.
 *
 * Enter rec under rec->id, or replace the record that is there; rec is copied, its number ignored.
 * 0 and the number, -EINVAL: no Path ID, or -ENOSPC: paths_max reached, no room near the two buckets, or every spare
 * record still waits for its grace period. Single writer. About 0.3 us.
 */
int relay_table_set(struct relay_table *t, const struct path_record *rec, uint32_t *number);
int relay_table_del(struct relay_table *t, uint64_t id); /* -ENOENT */
/* Take back the records whose grace period is over. Single writer. */
void relay_table_reclaim(struct relay_table *t);
uint32_t relay_table_count(const struct relay_table *t);

/* One record or NULL. The writer, or a reader between two quiescent reports. */
const struct path_record *relay_table_find(const struct relay_table *t, uint64_t id);

/* n <= RELAY_BULK_MAX records at once, NULL where there is none; they stay whole until the
 * reader's next quiescent report. Cannot fail. One cache line per key; the records are not touched.
 */
typedef void (*relay_lookup_fn)(const struct relay_table *t, const uint64_t *id, uint16_t n,
				const struct path_record **out);
void relay_table_lookup_bulk(const struct relay_table *t, const uint64_t *id, uint16_t n,
			     const struct path_record **out);

/* The best variant that this CPU has is taken at creation; tests and benchmarks take others.
 * -ENOTSUP. Not while readers run.
 */
int relay_table_isa_set(struct relay_table *t, enum relay_isa isa);
enum relay_isa relay_table_isa(const struct relay_table *t);
const char *relay_isa_name(enum relay_isa isa);

#endif
