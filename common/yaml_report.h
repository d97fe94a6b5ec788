/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_YAML_REPORT_H
#define COMMON_YAML_REPORT_H

/* The writing side of struct conf_report, for common/yaml_*.c only. */
#include "common/yaml_conf.h"

enum { CONF_PATH_MAX = 192 };

void conf_report_init(struct conf_report *r, const char *file);
/* "file:line: path: why"; line 0 and an empty path are left out. Always -EINVAL. */
int conf_report_add(struct conf_report *r, uint32_t line, const char *path, const char *why);
/* Note that path stands at line. Without memory the note is lost, and with it only a number in a
 * later message.
 */
void conf_report_line(struct conf_report *r, const char *path, uint32_t line);
/* The line of path, or of the nearest thing around it; 0 when it is not in the file. */
uint32_t conf_report_find(const struct conf_report *r, const char *path);

/* A whole file, at most CONF_FILE_MAX bytes; the caller frees *text. 0 or -errno. */
int conf_file_read(const char *path, char **text, size_t *len);

#endif
