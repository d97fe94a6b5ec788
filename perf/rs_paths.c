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

/* 2001:db8:: with the network and the host of the IPv4 one behind it. */
struct endpoint rs_path_node6(uint32_t i, uint32_t net)
{
	struct endpoint e = rs_path_node(i, net);
	static const uint8_t documentation[] = {0x20, 1, 0xd, 0xb8, 0, 6};
	uint32_t v4 = ip_v4(&e.ip);

	e.ip = (struct ip_addr){.b = {0}};
	memcpy(e.ip.b, documentation, sizeof(documentation));
	memcpy(e.ip.b + 12, &v4, sizeof(v4));
	return e;
}

static struct rs_dp_side side_of(uint32_t i, uint32_t net, bool v6)
{
	return (struct rs_dp_side){.peer = v6 ? rs_path_node6(i, net) : rs_path_node(i, net),
				   .local = v6,
				   .state = RS_SIDE_CONFIRMED};
}

int rs_path_up_between(struct rs_dp *dp, uint32_t i, bool a_v6, bool b_v6)
{
	struct rs_dp_path p = {.id = rs_path_id(i)};

	p.side[RS_SIDE_A] = side_of(i, RS_PATHS_NET_A, a_v6);
	p.side[RS_SIDE_B] = side_of(i, RS_PATHS_NET_B, b_v6);
	return rs_dp_path_set(dp, &p);
}

int rs_path_up(struct rs_dp *dp, uint32_t i)
{
	return rs_path_up_between(dp, i, false, false);
}

int rs_paths_up(struct rs_dp *dp, uint32_t n)
{
	int ret = 0;

	for (uint32_t i = 0; i < n && ret == 0; i++)
		ret = rs_path_up(dp, i);
	return ret;
}
