/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/ctl.h"
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

LOG_TYPE("ctl");

enum { READ_CHUNK = 4096 };

/* Without progress for as long as this a client is dropped. */
static const uint64_t IO_TIMEOUT_NS = UINT64_C(10000000000);
static const uint64_t LATER_TIMEOUT_NS = UINT64_C(30000000000);

enum client_state { CLIENT_FREE, CLIENT_READ, CLIENT_LATER, CLIENT_WRITE };

struct client {
	int fd;
	enum client_state state;
	uint64_t id;	   /* never used twice, so a late answer cannot reach another client */
	uint64_t since_ns; /* last progress */
	char *buf;	   /* request, later the answer */
	size_t len, done;  /* bytes in buf; of an answer: written */
};

struct ctl_server {
	int listen_fd;
	const struct ctl_command *table;
	void *ctx;
	uint64_t next_id;
	uint64_t now;
	struct ctl_counters counters;
	struct client client[CTL_CLIENTS_MAX];
	struct sockaddr_un addr;
	dev_t dev;
	ino_t ino;
};

json_t *ctl_error(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* json_string() refuses what is not UTF-8; the error itself must not be lost over it. */
	return json_pack("{s:o}", "error",
			 json_string(text) ?: json_string("the error's text is not UTF-8"));
}

static json_t *help_answer(const struct ctl_command *table)
{
	json_t *list = json_array();

	for (const struct ctl_command *c = table; c->name != NULL; c++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "name", c->name, "args",
						      c->args ?: "", "help", c->help ?: ""));
	return json_pack("{s:o}", "commands", list);
}

static json_t *command_run(const struct ctl_command *table, void *ctx, uint64_t id,
			   const json_t *request, struct ctl_counters *c)
{
	const char *name = json_string_value(json_object_get(request, "cmd"));

	if (name == NULL) {
		c->refused_json++;
		return ctl_error("the request has no \"cmd\"");
	}
	if (strcmp(name, "help") == 0)
		return help_answer(table);
	for (const struct ctl_command *cmd = table; cmd->name != NULL; cmd++)
		if (strcmp(cmd->name, name) == 0)
			return cmd->handler(ctx, request, id);
	c->refused_command++;
	return ctl_error("no command '%.64s' here", name);
}

json_t *ctl_dispatch(const struct ctl_command *table, void *ctx, uint64_t id, const char *text,
		     size_t len, struct ctl_counters *c)
{
	json_error_t err;
	json_t *request = json_loadb(text, len, JSON_REJECT_DUPLICATES, &err);
	json_t *answer;

	c->requests++;
	if (!json_is_object(request)) {
		c->refused_json++;
		answer = request == NULL ? ctl_error("not JSON: %.100s", err.text)
					 : ctl_error("the request is not an object");
	} else {
		answer = command_run(table, ctx, id, request, c);
	}
	json_decref(request);
	return answer;
}

static void client_drop(struct client *cl)
{
	close(cl->fd);
	free(cl->buf);
	memset(cl, 0, sizeof(*cl));
}

static void client_write(struct ctl_server *s, struct client *cl)
{
	ssize_t n = send(cl->fd, cl->buf + cl->done, cl->len - cl->done, MSG_NOSIGNAL);

	if (n > 0) {
		cl->done += (size_t)n;
		cl->since_ns = s->now;
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		s->counters.gone++;
		client_drop(cl);
		return;
	}
	if (cl->done == cl->len)
		client_drop(cl);
}

