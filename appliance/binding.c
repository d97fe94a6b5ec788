/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/binding.h"

#include "appliance/hash_key.h"
#include "appliance/table_mem.h"

#include <errno.h>
#include <stdlib.h>

int binding_table_init(struct binding_table *t, uint32_t max, uint32_t subscribers_max,
		       struct rte_rcu_qsbr *qsbr, const uint64_t secret[2])
{
	uint32_t heads = 2;
	int ret;

	while (heads < max)
		heads *= 2;
	t->mask = heads - 1;
	t->subscribers_max = subscribers_max;
	t->secret[0] = secret[0];
	t->secret[1] = secret[1] | 1;
	ret = idx_pool_init(&t->pool, max, qsbr, NULL, NULL);
	if (ret < 0)
		return ret;
	t->entries = table_mem_alloc(max * sizeof(*t->entries));
	t->by_vip = table_mem_alloc(heads * sizeof(*t->by_vip));
	t->by_rip = table_mem_alloc(heads * sizeof(*t->by_rip));
	t->first = calloc(subscribers_max, sizeof(*t->first));
	if (t->entries == NULL || t->by_vip == NULL || t->by_rip == NULL || t->first == NULL) {
		binding_table_fini(t);
		return -ENOMEM;
	}
	return 0;
}

void binding_table_fini(struct binding_table *t)
{
	table_mem_free(t->entries, t->pool.size * sizeof(*t->entries));
	table_mem_free(t->by_vip, (t->mask + 1) * sizeof(*t->by_vip));
	table_mem_free(t->by_rip, (t->mask + 1) * sizeof(*t->by_rip));
	free(t->first);
	idx_pool_fini(&t->pool);
	*t = (struct binding_table){.mask = 0};
}

static uint32_t head_of(const struct binding_table *t, uint32_t subscriber,
			const struct ip_addr *ip)
{
	return (uint32_t)hash_key(t->secret, subscriber, ip) & t->mask;
}

static const struct binding *at(const struct binding_table *t, const _Atomic uint32_t *link)
{
	/* pairs with the release stores in binding_table_add() */
	uint32_t n = atomic_load_explicit(link, memory_order_acquire);

	return n == 0 ? NULL : &t->entries[n - 1];
}

const struct binding *binding_table_by_vip(const struct binding_table *t, uint32_t subscriber,
					   const struct ip_addr *vip)
{
	const struct binding *b = at(t, &t->by_vip[head_of(t, subscriber, vip)]);

	while (b != NULL && (b->subscriber != subscriber || !ip_equal(&b->vip, vip)))
		b = at(t, &b->next_vip);
	return b;
}

const struct binding *binding_by_rip(const struct binding_table *t, uint32_t subscriber,
				     const struct ip_addr *rip, bool v4_vip)
{
	const struct binding *b = at(t, &t->by_rip[head_of(t, subscriber, rip)]);

	while (b != NULL && (b->subscriber != subscriber || !ip_equal(&b->rip, rip) ||
			     ip_is_v4(&b->vip) != v4_vip))
		b = at(t, &b->next_rip);
	return b;
}

void binding_table_prefetch(const struct binding_table *t, uint32_t subscriber,
			    const struct ip_addr *vip)
{
	__builtin_prefetch(&t->by_vip[head_of(t, subscriber, vip)]);
}

void binding_table_prefetch_entry(const struct binding_table *t, uint32_t subscriber,
				  const struct ip_addr *vip)
{
	__builtin_prefetch(at(t, &t->by_vip[head_of(t, subscriber, vip)]));
}

static struct binding *by_number(const struct binding_table *t, uint32_t subscriber,
				 uint32_t number)
{
	uint32_t n = t->first[subscriber];

	while (n != 0 && t->entries[n - 1].number != number)
		n = t->entries[n - 1].next;
	return n == 0 ? NULL : &t->entries[n - 1];
}

static void push(_Atomic uint32_t *head, _Atomic uint32_t *next, uint32_t n)
{
	atomic_store_explicit(next, atomic_load_explicit(head, memory_order_relaxed),
			      memory_order_relaxed);
	/* pairs with at(): the entry is whole before it is seen */
	atomic_store_explicit(head, n, memory_order_release);
}

int binding_table_add(struct binding_table *t, uint32_t subscriber, uint32_t number,
		      const struct ip_addr *vip, const struct ip_addr *rip)
{
	const struct binding *old = by_number(t, subscriber, number);
	struct binding *b;
	uint32_t n;
	int ret;

	if (old != NULL)
		return ip_equal(&old->vip, vip) && ip_equal(&old->rip, rip) ? 0 : -EEXIST;
	if (binding_table_by_vip(t, subscriber, vip) != NULL)
		return -EEXIST;
	ret = idx_pool_take(&t->pool, &n);
	if (ret < 0)
		return ret;
	b = &t->entries[n];
	b->vip = *vip;
	b->rip = *rip;
	b->subscriber = subscriber;
	b->number = number;
	b->next = t->first[subscriber];
	t->first[subscriber] = n + 1;
	push(&t->by_vip[head_of(t, subscriber, vip)], &b->next_vip, n + 1);
	push(&t->by_rip[head_of(t, subscriber, rip)], &b->next_rip, n + 1);
	return 0;
}

/* Readers inside the chain at b go on by b's own link, which stays. */
static void unlink_vip(struct binding_table *t, struct binding *b)
{
	_Atomic uint32_t *link = &t->by_vip[head_of(t, b->subscriber, &b->vip)];
	uint32_t n = (uint32_t)(b - t->entries) + 1;

	while (atomic_load_explicit(link, memory_order_relaxed) != n)
		link = &t->entries[atomic_load_explicit(link, memory_order_relaxed) - 1].next_vip;
	atomic_store_explicit(link, atomic_load_explicit(&b->next_vip, memory_order_relaxed),
			      memory_order_release);
}

static void unlink_rip(struct binding_table *t, struct binding *b)
{
	_Atomic uint32_t *link = &t->by_rip[head_of(t, b->subscriber, &b->rip)];
	uint32_t n = (uint32_t)(b - t->entries) + 1;

	while (atomic_load_explicit(link, memory_order_relaxed) != n)
		link = &t->entries[atomic_load_explicit(link, memory_order_relaxed) - 1].next_rip;
	atomic_store_explicit(link, atomic_load_explicit(&b->next_rip, memory_order_relaxed),
			      memory_order_release);
}

int binding_del(struct binding_table *t, uint32_t subscriber, uint32_t number)
{
	struct binding *b = by_number(t, subscriber, number);
	uint32_t *link = &t->first[subscriber];

	if (b == NULL)
		return -ENOENT;
	while (&t->entries[*link - 1] != b)
		link = &t->entries[*link - 1].next;
	*link = b->next;
	unlink_vip(t, b);
	unlink_rip(t, b);
	idx_pool_retire(&t->pool, (uint32_t)(b - t->entries));
	return 0;
}

void binding_del_all(struct binding_table *t, uint32_t subscriber)
{
	while (t->first[subscriber] != 0)
		binding_del(t, subscriber, t->entries[t->first[subscriber] - 1].number);
}
