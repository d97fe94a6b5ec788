/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/leg_table.h"

#include "appliance/leg_window.h"
#include "appliance/table_mem.h"

#include <rte_rcu_qsbr.h>

#include <errno.h>
#include <stdlib.h>

_Static_assert(sizeof(struct leg) == 64, "a leg is one cache line");
_Static_assert(sizeof(struct leg_way) == 32, "two ways to a cache line");
_Static_assert(sizeof(struct leg_key) == 40, "entries are counted in bytes");
_Static_assert(sizeof(struct subscriber) == 64, "a subscriber is one cache line");

enum { WAY_SPARE = 64 };
#define SWEEP_NS 30000000000ULL /* in which every leg is looked at once */

/* ---- life ---- */

static void key_freed(void *ctx, uint32_t idx)
{
	struct leg_table *t = ctx;
	struct leg_key *key = &t->keys[idx];

	leg_windows_give(t, key);
	explicit_bzero(leg_key_rx(t, key), 2 * t->key_bytes);
	explicit_bzero(key, sizeof(*key));
}

/* Until nobody can hold the old leg of a slot it stays live, for whoever looks at flags after the index. */
static void slot_freed(void *ctx, uint32_t idx)
{
	struct leg_table *t = ctx;

	atomic_store_explicit(&t->legs[idx].flags, 0, memory_order_relaxed);
}

static int pools_create(struct leg_table *t, struct rte_rcu_qsbr *qsbr)
{
	if (idx_pool_init(&t->slot_pool, t->legs_max, qsbr, slot_freed, t) < 0 ||
	    idx_pool_init(&t->way_pool, t->legs_max + WAY_SPARE, qsbr, NULL, NULL) < 0 ||
	    idx_pool_init(&t->key_pool, t->keys_max, qsbr, key_freed, t) < 0 ||
	    idx_pool_init(&t->subscriber_pool, t->legs_max, qsbr, NULL, NULL) < 0)
		return -ENOMEM;
	/* Neighbours share lines, which two owners that seal would take from each other. */
	idx_pool_spread(&t->key_pool);
	return leg_windows_init(t);
}

/* The next array; NULL when there is no memory yet and only its size is asked for. */
static void *carve(uint8_t *memory, size_t *at, size_t n, size_t size)
{
	uint8_t *p = memory == NULL ? NULL : memory + *at;

	*at += RTE_ALIGN_CEIL(n * size, (size_t)RTE_CACHE_LINE_SIZE);
	return p;
}

/* One behind the other: each alone would be rounded up to huge pages. At the end, where the pages may be small,
 * the spare windows and the credits, which only legs need that move. Bytes of them all.
 */
static size_t arrays_place(struct leg_table *t, uint8_t *memory)
{
	size_t at = 0;

	t->keydata = carve(memory, &at, t->keys_max, 2 * (size_t)t->key_bytes);
	t->legs = carve(memory, &at, t->legs_max, sizeof(*t->legs));
	t->ways = carve(memory, &at, t->legs_max + WAY_SPARE, sizeof(*t->ways));
	t->keys = carve(memory, &at, t->keys_max, sizeof(*t->keys));
	t->subscribers = carve(memory, &at, t->legs_max, sizeof(*t->subscribers));
	t->windows = carve(memory, &at, leg_windows_count(t->keys_max), sizeof(*t->windows));
	t->credit = carve(memory, &at, t->legs_max, sizeof(*t->credit));
	return at;
}

static int arrays_create(struct leg_table *t)
{
	t->memory_bytes = arrays_place(t, NULL);
	t->memory = table_mem_alloc_exact(t->memory_bytes);
	if (t->memory == NULL)
		return -ENOMEM;
	arrays_place(t, t->memory);
	return 0;
}

struct leg_table *leg_table_create(const struct leg_table_config *cfg)
{
	struct leg_table *t;
	int err = ENOMEM;

