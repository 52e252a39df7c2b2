/* Unit tests of base/str.h. */
#include "tests/unit/cases.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "fake/alloc.h"

#define NUL_TEXT STR_INIT("a\0b")

static void test_of(void **state)
{
	(void)state;
	assert_true(str_eq(str_of(NULL), STR_EMPTY) && str_of(NULL).p == NULL);
	assert_true(str_eq(str_of("abc"), STR("abc")));
	assert_int_equal(STR("a\0b").n, 3);
	char text[16];
	(void)snprintf(text, sizeof text, "[%.*s][%.*s]", STR_FMT(STR("ab")), STR_FMT(STR_EMPTY));
	assert_string_equal(text, "[ab][]");
	assert_true(str_eq(str_from(STR("abc"), 0), STR("abc")));
	assert_true(str_eq(str_from(STR("abc"), 2), STR("c")));
	assert_true(str_eq(str_from(STR("abc"), 3), STR_EMPTY));
}

static void test_compare(void **state)
{
	(void)state;
	static const struct {
		int line;
		struct str a, b;
		bool eq, nocase, starts, ends;
		int order;
	} cases[] = {
		{__LINE__, STR_INIT(""), STR_INIT(""), true, true, true, true, 0},
		{__LINE__, {NULL, 0}, {NULL, 0}, true, true, true, true, 0},
		{__LINE__, {NULL, 0}, STR_INIT(""), true, true, true, true, 0},
		{__LINE__, STR_INIT("a"), {NULL, 0}, false, false, true, true, 1},
		{__LINE__, {NULL, 0}, STR_INIT("a"), false, false, false, false, -1},
		{__LINE__, STR_INIT("abc"), STR_INIT("abc"), true, true, true, true, 0},
		{__LINE__, STR_INIT("abc"), STR_INIT("ab"), false, false, true, false, 1},
		{__LINE__, STR_INIT("abc"), STR_INIT("bc"), false, false, false, true, -1},
		{__LINE__, STR_INIT("ab"), STR_INIT("abc"), false, false, false, false, -1},
		{__LINE__, STR_INIT("bc"), STR_INIT("abc"), false, false, false, false, 1},
		{__LINE__, STR_INIT("ABC"), STR_INIT("abc"), false, true, false, false, -1},
		{__LINE__, STR_INIT("AZaz09-"), STR_INIT("azAZ09-"), false, true, false, false, -1},
		/* The neighbours of the letters differ from each other by the same bit. */
		{__LINE__, STR_INIT("@"), STR_INIT("`"), false, false, false, false, -1},
		{__LINE__, STR_INIT("["), STR_INIT("{"), false, false, false, false, -1},
		/* Latin-1 letters, and 0x80 is behind 0x7f. */
		{__LINE__, STR_INIT("\xc4"), STR_INIT("\xe4"), false, false, false, false, -1},
		{__LINE__, STR_INIT("\x80"), STR_INIT("\x7f"), false, false, false, false, 1},
		{__LINE__, NUL_TEXT, NUL_TEXT, true, true, true, true, 0},
		{__LINE__, NUL_TEXT, STR_INIT("a\0c"), false, false, false, false, -1},
		{__LINE__, NUL_TEXT, STR_INIT("a"), false, false, true, false, 1},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str a = cases[i].a, b = cases[i].b;
		int order = str_cmp(a, b), back = str_cmp(b, a);
		HOLDS(cases[i].line, str_eq(a, b) == cases[i].eq);
		HOLDS(cases[i].line, str_eq_nocase(a, b) == cases[i].nocase);
		HOLDS(cases[i].line, str_eq_nocase(b, a) == cases[i].nocase);
		HOLDS(cases[i].line, str_starts(a, b) == cases[i].starts);
		HOLDS(cases[i].line, str_ends(a, b) == cases[i].ends);
		HOLDS(cases[i].line, (order > 0) - (order < 0) == cases[i].order);
		HOLDS(cases[i].line, (back > 0) - (back < 0) == -cases[i].order);
	}
}

