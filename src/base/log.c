#include "base/log.h"

#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/timefmt.h"

static _Atomic int current_level = LOG_INFO;

static const char *const level_names[] = {"error", "warn", "info", "debug"};

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&current_level, memory_order_relaxed);
}

int log_level_parse(struct str text, enum log_level *ret_level)
{
	for (int i = LOG_ERROR; i <= LOG_DEBUG; i++) {
		if (str_eq(text, str_of(level_names[i]))) {
			*ret_level = (enum log_level)i;
			return 0;
		}
	}
	return E_SYNTAX;
}

static bool needs_quotes(struct str s)
{
	if (s.n == 0) {
		return true;
	}
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f) {
			return true;
		}
	}
	return false;
}

static void add_value(struct buf *line, struct str s)
{
	if (!needs_quotes(s)) {
		buf_add(line, s);
		return;
	}
	buf_add_char(line, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c == '"' || c == '\\') {
			buf_add_char(line, '\\');
			buf_add_char(line, (char)c);
		} else if (c < ' ' || c == 0x7f) {
			buf_add_f(line, "\\x%02x", c);
		} else {
			buf_add_char(line, (char)c);
		}
	}
	buf_add_char(line, '"');
}

void log_write(enum log_level level, const char *src, const char *msg,
	const struct log_field *fields, size_t n)
{
	char memory[LOG_LINE_BYTES];
	struct buf line = buf_fixed(memory, sizeof memory - 1);
	struct timespec now;
	char ts[TIMEFMT_ISO_BYTES];

	clock_gettime(CLOCK_REALTIME, &now);
	timefmt_iso((int64_t)now.tv_sec, ts);
	buf_add_f(&line, "ts=%.19s.%03ldZ level=%s src=%s msg=", ts, now.tv_nsec / 1000000,
		level_names[level], src);
	add_value(&line, str_of(msg));
	for (size_t i = 0; i < n; i++) {
		buf_add_f(&line, " %s=", fields[i].key);
		if (fields[i].is_text) {
			add_value(&line, fields[i].text);
		} else {
			buf_add_f(&line, "%lld", (long long)fields[i].number);
		}
	}
	memory[line.n] = '\n'; /* one byte is kept back for it; a line too long is cut */
	(void)!write(STDERR_FILENO, memory, line.n + 1); /* nowhere to report it */
}

bool log_limit_pass(struct log_limit *limit, int64_t now_s, uint32_t *ret_held)
{
	int64_t next = atomic_load_explicit(&limit->next_s_, memory_order_relaxed);
	/* Much further away than a period: the clock was set back. (Threads differ by a second.) */
	bool early = now_s < next && next - now_s <= INT64_C(2) * LOG_LIMIT_S;
	if (early || !atomic_compare_exchange_strong_explicit(&limit->next_s_, &next,
			     now_s + LOG_LIMIT_S, memory_order_relaxed, memory_order_relaxed)) {
		atomic_fetch_add_explicit(&limit->held_, 1, memory_order_relaxed);
		return false;
	}
	*ret_held = atomic_exchange_explicit(&limit->held_, 0, memory_order_relaxed);
	return true;
}
