/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/bytes.h"
#include "common/dns_rdata.h"
#include "dc/dns_zone.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdlib.h>

/* A record as it came: records are collected, sorted by name and type, then packed. */
struct build_rr {
	struct dns_name owner;
	uint16_t type;
	uint16_t len;
	uint32_t ttl;
	uint32_t data; /* offset in builder.data */
};

struct dns_zone_builder {
	struct dns_name apex;
	struct build_rr *rr;
	size_t rr_n, rr_room;
	uint8_t *data;
	size_t data_n, data_room;
};

struct dns_zone_builder *dns_zone_builder_create(const struct dns_name *apex)
{
	struct dns_zone_builder *b = calloc(1, sizeof(*b));

	if (b != NULL)
		b->apex = *apex;
	return b;
}

void dns_zone_builder_destroy(struct dns_zone_builder *b)
{
	if (b == NULL)
		return;
	free(b->rr);
	free(b->data);
	free(b);
}

/* p with room for at least want elements; doubles. NULL without memory, p then stays good. */
static void *grow(void *p, size_t *room, size_t want, size_t size)
{
	size_t n = *room > 0 ? *room : 64;
	void *q;

	if (want <= *room)
		return p;
	while (n < want)
		n *= 2;
	q = realloc(p, n * size);
	if (q != NULL)
		*room = n;
	return q;
}

static int builder_reserve(struct dns_zone_builder *b, size_t len)
{
	struct build_rr *rr = grow(b->rr, &b->rr_room, b->rr_n + 1, sizeof(*b->rr));
	uint8_t *data = grow(b->data, &b->data_room, b->data_n + len + 1, 1);

	if (rr != NULL)
		b->rr = rr;
	if (data != NULL)
		b->data = data;
	return rr != NULL && data != NULL ? 0 : -ENOMEM;
}

static bool type_is_servable(uint16_t type)
{
	switch (type) {
	case 0:
	case DNS_OPT:
	case DNS_RRSIG:
	case DNS_NSEC:
	case DNS_DNSKEY:
	case DNS_NSEC3:
	case DNS_NSEC3PARAM:
		return false;
	}
	return type < 128 || type > 255; /* between: Q and meta types, RFC 6895 3.1 */
}

static bool has_type(const struct dns_zone_builder *b, const struct dns_name *owner, uint16_t type)
{
	for (size_t i = 0; i < b->rr_n; i++)
		if (b->rr[i].type == type && dns_name_equal(&b->rr[i].owner, owner))
			return true;
	return false;
}

int dns_zone_builder_add(struct dns_zone_builder *b, const struct dns_name *owner, uint16_t type,
			 uint32_t ttl, const uint8_t *rdata, size_t len)
{
	struct build_rr *rr;

	if (!dns_name_under(owner, &b->apex))
		return -EXDEV;
	if (!type_is_servable(type))
		return -EOPNOTSUPP;
	if (len > UINT16_MAX || !dns_rdata_valid(type, rdata, len))
		return -EINVAL;
	if (b->rr_n >= DNS_ZONE_RECORDS_MAX)
		return -E2BIG;
	if (builder_reserve(b, len) < 0)
		return -ENOMEM;
	rr = &b->rr[b->rr_n++];
	rr->owner = *owner;
	rr->type = type;
	rr->len = (uint16_t)len;
	rr->ttl = ttl & 0x80000000 ? 0 : ttl; /* RFC 2181 section 8 */
	rr->data = (uint32_t)b->data_n;
	memcpy(b->data + b->data_n, rdata, len);
	b->data_n += len;
	return 0;
}

static int base_soa(struct dns_zone_builder *b, const struct dns_zone_base *base, uint32_t ttl)
{
	static const uint8_t hostmaster[] = "\x0ahostmaster";
	uint8_t rdata[2 * DNS_NAME_MAX + 20], *p = rdata;
	struct dns_name contact = base->contact;
	uint32_t negative =
		base->negative_ttl != 0 ? base->negative_ttl : DNS_ZONE_NEGATIVE_DEFAULT;
	/* refresh, retry, expire (RFC 1912 2.2), minimum */
	const uint32_t numbers[5] = {base->serial, 3600, 900, 14 * 86400, negative};

	if (contact.len == 0) {
		if (b->apex.len + sizeof(hostmaster) - 1 > DNS_NAME_MAX)
			return -EINVAL;
		contact.len = (uint8_t)(b->apex.len + sizeof(hostmaster) - 1);
		memcpy(contact.b, hostmaster, sizeof(hostmaster) - 1);
		memcpy(contact.b + sizeof(hostmaster) - 1, b->apex.b, b->apex.len);
	}
	memcpy(p, base->ns[0].b, base->ns[0].len);
	p += base->ns[0].len;
	memcpy(p, contact.b, contact.len);
	p += contact.len;
	for (int i = 0; i < 5; i++, p += 4)
		store_be32(p, numbers[i]);
	return dns_zone_builder_add(b, &b->apex, DNS_SOA, ttl, rdata, (size_t)(p - rdata));
}

