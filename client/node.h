/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLIENT_NODE_H
#define CLIENT_NODE_H

/* A node's protocol core: registration, legs, directions, paths, moving, optimisation.
 *
 * Pure: events and `now` (ns of a steady clock that counts suspended time, CLOCK_BOOTTIME) come in,
 * packets and facts go out through ops and the datapath. One thread. After every call that takes
 * `now`, ask node_poll() again for the next deadline; calling it early is harmless.
 *
 *	shell: socket -> dp_input() -> (core) node_datapath_events()->raw | body ...
 *	       TUN -> dp_output() -> miss -> direction by VIP
 *	       rtnetlink -> node_link_set(), node_link_down()
 *	       DNS stub, ctl -> node_direction_start(), node_status() ...
 */
#include "client/datapath.h"
#include "common/handshake.h"
#include "common/noise.h"

struct node;

enum {
	NODE_LINKS_MAX = 8,
	NODE_RANGES_MAX = 32, /* prefixes of virtual addresses */
	NODE_LINK_ADDRS_MAX = 8,
	NODE_DC_ENDPOINTS_MAX = 4,
	NODE_PATHS_MAX = 1024,
	NODE_LEGS_MAX = 16,
	NODE_BINDINGS_MAX = 1024,
	NODE_WHY_TEXT_MAX = 160,
};

/* A local link with the addresses that may be used on it (no tentative, temporary or deprecated
 * ones), and the UDP port of its sockets.
 */
struct node_link {
	uint8_t number;	    /* 0 to NODE_LINKS_MAX - 1, the shell's choice, kept while it exists */
	uint8_t preference; /* greater is better; equal: the link that is used stays */
	uint8_t prefixes_n;
	uint8_t addrs_n;
	uint16_t port;
	uint16_t mtu; /* of the link, 0: 1500 */
	struct ip_addr addrs[NODE_LINK_ADDRS_MAX];
	struct ip_prefix prefixes[NODE_LINK_ADDRS_MAX]; /* on-link */
	char name[16];
};

/* What must survive a restart. save_state() is called when one of it changes; attempt and location
 * are in steps ahead of what was used, so that they need no write each.
 */
struct node_state {
	uint64_t attempt;
	uint64_t location;
	bool has_psk; /* the lasting PSK; until then the join token */
	uint8_t psk[KEY_LEN];
	bool has_vips;
	struct vips vips;
	uint8_t reset_secret[RESET_SECRET_LEN]; /* all zero: made and saved at create */
};

/* Timers and limits; node_tuning_default has those of docs/protocol.md. */
struct node_tuning {
	struct session_limits limits;
	uint64_t keepalive_ns;	   /* first interval towards DC and home RS */
	uint64_t keepalive_max_ns; /* it grows to this where the NAT holds */
	uint64_t direct_wait_ns;   /* no handshake 2 of a direct path: by the relay */
	bool optimise;		   /* probe for direct routes */
	bool pin_strict;	   /* a changed key of a known name is refused, not only told */
};
extern const struct node_tuning node_tuning_default;

struct node_params {
	const char *name;    /* own FQDN, lower case, no final dot; copied */
	const char *dc_name; /* copied */
	uint8_t dc_key[NOISE_KEY_LEN];
	struct endpoint dc[NODE_DC_ENDPOINTS_MAX]; /* port 0: 5525, then 443 after 1 s */
	uint8_t dc_n;
	struct noise_keypair keys;
	bool has_token;
	uint8_t token[KEY_LEN]; /* one-time join token, used while state has no PSK */
	struct node_state state;
	uint32_t suites;	    /* set; the preferred first is the lowest bit of it */
	uint16_t mtu;		    /* of the tunnel: 1420, 1408 with a CBC suite */
	int64_t realtime_offset_ns; /* real time - now */
	struct node_tuning tuning;
	struct rng *rng;
};

