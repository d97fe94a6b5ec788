/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DC_DC_CORE_H
#define DC_DC_CORE_H

/* The Direction Coordinator as a machine over (bytes, now): registers nodes and relay servers,
 * chooses paths, tells the RS and both ends (docs/protocol.md section 6). It knows no socket, clock,
 * thread, file or resolver: all of these are behind struct dc_ops, and whatever takes time there
 * comes back by a dc_*_done() call.
 *
 *	packets -> dc_input		  dc_poll -> when to call again
 *	ops.compute -> dc_job_done	  handshakes' Diffie-Hellman
 *	ops.store   -> dc_store_done	  enrolments, VIPs, tokens: an answer that promises them waits
 *	ops.lookup  -> dc_lookup_done	  NS, TXT, A, AAAA of names that are not ours
 *	ops.publish			  names of the zone, as they come and go
 *
 * One thread owns a struct dc; ops are called from inside its functions and must not call back into
 * it, but through a queue (store, lookup and compute may be answered at the next turn). now is any
 * steady clock in ns and never goes back. Tables are made at create time from the sizes in
 * dc_params; enrolment, handshakes and requests in flight take small pieces of heap, all bounded.
 */
#include "common/handshake.h"
#include "common/ip.h"
#include "common/msg.h"
#include "common/rng.h"
#include "common/session.h"
#include "dc/counters.h"

struct dc;

enum {
	DC_ZONES_MAX = MSG_NAMES_MAX,
	DC_INNER_MAX = 8,
	DC_OWN_MAX = 16,
	DC_PEERS_MAX = 64,
	DC_LOOKUP_ADDRS_MAX = 8,
	DC_LOOKUP_NAMES_MAX = 8,
	DC_TOKEN_LEN = 32,
};

/* ---- what the shell does for the core ---- */

/* A durable change. The shell commits it (in groups), sets status to 0 or -errno and gives it back
 * by dc_store_done(), in the order of submission. key and value are bytes (dc/record.h).
 */
struct dc_write {
	struct dc_write *next; /* the holder's */
	uint8_t table;	       /* enum dc_table */
	bool is_delete;
	uint16_t key_len, value_len;
	int status;
	void *owner; /* the core's */
	uint8_t key[NAME_MAX_LEN + 1 + 8];
	uint8_t value[640];
};

enum dc_table {
	DC_TABLE_META,	  /* attempt step; what the shell keeps (own key, secrets, prefixes) */
	DC_TABLE_NODE,	  /* name -> enrolment of a node, its join token with it */
	DC_TABLE_RS,	  /* name -> the same of a relay server */
	DC_TABLE_BINDING, /* node name, index -> general host: survives for the quarantine's sake */
	DC_TABLE_PLACE,	  /* kind and name -> where it was last, and under which of our indices */
	DC_TABLE_COUNT,
};

enum dc_lookup_type { DC_LOOKUP_NS, DC_LOOKUP_TXT, DC_LOOKUP_A, DC_LOOKUP_AAAA };
enum dc_lookup_status {
	DC_LOOKUP_OK,
	DC_LOOKUP_NODATA,   /* the name exists, the type does not */
	DC_LOOKUP_NXDOMAIN, /* the name does not exist */
	DC_LOOKUP_FAILED,   /* no answer, or a bogus one */
};

struct dc_lookup_result {
	enum dc_lookup_status status;
	uint32_t ttl_sec;
	uint8_t addrs_n, names_n;
	bool has_mark; /* TXT: one of the strings says that a DC is here */
	struct ip_addr addrs[DC_LOOKUP_ADDRS_MAX];	   /* A, AAAA */
	char names[DC_LOOKUP_NAMES_MAX][NAME_MAX_LEN + 1]; /* NS: lower case, no final dot */
};

/* A name of the zone as the DNS side needs it. */
struct dc_name {
	const char *name;
	struct vips vips;
};

struct dc_ops {
	/* local: the own endpoint to send from, or port 0 where the shell may choose (the core then
	 * opens a conversation by itself). pkt is the core's.
	 */
	void (*send)(void *ctx, const struct endpoint *local, const struct endpoint *to,
		     const uint8_t *pkt, size_t len);
	/* Run hs_job_run(job) elsewhere, then dc_job_done(). NULL: at once. */
	void (*compute)(void *ctx, struct hs_job *job);
	/* Takes w over until dc_store_done(). */
	void (*store)(void *ctx, struct dc_write *w);
	/* Answered by dc_lookup_done(id) once, always, FAILED after the shell's own time limit. */
	void (*lookup)(void *ctx, uint64_t id, enum dc_lookup_type type, const char *name);
	/* name is there (is_gone false: new, or its addresses changed) or not any more. May be NULL. */
	void (*publish)(void *ctx, const struct dc_name *name, bool is_gone);
};

/* ---- configuration ---- */

struct dc_peer_conf {
	char name[NAME_MAX_LEN + 1]; /* also the name of its name server (the TXT mark's owner) */
	uint8_t key[NOISE_KEY_LEN];
	uint8_t psk[NOISE_PSK_LEN];
	struct endpoint endpoint; /* port 0: it opens, or the address is looked up */
	char zones[DC_ZONES_MAX][NAME_MAX_LEN + 1]; /* all it may speak for */
	uint8_t zones_n;
};

