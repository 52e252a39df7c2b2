#include "control/xml.h"

#include <assert.h>
#include <stdlib.h>

#include "base/json.h"

#define DIGITS_MAX   17 /* always enough to tell one double from all others */
#define NUMBER_BYTES 32

static const struct str replacement = STR_INIT("\xef\xbf\xbd"); /* U+FFFD */

struct writer {
	struct buf *out;
	struct str list_item;
};

/* --- text ------------------------------------------------------------------------------------ */

/* "Char ::= #x9 | #xA | #xD | [#x20-#xD7FF] | [#xE000-#xFFFD] | [#x10000-#x10FFFF]" */
static bool is_char(uint32_t c)
{
	return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c != 0xfffe && c != 0xffff);
}

static void add_character(struct buf *out, uint32_t c, struct str bytes)
{
	if (!is_char(c)) {
		buf_add(out, replacement);
	} else if (c == '&') {
		buf_add(out, STR("&amp;"));
	} else if (c == '<') {
		buf_add(out, STR("&lt;"));
	} else if (c == '>') {
		buf_add(out, STR("&gt;"));
	} else if (c == '"') {
		buf_add(out, STR("&quot;"));
	} else if (c == '\'') {
		buf_add(out, STR("&apos;"));
	} else if (c < 0x20) {
		/* As it is a reader would make one line end of all kinds, and a space in an attribute. */
		buf_add_f(out, "&#x%X;", (unsigned)c);
	} else {
		buf_add(out, bytes);
	}
}

static void add_text(struct buf *out, struct str text)
{
	while (text.n) {
		const char *start = text.p;
		uint32_t c = str_take_character(&text);
		if (c == UINT32_MAX) {
			buf_add(out, replacement);
			text = str_from(text, 1);
		} else {
			add_character(out, c, (struct str){start, (size_t)(text.p - start)});
		}
	}
}

/* --- numbers --------------------------------------------------------------------------------- */

/*
 * value = 0.DIGITS * 10^point, with the fewest digits that are read back as the same number. The text of
 * printf is only taken apart, so that no locale's decimal point gets into ours.
 */
static size_t shortest(double value, char ret_digits[DIGITS_MAX], int *ret_point)
{
	char text[NUMBER_BYTES];
	size_t n = 0;
	const char *c = text;
	assert(__builtin_isfinite(value)); /* Jansson has no other numbers */
	for (int after = 0; after < DIGITS_MAX; after++) {
		struct buf number = buf_fixed(text, sizeof text);
		buf_add_f(&number, "%.*e", after, value);
		if (strtod(text, NULL) == value) {
			break;
		}
	}
	for (; *c != 'e'; c++) {
		if (*c >= '0' && *c <= '9') {
			ret_digits[n++] = *c;
		}
	}
	*ret_point = (int)strtol(c + 1, NULL, 10) + 1;
	return n;
}

static void add_zeros(struct buf *out, int n)
{
	while (n-- > 0) {
		buf_add_char(out, '0');
	}
}

static void add_real(struct buf *out, double value)
{
	char digits[DIGITS_MAX];
	int point, n = (int)shortest(value, digits, &point);
	int whole = point < 0 ? 0 : point < n ? point : n; /* digits before the point */
	if (__builtin_signbit(value)) {
		buf_add_char(out, '-');
	}
	buf_add(out, whole ? (struct str){digits, (size_t)whole} : STR("0"));
	add_zeros(out, point - n);
	buf_add_char(out, '.');
	add_zeros(out, -point);
	buf_add(out, whole < n ? (struct str){digits + whole, (size_t)(n - whole)} : STR("0"));
}

/* --- elements -------------------------------------------------------------------------------- */

static bool is_name(struct str name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i], lower = (char)(c | 0x20);
		bool first = (lower >= 'a' && lower <= 'z') || c == '_';
		if (!first && (i == 0 || !((c >= '0' && c <= '9') || c == '-' || c == '.'))) {
			return false;
		}
	}
	return name.n > 0;
}

/* Whether nothing would be between its tags. */
static bool is_empty(const json_t *value)
{
	const char *name;
	const json_t *child;
	size_t i;
	switch (json_typeof(value)) {
	case JSON_STRING:
		return json_string_length(value) == 0;
	case JSON_OBJECT:
		json_object_foreach (json_loose(value), name, child) {
			if (!json_is_null(child)) {
				return false;
			}
		}
		return true;
	case JSON_ARRAY:
		json_array_foreach (value, i, child) {
			if (!json_is_null(child)) {
				return false;
			}
		}
		return true;
	default:
		return false;
	}
}

static void add_tag(struct buf *out, struct str before, struct str name, struct str after)
{
	buf_add(out, before);
	buf_add(out, name);
	buf_add(out, after);
}

static void add_content(const struct writer *writer, const json_t *value);

static void add_element(const struct writer *writer, struct str name, const json_t *value)
{
	assert(is_name(name));
	if (json_is_null(value)) {
		return;
	}
	if (is_empty(value)) {
		add_tag(writer->out, STR("<"), name, STR("/>"));
		return;
	}
	add_tag(writer->out, STR("<"), name, STR(">"));
	add_content(writer, value);
	add_tag(writer->out, STR("</"), name, STR(">"));
}

static void add_items(const struct writer *writer, struct str name, const json_t *array)
{
	for (size_t i = 0; i < json_array_size(array); i++) {
		add_element(writer, name, json_array_get(array, i));
	}
}

static void add_members(const struct writer *writer, const json_t *object)
{
	const char *name;
	const json_t *child;
	json_object_foreach (json_loose(object), name, child) {
		if (json_is_array(child) && strcmp(name, XML_ENTRY) == 0) {
			add_items(writer, STR(XML_ENTRY), child);
		} else {
			add_element(writer, str_of(name), child);
		}
	}
}

/* As deep as the value. */
static void add_content(const struct writer *writer, const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		add_members(writer, value);
		break;
	case JSON_ARRAY:
		add_items(writer, writer->list_item, value);
		break;
	case JSON_STRING:
		add_text(writer->out, json_str(value));
		break;
	case JSON_INTEGER:
		buf_add_f(writer->out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		break;
	case JSON_REAL:
		add_real(writer->out, json_real_value(value));
		break;
	case JSON_TRUE:
		buf_add(writer->out, STR("true"));
		break;
	case JSON_FALSE:
		buf_add(writer->out, STR("false"));
		break;
	case JSON_NULL:
		break;
	}
}

int xml_document(struct buf *out, struct str root, struct str namespace_url, const json_t *content,
	struct str list_item)
{
	const struct writer writer = {out, list_item};
	assert(is_name(root) && is_name(list_item) && json_is_object(content));
	buf_add(out, STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"));
	add_tag(out, STR("<"), root, STR_EMPTY);
	if (namespace_url.n > 0) {
		buf_add(out, STR(" xmlns=\""));
		add_text(out, namespace_url);
		buf_add_char(out, '"');
	}
	buf_add_char(out, '>');
	add_members(&writer, content);
	add_tag(out, STR("</"), root, STR(">"));
	return buf_status(out);
}
