/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/offload.h"
#include "common/bytes.h"
#include "common/csum.h"

#include <netinet/in.h>
#include <string.h>

enum {
	TCP_ACK = 0x10,
	TCP_PSH = 8,
	TCP_FLAGS = 13,
	JOIN_PACKETS_MAX = 64,
};

struct candidate {
	uint8_t proto;
	uint8_t ip_len, l4_len;
	bool is_v6, is_plain; /* may be joined at all */
	size_t hdr, payload;
};

/* Only what GRO of the kernel would join, too: no options in IPv4, no fragments, plain ACK or
 * ACK+PSH, some payload.
 */
static void look(const uint8_t *p, size_t len, struct candidate *c)
{
	memset(c, 0, sizeof(*c));
	if (len >= 28 && p[0] == 0x45 && (load_be16(p + 6) & 0x3fff) == 0 &&
	    load_be16(p + 2) == len) {
		c->ip_len = 20;
		c->proto = p[9];
	} else if (len >= 48 && p[0] >> 4 == 6 && load_be16(p + 4) + 40u == len) {
		c->is_v6 = true;
		c->ip_len = 40;
		c->proto = p[6];
	} else {
		return;
	}
	if (c->proto == IPPROTO_TCP && len >= c->ip_len + 20u) {
		c->l4_len = (uint8_t)((p[c->ip_len + 12] >> 4) * 4);
		c->is_plain = (p[c->ip_len + TCP_FLAGS] & ~TCP_PSH) == TCP_ACK && c->l4_len >= 20;
	} else if (c->proto == IPPROTO_UDP) {
		c->l4_len = 8;
		c->is_plain = true;
	}
	c->hdr = (size_t)c->ip_len + c->l4_len;
	c->is_plain = c->is_plain && len > c->hdr;
	c->payload = c->is_plain ? len - c->hdr : 0;
}

/* A joined packet gets a new checksum, so a wrong one must not be joined: the far leg of a general
 * host is not protected by any tag, and this sum is all that TCP has there.
 */
static bool check_is_good(const uint8_t *p, size_t len, const struct candidate *c)
{
	size_t l4 = len - c->ip_len;
	uint64_t sum = csum_be16(c->proto) + csum_be32((uint32_t)l4);

	if (c->proto == IPPROTO_UDP && load_be16(p + c->ip_len + 6) == 0)
		return false;
	sum = csum_bytes(p + (c->is_v6 ? 8 : 12), c->is_v6 ? 32 : 8, sum);
	return csum_fold(csum_bytes(p + c->ip_len, l4, sum)) == 0xffff;
}

/* Addresses and ports. */
static bool same_flow(const struct offload_flow *f, const uint8_t *p, const struct candidate *c)
{
	size_t at = c->is_v6 ? 8 : 12, n = c->is_v6 ? 32 : 8;

	return f->is_used && f->proto == c->proto && f->ip_len == c->ip_len &&
	       memcmp(f->buf + at, p + at, n) == 0 &&
	       memcmp(f->buf + f->ip_len, p + c->ip_len, 4) == 0;
}

/* What the headers of one super-packet must agree in, besides the flow. */
static bool same_header(const struct offload_flow *f, const uint8_t *p, const struct candidate *c)
{
	const uint8_t *a = f->buf, *l = p + c->ip_len, *fl = f->buf + f->ip_len;

	if (f->l4_len != c->l4_len)
		return false;
	if (c->is_v6 ? memcmp(a, p, 4) != 0 || a[7] != p[7]
		     : a[1] != p[1] || a[8] != p[8] || a[6] != p[6])
		return false;
	if (c->proto == IPPROTO_UDP)
		return true;
	return load_be32(l + 4) == f->next_seq && memcmp(l + 8, fl + 8, 4) == 0 &&
	       memcmp(l + 14, fl + 14, 2) == 0 && memcmp(l + 20, fl + 20, c->l4_len - 20u) == 0;
}

static void plain_out(struct offload_join *j, const uint8_t *p, size_t len)
{
	const struct virtio_net_hdr h = {.flags = 0};

	j->packets++;
	j->out(j->ctx, &h, p, len);
}

static uint16_t pseudo(const struct offload_flow *f)
{
	bool v6 = f->ip_len == 40;
	uint64_t sum = csum_be16(f->proto) + csum_be32((uint32_t)(f->len - f->ip_len));

	return csum_fold(csum_bytes(f->buf + (v6 ? 8 : 12), v6 ? 32 : 8, sum));
}

