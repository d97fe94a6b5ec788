/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLIENT_UDP_H
#define CLIENT_UDP_H

/* The outer sockets of one local link, one per family, bound to the link and carrying a mark so
 * that no default route of another tunnel swallows them. Packets go out in segmented batches
 * (UDP_SEGMENT) and come in joined ones (UDP_GRO). One thread.
 */
#include "common/ip.h"

#include <stdint.h>

enum {
	UDP_BATCH_BYTES = 65000,
	UDP_BATCH_PACKETS = 64,
	UDP_RX_MSGS = 32,
	UDP_RX_BYTES = 65536,
};

struct udp_link {
	int fd[2]; /* IPv4, IPv6; -1: none */
	unsigned int ifindex;
	uint16_t port;
	bool no_gso; /* the device cannot: packets go one by one, still in one call */
};

/* Packets that wait to go out together: same link, destination, TOS and, but for the last, size. */
struct udp_batch {
	struct udp_link *link;
	struct endpoint to;
	uint8_t tos;
	bool is_closed;
	uint16_t size;
	unsigned int n;
	size_t len;
	uint8_t buf[UDP_BATCH_BYTES];
};

struct udp_counters {
	uint64_t tx_calls, tx_packets, tx_bytes, tx_errors;
	uint64_t rx_calls, rx_packets, rx_bytes;
};

struct udp_rx;

/* Port 0: the kernel chooses, the same for both families. 0 or -errno. */
int udp_open(struct udp_link *l, const char *ifname, unsigned int ifindex, uint16_t port,
	     uint32_t mark);
void udp_close(struct udp_link *l);

void udp_add(struct udp_batch *b, struct udp_counters *c, struct udp_link *l,
	     const struct endpoint *to, uint8_t tos, const uint8_t *pkt, size_t len);
void udp_flush(struct udp_batch *b, struct udp_counters *c);

struct udp_rx *udp_rx_create(void);
void udp_rx_destroy(struct udp_rx *rx);
typedef void (*udp_packet)(void *ctx, const struct endpoint *from, uint8_t tos, uint8_t *pkt,
			   size_t len);
/* One call of recvmmsg on fd[family]; packet() for each. Returns messages, 0 when there was none. */
int udp_receive(struct udp_link *l, int family, struct udp_rx *rx, struct udp_counters *c,
		udp_packet packet, void *ctx);

#endif
