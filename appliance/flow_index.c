/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/flow_index.h"

#include "appliance/table_mem.h"

#include <errno.h>
#include <stddef.h>

_Static_assert(sizeof(struct flow_bucket) == 64, "a bucket is one cache line");

enum { LOAD_WAYS = 5 };

int flow_index_init(struct flow_index *ix, uint32_t n)
{
	uint32_t buckets = 2;

	while ((uint64_t)buckets * LOAD_WAYS < n)
		buckets *= 2;
	ix->mask = buckets - 1;
	ix->n = 0;
	ix->buckets = table_mem_alloc((size_t)buckets * sizeof(*ix->buckets));
	return ix->buckets == NULL ? -ENOMEM : 0;
}

void flow_index_fini(struct flow_index *ix)
{
	table_mem_free(ix->buckets, (size_t)(ix->mask + 1) * sizeof(*ix->buckets));
	ix->buckets = NULL;
}

static int way_of(const struct flow_bucket *b, uint16_t tag, uint32_t ref)
{
	for (int i = 0; i < FLOW_WAYS; i++) {
		if (b->tag[i] == tag && (tag == 0 || b->ref[i] == ref))
			return i;
	}
	return -1;
}

void flow_index_add(struct flow_index *ix, uint64_t hash, uint32_t ref)
{
	uint32_t at = flow_home(ix, hash);
	int way;

	while ((way = way_of(&ix->buckets[at], 0, 0)) < 0) {
		ix->buckets[at].passed++;
		at = (at + 1) & ix->mask;
	}
	ix->buckets[at].tag[way] = flow_tag(hash);
	ix->buckets[at].ref[way] = ref;
	ix->n++;
}

void flow_index_del(struct flow_index *ix, uint64_t hash, uint32_t ref)
{
	uint32_t at = flow_home(ix, hash);
	int way;

	while ((way = way_of(&ix->buckets[at], flow_tag(hash), ref)) < 0) {
		ix->buckets[at].passed--;
		at = (at + 1) & ix->mask;
	}
	ix->buckets[at].tag[way] = 0;
	ix->n--;
}
