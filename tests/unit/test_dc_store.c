/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/ctl.h"
#include "dc/store.h"
#include "tests/unit/dc_world.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* A DC in a process of its own, on the real store, is killed by a signal in the middle of
 * registrations; what a node was told must be there when the store is opened again.
 */

/* What the child tells of each node that has its answer: less than PIPE_BUF, so it comes whole. */
struct told {
	char name[32];
	struct vips vips;
};

/* ---- the store behind a world ---- */

struct bridge {
	struct store *store;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	struct dc_write *done, **tail;
	unsigned int out;
};

static void committed(void *ctx, struct dc_write *wr)
{
	struct bridge *b = ctx;

	pthread_mutex_lock(&b->mutex);
	wr->next = NULL;
	*b->tail = wr;
	b->tail = &wr->next;
	pthread_cond_signal(&b->cond);
	pthread_mutex_unlock(&b->mutex);
}

static void submit(struct world *w, struct dc_write *wr)
{
	struct bridge *b = w->store;

	b->out++;
	store_submit(b->store, wr);
}

static void wait_all(struct world *w)
{
	struct bridge *b = w->store;

	while (b->out > 0) {
		struct dc_write *wr, *next;

		pthread_mutex_lock(&b->mutex);
		while (b->done == NULL)
			pthread_cond_wait(&b->cond, &b->mutex);
		wr = b->done;
		b->done = NULL;
		b->tail = &b->done;
		pthread_mutex_unlock(&b->mutex);
		for (; wr != NULL; wr = next) {
			next = wr->next;
			b->out--;
			dc_store_done(w->dc, w->now, wr);
		}
	}
}

static int load(void *ctx, uint8_t table, const uint8_t *key, size_t key_len, const uint8_t *value,
		size_t value_len)
{
	return dc_load(ctx, table, key, key_len, value, value_len);
}

/* ---- child ---- */

/* Registers nodes until it is killed; any other end is a failure to the parent. */
static void child(const char *dir, int fd)
{
	static struct world w;
	static struct bridge b;
	const char *why = "";

	world_init(&w, 61, 1);
	w.params.nodes_max = 4000;
	w.params.tokens_max = 4000;
	if (prefix_parse("240.1.0.0/16", &w.params.pool4) < 0)
		_exit(3);
	pthread_mutex_init(&b.mutex, NULL);
	pthread_cond_init(&b.cond, NULL);
	b.tail = &b.done;
	w.store = &b;
	w.store_submit = submit;
	w.store_wait = wait_all;
	if (store_open(&b.store, dir, 64 << 20, committed, &b, &why) < 0 ||
	    store_start(b.store) < 0)
		_exit(4);
	world_start(&w);
	for (int i = 0; i < 4000; i++) {
		struct told t = {.name = ""};
		char addr[32], name[32];
		struct peer *p;

		snprintf(name, sizeof(name), "n%d.dc1.test", i);
		snprintf(addr, sizeof(addr), "203.0.%d.%d:40000", i / 250, i % 250 + 1);
		p = peer_enrol(&w, HS_NODE_DC, name, addr);
		peer_register(p, behind_nat);
		if (!p->has_answer || (p->answer.has & HAS(ERROR)) != 0)
			_exit(5);
		memcpy(t.name, name, sizeof(t.name));
		t.vips = p->vips;
		if (write(fd, &t, sizeof(t)) != (ssize_t)sizeof(t))
			_exit(6);
		peer_free(p);
	}
	_exit(7); /* it should not have lived so long */
}

/* ---- parent ---- */

static void keep_list(void *arg, json_t *answer)
{
	*(json_t **)arg = answer;
}

static bool is_there(const json_t *list, const struct told *t)
{
	char v4[IP_TEXT_MAX], v6[IP_TEXT_MAX];
	size_t i;
	json_t *n;

	json_array_foreach(json_object_get(list, "nodes"), i, n)
	{
		if (strcmp(json_string_value(json_object_get(n, "name")), t->name) != 0)
			continue;
		ip_format(&t->vips.v4, v4);
		ip_format(&t->vips.v6, v6);
		return strcmp(json_string_value(json_object_get(n, "vip4")), v4) == 0 &&
		       strcmp(json_string_value(json_object_get(n, "vip6")), v6) == 0;
	}
	return false;
}

static void check_store(const char *dir, const struct told *told, unsigned int n)
{
	struct world *w = calloc(1, sizeof(*w));
	struct bridge b = {.tail = &b.done};
	const char *why = "";
	json_t *list = NULL;

	world_init(w, 61, 1);
	w->params.nodes_max = 4000;
	w->params.tokens_max = 4000;
	assert_int_equal(prefix_parse("240.1.0.0/16", &w->params.pool4), 0);
	world_start(w);
	assert_int_equal(store_open(&b.store, dir, 64 << 20, committed, &b, &why), 0);
	assert_int_equal(store_walk(b.store, load, w->dc), 0);
	store_close(b.store);
	dc_ctl_node_list(w->dc, w->now, NULL, keep_list, &list);
	for (unsigned int i = 0; i < n; i++)
		if (!is_there(list, &told[i]))
			fail_msg("%s was told its addresses, and they are gone", told[i].name);
	json_decref(list);
	world_fini(w);
	free(w);
}

static void kill_once(uint64_t *seed)
{
	static struct told told[4000];
	char dir[] = "/tmp/ntm-test-store-XXXXXX", cmd[64];
	unsigned int n = 0, upto;
	struct rng rng;
	int fds[2], status;
	pid_t pid;

	rng_init_seeded(&rng, ++*seed);
	upto = 5 + (unsigned int)rng_below(&rng, 60);
	assert_non_null(mkdtemp(dir));
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(fds[0]);
		child(dir, fds[1]);
	}
	close(fds[1]);
	while (n < 4000 && read(fds[0], &told[n], sizeof(told[0])) == (ssize_t)sizeof(told[0]))
		if (++n == upto)
			kill(pid, SIGKILL);
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_true(n >= upto);
	check_store(dir, told, n);
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	assert_int_equal(system(cmd), 0);
}

static void test_kill(void **state)
{
	uint64_t seed = (uint64_t)getpid();

	print_message("seed %lu\n", (unsigned long)seed);
	for (int i = 0; i < 4; i++)
		kill_once(&seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
