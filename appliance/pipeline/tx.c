/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/iface.h"
#include "appliance/worker.h"

#include <rte_ethdev.h>
#include <rte_ether.h>

enum { LINK_MAX = sizeof(struct rte_ether_hdr) + sizeof(struct rte_vlan_hdr) };

/* Ports are few: the place of a port in w->ports, or n_ports. */
static uint16_t place_of(const struct worker *w, uint16_t port)
{
	uint16_t i = 0;

	while (i < w->n_ports && w->ports[i] != port)
		i++;
	return i;
}

static __rte_always_inline void collect(struct worker *w, const struct iface *f, struct rte_mbuf *m,
					uint32_t len)
{
	uint16_t at = place_of(w, f->port);

	if (unlikely(at == w->n_ports)) {
		burst_drop(&w->stats, m, DROP_TX_DOWN);
		return;
	}
	w->out[at].bytes += len;
	w->out[at].pkt[w->out[at].n++] = m; /* cannot overflow: both lanes fit */
}

static uint16_t link_len(const struct iface *f)
{
	return RTE_ETHER_HDR_LEN + (f->vlan != 0 ? sizeof(struct rte_vlan_hdr) : 0);
}

/* Write the link header in front of ip. nh: its MAC in the low 48 bits. The packet itself says what it
 * is: its meta is of the packet that came in, perhaps of the other family.
 */
static __rte_always_inline void link_write(uint8_t *ip, const struct iface *f, uint64_t nh)
{
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)(void *)(ip - link_len(f));
	uint16_t type = rte_cpu_to_be_16(*ip >> 4 == 6 ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4);

	eth->ether_type = type;
	if (unlikely(f->vlan != 0)) {
		struct rte_vlan_hdr *tag = (struct rte_vlan_hdr *)(eth + 1);

		eth->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN);
		tag->vlan_tci = rte_cpu_to_be_16(f->vlan);
		tag->eth_proto = type;
	}
	memcpy(&eth->dst_addr, &nh, RTE_ETHER_ADDR_LEN);
	eth->src_addr = f->mac;
}

/* Packets without a resolved next hop go to the control lcore once, which has it resolved. */
static void hold(struct worker *w, struct rte_mbuf *m)
{
	if (pkt_meta(m)->flags & PKT_UNHELD) {
		burst_drop(&w->stats, m, DROP_NEIGH_PENDING);
		return;
	}
	pkt_meta(m)->msg = MAIL_HOLD;
	burst_push(&w->stats, &w->lanes.control, m);
}

static void send_ip(struct worker *w, struct rte_mbuf *m)
{
	struct nexthop *nh = &w->nexthops[pkt_meta(m)->nexthop];
	uint64_t word = atomic_load_explicit(&nh->word, memory_order_acquire);
	const struct iface *f = &w->ifaces[nh->iface];

	switch (nexthop_state(word)) {
	case NEXTHOP_READY:
		break;
	case NEXTHOP_GLEAN:
	case NEXTHOP_PENDING:
		hold(w, m);
		return;
	case NEXTHOP_FAILED:
		burst_drop(&w->stats, m, DROP_NEIGH_FAILED);
		return;
	default:
		burst_drop(&w->stats, m, DROP_NO_ROUTE);
		return;
	}
	if (unlikely(rte_pktmbuf_pkt_len(m) > f->mtu)) {
		burst_drop(&w->stats, m, DROP_MTU);
		return;
	}
	if (unlikely(rte_pktmbuf_headroom(m) < LINK_MAX)) {
		burst_drop(&w->stats, m, DROP_HEADROOM);
		return;
	}
	/* The line is shared: written once a minute, read for every packet. */
	if (unlikely(atomic_load_explicit(&nh->used, memory_order_relaxed) == 0))
		atomic_store_explicit(&nh->used, 1, memory_order_relaxed);
	link_write(rte_pktmbuf_mtod(m, uint8_t *), f, word);
	rte_pktmbuf_prepend(m, link_len(f));
	collect(w, f, m, rte_pktmbuf_pkt_len(m));
}

/* No index of a next hop: a packet may well have NEXTHOP_NONE, which send_ip() has a name for. */
#define NO_WAY UINT32_MAX

/* Where hops of one next hop go; of the last one kept, for most share few. */
struct way_out {
	uint32_t nexthop; /* NO_WAY: nothing kept */
	uint16_t link_len;
	const struct iface *f;
	struct port_burst *out;
	uint64_t mac; /* low 48 bits */
	/* An untagged link header as two words that overlap: its first 8 bytes, and its last 8 for IPv4
	 * and for IPv6.
	 */
	uint64_t head, tail[2];
};

static uint64_t link_tail(const struct iface *f, uint16_t type)
{
	uint64_t word = (uint64_t)rte_cpu_to_be_16(type) << 48;

	memcpy(&word, &f->mac, RTE_ETHER_ADDR_LEN);
	return word;
}

/* False: not resolved, or no port. */
static __attribute__((noinline)) bool way_find(struct worker *w, uint32_t nexthop,
					       struct way_out *way)
{
	struct nexthop *nh = &w->nexthops[nexthop];
	uint64_t word = atomic_load_explicit(&nh->word, memory_order_acquire);
	const struct iface *f = &w->ifaces[nh->iface];
	uint16_t at = place_of(w, f->port);

