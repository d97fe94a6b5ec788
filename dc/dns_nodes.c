/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/dns_nodes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct node_entry {
	struct dns_name name;
	bool is_node;	   /* else an empty non-terminal */
	uint32_t children; /* entries one label below */
	uint32_t next_free;
	struct dns_node node;
};

struct node_slot {
	uint32_t tag;	/* high half of the hash: most misses end here */
	uint32_t entry; /* index + 1; 0 is an empty slot */
};

struct dns_nodes {
	struct siphash_key key;
	struct dns_name apex[DNS_NODES_APEXES_MAX];
	unsigned int apex_n;
	uint32_t mask; /* of the slots: a power of two, at least twice the capacity, less one */
	uint32_t capacity;
	uint32_t used;
	uint32_t free_head; /* index + 1 */
	struct node_slot *slots;
	struct node_entry *entries;
};

static uint32_t slots_for(uint32_t capacity)
{
	uint32_t n = 16;

	while (n < 2 * (uint64_t)capacity)
		n *= 2;
	return n;
}

struct dns_nodes *dns_nodes_create(const struct dns_name *apexes, unsigned int apex_n,
				   uint32_t capacity, const struct siphash_key *key)
{
	struct dns_nodes *t;

	if (capacity == 0 || capacity > 1u << 28 || apex_n == 0 || apex_n > DNS_NODES_APEXES_MAX)
		return NULL;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	t->key = *key;
	memcpy(t->apex, apexes, apex_n * sizeof(*apexes));
	t->apex_n = apex_n;
	t->capacity = capacity;
	t->mask = slots_for(capacity) - 1;
	t->slots = calloc(t->mask + 1u, sizeof(*t->slots));
	t->entries = calloc(capacity, sizeof(*t->entries));
	if (t->slots == NULL || t->entries == NULL) {
		dns_nodes_destroy(t);
		return NULL;
	}
	for (uint32_t i = 0; i < capacity; i++)
		t->entries[i].next_free = i + 1 < capacity ? i + 2 : 0;
	t->free_head = 1;
	return t;
}

void dns_nodes_destroy(struct dns_nodes *t)
{
	if (t == NULL)
		return;
	free(t->slots);
	free(t->entries);
	free(t);
}

/* The slot that holds the name, or the empty one where it would go: the table is never full. */
static uint32_t slot_find(const struct dns_nodes *t, const uint8_t *name, uint8_t len,
			  uint32_t *tag)
{
	uint64_t h = siphash24(&t->key, name, len);
	uint32_t i = (uint32_t)h & t->mask;

	*tag = (uint32_t)(h >> 32);
	for (; t->slots[i].entry != 0; i = (i + 1) & t->mask) {
		const struct node_entry *e = &t->entries[t->slots[i].entry - 1];

		if (t->slots[i].tag == *tag && e->name.len == len &&
		    memcmp(e->name.b, name, len) == 0)
			break;
	}
	return i;
}

static struct node_entry *entry_find(const struct dns_nodes *t, const uint8_t *name, uint8_t len)
{
	uint32_t tag, i = slot_find(t, name, len, &tag);

	return t->slots[i].entry != 0 ? &t->entries[t->slots[i].entry - 1] : NULL;
}

enum dns_found dns_nodes_find(const struct dns_nodes *t, const uint8_t *name, uint8_t len,
			      const struct dns_node **node)
{
	const struct node_entry *e = entry_find(t, name, len);

	if (e == NULL)
		return DNS_FOUND_NONE;
	*node = &e->node;
	return e->is_node ? DNS_FOUND_NODE : DNS_FOUND_EMPTY;
}

static struct node_entry *entry_add(struct dns_nodes *t, const uint8_t *name, uint8_t len)
{
	uint32_t tag, i = slot_find(t, name, len, &tag), idx = t->free_head - 1;
	struct node_entry *e = &t->entries[idx];

