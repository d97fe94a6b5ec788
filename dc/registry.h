/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DC_REGISTRY_H
#define DC_REGISTRY_H

/* Who is who: nodes, relay servers and other DCs, by name, static key, join token and VIP.
 *
 * Enrolment (name, key, lasting PSK, token, VIPs) is durable: one record per party, written whole
 * (dc/record.h). Where a node is (addresses, location number, NAT) is memory only: after a restart
 * the node registers anew, and is told that it must (dc/place.h). Location and attempt numbers start
 * from 0 then, which lets nobody in: a replayed handshake 1 is never proven by a sealed packet, and
 * every other message comes under keys made since. DC lcore only.
 */
#include "common/msg.h"
#include "common/noise.h"
#include "dc/dc_core.h"
#include "dc/table.h"
#include "dc/timers.h"

#include <sys/queue.h>

struct channel;
struct rs;

enum party_kind { PARTY_NODE = DC_NODE, PARTY_RS = DC_RS, PARTY_PEER = 3 };

struct join_token {
	bool is_open;	 /* takes handshakes */
	bool is_used;	 /* by used_key; nobody else gets in with it */
	uint64_t id;	 /* TOKEN_ID */
	uint64_t expiry; /* real time, ns */
	uint8_t secret[DC_TOKEN_LEN];
	uint8_t used_key[NOISE_KEY_LEN];
};

/* Where the live association of a party is: it is written down, so that a DC that is started again
 * can say there that it has forgotten.
 */
struct place {
	uint64_t index; /* ours; 0: none */
	struct endpoint remote, local;
};

/* What every kind has. */
struct party {
	struct table_link by_name, by_key, by_token;
	TAILQ_ENTRY(party) link;
	uint8_t kind; /* enum party_kind */
	bool has_key, has_psk;
	bool is_expelled; /* freed when the last write of it is done */
	uint32_t writes;  /* in the store's hands */
	uint8_t key[NOISE_KEY_LEN];
	uint8_t psk[NOISE_PSK_LEN]; /* lasting */
	struct join_token token;
	struct place place;	/* as written last */
	struct channel *ch;	/* NULL: no association since the start */
	struct channel *staged; /* opened with a token by a key not yet proven */
	char name[NAME_MAX_LEN + 1];
};

TAILQ_HEAD(party_list, party);

struct node {
	struct party p; /* first */
	struct table_link by_vip4, by_vip6;
	bool has_vips;
	bool is_stored; /* VIPs and PSK as they are now are durable */
	struct vips vips;

	/* Memory only, from here on. */
	bool is_registered;
	bool wants_register; /* tell it so at its next keep-alive */
	bool is_silent;	     /* did not acknowledge; until something comes from it */
	uint64_t location;
	uint64_t heard_ns;
	struct endpoint observed;
	uint8_t candidates_n, suites_n, nat;
	uint16_t mtu;
	struct candidate candidates[MSG_CANDIDATES_MAX];
	uint8_t suites[MSG_SUITES_MAX];
	struct rs *home;
	struct registration *registering; /* registration.c */
	uint32_t bindings_n, gn_next;	  /* relay's: general hosts of this node */
};

/* A DC's tables over all of them. */
struct registry {
	struct table by_name, by_key, by_token, by_vip;
	struct party_list parties;
	uint32_t nodes_n, rss_n;
	struct pool *pool4, *pool6;
};

int registry_init(struct dc *dc);
void registry_fini(struct dc *dc);

/* NULL where there is none. name without its final dot, lower case. */
struct party *registry_by_name(struct dc *dc, enum party_kind kind, const char *name);
struct party *registry_by_key(struct dc *dc, const uint8_t key[NOISE_KEY_LEN]);
struct party *registry_by_token(struct dc *dc, uint64_t id);
struct node *registry_by_vip(struct dc *dc, const struct ip_addr *vip);

/* A new party of this kind, without key; size is that of its struct, which begins with a party.
 * NULL: no memory.
 */
void *registry_add(struct dc *dc, enum party_kind kind, const char *name, size_t size);
/* Out of every table; the struct is freed by registry_free() when nobody writes it any more. */
void registry_remove(struct dc *dc, struct party *p);
void registry_free(struct party *p);

/* -EEXIST: another party has this key. */
int registry_set_key(struct dc *dc, struct party *p, const uint8_t key[NOISE_KEY_LEN]);
void registry_set_token(struct dc *dc, struct party *p, const struct join_token *t);
/* Take VIPs for a node that has none. 0 or -ENOSPC, then nothing is taken. */
int registry_take_vips(struct dc *dc, struct node *n);
/* Those that the store says are this node's. 0, -EEXIST, -ERANGE (then the node gets new ones). */
int registry_claim_vips(struct dc *dc, struct node *n, const struct vips *v);

static inline struct node *party_node(const struct party *p)
{
	return (struct node *)(uintptr_t)p;
}

#endif
