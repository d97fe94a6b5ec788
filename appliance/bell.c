/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/bell.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DRAIN_MAX = 64 };

/* "net_af_packet0,iface=veth0,..." */
static bool iface_of(const char *device, char *name, size_t size)
{
	static const char key[] = ",iface=";
	const char *at = strstr(device, key);

	if (strncmp(device, "net_af_packet", 13) != 0 || at == NULL)
		return false;
	at += sizeof(key) - 1;
	snprintf(name, size, "%.*s", (int)strcspn(at, ","), at);
	return true;
}

/* Every frame is cut to this many bytes; 0: none gets in. */
static int let_in(int fd, unsigned int bytes)
{
	struct sock_filter code = BPF_STMT(BPF_RET | BPF_K, bytes);
	struct sock_fprog prog = {.len = 1, .filter = &code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0 ? -errno : 0;
}

int bell_open(struct bell *b, const char *device)
{
	union {
		struct sockaddr_ll ll;
		struct sockaddr any;
	} at = {.ll = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)}};
	const int one = 1;
	char name[IF_NAMESIZE];
	int ret;

	*b = (struct bell){.fd = -1};
	if (!iface_of(device, name, sizeof(name)))
		return 0;
	at.ll.sll_ifindex = (int)if_nametoindex(name);
	b->fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (at.ll.sll_ifindex == 0 || b->fd < 0)
		goto err_errno;
	ret = let_in(b->fd, 0);
	if (ret < 0)
		goto err_close;
	/* Room for one frame is enough; what we send ourselves does not ring. */
	(void)setsockopt(b->fd, SOL_SOCKET, SO_RCVBUF, &one, sizeof(one));
	(void)setsockopt(b->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one));
	if (bind(b->fd, &at.any, sizeof(at.ll)) < 0)
		goto err_errno;
	return 0;

err_errno:
	ret = -errno;
err_close:
	bell_close(b);
	return ret;
}

void bell_close(struct bell *b)
{
	if (b->fd >= 0)
		close(b->fd);
	*b = (struct bell){.fd = -1};
}

void bell_arm(struct bell *b)
{
	if (b->fd >= 0 && !b->armed)
		b->armed = let_in(b->fd, 1) == 0;
}

void bell_disarm(struct bell *b)
{
	char byte;

	if (!b->armed)
		return;
	(void)let_in(b->fd, 0);
	b->armed = false;
	for (int i = 0; i < DRAIN_MAX && recv(b->fd, &byte, 1, MSG_TRUNC) >= 0; i++)
		;
}