	t->free_head = e->next_free;
	t->used++;
	memset(e, 0, sizeof(*e));
	memcpy(e->name.b, name, len);
	e->name.len = len;
	t->slots[i].tag = tag;
	t->slots[i].entry = idx + 1;
	return e;
}

/* Close the hole by moving later entries of the same run back (Knuth, algorithm 6.4R). */
static void slot_delete(struct dns_nodes *t, uint32_t hole)
{
	for (uint32_t i = (hole + 1) & t->mask; t->slots[i].entry != 0; i = (i + 1) & t->mask) {
		const struct node_entry *e = &t->entries[t->slots[i].entry - 1];
		uint32_t home = (uint32_t)siphash24(&t->key, e->name.b, e->name.len) & t->mask;

		if (((i - home) & t->mask) >= ((i - hole) & t->mask)) {
			t->slots[hole] = t->slots[i];
			hole = i;
		}
	}
	t->slots[hole].entry = 0;
}

static void entry_delete(struct dns_nodes *t, struct node_entry *e)
{
	uint32_t tag;

	slot_delete(t, slot_find(t, e->name.b, e->name.len, &tag));
	e->next_free = t->free_head;
	t->free_head = (uint32_t)(e - t->entries) + 1;
	t->used--;
}

/* The deepest zone that the name stands in; NULL if none. */
static const struct dns_name *apex_of(const struct dns_nodes *t, const struct dns_name *name)
{
	const struct dns_name *best = NULL;

	for (unsigned int i = 0; i < t->apex_n; i++)
		if (dns_name_under(name, &t->apex[i]) &&
		    (best == NULL || t->apex[i].len > best->len))
			best = &t->apex[i];
	return best;
}

/* Offsets of the tails of name that are longer than the apex; [0] is the name itself. */
static unsigned int tails(const struct dns_name *apex, const struct dns_name *name,
			  uint8_t at[DNS_NAME_LABELS_MAX + 1])
{
	return dns_name_offsets(name, at) - dns_name_labels(apex);
}

int dns_nodes_set(struct dns_nodes *t, const struct dns_name *name, const struct dns_node *node)
{
	uint8_t at[DNS_NAME_LABELS_MAX + 1];
	struct node_entry *e = entry_find(t, name->b, name->len), *above;
	const struct dns_name *apex = apex_of(t, name);
	unsigned int n, have;

	if (apex == NULL || name->len == apex->len || node->real_n > DNS_NODE_REALS_MAX)
		return -EINVAL;
	if (e == NULL) {
		n = tails(apex, name, at);
		for (have = 0; have < n; have++) /* the first tail that exists ends the work */
			if (entry_find(t, name->b + at[have], (uint8_t)(name->len - at[have])))
				break;
		if (have > t->capacity - t->used)
			return -ENOSPC;
		if (have < n) {
			above = entry_find(t, name->b + at[have], (uint8_t)(name->len - at[have]));
			above->children++;
		}
		for (unsigned int i = have; i > 0; i--) {
			e = entry_add(t, name->b + at[i - 1], (uint8_t)(name->len - at[i - 1]));
			e->children = i > 1;
		}
	}
	e->is_node = true;
	e->node = *node;
	return 0;
}

int dns_nodes_remove(struct dns_nodes *t, const struct dns_name *name)
{
	uint8_t at[DNS_NAME_LABELS_MAX + 1];
	struct node_entry *e = entry_find(t, name->b, name->len);
	unsigned int n;

	if (e == NULL || !e->is_node)
		return -ENOENT;
	e->is_node = false;
	n = tails(apex_of(t, name), name, at);
	for (unsigned int i = 0; e->children == 0 && !e->is_node;) {
		entry_delete(t, e);
		if (++i == n)
			break;
		e = entry_find(t, name->b + at[i], (uint8_t)(name->len - at[i]));
		e->children--;
	}
	return 0;
}

uint32_t dns_nodes_used(const struct dns_nodes *t)
{
	return t->used;
}
