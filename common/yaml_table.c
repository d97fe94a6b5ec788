/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/yaml_table.h"
#include "common/yaml_report.h"
#include "common/yaml_value.h"

#include <errno.h>
#include <stdlib.h>

static int row_default(const struct conf_row *row, void *base, char *why)
{
	const char *rest = row->def;
	char text[CONF_VALUE_MAX];
	uint32_t n = 0;

	if (row->list_max == 0)
		return row->def == NULL
			       ? 0
			       : yaml_value_parse(row, row->def, conf_item(row, base, 0), why);
	while (row->type != CONF_TYPE_MAPS && rest != NULL && yaml_value_next(&rest, text)) {
		if (n == row->list_max) {
			snprintf(why, CONF_WHY_MAX, "the default has too many values");
			return -EINVAL;
		}
		if (yaml_value_parse(row, text, conf_item(row, base, n++), why) < 0)
			return -EINVAL;
	}
	*conf_count(row, base) = n;
	return 0;
}

size_t conf_path_head(const char *path, unsigned int level)
{
	size_t n = 0;

	for (;; n++) {
		n += strcspn(path + n, ".");
		if (level-- == 0 || path[n] == '\0')
			return n;
	}
}

unsigned int conf_path_levels(const char *path)
{
	unsigned int n = 0;

	for (; *path != '\0'; path++)
		n += *path == '.';
	return n;
}

/* Rows of one group stand together, and no path is there twice or is also a group: print and
 * sample write each group once.
 */
static const char *row_misplaced(const struct conf_row *rows, unsigned int at)
{
	const char *path = rows[at].path;

	for (unsigned int i = 0; i < at; i++) {
		size_t a = strlen(path), b = strlen(rows[i].path);
		size_t head = 0;

		if (strcmp(path, rows[i].path) == 0)
			return "stands in the table twice";
		if (strncmp(path, rows[i].path, a < b ? a : b) == 0 &&
		    (a < b ? rows[i].path[a] : path[b]) == '.')
			return "is both a value and a group";
		for (unsigned int l = 0; l < conf_path_levels(path); l++) {
			head = conf_path_head(path, l) + 1;
			if (strncmp(path, rows[i].path, head) == 0 &&
			    strncmp(path, rows[at - 1].path, head) != 0)
				return "does not stand beside the other keys of its group";
		}
	}
	return NULL;
}

static const char *row_wrong(const struct conf_row *rows, unsigned int at, bool is_sub)
{
	const struct conf_row *row = &rows[at];

	if (at >= CONF_ROWS_MAX)
		return "the table has too many rows";
	if (conf_path_levels(row->path) > 6 || strlen(row->path) >= CONF_PATH_MAX / 2)
		return "the path is too deep";
	if (row->help == NULL)
		return "has no help";
	if (row->def == NULL && !is_sub)
		return "has no default";
	if (row->type == CONF_TYPE_MAPS ? is_sub || row->sub == NULL : row->size > CONF_VALUE_MAX)
		return "is of a shape that a row cannot have";
	if (row->type == CONF_TYPE_ENUM && row->words == NULL)
		return "has no words";
	return row_misplaced(rows, at);
}

int conf_table_fill(const struct conf_row *rows, void *base, bool is_sub, struct conf_report *r)
{
	char why[CONF_WHY_MAX];
	const char *wrong;

	for (unsigned int i = 0; rows[i].path != NULL; i++) {
		wrong = row_wrong(rows, i, is_sub);
		if (wrong != NULL)
			return conf_report_add(r, 0, rows[i].path, wrong);
		if (row_default(&rows[i], base, why) < 0)
			return conf_report_add(r, 0, rows[i].path, why);
	}
	return 0;
}

/* Tries the defaults of a list's maps on a scratch element. */
static int sub_check(const struct conf_row *row, struct conf_report *r)
{
	void *scratch = calloc(1, row->size);
	int ret;

	if (scratch == NULL)
		return conf_report_add(r, 0, row->path, "no memory");
	ret = conf_table_fill(row->sub, scratch, true, r);
	free(scratch);
	return ret;
}

int conf_table_defaults(const struct conf_row *rows, void *out, struct conf_report *r)
{
	int ret = conf_table_fill(rows, out, false, r);

	for (unsigned int i = 0; ret == 0 && rows[i].path != NULL; i++)
		if (rows[i].type == CONF_TYPE_MAPS)
			ret = sub_check(&rows[i], r);
	return ret;
}

int yaml_conf_defaults(const struct conf_row *rows, void *out, struct conf_report *r)
{
	conf_report_init(r, "defaults");
	return conf_table_defaults(rows, out, r);
}
