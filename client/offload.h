/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLIENT_OFFLOAD_H
#define CLIENT_OFFLOAD_H

/* One system call for many packets of a flow: the kernel gives the TUN a TCP or UDP super-packet
 * with a virtio-net header, which is cut here (GSO); packets that come out of the tunnel are joined
 * again before they are written (GRO). Pure; one thread.
 */
#include <linux/virtio_net.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	OFFLOAD_SUPER_MAX = 65535,
	OFFLOAD_FLOWS = 8, /* flows joined at the same time */
};

/* linux/virtio_net.h and linux/if_tun.h of older headers lack UDP segmentation (Linux 6.2). */
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

struct offload_split {
	/* Called for each packet; pkt has the room before and behind it that was asked for, and is
	 * good during the call.
	 */
	void (*packet)(void *ctx, uint8_t *pkt, size_t len);
	void *ctx;
	uint8_t *room; /* headroom + 65535 + tailroom bytes of the caller's */
	size_t headroom, tailroom;
	uint64_t supers, packets, bad;
};

/* Cut what was read from the TUN behind its header. pkt is written to (checksums). A header that
 * does not fit its packet is counted in bad and nothing comes out.
 */
void offload_cut(struct offload_split *s, const struct virtio_net_hdr *h, uint8_t *pkt, size_t len);

struct offload_flow {
	bool is_used;
	uint8_t ip_len; /* length of the IP header */
	uint8_t l4_len;
	uint8_t proto;
	uint16_t size; /* payload bytes of the first packet, which all but the last have */
	uint16_t count;
	uint32_t next_seq;
	bool is_closed; /* a short packet or PSH came: nothing may follow */
	size_t len;
	uint8_t buf[OFFLOAD_SUPER_MAX];
};

struct offload_join {
	/* A packet or super-packet for the TUN. */
	void (*out)(void *ctx, const struct virtio_net_hdr *h, const uint8_t *pkt, size_t len);
	void *ctx;
	bool has_udp; /* the TUN takes UDP super-packets */
	uint64_t joined, packets, supers;
	unsigned int next; /* flow to give up when all are used */
	struct offload_flow flow[OFFLOAD_FLOWS];
};

/* Take one packet: joined to its flow, or given out, behind what it must not overtake. */
void offload_add(struct offload_join *j, const uint8_t *pkt, size_t len);
/* Give out everything: the burst has ended. */
void offload_flush(struct offload_join *j);

#endif