static int base_mark(struct dns_zone_builder *b, const struct dns_name *owner, const char *mark,
		     uint32_t ttl)
{
	uint8_t rdata[256];
	size_t n = strlen(mark);

	if (n == 0 || has_type(b, owner, DNS_TXT))
		return 0;
	if (n > 255)
		return -EINVAL;
	rdata[0] = (uint8_t)n;
	memcpy(rdata + 1, mark, n);
	return dns_zone_builder_add(b, owner, DNS_TXT, ttl, rdata, n + 1);
}

/* The addresses of one name server, its mark, and the NS record itself. */
static int base_ns(struct dns_zone_builder *b, const struct dns_zone_base *base, unsigned int i,
		   bool add_ns, uint32_t ttl)
{
	const struct dns_name *ns = &base->ns[i];
	bool has_a, has_aaaa;
	int ret = 0;

	if (add_ns)
		ret = dns_zone_builder_add(b, &b->apex, DNS_NS, ttl, ns->b, ns->len);
	if (ret < 0 || !dns_name_under(ns, &b->apex)) /* its own zone has the rest */
		return ret;
	has_a = has_type(b, ns, DNS_A);
	has_aaaa = has_type(b, ns, DNS_AAAA);
	for (unsigned int k = 0; k < DNS_ZONE_NS_ADDRS_MAX && ret == 0; k++) {
		const struct ip_addr *a = &base->ns_addr[i][k];

		if (ip_is_none(a))
			break;
		if (ip_is_v4(a) ? !has_a : !has_aaaa)
			ret = dns_zone_builder_add(b, ns, ip_is_v4(a) ? DNS_A : DNS_AAAA, ttl,
						   ip_is_v4(a) ? a->b + 12 : a->b,
						   ip_is_v4(a) ? 4 : 16);
	}
	return ret;
}

int dns_zone_builder_base(struct dns_zone_builder *b, const struct dns_zone_base *base)
{
	uint32_t ttl = base->ttl != 0 ? base->ttl : DNS_ZONE_TTL_DEFAULT;
	const char *mark = base->mark != NULL ? base->mark : DNS_ZONE_MARK_DEFAULT;
	bool add_ns = !has_type(b, &b->apex, DNS_NS);
	int ret = 0;

	if (base->ns_n == 0 || base->ns_n > DNS_ZONE_NS_MAX)
		return -EINVAL;
	if (!has_type(b, &b->apex, DNS_SOA))
		ret = base_soa(b, base, ttl);
	for (unsigned int i = 0; i < base->ns_n && ret == 0; i++)
		ret = base_ns(b, base, i, add_ns, ttl);
	for (unsigned int i = 0; i < base->ns_n && ret == 0; i++)
		if (dns_name_under(&base->ns[i], &b->apex))
			ret = base_mark(b, &base->ns[i], mark, ttl);
	return ret == 0 ? base_mark(b, &b->apex, mark, ttl) : ret;
}

/* By length first: equal names stand together and the apex, the shortest, comes first. */
static int name_order(const struct dns_name *a, const struct dns_name *b)
{
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return memcmp(a->b, b->b, a->len);
}

static int rr_order(const void *pa, const void *pb, void *data)
{
	const struct build_rr *a = pa, *b = pb;
	int c = name_order(&a->owner, &b->owner);

	if (c != 0)
		return c;
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return memcmp((uint8_t *)data + a->data, (uint8_t *)data + b->data, a->len);
}

static void slot_put(struct dns_zone *z, uint32_t node)
{
	const struct dns_name *n = &z->nodes[node].name;
	uint32_t i = (uint32_t)siphash24(&z->key, n->b, n->len) & z->mask;

	while (z->slots[i] != 0)
		i = (i + 1) & z->mask;
	z->slots[i] = node + 1;
}

static struct dns_zone_node *node_add(struct dns_zone *z, const uint8_t *name, uint8_t len)
{
	struct dns_zone_node *n = &z->nodes[z->node_n];
	uint8_t labels;

	memset(n, 0, sizeof(*n));
	memcpy(n->name.b, name, len);
	n->name.len = len;
	labels = (uint8_t)dns_name_labels(&n->name);
	if (labels > z->labels_max)
		z->labels_max = labels;
	if (n->name.b[0] == 1 && n->name.b[1] == '*')
		z->has_wildcards = true;
	slot_put(z, z->node_n++);
	return n;
}

/* Every name between an owner and the apex exists too (RFC 4592 2.2.2). */
static void empties_add(struct dns_zone *z, uint32_t owners)
{
	for (uint32_t i = 0; i < owners; i++) {
		struct dns_name up = z->nodes[i].name;

		while (dns_name_chop(&up) && up.len > z->apex.len)
			if (dns_zone_find(z, up.b, up.len) == NULL)
				node_add(z, up.b, up.len);
	}
}

