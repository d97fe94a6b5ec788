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
