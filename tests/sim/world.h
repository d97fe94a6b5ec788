/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

/* The standard scene:
 *
 *	alice 192.168.1.2 --- NAT A 20.1.0.1 ---+            +--- dc 20.0.0.1, 2a00::1
 *	bob   192.168.1.2 --- NAT B 20.2.0.1 ---+- internet -+
 *	                      NAT C 20.3.0.1 ---+            +--- rs 20.0.0.2, 2a00::2
 *	carol 20.9.0.5, 2a00:9::5 --------------+            +--- web 50.0.0.80 (echo behind RS-N)
 */
#include "tests/sim/sim_dc.h"
#include "tests/sim/sim_node.h"
#include "tests/sim/sim_rs.h"

enum { ALICE, BOB, CAROL, WORLD_NODES };
enum { NAT_A, NAT_B, NAT_C, WORLD_NATS };

struct world {
	struct sim sim;
	struct sim_net core;		       /* DC and RS */
	struct sim_net nets[WORLD_NATS], open; /* behind the NATs; open: public */
	struct sim_nat nats[WORLD_NATS];
	struct sim_dc dc;
	struct sim_rs rs;
	struct sim_node nodes[WORLD_NODES];
	unsigned int errors; /* broken invariants, each printed */
};

/* Everything enrolled, started and registered, legs up. */
struct world *world_create(uint64_t seed);
/* The same; before() is called when nothing has been sent yet. */
struct world *world_create_watched(uint64_t seed, void (*before)(struct world *w));
void world_destroy(struct world *w);
/* Invariants that hold at any time. */
void world_check(struct world *w);
bool world_is_registered(void *world);
bool world_node_ready(const struct sim_node *n);

/* Ask by name and wait; the status. */
enum node_direction_status world_direct(struct world *w, unsigned int from, const char *name,
					struct vips *vips, uint64_t *took_ns);
const char *world_name(unsigned int node);

#endif
