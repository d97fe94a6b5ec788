/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_SIM_DC_H
#define SIM_SIM_DC_H

/* A coordinator: the real core of dc/, its store in memory, its resolver a table. */
#include "dc/dc_core.h"
#include "tests/sim/sim.h"

enum { SIM_DC_RECORDS = 256, SIM_DC_HOSTS = 8 };

struct sim_dc_record {
	uint8_t table;
	uint16_t key_len, value_len;
	uint8_t key[NAME_MAX_LEN + 1 + 8];
	uint8_t value[640];
};

struct sim_dc {
	struct sim_host host;
	struct rng rng;
	struct dc_params params;
	struct dc *dc;
	uint64_t store_ns; /* a commit takes so long */
	unsigned int records_n;
	struct sim_dc_record records[SIM_DC_RECORDS]; /* survives a restart */
	unsigned int hosts_n;
	struct {
		char name[64];
		struct ip_addr ip;
	} hosts[SIM_DC_HOSTS]; /* general hosts */
};

void sim_dc_init(struct sim_dc *d, struct sim *s, struct sim_net *net, const char *ip4,
		 const char *ip6, uint64_t seed);
void sim_dc_start(struct sim_dc *d);
void sim_dc_stop(struct sim_dc *d);
void sim_dc_general_host(struct sim_dc *d, const char *name, const char *ip);
/* A join token, durable when this returns. */
void sim_dc_enrol(struct sim_dc *d, enum dc_kind kind, const char *name, uint8_t token[32]);

#endif