/* A Registration that was answered. Pointers are good during the call. */
struct node_registration {
	struct vips vips;
	const struct ip_prefix *ranges; /* what to route into the tunnel */
	uint8_t ranges_n;
	const char (*suffixes)[NAME_MAX_LEN + 1]; /* names to ask us about */
	uint8_t suffixes_n;
};

enum node_event_kind {
	NODE_EV_REGISTERED,
	NODE_EV_DC_LOST,
	NODE_EV_REFUSED, /* the DC does not take us: text says why */
	NODE_EV_MOVED,
	NODE_EV_PATH_UP,
	NODE_EV_PATH_DOWN,
	NODE_EV_ROUTE,	     /* a path changed its route */
	NODE_EV_KEY_CHANGED, /* another static key than the pinned one of this name */
};

struct node_ops {
	/* A packet that is not sealed by an association (types 3, 4, 5, 8). */
	void (*send)(void *ctx, uint8_t link, const struct endpoint *to, const uint8_t *pkt,
		     size_t len);
	/* 0 once it is on disk. -errno: told to the log by the callee; the core goes on. */
	int (*save_state)(void *ctx, const struct node_state *s);
	/* Remember key as that of name (pinning); load them by node_pin_add() at start. */
	void (*save_pin)(void *ctx, const char *name, const uint8_t key[NOISE_KEY_LEN]);
	void (*registered)(void *ctx, const struct node_registration *r);
	/* For the log and for tests; name may be empty. */
	void (*event)(void *ctx, enum node_event_kind kind, const char *name, const char *text);
};

/* Copies params. ops, rng and what the datapath names outlive it. Give node_datapath_events() and
 * the node as context to the datapath. NULL: no memory or bad params (errno).
 */
struct node *node_create(const struct node_params *p, uint64_t now, const struct node_ops *ops,
			 void *ctx, const struct datapath *dp);
/* Releases nothing at the peers. */
void node_destroy(struct node *n);
const struct datapath_events *node_datapath_events(void);
void node_pin_add(struct node *n, const char *name, const uint8_t key[NOISE_KEY_LEN]);

/* A packet that the packet path did not take (kernel path: what reaches the socket). As raw(). */
void node_input(struct node *n, uint64_t now, uint8_t link, const struct endpoint *from,
		const uint8_t *pkt, size_t len);

/* Up, or other addresses; -EINVAL: number out of range. Nothing happens when nothing changed. */
int node_link_set(struct node *n, uint64_t now, const struct node_link *l);
void node_link_down(struct node *n, uint64_t now, uint8_t number);
/* After a suspend: mappings may be gone; treated as a move without new address. */
void node_resumed(struct node *n, uint64_t now);

/* Do what is due; returns when to call again (absolute), UINT64_MAX for never. */
uint64_t node_poll(struct node *n, uint64_t now);

enum node_direction_status {
	NODE_DIRECTION_PATH,	/* vips: the peer's; packets to them are carried or held */
	NODE_DIRECTION_GN,	/* vips: VIP_GN of each family, none where there is none */
	NODE_DIRECTION_NOT_NTM, /* a general host without relay policy: its own addresses are right */
	NODE_DIRECTION_UNKNOWN, /* no such name */
	NODE_DIRECTION_UNREACHABLE,
	NODE_DIRECTION_REFUSED, /* error says why */
	NODE_DIRECTION_NO_DC,	/* not registered, or no answer */
};

struct node_direction {
	enum node_direction_status status;
	uint16_t error; /* enum msg_error, 0 for none */
	const char *name;
	struct vips vips;
	uint32_t ttl_sec; /* how long the VIPs may be taken as known */
};

typedef void (*node_direction_done)(void *ctx, void *arg, const struct node_direction *d);

/* Find or make the way to a name, or to a VIP where name is NULL. done(ctx, arg) is called exactly
 * once, maybe before this returns (live path or known binding), at the latest after 6 s. ctx is
 * node_create()'s. One Direction Request per name is in flight; the others wait for it. 0; -EINVAL:
 * bad name; -ENOBUFS: too many in flight (done is not called).
 */
