/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/yaml_conf.h"
#include "common/yaml_report.h"
#include "common/yaml_table.h"
#include "common/yaml_value.h"

#include <errno.h>
#include <stdlib.h>
#include <yaml.h>

enum {
	FRAMES_MAX = 12, /* nesting of what the tables know; deeper is refused */
	SKIP_MAX = 32,	 /* nesting below an unknown key */
};

/* What the next node in a map belongs to. */
enum key_state {
	KEY_NONE,  /* a key comes next */
	KEY_VALUE, /* of a row */
	KEY_GROUP, /* a map of further keys */
	KEY_BAD,   /* reported already: the value is skipped */
};

struct frame {
	bool is_list;
	uint8_t level;		     /* how many keys of a dotted path lead here */
	uint16_t path_len;	     /* of walk.path */
	uint16_t base_len;	     /* where the path relative to the table begins */
	const struct conf_row *rows; /* maps: the table */
	uint8_t *base;		     /* maps: the struct it fills */
	uint8_t *seen;		     /* maps: per row a bit per level */
	const struct conf_row *list; /* lists: the row */
	uint8_t *owner;		     /* lists: the struct that holds the array */
};

struct walk {
	struct conf_report *r;
	char path[CONF_PATH_MAX]; /* of the value at hand, as errors print it */
	struct frame stack[FRAMES_MAX];
	unsigned int depth;
	unsigned int skip; /* nesting of a skipped value */
	enum key_state key;
	const struct conf_row *row;
	unsigned int documents;
	/* A list of maps stands only in the outer table, so two sets are enough. */
	uint8_t seen[2][CONF_ROWS_MAX];
};

static struct frame *walk_top(struct walk *w)
{
	return &w->stack[w->depth - 1];
}

static int fail(struct walk *w, const yaml_event_t *ev, const char *why)
{
	return conf_report_add(w->r, (uint32_t)ev->start_mark.line + 1, w->path, why);
}

static int push_map(struct walk *w, const yaml_event_t *ev, const struct frame *f)
{
	if (w->depth == FRAMES_MAX)
		return fail(w, ev, "is nested too deep");
	w->stack[w->depth++] = *f;
	w->key = KEY_NONE;
	return 0;
}

/* The row that key leads to from frame f: its first match also keeps the frame's seen bit. */
static void key_find(struct walk *w, const yaml_event_t *ev, const char *key)
{
	struct frame *f = walk_top(w);
	const char *rel = w->path + f->base_len;
	size_t n = strlen(rel);
	const struct conf_row *row;

	w->key = KEY_BAD;
	for (row = f->rows; row->path != NULL; row++)
		if (conf_path_head(row->path, f->level) == n && memcmp(row->path, rel, n) == 0)
			break;
	if (row->path == NULL || strchr(key, '.') != NULL) {
		fail(w, ev, "unknown key");
		return;
	}
	if (f->seen[row - f->rows] & (1u << f->level)) {
		fail(w, ev, "is here twice");
		return;
	}
	f->seen[row - f->rows] |= (uint8_t)(1u << f->level);
	w->row = row;
	w->key = row->path[n] == '\0' ? KEY_VALUE : KEY_GROUP;
	conf_report_line(w->r, w->path, (uint32_t)ev->start_mark.line + 1);
}

static void take_key(struct walk *w, const yaml_event_t *ev)
{
	const char *key = (const char *)ev->data.scalar.value;
	struct frame *f = walk_top(w);
	const char *dot = f->path_len > 0 ? "." : "";

	snprintf(w->path + f->path_len, sizeof(w->path) - f->path_len, "%s%.60s", dot, key);
	/* The relative path of an element's own keys begins behind the dot. */
	if (f->level == 0)
		f->base_len = (uint16_t)(f->path_len + strlen(dot));
	key_find(w, ev, key);
}

static void take_value(struct walk *w, const yaml_event_t *ev)
{
	const char *text = (const char *)ev->data.scalar.value;
	bool is_empty = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && *text == '\0';
	struct frame *f = walk_top(w);
	enum key_state key = w->key;
	char why[CONF_WHY_MAX];

	w->key = KEY_NONE;
	if (key == KEY_BAD)
		return;
	if (key == KEY_GROUP) {
		/* `rs:` with everything below it commented out. */
		if (!is_empty)
			fail(w, ev, "wants keys below it, not a value");
	} else if (w->row->list_max > 0) {
		fail(w, ev, "wants a list");
	} else if (yaml_value_parse(w->row, text, conf_item(w->row, f->base, 0), why) < 0) {
		fail(w, ev, why);
	}
}

