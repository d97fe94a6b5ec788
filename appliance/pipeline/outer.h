/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PIPELINE_OUTER_H
#define PIPELINE_OUTER_H

/* The outer IP header in front of an NTM packet: one family-independent way to write it. */
#include "common/bytes.h"
#include "common/csum.h"
#include "common/ip.h"

#include <netinet/in.h>
#include <stdbool.h>

enum {
	IP4_HDR_LEN = 20,
	IP6_HDR_LEN = 40,
	UDP_HDR_LEN = 8,
	IP4_DF = 0x4000,
	FLOW_LABEL_MASK = 0xfffff,
};

struct outer {
	const struct ip_addr *src, *dst; /* of one family */
	uint8_t tos;			 /* DSCP and ECN */
	uint8_t ttl;
	uint8_t proto;
	uint32_t flow; /* IPv6: flow label; other bits are cut off */
	bool may_cut;  /* IPv4: without DF, under id; else DF and ID 0 (RFC 6864 section 4.1) */
	uint16_t id;
};

static inline unsigned int outer_len(const struct ip_addr *dst)
{
	return ip_is_v4(dst) ? IP4_HDR_LEN : IP6_HDR_LEN;
}

/* Write the header so that it ends at payload, for payload_len bytes behind it. */
static inline void outer_write4(uint8_t *payload, uint16_t payload_len, const struct outer *o)
{
	uint8_t *h = payload - IP4_HDR_LEN;
	uint32_t src = ip_v4(o->src), dst = ip_v4(o->dst);
	uint64_t first = __builtin_bswap64(0x45ULL << 56 | (uint64_t)o->tos << 48 |
					   (uint64_t)(uint16_t)(IP4_HDR_LEN + payload_len) << 32 |
					   (o->may_cut ? (uint64_t)o->id << 16 : (uint64_t)IP4_DF));
	uint32_t ttl = __builtin_bswap32((uint32_t)o->ttl << 24 | (uint32_t)o->proto << 16);
	uint64_t sum = (first & UINT32_MAX) + (first >> 32) + ttl + src + dst;

	/* Summed in registers: a load of what was just stored in pieces would have to wait. */
	ttl |= (uint32_t)(uint16_t)~csum_fold(sum) << 16;
	memcpy(h, &first, sizeof(first));
	memcpy(h + 8, &ttl, sizeof(ttl));
	memcpy(h + 12, &src, sizeof(src));
	memcpy(h + 16, &dst, sizeof(dst));
}

static inline void outer_write6(uint8_t *payload, uint16_t payload_len, const struct outer *o)
{
	uint8_t *h = payload - IP6_HDR_LEN;

	store_be32(h, 6u << 28 | (uint32_t)o->tos << 20 | (o->flow & FLOW_LABEL_MASK));
	store_be16(h + 4, payload_len);
	h[6] = o->proto;
	h[7] = o->ttl;
	memcpy(h + 8, o->src->b, 16);
	memcpy(h + 24, o->dst->b, 16);
}

static inline void outer_write(uint8_t *payload, uint16_t payload_len, const struct outer *o)
{
	if (ip_is_v4(o->dst))
		outer_write4(payload, payload_len, o);
	else
		outer_write6(payload, payload_len, o);
}

#endif
