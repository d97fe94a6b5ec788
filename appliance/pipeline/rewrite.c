/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/pipeline/rewrite.h"

#include "appliance/pipeline/icmp.h"
#include "appliance/pipeline/outer.h"

#include <rte_branch_prediction.h>

enum {
	TCP_SYN = 2,
	TCP_CHECK = 16,
	TCP_HDR_LEN = 20,
	TCP_OPT_END = 0,
	TCP_OPT_NOP = 1,
	TCP_OPT_MSS = 2,
	/* RFC 7915 section 5.1: what is smaller may be cut on its way, as path MTU discovery of the
	 * IPv6 end never goes below.
	 */
	CUT_BELOW = 1260,
};

/* The MSS option of a SYN, lowered where it is larger (RFC 879, RFC 6691). */
static void clamp_mss(uint8_t *tcp, uint16_t mss)
{
	unsigned int end = (tcp[12] >> 4) * 4u, at = TCP_HDR_LEN;
	uint16_t check, old;

	while (at + 4 <= end && tcp[at] != TCP_OPT_END) {
		if (tcp[at] == TCP_OPT_NOP) {
			at++;
			continue;
		}
		if (tcp[at + 1] < 2)
			return;
		if (tcp[at] == TCP_OPT_MSS && tcp[at + 1] == 4) {
			old = load_be16(tcp + at + 2);
			if (old <= mss)
				return;
			memcpy(&check, tcp + TCP_CHECK, 2);
			/* At an odd offset the two bytes lie in two words, swapped. */
			check = at & 1 ? csum_replace(check, old, mss)
				       : csum_replace(check, csum_be16(old), csum_be16(mss));
			store_be16(tcp + at + 2, mss);
			memcpy(tcp + TCP_CHECK, &check, 2);
			return;
		}
		at += tcp[at + 1];
	}
}

static void ports_store(uint8_t *l4, const struct rewrite *r)
{
	store_be16(l4, r->sport);
	store_be16(l4 + 2, r->dport);
}

static uint64_t sum_of(const struct ip_addr *src, const struct ip_addr *dst, uint16_t sport,
		       uint16_t dport)
{
	return csum_ip(src) + csum_ip(dst) + csum_be16(sport) + csum_be16(dport);
}

static uint64_t sum_v4(const struct ip_addr *src, const struct ip_addr *dst, uint16_t sport,
		       uint16_t dport)
{
	uint32_t a, b;

	memcpy(&a, src->b + 12, sizeof(a));
	memcpy(&b, dst->b + 12, sizeof(b));
	return (uint64_t)a + b + csum_be16(sport) + csum_be16(dport);
}

/* The upper layer's checksum behind new addresses and ports. What makes an address an IPv4 one is the
 * same before and after, where both are.
 */
static uint16_t check_across(uint16_t check, const struct tuple *t, const struct rewrite *r)
{
	if (likely(!t->v6 && ip_is_v4(r->dst)))
		return csum_replace(check, sum_v4(&t->src, &t->dst, t->sport, t->dport),
				    sum_v4(r->src, r->dst, r->sport, r->dport));
	return csum_replace(check, sum_of(&t->src, &t->dst, t->sport, t->dport),
			    sum_of(r->src, r->dst, r->sport, r->dport));
}

static void store_sum(uint8_t *p, uint16_t check)
{
	memcpy(p, &check, 2);
}

static uint16_t load_sum(const uint8_t *p)
{
	uint16_t check;

	memcpy(&check, p, 2);
	return check;
}

/* A UDP sender in IPv4 may leave the checksum out; IPv6 needs one (RFC 7915 section 4.5). */
static void udp(uint8_t *l4, const struct tuple *t, const struct rewrite *r)
{
	uint16_t len = load_be16(l4 + 4), check = load_sum(l4 + 6);

	ports_store(l4, r);
	if (check == 0 && ip_is_v4(r->dst))
		return;
	if (check == 0)
		check = (uint16_t)~csum_fold(
			csum_bytes(l4, len, csum_pseudo(r->src, r->dst, IPPROTO_UDP, len)));
	else
		check = check_across(check, t, r);
	store_sum(l4 + 6, check == 0 ? 0xffff : check);
}