/* Room for one more in the list on top, its path extended by "[i]"; NULL when it is full. */
static void *list_grow(struct walk *w, const yaml_event_t *ev)
{
	struct frame *f = walk_top(w);
	uint32_t *count = conf_count(f->list, f->owner);
	char why[CONF_WHY_MAX];

	w->path[f->path_len] = '\0';
	if (*count == f->list->list_max) {
		snprintf(why, sizeof(why), "has more than %u values", f->list->list_max);
		fail(w, ev, why);
		return NULL;
	}
	snprintf(w->path + f->path_len, sizeof(w->path) - f->path_len, "[%u]", *count);
	conf_report_line(w->r, w->path, (uint32_t)ev->start_mark.line + 1);
	return conf_item(f->list, f->owner, (*count)++);
}

static void take_item(struct walk *w, const yaml_event_t *ev)
{
	struct frame *f = walk_top(w);
	void *item = list_grow(w, ev);
	char why[CONF_WHY_MAX];

	if (item == NULL)
		return;
	if (f->list->type == CONF_TYPE_MAPS)
		fail(w, ev, "wants a map of keys");
	else if (yaml_value_parse(f->list, (const char *)ev->data.scalar.value, item, why) < 0)
		fail(w, ev, why);
}

static int on_scalar(struct walk *w, const yaml_event_t *ev)
{
	if (w->skip > 0)
		return 0;
	if (memchr(ev->data.scalar.value, '\0', ev->data.scalar.length) != NULL)
		return fail(w, ev, "has a zero byte in it");
	if (w->depth == 0) {
		/* An empty document is a scalar, too. */
		return ev->data.scalar.length == 0 ? 0
						   : fail(w, ev, "a map of keys must stand here");
	}
	if (walk_top(w)->is_list)
		take_item(w, ev);
	else if (w->key == KEY_NONE)
		take_key(w, ev);
	else
		take_value(w, ev);
	return 0;
}

/* An element of a list of maps begins. */
static int enter_item(struct walk *w, const yaml_event_t *ev)
{
	struct frame *f = walk_top(w);
	struct frame map = {.rows = f->list->sub, .seen = w->seen[1]};

	if (f->list->type != CONF_TYPE_MAPS) {
		w->path[f->path_len] = '\0';
		w->skip = 1;
		fail(w, ev, "wants plain values in its list");
		return 0;
	}
	map.base = list_grow(w, ev);
	if (map.base == NULL) {
		w->skip = 1;
		return 0;
	}
	memset(map.base, 0, f->list->size);
	memset(w->seen[1], 0, sizeof(w->seen[1]));
	map.path_len = (uint16_t)strlen(w->path);
	if (conf_table_fill(map.rows, map.base, true, w->r) < 0)
		return -EINVAL;
	return push_map(w, ev, &map);
}

static int on_map_start(struct walk *w, const yaml_event_t *ev)
{
	struct frame next;

	if (w->skip > 0)
		return ++w->skip > SKIP_MAX ? fail(w, ev, "is nested too deep") : 0;
	if (walk_top(w)->is_list)
		return enter_item(w, ev);
	if (w->key == KEY_NONE)
		return fail(w, ev, "a key must be a word");
	if (w->key == KEY_GROUP) {
		next = *walk_top(w);
		next.level++;
		next.path_len = (uint16_t)strlen(w->path);
		return push_map(w, ev, &next);
	}
	if (w->key == KEY_VALUE)
		fail(w, ev, w->row->list_max > 0 ? "wants a list" : "wants a value, not keys");
	w->key = KEY_NONE;
	w->skip = 1;
	return 0;
}

static int on_list_start(struct walk *w, const yaml_event_t *ev)
{
	struct frame list = {.is_list = true};

	if (w->skip > 0)
		return ++w->skip > SKIP_MAX ? fail(w, ev, "is nested too deep") : 0;
	if (w->depth == 0)
		return fail(w, ev, "a map of keys must stand here");
	if (walk_top(w)->is_list) {
		w->skip = 1;
		fail(w, ev, "is a list inside a list");
		return 0;
	}
	if (w->key == KEY_NONE)
		return fail(w, ev, "a key must be a word");
	if (w->key == KEY_VALUE && w->row->list_max > 0) {
		list.list = w->row;
		list.owner = walk_top(w)->base;
		list.path_len = (uint16_t)strlen(w->path);
		*conf_count(list.list, list.owner) = 0;
		return push_map(w, ev, &list);
	}
	if (w->key != KEY_BAD)
		fail(w, ev, w->key == KEY_GROUP ? "wants keys below it" : "wants a single value");
	w->key = KEY_NONE;
	w->skip = 1;
	return 0;
}

