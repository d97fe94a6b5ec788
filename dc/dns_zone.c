/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/dns_zone.h"
#include "common/bytes.h"

#include <stdlib.h>

void dns_zone_destroy(struct dns_zone *z)
{
	if (z == NULL)
		return;
	free(z->slots);
	free(z->nodes);
	free(z->sets);
	free(z->data);
	free(z);
}

struct dns_zones *dns_zones_create(struct dns_zone *const *zones, unsigned int n)
{
	struct dns_zones *zs = n <= DNS_ZONES_MAX ? calloc(1, sizeof(*zs)) : NULL;

	if (zs == NULL)
		return NULL;
	zs->n = n;
	memcpy(zs->zone, zones, n * sizeof(*zones));
	return zs;
}

void dns_zones_destroy(struct dns_zones *zs)
{
	if (zs == NULL)
		return;
	for (unsigned int i = 0; i < zs->n; i++)
		dns_zone_destroy(zs->zone[i]);
	free(zs);
}

const struct dns_zone *dns_zones_find(const struct dns_zones *zs, const struct dns_name *name)
{
	const struct dns_zone *best = NULL;

	for (unsigned int i = 0; i < zs->n; i++)
		if (dns_name_under(name, &zs->zone[i]->apex) &&
		    (best == NULL || zs->zone[i]->apex.len > best->apex.len))
			best = zs->zone[i];
	return best;
}

const struct dns_zone_node *dns_zone_find(const struct dns_zone *z, const uint8_t *name,
					  uint8_t len)
{
	uint32_t i = (uint32_t)siphash24(&z->key, name, len) & z->mask;

	for (; z->slots[i] != 0; i = (i + 1) & z->mask) {
		const struct dns_zone_node *n = &z->nodes[z->slots[i] - 1];

		if (n->name.len == len && memcmp(n->name.b, name, len) == 0)
			return n;
	}
	return NULL;
}

const struct dns_rrset *dns_zone_rrset(const struct dns_zone *z, const struct dns_zone_node *node,
				       uint16_t type)
{
	for (uint16_t i = 0; i < node->sets; i++)
		if (z->sets[node->first_set + i].type == type)
			return &z->sets[node->first_set + i];
	return NULL;
}

const uint8_t *dns_zone_rdata(const struct dns_zone *z, uint32_t *at, uint16_t *len)
{
	const uint8_t *p = z->data + *at;

	*len = load_be16(p);
	*at += 2u + *len;
	return p + 2;
}
