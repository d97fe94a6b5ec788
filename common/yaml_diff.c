/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/yaml_report.h"
#include "common/yaml_table.h"
#include "common/yaml_value.h"

#include <errno.h>
#include <stdlib.h>

struct diff {
	conf_changed_fn fn;
	void *ctx;
	unsigned int n_restart;
	/* Texts of the two values; long lists are cut, which only shortens what is shown. */
	char was[CONF_VALUE_MAX], is[CONF_VALUE_MAX];
};

static void list_text(const struct conf_row *row, const void *base, char *buf)
{
	uint32_t count = conf_count_const(row, base);
	char text[CONF_VALUE_MAX];
	size_t n = 0;

	if (row->type == CONF_TYPE_MAPS) {
		snprintf(buf, CONF_VALUE_MAX, "%u items", count);
		return;
	}
	n = (size_t)snprintf(buf, CONF_VALUE_MAX, "[");
	for (uint32_t i = 0; i < count && n < CONF_VALUE_MAX; i++) {
		yaml_value_format(row, conf_item_const(row, base, i), text);
		n += (size_t)snprintf(buf + n, CONF_VALUE_MAX - n, "%s%s", i == 0 ? "" : ", ",
				      text);
	}
	if (n < CONF_VALUE_MAX)
		snprintf(buf + n, CONF_VALUE_MAX - n, "]");
}

static void row_text(const struct conf_row *row, const void *base, char *buf)
{
	if (row->list_max > 0)
		list_text(row, base, buf);
	else if (row->type == CONF_TYPE_SECRET)
		snprintf(buf, CONF_VALUE_MAX, "(not shown)");
	else
		yaml_value_format(row, conf_item_const(row, base, 0), buf);
}

/* Plain values are bytes without padding of their own, so comparing bytes compares values. */
static bool row_differs(const struct conf_row *row, const void *was, const void *is)
{
	uint32_t n = 1;

	if (row->list_max > 0) {
		n = conf_count_const(row, was);
		if (n != conf_count_const(row, is))
			return true;
	}
	return row->type != CONF_TYPE_MAPS &&
	       memcmp(conf_item_const(row, was, 0), conf_item_const(row, is, 0), n * row->size) !=
		       0;
}

static void diff_row(struct diff *d, const struct conf_row *row, const char *path, const void *was,
		     const void *is)
{
	if (!row_differs(row, was, is))
		return;
	row_text(row, was, d->was);
	row_text(row, is, d->is);
	d->n_restart += row->reload == CONF_RESTART;
	d->fn(d->ctx, row, path, d->was, d->is);
}

static void diff_items(struct diff *d, const struct conf_row *row, const void *was, const void *is)
{
	char path[2 * CONF_PATH_MAX];
	uint32_t n = conf_count_const(row, was), m = conf_count_const(row, is);

	for (uint32_t i = 0; i < n && i < m; i++) {
		for (const struct conf_row *sub = row->sub; sub->path != NULL; sub++) {
			snprintf(path, sizeof(path), "%s[%u].%s", row->path, i, sub->path);
			diff_row(d, sub, path, conf_item_const(row, was, i),
				 conf_item_const(row, is, i));
		}
	}
}

unsigned int yaml_conf_diff(const struct conf_row *rows, const void *was, const void *is,
			    conf_changed_fn fn, void *ctx)
{
	struct diff d = {.fn = fn, .ctx = ctx};

	for (const struct conf_row *row = rows; row->path != NULL; row++) {
		diff_row(&d, row, row->path, was, is);
		if (row->type == CONF_TYPE_MAPS)
			diff_items(&d, row, was, is);
	}
	return d.n_restart;
}

/* Ends with a line in r at the first line where the file differs from what is generated. */
static int text_compare(const char *want, const char *got, struct conf_report *r)
{
	uint32_t line = 1;
	size_t i = 0;

	for (; want[i] == got[i]; i++) {
		if (want[i] == '\0')
			return 0;
		line += want[i] == '\n';
	}
	return conf_report_add(r, line, "", "differs from the sample that the table makes");
}

static void note_changed(void *ctx, const struct conf_row *row, const char *path, const char *was,
			 const char *is)
{
	char why[CONF_ERROR_TEXT_MAX];

	snprintf(why, sizeof(why), "the sample says %.100s, the default is %.100s", is, was);
	conf_report_add(ctx, conf_report_find(ctx, path), path, why);
}

static int sample_text_check(const struct conf_row *rows, const char *title, const char *path,
			     struct conf_report *r)
{
	char *want = NULL, *got = NULL;
	size_t want_len, got_len;
	FILE *f = open_memstream(&want, &want_len);
	int ret;

	if (f == NULL)
		return conf_report_add(r, 0, "", "no memory");
	yaml_conf_sample(rows, title, f);
	ret = fclose(f) == 0 ? conf_file_read(path, &got, &got_len) : -EIO;
	if (ret < 0) {
		conf_report_add(r, 0, "", strerror(-ret));
	} else {
		got[got_len] = '\0'; /* the buffer has a byte more than a file may */
		ret = text_compare(want, got, r);
	}
	free(want);
	free(got);
	return ret;
}

int yaml_conf_check_sample(const struct conf_row *rows, const char *title, const char *path,
			   size_t size, struct conf_report *r)
{
	uint8_t *both = calloc(2, size);
	struct conf_report none;
	int ret;

	if (both == NULL)
		return -ENOMEM;
	ret = yaml_conf_load(rows, path, both + size, r);
	if (ret == 0) {
		yaml_conf_defaults(rows, both, &none);
		yaml_conf_diff(rows, both, both + size, note_changed, r);
		sample_text_check(rows, title, path, r);
	}
	free(both);
	return r->n_errors == 0 ? 0 : -EINVAL;
}
