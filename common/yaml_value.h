/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_YAML_VALUE_H
#define COMMON_YAML_VALUE_H

/* One configuration value between its text and the caller's struct, for common/yaml_conf.c and
 * common/yaml_print.c only.
 */
#include "common/yaml_conf.h"

enum { CONF_WHY_MAX = 200 };

/* Store text at out (row->size bytes). 0, or -EINVAL with the reason in why (CONF_WHY_MAX bytes)
 * and out untouched.
 */
int yaml_value_parse(const struct conf_row *row, const char *text, void *out, char *why);
/* The text of the value at in, such as yaml_value_parse() reads; buf has CONF_VALUE_MAX bytes. */
void yaml_value_format(const struct conf_row *row, const void *in, char *buf);
/* What is allowed, in words ("1024 to 65535", "poll or adaptive"); "" where anything goes. */
void yaml_value_range(const struct conf_row *row, char *buf, size_t size);

/* Take the next value off a default's list text; false at its end. buf has CONF_VALUE_MAX bytes. */
bool yaml_value_next(const char **list, char *buf);

#endif
