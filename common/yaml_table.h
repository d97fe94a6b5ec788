/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_YAML_TABLE_H
#define COMMON_YAML_TABLE_H

/* A table of configuration keys and the struct it describes, for common/yaml_*.c only. */
#include "common/yaml_conf.h"

/* The number of values of the list row in the struct at base. */
static inline uint32_t *conf_count(const struct conf_row *row, void *base)
{
	return (uint32_t *)((uint8_t *)base + row->count_offset);
}

/* Value i of row; 0 of a row that is no list. */
static inline void *conf_item(const struct conf_row *row, void *base, uint32_t i)
{
	return (uint8_t *)base + row->offset + (size_t)i * row->size;
}

static inline const void *conf_item_const(const struct conf_row *row, const void *base, uint32_t i)
{
	return (const uint8_t *)base + row->offset + (size_t)i * row->size;
}

static inline uint32_t conf_count_const(const struct conf_row *row, const void *base)
{
	uint32_t n;

	memcpy(&n, (const uint8_t *)base + row->count_offset, sizeof(n));
	return n < row->list_max ? n : row->list_max;
}

/* Bytes of path that make up its first level + 1 keys. */
size_t conf_path_head(const char *path, unsigned int level);
/* How many groups path lies in. */
unsigned int conf_path_levels(const char *path);

/* Defaults of one table into base; is_sub: the table of a list of maps. Checks the table on the
 * way. 0 or -EINVAL with r.
 */
int conf_table_fill(const struct conf_row *rows, void *base, bool is_sub, struct conf_report *r);
/* The same for a program's table with the tables below it. */
int conf_table_defaults(const struct conf_row *rows, void *out, struct conf_report *r);

#endif
