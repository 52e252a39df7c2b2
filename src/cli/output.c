#include "cli/output.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/timefmt.h"
#include "cli/command.h"

#define COLUMNS_MAX  16
#define GAP          2 /* spaces between columns */
#define MEMBER_BYTES 64
#define TIME_MAX_S   253402300800.0 /* the year 10000 */

/* The length of the UTF-8 character that text starts with; 0: this is none. */
static size_t decode(struct str text, uint32_t *ret_code)
{
	unsigned char first = (unsigned char)text.p[0];
	if (first < 0x80) {
		*ret_code = first;
		return 1;
	}
	size_t n = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
	if (first < 0xc2 || first > 0xf4 || text.n < n) {
		return 0;
	}
	uint32_t code = first & (0x7fU >> n);
	for (size_t i = 1; i < n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		if ((c & 0xc0) != 0x80) {
			return 0;
		}
		code = code << 6 | (c & 0x3f);
	}
	/* The shortest form only, no surrogates, nothing beyond Unicode. */
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	if (code < least[n] || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) {
		return 0;
	}
	*ret_code = code;
	return n;
}

static bool is_unsafe(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code <= 0x9f)        /* C0, DEL, C1 */
	       || code == 0x61c || code == 0x200e || code == 0x200f /* direction marks */
	       || (code >= 0x2028 && code <= 0x202e)                /* lines, embeddings */
	       || (code >= 0x2066 && code <= 0x2069)                /* isolates */
	       || code == 0xfeff;
}

void output_escape(struct buf *out, struct str text, enum output_lines lines)
{
	while (text.n) {
		uint32_t code;
		size_t n = decode(text, &code);
		if (n == 0) {
			buf_add_f(out, "\\x%02x", (unsigned char)text.p[0]);
			n = 1;
		} else if (is_unsafe(code) && !(lines == OUTPUT_LINES && code == '\n')) {
			buf_add_f(out, "\\u%04x", code);
		} else {
			buf_add(out, (struct str){text.p, n});
		}
		text = str_from(text, n);
	}
}

int output_fail(int exit_code, const char *format, ...)
{
	CLEANUP(buf_done) struct buf line = BUF_EMPTY;
	char text[1024];
	va_list ap;
	va_start(ap, format);
	(void)vsnprintf(text, sizeof text, format, ap); /* cut is fine */
	va_end(ap);
	buf_add(&line, STR("telltale: "));
	output_escape(&line, str_of(text), OUTPUT_ONE_LINE);
	buf_add_char(&line, '\n');
	if (buf_status(&line) == 0) {
		(void)fwrite(line.p, 1, line.n, stderr); /* nowhere left to tell */
	}
	return exit_code;
}

void output_raw(struct str bytes)
{
	if (bytes.n) {
		(void)fwrite(bytes.p, 1, bytes.n, stdout); /* output_finish() looks */
	}
}

int output_text(struct str text)
{
	CLEANUP(buf_done) struct buf safe = BUF_EMPTY;
	output_escape(&safe, text, OUTPUT_LINES);
	if (buf_status(&safe) < 0) {
		return output_fail(COMMAND_FAILED, "out of memory");
	}
	output_raw(buf_str(&safe));
	return COMMAND_DONE;
}

int output_json(const json_t *json)
{
	/* 15 digits show every decimal number of an API as it was written. */
	char *text = json_dumps(json, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
	if (!text) {
		return output_fail(COMMAND_FAILED, "out of memory");
	}
	/* Unsafe characters stand in strings only, and there \uXXXX means the same. */
	int code = output_text(str_of(text));
	output_raw(STR("\n"));
	free(text);
	return code;
}

int output_finish(int exit_code)
{
	if (fflush(stdout) != 0 || ferror(stdout)) {
		return output_fail(COMMAND_FAILED, "can't write the output: %s", strerror(errno));
	}
	return exit_code;
}

json_t *output_member(const json_t *object, const char *path)
{
	const char *dot = strchr(path, '.');
	if (!dot) {
		return json_object_get(object, path);
	}
	char name[MEMBER_BYTES];
	(void)snprintf(name, sizeof name, "%.*s", (int)(dot - path), path); /* ours are short */
	return output_member(json_object_get(object, name), dot + 1);
}

static void add_value(struct buf *out, json_t *value, unsigned int depth);

static void add_list(struct buf *out, const json_t *list, unsigned int depth)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		buf_add(out, i == 0 ? STR("") : depth == 0 ? STR(", ") : STR(","));
		add_value(out, json_array_get(list, i), depth + 1);
	}
}