int node_direction_start(struct node *n, uint64_t now, const char *name, const struct ip_addr *vip,
			 node_direction_done done, void *arg);
/* Forget a waiting one: done is not called. */
void node_direction_cancel(struct node *n, node_direction_done done, void *arg);

/* Is name below a suffix, or vip in a range, that the DC announced? False before registration. */
bool node_owns_name(const struct node *n, const char *name);
bool node_owns_vip(const struct node *n, const struct ip_addr *vip);
/* Name of a VIP that a path or binding has, for PTR; NULL if unknown. */
const char *node_vip_name(const struct node *n, const struct ip_addr *vip);

/* ---- looking in: plain values ---- */

struct node_status {
	const char *name;
	const char *dc_name;
	const char *state;   /* "offline", "connecting", "registering", "registered", "refused" */
	const char *refusal; /* words, empty where not refused */
	struct vips vips;
	struct endpoint dc;	     /* the one that answers */
	struct endpoint observed_dc; /* our outer address as the DC sees it */
	struct endpoint observed_rs; /* as the home RS sees it */
	uint8_t nat;		     /* enum msg_nat */
	uint8_t link;		     /* carries paths now; 0xff: none */
	uint64_t location;
	uint64_t registered_ns; /* last answer, 0: never */
	uint64_t moves;
	uint32_t legs, paths, bindings;
	uint64_t wakeups; /* timers that woke the node: what a battery pays for */
};
void node_status(const struct node *n, struct node_status *out);

struct node_route_info {
	bool is_used; /* a slot with a remote */
	bool is_relay;
	uint8_t link;
	uint16_t outer; /* largest outer packet, 0: not known */
	uint32_t rtt_us;
	struct endpoint to;
};

struct node_path_info {
	uint64_t path_id;
	uint64_t rs_id;
	const char *peer;
	struct vips vips;
	const char *state; /* "opening", "up", "failed" */
	const char *suite;
	bool is_side_a;
	uint8_t peer_nat;
	uint8_t preferred;  /* enum msg_route, Table 1's choice */
	uint8_t sending;    /* number of the route that carries our data */
	const char *reason; /* of Table 1, in words */
	struct node_route_info route[DATAPATH_ROUTES];
	struct datapath_stats stats;
	uint64_t since_ns;
	uint64_t rekeys;
	uint64_t switches;
	uint64_t expires_ns;
};
/* Calls each until it returns false. What is pointed to is good during the call. */
void node_paths(const struct node *n, bool (*each)(void *arg, const struct node_path_info *p),
		void *arg);

struct node_leg_info {
	uint64_t rs_id;
	const char *state;
	bool is_home;
	struct endpoint to;
	struct endpoint observed;
	uint32_t rtt_us;
	uint32_t paths, bindings;
	uint64_t rekeys;
	uint64_t expires_ns;
	struct datapath_stats stats;
};
void node_legs(const struct node *n, bool (*each)(void *arg, const struct node_leg_info *l),
	       void *arg);

struct node_binding_info {
	const char *name;
	uint32_t number;
	uint64_t rs_id;
	struct ip_addr vip_gn, rip_gn;
	uint64_t expires_ns;
};
void node_bindings(const struct node *n, bool (*each)(void *arg, const struct node_binding_info *b),
		   void *arg);

/* What happened with a peer, oldest first, and last the reason of the route as it is now. False:
 * nothing is known about this name.
 */
bool node_why(const struct node *n, uint64_t now, const char *name,
	      bool (*each)(void *arg, uint64_t at_ns, const char *text), void *arg);

/* Named counters of the core; until each returns false. */
void node_counters(const struct node *n,
		   bool (*each)(void *arg, const char *name, uint64_t value, const char *help),
		   void *arg);

#endif
