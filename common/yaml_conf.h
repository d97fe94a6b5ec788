/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_YAML_CONF_H
#define COMMON_YAML_CONF_H

/* Configuration files from one table of keys. The table drives the parser, the range checks,
 * `--check`, `--print-config`, the commented sample under config/ and what a reload may change,
 * so that a key is written down once:
 *
 *	static const struct conf_row rows[] = {
 *		CONF_U32("rs.nat.ports", struct config, nat_ports, 1024, 65535, "65535", RESTART,
 *			 "how many ports a public address has"),
 *		CONF_LIST(PREFIX, "dc.vip.pools", struct config, pools, n_pools, "240.0.0.0/8",
 *			  RESTART, "where virtual addresses come from"),
 *		CONF_MAPS("interfaces", struct config, ifs, n_ifs, if_rows, RESTART, "the ports"),
 *		CONF_END,
 *	};
 *
 * The caller's struct is plain memory: strings and lists are arrays inside it, nothing is
 * allocated, so it is copied, compared and published as bytes. Every function works on its
 * arguments alone and may be called from any thread but the lcores of a packet path.
 */
#include "common/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum conf_type {
	CONF_TYPE_BOOL,	    /* bool: true, false, yes, no, on, off */
	CONF_TYPE_U32,	    /* uint32_t, within min and max */
	CONF_TYPE_U64,	    /* uint64_t, within min and max */
	CONF_TYPE_SIZE,	    /* uint64_t bytes: "4096", "64K", "16M", "2G" (powers of 1024) */
	CONF_TYPE_DURATION, /* uint64_t nanoseconds: "250ms", "90s", "15m", "6h", "2d"; also us, ns */
	CONF_TYPE_STRING,   /* char[], min to max bytes and a zero */
	CONF_TYPE_SECRET,   /* a string that --print-config does not show */
	CONF_TYPE_ENUM,	    /* uint32_t: the index of the word in words[] */
	CONF_TYPE_IP,	    /* struct ip_addr; the empty text is "none" (all zero) */
	CONF_TYPE_PREFIX,   /* struct ip_prefix; the empty text is all zero */
	CONF_TYPE_ENDPOINT, /* struct endpoint: "1.2.3.4:5", "[::1]:5"; the empty text is all zero */
	CONF_TYPE_MAPS,	    /* a list of maps, each an element of the caller's array */
};

enum conf_reload {
	CONF_RESTART, /* a change is refused on reload: it needs a restart, and the sample says so */
	CONF_RELOAD,  /* taken over by a reload */
};

struct conf_row {
	const char *path; /* dotted; "nat.ports" is key `ports` of map `nat` */
	const char *help; /* a sentence for the sample; wrapped there */
	/* Text of the default, read by the same parser; of a list: "a, b", "" is the empty list.
	 * In the table of a list of maps NULL means that the key must be given.
	 */
	const char *def;
	uint64_t min, max;	    /* numbers: the range; strings: bytes */
	const char *const *words;   /* CONF_TYPE_ENUM; ends with NULL */
	const struct conf_row *sub; /* CONF_TYPE_MAPS: keys of one map; no such list inside it */
	size_t offset, size;	    /* of the value (of a list: the first), and of one value */
	size_t count_offset;	    /* lists: the uint32_t with the number of values */
	uint32_t list_max;	    /* 0: not a list */
	enum conf_type type;
	enum conf_reload reload;
};

/* Fails to compile when the field has another type. */
#define CONF_FIELD(st, field, want)                                                                \
	(offsetof(st, field) +                                                                     \
	 0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((st *)0)->field), want) ? 1      \
											  : -1]))
#define CONF_ROW_(t, p, st, f, ctype, lo, hi, d, r, h)                                             \
	{                                                                                          \
		.path = (p), .help = (h), .def = (d), .min = (lo), .max = (hi),                    \
		.offset = CONF_FIELD(st, f, ctype), .size = sizeof(((st *)0)->f),                  \
		.type = CONF_TYPE_##t, .reload = CONF_##r                                          \
	}
