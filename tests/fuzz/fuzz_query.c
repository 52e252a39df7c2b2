/*
 * Must reach: query_parse to its end, with lists in lists, prefixes and each refusal; xml_document, with
 * escapes and bytes that XML can't hold.
 *
 * The input is a form. What it makes stays within the limits, makes the same again when it is written as
 * a form once more, and makes XML that is well-formed, of a size in proportion to the input's.
 */
#include <stdlib.h>

#include "control/query.h"
#include "control/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TAGS_MAX 128

static void must(bool holds)
{
	if (!holds) {
		abort();
	}
}

/* --- limits ------------------------------------------------------------------------------------ */

/* Returns how many texts there are. */
static size_t must_be_within(json_t *value, unsigned depth)
{
	const char *name;
	json_t *child;
	size_t i, n = json_is_string(value);
	must(depth <= QUERY_DEPTH_MAX);
	must(n || json_is_object(value) || json_is_array(value));
	json_object_foreach (value, name, child) {
		must(name[0] && strlen(name) <= QUERY_KEY_MAX && !strchr(name, '.'));
		n += must_be_within(child, depth + 1);
	}
	json_array_foreach (value, i, child) {
		must(i < QUERY_INDEX_MAX);
		n += must_be_within(child, depth + 1);
	}
	must(n > 0 || depth == 0);
	return n;
}

/* --- the form again ---------------------------------------------------------------------------- */

static void add_escaped(struct buf *out, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_add_f(out, "%%%02X", (unsigned char)text[i]);
	}
}

static void add_form(struct buf *out, json_t *value, struct str key)
{
	const char *name;
	json_t *child;
	size_t i;
	json_object_foreach (value, name, child) {
		struct buf longer = BUF_EMPTY;
		buf_add(&longer, key);
		buf_add(&longer, key.n ? STR(".") : STR_EMPTY);
		add_escaped(&longer, name, strlen(name));
		/* Before an index it would say nothing, unless it is there twice. */
		if (key.n && json_is_array(child) && strcmp(name, "member") == 0) {
			buf_add(&longer, STR(".member"));
		}
		add_form(out, child, buf_str(&longer));
		buf_done(&longer);
	}
	json_array_foreach (value, i, child) {
		struct buf longer = BUF_EMPTY;
		buf_add(&longer, key);
		buf_add_f(&longer, ".%zu", i + 1);
		add_form(out, child, buf_str(&longer));
		buf_done(&longer);
	}
	if (json_is_string(value)) {
		buf_add(out, key);
		buf_add_char(out, '=');
		add_escaped(out, json_string_value(value), json_string_length(value));
		buf_add_char(out, '&');
	}
}

static void must_be_same_again(json_t *request)
{
	struct buf form = BUF_EMPTY;
	json_t *again = NULL;
	add_form(&form, request, STR_EMPTY);
	int rc = query_parse(buf_str(&form), &again, NULL);
	must(rc == E_LIMIT || (rc == 0 && json_equal(request, again))); /* "member" is longer */
	json_decref(again);
	buf_done(&form);
}

/* --- XML --------------------------------------------------------------------------------------- */

/* Names are a caller's here: they become texts. */
static json_t *without_names(json_t *value)
{
	const char *name;
	json_t *child, *list;
	size_t i;
	if (json_is_string(value)) {
		return json_incref(value);
	}
	list = json_array();
	must(list != NULL);
	json_object_foreach (value, name, child) {
		json_t *pair = json_pack("{s:s, s:o}", "Name", name, "Value", without_names(child));
		must(json_array_append_new(list, pair) == 0);
	}
	json_array_foreach (value, i, child) {
		must(json_array_append_new(list, without_names(child)) == 0);
	}
	return list;
}

static struct str take_tag(struct str *rest)
{
	struct str tag = {rest->p + 1, str_find(*rest, '>') - 1};
	must(tag.n + 1 < rest->n && tag.n > 0);
	*rest = str_from(*rest, tag.n + 2);
	return tag;
}

static void take_text(struct str *rest)
{
	static const struct str known[] = {STR_INIT("&amp;"), STR_INIT("&lt;"), STR_INIT("&gt;"),
		STR_INIT("&quot;"), STR_INIT("&apos;"), STR_INIT("&#x9;"), STR_INIT("&#xA;"),
		STR_INIT("&#xD;")};
	size_t i = 0;
	if (rest->p[0] != '&') {
		uint32_t c = str_take_character(rest);
		must(c >= 0x20 && c != '>' && c != '"' && c != '\'' && c != 0xfffe && c < 0x110000);
		must(c != 0xffff);
		return;
	}
	while (!str_starts(*rest, known[i])) {
		must(++i < sizeof known / sizeof known[0]);
	}
	*rest = str_from(*rest, known[i].n);
}

static void must_be_well_formed(struct str rest)
{
	struct str open[TAGS_MAX];
	size_t depth = 0;
	struct str prologue = STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
	must(str_starts(rest, prologue));
	rest = str_from(rest, prologue.n);
	do {
		if (rest.p[0] != '<') {
			take_text(&rest);
			continue;
		}
		struct str tag = take_tag(&rest);
		if (tag.p[0] == '/') {
			must(depth > 0 && str_eq(open[--depth], str_from(tag, 1)));
		} else if (tag.p[tag.n - 1] != '/') {
			must(depth < TAGS_MAX);
			open[depth++] = tag;
		}
	} while (depth > 0 && rest.n > 0);
	must(depth == 0 && rest.n == 0);
}

static void try_xml(json_t *request, size_t size)
{
	struct buf out = BUF_EMPTY;
	json_t *content = json_pack("{s:o}", "All", without_names(request));
	must(content != NULL);
	must(xml_document(&out, STR("Root"), STR_EMPTY, content, XML_ITEM_EC2) == 0);
	must(out.n <= 256 + 64 * size);
	must_be_well_formed(buf_str(&out));
	buf_done(&out);
	json_decref(content);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct diag diag = {{0}};
	json_t *request = NULL;
	int rc = query_parse((struct str){(const char *)data, size}, &request, &diag);
	if (rc < 0) {
		must(rc == E_SYNTAX || rc == E_LIMIT);
		must(!request && diag.text[0] && !strchr(diag.text, '\n'));
		return 0;
	}
	must(json_is_object(request) && must_be_within(request, 0) <= QUERY_PAIRS_MAX);
	must_be_same_again(request);
	try_xml(request, size);
	json_decref(request);
	return 0;
}
