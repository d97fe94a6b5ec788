/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_TEMP_DIR_H
#define TESTS_UNIT_TEMP_DIR_H

/* A folder of a test's own, and small text files in it. What goes wrong here ends the test. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct temp_dir {
	char dir[64];
	char path[256]; /* of the last temp_dir_path() */
};

static inline void temp_dir_make(struct temp_dir *t)
{
	snprintf(t->dir, sizeof(t->dir), "/tmp/ntm-test-XXXXXX");
	if (mkdtemp(t->dir) == NULL)
		abort();
}

static inline const char *temp_dir_path(struct temp_dir *t, const char *name)
{
	snprintf(t->path, sizeof(t->path), "%s/%s", t->dir, name);
	return t->path;
}

static inline void temp_dir_write(struct temp_dir *t, const char *name, const char *text)
{
	FILE *f = fopen(temp_dir_path(t, name), "w");

	if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0)
		abort();
}

/* The text of a file, or "" where there is none; good until the next call. */
static inline const char *temp_dir_read(struct temp_dir *t, const char *name)
{
	static char text[65536];
	FILE *f = fopen(temp_dir_path(t, name), "r");
	size_t n = f != NULL ? fread(text, 1, sizeof(text) - 1, f) : 0;

	if (f != NULL)
		fclose(f);
	text[n] = '\0';
	return text;
}

static inline int temp_dir_remove_one(const char *path, const struct stat *st, int flag,
				      struct FTW *ftw)
{
	return remove(path);
}

static inline void temp_dir_remove(struct temp_dir *t)
{
	nftw(t->dir, temp_dir_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#endif
