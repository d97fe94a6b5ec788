/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/iface.h"
#include "appliance/pipeline/icmp.h"
#include "appliance/pipeline/nat.h"
#include "appliance/pipeline/outer.h"
#include "appliance/pipeline/seal.h"
#include "appliance/worker.h"

/* ICMP errors through the NAT: the error and the packet that it quotes are translated alike
 * (RFC 5508 section 7, RFC 7915 sections 4.2 and 5.2), and those that this NAT makes itself. All are
 * built anew from parts; they are rare.
 */
enum {
	/* RFC 1812 section 4.3.2.3 and RFC 4443 section 2.4: never more than this in all. */
	ERROR4_MAX = 576,
	ERROR6_MAX = 1280,
	ERROR_TTL = 64,
	IP6_FRAG_LEN = 8,
	TCP_CHECK = 16,
	TUNNEL_HEADROOM = 96, /* in front of a packet made here, for outer headers */
};

/* The quoted packet, whose end may be missing. */
struct quoted {
	const uint8_t *ip, *l4;
	uint16_t room; /* bytes quoted from the IP header on */
	uint16_t hdr;
	struct ip_addr src, dst;
	uint16_t sport, dport;
	uint8_t proto;
	enum nat_proto class;
	bool v6;
};

static bool quoted_ports(struct quoted *q)
{
	switch (q->proto) {
	case IPPROTO_UDP:
	case IPPROTO_TCP:
		q->class = q->proto == IPPROTO_UDP ? NAT_UDP : NAT_TCP;
		q->sport = load_be16(q->l4);
		q->dport = load_be16(q->l4 + 2);
		return true;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if (!icmp_is_echo(q->v6, q->l4[0]))
			return false;
		q->class = NAT_ICMP;
		q->sport = load_be16(q->l4 + 4);
		q->dport = q->sport;
		return true;
	default:
		return false;
	}
}

/* Eight bytes of the upper layer have to be there (RFC 792). A quoted later piece tells nothing. */
static bool quoted_parse(const uint8_t *icmp, uint16_t len, bool v6, struct quoted *q)
{
	uint32_t a;

	if (len < ICMP_HDR_LEN + (v6 ? IP6_HDR_LEN : IP4_HDR_LEN))
		return false;
	q->ip = icmp + ICMP_HDR_LEN;
	q->room = (uint16_t)(len - ICMP_HDR_LEN);
	q->v6 = v6;
	if (q->ip[0] >> 4 != (v6 ? 6 : 4))
		return false;
	q->hdr = v6 ? IP6_HDR_LEN : (uint16_t)((q->ip[0] & 15) * 4);
	q->proto = v6 ? q->ip[6] : q->ip[9];
	if (v6) {
		memcpy(q->src.b, q->ip + 8, 16);
		memcpy(q->dst.b, q->ip + 24, 16);
	} else {
		memcpy(&a, q->ip + 12, 4);
		q->src = ip_from_v4(a);
		memcpy(&a, q->ip + 16, 4);
		q->dst = ip_from_v4(a);
	}
	if (q->hdr < IP4_HDR_LEN || q->room < q->hdr + 8 ||
	    (!v6 && (load_be16(q->ip + 6) & 0x1fff) != 0))
		return false;
	if (v6 && q->proto == IPPROTO_FRAGMENT && q->room >= q->hdr + IP6_FRAG_LEN + 8 &&
	    (load_be16(q->ip + q->hdr + 2) & 0xfff8) == 0) {
		q->proto = q->ip[q->hdr];
		q->hdr += IP6_FRAG_LEN;
	}
	q->l4 = q->ip + q->hdr;
	return quoted_ports(q);
}

bool nat_quoted_port(const uint8_t *ip, const struct tuple *t, enum nat_proto *proto,
		     uint16_t *port)
{
	struct quoted q;

	if (!quoted_parse(ip + t->l4, (uint16_t)(t->len - t->l4), t->v6, &q))
		return false;
	*proto = q.class;
	*port = q.sport;
	return true;
}

/* ---- building ---- */

