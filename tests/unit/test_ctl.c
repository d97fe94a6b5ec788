/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/ctl.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	char dir[64], path[96];
	struct ctl_server *server;
	uint64_t later_id; /* of the call that waits */
	uint64_t now;
	pthread_t thread;
	atomic_bool stop;
};

static json_t *cmd_echo(void *ctx, const json_t *args, uint64_t id)
{
	return json_pack("{s:O}", "echo", json_object_get(args, "text") ?: json_null());
}

static json_t *cmd_large(void *ctx, const json_t *args, uint64_t id)
{
	json_int_t n = json_integer_value(json_object_get(args, "n"));
	char *text = malloc((size_t)n + 1);
	json_t *answer;

	memset(text, 'x', (size_t)n);
	text[n] = '\0';
	answer = json_pack("{s:s}", "text", text);
	free(text);
	return answer;
}

static json_t *cmd_later(void *ctx, const json_t *args, uint64_t id)
{
	((struct fixture *)ctx)->later_id = id;
	return NULL;
}

static const struct ctl_command table[] = {
	{"echo", "TEXT", "say it again", cmd_echo},
	{"large", "N", "a long answer", cmd_large},
	{"later", "", "answered by the next turn", cmd_later},
	{NULL},
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/ntm-ctl-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	/* The folder of the socket is made by the server. */
	snprintf(f->path, sizeof(f->path), "%s/run/ctl.sock", f->dir);
	f->now = 1;
	assert_int_equal(ctl_server_open(&f->server, f->path, table, f), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char sub[80];

	ctl_server_close(f->server);
	assert_int_equal(access(f->path, F_OK), -1);
	snprintf(sub, sizeof(sub), "%s/run", f->dir);
	rmdir(sub);
	rmdir(f->dir);
	free(f);
	return 0;
}

static void *serve(void *arg)
{
	struct fixture *f = arg;
	struct pollfd fds[CTL_FDS_MAX];

	while (!atomic_load(&f->stop)) {
		poll(fds, ctl_server_poll_fds(f->server, fds), 20);
		ctl_server_process(f->server, f->now);
		if (f->later_id != 0) {
			ctl_server_answer(f->server, f->later_id, json_pack("{s:b}", "late", 1));
			f->later_id = 0;
		}
	}
	return NULL;
}

static json_t *call(struct fixture *f, json_t *request)
{
	char why[CTL_WHY_MAX] = "";
	json_t *answer = ctl_call(f->path, request, 20000, why);

	if (answer == NULL)
		fail_msg("%s", why);
	json_decref(request);
	return answer;
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	assert_non_null(s);
	return s;
}

static void test_calls(void **state)
{
	struct fixture *f = *state;
	json_t *a;

	atomic_store(&f->stop, false);
	assert_int_equal(pthread_create(&f->thread, NULL, serve, f), 0);
	a = call(f, json_pack("{s:s, s:s}", "cmd", "echo", "text", "gr\xc3\xbc\xc3\x9f\n"));
	assert_string_equal(text_of(a, "echo"), "gr\xc3\xbc\xc3\x9f\n");
	json_decref(a);
	a = call(f, json_pack("{s:s}", "cmd", "later"));
	assert_true(json_is_true(json_object_get(a, "late")));
	json_decref(a);
	/* More than a socket buffer holds, so the server has to wait for the client. */
	a = call(f, json_pack("{s:s, s:i}", "cmd", "large", "n", 5000000));
	assert_int_equal(strlen(text_of(a, "text")), 5000000);
	json_decref(a);
	a = call(f, json_pack("{s:s, s:i}", "cmd", "large", "n", CTL_ANSWER_MAX));
	assert_string_equal(text_of(a, "error"), "the answer is too long");
	json_decref(a);
	a = call(f, json_pack("{s:s}", "cmd", "nothing"));
	assert_string_equal(text_of(a, "error"), "no command 'nothing' here");
	json_decref(a);
	a = call(f, json_pack("{s:s}", "cmd", "help"));
	assert_int_equal(json_array_size(json_object_get(a, "commands")), 3);
	json_decref(a);
	atomic_store(&f->stop, true);
	pthread_join(f->thread, NULL);
	assert_int_equal(ctl_server_counters(f->server)->requests, 6);
	assert_int_equal(ctl_server_counters(f->server)->refused_command, 1);
	assert_int_equal(ctl_server_counters(f->server)->refused_size, 1);
}

static int raw_connect(const struct fixture *f)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	memcpy(addr.sun_path, f->path, strlen(f->path) + 1);
	assert_int_equal(connect(fd, (void *)&addr, sizeof(addr)), 0);
	return fd;
}

/* 1: has something to read; 0: closed; -1: neither. */
static int raw_state(int fd)
{
	char c;
	ssize_t n = recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT);

	return n > 0 ? 1 : n == 0 || errno == ECONNRESET ? 0 : -1;
}

