/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_STATE_DIR_H
#define COMMON_STATE_DIR_H

/* A folder of mode 0700 with the few small files a program keeps: keys and numbers that must survive
 * a restart. Files are replaced whole: written aside, synced, renamed. Blocking; control threads.
 */
#include "common/noise.h"

#include <stddef.h>

enum { STATE_DIR_MAX = 256 };

/* mkdir -p, the last with mode 0700. 0 or -errno. */
int state_dir_make(const char *dir);
/* 0 or -errno; the old file stays until the new one is on disk. */
int state_dir_write(const char *dir, const char *name, const void *data, size_t len);
/* Bytes read, at most cap; -errno (-ENOENT where there is no such file); -EFBIG. */
int state_dir_read(const char *dir, const char *name, void *data, size_t cap);
/* The static key in file `key`: read, or made and written. 0; -EBADMSG: not 32 bytes; -errno. */
int state_dir_key(const char *dir, struct rng *rng, struct noise_keypair *kp);
/* len random bytes in file `name`: read, or made and written. As state_dir_key(). */
int state_dir_secret(const char *dir, const char *name, struct rng *rng, uint8_t *out, size_t len);

#endif
