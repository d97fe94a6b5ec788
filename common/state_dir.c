/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_TEXT_MAX = STATE_DIR_MAX + 64 };

static void path_of(const char *dir, const char *name, const char *suffix, char *out)
{
	snprintf(out, PATH_TEXT_MAX, "%s/%s%s", dir, name, suffix);
}

int state_dir_make(const char *dir)
{
	char part[STATE_DIR_MAX];

	if (strlen(dir) >= sizeof(part))
		return -ENAMETOOLONG;
	for (size_t i = 1; dir[i] != '\0'; i++) {
		if (dir[i] != '/')
			continue;
		memcpy(part, dir, i);
		part[i] = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -errno;
	}
	return mkdir(dir, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static int write_all(int fd, const uint8_t *p, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int folder_sync(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), ret = 0;

	if (fd < 0 || fsync(fd) < 0)
		ret = -errno;
	if (fd >= 0)
		close(fd);
	return ret;
}

int state_dir_write(const char *dir, const char *name, const void *data, size_t len)
{
	char path[PATH_TEXT_MAX], tmp[PATH_TEXT_MAX];
	int fd, ret;

	path_of(dir, name, "", path);
	path_of(dir, name, ".new", tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	ret = write_all(fd, data, len);
	if (ret == 0 && fsync(fd) < 0)
		ret = -errno;
	close(fd);
	if (ret == 0 && rename(tmp, path) < 0)
		ret = -errno;
	return ret == 0 ? folder_sync(dir) : ret;
}

int state_dir_read(const char *dir, const char *name, void *data, size_t cap)
{
	char path[PATH_TEXT_MAX];
	struct stat st;
	ssize_t n = -1;
	int fd, ret;

	path_of(dir, name, "", path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = fstat(fd, &st) < 0 ? -errno : 0;
	if (ret == 0 && (size_t)st.st_size > cap)
		ret = -EFBIG;
	if (ret == 0) {
		n = read(fd, data, cap);
		ret = n < 0 ? -errno : (int)n;
	}
	close(fd);
	return ret;
}

int state_dir_secret(const char *dir, const char *name, struct rng *rng, uint8_t *out, size_t len)
{
	int n = state_dir_read(dir, name, out, len);

	if (n == -ENOENT) {
		rng_fill(rng, out, len);
		return state_dir_write(dir, name, out, len);
	}
	if (n < 0)
		return n;
	return (size_t)n == len ? 0 : -EBADMSG;
}

int state_dir_key(const char *dir, struct rng *rng, struct noise_keypair *kp)
{
	int ret = state_dir_read(dir, "key", kp->priv, sizeof(kp->priv));

	if (ret == -ENOENT) {
		noise_keypair_generate(kp, rng);
		return state_dir_write(dir, "key", kp->priv, sizeof(kp->priv));
	}
	if (ret < 0)
		return ret;
	return ret == sizeof(kp->priv) ? noise_keypair_public(kp) : -EBADMSG;
}