static void test_find(void **state)
{
	(void)state;
	static const struct {
		int line;
		struct str s;
		char c;
		size_t at;
	} cases[] = {
		{__LINE__, {NULL, 0}, 'a', 0},
		{__LINE__, STR_INIT("abcabc"), 'a', 0},
		{__LINE__, STR_INIT("abcabc"), 'c', 2},
		{__LINE__, STR_INIT("abcabc"), 'd', 6},
		{__LINE__, NUL_TEXT, '\0', 1},
		{__LINE__, STR_INIT("abc"), '\0', 3}, /* what ends the literal is not part of it */
		{__LINE__, STR_INIT("a\xff"), '\xff', 1},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		HOLDS(cases[i].line, str_find(cases[i].s, cases[i].c) == cases[i].at);
	}
}

static void test_trim(void **state)
{
	(void)state;
	static const struct {
		int line;
		struct str s, trimmed;
	} cases[] = {
		{__LINE__, {NULL, 0}, {NULL, 0}},
		{__LINE__, STR_INIT(""), STR_INIT("")},
		{__LINE__, STR_INIT(" "), STR_INIT("")},
		{__LINE__, STR_INIT(" \t \t"), STR_INIT("")},
		{__LINE__, STR_INIT("a"), STR_INIT("a")},
		{__LINE__, STR_INIT("\t a b\t "), STR_INIT("a b")},
		{__LINE__, STR_INIT("\na\r"), STR_INIT("\na\r")},
		{__LINE__, STR_INIT("\va\f"), STR_INIT("\va\f")},
		{__LINE__,
			STR_INIT("\xa0"
				 "a"),
			STR_INIT("\xa0"
				 "a")},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		HOLDS(cases[i].line, str_eq(str_trim(cases[i].s), cases[i].trimmed));
	}
	/* Trimming an empty value leaves a place: a field that is there and empty. */
	assert_non_null(str_trim(STR("  ")).p);
}

static void test_to_u64(void **state)
{
	(void)state;
	static const struct {
		int line;
		struct str s;
		int rc;
		uint64_t value;
	} cases[] = {
		{__LINE__, STR_INIT("0"), 0, 0},
		{__LINE__, STR_INIT("7"), 0, 7},
		{__LINE__, STR_INIT("000000000000000000000000000007"), 0, 7},
		{__LINE__, STR_INIT("1234567890"), 0, 1234567890},
		{__LINE__, STR_INIT("18446744073709551615"), 0, UINT64_MAX},
		{__LINE__, STR_INIT("18446744073709551616"), E_RANGE, 0},
		{__LINE__, STR_INIT("18446744073709551620"), E_RANGE, 0},
		{__LINE__, STR_INIT("99999999999999999999"), E_RANGE, 0},
		/* 2^64 * 10 and the like come out small again when they wrap round. */
		{__LINE__, STR_INIT("184467440737095516160"), E_RANGE, 0},
		{__LINE__, STR_INIT("340282366920938463463374607431768211456"), E_RANGE, 0},
		{__LINE__, STR_INIT("3402823669209384634633746074317682114560001"), E_RANGE, 0},
		{__LINE__, {NULL, 0}, E_SYNTAX, 0},
		{__LINE__, STR_INIT(""), E_SYNTAX, 0},
		{__LINE__, STR_INIT("+1"), E_SYNTAX, 0},
		{__LINE__, STR_INIT("-1"), E_SYNTAX, 0},
		{__LINE__, STR_INIT(" 1"), E_SYNTAX, 0},
		{__LINE__, STR_INIT("1 "), E_SYNTAX, 0},
		{__LINE__, STR_INIT("1_000"), E_SYNTAX, 0},
		{__LINE__, STR_INIT("0x10"), E_SYNTAX, 0},
		{__LINE__, STR_INIT("1e3"), E_SYNTAX, 0},
		{__LINE__, STR_INIT("1.0"), E_SYNTAX, 0},
		{__LINE__, STR_INIT("1\0"), E_SYNTAX, 0},
		{__LINE__, STR_INIT("\xb2"), E_SYNTAX, 0},
		{__LINE__, STR_INIT("/"), E_SYNTAX, 0}, /* before '0' */
		{__LINE__, STR_INIT(":"), E_SYNTAX, 0}, /* behind '9' */
		{__LINE__, STR_INIT("99999999999999999999x"), E_SYNTAX, 0},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t value = 4711;
		int rc = str_to_u64(cases[i].s, &value);
		HOLDS(cases[i].line, rc == cases[i].rc);
		HOLDS(cases[i].line, value == (rc == 0 ? cases[i].value : 4711));
	}
}

