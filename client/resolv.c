/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/resolv.h"
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

LOG_TYPE("resolv");

static const char mark[] = "# Written by ntmd; the text that was here comes back when it ends.\n";
static const char saved_name[] = "resolv.conf.saved";
extern char **environ;

static ssize_t file_read(const char *path, char *buf, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, cap - 1);
	if (n < 0)
		n = -errno;
	else if ((size_t)n == cap - 1)
		n = -EFBIG; /* perhaps not all of it: a copy would lose the rest */
	close(fd);
	if (n >= 0)
		buf[n] = '\0';
	return n;
}

static bool is_ours(const char *text)
{
	return strncmp(text, mark, sizeof(mark) - 1) == 0;
}

/* In place: the file may be a mount point, onto which nothing can be renamed. */
static int file_write(const char *path, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), ret = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, len);
	if (n != (ssize_t)len)
		ret = n < 0 ? -errno : -EIO;
	close(fd);
	return ret;
}

int resolv_servers(const char *path, const struct endpoint *own, unsigned int own_n,
		   struct endpoint out[RESOLV_SERVERS_MAX])
{
	char text[RESOLV_TEXT_MAX], *at = text, *line;
	ssize_t len = file_read(path, text, sizeof(text));
	int n = 0;

	if (len < 0)
		return (int)len;
	while ((line = strsep(&at, "\n")) != NULL && n < RESOLV_SERVERS_MAX) {
		char word[IP_TEXT_MAX + 1];
		struct endpoint e = {.port = 53};
		bool is_own = false;

		if (sscanf(line, " nameserver %46s", word) != 1 || ip_parse(word, &e.ip) < 0)
			continue;
		for (unsigned int i = 0; i < own_n; i++)
			is_own = is_own || ip_equal(&own[i].ip, &e.ip);
		if (!is_own)
			out[n++] = e;
	}
	return n;
}

int resolv_take(struct state *s, const char *path, const struct ip_addr *server)
{
	char text[RESOLV_TEXT_MAX], out[RESOLV_TEXT_MAX + 256], ip[IP_TEXT_MAX], *at = text, *line;
	ssize_t len = file_read(path, text, sizeof(text));
	size_t n;
	int ret;

	if (len < 0)
		return (int)len;
	/* Our own text means that the last run did not end well: the copy it made is the good one. */
	if (!is_ours(text)) {
		ret = state_write(s, saved_name, text, (size_t)len);
		if (ret < 0)
			return ret;
	}
	n = (size_t)snprintf(out, sizeof(out), "%snameserver %s\n", mark, ip_format(server, ip));
	while ((line = strsep(&at, "\n")) != NULL) {
		if (line[0] == '\0' || line[0] == '#' || strncmp(line, "nameserver", 10) == 0)
			continue;
		n += (size_t)snprintf(out + n, sizeof(out) - n, "%s\n", line);
	}
	return file_write(path, out, n);
}

int resolv_give_back(const char *state_dir, const char *path)
{
	char text[RESOLV_TEXT_MAX], now[RESOLV_TEXT_MAX], saved[320];
	ssize_t len;
	int ret = 0;

	snprintf(saved, sizeof(saved), "%s/%s", state_dir, saved_name);
	len = file_read(saved, text, sizeof(text));
	if (len == -ENOENT)
		return 0;
	if (len < 0)
		return (int)len;
	/* Somebody else (a DHCP client) has written it since: that text is newer than the copy. */
	if (file_read(path, now, sizeof(now)) < 0 || is_ours(now))
		ret = file_write(path, text, (size_t)len);
	if (ret == 0)
		unlink(saved);
	return ret;
}

static int run(char *const argv[])
{
	int status, ret;
	pid_t pid;

	ret = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
	if (ret != 0)
		return -ret;
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

int resolv_resolved(const char *link, const struct endpoint *server,
		    const char (*suffixes)[NAME_MAX_LEN + 1], unsigned int n)
{
	char at[ENDPOINT_TEXT_MAX], routes[MSG_NAMES_MAX][NAME_MAX_LEN + 2];
	char *dns[] = {(char *)"resolvectl", (char *)"dns", (char *)link, at, NULL};
	char *domain[4 + MSG_NAMES_MAX] = {(char *)"resolvectl", (char *)"domain", (char *)link};
	int ret;

	endpoint_format(server, at);
	for (unsigned int i = 0; i < n && i < MSG_NAMES_MAX; i++) {
		snprintf(routes[i], sizeof(routes[i]), "~%s", suffixes[i]);
		domain[3 + i] = routes[i];
	}
	ret = run(dns);
	return ret == 0 ? run(domain) : ret;
}
