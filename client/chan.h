/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLIENT_CHAN_H
#define CLIENT_CHAN_H

/* A channel: one association of this node with the requests that run over it. The DC's, each leg's
 * and each path's begin with one. Handshakes by common/assoc.h, requests by common/control.h, keys
 * and sealing by the datapath.
 */
#include "client/node.h"
#include "common/assoc.h"
#include "common/control.h"

#include <sys/queue.h>

struct chan;

struct chan_ops {
	/* A handshake packet of ours. */
	void (*send)(struct chan *c, const uint8_t *pkt, size_t len, unsigned int try);
	/* Fields of handshake 1 beside those of the handshake layer. */
	void (*payload)(struct chan *c, struct msg *m);
	/* Fields of an authentic handshake 2. */
	void (*answer)(struct chan *c, const struct msg *m);
	/* A session was put into the datapath: give it routes. */
	void (*installed)(struct chan *c);
	/* Fresh keys are proven by both ends. */
	void (*up)(struct chan *c);
	void (*failed)(struct chan *c, enum assoc_failure why, uint16_t code);
	/* A sealed keep-alive that will be answered. */
	void (*confirm)(struct chan *c);
	/* A request of the peer's; answer by chan_answer() or chan_refuse(). */
	void (*request)(struct chan *c, const struct datapath_rx *rx, struct msg *m);
	/* A control body goes out: where to, besides the route in use. May be NULL. */
	void (*copy)(struct chan *c, const uint8_t *body, size_t len);
};

struct chan {
	struct node *node;
	const struct chan_ops *ops;
	TAILQ_ENTRY(chan) link;
	struct assoc assoc;
	struct control control;
	struct vips peer_vips;	  /* of a path */
	bool is_dead;		  /* to be freed at the end of node_poll() */
	uint64_t index;		  /* of the session in use in the datapath, 0: none */
	uint64_t installed_index; /* of the newest, maybe not proven yet */
	uint8_t number;		  /* route number in use */
	struct datapath_dest dest[DATAPATH_ROUTES]; /* mirror of what the datapath was told */
	uint16_t outer[DATAPATH_ROUTES];
	bool has_route;
	/* Requests go here instead of the route in use while set (a link on trial). */
	const struct datapath_dest *detour;
};

int chan_init(struct chan *c, struct node *n, const struct chan_ops *ops,
	      const struct assoc_conf *conf);
void chan_fini(struct chan *c);
uint64_t chan_poll(struct chan *c);

/* The channel of an ID the datapath reports; NULL: none (any more). */
struct chan *chan_find(struct node *n, uint64_t id);
/* Is that the index which the peer is to answer a running handshake to? */
bool chan_is_opening(const struct node *n, uint64_t id);
/* Handshake 2, cookie or reset that came in clear. */
enum hs_verdict chan_handshake(struct node *n, const uint8_t *pkt, size_t len,
			       const struct wire_fields *f);

/* Send data and requests to dest from now on, under the next free route number. outer 0: unknown.
 * credit_ns 0: the address is proven.
 */
void chan_route(struct chan *c, const struct datapath_dest *dest, uint16_t outer,
		uint64_t credit_ns);
/* Largest outer packet of the route in use. */
void chan_outer(struct chan *c, uint16_t outer);
/* Number for packets beside the route in use (probes of other ways). */
static inline uint8_t chan_spare(const struct chan *c)
{
	return (uint8_t)((c->number + 1) % DATAPATH_ROUTES);
}

/* Over the route in use; resend NULL: the default. */
int chan_request(struct chan *c, struct msg *m, const uint32_t *resend_ms, control_done done,
		 void *arg);
void chan_answer(struct chan *c, struct msg *m);
void chan_refuse(struct chan *c, const struct msg *m, enum msg_error code);
/* A probe body, or any sealed one outside a request. */
int chan_send(struct chan *c, uint8_t type, uint8_t number, const struct datapath_dest *to,
	      const uint8_t *body, size_t len);
bool chan_stats(const struct chan *c, struct datapath_stats *st);

extern const struct assoc_ops chan_assoc_ops;

#endif
