/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/rs_paths.h"

#include "common/wire.h"

#include <rte_byteorder.h>

uint64_t rs_path_id(uint32_t i)
{
	return (i + 1ULL) * 0x9e3779b97f4a7c15ULL & ~WIRE_ID_INDEX;
}

struct endpoint rs_path_node(uint32_t i, uint32_t net)
{
	return (struct endpoint){.ip = ip_from_v4(rte_cpu_to_be_32(net + (i & 0xffff))),
				 .port = (uint16_t)(1024 + (i >> 16))};
}

int rs_path_up(struct rs_dp *dp, uint32_t i)
{
	struct rs_dp_path p = {.id = rs_path_id(i)};

	p.side[RS_SIDE_A] = (struct rs_dp_side){.peer = rs_path_node(i, RS_PATHS_NET_A),
						.state = RS_SIDE_CONFIRMED};
	p.side[RS_SIDE_B] = (struct rs_dp_side){.peer = rs_path_node(i, RS_PATHS_NET_B),
						.state = RS_SIDE_CONFIRMED};
	return rs_dp_path_set(dp, &p);
}

int rs_paths_up(struct rs_dp *dp, uint32_t n)
{
	int ret = 0;

	for (uint32_t i = 0; i < n && ret == 0; i++)
		ret = rs_path_up(dp, i);
	return ret;
}
