/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/relay_table.h"

#include "appliance/relay_bucket.h"
#include "appliance/table_mem.h"

#include <rte_rcu_qsbr.h>

#include <errno.h>
#include <stdlib.h>

_Static_assert(sizeof(struct path_record) == 64, "a path is one cache line");
_Static_assert(sizeof(struct relay_bucket) == 64, "a bucket is one cache line");

enum {
	/* Records that may wait for a grace period, besides one for each path. */
	SPARE_MIN = 256,
	SPARE_SHIFT = 5, /* paths_max / 32 */
	/* Ways taken in the mean bucket of a full table: 1 % of the paths lie in second buckets then,
	 * and no room in either, nor by a move, is not to be expected in 10 M paths.
	 */
	FULL_WAYS = 2,
	BUCKETS_MIN = 8,
};

struct place {
	uint32_t bucket;
	unsigned int way;
	uint32_t first; /* bucket where the entry is counted if it lies in its second */
};

static uint32_t buckets_for(uint32_t paths)
{
	return RTE_MAX((uint32_t)BUCKETS_MIN, (uint32_t)((uint64_t)paths / FULL_WAYS));
}

static void fill_free_lists(struct relay_table *t)
{
	/* Lowest on top: a table used a little touches little memory. */
	for (uint32_t i = 0; i < t->n_records; i++)
		t->free_refs[i] = t->n_records - 1 - i;
	t->n_free_refs = t->n_records;
	for (uint32_t i = 0; i < t->paths_max; i++)
		t->free_numbers[i] = t->paths_max - 1 - i;
	t->n_free_numbers = t->paths_max;
}

struct relay_table *relay_table_create(const struct relay_table_config *cfg)
{
	uint32_t spare = RTE_MAX((uint32_t)SPARE_MIN, cfg->paths_max >> SPARE_SHIFT);
	struct relay_table *t;

	if (cfg->paths_max == 0 || cfg->paths_max > RELAY_PATHS_MAX) {
		errno = EINVAL;
		return NULL;
	}
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	t->paths_max = cfg->paths_max;
	t->n_records = cfg->paths_max + spare;
	t->n_buckets = buckets_for(cfg->paths_max);
	t->qsbr = cfg->qsbr;
	t->released = cfg->released;
	t->ctx = cfg->ctx;
	memcpy(t->secret, cfg->secret, sizeof(t->secret));
	/* An even factor would lose bits of the Path ID. */
	t->secret[1] |= 1;
	t->secret[3] |= 1;

	t->buckets = table_mem_alloc((size_t)t->n_buckets * sizeof(*t->buckets));
	t->records = table_mem_alloc((size_t)t->n_records * sizeof(*t->records));
	t->numbers = table_mem_alloc(t->n_records * sizeof(*t->numbers));
	t->free_refs = table_mem_alloc(t->n_records * sizeof(*t->free_refs));
	t->free_numbers = table_mem_alloc(t->paths_max * sizeof(*t->free_numbers));
	t->retired = table_mem_alloc(t->n_records * sizeof(*t->retired));
	if (t->buckets == NULL || t->records == NULL || t->numbers == NULL ||
	    t->free_refs == NULL || t->free_numbers == NULL || t->retired == NULL)
		goto err_destroy;
	fill_free_lists(t);

	for (int isa = RELAY_ISAS - 1; isa >= 0; isa--) {
		if (relay_table_isa_set(t, (enum relay_isa)isa) == 0)
			break;
	}
	return t;

err_destroy:
	relay_table_destroy(t);
	errno = ENOMEM;
	return NULL;
}

void relay_table_destroy(struct relay_table *t)
{
	if (t == NULL)
		return;
	table_mem_free(t->buckets, (size_t)t->n_buckets * sizeof(*t->buckets));
	table_mem_free(t->records, (size_t)t->n_records * sizeof(*t->records));
	table_mem_free(t->numbers, t->n_records * sizeof(*t->numbers));
	table_mem_free(t->free_refs, t->n_records * sizeof(*t->free_refs));
	table_mem_free(t->free_numbers, t->paths_max * sizeof(*t->free_numbers));
	table_mem_free(t->retired, t->n_records * sizeof(*t->retired));
	free(t);
}

