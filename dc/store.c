/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/store.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Indexed by enum dc_table. */
static const char *const table_names[DC_TABLE_COUNT] = {
	[DC_TABLE_META] = "meta",	[DC_TABLE_NODE] = "node",   [DC_TABLE_RS] = "rs",
	[DC_TABLE_BINDING] = "binding", [DC_TABLE_PLACE] = "place",
};

struct store {
	MDB_env *env;
	MDB_dbi dbi[DC_TABLE_COUNT];
	int lock_fd; /* LMDB lets two processes write in turns; two DCs on one store may not */
	int wake_fd;
	store_done_fn done;
	void *ctx;
	pthread_t thread;
	bool has_thread;
	_Atomic bool stopping, asleep;
	_Atomic(struct dc_write *) inbox; /* newest first */
	_Atomic uint64_t writes, groups, failed;
};

static int negative(int rc)
{
	if (rc == 0)
		return 0;
	switch (rc) {
	case MDB_MAP_FULL:
	case MDB_DBS_FULL:
		return -ENOSPC;
	case MDB_CORRUPTED:
	case MDB_VERSION_MISMATCH:
	case MDB_INVALID:
		return -EBADMSG;
	default:
		return rc > 0 ? -rc : -EIO;
	}
}

static int take_lock(struct store *s, const char *dir)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/dc.lock", dir);
	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock_fd < 0)
		return -errno;
	return flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0 ? -EBUSY : 0;
}

static int open_tables(struct store *s)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(s->env, NULL, 0, &txn);

	if (rc != 0)
		return rc;
	for (unsigned int i = 0; i < DC_TABLE_COUNT && rc == 0; i++)
		rc = table_names[i] == NULL
			     ? 0
			     : mdb_dbi_open(txn, table_names[i], MDB_CREATE, &s->dbi[i]);
	if (rc == 0)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return rc;
}

static int open_env(struct store *s, const char *dir, uint64_t max_bytes)
{
	int rc = mdb_env_create(&s->env);

	if (rc == 0)
		rc = mdb_env_set_maxdbs(s->env, DC_TABLE_COUNT);
	if (rc == 0)
		rc = mdb_env_set_mapsize(s->env, max_bytes);
	if (rc == 0)
		rc = mdb_env_open(s->env, dir, MDB_NOTLS, 0600);
	return rc == 0 ? open_tables(s) : rc;
}

int store_open(struct store **out, const char *dir, uint64_t max_bytes, store_done_fn done,
	       void *ctx, const char **why)
{
	struct store *s = calloc(1, sizeof(*s));
	int ret;

	*why = "no memory";
	if (s == NULL)
		return -ENOMEM;
	s->done = done;
	s->ctx = ctx;
	s->lock_fd = -1;
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	*why = "folder cannot be made";
	ret = mkdir(dir, 0700) < 0 && errno != EEXIST ? -errno : 0;
	if (ret == 0) {
		ret = take_lock(s, dir);
		*why = ret == -EBUSY ? "another process has it open" : "lock file cannot be made";
	}
	if (ret == 0) {
		int rc = open_env(s, dir, max_bytes);

		*why = mdb_strerror(rc);
		ret = negative(rc);
	}
	if (ret < 0 || s->wake_fd < 0) {
		store_close(s);
		return ret < 0 ? ret : -EMFILE;
	}
	*out = s;
	return 0;
}

