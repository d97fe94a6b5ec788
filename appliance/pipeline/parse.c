/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/iface.h"
#include "appliance/worker.h"
#include "common/bytes.h"

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_prefetch.h>

#include <netinet/in.h>

/* From a frame to the lane it belongs in, by the long way: quick.c has taken out what is common.
 * What is validated here need not be looked at again:
 * lengths within the frame, header checksums, addresses that can be ours.
 */
enum {
	PREFETCH_PACKETS = 8,
	PREFETCH_HEADERS = 4,
	IP6_EXT_MAX = 4,
	UDP_HDR = 8,
	IP6_HDR = 40,
	IP4_HDR = 20,
	DNS_PORT = 53
};

/* ICMP types whose subject may be the NAT's or NTM's instead of the kernel's. */
enum {
	ICMP4_ECHO_REPLY = 0,
	ICMP4_UNREACH = 3,
	ICMP4_EXCEEDED = 11,
	ICMP4_PARAM = 12,
	ICMP6_PARAM = 4, /* errors are 1 to 4 */
	ICMP6_ECHO_REPLY = 129,
};

/* Where a packet goes: to a lane, or out by a drop reason. */
struct verdict {
	struct burst *lane;
	enum drop_reason why;
};

static struct verdict drop(enum drop_reason why)
{
	return (struct verdict){.why = why};
}

static struct verdict lane(struct burst *b)
{
	return (struct verdict){.lane = b};
}

static uint16_t iface_of(const struct worker *w, uint16_t port, uint16_t vlan)
{
	for (uint16_t i = 0; i < w->n_ifaces; i++)
		if (w->ifaces[i].port == port && w->ifaces[i].vlan == vlan)
			return i;
	return IFACE_NONE;
}

/* Take a VLAN tag off, be it in the frame or noted by the port; 0 where there is none. */
static uint16_t strip_vlan(struct rte_mbuf *m)
{
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);
	uint16_t tci;

	if (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED)
		return m->vlan_tci & 0x0fff;
	if (load_be16(p + 12) != RTE_ETHER_TYPE_VLAN || rte_pktmbuf_data_len(m) < 18)
		return 0;
	tci = load_be16(p + 14);
	memmove(p + 4, p, 12);
	rte_pktmbuf_adj(m, 4);
	return tci & 0x0fff;
}

/* The walk over IPv6 extension headers (RFC 8200 4.1): from meta->l4 to the upper layer. */
static enum drop_reason skip_ext(struct pkt_meta *meta, const uint8_t *ip, uint8_t next)
{
	uint16_t at = IP6_HDR, end = meta->l3_len;

	for (unsigned int i = 0; i <= IP6_EXT_MAX; i++) {
		meta->proto = next;
		meta->l4 = meta->l3 + at;
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS &&
		    next != IPPROTO_FRAGMENT)
			return DROP_MAX;
		if (at + 8 > end)
			return DROP_IP6_EXT;
		if (next == IPPROTO_FRAGMENT) {
			uint16_t off = load_be16(ip + at + 2);

			meta->flags |= PKT_FRAGMENT | (off & 1 ? PKT_FRAG_MORE : 0);
			next = ip[at];
			at += 8;
			if (off >> 3 != 0) { /* what follows is no header */
				meta->flags |= PKT_FRAG_LATER;
				meta->proto = next;
				meta->l4 = meta->l3 + at;
				return DROP_MAX;
			}
			continue;
		}
		next = ip[at];
		at += (ip[at + 1] + 1) * 8;
		if (at > end)
			return DROP_IP6_EXT;
	}
	return DROP_IP6_EXT;
}

static enum drop_reason parse_ipv6(struct pkt_meta *meta, const uint8_t *ip, uint16_t room)
{
	if (room < IP6_HDR)
		return DROP_SHORT;
	if (ip[0] >> 4 != 6)
		return DROP_IP_VERSION;
	if (load_be16(ip + 4) + IP6_HDR > room)
		return DROP_IP_TOTAL_LEN;
	meta->l3_len = load_be16(ip + 4) + IP6_HDR;
	memcpy(meta->src.ip.b, ip + 8, 16);
	memcpy(meta->dst.ip.b, ip + 24, 16);
	/* A mapped address on the wire would be taken for the IPv4 one (RFC 4291 2.5.5.2). */
	if (ip_is_v4(&meta->src.ip) || ip_is_v4(&meta->dst.ip))
		return DROP_IP_SOURCE;
	return skip_ext(meta, ip, ip[6]);
}

