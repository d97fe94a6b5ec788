/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DC_STORE_H
#define DC_STORE_H

/* The DC's durable records in LMDB. A thread of its own commits what has gathered since the last
 * commit as one group, so that one sync to disk serves many enrolments; each write comes back when
 * its group is on disk.
 */
#include "dc/dc_core.h"

#include <stddef.h>
#include <stdint.h>

struct store;

struct store_counters {
	uint64_t writes, groups, failed;
};

/* Called on the store's thread with w->status set; it hands w back to the DC lcore. */
typedef void (*store_done_fn)(void *ctx, struct dc_write *w);
/* A record of the store. Not 0 ends the walk. */
typedef int (*store_each_fn)(void *ctx, uint8_t table, const uint8_t *key, size_t key_len,
			     const uint8_t *value, size_t value_len);

/* dir is made if missing (mode 0700); max_bytes is how large the file may grow. 0 or -errno, with a
 * sentence in *why; -EBUSY when another process has the store open.
 */
int store_open(struct store **out, const char *dir, uint64_t max_bytes, store_done_fn done,
	       void *ctx, const char **why);
/* Commits what was submitted and ends the thread; all of it has come back afterwards. */
void store_finish(struct store *s);
/* After store_finish(), or without a start. NULL is fine. */
void store_close(struct store *s);

/* All records, before store_start(). 0, the callback's result, or -errno. */
int store_walk(struct store *s, store_each_fn each, void *ctx);
int store_start(struct store *s);

/* Never blocks and takes no lock; one eventfd write where the thread sleeps. Any thread. */
void store_submit(struct store *s, struct dc_write *w);
void store_counters(const struct store *s, struct store_counters *c);

#endif
