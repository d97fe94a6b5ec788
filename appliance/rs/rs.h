/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_RS_RS_H
#define APPLIANCE_RS_RS_H

/* What the files of RS control share; nobody else includes it. */
#include "appliance/rs_control.h"
#include "common/control.h"
#include "common/idmap.h"
#include "common/responder.h"
#include "common/token.h"

#include <sys/queue.h>

enum {
	RS_PROVEN_MAX = 4,     /* addresses of a leg that were proven in the last 10 minutes */
	RS_EARLY_MAX = 256,    /* handshakes and binds kept for rows that are on their way */
	RS_EARLY_BINDS = 128,  /* of these for binds alone: anybody can send a handshake */
	RS_UNPROVEN_MOVES = 4, /* per leg and RS_UNPROVEN_NS */
	RS_CHALLENGES_PER_SEC = 1000,
	RS_RESETS_PER_SEC = 1000, /* in all; and RS_RESETS_PER_SOURCE each */
	RS_RESETS_PER_SOURCE = 10,
	RS_RESET_SOURCES = 1024,
	RS_HANDSHAKES_PER_LEG = 8, /* in RS_UNPROVEN_NS */
	RS_CONTROL_ROUTE = 1,	   /* the worker seals the same keys on 0 and 2 */
	RS_WORKERS_MAX = 64,
	RS_SCAN_STEP = 512, /* rows looked at for expiry per poll */
};
#define RS_MS 1000000ULL
#define RS_SEC 1000000000ULL
#define RS_PROVEN_NS (600 * RS_SEC)
#define RS_UNPROVEN_NS (10 * RS_SEC)
#define RS_CHALLENGE_GAP_NS (100 * RS_MS)
#define RS_EARLY_NS (1 * RS_SEC)
#define RS_HELD_NS (3 * RS_SEC)
#define RS_STATUS_NS (10 * RS_SEC)

/* The Relay Direction that said last what a row is. Requests overtake each other: what is resent for
 * seconds may come after what took its place.
 */
struct rs_told {
	uint32_t txn;
	uint32_t life; /* of the association with the DC, where transactions are counted */
};

struct rs_binding {
	SLIST_ENTRY(rs_binding) link;
	struct rs_told told;
	uint32_t number;
	struct ip_addr vip_gn, rip_gn;
	uint64_t expires_ns;
};

/* One set of keys of a leg and the index they live at. */
struct rs_life {
	uint64_t index;	     /* 0: none */
	uint64_t peer_index; /* the node's own, which stands in what is sent to it */
	struct session *session;
	struct endpoint peer;
	uint16_t local;
};

struct rs_proven {
	struct endpoint ep;
	uint64_t until_ns;
};

struct rs_leg {
	TAILQ_ENTRY(rs_leg) link;
	struct rs_control *rs;
	uint64_t key_id;
	/* The temporary key before it was renewed: a node that has not heard yet may still use it. */
	uint64_t old_key_id; /* 0: none */
	uint8_t psk[KEY_LEN], old_psk[KEY_LEN];
	struct vips vips;
	uint64_t expires_ns;
	uint16_t worker;
	struct assoc assoc;
	struct control control;
	struct rs_life live, pending;
	bool is_confirmed;
	uint64_t location;
	uint64_t up_ns;

	struct endpoint hs_from; /* of the handshake in work */
	uint16_t hs_local;
	uint64_t hs_since_ns;
	uint32_t hs_count;

	struct endpoint reply_to; /* while a request is worked */
	uint16_t reply_local;
	struct rs_proven proven[RS_PROVEN_MAX];
	struct endpoint asked; /* address under an open challenge: the leg is there on credit */
	struct endpoint challenged; /* where the last one went that no update had asked for */
	uint16_t challenged_local;
	uint64_t unproven_since_ns;
	uint32_t unproven;
	uint64_t challenged_ns;

	LIST_HEAD(, rs_bound) bound;
	uint32_t bound_n;
	SLIST_HEAD(, rs_binding) bindings;
	uint32_t bindings_n;
};

/* A side of a path on its leg's list. */
struct rs_bound {
	LIST_ENTRY(rs_bound) link;
	struct rs_path *path;
	struct rs_leg *leg; /* NULL: not bound */
};