static void test_slow_client(void **state)
{
	struct fixture *f = *state;
	int fd = raw_connect(f);

	ctl_server_process(f->server, f->now);
	/* In pieces, byte for byte. */
	for (const char *p = "{\"cmd\":\"echo\"}\n"; *p != '\0'; p++) {
		assert_int_equal(raw_state(fd), -1);
		assert_int_equal(send(fd, p, 1, MSG_NOSIGNAL), 1);
		ctl_server_process(f->server, f->now);
	}
	assert_int_equal(raw_state(fd), 1);
	close(fd);
	fd = raw_connect(f);
	ctl_server_process(f->server, f->now);
	ctl_server_process(f->server, f->now + UINT64_C(9000000000));
	assert_int_equal(raw_state(fd), -1);
	ctl_server_process(f->server, f->now + UINT64_C(11000000000));
	assert_int_equal(raw_state(fd), 0);
	assert_int_equal(ctl_server_counters(f->server)->timed_out, 1);
	close(fd);
}

static void test_later_timeout(void **state)
{
	struct fixture *f = *state;
	int fd = raw_connect(f);
	uint64_t id;

	assert_int_equal(send(fd, "{\"cmd\":\"later\"}\n", 16, MSG_NOSIGNAL), 16);
	ctl_server_process(f->server, f->now);
	id = f->later_id;
	assert_true(id != 0);
	ctl_server_process(f->server, f->now + UINT64_C(29000000000));
	assert_int_equal(raw_state(fd), -1);
	ctl_server_process(f->server, f->now + UINT64_C(31000000000));
	assert_int_equal(raw_state(fd), 1);
	/* The answer comes too late and reaches nobody. */
	ctl_server_answer(f->server, id, json_object());
	assert_int_equal(ctl_server_counters(f->server)->gone, 1);
	f->later_id = 0;
	close(fd);
}

static void test_bounds(void **state)
{
	struct fixture *f = *state;
	int fd[CTL_CLIENTS_MAX + 1];
	char *text = malloc(CTL_REQUEST_MAX);
	size_t sent = 0;

	for (int i = 0; i < CTL_CLIENTS_MAX; i++)
		fd[i] = raw_connect(f);
	ctl_server_process(f->server, f->now);
	fd[CTL_CLIENTS_MAX] = raw_connect(f);
	ctl_server_process(f->server, f->now);
	assert_int_equal(raw_state(fd[0]), -1);
	assert_int_equal(raw_state(fd[CTL_CLIENTS_MAX]), 0);
	assert_int_equal(ctl_server_counters(f->server)->refused_full, 1);
	for (int i = 1; i <= CTL_CLIENTS_MAX; i++)
		close(fd[i]);
	memset(text, ' ', CTL_REQUEST_MAX);
	while (sent < CTL_REQUEST_MAX) {
		ssize_t n = send(fd[0], text, CTL_REQUEST_MAX - sent, MSG_NOSIGNAL);

		assert_true(n > 0 || errno == EAGAIN);
		sent += n > 0 ? (size_t)n : 0;
		ctl_server_process(f->server, f->now);
	}
	ctl_server_process(f->server, f->now);
	assert_int_equal(raw_state(fd[0]), 1);
	assert_int_equal(ctl_server_counters(f->server)->refused_size, 1);
	close(fd[0]);
	free(text);
}

static void test_open(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct ctl_server *other;
	struct stat st;
	char path[120], why[CTL_WHY_MAX];
	json_t *request = json_pack("{s:s}", "cmd", "echo");
	int fd;

	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* A live one is left alone. */
	assert_int_equal(ctl_server_open(&other, f->path, table, f), -EBUSY);
	/* A dead one is replaced. */
	snprintf(path, sizeof(path), "%s/dead.sock", f->dir);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (void *)&addr, sizeof(addr)), 0);
	close(fd);
	assert_null(ctl_call(path, request, 1000, why));
	assert_int_equal(errno, ECONNREFUSED);
	assert_int_equal(ctl_server_open(&other, path, table, f), 0);
	ctl_server_close(other);
	assert_null(ctl_call(path, request, 1000, why));
	assert_int_equal(errno, ENOENT);
	/* A file that is no socket is not removed. */
	fclose(fopen(path, "w"));
	assert_int_equal(ctl_server_open(&other, path, table, f), -EBUSY);
	assert_int_equal(unlink(path), 0);
	json_decref(request);
}

static void test_dispatch(void **state)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{"", "not JSON: "},
		{"[1]", "the request is not an object"},
		{"\"x\"", "not JSON: "},
		{"{\"cmd\":1}", "the request has no \"cmd\""},
		{"{\"cmd\":\"echo\",\"cmd\":\"echo\"}", "not JSON: duplicate object key"},
		{"{\"cmd\":\"echo\"} x", "not JSON: "},
		{"{\"cmd\":\"\\u0000\"}", "not JSON: "},
	};
	struct ctl_counters c = {0};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *a = ctl_dispatch(table, NULL, 1, rows[i].text, strlen(rows[i].text), &c);

		if (strncmp(text_of(a, "error"), rows[i].error, strlen(rows[i].error)) != 0)
			fail_msg("%s: %s", rows[i].text, text_of(a, "error"));
		json_decref(a);
	}
	assert_int_equal(c.refused_json, sizeof(rows) / sizeof(rows[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_calls, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slow_client, setup, teardown),
		cmocka_unit_test_setup_teardown(test_later_timeout, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_open, setup, teardown),
		cmocka_unit_test(test_dispatch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
