/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl/table.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct layout {
	struct column col[TABLE_COLUMNS_MAX];
	char title[TABLE_COLUMNS_MAX][64];
	size_t width[TABLE_COLUMNS_MAX];
	bool is_number[TABLE_COLUMNS_MAX];
	unsigned int n;
};

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

static void duration_format(double s, char *buf)
{
	uint64_t t = (uint64_t)s;

	if (s < 0)
		snprintf(buf, CELL_MAX, "-");
	else if (t < 60)
		snprintf(buf, CELL_MAX, "%.1fs", s);
	else if (t < 3600)
		snprintf(buf, CELL_MAX, "%" PRIu64 "m%02" PRIu64 "s", t / 60, t % 60);
	else if (t < 86400)
		snprintf(buf, CELL_MAX, "%" PRIu64 "h%02" PRIu64 "m", t / 3600, t / 60 % 60);
	else
		snprintf(buf, CELL_MAX, "%" PRIu64 "d%02" PRIu64 "h", t / 86400, t / 3600 % 24);
}

static void time_format(double s, char *buf)
{
	int64_t ms = (int64_t)(s * 1000 + 0.5);
	time_t t = (time_t)(ms / 1000);
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(buf, CELL_MAX, "%Y-%m-%d %H:%M:%S", &tm);
	if (ms % 1000 != 0)
		snprintf(buf + strlen(buf), CELL_MAX - strlen(buf), ".%03d", (int)(ms % 1000));
}

static void number_format(const char *key, const json_t *v, char *buf)
{
	double d = json_number_value(v);

	if (ends_with(key, "_at") || strcmp(key, "time") == 0)
		time_format(d, buf);
	else if (ends_with(key, "_s"))
		duration_format(d, buf);
	else if (ends_with(key, "_ms") || ends_with(key, "_pct") || json_is_real(v))
		snprintf(buf, CELL_MAX, "%.1f", d);
	else
		snprintf(buf, CELL_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
}

static void list_format(const json_t *list, char *buf)
{
	size_t n = 0, i;
	json_t *v;

	buf[0] = '\0';
	json_array_foreach(list, i, v)
	{
		if (json_is_string(v) && n < CELL_MAX)
			n += (size_t)snprintf(buf + n, CELL_MAX - n, "%s%s", n > 0 ? ", " : "",
					      json_string_value(v));
		else if (json_is_integer(v) && n < CELL_MAX)
			n += (size_t)snprintf(buf + n, CELL_MAX - n, "%s%" JSON_INTEGER_FORMAT,
					      n > 0 ? ", " : "", json_integer_value(v));
	}
	if (n == 0)
		snprintf(buf, CELL_MAX, "-");
}

const char *cell_format(const char *key, const json_t *v, char *buf)
{
	if (json_is_string(v))
		snprintf(buf, CELL_MAX, "%s",
			 json_string_length(v) > 0 ? json_string_value(v) : "-");
	else if (json_is_number(v))
		number_format(key, v, buf);
	else if (json_is_boolean(v))
		snprintf(buf, CELL_MAX, "%s", json_is_true(v) ? "yes" : "no");
	else if (json_is_array(v))
		list_format(v, buf);
	else
		snprintf(buf, CELL_MAX, "%s", json_is_object(v) ? "{...}" : "-");
	for (char *c = buf; *c != '\0'; c++)
		if (iscntrl((unsigned char)*c) ||
		    ((unsigned char)*c >= 0x80 && (unsigned char)*c < 0xa0 && c > buf &&
		     (unsigned char)c[-1] == 0xc2))
			*c = '?';
	return buf;
}

/* "tx_packets" -> "TX PACKETS", "age_s" -> "AGE", "rtt_ms" -> "RTT ms". */
static void title_make(const char *key, char *buf, size_t size)
{
	size_t n = strlen(key);
	const char *unit = ends_with(key, "_ms") ? " ms" : ends_with(key, "_pct") ? " %" : "";

	if (ends_with(key, "_ms") || ends_with(key, "_pct") || ends_with(key, "_s") ||
	    ends_with(key, "_at"))
		n = (size_t)(strrchr(key, '_') - key);
	if (n > size - 4)
		n = size - 4;
	for (size_t i = 0; i < n; i++)
		buf[i] = key[i] == '_' ? ' ' : (char)toupper((unsigned char)key[i]);
	snprintf(buf + n, size - n, "%s", unit);
}

static int layout_find(const struct layout *l, const char *key)
{
	for (unsigned int i = 0; i < l->n; i++)
		if (strcmp(l->col[i].key, key) == 0)
			return (int)i;
	return -1;
}

static void layout_add(struct layout *l, const char *key, const char *title)
{
	if (l->n == TABLE_COLUMNS_MAX || layout_find(l, key) >= 0)
		return;
	l->col[l->n].key = key;
	if (title != NULL)
		snprintf(l->title[l->n], sizeof(l->title[0]), "%s", title);
	else
		title_make(key, l->title[l->n], sizeof(l->title[0]));
	l->width[l->n] = strlen(l->title[l->n]);
	l->is_number[l->n] = true;
	l->n++;
}

static bool is_present(const json_t *rows, const char *key)
{
	size_t i;
	json_t *row;

	json_array_foreach(rows, i, row) if (json_object_get(row, key) != NULL) return true;
	return false;
}

static bool is_hidden(const struct column *known, const char *key)
{
	for (; known != NULL && known->key != NULL; known++)
		if (strcmp(known->key, key) == 0)
			return known->title == NULL;
	return false;
}

static void layout_columns(struct layout *l, const json_t *rows, const struct column *known)
{
	const char *key;
	json_t *row, *v;
	size_t i;

	for (const struct column *c = known; c != NULL && c->key != NULL; c++)
		if (c->title != NULL && is_present(rows, c->key))
			layout_add(l, c->key, c->title);
	json_array_foreach(rows, i, row)
		json_object_foreach(row, key, v) if (!is_hidden(known, key))
			layout_add(l, key, NULL);
}

static void layout_widths(struct layout *l, const json_t *rows)
{
	char cell[CELL_MAX];
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		for (unsigned int c = 0; c < l->n; c++) {
			const json_t *v = json_object_get(row, l->col[c].key);
			size_t n = strlen(cell_format(l->col[c].key, v, cell));

			if (n > l->width[c])
				l->width[c] = n;
			if (v != NULL && !json_is_number(v) && !json_is_null(v))
				l->is_number[c] = false;
		}
	}
}

