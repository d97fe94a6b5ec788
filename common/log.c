/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1024, LIMIT_BURST = 8 };
static const unsigned long long LIMIT_INTERVAL_NS = 1000000000ULL;

static const char *const level_names[] = {"err", "warn", "notice", "info", "debug"};
static _Atomic int level_max = LOG_INFO;

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&level_max, level, memory_order_relaxed);
}

enum log_level log_get_level(void)
{
	return atomic_load_explicit(&level_max, memory_order_relaxed);
}

int log_level_parse(const char *word, enum log_level *level)
{
	for (int i = 0; i <= LOG_DEBUG; i++) {
		if (strcmp(word, level_names[i]) == 0) {
			*level = i;
			return 0;
		}
	}
	return -EINVAL;
}

void log_write(enum log_level level, const char *type, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	struct timespec ts;
	struct tm tm;
	va_list ap;
	int n, m;

	if ((int)level > atomic_load_explicit(&level_max, memory_order_relaxed))
		return;
	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	n = (int)strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &tm);
	n += snprintf(line + n, sizeof(line) - (size_t)n, ".%03ldZ %s %s: ", ts.tv_nsec / 1000000,
		      level_names[level], type);
	va_start(ap, fmt);
	m = vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
	va_end(ap);
	if (m < 0)
		return;
	n += m;
	if (n > LINE_MAX_BYTES - 2)
		n = LINE_MAX_BYTES - 2; /* cut; a line stays a line */
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return; /* nowhere left to say it */
}

int log_limit_pass(struct log_limit *l, unsigned int *held)
{
	struct timespec ts;
	unsigned long long now;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = (unsigned long long)ts.tv_sec * 1000000000ULL + (unsigned long long)ts.tv_nsec;
	if (now - l->since_ns >= LIMIT_INTERVAL_NS) {
		l->since_ns = now;
		l->sent = 0;
	}
	if (l->sent >= LIMIT_BURST) {
		l->held++;
		return 0;
	}
	l->sent++;
	*held = l->held;
	l->held = 0;
	return 1;
}
