/* Unit tests of control/ec2_filter.h. */
#include "tests/unit/cases.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "control/ec2_filter.h"
#include "fake/alloc.h"

/* --- wildcards --------------------------------------------------------------------------------- */

static const struct {
	int line;
	const char *pattern;
	const char *text;
	bool like;
} patterns[] = {
	{__LINE__, "", "", true},
	{__LINE__, "", "a", false},
	{__LINE__, "a", "", false},
	{__LINE__, "web-1", "web-1", true},
	{__LINE__, "web-1", "Web-1", false},
	{__LINE__, "web-1", "web-11", false},
	{__LINE__, "web-11", "web-1", false},
	/* Any number of characters. */
	{__LINE__, "*", "", true},
	{__LINE__, "*", "anything", true},
	{__LINE__, "***", "", true},
	{__LINE__, "web*", "web", true},
	{__LINE__, "web*", "web-1", true},
	{__LINE__, "web*", "a web", false},
	{__LINE__, "*1", "web-1", true},
	{__LINE__, "*1", "web-12", false},
	{__LINE__, "*b*", "abc", true},
	{__LINE__, "*b*", "ac", false},
	{__LINE__, "a*b*c", "a-b-b-c", true},
	{__LINE__, "a*b*c", "a-c-b", false},
	{__LINE__, "*aab", "aaaab", true},
	{__LINE__, "*aab", "aabab", false},
	/* One or none. */
	{__LINE__, "?", "", true},
	{__LINE__, "?", "a", true},
	{__LINE__, "?", "ab", false},
	{__LINE__, "prod?", "prod", true},
	{__LINE__, "prod?", "prods", true},
	{__LINE__, "prod?", "production", false},
	{__LINE__, "???", "ab", true},
	{__LINE__, "???", "abcd", false},
	{__LINE__, "?a?", "a", true},
	{__LINE__, "?a?", "aa", true},
	{__LINE__, "?a?", "bac", true},
	{__LINE__, "?a?", "bc", false},
	{__LINE__, "*?a", "a", true},
	{__LINE__, "?*?", "", true},
	/* A character is not a byte. */
	{__LINE__, "?", "\xc3\xa4", true},
	{__LINE__, "b?r", "b\xc3\xa4r", true},
	{__LINE__, "b?r", "b\xc3\xa4\xc3\xa4r", false},
	{__LINE__, "?", "\xf0\x9f\x90\x9f", true},
	{__LINE__, "\xc3\xa4*", "\xc3\xa4r", true},
	{__LINE__, "\xc3\xa4*", "\xc3\xb6r", false},
	/* "a value of \*amazon\?\\ searches for the literal string *amazon?\" */
	{__LINE__, "\\*amazon\\?\\\\", "*amazon?\\", true},
	{__LINE__, "\\*amazon\\?\\\\", "xamazon?\\", false},
	{__LINE__, "\\*amazon\\?\\\\", "*amazonx\\", false},
	{__LINE__, "\\*", "", false},
	{__LINE__, "\\?", "", false},
	{__LINE__, "\\a", "a", true},
	{__LINE__, "\\a", "\\a", false},
	{__LINE__, "a\\", "a\\", true},
	{__LINE__, "\\\\*", "\\abc", true},
	{__LINE__, "\\\xc3\xa4", "\xc3\xa4", true},
};

static void test_patterns(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(patterns); i++) {
		struct str pattern = str_of(patterns[i].pattern);
		HOLDS(patterns[i].line,
			ec2_filter_like(pattern, str_of(patterns[i].text)) == patterns[i].like);
	}
}

/* Backtracking would not come to an end. */
static void test_patterns_of_hostile_length(void **state)
{
	(void)state;
	char pattern[EC2_FILTER_CHARACTERS], text[4096];
	for (size_t i = 0; i < sizeof pattern; i++) {
		pattern[i] = i % 2 ? '*' : 'a';
	}
	memset(text, 'a', sizeof text);
	struct str whole = {text, sizeof text};
	assert_true(ec2_filter_like((struct str){pattern, sizeof pattern}, whole));
	text[sizeof text - 1] = 'b';
	assert_false(ec2_filter_like((struct str){pattern, sizeof pattern}, whole));
	memset(pattern, '?', sizeof pattern);
	whole.n = sizeof pattern;
	assert_true(ec2_filter_like((struct str){pattern, sizeof pattern}, whole));
	whole.n++;
	assert_false(ec2_filter_like((struct str){pattern, sizeof pattern}, whole));
}

/* --- reading ----------------------------------------------------------------------------------- */

/* The subject is a text: a row looks at it, or at its key. */
static bool by_text(const struct ec2_filter *filter, void *subject)
{
	return ec2_filter_matches(filter, str_of(subject));
}

static bool by_key(const struct ec2_filter *filter, void *subject)
{
	(void)subject;
	return ec2_filter_matches(filter, filter->key);
}

