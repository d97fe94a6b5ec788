/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/eal.h"
#include "appliance/port.h"
#include "common/log.h"

#include <rte_eal.h>
#include <rte_errno.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

LOG_TYPE("eal");

enum { ARGS_MAX = 64, TEXT_MAX = 8192 };

/* Arguments and their text; the EAL keeps pointers into neither. */
struct args {
	int n, failed;
	size_t used;
	char *v[ARGS_MAX + 1];
	char text[TEXT_MAX];
};

__attribute__((format(printf, 2, 3))) static void add(struct args *a, const char *fmt, ...)
{
	size_t room = sizeof(a->text) - a->used;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(a->text + a->used, room, fmt, ap);
	va_end(ap);
	if (a->n == ARGS_MAX || n < 0 || (size_t)n >= room) {
		a->failed = -E2BIG;
		return;
	}
	a->v[a->n++] = a->text + a->used;
	a->used += (size_t)n + 1;
}

/* The CPUs this process may use, as a list such as "0-1,4". */
static void own_cpus(char *buf, size_t size)
{
	cpu_set_t set;
	size_t used = 0;

	CPU_ZERO(&set);
	(void)sched_getaffinity(0, sizeof(set), &set);
	for (int cpu = 0; cpu < CPU_SETSIZE && used + 16 < size; cpu++) {
		if (CPU_ISSET(cpu, &set))
			used += (size_t)snprintf(buf + used, size - used, "%s%d",
						 used > 0 ? "," : "", cpu);
	}
}

/* "3@(0,1)" */
static int add_lcore(char *buf, size_t size, size_t *used, unsigned int lcore, const char *cpus,
		     const char *own)
{
	const char *set = cpus[0] != '\0' ? cpus : own;
	int n;

	if (strspn(set, "0123456789,-") != strlen(set)) {
		LOG(ERR, "lcores: \"%s\" is no CPU set", set);
		return -EINVAL;
	}
	n = snprintf(buf + *used, size - *used, "%s%u@(%s)", *used > 0 ? "," : "", lcore, set);
	if (n < 0 || (size_t)n >= size - *used)
		return -E2BIG;
	*used += (size_t)n;
	return 0;
}

int eal_lcore_map(const struct config *c, char *buf, size_t size)
{
	char own[512] = "0";
	size_t used = 0;
	int ret;

	own_cpus(own, sizeof(own));
	ret = add_lcore(buf, size, &used, LCORE_CONTROL, c->lcores.control_cpus, own);
	for (uint32_t i = 0; i < c->lcores.workers && ret == 0; i++)
		ret = add_lcore(buf, size, &used, LCORE_WORKER_0 + i,
				c->lcores.n_worker_cpus > 0 ? c->lcores.worker_cpus[i] : "", own);
	if (ret == 0 && config_has_role(c, ROLE_DC))
		ret = add_lcore(buf, size, &used, lcore_dc(c), c->lcores.dc_cpus, own);
	return ret;
}

static void add_devices(struct args *a, const struct config *c)
{
	bool pci = false;

	for (uint32_t i = 0; i < c->n_ifaces; i++) {
		const struct config_iface *f = &c->ifaces[i];

		if (port_is_pci(f->port)) {
			add(a, "--allow=%s", f->port);
			pci = true;
		}
		for (uint32_t m = 0; m < f->n_members; m++) {
			if (port_is_pci(f->members[m])) {
				add(a, "--allow=%s", f->members[m]);
				pci = true;
			}
		}
	}
	if (!pci)
		add(a, "--no-pci");
}

static int build(struct args *a, const struct config *c)
{
	char map[4096];
	int ret = eal_lcore_map(c, map, sizeof(map));

	if (ret < 0)
		return ret;
	add(a, "ntm-appliance");
	add(a, "--lcores=%s", map);
	add(a, "--main-lcore=%d", LCORE_CONTROL);
	add(a, "--file-prefix=%s", c->dpdk.file_prefix);
	add(a, "--log-level=lib.eal:critical");
	if (!c->dpdk.huge)
		add(a, "--no-huge");
	add(a, "-m");
	add(a, "%u", c->dpdk.memory_mb);
	add_devices(a, c);
	for (uint32_t i = 0; i < c->dpdk.n_extra; i++)
		add(a, "%s", c->dpdk.extra[i]);
	return a->failed;
}

static const char *reason(int err)
{
	switch (err) {
	case EACCES:
	case EPERM:
		return "missing privilege, or no access to /run/dpdk and hugepages";
	case ENOMEM:
		return "not enough memory (dpdk.memory_mb, hugepages)";
	default:
		return strerror(err);
	}
}

/* The EAL says this in three lines and without an error number: look before. Its lock is on the
 * file `config` of the runtime folder.
 */
static bool prefix_is_taken(const struct config *c)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/var/run/dpdk/%s/config", c->dpdk.file_prefix);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (fcntl(fd, F_GETLK, &lock) < 0)
		lock.l_type = F_UNLCK;
	close(fd);
	return lock.l_type != F_UNLCK;
}

int eal_start(const struct config *c)
{
	struct args a = {.n = 0};
	int ret = build(&a, c);

	if (ret < 0)
		return ret;
	if (prefix_is_taken(c)) {
		LOG(ERR, "DPDK does not start: dpdk.file_prefix %s is in use by another process",
		    c->dpdk.file_prefix);
		return -EBUSY;
	}
	if (rte_eal_init(a.n, a.v) >= 0)
		return 0;
	ret = rte_errno > 0 ? rte_errno : EIO;
	LOG(ERR, "DPDK does not start: %s", reason(ret));
	return -ret;
}

/* The EAL removes its sockets but not the folder with its shared configuration. */
static void remove_runtime(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			(void)unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
	if (rmdir(path) < 0)
		LOG(WARN, "%s stays behind: %s", path, strerror(errno));
}

void eal_stop(void)
{
	char path[256];

	snprintf(path, sizeof(path), "%s", rte_eal_get_runtime_dir());
	(void)rte_eal_cleanup();
	remove_runtime(path);
}