struct rs_path {
	uint64_t id;
	struct rs_told told;
	uint64_t key_id[RS_SIDES];
	struct vips vips[RS_SIDES]; /* of the nodes, where their grants were known; else none */
	struct rs_bound side[RS_SIDES];
	uint64_t expires_ns;
	uint8_t *held; /* A's handshake 1 */
	uint16_t held_len;
	uint64_t held_until_ns;
	TAILQ_ENTRY(rs_path) held_link;
	bool is_dirty; /* the data path had no room: tried again */
};

/* Something that came before the row it needs. */
struct rs_early {
	uint64_t until_ns; /* 0: free */
	uint64_t id;	   /* key id or Path ID */
	bool is_bind;
	/* handshake */
	uint16_t local;
	struct endpoint from;
	/* bind: by key id of the leg, which may be gone by then */
	uint64_t key_id;
	uint8_t side;
	uint16_t len;
	uint8_t bytes[WIRE_HS1_PADDED];
};

struct rs_dc {
	struct assoc assoc;
	struct control control;
	struct session *session, *pending;
	unsigned int at; /* which endpoint */
	bool is_up, is_registered;
	uint32_t life; /* sessions so far */
	uint64_t status_ns;
	uint64_t location;
};

struct rs_bucket {
	uint64_t since_ns;
	uint32_t used;
};

struct rs_control {
	struct rs_control_params p;
	const struct rs_control_ops *ops;
	void *ctx;
	struct rs_dp *dp;
	struct rng *rng;
	struct hs_attempts attempts;
	struct assoc_ops leg_ops, dc_ops;
	struct responder_ops responder_ops;
	struct assoc_host leg_host, dc_host;
	struct responder *responder;
	struct session_pool *windows;
	uint16_t input_local; /* of the handshake that is worked on */

	struct idmap legs, by_index, paths; /* legs: by key id, two of one leg perhaps */
	struct idmap by_vip;		    /* legs, by leg_vip_id() */
	struct idmap by_peer;		    /* legs, by their lives' peer_index */
	uint32_t legs_n;
	TAILQ_HEAD(, rs_leg) leg_list;
	TAILQ_HEAD(, rs_path) held;
	uint32_t worker_legs[RS_WORKERS_MAX];
	unsigned int workers;
	size_t scan_path;
	bool is_draining, has_dirty;
	uint8_t challenge_secret[32];
	uint64_t rs_id;

	struct rs_dc dc;
	struct rs_early early[RS_EARLY_MAX];
	struct rs_bucket challenges, resets;
	struct {
		struct ip_addr ip;
		struct rs_bucket bucket;
	} reset_sources[RS_RESET_SOURCES];
	struct msg in, out;	  /* of legs */
	struct msg dc_in, dc_out; /* of the DC: a row may set off a leg's handshake */
	uint64_t counters[RS_C_COUNT];
	uint64_t verdicts[HS_VERDICT_COUNT]; /* answers of the DC */
};

#define RS_COUNT(rs, name) ((rs)->counters[RS_C_##name]++)

static inline bool rs_told_is_old(const struct rs_control *rs, const struct rs_told *t,
				  uint32_t txn)
{
	return t->life == rs->dc.life && (int32_t)(txn - t->txn) < 0;
}

static inline uint64_t rs_expiry(uint64_t now, uint64_t has, uint32_t lifetime_sec)
{
	return (has & HAS(LIFETIME)) != 0 ? now + lifetime_sec * RS_SEC : UINT64_MAX;
}

/* At most limit per second; true: go on. */
static inline bool rs_bucket_take(struct rs_bucket *b, uint64_t now, uint32_t limit)
{
	if (now - b->since_ns >= RS_SEC) {
		b->since_ns = now;
		b->used = 0;
	}
	return b->used < limit && ++b->used != 0;
}

/* Of a packet of at least WIRE_HDR_LEN bytes whose header the data path has checked. */
static inline uint64_t wire_id(const uint8_t *pkt)
{
	return load_be64(pkt + offsetof(struct wire_hdr, id));
}