/* The checks of RFC 1812 5.2.2, in its order. */
static enum drop_reason parse_ipv4(struct pkt_meta *meta, const uint8_t *ip, uint16_t room,
				   bool sum_good)
{
	uint16_t header, total, frag;
	uint32_t addr;

	if (room < IP4_HDR) /* (1) the link layer's length holds a minimal header */
		return DROP_SHORT;
	header = (ip[0] & 0x0f) * 4;
	if (header < IP4_HDR || header > room) /* (4), needed before the sum */
		return DROP_IP_HEADER_LEN;
	if (!sum_good && rte_raw_cksum(ip, header) != 0xffff) /* (2) */
		return DROP_IP_CHECKSUM;
	if (ip[0] >> 4 != 4) /* (3) */
		return DROP_IP_VERSION;
	total = load_be16(ip + 2);
	if (total < header || total > room) /* (5) */
		return DROP_IP_TOTAL_LEN;
	meta->l3_len = total;
	meta->l4 = meta->l3 + header;
	meta->proto = ip[9];
	frag = load_be16(ip + 6);
	if (frag & 0x3fff)
		meta->flags |= PKT_FRAGMENT | (frag & 0x2000 ? PKT_FRAG_MORE : 0) |
			       (frag & 0x1fff ? PKT_FRAG_LATER : 0);
	memcpy(&addr, ip + 12, 4);
	meta->src.ip = ip_from_v4(addr);
	memcpy(&addr, ip + 16, 4);
	meta->dst.ip = ip_from_v4(addr);
	return DROP_MAX;
}

/* Ports of UDP and TCP, and the bounds of a UDP payload (RFC 768). */
static enum drop_reason parse_ports(struct pkt_meta *meta, const uint8_t *ip)
{
	uint16_t at = meta->l4 - meta->l3, room = meta->l3_len - at, len;

	meta->src.port = 0;
	meta->dst.port = 0;
	meta->data = meta->l4;
	meta->data_len = 0;
	if ((meta->proto != IPPROTO_UDP && meta->proto != IPPROTO_TCP) ||
	    meta->flags & PKT_FRAG_LATER)
		return DROP_MAX;
	if (room < UDP_HDR)
		return DROP_SHORT;
	meta->src.port = load_be16(ip + at);
	meta->dst.port = load_be16(ip + at + 2);
	if (meta->proto != IPPROTO_UDP)
		return DROP_MAX;
	len = load_be16(ip + at + 4);
	if (len < UDP_HDR || (len > room && !(meta->flags & PKT_FRAGMENT)))
		return DROP_UDP_LEN;
	meta->data = meta->l4 + UDP_HDR;
	meta->data_len = (len > room ? room : len) - UDP_HDR;
	return DROP_MAX;
}

static bool port_is_ntm(const struct worker *w, uint16_t port)
{
	return port == w->ntm_port || (port == w->alt_port && port != 0) ||
	       (port >= w->base_port && port < w->base_port + w->n_workers);
}

static bool icmp_is_error(const struct pkt_meta *meta, const uint8_t *icmp)
{
	if (meta->flags & PKT_IPV6)
		return meta->proto == IPPROTO_ICMPV6 && icmp[0] >= 1 && icmp[0] <= ICMP6_PARAM;
	return meta->proto == IPPROTO_ICMP &&
	       (icmp[0] == ICMP4_UNREACH || icmp[0] == ICMP4_EXCEEDED || icmp[0] == ICMP4_PARAM);
}

/* The port (or echo identifier) of ours that an ICMP packet is about; 0 if none can be told. */
static uint16_t icmp_subject(const struct pkt_meta *meta, const uint8_t *icmp, uint16_t len,
			     uint8_t *proto)
{
	bool v6 = meta->flags & PKT_IPV6;
	uint16_t at = 8;

	*proto = meta->proto;
	if (len < 8)
		return 0;
	if (!icmp_is_error(meta, icmp))
		return icmp[0] == (v6 ? ICMP6_ECHO_REPLY : ICMP4_ECHO_REPLY) ? load_be16(icmp + 4)
									     : 0;
	if (len < at + (v6 ? IP6_HDR : IP4_HDR) + 8)
		return 0;
	*proto = v6 ? icmp[at + 6] : icmp[at + 9];
	at += v6 ? IP6_HDR : (icmp[at] & 0x0f) * 4;
	if (len < at + 8)
		return 0;
	if (*proto == IPPROTO_ICMP || *proto == IPPROTO_ICMPV6)
		return load_be16(icmp + at + 4); /* we asked: the identifier is ours */
	return load_be16(icmp + at);		 /* we sent: the inner source port is ours */
}

