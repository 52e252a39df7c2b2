/*
 * config_help - what the tests of src/config/ share: cases from files, memory that runs out.
 *
 * Included once in a program. Linked with -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc the tests
 * that let every allocation fail run; without, they are skipped.
 */
#ifndef TELLTALE_TESTS_CONFIG_HELP_H
#define TELLTALE_TESTS_CONFIG_HELP_H

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"

#define VECTORS "tests/vectors/config/"

/* For cmocka: paths below are relative to the source tree. */
static inline int enter_source_tree(void **state)
{
	(void)state;
	return chdir(TEST_SOURCE_ROOT);
}

/* --- cases from files -------------------------------------------------------------------------- */

struct config_case {
	struct str name;
	struct str text;
	struct str result;
};

static inline void read_whole(const char *path, struct buf *out)
{
	FILE *file = fopen(path, "rb");
	if (!file) {
		fail_msg("%s: %s", path, strerror(errno));
		return;
	}
	for (;;) {
		char *room = buf_room(out, 4096);
		assert_non_null(room);
		size_t n = fread(room, 1, 4096, file);
		if (n == 0) {
			break;
		}
		out->n += n;
	}
	fclose(file);
}

static inline struct str next_line(struct str *rest)
{
	struct str line = {rest->p, str_find(*rest, '\n')};
	*rest = str_from(*rest, line.n < rest->n ? line.n + 1 : line.n);
	return line;
}

/* Call once for each "== NAME, the file, -> RESULT" of a file. */
static inline void each_case(const char *path, void (*on_case)(const struct config_case *one))
{
	CLEANUP(buf_done) struct buf content = BUF_EMPTY;
	struct config_case one = {0};
	size_t n = 0;
	read_whole(path, &content);
	struct str rest = buf_str(&content);
	while (rest.n) {
		struct str line = next_line(&rest);
		if (str_starts(line, STR("== "))) {
			one.name = str_from(line, 3);
			one.text = (struct str){rest.p, 0};
		} else if (str_starts(line, STR("-> "))) {
			one.result = str_from(line, 3);
			one.text.n = (size_t)(line.p - one.text.p);
			on_case(&one);
			n++;
		}
	}
	assert_true(n > 0);
}

/* Replace each `from` in text by `to`; the caller frees. */
static inline char *replaced(struct str text, const char *from, const char *to)
{
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	struct str word = str_of(from);
	while (text.n) {
		if (str_starts(text, word)) {
			buf_add(&out, str_of(to));
			text = str_from(text, word.n);
		} else {
			buf_add_char(&out, text.p[0]);
			text = str_from(text, 1);
		}
	}
	char *p = buf_take(&out);
	assert_non_null(p);
	return p;
}

/* A result with FOLDER and FILE replaced by what they stand for; the caller frees. */
static inline char *filled_in(struct str result, const char *file)
{
	char folder[PATH_MAX], vectors[PATH_MAX * 2];
	assert_non_null(getcwd(folder, sizeof folder));
	(void)snprintf(
		vectors, sizeof vectors, "%s/%.*s", folder, (int)sizeof VECTORS - 2, VECTORS);
	char *half = replaced(result, "FOLDER", vectors);
	char *whole = replaced(str_of(half), "FILE", file);
	free(half);
	return whole;
}

/* JSON in which ' stands for ". */
static inline json_t *json_of(const char *text)
{
	json_error_t error;
	char *quoted = replaced(str_of(text), "'", "\"");
	json_t *json = json_loads(quoted, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
	if (!json) {
		fail_msg("%s: %s", text, error.text);
	}
	free(quoted);
	return json;
}

static inline void assert_same_json(
	const char *what, int line, const json_t *have, const json_t *want)
{
	if (!json_equal(have, want)) {
		char *h = json_dumps(have, JSON_SORT_KEYS | JSON_ENCODE_ANY);
		char *w = json_dumps(want, JSON_SORT_KEYS | JSON_ENCODE_ANY);
		fail_msg("%s (line %d): %s\n   instead of %s", what, line, h, w);
	}
}

/* --- folders ----------------------------------------------------------------------------------- */

/* Write a file below a folder; returns its path in static memory. */
static inline const char *write_file(const char *folder, const char *name, const char *text)
{
	static char path[PATH_MAX];
	int n = snprintf(path, sizeof path, "%s/%s", folder, name);
	assert_in_range(n, 1, sizeof path - 1);
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
	assert_int_equal(fclose(file), 0);
	return path;
}

/* A new folder, in static memory. */
static inline const char *make_folder(void)
{
	static char path[] = "/tmp/telltale-config-XXXXXX";
	memcpy(path + sizeof path - 7, "XXXXXX", 6);
	assert_non_null(mkdtemp(path));
	return path;
}

static inline void remove_folder(const char *folder, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char path[PATH_MAX];
		(void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		(void)remove(path);
	}
	assert_int_equal(rmdir(folder), 0);
}

/* --- memory that runs out ---------------------------------------------------------------------- */

static long allocations_left = LONG_MAX;
static bool allocation_refused;

static inline bool may_allocate(void)
{
	if (allocations_left == 0) {
		allocation_refused = true;
		return false;
	}
	if (allocations_left != LONG_MAX) {
		allocations_left--;
	}
	return true;
}

void *__real_malloc(size_t n) __attribute__((weak));
void *__real_calloc(size_t n, size_t size) __attribute__((weak));
void *__real_realloc(void *p, size_t n) __attribute__((weak));
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

void *__wrap_malloc(size_t n)
{
	return may_allocate() ? __real_malloc(n) : NULL;
}

void *__wrap_calloc(size_t n, size_t size)
{
	return may_allocate() ? __real_calloc(n, size) : NULL;
}

void *__wrap_realloc(void *p, size_t n)
{
	return may_allocate() ? __real_realloc(p, n) : NULL;
}

static inline void *json_malloc_counted(size_t n)
{
	return may_allocate() ? malloc(n) : NULL;
}

/* Run a call with the first allocation failing, then the second, … until it succeeds. */
static inline void each_allocation_fails(int (*call)(struct diag *diag))
{
	if (!__real_malloc) {
		skip();
	}
	json_set_alloc_funcs(json_malloc_counted, free);
	for (long n = 0;; n++) {
		struct diag diag = {{0}};
		allocation_refused = false;
		allocations_left = n;
		int rc = call(&diag);
		allocations_left = LONG_MAX;
		if (!allocation_refused) {
			assert_int_equal(rc, 0);
			break;
		}
		assert_int_equal(rc, -ENOMEM);
		assert_string_not_equal(diag.text, "");
	}
	json_set_alloc_funcs(malloc, free);
}

#endif