static void test_take_character(void **state)
{
	(void)state;
	static const struct {
		int line;
		struct str text;
		uint32_t character; /* UINT32_MAX: none */
		size_t left;
	} cases[] = {
		{__LINE__, STR_INIT("ab"), 'a', 1},
		{__LINE__, STR_INIT("\0a"), 0, 1},
		{__LINE__, STR_INIT("\x7f"), 0x7f, 0},
		{__LINE__, STR_INIT("\xc2\x80x"), 0x80, 1},
		{__LINE__, STR_INIT("\xdf\xbf"), 0x7ff, 0},
		{__LINE__, STR_INIT("\xe0\xa0\x80"), 0x800, 0},
		{__LINE__, STR_INIT("\xed\x9f\xbf"), 0xd7ff, 0},
		{__LINE__, STR_INIT("\xee\x80\x80"), 0xe000, 0},
		{__LINE__, STR_INIT("\xef\xbf\xbf"), 0xffff, 0},
		{__LINE__, STR_INIT("\xf0\x90\x80\x80"), 0x10000, 0},
		{__LINE__, STR_INIT("\xf4\x8f\xbf\xbfx"), 0x10ffff, 1},
		/* A continuation at the start, a lead that ends too early or is followed by another. */
		{__LINE__, STR_INIT("\x80"), UINT32_MAX, 1},
		{__LINE__, STR_INIT("\xbf"), UINT32_MAX, 1},
		{__LINE__, STR_INIT("\xc3"), UINT32_MAX, 1},
		{__LINE__, STR_INIT("\xc3("), UINT32_MAX, 2},
		{__LINE__, STR_INIT("\xe2\x82"), UINT32_MAX, 2},
		{__LINE__, STR_INIT("\xe2\x82("), UINT32_MAX, 3},
		{__LINE__, STR_INIT("\xf0\x9f\x98"), UINT32_MAX, 3},
		/* Longer than it need be, a surrogate, beyond the last. */
		{__LINE__, STR_INIT("\xc0\x80"), UINT32_MAX, 2},
		{__LINE__, STR_INIT("\xc1\xbf"), UINT32_MAX, 2},
		{__LINE__, STR_INIT("\xe0\x9f\xbf"), UINT32_MAX, 3},
		{__LINE__, STR_INIT("\xf0\x8f\xbf\xbf"), UINT32_MAX, 4},
		{__LINE__, STR_INIT("\xed\xa0\x80"), UINT32_MAX, 3},
		{__LINE__, STR_INIT("\xed\xbf\xbf"), UINT32_MAX, 3},
		{__LINE__, STR_INIT("\xf4\x90\x80\x80"), UINT32_MAX, 4},
		{__LINE__, STR_INIT("\xf5\x80\x80\x80"), UINT32_MAX, 4},
		{__LINE__, STR_INIT("\xff"), UINT32_MAX, 1},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str text = cases[i].text;
		HOLDS(cases[i].line, str_take_character(&text) == cases[i].character);
		HOLDS(cases[i].line, text.n == cases[i].left);
		HOLDS(cases[i].line, text.p == cases[i].text.p + cases[i].text.n - text.n);
	}
}

static void test_dup(void **state)
{
	(void)state;
	static const struct str texts[] = {{NULL, 0}, STR_INIT(""), STR_INIT("abc"), NUL_TEXT};
	for (size_t i = 0; i < COUNT(texts); i++) {
		char *copy = str_dup(texts[i]);
		assert_non_null(copy);
		assert_true(str_eq((struct str){copy, texts[i].n}, texts[i]));
		assert_int_equal(copy[texts[i].n], '\0');
		free(copy);
	}
	(void)alloc_fail_at(1);
	assert_null(str_dup(STR("abc")));
	assert_true(alloc_fail_at(0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_of),
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_trim),
		cmocka_unit_test(test_to_u64),
		cmocka_unit_test(test_take_character),
		cmocka_unit_test(test_dup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
