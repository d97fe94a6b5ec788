/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/pktgen/link.h"
#include "perf/pktgen/traffic_impl.h"

#include <rte_arp.h>
#include <rte_ethdev.h>
#include <rte_icmp.h>

#include <stdlib.h>

enum {
	DESCRIPTORS = 1024,
	ND_SOLICIT = 135,
	ND_ADVERT = 136,
	ND_LEN = 24, /* of a solicitation without options */
	ND_ADVERT_LEN = 32,
	ND_FLAGS = 0x60, /* solicited, override */
	OPT_TARGET_MAC = 2,
	ND_HOPS = 255,
};

static struct ip_addr gateway(enum traffic_side side, bool v6)
{
	static const char *const text[TRAFFIC_SIDES][2] = {{"198.19.254.1", "2001:2:0:fe::1"},
							   {"198.19.255.1", "2001:2:0:ff::1"}};
	struct ip_addr ip;

	if (ip_parse(text[side][v6], &ip) < 0)
		abort();
	return ip;
}

struct endpoint link_dc(bool outer6)
{
	return (struct endpoint){gateway(TRAFFIC_ACCESS, outer6), TALK_PORT};
}

static enum traffic_side side_of(const struct link *l, const struct rte_mbuf *m)
{
	return l->n_ports > 1 && m->port == l->info[TRAFFIC_OUTSIDE].id ? TRAFFIC_OUTSIDE
									: TRAFFIC_ACCESS;
}

static bool is_gateway(const struct link *l, const struct ip_addr *ip)
{
	for (unsigned int side = 0; side < l->n_ports; side++)
		for (int v6 = 0; v6 < 2; v6++) {
			struct ip_addr own = gateway((enum traffic_side)side, v6);

			if (ip_equal(ip, &own))
				return true;
		}
	return false;
}

/* The frame goes back where it came from. */
static void reply(struct link *l, struct rte_mbuf *m, enum traffic_side side)
{
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);

	memcpy(p, p + RTE_ETHER_ADDR_LEN, RTE_ETHER_ADDR_LEN);
	memcpy(p + RTE_ETHER_ADDR_LEN, l->gen->traffic.own_mac[side].addr_bytes,
	       RTE_ETHER_ADDR_LEN);
	if (rte_eth_tx_burst(l->gen->port[side], 0, &m, 1) == 1)
		return;
	l->unsent++;
	rte_pktmbuf_free(m);
}

/* Takes the packet when it says true. */
static bool arp(struct link *l, struct rte_mbuf *m, enum traffic_side side)
{
	struct rte_arp_hdr *a = rte_pktmbuf_mtod_offset(m, struct rte_arp_hdr *, RTE_ETHER_HDR_LEN);
	const struct rte_ether_addr *mac = &l->gen->traffic.own_mac[side];
	uint32_t asked = a->arp_data.arp_tip;
	struct ip_addr ip = ip_from_v4(asked);

	if (m->data_len < RTE_ETHER_HDR_LEN + sizeof(*a) ||
	    a->arp_opcode != rte_cpu_to_be_16(RTE_ARP_OP_REQUEST) || !is_gateway(l, &ip))
		return false;
	a->arp_opcode = rte_cpu_to_be_16(RTE_ARP_OP_REPLY);
	a->arp_data.arp_tha = a->arp_data.arp_sha;
	a->arp_data.arp_tip = a->arp_data.arp_sip;
	a->arp_data.arp_sha = *mac;
	a->arp_data.arp_sip = asked;
	reply(l, m, side);
	return true;
}

/* RFC 4861 section 4.3 to 4.4. Takes the packet when it says true. */
static bool nd(struct link *l, struct rte_mbuf *m, enum traffic_side side)
{
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, RTE_ETHER_HDR_LEN), *icmp = ip + 40;
	struct ip_addr asker, target;
	uint16_t check;

	if (m->data_len < RTE_ETHER_HDR_LEN + 40 + ND_LEN || ip[6] != IPPROTO_ICMPV6 ||
	    ip[7] != ND_HOPS || icmp[0] != ND_SOLICIT)
		return false;
	memcpy(asker.b, ip + 8, 16);
	memcpy(target.b, icmp + 8, 16);
	if (!is_gateway(l, &target) || !ip_is_unicast(&asker))
		return false;
	store_be16(ip + 4, ND_ADVERT_LEN);
	memcpy(ip + 8, target.b, 16);
	memcpy(ip + 24, asker.b, 16);
	memset(icmp, 0, 8);
	icmp[0] = ND_ADVERT;
	icmp[4] = ND_FLAGS;
	icmp[24] = OPT_TARGET_MAC;
	icmp[25] = 1; /* times 8 bytes */
	memcpy(icmp + 26, l->gen->traffic.own_mac[side].addr_bytes, RTE_ETHER_ADDR_LEN);
	check = (uint16_t)~csum_fold(csum_bytes(
		icmp, ND_ADVERT_LEN, csum_pseudo(&target, &asker, IPPROTO_ICMPV6, ND_ADVERT_LEN)));
	memcpy(icmp + 2, &check, sizeof(check));
	m->data_len = RTE_ETHER_HDR_LEN + 40 + ND_ADVERT_LEN;
	m->pkt_len = m->data_len;
	reply(l, m, side);
	return true;
}

