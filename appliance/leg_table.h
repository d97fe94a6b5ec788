/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_LEG_TABLE_H
#define APPLIANCE_LEG_TABLE_H

/* Association index -> leg, keys and subscriber, for RS-N.
 *
 * The low 24 bits of an index are the slot: one line tells whether the index is alive. One writer,
 * the control lcore; workers read, and the leg's owner alone writes what the comments give to it.
 * Whatever control replaces (the way to the node, the keys of an epoch) is a reference to an entry
 * of a pool, swapped by one release store; the old entry is used again after a grace period.
 *
 * Memory per leg with one epoch held: 64 leg + 32 way + 8 credit + 64 subscriber + 40 key entry + 280 replay
 * windows (leg_window.h) + expanded keys of both directions, 1,024 bytes or, with AVX-512, 2,048: 1.5 or
 * 2.5 kB together.
 */
#include "appliance/aead.h"
#include "appliance/idx_pool.h"
#include "appliance/nat_pool.h"
#include "appliance/rs_dp.h"
#include "common/replay.h"
#include "common/wire.h"

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_prefetch.h>
#include <stdatomic.h>

struct rte_rcu_qsbr;
struct rte_ring;

typedef void (*leg_subscriber_gone)(void *ctx, uint32_t subscriber);

enum {
	LEG_SLOT_BITS = 24,
	LEG_SLOT_MASK = (1 << LEG_SLOT_BITS) - 1,
	LEG_REF_NONE = 0, /* references into pools are entry + 1 */
	LEG_KEYS_LIMIT = INT32_MAX,
	LEG_SEAL_ROUTES = 2, /* the worker seals on route 0, and on 2 after every other move */
};

/* In leg.key: of an epoch whose keys are gone, this bit and their mark. leg_key_at() sees a negative number. */
#define LEG_KEY_GONE (1u << 31)

/* Packets of one key; protocol.md section 2. */
#define KEY_SOFT_PACKETS (1u << 28)
#define KEY_HARD_PACKETS (1u << 29)

enum leg_flag {
	/* Else the index is only claimed, for control or for a leg to come. Set for as long as a worker may
	 * hold the leg, also when its index is gone.
	 */
	LEG_LIVE = 1 << 0,
	LEG_CONFIRMED = 1 << 1,
};

/* What a worker needs to open. Written by control, but for what says "owner". */
struct leg {
	_Atomic uint64_t index;		 /* 0: slot is free */
	_Atomic uint32_t key[RS_EPOCHS]; /* entry + 1, LEG_REF_NONE or LEG_KEY_GONE */
	_Atomic uint32_t way;
	uint32_t subscriber;
	struct ip_addr vip6;
	uint32_t vip4; /* as in a header; 0: none */
	uint16_t worker;
	_Atomic uint8_t flags;
	_Atomic uint8_t tx_epoch;
	uint32_t slot;
	_Atomic uint32_t rebind_ms; /* owner: of the last RS_EV_REBIND */
} __rte_aligned(64);

/* Where the node is; but for the kept next hop never changed once it is published. */
struct leg_way {
	struct endpoint peer;
	uint16_t local;
	uint16_t mtu;  /* outer bytes, 0: of the link */
	uint8_t route; /* that the worker seals with: 0 or 2 */
	bool limited;  /* by the leg's credit */
	/* Owner: kept look-up of the peer's next hop and the generation it is of. */
	_Atomic uint32_t route_gen, nexthop;
};

/* Data towards an address that is not proven; by slot. Workers of all paths of the leg take from it,
 * so it is atomic; control refills it at a move.
 */
struct leg_credit {
	_Atomic int32_t bytes;
	_Atomic uint32_t until; /* leg_credit_tick(); 0: proven, no limit */
};

/* One epoch of one leg. The IVs are with the expanded keys. Some lie across two lines: leg_key_prefetch(). */
struct leg_key {
	uint64_t peer_index; /* ID on packets to the node */
	uint64_t data_until_ns;
	_Atomic uint32_t tx_seq[LEG_SEAL_ROUTES]; /* owner: next sequence on route 0 and 2 */
	uint32_t window[3];			  /* owner: replay window by route; leg_window.h */
	uint8_t suite;
	uint8_t flags;		 /* owner: enum key_flag */
	uint16_t spent_told_sec; /* owner: when control was last told that it is spent */
};