/* Takes the reference to answer; the client may be gone afterwards. */
static void client_answer(struct ctl_server *s, struct client *cl, json_t *answer)
{
	char *text = answer == NULL ? NULL : json_dumps(answer, JSON_COMPACT);
	size_t len = text == NULL ? 0 : strlen(text);

	json_decref(answer);
	if (len + 1 > CTL_ANSWER_MAX) {
		s->counters.refused_size++;
		free(text);
		text = strdup("{\"error\":\"the answer is too long\"}");
		len = text == NULL ? 0 : strlen(text);
	}
	free(cl->buf);
	cl->buf = text;
	if (text == NULL) {
		LOG_RL(ERR, "an answer could not be written: no memory");
		client_drop(cl);
		return;
	}
	/* The newline takes the place of the terminating zero. */
	text[len] = '\n';
	cl->len = len + 1;
	cl->done = 0;
	cl->since_ns = s->now;
	cl->state = CLIENT_WRITE;
	client_write(s, cl);
}

static void client_request(struct ctl_server *s, struct client *cl, size_t len)
{
	json_t *answer;

	/* A handler may answer at once through ctl_server_answer() and return NULL. */
	cl->state = CLIENT_LATER;
	cl->since_ns = s->now;
	answer = ctl_dispatch(s->table, s->ctx, cl->id, cl->buf, len, &s->counters);
	if (answer != NULL && cl->state == CLIENT_LATER)
		client_answer(s, cl, answer);
	else
		json_decref(answer);
}

static void client_read(struct ctl_server *s, struct client *cl)
{
	ssize_t n = recv(cl->fd, cl->buf + cl->len, CTL_REQUEST_MAX - cl->len, 0);
	char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		s->counters.gone++;
		client_drop(cl);
		return;
	}
	cl->since_ns = s->now;
	end = memchr(cl->buf + cl->len, '\n', (size_t)n);
	cl->len += (size_t)n;
	if (end != NULL) {
		client_request(s, cl, (size_t)(end - cl->buf));
	} else if (cl->len == CTL_REQUEST_MAX) {
		s->counters.refused_size++;
		client_answer(s, cl, ctl_error("the request is too long"));
	}
}

static void client_timeout(struct ctl_server *s, struct client *cl)
{
	uint64_t idle = s->now - cl->since_ns;

	if (cl->state == CLIENT_LATER && idle > LATER_TIMEOUT_NS) {
		s->counters.timed_out++;
		client_answer(s, cl, ctl_error("no answer within 30 s"));
	} else if (cl->state != CLIENT_LATER && idle > IO_TIMEOUT_NS) {
		s->counters.timed_out++;
		client_drop(cl);
	}
}

static struct client *client_free_slot(struct ctl_server *s)
{
	for (unsigned int i = 0; i < CTL_CLIENTS_MAX; i++)
		if (s->client[i].state == CLIENT_FREE)
			return &s->client[i];
	return NULL;
}

static void server_accept(struct ctl_server *s)
{
	for (unsigned int i = 0; i < CTL_CLIENTS_MAX; i++) {
		int fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct client *cl = client_free_slot(s);

		if (fd < 0)
			return;
		if (cl == NULL || (cl->buf = malloc(CTL_REQUEST_MAX)) == NULL) {
			s->counters.refused_full++;
			close(fd);
			continue;
		}
		cl->fd = fd;
		cl->state = CLIENT_READ;
		cl->id = ++s->next_id;
		cl->since_ns = s->now;
	}
}

void ctl_server_process(struct ctl_server *s, uint64_t now)
{
	s->now = now;
	server_accept(s);
	for (unsigned int i = 0; i < CTL_CLIENTS_MAX; i++) {
		struct client *cl = &s->client[i];

		if (cl->state == CLIENT_READ)
			client_read(s, cl);
		else if (cl->state == CLIENT_WRITE)
			client_write(s, cl);
		if (cl->state != CLIENT_FREE)
			client_timeout(s, cl);
	}
}

unsigned int ctl_server_poll_fds(const struct ctl_server *s, struct pollfd *fds)
{
	unsigned int n = 0;

	fds[n++] = (struct pollfd){.fd = s->listen_fd, .events = POLLIN};
	for (unsigned int i = 0; i < CTL_CLIENTS_MAX; i++) {
		const struct client *cl = &s->client[i];

		if (cl->state == CLIENT_READ)
			fds[n++] = (struct pollfd){.fd = cl->fd, .events = POLLIN};
		else if (cl->state == CLIENT_WRITE)
			fds[n++] = (struct pollfd){.fd = cl->fd, .events = POLLOUT};
	}
	return n;
}

