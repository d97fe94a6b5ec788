/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_SECRET_FILE_H
#define APPLIANCE_SECRET_FILE_H

/* Secrets of a role: one file of mode 0600 each, of exactly known length, replaced whole. At start
 * and on plain threads only: they sync to disk.
 */
#include "common/rng.h"

#include <stddef.h>

/* Make the folder (mode 0700) if it is not there. 0 or -errno. */
int secret_folder(const char *dir);
/* 0; -ENOENT when there is none; -EBADMSG when it has another length; -errno. */
int secret_read(const char *dir, const char *name, void *buf, size_t len);
/* 0 or -errno; afterwards the file is the old one or the new one, whatever happens. */
int secret_write(const char *dir, const char *name, const void *buf, size_t len);
/* Read it, or make it of random bytes. 0 or -errno. */
int secret_load(const char *dir, const char *name, void *buf, size_t len, struct rng *rng);

#endif