struct building {
	uint8_t buf[TUNNEL_HEADROOM + ERROR6_MAX + 64];
	uint16_t len; /* of the IP packet at buf + TUNNEL_HEADROOM */
	bool v6;
};

static uint8_t *built(struct building *b)
{
	return b->buf + TUNNEL_HEADROOM;
}

/* Header and checksum around an ICMP body that stands in place. */
static void finish(struct building *b, const struct ip_addr *src, const struct ip_addr *dst,
		   const struct icmp_error *e, uint16_t quoted_len)
{
	unsigned int hdr = outer_len(dst);
	uint8_t *icmp = built(b) + hdr;
	uint16_t len = (uint16_t)(ICMP_HDR_LEN + quoted_len), check;
	struct outer o = {
		.src = src,
		.dst = dst,
		.ttl = ERROR_TTL,
		.proto = ip_is_v4(dst) ? IPPROTO_ICMP : IPPROTO_ICMPV6,
	};

	b->v6 = !ip_is_v4(dst);
	icmp[0] = e->type;
	icmp[1] = e->code;
	store_be16(icmp + 2, 0);
	/* In ICMP the size is the low half of the word (RFC 1191); 0 in all others. */
	store_be32(icmp + 4, b->v6 || e->mtu <= UINT16_MAX ? e->mtu : UINT16_MAX);
	check = (uint16_t)~csum_fold(
		csum_bytes(icmp, len, b->v6 ? csum_pseudo(src, dst, IPPROTO_ICMPV6, len) : 0));
	memcpy(icmp + 2, &check, 2);
	outer_write(icmp, len, &o);
	b->len = (uint16_t)(hdr + len);
}

/* The quoted packet with the addresses and ports that the receiver of the error knows, from q into
 * the body; returns its length. Checksums inside are adjusted where they were quoted.
 */
static uint16_t requote(struct building *b, const struct quoted *q, const struct ip_addr *src,
			const struct ip_addr *dst, uint16_t sport, uint16_t dport)
{
	bool v6 = !ip_is_v4(dst);
	uint16_t hdr = v6 ? IP6_HDR_LEN : IP4_HDR_LEN;
	uint8_t *ip = built(b) + hdr + ICMP_HDR_LEN, *l4 = ip + hdr;
	uint16_t most = (uint16_t)((v6 ? ERROR6_MAX : ERROR4_MAX) - hdr - ICMP_HDR_LEN - hdr);
	uint16_t body = (uint16_t)RTE_MIN((uint16_t)(q->room - q->hdr), most), total, check;
	uint64_t old =
		csum_ip(&q->src) + csum_ip(&q->dst) + csum_be16(q->sport) + csum_be16(q->dport);
	uint64_t now = csum_ip(src) + csum_ip(dst) + csum_be16(sport) + csum_be16(dport);
	struct outer o = {.src = src, .dst = dst, .proto = q->proto};

	memcpy(l4, q->l4, body);
	o.tos = q->v6 ? (uint8_t)(load_be16(q->ip) >> 4) : q->ip[1];
	o.ttl = q->v6 ? q->ip[7] : q->ip[8];
	o.may_cut = !q->v6 && (load_be16(q->ip + 6) & IP4_DF) == 0;
	o.id = q->v6 ? 0 : load_be16(q->ip + 4);
	/* Length of the packet that was sent, not of what is left of it here. */
	total = q->v6 ? (uint16_t)(load_be16(q->ip + 4) + IP6_HDR_LEN - q->hdr)
		      : (uint16_t)(load_be16(q->ip + 2) - q->hdr);
	switch (q->class) {
	case NAT_UDP:
		store_be16(l4, sport);
		store_be16(l4 + 2, dport);
		memcpy(&check, l4 + 6, 2);
		if (check != 0) {
			check = csum_replace(check, old, now);
			memcpy(l4 + 6, &check, 2);
		}
		break;
	case NAT_TCP:
		store_be16(l4, sport);
		store_be16(l4 + 2, dport);
		if (body >= TCP_CHECK + 2) {
			memcpy(&check, l4 + TCP_CHECK, 2);
			check = csum_replace(check, old, now);
			memcpy(l4 + TCP_CHECK, &check, 2);
		}
		break;
	default:
		memcpy(&check, l4 + 2, 2);
		old = csum_be16((uint16_t)(l4[0] << 8)) + csum_be16(q->sport);
		if (q->v6)
			old += csum_pseudo(&q->src, &q->dst, IPPROTO_ICMPV6, total);
		if (q->v6 != v6)
			l4[0] = icmp_echo_across(v6, l4[0]);
		now = csum_be16((uint16_t)(l4[0] << 8)) + csum_be16(sport);
		if (v6)
			now += csum_pseudo(src, dst, IPPROTO_ICMPV6, total);
		check = csum_replace(check, old, now);
		memcpy(l4 + 2, &check, 2);
		store_be16(l4 + 4, sport);
		o.proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
		break;
	}
	outer_write(l4, total, &o);
	return (uint16_t)(hdr + body);
}

