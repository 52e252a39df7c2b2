/*
 * log - logfmt lines on stderr: ts level src msg k=v.
 *
 * Layer:   base
 * Threads: safe from any thread; one write(2) a line, so lines never mix
 * Memory:  fields are borrowed for the call
 * Secrets: there is no formatter for struct secret, on purpose. Never pass tokens, signatures,
 *          keys or metadata values.
 * Limits:  LOG_LINE_BYTES a line, the rest is cut; struct log_limit for what callers can trigger
 * Spec:    logfmt; values that hold spaces, quotes or control bytes are quoted and escaped
 *
 *	LOG(LOG_INFO, "store", "opened", LOG_STR("path", path), LOG_INT("instances", n));
 */
#ifndef TELLTALE_BASE_LOG_H
#define TELLTALE_BASE_LOG_H

#include <stdatomic.h>

#include "base/str.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

#define LOG_LINE_BYTES 1024

struct log_field {
	const char *key;
	struct str text; /* used when is_text */
	int64_t number;
	bool is_text;
};

#define LOG_STR(k, s)  ((struct log_field){.key = (k), .text = (s), .is_text = true})
#define LOG_TEXT(k, c) ((struct log_field){.key = (k), .text = str_of(c), .is_text = true})
#define LOG_INT(k, i)  ((struct log_field){.key = (k), .number = (int64_t)(i)})

/* Lines above this level are not written. Set once at start-up; LOG_INFO before that. */
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

/* "error", "warn", "info" or "debug". */
MUST_CHECK int log_level_parse(struct str text, enum log_level *ret_level);

void log_write(enum log_level level, const char *src, const char *msg,
	const struct log_field *fields, size_t n);

/* Arguments are not evaluated when the level is off. */
#define LOG(level, src, msg, ...)                                                                \
	do {                                                                                     \
		if (log_enabled(level)) {                                                        \
			const struct log_field fields_[] = {__VA_ARGS__};                        \
			log_write(level, src, msg, fields_, sizeof fields_ / sizeof fields_[0]); \
		}                                                                                \
	} while (0)

/*
 * At most one line per LOG_LIMIT_S seconds from one place; the number of lines that were held back
 * is told with the next one. Zeroed before use.
 */
#define LOG_LIMIT_S 60

struct log_limit {
	_Atomic int64_t next_s_;
	_Atomic uint32_t held_;
};

/* True when a line may be written now; ret_held is how many were not since the last. */
bool log_limit_pass(struct log_limit *limit, int64_t now_s, uint32_t *ret_held);

#endif