	if (cfg->legs_max == 0 || cfg->legs_max > RS_LEGS_LIMIT || cfg->keys_max < cfg->legs_max ||
	    cfg->keys_max > LEG_KEYS_LIMIT) {
		errno = EINVAL;
		return NULL;
	}
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	t->legs_max = cfg->legs_max;
	t->keys_max = cfg->keys_max;
	t->subscriber_gone = cfg->subscriber_gone;
	t->ctx = cfg->ctx;
	t->aead = aead_create(cfg->aead);
	if (t->aead == NULL) {
		err = errno;
		goto err_destroy;
	}
	t->key_bytes = aead_key_bytes(t->aead);
	if (arrays_create(t) < 0 || pools_create(t, cfg->qsbr) < 0)
		goto err_destroy;
	return t;

err_destroy:
	leg_table_destroy(t);
	errno = err;
	return NULL;
}

void leg_table_destroy(struct leg_table *t)
{
	if (t == NULL)
		return;
	if (t->keydata != NULL)
		explicit_bzero(t->keydata, (size_t)t->keys_max * 2 * t->key_bytes);
	table_mem_free_exact(t->memory, t->memory_bytes);
	leg_windows_fini(t);
	idx_pool_fini(&t->slot_pool);
	idx_pool_fini(&t->way_pool);
	idx_pool_fini(&t->key_pool);
	idx_pool_fini(&t->subscriber_pool);
	aead_destroy(t->aead);
	free(t);
}

void leg_table_reclaim(struct leg_table *t)
{
	idx_pool_reclaim(&t->slot_pool);
	idx_pool_reclaim(&t->way_pool);
	idx_pool_reclaim(&t->key_pool);
	idx_pool_reclaim(&t->subscriber_pool);
}

/* ---- legs ---- */

int leg_table_reserve(struct leg_table *t, uint64_t random, uint64_t *index)
{
	uint32_t slot;
	int ret = idx_pool_take(&t->slot_pool, &slot);

	if (ret < 0)
		return ret;
	*index = WIRE_ID_INDEX | RS_INDEX_BIT | (random << LEG_SLOT_BITS & ~(3ULL << 62)) | slot;
	/* All ones is not an index. */
	if (*index == WIRE_ID_NONE)
		*index ^= 1ULL << LEG_SLOT_BITS;
	/* A free slot has no flags: the index is claimed from here on, and no leg yet. Pairs with
	 * leg_table_find(), that whoever sees the index sees no flags of the leg before.
	 */
	atomic_store_explicit(&t->legs[slot].index, *index, memory_order_release);
	return 0;
}

static void way_publish(struct leg_table *t, struct leg *leg, uint32_t way)
{
	uint32_t old = atomic_load_explicit(&leg->way, memory_order_relaxed);

	/* pairs with leg_way(): the entry is written before it is seen */
	atomic_store_explicit(&leg->way, way + 1, memory_order_release);
	if (old != LEG_REF_NONE)
		idx_pool_retire(&t->way_pool, old - 1);
}

/* The subscriber of the leg it inherits from, or a new one. */
static int subscriber_take(struct leg_table *t, const struct rs_dp_leg *leg, uint32_t *number)
{
	struct leg *old;
	int ret;

	if (leg->heir_of != RS_LEG_NONE) {
		old = leg_table_find(t, leg->heir_of);
		if (old == NULL)
			return -ENOENT;
		if (old->worker != leg->worker)
			return -EINVAL;
		*number = old->subscriber;
		return 0;
	}
	ret = idx_pool_take(&t->subscriber_pool, number);
	if (ret < 0)
		return ret;
	t->subscribers[*number] = (struct subscriber){.worker = (uint8_t)leg->worker};
	return 0;
}

/* What general hosts send goes by this leg from now on; pairs with the loads in pipeline/nat_in.c. */
static void subscriber_point(struct leg_table *t, const struct leg *leg)
{
	atomic_store_explicit(&t->subscribers[leg->subscriber].leg, leg->slot + 1,
			      memory_order_release);
}