/* In place of p's packet, or in a new one. Takes p. */
static void send_built(struct worker *w, struct nat_pass *p, const struct building *b,
		       const struct nat_exit *e)
{
	struct rte_mbuf *m = p->m;
	char *to;

	rte_pktmbuf_reset(m);
	to = rte_pktmbuf_append(m, b->len);
	if (unlikely(to == NULL)) {
		nat_drop(w, p, DROP_NO_MBUF);
		return;
	}
	memcpy(to, b->buf + TUNNEL_HEADROOM, b->len);
	pkt_meta(m)->nexthop = e->nexthop;
	if (e->leg != NULL)
		pkt_meta(m)->leg = e->leg;
	burst_push(&w->stats, e->lane, m);
}

static struct icmp_error error_of(const struct nat_pass *p)
{
	const uint8_t *icmp = p->c.ip + p->t.l4;
	struct icmp_error e = {.type = icmp[0], .code = icmp[1]};

	if (p->t.v6 && e.type == ICMP6_TOO_BIG)
		e.mtu = load_be32(icmp + 4);
	if (!p->t.v6 && e.type == ICMP4_UNREACHABLE && e.code == ICMP4_CODE_TOO_BIG)
		e.mtu = load_be16(icmp + 6);
	return e;
}

static bool across(struct icmp_error *e, bool from_v6, bool to_v6)
{
	if (from_v6 == to_v6)
		return true;
	return to_v6 ? icmp_error_to6(e) : icmp_error_to4(e);
}

static bool sum_is_good(const struct nat_pass *p)
{
	uint16_t len = (uint16_t)(p->t.len - p->t.l4);
	uint64_t sum = p->t.v6 ? csum_pseudo(&p->t.src, &p->t.dst, IPPROTO_ICMPV6, len) : 0;

	return csum_fold(csum_bytes(p->c.ip + p->t.l4, len, sum)) == 0xffff;
}

/* ---- from the general side ---- */

/* About a packet that a node sent by this NAT. The node knows no router, so the error comes to it
 * from the general host that it talked to.
 */
void nat_error_in(struct worker *w, struct nat_pass *p, uint16_t addr)
{
	struct nat *n = w->rs->nat;
	struct icmp_error e = error_of(p);
	struct nat_exit exit = {.lane = &w->lanes.seal};
	struct building b;
	struct quoted q;
	struct nat_flow *f;
	struct ip_addr vip;
	uint32_t slot;
	uint16_t len;

	if (!sum_is_good(p) ||
	    !quoted_parse(p->c.ip + p->t.l4, (uint16_t)(p->t.len - p->t.l4), p->t.v6, &q) ||
	    !ip_equal(&q.src, &p->t.dst))
		goto drop;
	f = nat_flow_find_out(n, nat_hash_out(n, addr, q.class, q.sport, &q.dst), addr, q.class,
			      q.sport, &q.dst);
	if (f == NULL || !across(&e, p->t.v6, (f->kind & NAT_KIND_IN6) != 0))
		goto drop;
	slot = atomic_load_explicit(&n->legs->subscribers[f->subscriber].leg, memory_order_acquire);
	if (slot == 0)
		goto drop;
	exit.leg = &n->legs->legs[slot - 1];
	vip = f->kind & NAT_KIND_IN6 ? exit.leg->vip6 : ip_from_v4(exit.leg->vip4);
	len = requote(&b, &q, &vip, &f->vip, f->in_port,
		      q.class == NAT_ICMP ? f->in_port : q.dport);
	finish(&b, &f->vip, &vip, &e, len);
	send_built(w, p, &b, &exit);
	return;

drop:
	nat_drop(w, p, DROP_NAT_ICMP);
}

