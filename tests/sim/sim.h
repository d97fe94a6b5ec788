/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_SIM_H
#define SIM_SIM_H

/* A network in virtual time: hosts, access networks with delay, loss, reordering and duplication,
 * NAT boxes of five classes. One thread; the same seed gives the same run to the byte.
 *
 *	host -> its net (loss, delay) -> NAT out -> internet -> NAT in -> net (loss, delay) -> host
 *
 * All of the tests' own: nothing here is linked into a program.
 */
#include "common/ip.h"
#include "common/rng.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#define SIM_MS 1000000ULL
#define SIM_SEC 1000000000ULL
#define SIM_NEVER UINT64_MAX

enum {
	SIM_PKT_MAX = 2048,
	SIM_IFACES_MAX = 4,
	SIM_NAT_MAPPINGS = 256,
	SIM_NAT_REMOTES = 32,
};

struct sim;
struct sim_host;
struct sim_flow;

enum sim_nat_class {
	SIM_NAT_FULL_CONE,	 /* mapping and filtering endpoint-independent */
	SIM_NAT_RESTRICTED,	 /* filters by address */
	SIM_NAT_PORT_RESTRICTED, /* filters by address and port */
	SIM_NAT_SYMMETRIC_ADDR,	 /* maps and filters by address */
	SIM_NAT_SYMMETRIC,	 /* maps and filters by address and port */
	SIM_NAT_CLASSES,
};

struct sim_mapping {
	bool is_used;
	struct endpoint inside;
	struct endpoint towards; /* what the mapping depends on; zero where it does not */
	uint16_t port;
	uint64_t last_ns; /* last packet out */
	unsigned int remotes_n;
	struct endpoint remotes[SIM_NAT_REMOTES];
};

struct sim_nat {
	struct ip_addr outside;
	enum sim_nat_class class;
	uint64_t life_ns; /* of an idle mapping */
	uint16_t next_port;
	bool is_wall; /* no translation: a host's own firewall */
	struct sim_mapping map[SIM_NAT_MAPPINGS];
	uint64_t refused; /* inbound packets without mapping or filtered */
};

/* An access network. Per packet and direction. */
struct sim_net {
	struct sim_nat *nat; /* IPv4 goes through it; NULL: public addresses */
	uint64_t delay_ns, jitter_ns;
	uint32_t loss_ppm, dup_ppm, reorder_ppm;
	uint16_t mtu; /* outer IP packets above are dropped; 0: 1500 */
	bool is_cut;
	uint64_t packets, lost, too_big;
};

struct sim_iface {
	struct sim_host *host;
	uint8_t number;
	bool is_up;
	struct sim_net *net;
	struct ip_addr v4, v6; /* none where there is none */
};

struct sim_host {
	TAILQ_ENTRY(sim_host) link;
	struct sim *sim;
	const char *name;
	void *ctx;
	bool is_off; /* packets to it vanish, it is not polled */
	void (*input)(struct sim_host *h, struct sim_iface *i, const struct endpoint *from,
		      const struct endpoint *to, uint8_t tos, uint8_t *pkt, size_t len);
	uint64_t (*poll)(struct sim_host *h, uint64_t now);
	uint64_t wake_ns;
	unsigned int ifaces_n;
	struct sim_iface ifaces[SIM_IFACES_MAX];
};

struct sim_event {
	uint64_t at, order;
	void (*fn)(struct sim *s, struct sim_event *e);
	void *a, *b;
	uint64_t x;
	struct sim_pkt *pkt;
};

struct sim {
	uint64_t now;
	struct rng rng;
	uint64_t order;
	struct sim_event *heap;
	size_t heap_n, heap_cap;
	TAILQ_HEAD(, sim_host) hosts;
	TAILQ_HEAD(, sim_flow) flows; /* tests/sim/sim_node.h */
	uint16_t next_flow;
	uint64_t delivered, vanished;
	bool is_traced; /* print every packet that arrives */
	/* Called before and after a packet's own delivery, but for packets that were sent while sent
	 * was set: a tap that hands packets to hosts sets it to see what they do, and is not asked
	 * about that again.
	 */
	void (*tap)(struct sim *s, bool is_after, struct sim_iface *i, const struct endpoint *from,
		    const struct endpoint *to, uint8_t tos, const uint8_t *pkt, size_t len);
	void (*sent)(struct sim *s, const struct endpoint *to, const uint8_t *pkt, size_t len);
};

void sim_init(struct sim *s, uint64_t seed);
void sim_fini(struct sim *s);
void sim_host_add(struct sim *s, struct sim_host *h, const char *name, void *ctx);
struct sim_iface *sim_iface_add(struct sim_host *h, struct sim_net *net, const char *v4,
				const char *v6);
/* Run until now + ns. */
void sim_run(struct sim *s, uint64_t ns);
/* Run until cond is true or ns have passed; what it came to. */
bool sim_run_until(struct sim *s, uint64_t ns, bool (*cond)(void *arg), void *arg);
void sim_after(struct sim *s, uint64_t ns, void (*fn)(struct sim *s, struct sim_event *e), void *a,
	       void *b, uint64_t x);
/* Something was done to h from outside: poll it now. */
void sim_kick(struct sim_host *h);

/* UDP from an own address of the interface. */
void sim_send(struct sim_iface *i, uint16_t src_port, const struct endpoint *to, uint8_t tos,
	      const uint8_t *pkt, size_t len);
/* True with ppm in a million. */
bool sim_chance(struct sim *s, uint32_t ppm);

void sim_nat_init(struct sim_nat *n, const char *outside, enum sim_nat_class class);
void sim_nat_flush(struct sim_nat *n);
/* The outside endpoint for a packet, made where there is none; false: full. */
bool sim_nat_out(struct sim_nat *n, uint64_t now, struct endpoint *src, const struct endpoint *dst);
/* The inside endpoint for a packet to dst; false: refused. */
bool sim_nat_in(struct sim_nat *n, uint64_t now, const struct endpoint *src, struct endpoint *dst);

#endif
