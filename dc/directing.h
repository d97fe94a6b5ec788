/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DC_DIRECTING_H
#define DC_DIRECTING_H

/* Directions in work: from a node's question to both ends' Route Direction (docs/protocol.md 6.3 to
 * 6.5). One at a time per unordered pair of names; whoever asks for the same pair meanwhile gets the
 * same answer. DC lcore only.
 *
 *	directing.c	 the request, its end, failures remembered for a while
 *	directing_gn.c	 look-ups of names that are not ours; general hosts
 *	directing_path.c Table 1, the path's rows, Route Directions and their acknowledgement
 */
#include "dc/channel.h"
#include "dc/direction.h"
#include "dc/relay.h"

struct peer_dc;

enum {
	DIRECTION_ASKERS = 4,
	DIRECTION_NS_MAX = 4,
	DIRECTION_LOOKUPS = 3 + DIRECTION_NS_MAX, /* A, AAAA, NS, and TXT of each server */
};

/* One of the two, as it was when it was looked at. */
struct end {
	struct node *node;    /* ours */
	struct peer_dc *peer; /* or that DC's */
	struct vips vips;
	uint8_t key[NOISE_KEY_LEN];
	uint64_t location;
	struct endpoint observed;
	uint8_t candidates_n, suites_n, nat;
	uint16_t mtu;
	struct candidate candidates[MSG_CANDIDATES_MAX];
	uint8_t suites[MSG_SUITES_MAX];
	char name[NAME_MAX_LEN + 1];
};

struct lookup {
	struct table_link by_id;
	struct direction *d;
	uint64_t id; /* 0: free */
	uint8_t type;
	uint8_t ns; /* which server a TXT is about */
};

struct asker {
	struct node *node;
	uint32_t txn;
};

struct direction {
	struct table_link by_pair;
	TAILQ_ENTRY(direction) link;
	struct dc *dc;
	struct timer timer;
	struct asker askers[DIRECTION_ASKERS];
	unsigned int askers_n;
	struct end mn, cn;
	struct ip_addr vip; /* asked for by this address of another DC; else none */
	uint8_t waits;
	uint16_t status;
	/* a path */
	struct path *path;
	uint64_t known_path; /* the one the asker still has; 0: none */
	/* names that are not ours */
	struct lookup lookups[DIRECTION_LOOKUPS];
	const char *zone; /* tail of cn.name that is being asked for */
	uint8_t ns_n;
	char ns[DIRECTION_NS_MAX][NAME_MAX_LEN + 1];
	bool has_failed; /* a look-up that could have shown the mark */
	uint8_t statuses[2];
	uint8_t addrs_n[2]; /* A, AAAA */
	struct ip_addr addrs[2][DC_LOOKUP_ADDRS_MAX];
	/* a general host */
	struct binding *binding;
	struct rs *rs;
	struct grant *grant;
	uint16_t gn_row;
	const char *gn_text;
};

enum { NEGATIVE_SLOTS = 1024 };

struct negative {
	uint64_t hash;
	uint64_t until_ns;
	uint16_t code;
};

struct directing {
	struct table by_pair, lookups;
	TAILQ_HEAD(, direction) list;
	uint32_t n;
	uint64_t next_lookup;
	struct negative negatives[NEGATIVE_SLOTS];
};

int directing_create(struct dc *dc);
void directing_destroy(struct dc *dc);

/* Handlers of a node's requests. */
void directing_request(struct dc *dc, uint64_t now, struct channel *ch, struct msg *m);
void directing_release(struct dc *dc, uint64_t now, struct channel *ch, struct msg *m);

/* A path is about to be freed: whoever waits for its acknowledgement does not any more. */
void directing_path_gone(struct dc *dc, struct path *p);
/* A node goes: directions with it end. */
void directing_forget_node(struct dc *dc, uint64_t now, struct node *n);
void directing_lookup_done(struct dc *dc, uint64_t now, uint64_t id,
			   const struct dc_lookup_result *r);

/* ---- between the files of directing ---- */

/* The end of d: its askers hear it, d is freed. Counted; code 0: the answers are sent already. */
void direction_finish(struct direction *d, uint64_t now, uint16_t code);
void direction_lookup(struct direction *d, uint64_t now);
void direction_ask_peer(struct direction *d, uint64_t now, struct peer_dc *peer);
/* Both ends are known. */
void direction_decide(struct direction *d, uint64_t now);

/* ---- for peer_dc.c ---- */

void end_from_node(struct end *e, struct node *n);
/* May a path to this node be made now? */
bool node_is_reachable(const struct node *n);
/* Tell own node n to drop the path. */
void release_send(struct dc *dc, uint64_t now, struct node *n, uint64_t path_id);

#endif
