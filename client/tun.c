/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/tun.h"
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20 /* Linux 6.2 */
#define TUN_F_USO6 0x40
#endif

LOG_TYPE("tun");

int tun_open(struct tun *t, const char *name, uint16_t mtu)
{
	const unsigned int tso = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
	struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
	int ret;

	memset(t, 0, sizeof(*t));
	t->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (t->fd < 0) {
		ret = -errno;
		LOG(ERR, "cannot open /dev/net/tun: %s", strerror(-ret));
		return ret;
	}
	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	if (ioctl(t->fd, TUNSETIFF, &ifr) < 0) {
		ret = -errno;
		LOG(ERR, "cannot make interface %s: %s", name, strerror(-ret));
		goto err_close;
	}
	memcpy(t->name, ifr.ifr_name, IFNAMSIZ);
	t->has_uso = ioctl(t->fd, TUNSETOFFLOAD, tso | TUN_F_USO4 | TUN_F_USO6) == 0;
	if (!t->has_uso && ioctl(t->fd, TUNSETOFFLOAD, tso) < 0)
		LOG(WARN, "no segmentation offload on %s: %s", name, strerror(errno));
	t->ifindex = if_nametoindex(t->name);
	ret = rtnl_open(&t->rtnl, 0);
	if (ret < 0)
		goto err_close;
	ret = rtnl_link_up(&t->rtnl, t->ifindex, mtu, TUN_QUEUE);
	if (ret < 0) {
		LOG(ERR, "cannot bring %s up: %s", name, strerror(-ret));
		goto err_rtnl;
	}
	LOG(INFO, "interface up name=%s mtu=%u uso=%d", t->name, mtu, t->has_uso);
	return 0;

err_rtnl:
	rtnl_close(&t->rtnl);
err_close:
	close(t->fd);
	t->fd = -1;
	return ret;
}

void tun_close(struct tun *t)
{
	if (t->fd < 0)
		return;
	rtnl_close(&t->rtnl);
	close(t->fd);
	t->fd = -1;
}

static int addr_change(struct tun *t, struct ip_addr *has, const struct ip_addr *want)
{
	int ret = 0;

	if (ip_equal(has, want))
		return 0;
	if (!ip_is_none(has))
		rtnl_addr(&t->rtnl, t->ifindex, has, false);
	*has = *want;
	if (!ip_is_none(want))
		ret = rtnl_addr(&t->rtnl, t->ifindex, want, true);
	return ret;
}

static bool range_in(const struct ip_prefix *p, const struct ip_prefix *list, uint8_t n)
{
	for (uint8_t i = 0; i < n; i++)
		if (p->len == list[i].len && ip_equal(&p->ip, &list[i].ip))
			return true;
	return false;
}

int tun_configure(struct tun *t, const struct vips *vips, const struct ip_prefix *ranges,
		  uint8_t ranges_n)
{
	int ret = addr_change(t, &t->vips.v4, &vips->v4), r;

	r = addr_change(t, &t->vips.v6, &vips->v6);
	ret = ret < 0 ? ret : r;
	for (uint8_t i = 0; i < t->ranges_n; i++)
		if (!range_in(&t->ranges[i], ranges, ranges_n))
			rtnl_route(&t->rtnl, t->ifindex, &t->ranges[i], NULL, false);
	for (uint8_t i = 0; i < ranges_n; i++) {
		bool v4 = ip_is_v4(&ranges[i].ip);

		r = rtnl_route(&t->rtnl, t->ifindex, &ranges[i], v4 ? &vips->v4 : &vips->v6, true);
		ret = ret < 0 ? ret : r;
	}
	memcpy(t->ranges, ranges, ranges_n * sizeof(ranges[0]));
	t->ranges_n = ranges_n;
	if (ret < 0)
		LOG(ERR, "cannot configure %s: %s", t->name, strerror(-ret));
	return ret;
}

ssize_t tun_read(struct tun *t, struct virtio_net_hdr *h, uint8_t *buf, size_t cap)
{
	struct iovec iov[2] = {{h, sizeof(*h)}, {buf, cap}};
	ssize_t n = readv(t->fd, iov, 2);

	if (n < 0)
		return -errno;
	t->reads++;
	return n < (ssize_t)sizeof(*h) ? -EAGAIN : n - (ssize_t)sizeof(*h);
}

void tun_write(struct tun *t, const struct virtio_net_hdr *h, const uint8_t *pkt, size_t len)
{
	struct iovec iov[2] = {{(void *)h, sizeof(*h)}, {(void *)pkt, len}};

	t->writes++;
	if (writev(t->fd, iov, 2) < 0)
		t->write_errors++;
}
