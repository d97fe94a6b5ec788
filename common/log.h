/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

/* One line per event on standard error, for control threads only: never on a packet path.
 *
 *	LOG_TYPE("registry");
 *	LOG(INFO, "node enrolled name=%s", name);
 *
 * gives "2026-01-01T00:00:00.000Z info registry: node enrolled name=...". Text first, then
 * key=value. No newline at the end. Thread safe: a line is one write().
 */
enum log_level { LOG_ERR, LOG_WARN, LOG_NOTICE, LOG_INFO, LOG_DEBUG };

void log_set_level(enum log_level level);
enum log_level log_get_level(void);
/* 0, or -EINVAL when the word is none of err, warn, notice, info, debug. */
int log_level_parse(const char *word, enum log_level *level);

void log_write(enum log_level level, const char *type, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* At most burst lines per interval from one call site; the next line tells how many were held. */
struct log_limit {
	unsigned long long since_ns;
	unsigned int sent;
	unsigned int held;
};
int log_limit_pass(struct log_limit *l, unsigned int *held);

#define LOG_TYPE(name) static const char log_type_[] __attribute__((unused)) = name
#define LOG(level, ...) log_write(LOG_##level, log_type_, __VA_ARGS__)
#define LOG_RL(level, fmt, ...)                                                                    \
	do {                                                                                       \
		static struct log_limit limit_;                                                    \
		unsigned int held_;                                                                \
		if (log_limit_pass(&limit_, &held_))                                               \
			log_write(LOG_##level, log_type_, fmt " suppressed=%u", ##__VA_ARGS__,     \
				  held_);                                                          \
	} while (0)

#endif
