/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_DC_WORLD_H
#define TESTS_UNIT_DC_WORLD_H

/* A DC with parties around it in simulated time: a wire with a delay, a store that commits late or
 * fails, a resolver of rows. The parties are peers at the level of messages, on common/assoc and
 * common/control; what a test does not script they answer as the protocol says.
 */
#include "common/assoc.h"
#include "common/control.h"
#include "dc/dc_core.h"

#include <sys/queue.h>

#define MS 1000000ULL
#define SEC 1000000000ULL

struct world;
struct peer;

struct flight {
	TAILQ_ENTRY(flight) link;
	uint64_t at;
	struct endpoint src, dst;
	size_t len;
	uint8_t pkt[1500];
};

struct peer {
	TAILQ_ENTRY(peer) link;
	struct world *w;
	char name[NAME_MAX_LEN + 1];
	uint8_t hs_kind;
	struct noise_keypair kp;
	struct assoc_host host;
	struct hs_attempts attempts;
	struct assoc assoc;
	struct session *sessions[3];
	uint64_t indexes[3];
	struct control control;
	struct endpoint addr;
	bool has_token;
	uint8_t token[DC_TOKEN_LEN], psk[KEY_LEN];
	bool is_up, is_deaf; /* deaf: nothing that is sent to it arrives */
	unsigned int ups, failures;
	uint16_t failure;

	/* Answers to what it asked. */
	bool has_answer;
	unsigned int answers;
	struct msg answer; /* the last; type 0: timed out */
	/* Requests that the DC made of it, last of each type, and how many. */
	struct msg got[MSG_TYPE_MAX + 1];
	unsigned int got_n[MSG_TYPE_MAX + 1];
	/* Scripts: what it answers with instead. */
	uint16_t refuse_with; /* relay directions and route directions: this error */
	uint16_t refuse_grant, refuse_path, refuse_binding; /* error in the row */
	bool is_mute;					    /* takes requests, answers nothing */
	struct endpoint legs; /* an RS: the endpoint of all its legs */
	struct vips vips;     /* a node: as registered */
};

struct world_name {
	const char *name;
	enum dc_lookup_type type;
	enum dc_lookup_status status;
	const char *values[4]; /* addresses, names, or "mark" */
};

struct pending_lookup {
	TAILQ_ENTRY(pending_lookup) link;
	uint64_t at, id;
	struct dc_lookup_result r;
};

struct world_record {
	TAILQ_ENTRY(world_record) link;
	uint8_t table;
	uint16_t key_len, value_len;
	uint8_t key[300], value[700];
};

struct world {
	uint64_t now, delay, store_delay;
	struct rng rng;
	struct dc_params params;
	struct noise_keypair dc_kp;
	struct endpoint dc_addr;
	struct dc *dc;
	TAILQ_HEAD(flights, flight) wire;
	TAILQ_HEAD(, peer) peers;
	TAILQ_HEAD(, world_record) disk; /* survives world_restart_dc() */
	struct dc_write *writes, **writes_tail;
	uint64_t write_at;
	unsigned int writes_n, store_fails; /* the next so many writes fail */
	bool store_stuck;
	/* A real store instead: submit takes a write, wait hands the done ones to dc_store_done(). */
	void (*store_submit)(struct world *w, struct dc_write *wr);
	void (*store_wait)(struct world *w);
	void *store;
	const struct world_name *names;
	unsigned int names_n, lookups_n;
	TAILQ_HEAD(, pending_lookup) lookups;
	unsigned int published, unpublished;
	uint64_t to_dc_bytes, from_dc_bytes;
	/* Another DC of the same kind, wired to this one. */
	struct world *other;
};

/* names "dc1.test" and zone "dc1.test"; small tables; d4, d6: parts of its pools. */
void world_init(struct world *w, uint64_t seed, unsigned int number);
void world_start(struct world *w);
void world_fini(struct world *w);
/* kill -9 and start again: what was not committed is lost. */
void world_restart_dc(struct world *w);
/* Let time pass. */
void world_run(struct world *w, uint64_t ns);
/* Two worlds at once. */
void world_run_both(struct world *a, struct world *b, uint64_t ns);
void world_send(struct world *w, const struct endpoint *src, const uint8_t *pkt, size_t len);
uint64_t world_count(const struct world *w, enum dc_counter c);

/* ---- parties: dc_world_peer.c ---- */

/* Addresses of their own that parties register with: a node behind a NAT, the first RS. */
extern const char *const behind_nat[], *const rs_own[];

/* addr "192.0.2.1:5525"; kind HS_NODE_DC or HS_RS_DC. Enrolled with a fresh token; not open yet. */
struct peer *peer_enrol(struct world *w, uint8_t hs_kind, const char *name, const char *addr);
/* The same party forgets everything but key, token and PSK. */
void peer_restart(struct peer *p);
void peer_open(struct peer *p);
/* Ask the DC; the answer comes into p->answer. */
void peer_ask(struct peer *p, struct msg *m);
/* Open, register and wait. cand: addresses of its own, NULL-terminated. */
void peer_register(struct peer *p, const char *const *cand);
void peer_fill_registration(struct peer *p, struct msg *m, const char *const *cand);
/* Direction Request for name, waited for. */
void peer_direct(struct peer *p, const char *name);
/* Asked for by virtual address. */
void peer_direct_vip(struct peer *p, const struct ip_addr *vip);
/* By name again, by one who has the path. */
void peer_renew(struct peer *p, const char *name, uint64_t path_id);
void peer_free(struct peer *p);
/* The wire delivers. */
void peer_input(struct peer *p, const struct flight *f);

#endif
