/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLIENT_PATH_H
#define CLIENT_PATH_H

/* One end of a path between two nodes: handshake, routes, keys, its end. */
#include "client/chan.h"
#include "client/mtu.h"
#include "client/prober.h"

struct leg;
struct responder;

enum path_state { PATH_OPENING, PATH_UP, PATH_FAILED };

struct path {
	struct chan chan; /* first */
	TAILQ_ENTRY(path) link;
	uint64_t id;
	enum path_state state;
	char peer[NAME_MAX_LEN + 1];
	struct vips vips;
	uint8_t suite;
	bool is_side_a;
	uint8_t preferred; /* enum msg_route */
	bool is_same_site;
	uint8_t peer_nat;
	uint64_t peer_location;
	char reason[MSG_TEXT_MAX];
	struct leg *leg;
	bool is_bound, is_peer_bound;
	uint64_t bind_at_ns; /* try again; 0: not due */
	unsigned int bind_tries;

	uint16_t relay_outer; /* size that the relay's route took last, 0: not known */
	bool is_direct;	      /* kind of the route in use */
	bool must_settle;     /* at the next poll */
	bool is_tentative;    /* side B: until the first sealed packet tells how A sends */
	uint64_t created_ns, since_ns, expires_ns, renew_ns;
	uint64_t told_ns; /* the DC's last word about it */
	uint64_t switches;

	/* First handshake of side A. */
	uint8_t hs1[WIRE_HS1_PATH_MAX];
	uint16_t hs1_len;
	uint64_t fallback_ns; /* by the relay at; 0: not due */
	bool is_relayed_try;

	/* Where the way is watched while data flows. */
	uint64_t tick_ns; /* 0: asleep until the datapath reports data */
	uint64_t silent_next_ns;
	unsigned int silent_probes;
	uint64_t silent_first_ns;
	uint64_t alive_next_ns;
	bool alive_out; /* an end-to-end keep-alive is in flight */
	bool update_out;
	bool has_straight;
	struct datapath_dest straight; /* the peer's address before it or we moved */
	struct datapath_dest challenged;
	uint64_t challenge_until_ns;
	uint8_t challenge[CHALLENGE_LEN];

	struct prober prober;
	struct mtu_search mtu;
	uint8_t tag_update, tag_alive, tag_challenge;
};

TAILQ_HEAD(path_list, path);

/* Route Direction for a path. 0, or the error to refuse it with. */
uint16_t path_take(struct node *n, const struct msg *m);
struct path *path_find(const struct node *n, uint64_t id);
/* The one that carries data to this peer, or will; NULL. */
struct path *path_by_name(const struct node *n, const char *name);
struct path *path_by_vip(const struct node *n, const struct ip_addr *vip);
void path_fini_all(struct node *n);
uint64_t path_poll_all(struct node *n);
void path_reap(struct node *n);
void path_active(struct path *p);
void path_source_moved(struct path *p, const struct datapath_rx *rx);
void path_probe(struct path *p, const struct datapath_rx *rx, const uint8_t *body, size_t len);

/* The RS answered a bind, error 0 for yes. */
void path_bound(struct path *p, uint8_t bound, uint16_t error);
/* The leg is open (anew), or has moved to another route. */
void path_leg_up(struct path *p);
void path_leg_moved(struct path *p);
/* The leg is gone for good. */
void path_leg_lost(struct path *p);
/* We are somewhere else: tell the peer, leave direct ways. */
void path_moved(struct path *p);
/* Only our candidates changed. */
void path_tell(struct path *p);

/* Send by the relay, or straight to dest, from now on. */
void path_use_relay(struct path *p, const char *why);
void path_use_direct(struct path *p, const struct datapath_dest *dest, uint64_t credit_ns,
		     const char *why);
/* One of two paths to a peer carries its VIPs; the other ends soon. */
void path_settle(struct path *p);
/* Its VIPs lead into it. */
void path_vips_set(struct path *p);
/* It does not work any more: end it and, if it was in use, ask for another. */
void path_lost(struct path *p, const char *why);
void path_bind(struct path *p);
/* Over: forget it; release: tell DC and RS. */
void path_end(struct path *p, bool release, const char *why);

/* ---- path_open.c ---- */
extern const struct chan_ops path_chan_ops;
/* Responder: a handshake 1 for p is authentic. */
void path_asked(struct path *p, struct responder *r, struct hs_job *job);
void path_fallback(struct path *p);

/* ---- path_watch.c ---- */
uint64_t path_watch(struct path *p);

/* ---- path_control.c ---- */
void path_request(struct chan *c, const struct datapath_rx *rx, struct msg *m);
void path_alive(struct path *p);
/* New keys are due: side A makes them, side B asks for them. */
void path_rekey(struct path *p);

#endif
