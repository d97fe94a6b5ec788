/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/yaml_table.h"
#include "common/yaml_value.h"

#include <ctype.h>
#include <stdlib.h>

enum { COLUMNS = 100 };

/* Where a table is written: lead stands at the start of each line, the bullet before the first
 * key of a map in a list.
 */
struct writer {
	FILE *f;
	const char *lead;
	unsigned int indent;
	bool bullet;
	bool is_sample;
};

static void put_start(struct writer *w)
{
	fprintf(w->f, "%s%*s", w->lead, (int)w->indent, "");
	if (w->bullet)
		fprintf(w->f, "- ");
	if (w->bullet)
		w->indent += 2;
	w->bullet = false;
}

/* Plain where no reader of YAML could take it for something else, in double quotes elsewhere. */
static void put_value(FILE *f, const char *s)
{
	bool is_plain = isalnum((unsigned char)s[0]) || s[0] == '/';

	for (const char *c = s; *c != '\0'; c++)
		is_plain = is_plain && (isalnum((unsigned char)*c) || strchr("_./+-", *c) != NULL);
	if (is_plain) {
		fputs(s, f);
		return;
	}
	fputc('"', f);
	for (const char *c = s; *c != '\0'; c++) {
		if (*c == '"' || *c == '\\')
			fprintf(f, "\\%c", *c);
		else if ((unsigned char)*c < 0x20 || *c == 0x7f)
			fprintf(f, "\\x%02x", (unsigned char)*c);
		else
			fputc(*c, f);
	}
	fputc('"', f);
}

/* A comment of words, wrapped. */
static void put_comment(struct writer *w, const char *text)
{
	unsigned int column = 0;

	while (*text != '\0') {
		size_t n = strcspn(text, " ");

		if (column > 0 && column + 1 + n <= COLUMNS) {
			column += (unsigned int)fprintf(w->f, " %.*s", (int)n, text);
		} else {
			fprintf(w->f, "%s%s%*s# %.*s", column > 0 ? "\n" : "", w->lead,
				(int)w->indent, "", (int)n, text);
			column = (unsigned int)(strlen(w->lead) + w->indent + 2 + n);
		}
		text += n + strspn(text + n, " ");
	}
	fputc('\n', w->f);
}

static void put_help(struct writer *w, const struct conf_row *row)
{
	char range[CONF_WHY_MAX], text[1024];
	size_t n = strlen(row->help);
	const char *stop = n > 0 && strchr(".!?)", row->help[n - 1]) != NULL ? "" : ".";

	yaml_value_range(row, range, sizeof(range));
	n = (size_t)snprintf(text, sizeof(text), "%s%s", row->help, stop);
	if (range[0] != '\0' && n < sizeof(text))
		n += (size_t)snprintf(text + n, sizeof(text) - n, " Allowed: %s.", range);
	if (row->list_max > 0 && n < sizeof(text))
		n += (size_t)snprintf(text + n, sizeof(text) - n, " At most %u.", row->list_max);
	if (row->def == NULL && n < sizeof(text))
		n += (size_t)snprintf(text + n, sizeof(text) - n, " Must be given.");
	if (row->reload == CONF_RESTART && n < sizeof(text))
		snprintf(text + n, sizeof(text) - n, " [restart]");
	put_comment(w, text);
}

/* The maps above row that the row before it did not open already. */
static void put_groups(struct writer *w, const struct conf_row *rows, unsigned int at)
{
	const char *path = rows[at].path, *start = path, *dot;

	for (; (dot = strchr(start, '.')) != NULL; start = dot + 1) {
		size_t head = (size_t)(dot - path) + 1;

		if (at == 0 || strncmp(path, rows[at - 1].path, head) != 0) {
			put_start(w);
			fprintf(w->f, "%.*s:\n", (int)(dot - start), start);
		}
		w->indent += 2;
	}
}

static void put_list_value(struct writer *w, const struct conf_row *row, const void *base)
{
	const char *rest = row->def;
	char text[CONF_VALUE_MAX];
	uint32_t n = base == NULL ? row->list_max : conf_count_const(row, base);
	const char *sep = "";

	fputs(" [", w->f);
	for (uint32_t i = 0; i < n; i++) {
		if (base != NULL)
			yaml_value_format(row, conf_item_const(row, base, i), text);
		else if (rest == NULL || !yaml_value_next(&rest, text))
			break;
		fputs(sep, w->f);
		put_value(w->f, text);
		sep = ", ";
	}
	fputs("]\n", w->f);
}

