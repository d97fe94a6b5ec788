/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/udp_out.h"
#include "appliance/app.h"
#include "appliance/config.h"
#include "common/bytes.h"

#include <rte_ip.h>
#include <rte_udp.h>

#include <errno.h>
#include <netinet/in.h>

enum { TTL = 64, UDP_LEN = 8 };

static void fill_udp(struct rte_udp_hdr *udp, const struct endpoint *src,
		     const struct endpoint *dst, uint16_t len)
{
	udp->src_port = rte_cpu_to_be_16(src->port);
	udp->dst_port = rte_cpu_to_be_16(dst->port);
	udp->dgram_len = rte_cpu_to_be_16(len);
	udp->dgram_cksum = 0;
}

static int frame_v4(struct rte_mbuf *m, const struct endpoint *src, const struct endpoint *dst)
{
	uint16_t len = (uint16_t)(rte_pktmbuf_data_len(m) + UDP_LEN);
	struct rte_ipv4_hdr *ip = (void *)rte_pktmbuf_prepend(m, sizeof(*ip) + UDP_LEN);
	struct rte_udp_hdr *udp = (void *)(ip + 1);

	if (ip == NULL)
		return -ENOBUFS;
	memset(ip, 0, sizeof(*ip));
	ip->version_ihl = RTE_IPV4_VHL_DEF;
	ip->total_length = rte_cpu_to_be_16(len + sizeof(*ip));
	/* Never fragmented, so the identification may be 0 (RFC 6864 4.1). */
	ip->fragment_offset = rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG);
	ip->time_to_live = TTL;
	ip->next_proto_id = IPPROTO_UDP;
	ip->src_addr = ip_v4(&src->ip);
	ip->dst_addr = ip_v4(&dst->ip);
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	fill_udp(udp, src, dst, len);
	udp->dgram_cksum = rte_ipv4_udptcp_cksum(ip, udp);
	return 0;
}

static int frame_v6(struct rte_mbuf *m, const struct endpoint *src, const struct endpoint *dst)
{
	uint16_t len = (uint16_t)(rte_pktmbuf_data_len(m) + UDP_LEN);
	struct rte_ipv6_hdr *ip = (void *)rte_pktmbuf_prepend(m, sizeof(*ip) + UDP_LEN);
	struct rte_udp_hdr *udp = (void *)(ip + 1);

	if (ip == NULL)
		return -ENOBUFS;
	memset(ip, 0, sizeof(*ip));
	ip->vtc_flow = rte_cpu_to_be_32(6u << 28);
	ip->payload_len = rte_cpu_to_be_16(len);
	ip->proto = IPPROTO_UDP;
	ip->hop_limits = TTL;
	memcpy(ip->src_addr, src->ip.b, 16);
	memcpy(ip->dst_addr, dst->ip.b, 16);
	fill_udp(udp, src, dst, len);
	udp->dgram_cksum = rte_ipv6_udptcp_cksum(ip, udp);
	return 0;
}

int udp_frame(struct rte_mbuf *m, const struct endpoint *src, const struct endpoint *dst)
{
	return ip_is_v4(&dst->ip) ? frame_v4(m, src, dst) : frame_v6(m, src, dst);
}

/* Who in this process has the endpoint, or NULL. */
static struct mailbox *own_role(struct app *app, const struct config *c, const struct endpoint *dst)
{
	const struct local_table *t = atomic_load_explicit(&app->local, memory_order_acquire);

	if (!(local_lookup(t, &dst->ip, NULL) & LOCAL_BOX))
		return NULL;
	if (dst->port == c->ntm.port && config_has_role(c, ROLE_DC))
		return &app->dc_mb;
	return config_has_role(c, ROLE_RS) ? &app->control_mb : NULL;
}

static int hand_over(struct lcore_stats *st, struct mailbox *to, const struct endpoint *src,
		     const struct endpoint *dst, struct rte_mbuf *m)
{
	struct pkt_meta *meta = pkt_meta(m);

	meta->src = *src;
	meta->dst = *dst;
	meta->data = 0;
	meta->data_len = rte_pktmbuf_data_len(m);
	if (mailbox_send(to, MAIL_LINK, 0, m) < 0) {
		burst_drop(st, m, DROP_MAILBOX_FULL);
		return -ENOBUFS;
	}
	st->steered++;
	return 0;
}

int udp_send_mbuf(struct app *app, struct lcore_stats *st, uint16_t worker,
		  const struct endpoint *src, const struct endpoint *dst, struct rte_mbuf *m)
{
	const struct config *c = atomic_load_explicit(&app->config, memory_order_acquire);
	struct mailbox *own = own_role(app, c, dst);

	if (own != NULL)
		return hand_over(st, own, src, dst, m);
	if (udp_frame(m, src, dst) < 0) {
		burst_drop(st, m, DROP_HEADROOM);
		return -ENOBUFS;
	}
	pkt_meta(m)->nexthop = NEXTHOP_NONE;
	if (mailbox_send(&app->workers[worker % app->n_workers].mailbox, MAIL_IP, 0, m) < 0) {
		burst_drop(st, m, DROP_MAILBOX_FULL);
		return -ENOBUFS;
	}
	st->steered++;
	return 0;
}

int udp_send(struct app *app, struct lcore_stats *st, uint16_t worker, const struct endpoint *src,
	     const struct endpoint *dst, const void *bytes, size_t len)
{
	struct rte_mbuf *m;

	if (ip_is_v4(&src->ip) != ip_is_v4(&dst->ip))
		return -EAFNOSUPPORT;
	m = rte_pktmbuf_alloc(app->pool);
	if (m == NULL)
		return -ENOBUFS;
	memset(pkt_meta(m), 0, sizeof(struct pkt_meta));
	if (len > rte_pktmbuf_tailroom(m)) {
		rte_pktmbuf_free(m);
		return -EMSGSIZE;
	}
	st->created++;
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), bytes, len);
	return udp_send_mbuf(app, st, worker, src, dst, m);
}

static bool is_link_local(const struct ip_addr *ip)
{
	return ip->b[0] == 0xfe && (ip->b[1] & 0xc0) == 0x80;
}

int udp_source(const struct app *app, const struct ip_addr *dst, struct ip_addr *src)
{
	const struct local_table *t = atomic_load_explicit(&app->local, memory_order_acquire);
	const struct local_addr *addrs;
	bool found = false;
	uint32_t n;

	addrs = local_addrs(t, &n);
	for (uint32_t i = 0; i < n; i++) {
		if (ip_is_v4(&addrs[i].ip) != ip_is_v4(dst))
			continue;
		if (!found || !is_link_local(&addrs[i].ip))
			*src = addrs[i].ip;
		if (!is_link_local(&addrs[i].ip))
			return 0;
		found = true;
	}
	return found ? 0 : -EADDRNOTAVAIL;
}