int relay_table_isa_set(struct relay_table *t, enum relay_isa isa)
{
	relay_lookup_fn fn = relay_lookup_variant(isa);

	if (fn == NULL)
		return -ENOTSUP;
	t->lookup = fn;
	t->isa = isa;
	return 0;
}

enum relay_isa relay_table_isa(const struct relay_table *t)
{
	return t->isa;
}

const char *relay_isa_name(enum relay_isa isa)
{
	static const char *const names[RELAY_ISAS] = {"scalar", "avx2", "avx512"};

	return names[isa];
}

uint32_t relay_table_number(const struct relay_table *t, const struct path_record *rec)
{
	return t->numbers[rec - t->records];
}

uint32_t relay_table_count(const struct relay_table *t)
{
	return t->count;
}

void relay_table_reclaim(struct relay_table *t)
{
	while (t->n_retired > 0) {
		const struct retired *r = &t->retired[t->retired_head];

		if (t->qsbr != NULL && rte_rcu_qsbr_check(t->qsbr, r->token, false) != 1)
			return;
		if (t->released != NULL)
			t->released(t->ctx, &t->records[r->ref], t->numbers[r->ref]);
		if (r->with_number)
			t->free_numbers[t->n_free_numbers++] = t->numbers[r->ref];
		t->free_refs[t->n_free_refs++] = r->ref;
		t->retired_head = (t->retired_head + 1) % t->n_records;
		t->n_retired--;
	}
}

static void retire(struct relay_table *t, uint32_t ref, bool with_number)
{
	uint32_t at = (t->retired_head + t->n_retired) % t->n_records;

	t->retired[at] = (struct retired){
		.token = t->qsbr != NULL ? rte_rcu_qsbr_start(t->qsbr) : 0,
		.ref = ref,
		.with_number = with_number,
	};
	t->n_retired++;
}

static int take_ref(struct relay_table *t, uint32_t *ref)
{
	if (t->n_free_refs == 0)
		relay_table_reclaim(t);
	if (t->n_free_refs == 0)
		return -ENOSPC;
	*ref = t->free_refs[--t->n_free_refs];
	return 0;
}

static void ref_store(struct relay_bucket *b, unsigned int way, uint32_t ref)
{
	/* pairs with the acquire loads of ref in relay_lookup.c: the record is written before */
	atomic_store_explicit(&b->ref[way], ref, memory_order_release);
}

static void way_fill(struct relay_bucket *b, unsigned int way, uint64_t key, uint32_t ref)
{
	ref_store(b, way, ref);
	/* after the reference: who sees the key sees what it refers to */
	atomic_store_explicit(&b->key[way], key, memory_order_release);
}

static void head_add(struct relay_bucket *b, uint32_t n)
{
	uint32_t v = atomic_load_explicit(&b->head, memory_order_relaxed);

	atomic_store_explicit(&b->head, v + n, memory_order_release);
}

/* The way may be filled again at once: whoever saw the key also sees the head change. */
static void way_clear(struct relay_bucket *b, unsigned int way)
{
	atomic_store_explicit(&b->key[way], 0, memory_order_release);
	head_add(b, HEAD_FREED);
}

static int way_of(const struct relay_bucket *b, uint64_t key)
{
	for (int i = 0; i < RELAY_WAYS; i++) {
		if (atomic_load_explicit(&b->key[i], memory_order_relaxed) == key)
			return i;
	}
	return -1;
}

static int free_way(const struct relay_bucket *b)
{
	return way_of(b, 0);
}

static bool locate(const struct relay_table *t, uint64_t id, struct place *p)
{
	uint64_t hash = relay_hash(t, id);
	int way;

	p->first = first_bucket(t, hash);
	p->bucket = p->first;
	way = way_of(&t->buckets[p->bucket], relay_key(id));
	if (way < 0 && bucket_overflow(&t->buckets[p->first]) > 0) {
		p->bucket = second_bucket(t, hash);
		way = way_of(&t->buckets[p->bucket], relay_key(id));
	}
	p->way = way < 0 ? 0 : (unsigned int)way;
	return way >= 0;
}