static void put_single(struct writer *w, const struct conf_row *row, const void *base)
{
	char text[CONF_VALUE_MAX] = "";

	if (base != NULL)
		yaml_value_format(row, conf_item_const(row, base, 0), text);
	else if (row->def != NULL)
		snprintf(text, sizeof(text), "%s", row->def);
	else {
		fputc('\n', w->f); /* the user must give one */
		return;
	}
	fputc(' ', w->f);
	if (row->type == CONF_TYPE_SECRET && text[0] != '\0')
		fprintf(w->f, "\"\" # %zu bytes, not shown", strlen(text));
	else
		put_value(w->f, text);
	fputc('\n', w->f);
}

/* One key with its comment and value, without those that hold lists of maps. Leaves the writer's
 * indent as it found it, a bullet apart.
 */
static void put_row(struct writer *w, const struct conf_row *rows, unsigned int at,
		    const void *base)
{
	const struct conf_row *row = &rows[at];
	const char *dot = strrchr(row->path, '.');
	unsigned int indent = w->indent;
	bool had_bullet = w->bullet;

	put_groups(w, rows, at);
	if (w->is_sample)
		put_help(w, row);
	put_start(w);
	fprintf(w->f, "%s:", dot == NULL ? row->path : dot + 1);
	if (row->type == CONF_TYPE_MAPS)
		fputs(base != NULL && conf_count_const(row, base) > 0 ? "\n" : " []\n", w->f);
	else if (row->list_max > 0)
		put_list_value(w, row, base);
	else
		put_single(w, row, base);
	w->indent = indent + (had_bullet ? 2 : 0);
}

/* What an element of an empty list of maps looks like, commented out. */
static void sample_item(const struct writer *w, const struct conf_row *row)
{
	struct writer item = {.f = w->f, .lead = "#", .is_sample = true};

	item.indent = 2 * conf_path_levels(row->path) + 2;
	for (unsigned int i = 0; row->sub[i].path != NULL; i++) {
		/* A comment cannot stand behind the bullet, so the first one goes above it. */
		if (i == 0) {
			put_help(&item, &row->sub[0]);
			item.is_sample = false;
			item.bullet = true;
		}
		put_row(&item, row->sub, i, NULL);
		item.is_sample = true;
	}
}

static void print_items(struct writer *w, const struct conf_row *row, const void *base)
{
	unsigned int levels = conf_path_levels(row->path);

	for (uint32_t n = 0; n < conf_count_const(row, base); n++) {
		struct writer item = {.f = w->f, .lead = "", .indent = 2 * levels + 2};

		item.bullet = true;
		for (unsigned int i = 0; row->sub[i].path != NULL; i++)
			put_row(&item, row->sub, i, conf_item_const(row, base, n));
	}
}

void yaml_conf_print(const struct conf_row *rows, const void *conf, FILE *f)
{
	struct writer w = {.f = f, .lead = ""};

	for (unsigned int i = 0; rows[i].path != NULL; i++) {
		put_row(&w, rows, i, conf);
		if (rows[i].type == CONF_TYPE_MAPS)
			print_items(&w, &rows[i], conf);
	}
}

void yaml_conf_sample(const struct conf_row *rows, const char *title, FILE *f)
{
	struct writer w = {.f = f, .lead = "", .is_sample = true};

	put_comment(&w, "SPDX-License-Identifier: BSD-3-Clause");
	put_comment(&w, title);
	put_comment(&w,
		    "Every key stands here with its default. [restart] marks those whose change "
		    "a reload refuses; the others are taken over by SIGHUP or `ntmctl reload`.");
	for (unsigned int i = 0; rows[i].path != NULL; i++) {
		if (strchr(rows[i].path, '.') == NULL || i == 0 ||
		    strncmp(rows[i].path, rows[i - 1].path, strcspn(rows[i].path, ".") + 1) != 0)
			fputc('\n', f);
		put_row(&w, rows, i, NULL);
		if (rows[i].type == CONF_TYPE_MAPS)
			sample_item(&w, &rows[i]);
	}
}
