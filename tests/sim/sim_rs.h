/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_SIM_RS_H
#define SIM_SIM_RS_H

/* A relay server: the real RS control over a slow, obvious data path (struct rs_dp here). */
#include "appliance/rs_control.h"
#include "tests/sim/sim.h"

enum {
	SIM_RS_PATHS = 256,
	SIM_RS_LEGS = 64,
	SIM_RS_BINDINGS = 64,
	SIM_RS_LOCALS = 2,
	SIM_RS_JOBS = 64,
};

/* clang-format off */
#define SIM_RS_COUNTERS(X)                                                                         \
	X(IN) X(SWITCHED) X(NO_PATH) X(WRONG_SOURCE) X(STRAY_PASSED) X(UNBOUND) X(UNCONFIRMED)     \
	X(NO_CREDIT) X(CONTROL) X(HANDSHAKE) X(UNKNOWN) X(LEG_DROP) X(LEG_BAD_INNER)               \
	X(NO_BINDING) X(TO_GN) X(FROM_GN) X(BAD) X(DIRECTION)
/* clang-format on */

enum sim_rs_counter {
#define X(name) SIM_RS_##name,
	SIM_RS_COUNTERS(X)
#undef X
		SIM_RS_COUNTER_COUNT
};

struct sim_rs_binding {
	bool is_used;
	uint64_t leg;
	uint32_t number;
	struct ip_addr vip_gn, rip_gn;
};

struct sim_rs_leg {
	bool is_used, is_added;
	uint64_t index;
	struct rs_dp_leg conf;
	struct session *session;
	uint8_t route; /* 0 or 2 */
	uint16_t mtu;
	uint32_t credit_bytes;
	uint64_t credit_until_ns;
	struct rs_dp_leg_stats st;
};

struct sim_rs_path {
	bool is_used;
	struct rs_dp_path rec;
	struct rs_dp_path_stats st;
};

/* What rs_control drives. */
struct rs_dp {
	struct sim_rs *rs;
	struct endpoint locals[SIM_RS_LOCALS];
	struct session_pool *windows;
	uint32_t paths_max, legs_max; /* a smaller table than there is; 0: no such limit */
	struct sim_rs_path paths[SIM_RS_PATHS];
	struct sim_rs_leg legs[SIM_RS_LEGS];
	struct sim_rs_binding bindings[SIM_RS_BINDINGS];
};

struct sim_rs {
	struct sim_host host;
	struct rng rng;
	struct rs_control_params params;
	struct rs_control *control;
	struct rs_dp *dp;
	uint64_t counters[SIM_RS_COUNTER_COUNT];
	uint64_t gn_packets;
	bool store_fails; /* the lasting PSK cannot be written */
	bool lies;	  /* tells each node a wrong address, and sends to the right one */
	/* Handshakes are computed elsewhere and take that long; 0: at once. Set while it is off. */
	uint64_t compute_ns;
	unsigned int jobs_n;
	struct {
		uint64_t at;
		struct hs_job *job;
	} jobs[SIM_RS_JOBS];
};

/* ip4, ip6: public addresses; the relay's endpoints are at port 5530 of each. */
void sim_rs_init(struct sim_rs *rs, struct sim *s, struct sim_net *net, const char *ip4,
		 const char *ip6, uint64_t seed);
void sim_rs_start(struct sim_rs *rs);
/* As a crash: everything but keys and reset secret is forgotten. */
void sim_rs_stop(struct sim_rs *rs);

void sim_rs_dp_input(struct rs_dp *dp, uint64_t now, uint16_t local, const struct endpoint *from,
		     uint8_t tos, uint8_t *pkt, size_t len);
struct rs_dp *sim_rs_dp_create(struct sim_rs *rs);
void sim_rs_dp_destroy(struct rs_dp *dp);
void sim_rs_out(struct sim_rs *rs, uint16_t local, const struct endpoint *to, uint8_t tos,
		const uint8_t *pkt, size_t len);

#endif
