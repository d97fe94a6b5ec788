/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PERF_RS_PATHS_H
#define PERF_RS_PATHS_H

/* The relay paths that benchmarks of RS-S fill a bed with: path i between node i of one network and
 * node i of another, both sides confirmed. Either side can be IPv6; the bed has one worker then.
 */
#include "perf/rs_bed.h"

enum { RS_PATHS_NET_A = 0xc6330000, RS_PATHS_NET_B = 0xcb010000 };

/* Multiplying by an odd number modulo 2^63 makes none twice. */
uint64_t rs_path_id(uint32_t i);
struct endpoint rs_path_node(uint32_t i, uint32_t net);
struct endpoint rs_path_node6(uint32_t i, uint32_t net);
/* Enter path i. 0 or -errno. */
int rs_path_up(struct rs_dp *dp, uint32_t i);
int rs_path_up_between(struct rs_dp *dp, uint32_t i, bool a_v6, bool b_v6);
/* Paths 0 to n - 1. */
int rs_paths_up(struct rs_dp *dp, uint32_t n);

#endif
