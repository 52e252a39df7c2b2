/*
 * output - what people and scripts read: tables, JSON, one-line errors.
 *
 * Layer:   cli
 * Threads: one
 * Memory:  struct table owns its text; table_done() frees it
 * Secrets: none
 * Limits:  none
 * Spec:    none
 *
 * No data reaches a terminal as it is: control characters, characters that change the direction of
 * text, and bytes that are not UTF-8 are written as \u001b or \xff. Output is never coloured.
 */
#ifndef TELLTALE_CLI_OUTPUT_H
#define TELLTALE_CLI_OUTPUT_H

#include <jansson.h>

#include "base/buf.h"

enum output_lines { OUTPUT_ONE_LINE, OUTPUT_LINES };

/* Append text that is safe to show; OUTPUT_LINES leaves line ends as they are. */
void output_escape(struct buf *out, struct str text, enum output_lines lines);

/* "telltale: " and one line on stderr, escaped. Returns exit_code. */
int output_fail(int exit_code, const char *format, ...) PRINTF_LIKE(2, 3);

/* Bytes to stdout as they are; output_finish() reports a failure. */
void output_raw(struct str bytes);

/* Escaped text to stdout, line ends kept. Returns an exit code. */
MUST_CHECK int output_text(struct str text);

/* Two spaces deep, in the order in which it came, with a line end. Returns an exit code. */
MUST_CHECK int output_json(const json_t *json);

/* All of stdout written? Returns exit_code, or 1 after printing why not. */
MUST_CHECK int output_finish(int exit_code);

/*
 * A value for people: text and numbers as they are, lists with ", " between, objects as "k=v k=v",
 * a tag {"key", "value"} as "key=value" or "key". Nothing for NULL and null.
 */
void output_value(struct buf *out, json_t *value);

/* The member at a path with "." between names; NULL when there is none. */
json_t *output_member(const json_t *object, const char *path);

/* Cells in rows; the columns line up. Zeroed but for columns before use. */
struct table {
	size_t columns;
	struct buf text_; /* escaped cells, a NUL behind each */
};

void table_done(struct table *table);

/* The next cell, row by row; an empty one is "-". The first failure is kept. */
void table_add(struct table *table, struct str cell);

/* The next cell from a member; a time is in seconds since the epoch. */
void table_add_member(struct table *table, const json_t *object, const char *path);
void table_add_time(struct table *table, const json_t *object, const char *path);

/* Append the lines. Returns 0 or -ENOMEM. */
MUST_CHECK int table_format(const struct table *table, struct buf *out);

/* To stdout. Returns an exit code. */
MUST_CHECK int table_print(const struct table *table);

#endif
