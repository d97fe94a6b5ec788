/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECRET_MAX = 256 };

int secret_folder(const char *dir)
{
	return mkdir(dir, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static int open_folder(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int secret_read(const char *dir, const char *name, void *buf, size_t len)
{
	char all[SECRET_MAX + 1];
	int at = open_folder(dir), fd;
	ssize_t n;

	if (at < 0)
		return at;
	fd = openat(at, name, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -errno : 0;
	close(at);
	if (fd < 0)
		return (int)n;
	n = read(fd, all, sizeof(all));
	if (n < 0)
		n = -errno;
	close(fd);
	if (n == (ssize_t)len)
		memcpy(buf, all, len);
	explicit_bzero(all, sizeof(all));
	if (n < 0)
		return (int)n;
	return n == (ssize_t)len ? 0 : -EBADMSG;
}

static int write_new(int at, const char *name, const void *buf, size_t len)
{
	int fd = openat(at, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, buf, len) != (ssize_t)len || fsync(fd) < 0)
		ret = errno != 0 ? -errno : -EIO;
	close(fd);
	return ret;
}

int secret_write(const char *dir, const char *name, const void *buf, size_t len)
{
	int at = open_folder(dir), ret;
	char tmp[128];

	if (at < 0)
		return at;
	snprintf(tmp, sizeof(tmp), "%s.new", name);
	errno = 0;
	ret = write_new(at, tmp, buf, len);
	if (ret == 0 && (renameat(at, tmp, at, name) < 0 || fsync(at) < 0))
		ret = -errno;
	close(at);
	return ret;
}

int secret_load(const char *dir, const char *name, void *buf, size_t len, struct rng *rng)
{
	int ret = secret_read(dir, name, buf, len);

	if (ret != -ENOENT)
		return ret;
	rng_fill(rng, buf, len);
	return secret_write(dir, name, buf, len);
}