static void put_cell(FILE *f, const struct layout *l, unsigned int c, const char *text)
{
	const char *gap = c == 0 ? "" : "  ";

	if (l->is_number[c])
		fprintf(f, "%s%*s", gap, (int)l->width[c], text);
	else if (c + 1 < l->n)
		fprintf(f, "%s%-*s", gap, (int)l->width[c], text);
	else
		fprintf(f, "%s%s", gap, text); /* no blanks at the end of the line */
}

void table_print(FILE *f, const json_t *rows, const struct column *known)
{
	struct layout *l = calloc(1, sizeof(*l));
	char cell[CELL_MAX];
	json_t *row;
	size_t i;

	if (l == NULL)
		return;
	layout_columns(l, rows, known);
	layout_widths(l, rows);
	for (unsigned int c = 0; c < l->n; c++)
		put_cell(f, l, c, l->title[c]);
	if (l->n > 0)
		fputc('\n', f);
	json_array_foreach(rows, i, row)
	{
		for (unsigned int c = 0; c < l->n; c++)
			put_cell(f, l, c,
				 cell_format(l->col[c].key, json_object_get(row, l->col[c].key),
					     cell));
		fputc('\n', f);
	}
	free(l);
}

static bool is_table(const json_t *v)
{
	return json_is_array(v) && json_is_object(json_array_get(v, 0));
}

static bool is_skipped(const char *const *skip, const char *key)
{
	for (; skip != NULL && *skip != NULL; skip++)
		if (strcmp(*skip, key) == 0)
			return true;
	return false;
}

/* One line of an object. The unit goes into the value, so it leaves the key. */
static void put_member(FILE *f, const char *outer, const char *key, const json_t *v)
{
	char cell[CELL_MAX], name[2 * CELL_MAX];
	bool is_bare = ends_with(key, "_s") || ends_with(key, "_at");
	int n = is_bare ? (int)(strrchr(key, '_') - key) : (int)strlen(key);

	snprintf(name, sizeof(name), "%.64s%s%.*s:", outer, *outer == '\0' ? "" : ".", n, key);
	fprintf(f, "%-20s %s\n", name, cell_format(key, v, cell));
}

void object_print(FILE *f, const json_t *o, const char *const *skip)
{
	json_t *v, *inner;
	const char *key, *inner_key;

	json_object_foreach((json_t *)o, key, v)
	{
		if (is_skipped(skip, key) || is_table(v))
			continue;
		if (!json_is_object(v)) {
			put_member(f, "", key, v);
			continue;
		}
		json_object_foreach(v, inner_key, inner) put_member(f, key, inner_key, inner);
	}
	json_object_foreach((json_t *)o, key, v)
	{
		if (is_skipped(skip, key) || !is_table(v))
			continue;
		fprintf(f, "\n%s:\n", key);
		table_print(f, v, NULL);
	}
}
