/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/pipeline/tuple.h"

#include "appliance/pipeline/icmp.h"
#include "appliance/pipeline/outer.h"

enum { EXT_MAX = 4, FRAG_OFFSET = 0x1fff, FRAG_MORE = 0x2000, TCP_HDR_LEN = 20 };

static enum drop_reason udp(const uint8_t *p, uint16_t room, struct tuple *t)
{
	uint16_t len;

	if (room < UDP_HDR_LEN)
		return DROP_SHORT;
	len = load_be16(p + 4);
	if (len < UDP_HDR_LEN || len > room)
		return DROP_UDP_LEN;
	t->class = TUPLE_UDP;
	t->sport = load_be16(p);
	t->dport = load_be16(p + 2);
	return DROP_MAX;
}

static enum drop_reason tcp(const uint8_t *p, uint16_t room, struct tuple *t)
{
	if (room < TCP_HDR_LEN || (p[12] >> 4) * 4 < TCP_HDR_LEN || (p[12] >> 4) * 4 > room)
		return DROP_SHORT;
	t->class = TUPLE_TCP;
	t->sport = load_be16(p);
	t->dport = load_be16(p + 2);
	t->tcp_flags = p[13];
	return DROP_MAX;
}

static enum drop_reason icmp(const uint8_t *p, uint16_t room, struct tuple *t)
{
	if (room < ICMP_HDR_LEN)
		return DROP_SHORT;
	if (icmp_is_error(t->v6, p[0])) {
		t->class = TUPLE_ERROR;
	} else if (icmp_is_echo(t->v6, p[0])) {
		t->class = TUPLE_QUERY;
		t->sport = load_be16(p + 4);
		t->dport = t->sport;
	}
	return DROP_MAX;
}

static enum drop_reason upper(const uint8_t *ip, struct tuple *t)
{
	const uint8_t *p = ip + t->l4;
	uint16_t room = (uint16_t)(t->len - t->l4);

	t->class = TUPLE_OTHER;
	switch (t->proto) {
	case IPPROTO_UDP:
		return udp(p, room, t);
	case IPPROTO_TCP:
		return tcp(p, room, t);
	case IPPROTO_ICMP:
		return t->v6 ? DROP_MAX : icmp(p, room, t);
	case IPPROTO_ICMPV6:
		return t->v6 ? icmp(p, room, t) : DROP_MAX;
	default:
		return DROP_MAX;
	}
}

static enum drop_reason parse4(const uint8_t *ip, uint16_t len, struct tuple *t)
{
	uint16_t frag;
	uint32_t a;

	if (len < IP4_HDR_LEN)
		return DROP_SHORT;
	t->l4 = (uint16_t)((ip[0] & 15) * 4);
	t->len = load_be16(ip + 2);
	if (t->l4 < IP4_HDR_LEN)
		return DROP_IP_HEADER_LEN;
	if (t->len < t->l4 || t->len > len)
		return DROP_IP_TOTAL_LEN;
	memcpy(&a, ip + 12, 4);
	t->src = ip_from_v4(a);
	memcpy(&a, ip + 16, 4);
	t->dst = ip_from_v4(a);
	t->tos = ip[1];
	t->ttl = ip[8];
	t->proto = ip[9];
	frag = load_be16(ip + 6);
	t->df = (frag & IP4_DF) != 0;
	if (frag & (FRAG_OFFSET | FRAG_MORE)) {
		t->class = TUPLE_PIECE;
		return DROP_MAX;
	}
	return upper(ip, t);
}

/* Hop-by-hop, routing and destination options are walked over (RFC 8200 section 4.1). */
static enum drop_reason parse6(const uint8_t *ip, uint16_t len, struct tuple *t)
{
	uint16_t at = IP6_HDR_LEN;
	uint8_t next;

	if (len < IP6_HDR_LEN)
		return DROP_SHORT;
	if (load_be16(ip + 4) + IP6_HDR_LEN > len)
		return DROP_IP_TOTAL_LEN;
	t->len = (uint16_t)(load_be16(ip + 4) + IP6_HDR_LEN);
	memcpy(t->src.b, ip + 8, 16);
	memcpy(t->dst.b, ip + 24, 16);
	t->tos = (uint8_t)(load_be16(ip) >> 4);
	t->ttl = ip[7];
	t->df = true;
	next = ip[6];
	for (int i = 0; i <= EXT_MAX; i++) {
		t->proto = next;
		t->l4 = at;
		if (next == IPPROTO_FRAGMENT) {
			t->class = TUPLE_PIECE;
			return at + 8 > t->len ? DROP_IP6_EXT : DROP_MAX;
		}
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS)
			return upper(ip, t);
		if (at + 8 > t->len)
			return DROP_IP6_EXT;
		next = ip[at];
		at = (uint16_t)(at + (ip[at + 1] + 1) * 8);
		if (at > t->len)
			return DROP_IP6_EXT;
	}
	return DROP_IP6_EXT;
}

enum drop_reason tuple_parse(const uint8_t *ip, uint16_t len, struct tuple *t)
{
	if (len == 0)
		return DROP_SHORT;
	t->tcp_flags = 0;
	t->sport = 0;
	t->dport = 0;
	t->v6 = ip[0] >> 4 == 6;
	if (!t->v6 && ip[0] >> 4 != 4)
		return DROP_IP_VERSION;
	return t->v6 ? parse6(ip, len, t) : parse4(ip, len, t);
}
