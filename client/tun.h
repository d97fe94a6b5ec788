/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLIENT_TUN_H
#define CLIENT_TUN_H

/* The virtual interface that carries the VIPs (N-24), as a TUN with segmentation offloads. One
 * thread. The interface goes away with its file descriptor.
 */
#include "client/node.h"
#include "client/offload.h"
#include "client/rtnl.h"
#include "common/msg.h"

#include <net/if.h>

/* Packets that wait for us. The kernel's 500 are a few milliseconds of small ones: less than another
 * program's turn on our CPU.
 */
enum { TUN_QUEUE = 2000 };

struct tun {
	int fd;
	unsigned int ifindex;
	bool has_uso;
	char name[IFNAMSIZ];
	struct rtnl rtnl;
	struct vips vips; /* what the interface has now */
	struct ip_prefix ranges[NODE_RANGES_MAX];
	uint8_t ranges_n;
	uint64_t reads, writes, write_errors;
};

/* 0, or -errno with one line in the log. */
int tun_open(struct tun *t, const char *name, uint16_t mtu);
void tun_close(struct tun *t);
/* Give the interface these addresses and routes, and take away what it had before. */
int tun_configure(struct tun *t, const struct vips *vips, const struct ip_prefix *ranges,
		  uint8_t ranges_n);

/* One read: 0 or more bytes behind *h; -EAGAIN when there is nothing. */
ssize_t tun_read(struct tun *t, struct virtio_net_hdr *h, uint8_t *buf, size_t cap);
void tun_write(struct tun *t, const struct virtio_net_hdr *h, const uint8_t *pkt, size_t len);

#endif