enum key_flag {
	KEY_SEEN = 1 << 0, /* a packet opened under it */
	KEY_SOFT_TOLD = 1 << 1,
	KEY_SPENT_TOLD = 1 << 2, /* spent_told_sec is set */
};

/* A node as the NAT knows it: outlives a leg that a new handshake replaces. Bindings and mappings
 * hang on its number.
 */
struct subscriber {
	_Atomic uint32_t leg; /* control: slot + 1 of the leg to seal for; 0: none */
	uint8_t worker;
	uint8_t legs; /* control: how many name it */
	uint16_t pad;
	_Atomic uint16_t
		flows; /* owner, as all below; control waits for 0 before it is used again */
	uint16_t mappings;
	uint32_t last_rx_tick;
	struct nat_share share[2]; /* IPv6, IPv4 */
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
} __rte_aligned(64);

struct leg_table {
	/* Arrays that workers read, constant after creation; all in one piece of memory. */
	struct leg *legs;
	struct leg_way *ways;
	struct leg_credit *credit;
	struct leg_key *keys;
	uint8_t *keydata;   /* expanded keys: leg_key_rx(), leg_key_tx() */
	uint32_t key_bytes; /* of one direction: what the AEAD engine needs */
	struct subscriber *subscribers;
	struct replay *windows;
	struct rte_ring *spare_windows; /* control puts, workers take */
	uint32_t legs_max, keys_max, windows_max;

	/* Control. */
	struct idx_pool slot_pool, way_pool, key_pool, subscriber_pool;
	uint8_t *memory; /* of the arrays */
	size_t memory_bytes;
	struct aead *aead; /* expands keys */
	leg_subscriber_gone subscriber_gone;
	void *ctx;
	uint32_t count;
	uint32_t sweep_at; /* leg that leg_table_sweep() goes on with */
	uint64_t swept_ns;
};

struct leg_table_config {
	uint32_t legs_max, keys_max;
	enum aead_isa aead; /* whose expanded keys the workers take */
	struct rte_rcu_qsbr *qsbr;
	/* A subscriber lost its last leg: have its owner purge the NAT, then call
	 * leg_table_subscriber_free().
	 */
	leg_subscriber_gone subscriber_gone;
	void *ctx;
};

/* Control lcore; errors as in rs_dp.h, whose functions these carry out. */
struct leg_table *leg_table_create(const struct leg_table_config *cfg); /* NULL with errno */
void leg_table_destroy(struct leg_table *t);
int leg_table_reserve(struct leg_table *t, uint64_t random, uint64_t *index);
int leg_table_add(struct leg_table *t, uint64_t index, const struct rs_dp_leg *leg);
int leg_table_del(struct leg_table *t, uint64_t index);
int leg_table_key_install(struct leg_table *t, uint64_t index, const struct epoch_keys *k,
			  uint64_t data_until_ns);
int leg_table_key_use(struct leg_table *t, uint64_t index, unsigned int epoch);
int leg_table_key_drop(struct leg_table *t, uint64_t index, unsigned int epoch);
int leg_table_way_set(struct leg_table *t, uint64_t index, uint16_t local,
		      const struct endpoint *peer, uint32_t credit_bytes, uint64_t credit_until_ns);
int leg_table_confirm(struct leg_table *t, uint64_t index);
int leg_table_mtu_set(struct leg_table *t, uint64_t index, uint16_t outer_bytes);
void leg_table_subscriber_free(struct leg_table *t, uint32_t subscriber);
void leg_table_reclaim(struct leg_table *t);
/* Take back keys of epochs that are over, 180 s after they were made: a part of the legs per call, all
 * of them in 30 s. A leg that rekeys every 120 s holds 1.5 epochs on the average, never more than 3.
 */
void leg_table_sweep(struct leg_table *t, uint64_t now);