void store_finish(struct store *s)
{
	uint64_t one = 1;

	if (!s->has_thread)
		return;
	atomic_store(&s->stopping, true);
	while (write(s->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	pthread_join(s->thread, NULL);
	s->has_thread = false;
}

void store_close(struct store *s)
{
	if (s == NULL)
		return;
	store_finish(s);
	if (s->env != NULL)
		mdb_env_close(s->env);
	if (s->wake_fd >= 0)
		close(s->wake_fd);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	free(s);
}

static int walk_table(struct store *s, MDB_txn *txn, uint8_t table, store_each_fn each, void *ctx)
{
	MDB_cursor *cur;
	MDB_val key, value;
	int rc = mdb_cursor_open(txn, s->dbi[table], &cur), ret = 0;

	if (rc != 0)
		return negative(rc);
	while (ret == 0 && (rc = mdb_cursor_get(cur, &key, &value, MDB_NEXT)) == 0)
		ret = each(ctx, table, key.mv_data, key.mv_size, value.mv_data, value.mv_size);
	mdb_cursor_close(cur);
	return ret == 0 && rc != MDB_NOTFOUND ? negative(rc) : ret;
}

int store_walk(struct store *s, store_each_fn each, void *ctx)
{
	MDB_txn *txn;
	int ret = negative(mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn));

	if (ret < 0)
		return ret;
	for (uint8_t i = 0; i < DC_TABLE_COUNT && ret == 0; i++)
		ret = walk_table(s, txn, i, each, ctx);
	mdb_txn_abort(txn);
	return ret;
}

static int apply(struct store *s, MDB_txn *txn, struct dc_write *w)
{
	MDB_val key = {.mv_size = w->key_len, .mv_data = w->key};
	MDB_val value = {.mv_size = w->value_len, .mv_data = w->value};
	int rc;

	if (w->table >= DC_TABLE_COUNT)
		return EINVAL;
	if (!w->is_delete)
		return mdb_put(txn, s->dbi[w->table], &key, &value, 0);
	rc = mdb_del(txn, s->dbi[w->table], &key, NULL);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* The writes from first up to (not with) end as one commit. */
static int commit(struct store *s, struct dc_write *first, const struct dc_write *end)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(s->env, NULL, 0, &txn);

	if (rc != 0)
		return negative(rc);
	for (struct dc_write *w = first; w != end && rc == 0; w = w->next)
		rc = apply(s, txn, w);
	if (rc == 0)
		return negative(mdb_txn_commit(txn));
	mdb_txn_abort(txn);
	return negative(rc);
}

/* All together; where that fails one by one, so that one bad write costs no other. */
static void commit_group(struct store *s, struct dc_write *first)
{
	int ret = commit(s, first, NULL);

	atomic_fetch_add_explicit(&s->groups, 1, memory_order_relaxed);
	for (struct dc_write *w = first, *next; w != NULL; w = next) {
		next = w->next;
		w->status = ret == 0 ? 0 : commit(s, w, next);
		atomic_fetch_add_explicit(&s->writes, 1, memory_order_relaxed);
		if (w->status < 0)
			atomic_fetch_add_explicit(&s->failed, 1, memory_order_relaxed);
	}
	for (struct dc_write *w = first, *next; w != NULL; w = next) {
		next = w->next;
		s->done(s->ctx, w); /* w may be gone afterwards */
	}
}

/* The inbox in the order of submission. */
static struct dc_write *take_all(struct store *s)
{
	struct dc_write *w = atomic_exchange_explicit(&s->inbox, NULL, memory_order_acquire);
	struct dc_write *first = NULL;

	while (w != NULL) {
		struct dc_write *next = w->next;

		w->next = first;
		first = w;
		w = next;
	}
	return first;
}

static void sleep_until_woken(struct store *s)
{
	struct pollfd fd = {.fd = s->wake_fd, .events = POLLIN};
	uint64_t n;

	atomic_store(&s->asleep, true); /* pairs with store_submit(): both are sequential */
	if (atomic_load(&s->inbox) == NULL && !atomic_load(&s->stopping))
		(void)poll(&fd, 1, -1);
	atomic_store(&s->asleep, false);
	if (read(s->wake_fd, &n, sizeof(n)) < 0)
		return; /* nobody woke us */
}

static void *store_main(void *arg)
{
	struct store *s = arg;

	for (;;) {
		struct dc_write *first = take_all(s);

		if (first != NULL)
			commit_group(s, first);
		else if (atomic_load(&s->stopping))
			return NULL;
		else
			sleep_until_woken(s);
	}
}

int store_start(struct store *s)
{
	int ret = pthread_create(&s->thread, NULL, store_main, s);

	if (ret != 0)
		return -ret;
	s->has_thread = true;
	pthread_setname_np(s->thread, "ntm-store");
	return 0;
}

void store_submit(struct store *s, struct dc_write *w)
{
	uint64_t one = 1;

	w->next = atomic_load_explicit(&s->inbox, memory_order_relaxed);
	while (!atomic_compare_exchange_weak(&s->inbox, &w->next, w))
		;
	if (atomic_load(&s->asleep) && write(s->wake_fd, &one, sizeof(one)) < 0)
		return; /* full counter: readable all the same */
}

void store_counters(const struct store *s, struct store_counters *c)
{
	c->writes = atomic_load_explicit(&s->writes, memory_order_relaxed);
	c->groups = atomic_load_explicit(&s->groups, memory_order_relaxed);
	c->failed = atomic_load_explicit(&s->failed, memory_order_relaxed);
}