struct dc_params {
	char name[NAME_MAX_LEN + 1]; /* own name in handshakes and of the name server */
	char zones[DC_ZONES_MAX][NAME_MAX_LEN + 1];
	uint8_t zones_n; /* the first is the one announced as SUFFIX with the others */
	struct noise_keypair self;
	uint8_t reset_secret[RESET_SECRET_LEN];
	int64_t real_offset_ns; /* real time - now: token expiry, attempt numbers */

	/* VIP pools, and the blocks for general hosts (the same for all nodes). None may overlap
	 * another. Family of each as its name says.
	 */
	struct ip_prefix pool4, pool6, gn4, gn6;

	/* Sizes. */
	uint32_t nodes_max, rss_max, tokens_max;
	uint32_t paths_max;	 /* path rows at all RSs of this DC */
	uint32_t grants_max;	 /* legs that nodes may have at all RSs */
	uint32_t bindings_max;	 /* general hosts of all nodes */
	uint32_t gn_per_node;	 /* of one node */
	uint32_t directions_max; /* in work */
	uint32_t jobs_max;	 /* handshakes in work */
	uint32_t cookie_jobs;	 /* from this many on a cookie is asked for */
	uint32_t hs_per_sec;	 /* or from this rate on */

	uint32_t key_lifetime_sec; /* path and temporary keys; renewed at half */
	uint32_t binding_lifetime_sec;
	uint32_t gn_quarantine_sec;
	uint32_t keepalive_sec;
	uint32_t rs_silent_sec; /* no Status for so long: the RS is taken for dead */
	uint32_t suites;	/* set of enabled suites */
	struct session_limits limits;

	/* Policy. */
	char relay_suffixes[DC_ZONES_MAX][NAME_MAX_LEN + 1]; /* general hosts relayed; none: all */
	uint8_t relay_suffixes_n;
	struct ip_prefix inner[DC_INNER_MAX]; /* not global, yet allowed as a general host */
	uint8_t inner_n;
	struct ip_addr own[DC_OWN_MAX]; /* addresses of appliances: never a general host */
	uint8_t own_n;

	struct dc_peer_conf *peers; /* copied */
	uint8_t peers_n;
};

/* Sizes, lifetimes, suites and pools that work without a word of config; self, names and
 * reset_secret are left zero. gn4 and gn6 lie beside the pools.
 */
void dc_params_default(struct dc_params *p);

/* ---- life ---- */

/* ops and rng outlive it, ctx is handed to every op. NULL with a sentence in *why: pools that
 * overlap or have the wrong family, a name that is none, no memory.
 */
struct dc *dc_create(const struct dc_params *p, const struct dc_ops *ops, void *ctx,
		     struct rng *rng, const char **why);
/* No op is called but publish; writes and jobs still out are freed when they come back to nobody:
 * the shell drains its queues first.
 */
void dc_destroy(struct dc *dc);

/* A record of the store, before the first dc_input(), tables in the order of enum dc_table. -EBADMSG: not one of ours, or
 * damaged; -ENOSPC: a table is full.
 */
int dc_load(struct dc *dc, uint8_t table, const uint8_t *key, size_t key_len, const uint8_t *value,
	    size_t value_len);
/* All loaded: start associations with peer DCs, publish the names. */
void dc_start(struct dc *dc, uint64_t now);

/* A UDP payload from src to the own endpoint local. Anything: every refusal has a counter. */
void dc_input(struct dc *dc, uint64_t now, const struct endpoint *src, const struct endpoint *local,
	      const uint8_t *pkt, size_t len);
/* Do what is due; returns when to call again at the latest, UINT64_MAX for never. After every other
 * call the time may be earlier: ask dc_deadline() or poll again.
 */
uint64_t dc_poll(struct dc *dc, uint64_t now);
uint64_t dc_deadline(const struct dc *dc);

void dc_job_done(struct dc *dc, uint64_t now, struct hs_job *job);
void dc_store_done(struct dc *dc, uint64_t now, struct dc_write *w);
void dc_lookup_done(struct dc *dc, uint64_t now, uint64_t id, const struct dc_lookup_result *r);

/* ---- enrolment, by the operator ---- */

enum dc_kind { DC_NODE = 1, DC_RS = 2 }; /* as in the store */

/* Called with the end of a durable change: 0 or -errno. */
typedef void (*dc_done)(void *arg, int status);

/* Make a join token for a name below the zone (a node) or any name (an RS). An existing entry keeps
 * its VIPs; its old key goes when the new one has proven itself. expiry_sec 0: never. The token may
 * be shown when done() said 0. -EINVAL: no valid name, or not below a zone of ours; -ENOSPC; -ENOMEM.
 */
int dc_enrol(struct dc *dc, uint64_t now, enum dc_kind kind, const char *name, uint32_t expiry_sec,
	     uint8_t token[DC_TOKEN_LEN], dc_done done, void *arg);
/* Forget a node or RS: association, VIPs, paths. -ENOENT. */
int dc_expel(struct dc *dc, uint64_t now, enum dc_kind kind, const char *name, dc_done done,
	     void *arg);

/* Counters of dc/counters.h; read by the owner. */
const uint64_t *dc_counters(const struct dc *dc);

#endif
