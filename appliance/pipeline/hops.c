/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/pipeline/hops.h"

_Static_assert(DROP_MAX <= UINT8_MAX, "reasons are kept in bytes");

/* To free an mbuf its second line is read, which nothing else of a hop's way needs. */
void hops_sift(struct lcore_stats *st, struct hops *h, const uint8_t *why)
{
	struct rte_mbuf *gone[LANE_MAX];
	uint16_t kept = 0, n = 0;

	for (uint16_t i = 0; i < h->n; i++) {
		if (why[i] == DROP_MAX) {
			hop_keep(h, kept++, i);
			continue;
		}
		st->drops[why[i]]++;
		gone[n++] = h->m[i];
		rte_prefetch0((uint8_t *)h->m[i] + RTE_CACHE_LINE_SIZE);
	}
	h->n = kept;
	rte_pktmbuf_free_bulk(gone, n);
}

struct rte_mbuf *hop_note(const struct hops *h, uint16_t i)
{
	const uint8_t *ip = hop_ip(h, i);
	struct rte_mbuf *m = h->m[i];
	struct pkt_meta *meta = pkt_meta(m);
	bool v6 = hop_is_v6(h, i);

	memset(meta, 0, sizeof(*meta));
	hop_endpoints(h, i, &meta->src, &meta->dst);
	meta->flags = h->note[i].flags;
	if ((m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		meta->flags |= PKT_L4_GOOD;
	meta->iface = h->note[i].iface;
	meta->l3 = (uint16_t)(ip - rte_pktmbuf_mtod(m, uint8_t *));
	meta->l3_len = v6 ? (uint16_t)(load_be16(ip + 4) + IP6_HDR_LEN) : load_be16(ip + 2);
	meta->l4 = (uint16_t)(meta->l3 + h->ip_len[i]);
	meta->data = (uint16_t)(meta->l4 + UDP_HDR_LEN);
	meta->data_len = h->len[i];
	meta->proto = IPPROTO_UDP;
	pkt_cut(m, 0, (uint16_t)(meta->l3 + meta->l3_len)); /* Ethernet's padding goes */
	return m;
}