/* Move one entry of the full bucket, one that lies in its first bucket, to its second. */
static int make_room(struct relay_table *t, uint32_t bucket)
{
	struct relay_bucket *b = &t->buckets[bucket];

	if (bucket_overflow(b) == OVERFLOW_MAX)
		return -1;
	for (unsigned int i = 0; i < RELAY_WAYS; i++) {
		uint64_t key = atomic_load_explicit(&b->key[i], memory_order_relaxed);
		uint32_t ref = atomic_load_explicit(&b->ref[i], memory_order_relaxed);
		uint64_t hash = relay_hash(t, key >> 1);
		struct relay_bucket *to = &t->buckets[second_bucket(t, hash)];
		int way = free_way(to);

		if (way < 0 || first_bucket(t, hash) != bucket)
			continue;
		way_fill(to, (unsigned int)way, key, ref);
		head_add(b, 1);
		way_clear(b, i);
		return (int)i;
	}
	return -1;
}

static int enter(struct relay_table *t, uint64_t id, uint32_t ref)
{
	uint64_t hash = relay_hash(t, id), key = relay_key(id);
	uint32_t first = first_bucket(t, hash), second = second_bucket(t, hash);
	struct relay_bucket *b = &t->buckets[first];
	int way = free_way(b);

	if (way >= 0) {
		way_fill(b, (unsigned int)way, key, ref);
		return 0;
	}
	way = free_way(&t->buckets[second]);
	if (way >= 0 && bucket_overflow(b) < OVERFLOW_MAX) {
		way_fill(&t->buckets[second], (unsigned int)way, key, ref);
		head_add(b, 1);
		return 0;
	}
	way = make_room(t, first);
	if (way >= 0) {
		way_fill(b, (unsigned int)way, key, ref);
		return 0;
	}
	way = bucket_overflow(b) < OVERFLOW_MAX ? make_room(t, second) : -1;
	if (way < 0)
		return -ENOSPC;
	way_fill(&t->buckets[second], (unsigned int)way, key, ref);
	head_add(b, 1);
	return 0;
}

static int insert(struct relay_table *t, const struct path_record *rec, uint32_t ref)
{
	int ret;

	if (t->n_free_numbers == 0)
		relay_table_reclaim(t);
	if (t->n_free_numbers == 0)
		return -ENOSPC;
	t->records[ref] = *rec;
	t->numbers[ref] = t->free_numbers[t->n_free_numbers - 1];
	ret = enter(t, rec->id, ref);
	if (ret < 0)
		return ret;
	t->n_free_numbers--;
	t->count++;
	return 0;
}

int relay_table_set(struct relay_table *t, const struct path_record *rec, uint32_t *number)
{
	struct place p;
	uint32_t ref;
	int ret;

	if (rec->id >> 63 != 0)
		return -EINVAL;
	ret = take_ref(t, &ref);
	if (ret < 0)
		return ret;
	if (!locate(t, rec->id, &p)) {
		ret = insert(t, rec, ref);
		if (ret < 0) {
			t->free_refs[t->n_free_refs++] = ref;
			return ret;
		}
	} else {
		struct relay_bucket *b = &t->buckets[p.bucket];
		uint32_t old = atomic_load_explicit(&b->ref[p.way], memory_order_relaxed);

		t->records[ref] = *rec;
		t->numbers[ref] = t->numbers[old];
		ref_store(b, p.way, ref);
		retire(t, old, false);
	}
	*number = t->numbers[ref];
	return 0;
}

int relay_table_del(struct relay_table *t, uint64_t id)
{
	struct relay_bucket *b;
	struct place p;
	uint32_t ref;

	if (!locate(t, id, &p))
		return -ENOENT;
	b = &t->buckets[p.bucket];
	ref = atomic_load_explicit(&b->ref[p.way], memory_order_relaxed);
	way_clear(b, p.way);
	if (p.bucket != p.first)
		head_add(&t->buckets[p.first], UINT32_MAX); /* one less in second buckets */
	retire(t, ref, true);
	t->count--;
	return 0;
}
