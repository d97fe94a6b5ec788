/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_GROUPS_H
#define PERF_GROUPS_H

/* Every group of cases, one file each; main.c runs them in this order. */
#include "perf/bench.h"

extern const struct bench_group bench_lookup_1m, bench_lookup_10m; /* bench_lookup.c */
extern const struct bench_group bench_aead;			   /* bench_aead.c */
extern const struct bench_group bench_session;			   /* bench_session.c */
extern const struct bench_group bench_control;			   /* bench_control.c */
extern const struct bench_group bench_dns;			   /* bench_dns.c */
extern const struct bench_group bench_rs_s_1m, bench_rs_s_10m, bench_rs_s_v6,
	bench_rs_s_v46;					       /* bench_rs_s.c */
extern const struct bench_group bench_rs_n_64, bench_rs_n_512; /* bench_rs_n.c */
extern const struct bench_group bench_rs_n_1400, bench_rs_n_cold;
extern const struct bench_group bench_rs_n_sha256, bench_rs_n_md5;
extern const struct bench_group bench_rs_n_memory;  /* bench_rs_n_memory.c */
extern const struct bench_group bench_nat;	    /* bench_nat.c */
extern const struct bench_group bench_scale;	    /* bench_scale.c */
extern const struct bench_group bench_idle;	    /* bench_idle.c */
extern const struct bench_group bench_hostile;	    /* bench_hostile.c */
extern const struct bench_group bench_hostile_rs_n; /* bench_hostile_rs_n.c */
extern const struct bench_group bench_update;	    /* bench_update.c */

#endif
