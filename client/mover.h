/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLIENT_MOVER_H
#define CLIENT_MOVER_H

/* Decides what a change of links or of the observed address means, and tells everyone. */
#include "client/node.h"

struct leg;

struct mover {
	uint8_t trial; /* link that must first carry an answer; LINK_NONE: no trial */
	uint64_t trial_until_ns, trial_next_ns;
	/* The first thing that RS or DC must answer and that went out since they were last heard over the
	 * link in use; 0: none.
	 */
	uint64_t asked_ns;
	uint64_t insisted_ns;	 /* both were asked since; 0: not yet */
	uint64_t silent_next_ns; /* not before this is silence believed again */
};

/* Links changed: choose the one to use, move or begin a trial. */
void mover_links(struct node *n, bool has_changed);
/* An update or registration over the link on trial was answered. */
void mover_trial_good(struct node *n, uint8_t link);
/* Something went out over the link in use that RS or DC answers; something authentic came in. */
void mover_asked(struct node *n);
void mover_heard(struct node *n, uint8_t link);
/* The NAT in front of us gave us another address: everyone must know. */
void mover_observed(struct node *n, const char *who);
/* Our public address became known (first time) or our NAT class changed: peers may try it. */
void mover_tell(struct node *n);
uint64_t mover_poll(struct node *n);
/* A location number greater than any before; written ahead. */
uint64_t mover_location(struct node *n);
/* Somebody refused our number and knows of this one: the next are greater. A node whose clock went back and
 * that lost its number goes on from there. True when ours was smaller indeed.
 */
bool mover_known(struct node *n, const struct msg *refusal);
enum msg_nat mover_nat(const struct node *n);

#endif
