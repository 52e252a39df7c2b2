/* Unit tests of base/result.h. */
#include "tests/unit/cases.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/result.h"

static void test_names(void **state)
{
	(void)state;
	static const struct {
		int line, rc;
		const char *name;
	} cases[] = {
		{__LINE__, 0, "ok"},
		{__LINE__, 17, "ok"},
		{__LINE__, E_AGAIN, "again"},
		{__LINE__, E_SYNTAX, "syntax"},
		{__LINE__, E_AUTH, "auth"},
		{__LINE__, E_RANGE, "range"},
		{__LINE__, E_LIMIT, "limit"},
		{__LINE__, E_NOTFOUND, "notfound"},
		{__LINE__, E_EXISTS, "exists"},
		{__LINE__, E_DAMAGED, "damaged"},
		{__LINE__, E_READONLY, "readonly"},
		{__LINE__, E_FULL, "full"},
		{__LINE__, E_BUSY, "busy"},
		{__LINE__, E_VERSION, "version"},
		{__LINE__, E_CRYPTO, "crypto"},
		{__LINE__, E_DENIED, "denied"},
		{__LINE__, E_STALE, "stale"},
		{__LINE__, E_AWAY, "away"},
		{__LINE__, E_PARTIAL, "partial"},
		{__LINE__, E_PARTIAL - 1, "unknown error"},
		{__LINE__, INT_MIN, "unknown error"},
		{__LINE__, -999, "unknown error"},
		{__LINE__, -ENOENT, "No such file or directory"},
		{__LINE__, -EADDRINUSE, "Address already in use"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		HOLDS(cases[i].line, strcmp(result_name(cases[i].rc), cases[i].name) == 0);
	}
}

static void test_diag(void **state)
{
	(void)state;
	struct diag diag;
	assert_int_equal(diag_set(&diag, -EIO, "%s is %d", "x", 5), -EIO);
	assert_string_equal(diag.text, "x is 5");
	assert_int_equal(diag_prefix(&diag, E_SYNTAX, "%s:%d", "file", 3), E_SYNTAX);
	assert_string_equal(diag.text, "file:3: x is 5");
	assert_int_equal(diag_prefix(&diag, 0, "%s", ""), 0);
	assert_string_equal(diag.text, ": file:3: x is 5");
	assert_int_equal(diag_set(NULL, -EIO, "%s", "nobody reads it"), -EIO);
	assert_int_equal(diag_prefix(NULL, E_LIMIT, "%s", "nor this"), E_LIMIT);
}

/* Every length about the cap, for what is there and for what comes before it. */
static void test_diag_is_cut(void **state)
{
	(void)state;
	char text[2 * DIAG_TEXT_BYTES + 1], expected[4 * DIAG_TEXT_BYTES + 3];
	memset(text, 'x', sizeof text);
	for (int old = 0; old <= DIAG_TEXT_BYTES + 2; old++) {
		for (int before = 0; before <= DIAG_TEXT_BYTES + 2;
			before += before == 3 ? 500 : 1) {
			struct {
				struct diag diag;
				char guard;
			} one = {.guard = '#'};
			(void)diag_set(&one.diag, 0, "%.*s", old, text);
			assert_int_equal(strlen(one.diag.text),
				old < DIAG_TEXT_BYTES ? old : DIAG_TEXT_BYTES - 1);
			(void)diag_prefix(&one.diag, 0, "%.*s", before, text);
			(void)snprintf(expected, sizeof expected, "%.*s: %.*s", before, text,
				old < DIAG_TEXT_BYTES ? old : DIAG_TEXT_BYTES - 1, text);
			expected[DIAG_TEXT_BYTES - 1] = '\0';
			assert_string_equal(one.diag.text, expected);
			assert_int_equal(one.guard, '#');
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_diag),
		cmocka_unit_test(test_diag_is_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