/* Keys without a default that the element which ends here did not give. */
static void required_check(struct walk *w, const yaml_event_t *ev, const struct frame *f)
{
	size_t len = strlen(w->path);

	for (unsigned int i = 0; f->rows[i].path != NULL; i++) {
		const char *path = f->rows[i].path;

		if (f->rows[i].def != NULL || f->seen[i] & (1u << conf_path_levels(path)))
			continue;
		snprintf(w->path + len, sizeof(w->path) - len, ".%s", path);
		fail(w, ev, "must be given");
		w->path[len] = '\0';
	}
}

static void on_end(struct walk *w, const yaml_event_t *ev)
{
	const struct frame *f = walk_top(w);

	if (w->skip > 0) {
		w->skip--;
		return;
	}
	w->path[f->path_len] = '\0';
	if (!f->is_list && f->level == 0)
		required_check(w, ev, f);
	w->depth--;
	w->key = KEY_NONE;
}

static int on_event(struct walk *w, const yaml_event_t *ev, const struct frame *root)
{
	switch (ev->type) {
	case YAML_DOCUMENT_START_EVENT:
		return w->documents++ == 0 ? 0 : fail(w, ev, "a second document is not read");
	case YAML_ALIAS_EVENT:
		return fail(w, ev, "aliases are not read");
	case YAML_SCALAR_EVENT:
		if (ev->data.scalar.anchor != NULL || ev->data.scalar.tag != NULL)
			return fail(w, ev, "anchors and tags are not read");
		return on_scalar(w, ev);
	case YAML_MAPPING_START_EVENT:
		if (ev->data.mapping_start.anchor != NULL || ev->data.mapping_start.tag != NULL)
			return fail(w, ev, "anchors and tags are not read");
		return w->depth == 0 ? push_map(w, ev, root) : on_map_start(w, ev);
	case YAML_SEQUENCE_START_EVENT:
		if (ev->data.sequence_start.anchor != NULL || ev->data.sequence_start.tag != NULL)
			return fail(w, ev, "anchors and tags are not read");
		return on_list_start(w, ev);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		on_end(w, ev);
		return 0;
	default:
		return 0;
	}
}

static void walk_run(struct walk *w, yaml_parser_t *parser, const struct frame *root)
{
	yaml_event_t ev;
	bool is_end = false;

	while (!is_end) {
		if (!yaml_parser_parse(parser, &ev)) {
			conf_report_add(w->r, (uint32_t)parser->problem_mark.line + 1, "",
					parser->problem ? parser->problem : "not YAML");
			return;
		}
		is_end = ev.type == YAML_STREAM_END_EVENT || on_event(w, &ev, root) < 0;
		yaml_event_delete(&ev);
	}
}

static int parse_text(const struct conf_row *rows, const char *text, size_t len, void *out,
		      struct conf_report *r)
{
	struct frame root = {.rows = rows, .base = out};
	yaml_parser_t parser;
	struct walk *w;

	if (conf_table_defaults(rows, out, r) < 0)
		return -EINVAL;
	if (len > CONF_FILE_MAX)
		return conf_report_add(r, 0, "", "the file is too large");
	w = calloc(1, sizeof(*w));
	if (w == NULL || !yaml_parser_initialize(&parser)) {
		free(w);
		return conf_report_add(r, 0, "", "no memory");
	}
	w->r = r;
	root.seen = w->seen[0];
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	walk_run(w, &parser, &root);
	yaml_parser_delete(&parser);
	free(w);
	return r->n_errors == 0 ? 0 : -EINVAL;
}

int yaml_conf_parse(const struct conf_row *rows, const char *name, const char *text, size_t len,
		    void *out, struct conf_report *r)
{
	conf_report_init(r, name);
	return parse_text(rows, text, len, out, r);
}

int yaml_conf_load(const struct conf_row *rows, const char *path, void *out, struct conf_report *r)
{
	const char *slash = strrchr(path, '/');
	char *text;
	size_t len;
	int ret;

	conf_report_init(r, slash == NULL ? path : slash + 1);
	ret = conf_file_read(path, &text, &len);
	if (ret < 0) {
		conf_report_add(r, 0, "", strerror(-ret));
		return ret;
	}
	ret = parse_text(rows, text, len, out, r);
	free(text);
	return ret;
}