static unsigned asked; /* how often a costly filter was */

static bool by_asking(const struct ec2_filter *filter, void *subject)
{
	asked++;
	return by_text(filter, subject);
}

static const struct ec2_filter_row rows[] = {
	{.name = STR_INIT("costly"), .accepts = by_asking, .costly = true},
	{.name = STR_INIT("text"), .accepts = by_text},
	{.name = STR_INIT("tag-key"), .accepts = by_text},
	{.name = STR_INIT("tag:"), .accepts = by_key},
};

static json_t *json_of(const char *text)
{
	char json[4096];
	size_t n = strlen(text);
	assert_true(n < sizeof json);
	for (size_t i = 0; i <= n; i++) {
		json[i] = text[i] == '\'' ? '"' : text[i];
	}
	json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
	assert_non_null(value);
	return value;
}

static const struct {
	int line;
	const char *filters;
	const char *subject;
	bool accepted;
} accepted[] = {
	{__LINE__, "[]", "x", true},
	{__LINE__, "''", "x", true},
	{__LINE__, "[{'Name':'text','Value':['x']}]", "x", true},
	{__LINE__, "[{'Name':'text','Value':['y']}]", "x", false},
	{__LINE__, "[{'Name':'text','Value':['y','x']}]", "x", true},
	{__LINE__, "[{'Value':['x*'],'Name':'text'}]", "xyz", true},
	{__LINE__, "[{'Name':'text','Value':['']}]", "", true},
	{__LINE__, "[{'Name':'text','Value':['']}]", "x", false},
	/* All of them, also of one name. */
	{__LINE__, "[{'Name':'text','Value':['x*']},{'Name':'text','Value':['*y']}]", "x-y", true},
	{__LINE__, "[{'Name':'text','Value':['x*']},{'Name':'text','Value':['*y']}]", "x-z", false},
	{__LINE__, "[{'Name':'text','Value':['x']},{'Name':'tag-key','Value':['x']}]", "x", true},
	/* With a key, which may be anything. */
	{__LINE__, "[{'Name':'tag:env','Value':['env']}]", "x", true},
	{__LINE__, "[{'Name':'tag:env','Value':['x']}]", "x", false},
	{__LINE__, "[{'Name':'tag:a:b*','Value':['a:b\\\\*']}]", "x", true},
	{__LINE__, "[{'Name':'tag:','Value':['']}]", "x", true},
	{__LINE__, "[{'Name':'costly','Value':['x']}]", "x", true},
};

static void test_accepted(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(accepted); i++) {
		int line = accepted[i].line;
		CLEANUP(ec2_filters_done) struct ec2_filters filters = {.n = 0};
		struct diag diag = {{0}};
		json_t *list = json_of(accepted[i].filters);
		char subject[16];
		(void)snprintf(subject, sizeof subject, "%s", accepted[i].subject);
		HOLDS(line, ec2_filters_read(list, rows, COUNT(rows), &filters, &diag) == 0);
		HOLDS(line, ec2_filters_accept(&filters, subject) == accepted[i].accepted);
		ec2_filters_done(&filters); /* before what it points into goes */
		json_decref(list);
	}
	CLEANUP(ec2_filters_done) struct ec2_filters none = {.n = 0};
	assert_int_equal(ec2_filters_read(NULL, rows, COUNT(rows), &none, NULL), 0);
	assert_true(ec2_filters_accept(&none, NULL));
}

static void test_costly_last(void **state)
{
	(void)state;
	CLEANUP(ec2_filters_done) struct ec2_filters filters = {.n = 0};
	struct diag diag;
	char no[] = "x-no", yes[] = "x-yes";
	json_t *list =
		json_of("[{'Name':'costly','Value':['x*']},{'Name':'text','Value':['*yes']}]");
	assert_int_equal(ec2_filters_read(list, rows, COUNT(rows), &filters, &diag), 0);
	asked = 0;
	assert_false(ec2_filters_accept(&filters, no));
	assert_int_equal(asked, 0);
	assert_false(ec2_filters_accept_cheap(&filters, no));
	assert_true(ec2_filters_accept_cheap(&filters, yes));
	assert_int_equal(asked, 0);
	assert_true(ec2_filters_accept(&filters, yes));
	assert_int_equal(asked, 1);
	assert_true(ec2_filters_costly(&filters));
	ec2_filters_done(&filters);
	json_decref(list);
	list = json_of("[{'Name':'text','Value':['*yes']}]");
	assert_int_equal(ec2_filters_read(list, rows, COUNT(rows), &filters, &diag), 0);
	assert_false(ec2_filters_costly(&filters));
	ec2_filters_done(&filters);
	json_decref(list);
}