int leg_table_add(struct leg_table *t, uint64_t index, const struct rs_dp_leg *leg)
{
	uint32_t slot = (uint32_t)index & LEG_SLOT_MASK, way, subscriber;
	struct leg *l;
	int ret;

	if (!leg_table_is_claimed(t, index))
		return -ENOENT;
	ret = idx_pool_take(&t->way_pool, &way);
	if (ret < 0)
		return ret;
	ret = subscriber_take(t, leg, &subscriber);
	if (ret < 0)
		goto err_give_way;

	l = &t->legs[slot];
	t->ways[way] = (struct leg_way){.peer = leg->peer, .local = leg->local};
	atomic_store_explicit(&t->credit[slot].until, 0, memory_order_relaxed);
	for (unsigned int e = 0; e < RS_EPOCHS; e++)
		atomic_store_explicit(&l->key[e], LEG_REF_NONE, memory_order_relaxed);
	atomic_store_explicit(&l->way, LEG_REF_NONE, memory_order_relaxed);
	atomic_store_explicit(&l->tx_epoch, 0, memory_order_relaxed);
	atomic_store_explicit(&l->rebind_ms, 0, memory_order_relaxed);
	l->vip4 = ip_is_none(&leg->vip4) ? 0 : ip_v4(&leg->vip4);
	l->vip6 = leg->vip6;
	l->worker = leg->worker;
	l->slot = slot;
	l->subscriber = subscriber;
	way_publish(t, l, way);
	/* pairs with leg_table_find() */
	atomic_store_explicit(&l->flags, LEG_LIVE | (leg->confirmed ? LEG_CONFIRMED : 0),
			      memory_order_release);
	t->subscribers[subscriber].legs++;
	/* An heir that nobody has proven yet does not take its elder's packets away. */
	if (leg->heir_of == RS_LEG_NONE || leg->confirmed)
		subscriber_point(t, l);
	t->count++;
	return 0;

err_give_way:
	idx_pool_give_back(&t->way_pool, way);
	return ret;
}

/* Of the keys of an entry; kept in the word that their expanded form leaves free. */
static uint32_t *mark_of(const struct leg_table *t, const struct leg_key *key)
{
	return aead_key_word(leg_key_rx(t, key), t->key_bytes);
}

/* The mark stays in place of the reference: the same keys are refused until the epoch has others. */
static void key_retire(struct leg_table *t, struct leg *leg, unsigned int epoch)
{
	int64_t key = leg_key_at(leg, epoch);

	if (key < 0)
		return;
	atomic_store_explicit(&leg->key[epoch], LEG_KEY_GONE | *mark_of(t, &t->keys[key]),
			      memory_order_release);
	idx_pool_retire(&t->key_pool, (uint32_t)key);
}

static void key_unpublish(struct leg_table *t, struct leg *leg, unsigned int epoch)
{
	key_retire(t, leg, epoch);
	atomic_store_explicit(&leg->key[epoch], LEG_REF_NONE, memory_order_release);
}

/* Has the leg, or had it as the last of some epoch, keys of that mark? */
static bool mark_is_known(const struct leg_table *t, const struct leg *leg, uint32_t mark)
{
	for (unsigned int e = 0; e < RS_EPOCHS; e++) {
		int64_t key = leg_key_at(leg, e);

		if (key >= 0 ? *mark_of(t, &t->keys[key]) == mark
			     : atomic_load_explicit(&leg->key[e], memory_order_relaxed) ==
				       (LEG_KEY_GONE | mark))
			return true;
	}
	return false;
}

static void subscriber_leave(struct leg_table *t, const struct leg *leg)
{
	struct subscriber *s = &t->subscribers[leg->subscriber];

	if (atomic_load_explicit(&s->leg, memory_order_relaxed) == leg->slot + 1)
		atomic_store_explicit(&s->leg, 0, memory_order_release);
	if (--s->legs > 0)
		return;
	if (t->subscriber_gone != NULL)
		t->subscriber_gone(t->ctx, leg->subscriber);
	else
		idx_pool_retire(&t->subscriber_pool, leg->subscriber);
}