void ctl_server_answer(struct ctl_server *s, uint64_t id, json_t *answer)
{
	for (unsigned int i = 0; i < CTL_CLIENTS_MAX; i++) {
		struct client *cl = &s->client[i];

		if (cl->state == CLIENT_LATER && cl->id == id) {
			client_answer(s, cl, answer);
			return;
		}
	}
	s->counters.gone++;
	json_decref(answer);
}

const struct ctl_counters *ctl_server_counters(const struct ctl_server *s)
{
	return &s->counters;
}

/* Whether someone accepts connections at addr. */
static bool is_alive(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool is_dead;

	if (fd < 0)
		return true; /* not known: better refuse to start than take over */
	is_dead = connect(fd, (const void *)addr, sizeof(*addr)) < 0 && errno == ECONNREFUSED;
	close(fd);
	return !is_dead;
}

/* Bind s->addr, replacing a dead socket. The folder is locked by the caller. */
static int server_bind(struct ctl_server *s)
{
	const struct sockaddr *sa = (const void *)&s->addr;
	struct stat st;

	/* On Linux the socket file takes its mode from the socket, without touching the umask. */
	if (fchmod(s->listen_fd, 0600) < 0)
		return -errno;
	if (bind(s->listen_fd, sa, sizeof(s->addr)) < 0) {
		if (errno != EADDRINUSE)
			return -errno;
		if (lstat(s->addr.sun_path, &st) < 0 || !S_ISSOCK(st.st_mode) || is_alive(&s->addr))
			return -EBUSY;
		if (unlink(s->addr.sun_path) < 0 || bind(s->listen_fd, sa, sizeof(s->addr)) < 0)
			return -errno;
	}
	if (listen(s->listen_fd, CTL_CLIENTS_MAX) < 0 || lstat(s->addr.sun_path, &st) < 0)
		return -errno;
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	return 0;
}

/* An fd of path's folder, locked, so that of two starting daemons one waits for neither to remove
 * the other's socket; made if missing.
 */
static int folder_lock(const char *path)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	const char *slash = strrchr(path, '/');
	int fd;

	if (slash == NULL)
		snprintf(dir, sizeof(dir), ".");
	else
		snprintf(dir, sizeof(dir), "%.*s", slash == path ? 1 : (int)(slash - path), path);
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		close(fd);
		return -EBUSY;
	}
	return fd;
}

int ctl_server_open(struct ctl_server **out, const char *path, const struct ctl_command *table,
		    void *ctx)
{
	struct ctl_server *s;
	int dir, ret;

	if (strlen(path) >= sizeof(s->addr.sun_path))
		return -ENAMETOOLONG;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	s->table = table;
	s->ctx = ctx;
	s->addr.sun_family = AF_UNIX;
	memcpy(s->addr.sun_path, path, strlen(path) + 1);
	dir = ret = folder_lock(path);
	if (ret < 0)
		goto err_free_server;
	s->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->listen_fd < 0) {
		ret = -errno;
		goto err_unlock_folder;
	}
	ret = server_bind(s);
	if (ret < 0)
		goto err_close_socket;
	close(dir);
	*out = s;
	return 0;

err_close_socket:
	close(s->listen_fd);
err_unlock_folder:
	close(dir);
err_free_server:
	free(s);
	return ret;
}

void ctl_server_close(struct ctl_server *s)
{
	struct stat st;

	if (s == NULL)
		return;
	for (unsigned int i = 0; i < CTL_CLIENTS_MAX; i++)
		if (s->client[i].state != CLIENT_FREE)
			client_drop(&s->client[i]);
	if (lstat(s->addr.sun_path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
		unlink(s->addr.sun_path);
	close(s->listen_fd);
	free(s);
}
