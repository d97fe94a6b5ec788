/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static int client_connect(const char *path, int timeout_ms)
{
	struct timeval tv = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd, ret;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	if (connect(fd, (void *)&addr, sizeof(addr)) < 0) {
		ret = -errno;
		close(fd);
		return ret;
	}
	return fd;
}

static int send_all(int fd, const char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Up to the end of the stream; the caller frees *buf, whatever is returned. */
static int recv_all(int fd, char **buf, size_t *len)
{
	size_t size = 0;
	ssize_t n = 1;

	*buf = NULL;
	*len = 0;
	while (n != 0) {
		if (*len == size) {
			char *more = size >= CTL_ANSWER_MAX ? NULL : realloc(*buf, size * 2 + 4096);

			if (more == NULL)
				return size >= CTL_ANSWER_MAX ? -EMSGSIZE : -ENOMEM;
			*buf = more;
			size = size * 2 + 4096;
		}
		n = recv(fd, *buf + *len, size - *len, 0);
		if (n < 0 && errno != EINTR)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (n > 0)
			*len += (size_t)n;
	}
	return 0;
}

static int exchange(int fd, const json_t *request, char **answer, size_t *len)
{
	char *text = json_dumps(request, JSON_COMPACT);
	size_t n;
	int ret;

	if (text == NULL)
		return -EINVAL;
	n = strlen(text);
	text[n] = '\n';
	ret = send_all(fd, text, n + 1);
	free(text);
	/* A server that refuses early may close before it has read all; its answer is still there. */
	if (ret < 0 && ret != -EPIPE && ret != -ECONNRESET)
		return ret;
	return recv_all(fd, answer, len);
}

json_t *ctl_call(const char *path, const json_t *request, int timeout_ms, char *why)
{
	int fd = client_connect(path, timeout_ms), ret = fd;
	json_t *answer = NULL;
	json_error_t err;
	char *buf = NULL;
	size_t len = 0;

	if (fd >= 0) {
		ret = exchange(fd, request, &buf, &len);
		close(fd);
	}
	if (ret < 0) {
		snprintf(why, CTL_WHY_MAX, "%.120s: %s", path, strerror(-ret));
	} else if (len == 0) {
		ret = -ECONNRESET;
		snprintf(why, CTL_WHY_MAX, "%.120s: closed without an answer", path);
	} else {
		answer = json_loadb(buf, len, 0, &err);
		if (!json_is_object(answer)) {
			ret = -EPROTO;
			snprintf(why, CTL_WHY_MAX, "%.120s: the answer is not a JSON object", path);
			json_decref(answer);
			answer = NULL;
		}
	}
	free(buf);
	errno = ret < 0 ? -ret : 0;
	return answer;
}