void leg_table_subscriber_free(struct leg_table *t, uint32_t subscriber)
{
	idx_pool_retire(&t->subscriber_pool, subscriber);
}

int leg_table_del(struct leg_table *t, uint64_t index)
{
	struct leg *leg = leg_table_find(t, index);
	uint32_t slot = (uint32_t)index & LEG_SLOT_MASK;

	if (leg_table_is_claimed(t, index)) {
		/* Who saw this index must not see the flags of the slot's next leg. */
		atomic_store_explicit(&t->legs[slot].index, 0, memory_order_relaxed);
		idx_pool_retire(&t->slot_pool, slot);
		return 0;
	}
	if (leg == NULL)
		return -ENOENT;
	atomic_store_explicit(&leg->index, 0, memory_order_release);
	for (unsigned int e = 0; e < RS_EPOCHS; e++)
		key_unpublish(t, leg, e);
	/* Workers in the middle of a burst may still follow leg->way: the entry is only retired. */
	idx_pool_retire(&t->way_pool, atomic_load_explicit(&leg->way, memory_order_relaxed) - 1);
	subscriber_leave(t, leg);
	idx_pool_retire(&t->slot_pool, slot);
	t->count--;
	return 0;
}

/* ---- keys ---- */

/* Tells keys apart without keeping them: equal keys have equal marks. 31 bits; others have equal ones once
 * in 2^31: a handshake that is then made anew.
 */
static uint32_t key_mark(const struct keys *k)
{
	uint64_t a, b;

	memcpy(&a, suite_is_cbc(k->suite) ? k->enc : k->key, 8);
	memcpy(&b, suite_is_cbc(k->suite) ? k->mac : k->key + 8, 8);
	return (uint32_t)(((a * 0x9e3779b97f4a7c15ULL) ^ b * 0xc2b2ae3d27d4eb4fULL) >> 33);
}

/* Previous, current and next are held (protocol.md section 2): a new epoch ends the one before them. */
static void oldest_retire(struct leg_table *t, struct leg *leg, unsigned int next)
{
	unsigned int oldest = (next + 1) % RS_EPOCHS;

	if (oldest != atomic_load_explicit(&leg->tx_epoch, memory_order_relaxed))
		key_retire(t, leg, oldest);
}

int leg_table_key_install(struct leg_table *t, uint64_t index, const struct epoch_keys *k,
			  uint64_t data_until_ns)
{
	struct leg *leg = leg_table_find(t, index);
	uint32_t mark = key_mark(&k->recv);
	struct leg_key *key;
	uint32_t at;
	int ret;

	if (leg == NULL)
		return -ENOENT;
	if (k->epoch >= RS_EPOCHS || !suite_is_known(k->recv.suite) ||
	    k->recv.suite != k->send.suite)
		return -EINVAL;
	if (mark_is_known(t, leg, mark))
		return -EEXIST;
	ret = idx_pool_take(&t->key_pool, &at);
	if (ret < 0)
		return ret;
	key = &t->keys[at];
	*key = (struct leg_key){
		.peer_index = k->peer_index,
		.data_until_ns = data_until_ns,
		.suite = k->recv.suite,
	};
	aead_expand(t->aead, &k->recv, true, leg_key_rx(t, key));
	aead_expand(t->aead, &k->send, false, leg_key_tx(t, key));
	*mark_of(t, key) = mark;
	key_unpublish(t, leg, k->epoch);
	oldest_retire(t, leg, k->epoch);
	/* pairs with leg_key_at() */
	atomic_store_explicit(&leg->key[k->epoch], at + 1, memory_order_release);
	return 0;
}

int leg_table_key_use(struct leg_table *t, uint64_t index, unsigned int epoch)
{
	struct leg *leg = leg_table_find(t, index);

	if (leg == NULL || epoch >= RS_EPOCHS || leg_key_at(leg, epoch) < 0)
		return -ENOENT;
	atomic_store_explicit(&leg->tx_epoch, (uint8_t)epoch, memory_order_release);
	return 0;
}