	way->nexthop = NO_WAY;
	if (nexthop_state(word) != NEXTHOP_READY || at == w->n_ports)
		return false;
	/* The line is shared: written once a minute, read for every packet. */
	if (atomic_load_explicit(&nh->used, memory_order_relaxed) == 0)
		atomic_store_explicit(&nh->used, 1, memory_order_relaxed);
	way->nexthop = nexthop;
	way->mac = word;
	way->f = f;
	way->out = &w->out[at];
	way->link_len = link_len(f);
	way->tail[0] = link_tail(f, RTE_ETHER_TYPE_IPV4);
	way->tail[1] = link_tail(f, RTE_ETHER_TYPE_IPV6);
	way->head = (word & 0xffffffffffffULL) | way->tail[0] << 48;
	return true;
}

/* As link_write(). */
static __rte_always_inline void way_write(uint8_t *ip, const struct way_out *way)
{
	if (unlikely(way->f->vlan != 0)) {
		link_write(ip, way->f, way->mac);
		return;
	}
	memcpy(ip - RTE_ETHER_HDR_LEN, &way->head, sizeof(way->head));
	memcpy(ip - sizeof(way->tail[0]), &way->tail[*ip >> 4 == 6], sizeof(way->tail[0]));
}

/* A hop whose next hop is resolved is sent as it is; its mbuf is written to only where the outer
 * headers changed in size. All else goes the way of the tx lane, which names what is wrong.
 */
static __rte_always_inline void send_hop(struct worker *w, const struct hops *h, uint16_t i,
					 struct way_out *way)
{
	uint8_t *ip = hop_ip(h, i);
	struct rte_mbuf *m = h->m[i];
	uint16_t room = (uint16_t)(ip - (uint8_t *)m->buf_addr), off, len;

	if (unlikely((h->nexthop[i] != way->nexthop && !way_find(w, h->nexthop[i], way)) ||
		     room < LINK_MAX)) {
		send_ip(w, hop_leave(h, i));
		return;
	}
	way_write(ip, way);
	off = (uint16_t)(room - way->link_len);
	len = (uint16_t)(way->link_len + hop_size(h, i));
	if (unlikely(m->data_off != off))
		m->data_off = off;
	if (unlikely(rte_pktmbuf_data_len(m) != len)) {
		m->data_len = len;
		m->pkt_len = len;
	}
	way->out->bytes += len;
	way->out->pkt[way->out->n++] = m;
}

/* The same for a packet of the tx lane, which is as long as its mbuf says. */
static __rte_always_inline void send_lane(struct worker *w, struct rte_mbuf *m, struct way_out *way)
{
	uint32_t nexthop = pkt_meta(m)->nexthop;
	uint16_t len = rte_pktmbuf_data_len(m);

	if (unlikely((nexthop != way->nexthop && !way_find(w, nexthop, way)) || len > way->f->mtu ||
		     rte_pktmbuf_headroom(m) < LINK_MAX)) {
		send_ip(w, m);
		return;
	}
	way_write(rte_pktmbuf_mtod(m, uint8_t *), way);
	len = (uint16_t)(len + way->link_len);
	pkt_cut(m, -(int)way->link_len, len);
	way->out->bytes += len;
	way->out->pkt[way->out->n++] = m;
}

/* A whole frame from the TAP; it only needs its tag. */
static void send_frame(struct worker *w, struct rte_mbuf *m)
{
	const struct iface *f = &w->ifaces[pkt_meta(m)->iface];

	if (f->vlan != 0) {
		uint8_t *at = (uint8_t *)rte_pktmbuf_prepend(m, sizeof(struct rte_vlan_hdr));
		uint16_t tag[2] = {rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN),
				   rte_cpu_to_be_16(f->vlan)};

		if (unlikely(at == NULL)) {
			burst_drop(&w->stats, m, DROP_HEADROOM);
			return;
		}
		memmove(at, at + sizeof(tag), 2 * RTE_ETHER_ADDR_LEN);
		memcpy(at + 2 * RTE_ETHER_ADDR_LEN, tag, sizeof(tag));
	}
	collect(w, f, m, rte_pktmbuf_pkt_len(m));
}

/* One try: what the queue does not take is dropped, nobody spins. */
static void flush_port(struct worker *w, uint16_t port, struct port_burst *out)
{
	uint16_t sent = rte_eth_tx_burst(port, w->id, out->pkt, out->n);

	for (uint16_t i = sent; i < out->n; i++) {
		out->bytes -= rte_pktmbuf_pkt_len(out->pkt[i]);
		burst_drop(&w->stats, out->pkt[i], DROP_TX_FULL);
	}
	w->stats.tx += sent;
	w->stats.tx_bytes += out->bytes;
	out->bytes = 0;
	out->n = 0;
}

void tx_stage(struct worker *w)
{
	struct burst *tx = &w->lanes.tx, *frame = &w->lanes.frame;
	struct way_out way = {.nexthop = NO_WAY};
	struct hops *h = &w->hops;

	for (uint16_t i = 0; i < h->n; i++)
		send_hop(w, h, i, &way);
	h->n = 0;
	for (uint16_t i = 0; i < tx->n; i++)
		rte_prefetch0(&w->nexthops[pkt_meta(tx->pkt[i])->nexthop]);
	for (uint16_t i = 0; i < tx->n; i++)
		send_lane(w, tx->pkt[i], &way);
	tx->n = 0;
	for (uint16_t i = 0; i < frame->n; i++)
		send_frame(w, frame->pkt[i]);
	frame->n = 0;
	for (uint16_t i = 0; i < w->n_ports; i++)
		if (w->out[i].n > 0)
			flush_port(w, w->ports[i], &w->out[i]);
}
