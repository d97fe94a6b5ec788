/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PKTGEN_TRAFFIC_IMPL_H
#define PKTGEN_TRAFFIC_IMPL_H

/* Shared by the two halves of traffic.h, making and finding, and by link.c. */
#include "appliance/pipeline/outer.h"
#include "perf/pktgen/traffic.h"

#define TRAFFIC_MAGIC 0x6e746d31u /* "ntm1" */

/* Behind the UDP header, as it lies in memory: both ends are this process. */
struct traffic_stamp {
	uint32_t magic;
	uint32_t stream;
	uint64_t seq;
};

enum { TRAFFIC_INNER_HEAD = IP4_HDR_LEN + UDP_HDR_LEN };

/* Source and destination of the inner packet of a stream, as the sender writes them. */
struct traffic_ends {
	struct endpoint src, dst;
};

struct traffic_ends traffic_ends(const struct plan *p, enum way w, uint32_t stream);

/* A frame taken apart: lengths agree with each other and with the frame. */
struct traffic_view {
	struct endpoint src, dst;
	uint8_t *ip, *udp, *body;
	uint16_t body_len;
	uint8_t ttl;
	bool v6;
};

/* UDP over IPv4 or IPv6 without options, extensions or pieces; false for all else. */
bool traffic_view(struct traffic_view *v, uint8_t *ip, uint32_t room);

/* IP and UDP headers in front of body bytes that stand behind them already; right checksums. */
void traffic_headers(uint8_t *ip, const struct endpoint *src, const struct endpoint *dst,
		     uint16_t body);

/* The checksum of UDP as it stands in the packet; its field must be zero, or right already: then
 * the result is 0 or 0xffff.
 */
static inline uint16_t traffic_udp_check(const struct ip_addr *src, const struct ip_addr *dst,
					 const uint8_t *udp, uint16_t len)
{
	uint64_t pseudo = csum_pseudo(src, dst, IPPROTO_UDP, len);
	uint16_t check = (uint16_t)~csum_fold(csum_bytes(udp, len, pseudo));

	return check;
}

/* IV of a path's packets by their sender. */
static inline void traffic_path_iv(const struct plan *p, int side, uint64_t id, uint8_t iv[12])
{
	memcpy(iv, p->path_iv[side], SUITE_IV_LEN);
	for (int i = 0; i < 8; i++)
		iv[i] ^= (uint8_t)(id >> 8 * i);
}

#endif
