/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PKTGEN_TALK_IMPL_H
#define PKTGEN_TALK_IMPL_H

/* Shared by talk.c (states), talk_dc.c (the DC's association and rows) and talk_leg.c (the nodes'
 * legs), and by nobody else.
 */
#include "common/control.h"
#include "common/noise.h"
#include "common/responder.h"
#include "perf/pktgen/talk.h"

enum {
	TALK_ROWS_UNDER_WAY = 8,  /* Relay Directions; an RS remembers 16 answers */
	TALK_LEGS_UNDER_WAY = 16, /* handshakes */
	TALK_NODES_PER_POLL = 64,
	TALK_WHY = 160,
};

#define TALK_NAME "rs1.pktgen.example"
#define TALK_DC_NAME "ns.pktgen.example"
/* The DC's own index: no node has it. */
#define TALK_DC_INDEX (plan_own_index(0) | 0xffffffffULL)

struct talk_node {
	struct talk *t;
	uint32_t number;
	bool is_started, is_up, wants_keys, has_failed;
	uint32_t bound;	   /* of its paths, in order: so many have been asked for */
	bool is_binding;   /* a request is out */
	bool counts_ready; /* in t->legs_ready */
	uint64_t key_id, since_ns;
	uint8_t temp_key[KEY_LEN];
	struct assoc assoc;
	struct control control;
	struct session *session;
};

struct talk {
	struct talk_conf conf;
	struct plan *plan;
	enum talk_state state;
	char why[TALK_WHY];
	uint64_t now;
	struct rng rng;
	struct hs_attempts attempts;
	struct session_limits limits;
	struct session_pool *windows;
	struct msg in, out;

	/* The DC. */
	struct noise_keypair self;
	uint8_t token[KEY_LEN];
	struct assoc_host dc_host;
	struct responder *responder;
	struct assoc dc_assoc;
	bool has_dc_assoc;
	struct session *dc_session, *dc_pending;
	struct control dc_control;
	struct endpoint rs; /* where the RS's packets come from */
	bool is_registered;
	uint32_t row_next, row_done, rows_out;

	/* The nodes. */
	struct assoc_host leg_host;
	struct talk_node *node;
	uint32_t n_nodes, node_next, poll_next;
	uint32_t legs_out, legs_up, legs_ready;
};

static inline void talk_send(struct talk *t, const struct endpoint *from, const struct endpoint *to,
			     const uint8_t *pkt, size_t len)
{
	t->conf.send(t->conf.ctx, from, to, pkt, len);
}

/* Into TALK_FAILED, with the first reason. */
void talk_fail(struct talk *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Something was achieved: go on to the next state where this one is complete. */
void talk_advance(struct talk *t);

/* talk_dc.c */
int talk_dc_init(struct talk *t);
void talk_dc_fini(struct talk *t);
void talk_dc_input(struct talk *t, const struct endpoint *from, const uint8_t *pkt, size_t len);
void talk_dc_poll(struct talk *t);
/* Send the rows of this state that are due. */
void talk_dc_rows(struct talk *t);
uint32_t talk_dc_rows_all(const struct talk *t);

/* talk_leg.c */
int talk_leg_init(struct talk *t, uint32_t number);
void talk_leg_fini(struct talk_node *n);
void talk_leg_input(struct talk_node *n, const uint8_t *pkt, size_t len);
void talk_leg_poll(struct talk_node *n);
/* Start the next handshakes, as far as not too many are under way. */
void talk_leg_start(struct talk *t);
/* How many paths end at the node. */
uint32_t talk_leg_paths(const struct talk_node *n);
void talk_leg_host(struct talk *t);

#endif
