/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/yaml_value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

struct unit {
	const char *name;
	uint64_t times;
};

/* Smallest first: formatting takes the last one that divides. */
static const struct unit duration_units[] = {
	{"ns", 1},	     {"us", 1000},	    {"ms", CONF_MS(1)},	    {"s", CONF_SEC(1)},
	{"m", CONF_SEC(60)}, {"h", CONF_SEC(3600)}, {"d", CONF_SEC(86400)}, {NULL, 0},
};
static const struct unit size_units[] = {
	{"", 1}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {NULL, 0},
};
static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

static int refuse(char *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int refuse(char *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, CONF_WHY_MAX, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static const struct unit *row_units(const struct conf_row *row)
{
	switch (row->type) {
	case CONF_TYPE_DURATION:
		return duration_units;
	case CONF_TYPE_SIZE:
		return size_units;
	default:
		return no_units;
	}
}

static const char *row_wants(const struct conf_row *row)
{
	switch (row->type) {
	case CONF_TYPE_DURATION:
		return "a duration such as 90s, 15m or 250ms";
	case CONF_TYPE_SIZE:
		return "a size such as 4096, 64K or 16M";
	default:
		return "a whole number";
	}
}

static void number_format(const struct unit *units, uint64_t v, char *buf)
{
	const struct unit *best = units;

	for (const struct unit *u = units; u->name != NULL; u++)
		if (v != 0 && v % u->times == 0)
			best = u;
	if (v == 0 && units == duration_units)
		snprintf(buf, CONF_VALUE_MAX, "0s");
	else
		snprintf(buf, CONF_VALUE_MAX, "%" PRIu64 "%s", v / best->times, best->name);
}

void yaml_value_range(const struct conf_row *row, char *buf, size_t size)
{
	char lo[CONF_VALUE_MAX], hi[CONF_VALUE_MAX];
	size_t n = 0;

	buf[0] = '\0';
	switch (row->type) {
	case CONF_TYPE_U32:
	case CONF_TYPE_U64:
	case CONF_TYPE_SIZE:
	case CONF_TYPE_DURATION:
		number_format(row_units(row), row->min, lo);
		number_format(row_units(row), row->max, hi);
		snprintf(buf, size, "%.40s to %.40s", lo, hi);
		break;
	case CONF_TYPE_BOOL:
		snprintf(buf, size, "true or false");
		break;
	case CONF_TYPE_ENUM:
		for (size_t i = 0; row->words[i] != NULL && n < size; i++) {
			const char *sep = i == 0 ? "" : row->words[i + 1] != NULL ? ", " : " or ";

			n += (size_t)snprintf(buf + n, size - n, "%s%s", sep, row->words[i]);
		}
		break;
	default:
		break;
	}
}

static int number_parse(const struct conf_row *row, const char *text, uint64_t *out, char *why)
{
	char range[CONF_WHY_MAX / 2];
	uint64_t v;
	char *end;

	if (*text < '0' || *text > '9')
		return refuse(why, "'%.60s' is not %s", text, row_wants(row));
	errno = 0;
	v = strtoull(text, &end, 10);
	for (const struct unit *u = row_units(row);; u++) {
		if (u->name == NULL)
			return refuse(why, "'%.60s' is not %s", text, row_wants(row));
		/* A bare 0 needs no unit. */
		if (strcmp(end, u->name) == 0 || (v == 0 && *end == '\0')) {
			if (errno != 0 || __builtin_mul_overflow(v, u->times, &v))
				v = UINT64_MAX;
			break;
		}
	}
	yaml_value_range(row, range, sizeof(range));
	if (v < row->min || v > row->max) {
		char edge[CONF_VALUE_MAX];

		number_format(row_units(row), v < row->min ? row->min : row->max, edge);
		return refuse(why, "%.40s is %s %.40s (allowed: %s)", text,
			      v < row->min ? "below" : "above", edge, range);
	}
	*out = v;
	return 0;
}

static int bool_parse(const char *text, bool *out, char *why)
{
	static const char *const words[] = {"false", "no", "off", "true", "yes", "on"};

	for (unsigned int i = 0; i < 6; i++) {
		if (strcmp(text, words[i]) == 0) {
			*out = i >= 3;
			return 0;
		}
	}
	return refuse(why, "'%.60s' is neither true nor false", text);
}

static int enum_parse(const struct conf_row *row, const char *text, uint32_t *out, char *why)
{
	char range[CONF_WHY_MAX / 2];

	for (uint32_t i = 0; row->words[i] != NULL; i++) {
		if (strcmp(text, row->words[i]) == 0) {
			*out = i;
			return 0;
		}
	}
	yaml_value_range(row, range, sizeof(range));
	return refuse(why, "'%.60s' is not known (allowed: %s)", text, range);
}

static int string_parse(const struct conf_row *row, const char *text, char *out, char *why)
{
	size_t n = strlen(text);

	if (n < row->min || n > row->max)
		return refuse(why, "%zu bytes, allowed are %" PRIu64 " to %" PRIu64, n, row->min,
			      row->max);
	/* The rest of the array is zeroed too: structs are compared as bytes. */
	memset(out, 0, row->size);
	memcpy(out, text, n);
	return 0;
}

static int address_parse(const struct conf_row *row, const char *text, void *out, char *why)
{
	union {
		struct ip_addr ip;
		struct ip_prefix prefix;
		struct endpoint endpoint;
	} u;
	const char *what;
	int ret = 0;

	memset(&u, 0, sizeof(u));
	switch (row->type) {
	case CONF_TYPE_IP:
		what = "an address such as 192.0.2.1 or 2001:db8::1";
		ret = *text == '\0' ? 0 : ip_parse(text, &u.ip);
		break;
	case CONF_TYPE_PREFIX:
		what = "a prefix such as 192.0.2.0/24 or 2001:db8::/48 (host bits zero)";
		ret = *text == '\0' ? 0 : prefix_parse(text, &u.prefix);
		break;
	default:
		what = "an endpoint such as 192.0.2.1:53 or [2001:db8::1]:53";
		ret = *text == '\0' ? 0 : endpoint_parse(text, &u.endpoint);
		break;
	}
	if (ret < 0)
		return refuse(why, "'%.60s' is not %s", text, what);
	memcpy(out, &u, row->size);
	return 0;
}

int yaml_value_parse(const struct conf_row *row, const char *text, void *out, char *why)
{
	uint64_t v;
	int ret;

	switch (row->type) {
	case CONF_TYPE_BOOL:
		return bool_parse(text, out, why);
	case CONF_TYPE_U32:
	case CONF_TYPE_U64:
	case CONF_TYPE_SIZE:
	case CONF_TYPE_DURATION:
		ret = number_parse(row, text, &v, why);
		if (ret == 0 && row->type == CONF_TYPE_U32)
			*(uint32_t *)out = (uint32_t)v;
		else if (ret == 0)
			*(uint64_t *)out = v;
		return ret;
	case CONF_TYPE_STRING:
	case CONF_TYPE_SECRET:
		return string_parse(row, text, out, why);
	case CONF_TYPE_ENUM:
		return enum_parse(row, text, out, why);
	case CONF_TYPE_IP:
	case CONF_TYPE_PREFIX:
	case CONF_TYPE_ENDPOINT:
		return address_parse(row, text, out, why);
	case CONF_TYPE_MAPS:
		break;
	}
	return refuse(why, "wants a list of maps");
}

/* An address that is all zero bytes stands for the empty text. */
static bool is_zero(const void *in, size_t size)
{
	const uint8_t *b = in;

	for (size_t i = 0; i < size; i++)
		if (b[i] != 0)
			return false;
	return true;
}

void yaml_value_format(const struct conf_row *row, const void *in, char *buf)
{
	buf[0] = '\0';
	switch (row->type) {
	case CONF_TYPE_BOOL:
		snprintf(buf, CONF_VALUE_MAX, "%s", *(const bool *)in ? "true" : "false");
		break;
	case CONF_TYPE_U32:
		number_format(row_units(row), *(const uint32_t *)in, buf);
		break;
	case CONF_TYPE_U64:
	case CONF_TYPE_SIZE:
	case CONF_TYPE_DURATION:
		number_format(row_units(row), *(const uint64_t *)in, buf);
		break;
	case CONF_TYPE_STRING:
	case CONF_TYPE_SECRET:
		snprintf(buf, CONF_VALUE_MAX, "%s", (const char *)in);
		break;
	case CONF_TYPE_ENUM:
		snprintf(buf, CONF_VALUE_MAX, "%s", row->words[*(const uint32_t *)in]);
		break;
	case CONF_TYPE_IP:
		if (!is_zero(in, row->size))
			ip_format(in, buf);
		break;
	case CONF_TYPE_PREFIX:
		if (!is_zero(in, row->size))
			prefix_format(in, buf);
		break;
	case CONF_TYPE_ENDPOINT:
		if (!is_zero(in, row->size))
			endpoint_format(in, buf);
		break;
	case CONF_TYPE_MAPS:
		break;
	}
}

bool yaml_value_next(const char **list, char *buf)
{
	const char *s = *list + strspn(*list, ", ");
	size_t n = strcspn(s, ","), keep = n < CONF_VALUE_MAX ? n : CONF_VALUE_MAX - 1;

	if (n == 0)
		return false;
	memcpy(buf, s, keep);
	buf[keep] = '\0';
	*list = s + n;
	return true;
}
