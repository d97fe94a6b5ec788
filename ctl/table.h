/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CTL_TABLE_H
#define CTL_TABLE_H

/* JSON to tidy text. Daemons only emit JSON; what is shown, under which title and in which order
 * stands in column lists here in ctl/, and members that no list knows are shown as they come.
 */
#include <stddef.h>
#include <stdio.h>

#include <jansson.h>

enum { TABLE_COLUMNS_MAX = 32, CELL_MAX = 256 };

struct column {
	const char *key;   /* NULL ends a list */
	const char *title; /* NULL: hidden */
};

/* How a member is written depends on its key's ending: _s a duration, _ms and _pct one decimal,
 * _at and "time" UTC. Characters that could steer a terminal become '?': names come from afar.
 * Writes at most CELL_MAX bytes and returns buf.
 */
const char *cell_format(const char *key, const json_t *v, char *buf);

/* rows: an array of objects. Columns that no row has are left out, members that known does not
 * name follow behind the others. Numbers are set to the right. known may be NULL.
 */
void table_print(FILE *f, const json_t *rows, const struct column *known);

/* An object as "key: value" lines, keys padded to one width; inner objects as "outer.inner", arrays
 * of objects as tables of their own below. Members in skip (ends with NULL) are left out.
 */
void object_print(FILE *f, const json_t *o, const char *const *skip);

#endif
