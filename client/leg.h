/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLIENT_LEG_H
#define CLIENT_LEG_H

/* The leg to one RS: its association, the paths bound to it, and the RS-N tunnel. */
#include "client/chan.h"
#include "client/mtu.h"

struct path;

struct leg {
	struct chan chan; /* first */
	TAILQ_ENTRY(leg) link;
	uint64_t rs_id;
	uint64_t expires_ns, renew_ns; /* of the temporary key; when to ask for the next */
	bool is_home;
	bool is_up;
	bool has_payload_paths; /* handshake 1 carried rows */
	struct endpoint eps[MSG_ENDPOINTS_MAX];
	uint8_t eps_n;
	struct endpoint observed;
	uint64_t rtt_ns;
	uint64_t asked_ns;
	unsigned int timeouts;
	struct datapath_dest trial; /* make before break: the new link */
	bool is_on_trial;
	uint64_t tick_ns; /* watching for silence; 0: asleep */
	uint64_t idle_since_ns;
	struct mtu_search mtu;
	uint8_t tag_update, tag_keepalive, tag_bind;
	bool keepalive_out;
	uint64_t update_at_ns; /* the RS had no time for an update; 0: not due */
	uint64_t rx_bytes;     /* delivered when the watch looked last */
	uint64_t fruitless_ns; /* data goes out, none comes since; 0: it does */
	uint64_t renewed_ns;   /* directions of its bindings were asked for again */
	unsigned int paths, bindings;
};

TAILQ_HEAD(leg_list, leg);

/* The leg a grant is about: an old one renewed, or a new one, not yet open. NULL: refused. */
struct leg *leg_take_grant(struct node *n, const struct msg_grant *g, bool is_home);
/* Open it if it is not open and not opening. After the paths that ride in its handshake are made. */
void leg_open(struct leg *l);
bool leg_is_needed(const struct leg *l);
/* The leg that c is part of; NULL: c is none, or something else. */
struct leg *leg_of(struct chan *c);
struct leg *leg_home(const struct node *n);
void leg_fini_all(struct node *n);
uint64_t leg_poll_all(struct node *n);
void leg_reap(struct node *n);
void leg_active(struct leg *l);

/* Bind p at its RS now, or as soon as the leg is up. hs1 may be NULL. */
void leg_bind(struct leg *l, struct path *p, const uint8_t *hs1, size_t len);
/* Tell the RS that p is over. */
void leg_release(struct leg *l, const struct path *p);
void leg_keepalive(struct leg *l);
/* We are somewhere else: update, by the link in use or on trial over another one. */
void leg_moved(struct leg *l);
void leg_trial(struct leg *l, uint8_t link);
/* A new location number without a new way: the NAT's side changed. */
void leg_update(struct leg *l);
/* Where packets to this RS go now; false: unreachable. */
bool leg_dest(const struct leg *l, struct datapath_dest *dest);
bool leg_is_source(const struct leg *l, const struct endpoint *from);
bool leg_is_any_source(const struct node *n, const struct endpoint *from);

#endif