static inline uint8_t wire_type(const uint8_t *pkt)
{
	return pkt[0] & 15;
}

static inline struct rs_life *leg_life(struct rs_leg *l)
{
	return l->live.index != 0 ? &l->live : &l->pending;
}

/* leg.c */
struct rs_leg *leg_create(struct rs_control *rs, uint64_t now, uint64_t key_id,
			  const uint8_t psk[KEY_LEN], const struct vips *vips);
void leg_destroy(struct rs_control *rs, struct rs_leg *l);
/* The leg of the node with these VIPs, NULL: none. */
struct rs_leg *leg_by_vips(const struct rs_control *rs, const struct vips *vips);
/* Another temporary key for the same node: its leg, paths, bindings and mappings stay; the next
 * handshake may be under either key. 0 or -errno.
 */
int leg_renew(struct rs_control *rs, struct rs_leg *l, uint64_t key_id, const uint8_t psk[KEY_LEN]);
void leg_host_init(struct rs_control *rs);
/* The new session will be with who sent this handshake, from the endpoint where it came in. */
void leg_handshake_from(struct rs_leg *l, const struct hs_job *job);
/* Seal one body under the keys of the leg's life and send it. */
void leg_send(struct rs_leg *l, struct rs_life *life, uint64_t now, uint8_t type, uint16_t local,
	      const struct endpoint *to, const uint8_t *body, size_t len);
/* Own endpoints a node of this leg should use; returns how many. */
unsigned int leg_endpoints(const struct rs_leg *l, struct endpoint out[MSG_ENDPOINTS_MAX]);
uint64_t leg_poll(struct rs_control *rs, uint64_t now);

/* leg_input.c: sealed control and probes of legs. */
void leg_input(struct rs_control *rs, struct rs_leg *l, uint64_t now, uint16_t local,
	       const struct endpoint *from, const uint8_t *pkt, size_t len);
/* The sealed packet came from the leg's own address: it is proven. */
void leg_confirm(struct rs_leg *l, uint64_t now);

/* move.c */
void move_update(struct rs_leg *l, uint64_t now, uint16_t local, const struct endpoint *from,
		 const struct msg *m);
void move_answered(struct rs_leg *l, uint64_t now, const struct msg *m);
void move_challenge(struct rs_leg *l, uint64_t now, uint16_t local, const struct endpoint *from,
		    size_t cause_len);
/* Is this an address a node can be at? */
bool move_address_ok(const struct rs_control *rs, const struct endpoint *ep);

/* path.c */
/* txn: of the Relay Direction that has the row. 0 or enum msg_error. */
int path_row(struct rs_control *rs, uint64_t now, const struct msg_path *row, uint32_t txn);
void path_destroy(struct rs_control *rs, struct rs_path *p);
/* Bind a side; what came is told in row (BOUND or ERROR). */
void path_bind(struct rs_control *rs, uint64_t now, struct rs_leg *l, const struct msg_path *in,
	       struct msg_path *row);
void path_unbind_leg(struct rs_control *rs, struct rs_leg *l);
/* Write what RS control knows of the path into the data path. */
void path_publish(struct rs_control *rs, struct rs_path *p);
void path_publish_leg(struct rs_control *rs, struct rs_leg *l);
uint64_t path_poll(struct rs_control *rs, uint64_t now);

/* early.c */
void early_handshake(struct rs_control *rs, uint64_t now, uint64_t key_id, uint16_t local,
		     const struct endpoint *from, const uint8_t *pkt, size_t len);
bool early_bind(struct rs_control *rs, uint64_t now, const struct rs_leg *l,
		const struct msg_path *row);
/* The row for id is here now. */
void early_arrived(struct rs_control *rs, uint64_t now, uint64_t id);
void early_poll(struct rs_control *rs, uint64_t now);

/* rows.c: Relay Direction */
void rows_take(struct rs_control *rs, uint64_t now, const struct msg *in, struct msg *out);

/* dc_link.c: the association with the DC */
int dc_link_init(struct rs_control *rs, uint64_t now);
void dc_link_fini(struct rs_control *rs);
uint64_t dc_link_poll(struct rs_control *rs, uint64_t now);

#endif