/* The leg of an index, NULL if there is none. Workers and control. One cache line. */
static inline struct leg *leg_table_find(const struct leg_table *t, uint64_t index)
{
	uint32_t slot = (uint32_t)index & LEG_SLOT_MASK;
	struct leg *leg;

	/* A free slot holds 0, which is no index. */
	if (unlikely(slot >= t->legs_max || index == RS_LEG_NONE))
		return NULL;
	leg = &t->legs[slot];
	/* pairs with the release store in leg_table_reserve() */
	if (unlikely(atomic_load_explicit(&leg->index, memory_order_acquire) != index))
		return NULL;
	/* pairs with the release store in leg_table_add() */
	return atomic_load_explicit(&leg->flags, memory_order_acquire) & LEG_LIVE ? leg : NULL;
}

/* What leg_table_find() will read. A hint: any id will do. */
static inline void leg_table_prefetch(const struct leg_table *t, uint64_t id)
{
	uint32_t slot = (uint32_t)id & LEG_SLOT_MASK;

	if (likely(slot < t->legs_max))
		rte_prefetch0(&t->legs[slot]);
}

static inline void leg_key_prefetch(const struct leg_key *key)
{
	rte_prefetch0(key);
	rte_prefetch0((const uint8_t *)(key + 1) - 1);
}

/* What a packet for the leg needs next: where it goes and what it is sealed with now. A hint. */
static inline void leg_prefetch_way(const struct leg_table *t, const struct leg *leg)
{
	uint32_t way = atomic_load_explicit(&leg->way, memory_order_relaxed);
	uint8_t epoch = atomic_load_explicit(&leg->tx_epoch, memory_order_relaxed);
	uint32_t key =
		atomic_load_explicit(&leg->key[epoch & (RS_EPOCHS - 1)], memory_order_relaxed);

	rte_prefetch0(&t->ways[way - (way != LEG_REF_NONE)]);
	if (likely((int32_t)key > 0))
		leg_key_prefetch(&t->keys[key - 1]);
}

/* Expanded keys of an entry, as the AEAD engine made them: for opening, for sealing. */
static inline uint8_t *leg_key_rx(const struct leg_table *t, const struct leg_key *key)
{
	return t->keydata + (size_t)(key - t->keys) * 2 * t->key_bytes;
}

static inline uint8_t *leg_key_tx(const struct leg_table *t, const struct leg_key *key)
{
	return leg_key_rx(t, key) + t->key_bytes;
}

/* An index that control took for an association of its own, or for a leg to come. Workers and control. */
static inline bool leg_table_is_claimed(const struct leg_table *t, uint64_t index)
{
	uint32_t slot = (uint32_t)index & LEG_SLOT_MASK;
	const struct leg *leg = &t->legs[slot];

	return slot < t->legs_max && index != RS_LEG_NONE &&
	       atomic_load_explicit(&leg->index, memory_order_acquire) == index &&
	       (atomic_load_explicit(&leg->flags, memory_order_relaxed) & LEG_LIVE) == 0;
}

/* The way to the node; a live leg always has one. */
static inline const struct leg_way *leg_way(const struct leg_table *t, const struct leg *leg)
{
	/* pairs with the release store in way_publish() */
	return &t->ways[atomic_load_explicit(&leg->way, memory_order_acquire) - 1];
}

/* Index of the key of an epoch, negative where there is none. */
static inline int64_t leg_key_at(const struct leg *leg, unsigned int epoch)
{
	/* pairs with the release store in leg_table_key_install() */
	return (int64_t)(int32_t)atomic_load_explicit(&leg->key[epoch & (RS_EPOCHS - 1)],
						      memory_order_acquire) -
	       1;
}

/* Time in units of 134 ms, never 0. */
static inline uint32_t leg_credit_tick(uint64_t ns)
{
	return (uint32_t)(ns >> 27) + 1;
}

/* Take bytes from the credit of an unproven address. Any worker. What is used up stays so, however many
 * ask for more. It ends with the tick before that of its end, never after it.
 */
static inline bool leg_credit_take(struct leg_credit *c, uint32_t bytes, uint64_t now)
{
	uint32_t until = atomic_load_explicit(&c->until, memory_order_relaxed);

	if (until == 0)
		return true;
	if (leg_credit_tick(now) >= until ||
	    atomic_load_explicit(&c->bytes, memory_order_relaxed) <= 0)
		return false;
	return atomic_fetch_sub_explicit(&c->bytes, (int32_t)bytes, memory_order_relaxed) >=
	       (int32_t)bytes;
}

#endif