/* Frames from the RS tell its MAC; a group address is none. */
static void mac_learn(struct link *l, const struct rte_mbuf *m, enum traffic_side side)
{
	const uint8_t *from = rte_pktmbuf_mtod_offset(m, const uint8_t *, RTE_ETHER_ADDR_LEN);

	if (from[0] & 1)
		return;
	for (unsigned int s = 0; s < TRAFFIC_SIDES; s++) {
		if (s != side && l->n_ports > 1)
			continue;
		memcpy(l->gen->traffic.rs_mac[s].addr_bytes, from, RTE_ETHER_ADDR_LEN);
		l->has_rs_mac[s] = true;
	}
}

static void other(void *ctx, struct rte_mbuf *m, enum traffic_kind kind)
{
	struct link *l = ctx;
	enum traffic_side side = side_of(l, m);
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);
	struct traffic_view v;

	mac_learn(l, m, side);
	if (kind == TRAFFIC_LINK) {
		uint16_t type = load_be16(p + 12);

		if ((type == RTE_ETHER_TYPE_ARP && arp(l, m, side)) ||
		    (type == RTE_ETHER_TYPE_IPV6 && nd(l, m, side)))
			return;
	} else if (l->talk != NULL && traffic_view(&v, p + RTE_ETHER_HDR_LEN,
						   (uint32_t)m->data_len - RTE_ETHER_HDR_LEN)) {
		talk_input(l->talk, clock_ns(&l->clock), &v.src, &v.dst, v.body, v.body_len);
	}
	rte_pktmbuf_free(m);
}

static void tick(void *ctx)
{
	struct link *l = ctx;

	if (l->talk != NULL)
		talk_poll(l->talk, clock_ns(&l->clock));
}

void link_send(void *ctx, const struct endpoint *from, const struct endpoint *to,
	       const uint8_t *pkt, size_t len)
{
	struct link *l = ctx;
	unsigned int head = RTE_ETHER_HDR_LEN + outer_len(&to->ip) + UDP_HDR_LEN;
	const struct traffic *t = &l->gen->traffic;
	struct rte_mbuf *m = NULL;
	uint8_t *p;

	if (l->has_rs_mac[TRAFFIC_ACCESS])
		m = rte_pktmbuf_alloc(l->gen->pool);
	if (m == NULL || head + len > rte_pktmbuf_tailroom(m)) {
		l->unsent++;
		rte_pktmbuf_free(m);
		return;
	}
	p = rte_pktmbuf_mtod(m, uint8_t *);
	memcpy(p, t->rs_mac[TRAFFIC_ACCESS].addr_bytes, RTE_ETHER_ADDR_LEN);
	memcpy(p + RTE_ETHER_ADDR_LEN, t->own_mac[TRAFFIC_ACCESS].addr_bytes, RTE_ETHER_ADDR_LEN);
	store_be16(p + 12, ip_is_v4(&to->ip) ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
	memcpy(p + head, pkt, len);
	traffic_headers(p + RTE_ETHER_HDR_LEN, from, to, (uint16_t)len);
	m->data_len = (uint16_t)(head + len);
	m->pkt_len = m->data_len;
	if (rte_eth_tx_burst(l->gen->port[TRAFFIC_ACCESS], 0, &m, 1) == 1)
		return;
	l->unsent++;
	rte_pktmbuf_free(m);
}

int link_open(struct link *l, struct gen *g, const char *const *devices, unsigned int n,
	      uint16_t mtu)
{
	struct port_config c = {
		.queues = 1, .descriptors = DESCRIPTORS, .mtu = mtu, .pool = g->pool};

	memset(l, 0, sizeof(*l));
	l->gen = g;
	clock_init(&l->clock);
	for (; l->n_ports < n && l->n_ports < TRAFFIC_SIDES; l->n_ports++) {
		int ret = port_open(devices[l->n_ports], &c, &l->info[l->n_ports]);

		if (ret == 0)
			ret = port_start(&l->info[l->n_ports]);
		if (ret < 0)
			return ret;
	}
	for (unsigned int side = 0; side < TRAFFIC_SIDES; side++) {
		g->port[side] = l->info[side < l->n_ports ? side : 0].id;
		(void)rte_eth_macaddr_get(g->port[side], &g->traffic.own_mac[side]);
		(void)rte_eth_promiscuous_enable(g->port[side]);
	}
	g->other = other;
	g->tick = tick;
	g->ctx = l;
	return 0;
}

void link_close(struct link *l)
{
	while (l->n_ports > 0)
		port_close(&l->info[--l->n_ports]);
}

uint32_t link_mbit(const struct link *l)
{
	struct rte_eth_link st;

	if (rte_eth_link_get_nowait(l->info[0].id, &st) < 0 ||
	    st.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN)
		return 0;
	return st.link_speed;
}