static const struct {
	int line;
	const char *filters;
	int rc;
	const char *message;
} refused[] = {
	{__LINE__, "[{'Name':'other','Value':['x']}]", E_RANGE, "The filter 'other' is invalid"},
	{__LINE__, "[{'Name':'Text','Value':['x']}]", E_RANGE, "The filter 'Text' is invalid"},
	{__LINE__, "[{'Name':'tag','Value':['x']}]", E_RANGE, "The filter 'tag' is invalid"},
	{__LINE__, "[{'Name':'','Value':['x']}]", E_RANGE, "The filter '' is invalid"},
	{__LINE__, "[{'Value':['x']}]", E_RANGE, "The filter 'null' is invalid"},
	{__LINE__, "[{'Name':['text'],'Value':['x']}]", E_RANGE, "The filter 'null' is invalid"},
	{__LINE__, "[{'Name':'text'}]", E_SYNTAX, "The filter 'text' must have a value"},
	{__LINE__, "[{'Name':'text','Value':''}]", E_SYNTAX, "The filter 'text' must have a value"},
	{__LINE__, "[{'Name':'text','Value':'x'}]", E_SYNTAX,
		"The filter 'text' must have a value"},
	{__LINE__, "[{'Name':'text','Value':[['x']]}]", E_SYNTAX,
		"The filter 'text' has a value that is no text"},
	{__LINE__, "[{'Name':'text','Values':['x']}]", E_NOTFOUND,
		"The parameter Values is not recognized"},
	{__LINE__, "['text']", E_SYNTAX, "A filter has a Name and Values."},
	{__LINE__, "'text'", E_SYNTAX, "Filter must be a list: Filter.1.Name"},
	{__LINE__, "{'Name':'text'}", E_SYNTAX, "Filter must be a list: Filter.1.Name"},
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		CLEANUP(ec2_filters_done) struct ec2_filters filters = {.n = 0};
		struct diag diag = {{0}};
		json_t *list = json_of(refused[i].filters);
		int rc = ec2_filters_read(list, rows, COUNT(rows), &filters, &diag);
		HOLDS(refused[i].line, rc == refused[i].rc);
		HOLDS(refused[i].line, strcmp(diag.text, refused[i].message) == 0);
		json_decref(list);
	}
}

/* --- limits ------------------------------------------------------------------------------------ */

/* So many filters, of so many values each, of so many characters. */
static json_t *filters_of(size_t filters, size_t values, size_t characters)
{
	CLEANUP(buf_done) struct buf text = BUF_EMPTY;
	json_t *list = json_array();
	for (size_t i = 0; i < characters; i++) {
		buf_add(&text, STR("\xc3\xa4"));
	}
	assert_int_equal(buf_status(&text), 0);
	for (size_t i = 0; i < filters; i++) {
		json_t *one = json_pack("{s:s, s:[]}", "Name", "text", "Value");
		for (size_t v = 0; v < values; v++) {
			json_array_append_new(
				json_object_get(one, "Value"), json_stringn(text.p, text.n));
		}
		json_array_append_new(list, one);
	}
	return list;
}

static int read_sizes(size_t n, size_t values, size_t characters)
{
	CLEANUP(ec2_filters_done) struct ec2_filters filters = {.n = 0};
	struct diag diag;
	json_t *list = filters_of(n, values, characters);
	int rc = ec2_filters_read(list, rows, COUNT(rows), &filters, &diag);
	ec2_filters_done(&filters);
	json_decref(list);
	return rc;
}

static void test_limits(void **state)
{
	(void)state;
	assert_int_equal(read_sizes(EC2_FILTERS_MAX, 1, 1), 0);
	assert_int_equal(read_sizes(EC2_FILTERS_MAX + 1, 1, 1), E_LIMIT);
	assert_int_equal(read_sizes(1, EC2_FILTER_VALUES_MAX, 1), 0);
	assert_int_equal(read_sizes(1, EC2_FILTER_VALUES_MAX + 1, 1), E_LIMIT);
	assert_int_equal(read_sizes(1, 1, EC2_FILTER_CHARACTERS), 0);
	assert_int_equal(read_sizes(1, 1, EC2_FILTER_CHARACTERS + 1), E_RANGE);
}

static void test_out_of_memory(void **state)
{
	(void)state;
	json_t *list = filters_of(3, 2, 1);
	for (unsigned n = 1;; n++) {
		CLEANUP(ec2_filters_done) struct ec2_filters filters = {.n = 0};
		struct diag diag;
		(void)alloc_fail_at(n);
		int rc = ec2_filters_read(list, rows, COUNT(rows), &filters, &diag);
		if (!alloc_fail_at(0)) {
			assert_int_equal(rc, 0);
			assert_int_equal(n, 4);
			break;
		}
		assert_int_equal(rc, -ENOMEM);
	}
	json_decref(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_patterns_of_hostile_length),
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_costly_last),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_out_of_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
