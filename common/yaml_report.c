/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/yaml_report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

struct conf_line {
	char path[CONF_PATH_MAX];
	uint32_t line;
};

void conf_report_init(struct conf_report *r, const char *file)
{
	memset(r, 0, sizeof(*r));
	snprintf(r->file, sizeof(r->file), "%s", file);
}

void conf_report_free(struct conf_report *r)
{
	free(r->lines);
	r->lines = NULL;
	r->n_lines = r->size_lines = 0;
}

int conf_report_add(struct conf_report *r, uint32_t line, const char *path, const char *why)
{
	const char *colon = *path == '\0' ? "" : ": ";
	char at[16] = "", file[sizeof(r->file)];

	memcpy(file, r->file, sizeof(file));
	if (line > 0)
		snprintf(at, sizeof(at), "%u:", line);
	if (r->n_errors < CONF_ERRORS_MAX)
		snprintf(r->text[r->n_errors], CONF_ERROR_TEXT_MAX, "%.100s:%s %s%s%s", file, at,
			 path, colon, why);
	r->n_errors++;
	return -EINVAL;
}

void conf_report_line(struct conf_report *r, const char *path, uint32_t line)
{
	if (r->n_lines == r->size_lines) {
		uint32_t size = r->size_lines == 0 ? 32 : 2 * r->size_lines;
		struct conf_line *lines = reallocarray(r->lines, size, sizeof(*lines));

		if (lines == NULL)
			return;
		r->lines = lines;
		r->size_lines = size;
	}
	snprintf(r->lines[r->n_lines].path, CONF_PATH_MAX, "%s", path);
	r->lines[r->n_lines++].line = line;
}

uint32_t conf_report_find(const struct conf_report *r, const char *path)
{
	size_t len = strlen(path);

	/* Cut the path at its last '.' or '[' until something is known of it. */
	while (len > 0) {
		for (uint32_t i = 0; i < r->n_lines; i++) {
			const struct conf_line *l = &r->lines[i];

			if (strncmp(l->path, path, len) == 0 && l->path[len] == '\0')
				return l->line;
		}
		do
			len--;
		while (len > 0 && path[len] != '.' && path[len] != '[');
	}
	return 0;
}

int yaml_conf_reject(struct conf_report *r, const char *path, const char *fmt, ...)
{
	char why[CONF_ERROR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return conf_report_add(r, conf_report_find(r, path), path, why);
}

void conf_report_print(const struct conf_report *r, FILE *f)
{
	unsigned int shown = r->n_errors < CONF_ERRORS_MAX ? r->n_errors : CONF_ERRORS_MAX;

	for (unsigned int i = 0; i < shown; i++)
		fprintf(f, "%s\n", r->text[i]);
	if (r->n_errors > shown)
		fprintf(f, "%s: %u more errors\n", r->file, r->n_errors - shown);
}

int conf_file_read(const char *path, char **text, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 1;
	int ret = 0;

	if (fd < 0)
		return -errno;
	*len = 0;
	*text = malloc(CONF_FILE_MAX + 1);
	if (*text == NULL)
		ret = -ENOMEM;
	while (ret == 0 && n > 0) {
		n = read(fd, *text + *len, CONF_FILE_MAX + 1 - *len);
		if (n > 0)
			*len += (size_t)n;
		else if (n < 0 && errno != EINTR)
			ret = -errno;
		else if (n < 0)
			n = 1;
		if (*len > CONF_FILE_MAX)
			ret = -EFBIG;
	}
	close(fd);
	if (ret < 0) {
		free(*text);
		*text = NULL;
	}
	return ret;
}
