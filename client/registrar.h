/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLIENT_REGISTRAR_H
#define CLIENT_REGISTRAR_H

/* The association with the own DC: enrol, register, keep-alive, register again. */
#include "client/chan.h"

enum registrar_state {
	REGISTRAR_OFFLINE,
	REGISTRAR_CONNECTING,
	REGISTRAR_REGISTERING,
	REGISTRAR_REGISTERED,
	REGISTRAR_REFUSED,
};

struct registrar {
	struct chan chan; /* first */
	enum registrar_state state;
	struct endpoint eps[2 * NODE_DC_ENDPOINTS_MAX]; /* port 5525 of each, then 443 */
	uint8_t eps_n, first_n;				/* first_n: those of the first port */
	bool is_second_port;				/* the one that answered last */
	uint8_t hs1[WIRE_HS1_MAX];
	uint16_t hs1_len;
	uint64_t second_port_ns; /* try it at; 0: not due */
	uint64_t retry_ns;	 /* after a refusal */
	uint64_t keepalive_at_ns, keepalive_ns, keepalive_cap_ns;
	unsigned int keepalives_good;
	uint64_t registered_ns;
	uint64_t forgotten_ns; /* the DC last answered with a reset; 0: never */
	struct endpoint observed;
	struct vips vips;
	uint16_t refusal;
	uint8_t ranges_n, suffixes_n;
	struct ip_prefix ranges[NODE_RANGES_MAX];
	char suffixes[MSG_NAMES_MAX][NAME_MAX_LEN + 1];
	/* Tags of requests, so that each kind can be cancelled. */
	uint8_t tag_register, tag_keepalive;
	bool keepalive_out, register_out;
};

int registrar_init(struct node *n);
void registrar_fini(struct node *n);
uint64_t registrar_poll(struct node *n);
/* A link has come up, or another carries now: open anew and register. */
void registrar_moved(struct node *n);
/* Register (again) over the association there is; at its come up where there is none. */
void registrar_register(struct node *n);
/* Ask the DC and every RS for a sign of life. */
void registrar_insist(struct node *n);
bool registrar_is_registered(const struct node *n);
/* A path to these is there: they are routed to us, whatever pools the DC has named. */
void registrar_peer_vips(struct node *n, const struct vips *vips);

#endif
