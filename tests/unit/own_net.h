/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_OWN_NET_H
#define TESTS_UNIT_OWN_NET_H

/* A network namespace of the test's own, with nothing but a loopback that is up. */
#include <net/if.h>
#include <sched.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
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

/* `ip` with these words, NULL at the end, in this namespace; true when it did what was asked. */
static inline bool own_net_ip(const char *const *words)
{
	extern char **environ;
	pid_t pid;
	int status;

	return posix_spawnp(&pid, "ip", NULL, NULL, (char *const *)(uintptr_t)words, environ) ==
		       0 &&
	       waitpid(pid, &status, 0) == pid && status == 0;
}

/* Two ends of a wire, both up, that know no IPv6 and so say nothing by themselves. */
static inline bool own_net_veth(const char *a, const char *b, const char *mtu)
{
	const char *const add[] = {"ip",   "link", "add",  a, "mtu", mtu, "type",
				   "veth", "peer", "name", b, "mtu", mtu, NULL};
	const char *const a_quiet[] = {"ip", "link", "set", a, "addrgenmode", "none", "up", NULL};
	const char *const b_quiet[] = {"ip", "link", "set", b, "addrgenmode", "none", "up", NULL};

	return own_net_ip(add) && own_net_ip(a_quiet) && own_net_ip(b_quiet);
}

#endif
