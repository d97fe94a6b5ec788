/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DC_DNS_ZONE_H
#define DC_DNS_ZONE_H

/* The unchanging part of the DC's zone: SOA, NS and their addresses, the TXT mark, and what a zone
 * file adds. Built on a control thread, then read by the DC lcore until a new one is swapped in;
 * a finished zone is never written again, so any number of threads may read it.
 */
#include "common/dns_name.h"
#include "common/ip.h"
#include "common/siphash.h"

enum {
	DNS_ZONE_NS_MAX = 4,
	DNS_ZONE_NS_ADDRS_MAX = 4,
	DNS_ZONES_MAX = 16,
	DNS_ZONE_RECORDS_MAX = 1 << 20,
	DNS_ZONE_TTL_DEFAULT = 3600,
	DNS_ZONE_NEGATIVE_DEFAULT = 30, /* as long as a node's own records live */
};

/* "NTM1 DC" at the name server's name says that it is a DC (D-09). */
#define DNS_ZONE_MARK_DEFAULT "NTM1 DC"

/* What every DC's zone has; a record type that a zone file gave at the same name is kept instead. */
struct dns_zone_base {
	struct dns_name ns[DNS_ZONE_NS_MAX];
	struct ip_addr ns_addr[DNS_ZONE_NS_MAX][DNS_ZONE_NS_ADDRS_MAX]; /* none ends a row */
	unsigned int ns_n;						/* at least 1 */
	struct dns_name contact; /* RNAME; a length of 0 means hostmaster.<apex> */
	const char *mark;	 /* NULL: DNS_ZONE_MARK_DEFAULT; "": no mark */
	uint32_t serial;
	uint32_t ttl;	       /* 0: DNS_ZONE_TTL_DEFAULT */
	uint32_t negative_ttl; /* 0: DNS_ZONE_NEGATIVE_DEFAULT */
};

struct dns_rrset {
	uint16_t type;
	uint16_t count;
	uint32_t ttl;
	uint32_t data; /* offset in dns_zone.data: count times two bytes of length and the rdata */
};

struct dns_zone_node {
	struct dns_name name;
	uint32_t first_set;
	uint16_t sets; /* 0: an empty non-terminal */
	bool is_cut;   /* NS below the apex: what stands at and under it is somebody else's */
};

struct dns_zone {
	struct dns_name apex;
	struct siphash_key key;
	const struct dns_zone_node *apex_node;
	const struct dns_rrset *soa;
	uint32_t negative_ttl; /* RFC 2308 section 3: the lesser of the SOA's TTL and MINIMUM */
	uint8_t apex_labels;
	uint8_t labels_max; /* of the deepest name here */
	bool has_cuts;
	bool has_wildcards;
	uint32_t mask;
	uint32_t *slots; /* node index + 1 */
	struct dns_zone_node *nodes;
	uint32_t node_n;
	struct dns_rrset *sets;
	uint8_t *data;
};

/* All zones of a DC, published as one. Owns them. */
struct dns_zones {
	unsigned int n;
	struct dns_zone *zone[DNS_ZONES_MAX];
};

/* Building. */
struct dns_zone_builder;

struct dns_zone_builder *dns_zone_builder_create(const struct dns_name *apex);
void dns_zone_builder_destroy(struct dns_zone_builder *b);
/* Take a record; everything is copied, a duplicate is ignored. -EINVAL for rdata that is not what
 * its type says, -EXDEV for a name outside of the zone, -EOPNOTSUPP for types that cannot be
 * served from here (DNSSEC: the zone changes while it runs and is not signed; meta types),
 * -E2BIG, -ENOMEM.
 */
int dns_zone_builder_add(struct dns_zone_builder *b, const struct dns_name *owner, uint16_t type,
			 uint32_t ttl, const uint8_t *rdata, size_t len);
/* Add what is missing of the base. */
int dns_zone_builder_base(struct dns_zone_builder *b, const struct dns_zone_base *base);
/* Make the zone; the builder stays the caller's. -EINVAL with a reason in *why when it is no zone:
 * no or two SOAs, no NS, CNAME beside other data.
 */
int dns_zone_builder_finish(struct dns_zone_builder *b, struct dns_zone **zone, const char **why);

void dns_zone_destroy(struct dns_zone *z);
/* Takes the zones over. NULL without memory (they stay the caller's) or with n above the limit. */
struct dns_zones *dns_zones_create(struct dns_zone *const *zones, unsigned int n);
void dns_zones_destroy(struct dns_zones *zs);

/* Reading: pure, no allocation, any thread. */

/* The deepest zone that the name stands in; NULL if none. */
const struct dns_zone *dns_zones_find(const struct dns_zones *zs, const struct dns_name *name);
/* name is the len bytes of a lower-case wire name. */
const struct dns_zone_node *dns_zone_find(const struct dns_zone *z, const uint8_t *name,
					  uint8_t len);
const struct dns_rrset *dns_zone_rrset(const struct dns_zone *z, const struct dns_zone_node *node,
				       uint16_t type);
/* Step through a set: *at begins as set->data. Returns the rdata and its length. */
const uint8_t *dns_zone_rdata(const struct dns_zone *z, uint32_t *at, uint16_t *len);

#endif