#define CONF_BOOL(p, st, f, d, r, h) CONF_ROW_(BOOL, p, st, f, bool, 0, 1, d, r, h)
#define CONF_U32(p, st, f, lo, hi, d, r, h) CONF_ROW_(U32, p, st, f, uint32_t, lo, hi, d, r, h)
#define CONF_U64(p, st, f, lo, hi, d, r, h) CONF_ROW_(U64, p, st, f, uint64_t, lo, hi, d, r, h)
#define CONF_SIZE(p, st, f, lo, hi, d, r, h) CONF_ROW_(SIZE, p, st, f, uint64_t, lo, hi, d, r, h)
/* lo and hi in nanoseconds: CONF_SEC(10). */
#define CONF_DURATION(p, st, f, lo, hi, d, r, h)                                                   \
	CONF_ROW_(DURATION, p, st, f, uint64_t, lo, hi, d, r, h)
#define CONF_STRING(p, st, f, d, r, h)                                                             \
	CONF_ROW_(STRING, p, st, f, char[sizeof(((st *)0)->f)], 0, sizeof(((st *)0)->f) - 1, d, r, \
		  h)
#define CONF_SECRET(p, st, f, d, r, h)                                                             \
	CONF_ROW_(SECRET, p, st, f, char[sizeof(((st *)0)->f)], 0, sizeof(((st *)0)->f) - 1, d, r, \
		  h)
#define CONF_IP(p, st, f, d, r, h) CONF_ROW_(IP, p, st, f, struct ip_addr, 0, 0, d, r, h)
#define CONF_PREFIX(p, st, f, d, r, h) CONF_ROW_(PREFIX, p, st, f, struct ip_prefix, 0, 0, d, r, h)
#define CONF_ENDPOINT(p, st, f, d, r, h)                                                           \
	CONF_ROW_(ENDPOINT, p, st, f, struct endpoint, 0, 0, d, r, h)
/* wordlist: static const char *const x[] = {"poll", "adaptive", NULL}. */
#define CONF_ENUM(p, st, f, wordlist, d, r, h)                                                     \
	{                                                                                          \
		.path = (p), .help = (h), .def = (d), .words = (wordlist),                         \
		.offset = CONF_FIELD(st, f, uint32_t), .size = sizeof(uint32_t),                   \
		.type = CONF_TYPE_ENUM, .reload = CONF_##r                                         \
	}

#define CONF_ELEM_(st, f) (((st *)0)->f[0])
/* t: STRING, IP, PREFIX, ENDPOINT. The array's length is the most that is taken. */
#define CONF_LIST(t, p, st, f, nf, d, r, h)                                                        \
	{                                                                                          \
		.path = (p), .help = (h), .def = (d), .max = sizeof(CONF_ELEM_(st, f)) - 1,        \
		.offset = offsetof(st, f), .size = sizeof(CONF_ELEM_(st, f)),                      \
		.count_offset = CONF_FIELD(st, nf, uint32_t),                                      \
		.list_max = sizeof(((st *)0)->f) / sizeof(CONF_ELEM_(st, f)),                      \
		.type = CONF_TYPE_##t, .reload = CONF_##r                                          \
	}
/* Lists of U32, U64, SIZE, DURATION. */
#define CONF_LIST_NUM(t, p, st, f, nf, lo, hi, d, r, h)                                            \
	{                                                                                          \
		.path = (p), .help = (h), .def = (d), .min = (lo), .max = (hi),                    \
		.offset = offsetof(st, f), .size = sizeof(CONF_ELEM_(st, f)),                      \
		.count_offset = CONF_FIELD(st, nf, uint32_t),                                      \
		.list_max = sizeof(((st *)0)->f) / sizeof(CONF_ELEM_(st, f)),                      \
		.type = CONF_TYPE_##t, .reload = CONF_##r                                          \
	}
#define CONF_LIST_ENUM(p, st, f, nf, wordlist, d, r, h)                                            \
	{                                                                                          \
		.path = (p), .help = (h), .def = (d), .words = (wordlist),                         \
		.offset = offsetof(st, f), .size = sizeof(CONF_ELEM_(st, f)),                      \
		.count_offset = CONF_FIELD(st, nf, uint32_t),                                      \
		.list_max = sizeof(((st *)0)->f) / sizeof(CONF_ELEM_(st, f)),                      \
		.type = CONF_TYPE_ENUM, .reload = CONF_##r                                         \
	}
