/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLIENT_PROBER_H
#define CLIENT_PROBER_H

/* Looks for direct ways: rounds of probes to the peer's candidates (docs/protocol.md section 7,
 * O-01 to O-05). Its result is path_use_direct().
 */
#include "client/node.h"

struct path;
struct probe;

enum {
	PROBER_CANDIDATES = 12, /* eight told, and some that were seen to probe us */
	PROBER_OUTSTANDING = 64,
	PROBER_PROBES = 5,
};

struct prober_ask {
	uint32_t number;
	struct datapath_dest to;
	uint64_t sent_ns;
};

struct prober {
	struct candidate candidates[PROBER_CANDIDATES];
	uint8_t told_n;	    /* from the peer or its DC */
	uint8_t seen_n;	    /* sources of its probes, behind them */
	unsigned int round; /* rounds begun since the last start */
	unsigned int burst; /* probes of this round sent; PROBER_PROBES: round over */
	uint64_t round_ns;  /* next round, 0: none planned */
	uint64_t next_ns;   /* next probe of the running round, 0: none runs */
	uint32_t next_number;
	unsigned int asked, answered; /* of this start */
	unsigned int failures;	      /* direct ways that died lately */
	uint64_t failed_ns;
	uint64_t rtt_ns; /* of the direct way in use */
	struct prober_ask asks[PROBER_OUTSTANDING];
};

/* The peer's candidates as told; observed may be NULL. */
void prober_candidates(struct path *p, const struct candidate *c, uint8_t n,
		       const struct endpoint *observed);
/* Something changed: begin the rounds anew. */
void prober_start(struct path *p);
void prober_stop(struct path *p);
uint64_t prober_poll(struct path *p);
/* Probe one place now, outside the rounds. */
void prober_ask(struct path *p, const struct datapath_dest *to);
/* The peer probed us from here. */
void prober_seen(struct path *p, const struct datapath_rx *rx);
/* Is this an answer to an ask, and to which? */
void prober_answer(struct path *p, const struct datapath_rx *rx, const struct probe *probe);
/* May this candidate be tried over the link in use? */
bool prober_may_try(const struct path *p, const struct candidate *c);
/* A direct way was lost. */
void prober_failed(struct path *p);
/* Words for `why`. */
const char *prober_reason(const struct path *p, char *buf, size_t cap);

#endif