static size_t empties_max(const struct dns_zone_builder *b)
{
	unsigned int apex = dns_name_labels(&b->apex);
	size_t n = 0;

	for (size_t i = 0; i < b->rr_n; i++)
		if (i == 0 || !dns_name_equal(&b->rr[i].owner, &b->rr[i - 1].owner))
			n += dns_name_labels(&b->rr[i].owner) - apex + 1;
	return n;
}

/* Walk the sorted records, opening nodes and sets as name and type change. */
static void pack(struct dns_zone *z, const struct dns_zone_builder *b)
{
	struct dns_zone_node *node = NULL;
	struct dns_rrset *set = NULL;
	uint32_t set_n = 0, at = 0;

	for (size_t i = 0; i < b->rr_n; i++) {
		const struct build_rr *rr = &b->rr[i];

		if (node == NULL || !dns_name_equal(&node->name, &rr->owner)) {
			node = node_add(z, rr->owner.b, rr->owner.len);
			node->first_set = set_n;
			set = NULL;
		} else if (rr_order(rr, rr - 1, b->data) == 0) {
			continue;
		}
		if (set == NULL || set->type != rr->type) {
			set = &z->sets[set_n++];
			*set = (struct dns_rrset){.type = rr->type, .ttl = rr->ttl, .data = at};
			node->sets++;
		}
		if (rr->ttl < set->ttl) /* one TTL a set, RFC 2181 5.2 */
			set->ttl = rr->ttl;
		set->count++;
		store_be16(z->data + at, rr->len);
		memcpy(z->data + at + 2, b->data + rr->data, rr->len);
		at += 2u + rr->len;
	}
}

static const char *zone_check(struct dns_zone *z)
{
	uint16_t len;
	uint32_t at, minimum;
	const uint8_t *rdata;

	z->apex_node = dns_zone_find(z, z->apex.b, z->apex.len);
	z->soa = z->apex_node != NULL ? dns_zone_rrset(z, z->apex_node, DNS_SOA) : NULL;
	if (z->soa == NULL || z->soa->count != 1)
		return "the apex needs exactly one SOA";
	if (dns_zone_rrset(z, z->apex_node, DNS_NS) == NULL)
		return "the apex has no NS";
	for (uint32_t i = 0; i < z->node_n; i++) {
		struct dns_zone_node *n = &z->nodes[i];
		const struct dns_rrset *cname = dns_zone_rrset(z, n, DNS_CNAME);

		if (cname != NULL && (n->sets > 1 || cname->count > 1))
			return "a CNAME stands beside other records";
		if (n != z->apex_node && dns_zone_rrset(z, n, DNS_SOA) != NULL)
			return "an SOA stands below the apex";
		n->is_cut = n != z->apex_node && dns_zone_rrset(z, n, DNS_NS) != NULL;
		z->has_cuts |= n->is_cut;
	}
	at = z->soa->data;
	rdata = dns_zone_rdata(z, &at, &len);
	minimum = load_be32(rdata + len - 4);
	z->negative_ttl = minimum < z->soa->ttl ? minimum : z->soa->ttl;
	return NULL;
}

static struct dns_zone *zone_alloc(const struct dns_zone_builder *b)
{
	struct dns_zone *z = calloc(1, sizeof(*z));
	size_t nodes = empties_max(b) + 1, slots = 16;

	if (z == NULL)
		return NULL;
	while (slots < 2 * nodes)
		slots *= 2;
	z->apex = b->apex;
	z->apex_labels = (uint8_t)dns_name_labels(&b->apex);
	z->mask = (uint32_t)slots - 1;
	z->slots = calloc(slots, sizeof(*z->slots));
	z->nodes = calloc(nodes, sizeof(*z->nodes));
	z->sets = calloc(b->rr_n + 1, sizeof(*z->sets));
	z->data = malloc(b->data_n + 2 * b->rr_n + 1);
	if (z->slots != NULL && z->nodes != NULL && z->sets != NULL && z->data != NULL)
		return z;
	dns_zone_destroy(z);
	return NULL;
}

int dns_zone_builder_finish(struct dns_zone_builder *b, struct dns_zone **zone, const char **why)
{
	struct dns_zone *z;

	if (b->rr_n > 0)
		qsort_r(b->rr, b->rr_n, sizeof(*b->rr), rr_order, b->data);
	z = zone_alloc(b);
	*why = "no memory";
	if (z == NULL)
		return -ENOMEM;
	if (RAND_bytes((unsigned char *)&z->key, sizeof(z->key)) != 1) {
		*why = "no random bytes";
		dns_zone_destroy(z);
		return -EIO;
	}
	pack(z, b);
	empties_add(z, z->node_n);
	*why = zone_check(z);
	if (*why != NULL) {
		dns_zone_destroy(z);
		return -EINVAL;
	}
	*zone = z;
	return 0;
}