/* NTM or DNS over UDP. Their checksum is theirs to verify: NTM has a stronger one. */
static struct verdict to_udp_service(struct worker *w, struct rte_mbuf *m, struct pkt_meta *meta)
{
	struct lanes *l = &w->lanes;
	uint16_t port = meta->dst.port;

	if (meta->flags & PKT_IPV6 && load_be16(pkt_l4(m) + 6) == 0)
		return drop(DROP_UDP_NO_CHECKSUM);
	if (!source_can_be(w, &meta->src))
		return drop(DROP_IP_SOURCE);
	if (port == DNS_PORT) {
		meta->msg = MAIL_DNS;
		return lane(&l->dc);
	}
	if (w->has_dc && (port == w->ntm_port || !w->has_rs)) {
		meta->msg = MAIL_DC_NTM;
		return lane(&l->dc);
	}
	if (!w->has_rs)
		return drop(DROP_NO_ROLE);
	quick_learn(w, &meta->dst);
	return lane(&l->ntm);
}

/* To an address of the box that may be the NAT's as well; pool is NULL where it is not. */
static struct verdict to_box(struct worker *w, struct rte_mbuf *m, struct pkt_meta *meta,
			     const struct local_pool *pool)
{
	uint16_t port = meta->dst.port;
	uint8_t proto = meta->proto;

	if (meta->flags & PKT_FRAGMENT && proto == IPPROTO_UDP && pool == NULL)
		return drop(DROP_OUTER_FRAGMENT);
	if (proto == IPPROTO_UDP && (port_is_ntm(w, port) || (port == DNS_PORT && w->has_dc))) {
		if (meta->flags & PKT_FRAGMENT)
			return drop(DROP_OUTER_FRAGMENT);
		return to_udp_service(w, m, meta);
	}
	if ((proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6) && !(meta->flags & PKT_FRAGMENT)) {
		uint16_t len = meta->l3_len - (meta->l4 - meta->l3);

		port = icmp_subject(meta, pkt_l4(m), len, &proto);
		if (proto == IPPROTO_UDP && port != 0 && port_is_ntm(w, port) && w->has_rs) {
			meta->flags |= PKT_ICMP_ERROR;
			return lane(&w->lanes.ntm);
		}
	}
	if (pool != NULL && port >= pool->port_min && port <= pool->port_max) {
		meta->flags |= PKT_SHARED_ADDR;
		return lane(&w->lanes.gn);
	}
	return lane(&w->lanes.local);
}

/* Multicast and broadcast that Linux has a use for: ND, MLD, VRRP, OSPF, DHCP. */
static bool is_link_local_group(const struct ip_addr *ip)
{
	if (!ip_is_v4(ip))
		return ip->b[0] == 0xff;
	return load_be32(ip->b + 12) >> 8 == 0xe00000 || load_be32(ip->b + 12) == 0xffffffff;
}

static struct verdict classify(struct worker *w, struct rte_mbuf *m, struct pkt_meta *meta)
{
	const struct local_pool *pool = NULL;

	switch (local_lookup(w->local, &meta->dst.ip, &pool)) {
	case LOCAL_POOL:
		quick_learn_pool(w, pool);
		return lane(&w->lanes.gn);
	case LOCAL_BOX:
	case LOCAL_BOX | LOCAL_POOL:
		return to_box(w, m, meta, pool);
	default:
		return is_link_local_group(&meta->dst.ip) ? lane(&w->lanes.local)
							  : drop(DROP_NOT_OURS);
	}
}