/* ---- from a node ---- */

/* About a packet that a general host sent to it. */
void nat_error_out(struct worker *w, struct nat_pass *p)
{
	struct nat *n = w->rs->nat;
	struct icmp_error e = error_of(p);
	struct nat_exit exit = {.lane = &w->lanes.tx};
	const struct ip_addr *own;
	struct building b;
	struct quoted q;
	struct nat_flow *f;
	uint16_t len;

	if (!sum_is_good(p) ||
	    !quoted_parse(p->c.ip + p->t.l4, (uint16_t)(p->t.len - p->t.l4), p->t.v6, &q) ||
	    !ip_equal(&q.dst, &p->t.src) || !ip_equal(&q.src, &p->t.dst))
		goto drop;
	f = nat_flow_find_in(n, nat_hash_in(n, p->leg->subscriber, q.class, q.dport, &q.src),
			     p->leg->subscriber, q.class, q.dport, &q.src);
	if (f == NULL || !across(&e, p->t.v6, (f->kind & NAT_KIND_OUT6) != 0))
		goto drop;
	own = nat_pool_addr(n->pool, f->addr);
	len = requote(&b, &q, &f->rip, own, q.class == NAT_ICMP ? f->port : q.sport, f->port);
	finish(&b, own, &f->rip, &e, len);
	exit.nexthop = route_lookup(w, &f->rip);
	if (exit.nexthop == NEXTHOP_NONE || nat_pool_addr_find(n->pool, &f->rip) >= 0)
		goto drop;
	send_built(w, p, &b, &exit);
	return;

drop:
	nat_drop(w, p, DROP_NAT_ICMP);
}

/* ---- made here ---- */

static bool may_make(struct worker *w)
{
	uint64_t ms = w->now / 1000000;

	if (w->rs->icmp_ms != ms) {
		w->rs->icmp_ms = ms;
		w->rs->icmp_n = 0;
	}
	return w->rs->icmp_n++ < RS_ICMP_PER_MS;
}

void nat_too_big(struct worker *w, struct nat_pass *p, uint16_t mtu, bool to_node)
{
	bool v6 = p->t.v6;
	uint16_t hdr = v6 ? IP6_HDR_LEN : IP4_HDR_LEN;
	uint16_t most = (uint16_t)((v6 ? ERROR6_MAX : ERROR4_MAX) - hdr - ICMP_HDR_LEN);
	uint16_t len = RTE_MIN(p->c.len, most);
	struct icmp_error e = {.type = v6 ? ICMP6_TOO_BIG : ICMP4_UNREACHABLE,
			       .code = v6 ? 0 : ICMP4_CODE_TOO_BIG,
			       .mtu = mtu};
	struct nat_exit exit = {.lane = &w->lanes.tx};
	struct building b;
	struct nat_pass made = *p;

	made.m = p->m != NULL && may_make(w) ? worker_alloc(w) : NULL;
	if (made.m != NULL) {
		memcpy(built(&b) + hdr + ICMP_HDR_LEN, p->c.ip, len);
		/* From whom the packet was meant for: the one address that its sender knows. */
		finish(&b, &p->t.dst, &p->t.src, &e, len);
		if (to_node) {
			exit.lane = &w->lanes.seal;
			exit.leg = p->leg;
		} else {
			exit.nexthop = route_lookup(w, &p->t.src);
		}
		if (to_node || exit.nexthop != NEXTHOP_NONE)
			send_built(w, &made, &b, &exit);
		else
			nat_drop(w, &made, DROP_NO_ROUTE);
	}
	nat_drop(w, p, DROP_MTU);
}