/* subrows: a table over the element's struct, its paths relative to the map. Default: empty. */
#define CONF_MAPS(p, st, f, nf, subrows, r, h)                                                     \
	{                                                                                          \
		.path = (p), .help = (h), .def = "", .sub = (subrows), .offset = offsetof(st, f),  \
		.size = sizeof(CONF_ELEM_(st, f)), .count_offset = CONF_FIELD(st, nf, uint32_t),   \
		.list_max = sizeof(((st *)0)->f) / sizeof(CONF_ELEM_(st, f)),                      \
		.type = CONF_TYPE_MAPS, .reload = CONF_##r                                         \
	}
#define CONF_END                                                                                   \
	{                                                                                          \
		.path = NULL                                                                       \
	}

#define CONF_MS(n) ((n)*UINT64_C(1000000))
#define CONF_SEC(n) ((n)*UINT64_C(1000000000))

enum {
	CONF_FILE_MAX = 1 << 20, /* bytes of a file */
	CONF_ERRORS_MAX = 16,	 /* lines of a report; more are only counted */
	CONF_ERROR_TEXT_MAX = 320,
	CONF_VALUE_MAX = 768, /* bytes of one value, also the longest default */
	CONF_ROWS_MAX = 256,  /* rows of one table */
};

struct conf_line;

/* What one load has to say, and at which line each key stood. Owned by the caller; zeroed by the
 * load, released by conf_report_free().
 */
struct conf_report {
	char file[128]; /* the file's name without folders, as errors show it */
	unsigned int n_errors;
	char text[CONF_ERRORS_MAX][CONF_ERROR_TEXT_MAX]; /* "a.yaml:14: key: why" */
	struct conf_line *lines;
	uint32_t n_lines, size_lines;
};

/* Fill out with the defaults. 0, or -EINVAL when the table itself is wrong (a default its own row
 * refuses, two rows of one path, a missing default); r then says which.
 */
int yaml_conf_defaults(const struct conf_row *rows, void *out, struct conf_report *r);

/* Defaults, then the file on top. 0; -EINVAL with at least one line in r: every error found, not
 * the first only; -errno when the file cannot be read (one line in r, too). out is complete only
 * on 0. Refused: unknown and doubled keys, aliases, anchors, tags, more than one document, NULs
 * and nesting past the table's.
 */
int yaml_conf_load(const struct conf_row *rows, const char *path, void *out, struct conf_report *r);
/* The same from memory; name is for the messages. */
int yaml_conf_parse(const struct conf_row *rows, const char *name, const char *text, size_t len,
		    void *out, struct conf_report *r);

/* For checks across keys after a load: adds "file:line: path: why" to r, with the line where path
 * stands ("rs.nat.ports", "interfaces[1].vlan", counted from 0), or without one if it is not in
 * the file. Returns -EINVAL, so that a check can end with it.
 */
int yaml_conf_reject(struct conf_report *r, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void conf_report_print(const struct conf_report *r, FILE *f);
void conf_report_free(struct conf_report *r);

/* The effective values as YAML that loads again (secrets as their length in a comment). */
void yaml_conf_print(const struct conf_row *rows, const void *conf, FILE *f);
/* The commented sample: title, then every key with its default, help, range and restart mark. */
void yaml_conf_sample(const struct conf_row *rows, const char *title, FILE *f);
/* For a unit test beside each table: path must be byte for byte what yaml_conf_sample() writes and
 * must load to the defaults. size is that of the caller's struct. 0 or -EINVAL with r.
 */
int yaml_conf_check_sample(const struct conf_row *rows, const char *title, const char *path,
			   size_t size, struct conf_report *r);

/* Called for each key that differs; texts are valid during the call. */
typedef void (*conf_changed_fn)(void *ctx, const struct conf_row *row, const char *path,
				const char *was, const char *is);
/* What a reload would change. Returns how many of the changed keys need a restart. */
unsigned int yaml_conf_diff(const struct conf_row *rows, const void *was, const void *is,
			    conf_changed_fn fn, void *ctx);

#endif