static void add_object(struct buf *out, json_t *object, unsigned int depth)
{
	const json_t *key = json_object_get(object, "key");
	if (json_is_string(key)) {
		const json_t *content = json_object_get(object, "value");
		const char *text = json_string_value(content);
		buf_add_f(out, "%s%s%s", json_string_value(key), text ? "=" : "", text ? text : "");
		return;
	}
	size_t n = 0;
	for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
		buf_add_f(out, "%s%s=", n++ ? " " : "", json_object_iter_key(at));
		add_value(out, json_object_iter_value(at), depth + 1);
	}
}

#define VALUE_DEPTH_MAX 8 /* deeper is left out: nobody reads that in a cell */

static void add_value(struct buf *out, json_t *value, unsigned int depth)
{
	if (json_is_string(value)) {
		buf_add(out, json_str(value));
	} else if (json_is_integer(value)) {
		buf_add_f(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	} else if (json_is_real(value)) {
		buf_add_f(out, "%.15g", json_real_value(value));
	} else if (json_is_boolean(value)) {
		buf_add(out, json_is_true(value) ? STR("true") : STR("false"));
	} else if (json_is_array(value) && depth < VALUE_DEPTH_MAX) {
		add_list(out, value, depth);
	} else if (json_is_object(value) && depth < VALUE_DEPTH_MAX) {
		add_object(out, value, depth);
	}
}

void output_value(struct buf *out, json_t *value)
{
	add_value(out, value, 0);
}

void table_done(struct table *table)
{
	if (table) {
		buf_done(&table->text_);
	}
}

void table_add(struct table *table, struct str cell)
{
	output_escape(&table->text_, cell.n ? cell : STR("-"), OUTPUT_ONE_LINE);
	buf_add_char(&table->text_, '\0');
}

void table_add_member(struct table *table, const json_t *object, const char *path)
{
	CLEANUP(buf_done) struct buf value = BUF_EMPTY;
	output_value(&value, output_member(object, path));
	table_add(table, buf_str(&value));
}

void table_add_time(struct table *table, const json_t *object, const char *path)
{
	char text[TIMEFMT_ISO_BYTES] = "";
	const json_t *time = output_member(object, path);
	if (json_is_number(time) && json_number_value(time) >= 0 &&
		json_number_value(time) < TIME_MAX_S) {
		timefmt_iso((int64_t)json_number_value(time), text);
	}
	table_add(table, str_of(text));
}

/* Characters, not bytes. Escaped text is valid UTF-8. */
static size_t width(struct str cell)
{
	size_t n = 0;
	for (size_t i = 0; i < cell.n; i++) {
		n += ((unsigned char)cell.p[i] & 0xc0) != 0x80;
	}
	return n;
}

static struct str next_cell(struct str *rest)
{
	size_t end = str_find(*rest, '\0');
	struct str cell = {rest->p, end};
	*rest = str_from(*rest, end + 1);
	return cell;
}

int table_format(const struct table *table, struct buf *out)
{
	assert(table->columns <= COLUMNS_MAX);
	size_t widths[COLUMNS_MAX] = {0};
	TRY(buf_status(&table->text_));
	struct str rest = buf_str(&table->text_);
	for (size_t i = 0; rest.n; i++) {
		size_t n = width(next_cell(&rest));
		size_t *most = &widths[i % table->columns];
		*most = n > *most ? n : *most;
	}
	rest = buf_str(&table->text_);
	for (size_t i = 0; rest.n; i++) {
		struct str cell = next_cell(&rest);
		bool last = i % table->columns == table->columns - 1;
		buf_add(out, cell);
		/* Nothing behind the last column: no spaces at line ends. */
		for (size_t n = width(cell); !last && n < widths[i % table->columns] + GAP; n++) {
			buf_add_char(out, ' ');
		}
		buf_add(out, last ? STR("\n") : STR(""));
	}
	return buf_status(out);
}

int table_print(const struct table *table)
{
	CLEANUP(buf_done) struct buf text = BUF_EMPTY;
	if (table_format(table, &text) < 0) {
		return output_fail(COMMAND_FAILED, "out of memory");
	}
	output_raw(buf_str(&text));
	return COMMAND_DONE;
}
