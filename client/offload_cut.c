/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/offload.h"
#include "common/bytes.h"
#include "common/csum.h"

#include <netinet/in.h>
#include <string.h>

enum { TCP_FIN = 1, TCP_PSH = 8, TCP_CWR = 0x80, TCP_FLAGS = 13, TCP_CHECK = 16, UDP_CHECK = 6 };

/* Where the parts of a super-packet are. */
struct shape {
	size_t ip_len, l4_len;
	bool is_v6;
	uint8_t proto;
};

static bool shape_get(const uint8_t *pkt, size_t len, struct shape *s)
{
	if (len < 20)
		return false;
	s->is_v6 = pkt[0] >> 4 == 6;
	if (s->is_v6) {
		s->ip_len = 40;
		s->proto = len >= 40 ? pkt[6] : 0;
	} else {
		s->ip_len = (size_t)(pkt[0] & 15) * 4;
		s->proto = pkt[9];
	}
	if (s->ip_len < 20 || len < s->ip_len + 8)
		return false;
	s->l4_len = 8;
	if (s->proto == IPPROTO_TCP) {
		if (len < s->ip_len + 20)
			return false;
		s->l4_len = (size_t)(pkt[s->ip_len + 12] >> 4) * 4;
		return s->l4_len >= 20 && len >= s->ip_len + s->l4_len;
	}
	return s->proto == IPPROTO_UDP;
}

static uint64_t pseudo_sum(const uint8_t *pkt, const struct shape *s, size_t l4_bytes)
{
	uint64_t sum = csum_be16(s->proto) + csum_be32((uint32_t)l4_bytes);

	return s->is_v6 ? csum_bytes(pkt + 8, 32, sum) : csum_bytes(pkt + 12, 8, sum);
}

static void l4_check_write(uint8_t *pkt, const struct shape *s, size_t len)
{
	uint8_t *l4 = pkt + s->ip_len;
	uint8_t *field = l4 + (s->proto == IPPROTO_TCP ? TCP_CHECK : UDP_CHECK);
	uint16_t check;

	memset(field, 0, 2);
	check = (uint16_t)~csum_fold(
		csum_bytes(l4, len - s->ip_len, pseudo_sum(pkt, s, len - s->ip_len)));
	if (check == 0 && s->proto == IPPROTO_UDP)
		check = 0xffff;
	memcpy(field, &check, 2);
}

static void ip_lengths_write(uint8_t *pkt, const struct shape *s, size_t len, uint16_t id)
{
	uint16_t check;

	if (s->is_v6) {
		store_be16(pkt + 4, (uint16_t)(len - 40));
		return;
	}
	store_be16(pkt + 2, (uint16_t)len);
	store_be16(pkt + 4, id);
	memset(pkt + 10, 0, 2);
	check = (uint16_t)~csum_fold(csum_bytes(pkt, s->ip_len, 0));
	memcpy(pkt + 10, &check, 2);
}

static void give(struct offload_split *s, uint8_t *pkt, size_t len)
{
	s->packets++;
	s->packet(s->ctx, pkt, len);
}

/* Header and payload of part number i go into the room, then out. */
static void part_out(struct offload_split *s, const struct shape *sh, const uint8_t *pkt,
		     size_t off, size_t n, unsigned int i, bool is_last)
{
	size_t hdr = sh->ip_len + sh->l4_len;
	uint8_t *out = s->room + s->headroom, *l4 = out + sh->ip_len;

	memcpy(out, pkt, hdr);
	memcpy(out + hdr, pkt + hdr + off, n);
	ip_lengths_write(out, sh, hdr + n, (uint16_t)(load_be16(pkt + 4) + i));
	if (sh->proto == IPPROTO_TCP) {
		store_be32(l4 + 4, load_be32(pkt + sh->ip_len + 4) + (uint32_t)off);
		if (!is_last)
			l4[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
		if (i > 0)
			l4[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
	} else {
		store_be16(l4 + 4, (uint16_t)(8 + n));
	}
	l4_check_write(out, sh, hdr + n);
	give(s, out, hdr + n);
}

static void super_cut(struct offload_split *s, const struct virtio_net_hdr *h, const uint8_t *pkt,
		      size_t len)
{
	struct shape sh;
	size_t hdr, off = 0, left;

	if (!shape_get(pkt, len, &sh) || h->gso_size == 0) {
		s->bad++;
		return;
	}
	hdr = sh.ip_len + sh.l4_len;
	s->supers++;
	for (unsigned int i = 0; off < len - hdr; i++) {
		left = len - hdr - off;
		if (left > h->gso_size)
			left = h->gso_size;
		part_out(s, &sh, pkt, off, left, i, off + left == len - hdr);
		off += left;
	}
}

void offload_cut(struct offload_split *s, const struct virtio_net_hdr *h, uint8_t *pkt, size_t len)
{
	uint8_t kind = h->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
	size_t start = h->csum_start, at = start + h->csum_offset;
	uint16_t check;

	if (kind == VIRTIO_NET_HDR_GSO_TCPV4 || kind == VIRTIO_NET_HDR_GSO_TCPV6 ||
	    kind == VIRTIO_NET_HDR_GSO_UDP_L4) {
		super_cut(s, h, pkt, len);
		return;
	}
	if (kind != VIRTIO_NET_HDR_GSO_NONE || len == 0) {
		s->bad++;
		return;
	}
	if ((h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0) {
		if (start >= len || at + 2 > len) {
			s->bad++;
			return;
		}
		/* The field holds the sum of the pseudo header. */
		check = (uint16_t)~csum_fold(csum_bytes(pkt + start, len - start, 0));
		if (check == 0)
			check = 0xffff;
		memcpy(pkt + at, &check, 2);
	}
	memcpy(s->room + s->headroom, pkt, len);
	give(s, s->room + s->headroom, len);
}