static struct verdict parse_ip(struct worker *w, struct rte_mbuf *m, struct pkt_meta *meta,
			       uint16_t type)
{
	const uint8_t *ip = pkt_l3(m);
	uint16_t room = rte_pktmbuf_data_len(m) - meta->l3;
	bool good = (m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	enum drop_reason why;

	if (type == RTE_ETHER_TYPE_IPV6) {
		meta->flags |= PKT_IPV6;
		why = parse_ipv6(meta, ip, room);
	} else {
		why = parse_ipv4(meta, ip, room, good);
	}
	if (why == DROP_MAX)
		why = parse_ports(meta, ip);
	if (why != DROP_MAX)
		return drop(why);
	if ((m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		meta->flags |= PKT_L4_GOOD;
	pkt_cut(m, 0, (uint16_t)(meta->l3 + meta->l3_len)); /* Ethernet's padding goes */
	return classify(w, m, meta);
}

static struct verdict parse_frame(struct worker *w, struct rte_mbuf *m)
{
	struct pkt_meta *meta = pkt_meta(m);
	const struct rte_ether_hdr *eth;
	const struct iface *f;
	uint16_t type;

	if (unlikely(m->nb_segs != 1))
		return drop(DROP_MULTI_SEG);
	if (unlikely(rte_pktmbuf_data_len(m) < sizeof(*eth)))
		return drop(DROP_SHORT);
	if (!(meta->flags & PKT_STEERED)) { /* a steered frame lost its tag where it came in */
		meta->iface = iface_of(w, m->port, strip_vlan(m));
		if (meta->iface == IFACE_NONE)
			return drop(DROP_VLAN);
	}
	f = &w->ifaces[meta->iface];
	eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	if (unlikely(rte_is_same_ether_addr(&eth->src_addr, &f->mac)))
		return drop(DROP_OWN_MAC);
	if (unlikely(!rte_is_same_ether_addr(&eth->dst_addr, &f->mac) &&
		     !rte_is_multicast_ether_addr(&eth->dst_addr)))
		return drop(DROP_NOT_FOR_US_MAC);
	meta->l3 = sizeof(*eth);
	type = rte_be_to_cpu_16(eth->ether_type);
	if (type == RTE_ETHER_TYPE_IPV4 || type == RTE_ETHER_TYPE_IPV6)
		return parse_ip(w, m, meta, type);
	return type == RTE_ETHER_TYPE_ARP ? lane(&w->lanes.local) : drop(DROP_ETHERTYPE);
}

/* A packet's first touch: the mbuf, what we note about it, its headers. Not every port leaves the mbuf
 * in the cache, and without it even the address of the headers has to be waited for.
 */
static void prefetch_packet(struct rte_mbuf *m)
{
	rte_prefetch0(m);
	rte_prefetch0((uint8_t *)m + RTE_CACHE_LINE_SIZE);
	rte_prefetch0(pkt_meta(m));
	rte_prefetch0((uint8_t *)pkt_meta(m) + RTE_CACHE_LINE_SIZE);
}

static void prefetch_headers(struct rte_mbuf *m)
{
	rte_prefetch0(rte_pktmbuf_mtod(m, void *));
	rte_prefetch0(rte_pktmbuf_mtod_offset(m, void *, RTE_CACHE_LINE_SIZE));
}

static void parse_burst(struct worker *w, struct burst *b, uint16_t flags)
{
	for (uint16_t i = 0; i < RTE_MIN(b->n, PREFETCH_PACKETS); i++)
		prefetch_packet(b->pkt[i]);
	for (uint16_t i = 0; i < RTE_MIN(b->n, PREFETCH_HEADERS); i++)
		prefetch_headers(b->pkt[i]);
	for (uint16_t i = 0; i < b->n; i++) {
		struct rte_mbuf *m = b->pkt[i];
		struct verdict v;

		if (i + PREFETCH_PACKETS < b->n)
			prefetch_packet(b->pkt[i + PREFETCH_PACKETS]);
		if (i + PREFETCH_HEADERS < b->n)
			prefetch_headers(b->pkt[i + PREFETCH_HEADERS]);
		pkt_meta(m)->flags = flags;
		v = parse_frame(w, m);
		if (v.lane != NULL)
			burst_push(&w->stats, v.lane, m);
		else
			burst_drop(&w->stats, m, v.why);
	}
	b->n = 0;
}

void parse_stage(struct worker *w)
{
	if (w->lanes.rx.n > 0) {
		quick_scan(w);
		parse_burst(w, &w->lanes.rx, 0);
	}
	parse_burst(w, &w->lanes.steered, PKT_STEERED);
}