int leg_table_key_drop(struct leg_table *t, uint64_t index, unsigned int epoch)
{
	struct leg *leg = leg_table_find(t, index);

	if (leg == NULL || epoch >= RS_EPOCHS || leg_key_at(leg, epoch) < 0)
		return -ENOENT;
	key_unpublish(t, leg, epoch);
	return 0;
}

/* Epochs that data may no longer use. The one that we send in stays: it tells that it is spent. */
static void epochs_end(struct leg_table *t, struct leg *leg, uint64_t now)
{
	uint8_t tx = atomic_load_explicit(&leg->tx_epoch, memory_order_relaxed);

	for (unsigned int e = 0; e < RS_EPOCHS; e++) {
		int64_t key = leg_key_at(leg, e);

		if (e != tx && key >= 0 && now >= t->keys[key].data_until_ns)
			key_retire(t, leg, e);
	}
}

void leg_table_sweep(struct leg_table *t, uint64_t now)
{
	uint64_t passed = now - t->swept_ns, n;

	if (t->swept_ns == 0 || passed > SWEEP_NS)
		passed = SWEEP_NS;
	n = t->legs_max * passed / SWEEP_NS;
	if (n == 0)
		return;
	t->swept_ns = now;
	for (; n > 0; n--) {
		struct leg *leg = &t->legs[t->sweep_at];

		t->sweep_at = (t->sweep_at + 1) % t->legs_max;
		if (atomic_load_explicit(&leg->index, memory_order_relaxed) != 0 &&
		    (atomic_load_explicit(&leg->flags, memory_order_relaxed) & LEG_LIVE) != 0)
			epochs_end(t, leg, now);
	}
}

/* ---- where the node is ---- */

static int way_change(struct leg_table *t, struct leg *leg, const struct leg_way *to)
{
	uint32_t way;
	int ret = idx_pool_take(&t->way_pool, &way);

	if (ret < 0)
		return ret;
	t->ways[way] = *to;
	t->ways[way].route_gen = 0;
	way_publish(t, leg, way);
	return 0;
}

int leg_table_way_set(struct leg_table *t, uint64_t index, uint16_t local,
		      const struct endpoint *peer, uint32_t credit_bytes, uint64_t credit_until_ns)
{
	struct leg *leg = leg_table_find(t, index);
	struct leg_credit *credit;
	struct leg_way way;

	if (leg == NULL)
		return -ENOENT;
	credit = &t->credit[leg->slot];
	way = *leg_way(t, leg);
	way.route ^= 2;
	way.peer = *peer;
	way.local = local;
	way.limited = credit_until_ns != 0;
	way.mtu = 0;
	if (way.limited)
		atomic_store_explicit(&credit->bytes,
				      (int32_t)RTE_MIN(credit_bytes, (uint32_t)INT32_MAX),
				      memory_order_relaxed);
	atomic_store_explicit(&credit->until, way.limited ? leg_credit_tick(credit_until_ns) : 0,
			      memory_order_relaxed);
	return way_change(t, leg, &way);
}

int leg_table_confirm(struct leg_table *t, uint64_t index)
{
	struct leg *leg = leg_table_find(t, index);
	struct leg_way way;

	if (leg == NULL)
		return -ENOENT;
	if ((atomic_fetch_or_explicit(&leg->flags, LEG_CONFIRMED, memory_order_release) &
	     LEG_CONFIRMED) == 0)
		subscriber_point(t, leg);
	atomic_store_explicit(&t->credit[leg->slot].until, 0, memory_order_relaxed);
	way = *leg_way(t, leg);
	if (!way.limited)
		return 0;
	way.limited = false;
	return way_change(t, leg, &way);
}

int leg_table_mtu_set(struct leg_table *t, uint64_t index, uint16_t outer_bytes)
{
	struct leg *leg = leg_table_find(t, index);
	struct leg_way way;

	if (leg == NULL)
		return -ENOENT;
	way = *leg_way(t, leg);
	way.mtu = outer_bytes;
	return way_change(t, leg, &way);
}
