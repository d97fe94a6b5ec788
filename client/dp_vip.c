/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/dp_impl.h"
#include "common/bytes.h"

#include <errno.h>
#include <stdlib.h>

/* VIPs come from the own DC and from the own host, so a keyed mix is enough. */
static uint32_t bucket_of(const struct dp *dp, const struct ip_addr *a)
{
	uint64_t h = dp->vips_key;

	h = (h ^ load_be64(a->b)) * 0x9e3779b97f4a7c15ULL;
	h = (h ^ (h >> 29) ^ load_be64(a->b + 8)) * 0xbf58476d1ce4e5b9ULL;
	return (uint32_t)(h >> 32) & dp->vips_mask;
}

int dp_vip_table_init(struct dp *dp, uint32_t max)
{
	uint32_t slots = 64;

	while (slots < max)
		slots *= 2;
	dp->vips_mask = slots - 1;
	dp->vip_buckets = calloc(slots, sizeof(*dp->vip_buckets));
	dp->vips = calloc(max, sizeof(*dp->vips));
	if (dp->vip_buckets == NULL || dp->vips == NULL)
		return -ENOMEM;
	for (uint32_t i = max; i > 0; i--) {
		dp->vips[i - 1].next = dp->vips_free;
		dp->vips_free = &dp->vips[i - 1];
	}
	return 0;
}

struct dp_vip *dp_vip_find(const struct dp *dp, const struct ip_addr *a)
{
	struct dp_vip *v = dp->vip_buckets[bucket_of(dp, a)];

	while (v != NULL && !ip_equal(&v->addr, a))
		v = v->next;
	return v;
}

struct dp_vip *dp_vip_add(struct dp *dp, const struct ip_addr *a)
{
	struct dp_vip **bucket = &dp->vip_buckets[bucket_of(dp, a)];
	struct dp_vip *v = dp->vips_free;

	if (v == NULL)
		return NULL;
	dp->vips_free = v->next;
	*v = (struct dp_vip){.addr = *a, .next = *bucket};
	TAILQ_INIT(&v->held);
	*bucket = v;
	return v;
}

void dp_vip_free(struct dp *dp, struct dp_vip *v)
{
	struct dp_vip **at = &dp->vip_buckets[bucket_of(dp, &v->addr)];

	dp_vip_bind(v, NULL);
	while (*at != v)
		at = &(*at)->next;
	*at = v->next;
	v->next = dp->vips_free;
	dp->vips_free = v;
}

void dp_vip_bind(struct dp_vip *v, struct dp_assoc *a)
{
	if (v->assoc != NULL)
		LIST_REMOVE(v, of_assoc);
	v->assoc = a;
	if (a != NULL)
		LIST_INSERT_HEAD(&a->vips, v, of_assoc);
}
