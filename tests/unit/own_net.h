/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_OWN_NET_H
#define TESTS_UNIT_OWN_NET_H

/* A network namespace of the test's own, with nothing but a loopback that is up. */
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* false: not allowed here (no root, and no user namespaces). */
static inline bool own_net_enter(void)
{
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd, ret;

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return false;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ret = ioctl(fd, SIOCSIFFLAGS, &ifr);
	close(fd);
	return ret == 0;
}

#endif