static void super_out(struct offload_join *j, struct offload_flow *f)
{
	bool v6 = f->ip_len == 40, tcp = f->proto == IPPROTO_TCP;
	struct virtio_net_hdr h = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = tcp ? (v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4)
				: VIRTIO_NET_HDR_GSO_UDP_L4,
		.hdr_len = (uint16_t)(f->ip_len + f->l4_len),
		.gso_size = f->size,
		.csum_start = f->ip_len,
		.csum_offset = tcp ? 16 : 6,
	};
	uint16_t check;

	if (v6) {
		store_be16(f->buf + 4, (uint16_t)(f->len - 40));
	} else {
		store_be16(f->buf + 2, (uint16_t)f->len);
		memset(f->buf + 10, 0, 2);
		check = (uint16_t)~csum_fold(csum_bytes(f->buf, 20, 0));
		memcpy(f->buf + 10, &check, 2);
	}
	if (!tcp)
		store_be16(f->buf + f->ip_len + 4, (uint16_t)(f->len - f->ip_len));
	check = pseudo(f);
	memcpy(f->buf + f->ip_len + h.csum_offset, &check, 2);
	j->supers++;
	j->packets += f->count;
	j->out(j->ctx, &h, f->buf, f->len);
}

static void flow_out(struct offload_join *j, struct offload_flow *f)
{
	if (!f->is_used)
		return;
	f->is_used = false;
	if (f->count == 1)
		plain_out(j, f->buf, f->len);
	else
		super_out(j, f);
}

static void flow_begin(struct offload_join *j, const uint8_t *p, size_t len,
		       const struct candidate *c)
{
	struct offload_flow *f = NULL;

	for (int i = 0; i < OFFLOAD_FLOWS && f == NULL; i++)
		if (!j->flow[i].is_used)
			f = &j->flow[i];
	if (f == NULL) {
		f = &j->flow[j->next++ % OFFLOAD_FLOWS];
		flow_out(j, f);
	}
	f->is_used = true;
	f->ip_len = c->ip_len;
	f->l4_len = c->l4_len;
	f->proto = c->proto;
	f->size = (uint16_t)c->payload;
	f->count = 1;
	f->len = len;
	f->is_closed = false;
	memcpy(f->buf, p, len);
	if (c->proto == IPPROTO_TCP) {
		f->next_seq = load_be32(p + c->ip_len + 4) + (uint32_t)c->payload;
		f->is_closed = (p[c->ip_len + TCP_FLAGS] & TCP_PSH) != 0;
	}
}

static bool flow_append(struct offload_flow *f, const uint8_t *p, const struct candidate *c)
{
	if (f->is_closed || c->payload > f->size || f->count >= JOIN_PACKETS_MAX ||
	    f->len + c->payload > OFFLOAD_SUPER_MAX || !same_header(f, p, c))
		return false;
	memcpy(f->buf + f->len, p + c->hdr, c->payload);
	f->len += c->payload;
	f->count++;
	f->next_seq += (uint32_t)c->payload;
	f->is_closed = c->payload < f->size;
	if (c->proto == IPPROTO_TCP && (p[c->ip_len + TCP_FLAGS] & TCP_PSH) != 0) {
		f->buf[f->ip_len + TCP_FLAGS] |= TCP_PSH;
		f->is_closed = true;
	}
	return true;
}

void offload_add(struct offload_join *j, const uint8_t *pkt, size_t len)
{
	struct offload_flow *f = NULL;
	struct candidate c;

	look(pkt, len, &c);
	c.is_plain = c.is_plain && check_is_good(pkt, len, &c);
	for (int i = 0; i < OFFLOAD_FLOWS && f == NULL; i++)
		if (same_flow(&j->flow[i], pkt, &c))
			f = &j->flow[i];
	if (f != NULL && c.is_plain && flow_append(f, pkt, &c)) {
		j->joined++;
		return;
	}
	if (f != NULL)
		flow_out(j, f); /* what came before it goes before it */
	if (c.is_plain && (c.proto == IPPROTO_TCP || j->has_udp))
		flow_begin(j, pkt, len, &c);
	else
		plain_out(j, pkt, len);
}

void offload_flush(struct offload_join *j)
{
	for (int i = 0; i < OFFLOAD_FLOWS; i++)
		flow_out(j, &j->flow[i]);
}