static void tcp(uint8_t *l4, const struct tuple *t, const struct rewrite *r)
{
	ports_store(l4, r);
	store_sum(l4 + TCP_CHECK, check_across(load_sum(l4 + TCP_CHECK), t, r));
	if (t->tcp_flags & TCP_SYN && r->mss != 0)
		clamp_mss(l4, r->mss);
}

/* ICMPv6 counts a pseudo header, ICMP does not (RFC 4443 section 2.3). */
static void query(uint8_t *l4, const struct tuple *t, const struct rewrite *r)
{
	uint16_t len = (uint16_t)(t->len - t->l4);
	bool to_v6 = !ip_is_v4(r->dst);
	uint64_t old = csum_be16((uint16_t)(l4[0] << 8 | l4[1])) + csum_be16(t->sport);
	uint64_t now;

	if (t->v6)
		old += csum_pseudo(&t->src, &t->dst, IPPROTO_ICMPV6, len);
	if (t->v6 != to_v6)
		l4[0] = icmp_echo_across(to_v6, l4[0]);
	store_be16(l4 + 4, r->sport);
	now = csum_be16((uint16_t)(l4[0] << 8 | l4[1])) + csum_be16(r->sport);
	if (to_v6)
		now += csum_pseudo(r->src, r->dst, IPPROTO_ICMPV6, len);
	store_sum(l4 + 2, csum_replace(load_sum(l4 + 2), old, now));
}

static void header_same(uint8_t *ip, const struct tuple *t, const struct rewrite *r)
{
	if (t->v6) {
		ip[7]--;
		memcpy(ip + 8, r->src->b, 16);
		memcpy(ip + 24, r->dst->b, 16);
		return;
	}
	ip[8]--;
	memcpy(ip + 12, r->src->b + 12, 4);
	memcpy(ip + 16, r->dst->b + 12, 4);
	store_sum(ip + 10, 0);
	store_sum(ip + 10, (uint16_t)~csum_fold(csum_bytes(ip, (ip[0] & 15) * 4u, 0)));
}

/* Options and extension headers do not cross (RFC 7915 sections 4.1 and 5.1). */
static enum drop_reason header_across(struct cut *c, struct tuple *t, const struct rewrite *r)
{
	uint16_t body = (uint16_t)(t->len - t->l4);
	unsigned int hdr = outer_len(r->dst);
	uint8_t proto = t->proto;

	if (t->class == TUPLE_QUERY)
		proto = t->v6 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	struct outer o = {
		.src = r->src,
		.dst = r->dst,
		.tos = t->tos,
		.ttl = (uint8_t)(t->ttl - 1),
		.proto = proto,
		.may_cut = hdr + body <= CUT_BELOW,
		.id = r->id,
	};

	if (hdr + body > UINT16_MAX)
		return DROP_MTU;
	outer_write(c->ip + t->l4, body, &o);
	c->ip += t->l4;
	c->ip -= hdr;
	c->len = (uint16_t)(hdr + body);
	t->df = !t->v6 ? t->df : !o.may_cut;
	t->v6 = !t->v6;
	t->l4 = (uint16_t)hdr;
	t->len = c->len;
	t->proto = proto;
	return DROP_MAX;
}

enum drop_reason rewrite_packet(struct cut *c, struct tuple *t, const struct rewrite *r)
{
	uint8_t *l4 = c->ip + t->l4;
	enum drop_reason why = DROP_MAX;

	switch (t->class) {
	case TUPLE_UDP:
		udp(l4, t, r);
		break;
	case TUPLE_TCP:
		tcp(l4, t, r);
		break;
	case TUPLE_QUERY:
		query(l4, t, r);
		break;
	default:
		return DROP_NAT_PROTO;
	}
	if (t->v6 != ip_is_v4(r->dst))
		header_same(c->ip, t, r);
	else
		why = header_across(c, t, r);
	t->src = *r->src;
	t->dst = *r->dst;
	t->ttl--;
	t->sport = r->sport;
	t->dport = r->dport;
	return why;
}
