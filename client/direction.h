/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLIENT_DIRECTION_H
#define CLIENT_DIRECTION_H

/* Directions in flight, and the bindings of general hosts that came of them. */
#include "client/node.h"
#include "common/msg.h"

#include <sys/queue.h>

enum { DIRECTIONS_MAX = 64, DIRECTION_WAITERS_MAX = 16 };

struct leg;

struct direction_waiter {
	node_direction_done done;
	void *arg;
};

struct direction {
	TAILQ_ENTRY(direction) link;
	char name[NAME_MAX_LEN + 1]; /* empty: by vip */
	struct ip_addr vip;
	bool is_asked;	   /* false: waits for a registration */
	uint64_t until_ns; /* then it has failed */
	unsigned int waiters_n;
	struct direction_waiter waiters[DIRECTION_WAITERS_MAX];
};

struct binding {
	TAILQ_ENTRY(binding) link;
	char name[NAME_MAX_LEN + 1];
	uint32_t number;
	struct ip_addr vip_gn, rip_gn;
	struct leg *leg;
	uint64_t expires_ns;
};

TAILQ_HEAD(direction_list, direction);
TAILQ_HEAD(binding_list, binding);

/* A Route Direction, as answer or as request. 0, or the error to refuse it with. */
uint16_t direction_take(struct node *n, const struct msg *m);
/* A packet for a VIP that leads nowhere. */
void direction_miss(struct node *n, const struct ip_addr *vip);
/* Ask again for a peer whose path ends or ages. */
void direction_renew(struct node *n, const char *name);
/* Ask what waits for a registration, end what waited too long. */
uint64_t direction_poll(struct node *n);
void direction_fini(struct node *n);

/* ---- binding.c ---- */
uint16_t binding_take(struct node *n, const struct msg *m, struct leg *l);
const struct binding *binding_by_name(const struct node *n, const char *name, bool v4);
const struct binding *binding_by_vip(const struct node *n, const struct ip_addr *vip);
/* The leg has a new session: its VIPs go there. */
void binding_rebind(struct node *n, struct leg *l);
/* Ask the DC again for those of this leg. */
void binding_renew(struct node *n, struct leg *l);
void binding_leg_lost(struct node *n, struct leg *l);
uint64_t binding_poll(struct node *n);
void binding_remove(struct node *n, const struct msg *m);
void binding_fini(struct node *n);

#endif
