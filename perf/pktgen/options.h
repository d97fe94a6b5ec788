/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PKTGEN_OPTIONS_H
#define PKTGEN_OPTIONS_H

/* The command line behind the EAL's: ntm-pktgen [EAL ARGS] -- [ARGS]. options_help() says what there
 * is; perf/pktgen/README.md says what for.
 */
#include "perf/pktgen/gen.h"

struct options {
	struct plan_conf plan;
	struct gen_conf gen;
	double percent; /* of line_mbit, where the rate was given so; else 0 */
	double line_mbit;
	bool in_process;
	const char *port[TRAFFIC_SIDES]; /* DPDK devices; NULL: none */
	unsigned int n_ports;
	double setup_s;	      /* longest wait for the RS and for what it is told */
	bool keep;	      /* leave paths and legs at the RS */
	const char *ctl;      /* control socket of the RS, for its drops; NULL: none */
	unsigned int ring;    /* of in_process, packets */
	unsigned int packets; /* mbufs */
	unsigned int window_bits;
	unsigned int check_every;

	bool search;
	double trial_s, hold_s, resolution;

	const char *pcap; /* write frames there instead of sending; NULL: send */
	uint32_t pcap_packets;

	const char *json; /* NULL: none */
	const char *name; /* of the rows that a search writes */
};

/* 0, -EINVAL after a line on stderr, or 1 when help was asked for and printed. */
int options_parse(struct options *o, int argc, char **argv);
void options_help(void);

/* Bits on the wire of one frame: FCS, preamble and gap counted (RFC 2544). */
static inline double options_wire_bits(unsigned int frame_len)
{
	return (frame_len + 4 + 20) * 8.0;
}

#endif
