/* Unit tests of base/timefmt.h, against the C library's calendar. */
#include "tests/unit/cases.h"

#include <time.h>

#include "base/timefmt.h"

#define DAY_S     INT64_C(86400)
#define FIRST_S   INT64_C(0)
#define LAST_S    INT64_C(253402300799) /* 9999-12-31T23:59:59Z */
#define STRIDE_S  INT64_C(1299709)      /* a prime of 15 days: every second of the day comes up */
#define UNTOUCHED INT64_C(-4711)

static void check_second(int64_t unix_s)
{
	char http[TIMEFMT_HTTP_BYTES], iso[TIMEFMT_ISO_BYTES], expected[64];
	struct tm tm;
	time_t t = (time_t)unix_s;
	int64_t back = UNTOUCHED;
	assert_non_null(gmtime_r(&t, &tm));

	timefmt_http(unix_s, http);
	assert_true(strftime(expected, sizeof expected, "%a, %d %b %Y %H:%M:%S GMT", &tm));
	if (strcmp(http, expected) != 0) {
		fail_msg("%lld: \"%s\", not \"%s\"", (long long)unix_s, http, expected);
	}
	timefmt_iso(unix_s, iso);
	assert_true(strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%SZ", &tm));
	if (strcmp(iso, expected) != 0) {
		fail_msg("%lld: \"%s\", not \"%s\"", (long long)unix_s, iso, expected);
	}
	if (timefmt_parse_iso(str_of(iso), &back) != 0 || back != unix_s) {
		fail_msg("\"%s\" is %lld, not %lld", iso, (long long)back, (long long)unix_s);
	}
}

static void test_all_years(void **state)
{
	(void)state;
	for (int64_t s = FIRST_S; s <= LAST_S; s += STRIDE_S) {
		check_second(s);
	}
	check_second(FIRST_S);
	check_second(LAST_S);
}

/* Every day of the years about leap years, of those that are none, and of 2038. */
static void test_every_day(void **state)
{
	(void)state;
	static const int years[] = {1970, 1972, 1999, 2000, 2001, 2004, 2023, 2024, 2037, 2038,
		2099, 2100, 2101, 2399, 2400, 9996, 9999};
	for (size_t i = 0; i < COUNT(years); i++) {
		struct tm tm = {.tm_year = years[i] - 1900, .tm_mday = 1};
		int64_t start = (int64_t)timegm(&tm);
		for (int64_t s = start; s < start + 366 * DAY_S && s < LAST_S; s += DAY_S) {
			check_second(s);
			check_second(s + DAY_S - 1);
		}
	}
}

static void test_clamped(void **state)
{
	(void)state;
	static const struct {
		int line;
		int64_t unix_s;
		const char *http, *iso;
	} cases[] = {
		{__LINE__, -1, "Thu, 01 Jan 1970 00:00:00 GMT", "1970-01-01T00:00:00Z"},
		{__LINE__, INT64_MIN, "Thu, 01 Jan 1970 00:00:00 GMT", "1970-01-01T00:00:00Z"},
		{__LINE__, LAST_S + 1, "Fri, 31 Dec 9999 23:59:59 GMT", "9999-12-31T23:59:59Z"},
		{__LINE__, INT64_MAX, "Fri, 31 Dec 9999 23:59:59 GMT", "9999-12-31T23:59:59Z"},
		{__LINE__, 1696245753, "Mon, 02 Oct 2023 11:22:33 GMT", "2023-10-02T11:22:33Z"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		char http[TIMEFMT_HTTP_BYTES], iso[TIMEFMT_ISO_BYTES];
		timefmt_http(cases[i].unix_s, http);
		timefmt_iso(cases[i].unix_s, iso);
		HOLDS(cases[i].line, strcmp(http, cases[i].http) == 0);
		HOLDS(cases[i].line, strcmp(iso, cases[i].iso) == 0);
		HOLDS(cases[i].line, strlen(http) == TIMEFMT_HTTP_CHARS);
	}
}

static void test_parse(void **state)
{
	(void)state;
	static const struct {
		int line;
		struct str text;
		int64_t unix_s; /* UNTOUCHED: refused */
	} cases[] = {
		{__LINE__, STR_INIT("2023-10-02T11:22:33Z"), 1696245753},
		{__LINE__, STR_INIT("2023-10-02T11:22:33.5Z"), 1696245753},
		{__LINE__, STR_INIT("2023-10-02T11:22:33.999999999999Z"), 1696245753},
		{__LINE__, STR_INIT("2023-10-02T11:22:33+00:00"), 1696245753},
		{__LINE__, STR_INIT("2023-10-02T11:22:33-00:00"), 1696245753},
		{__LINE__, STR_INIT("2023-10-02T13:22:33+02:00"), 1696245753},
		{__LINE__, STR_INIT("2023-10-02T05:52:33.25-05:30"), 1696245753},
		{__LINE__, STR_INIT("2023-10-03T11:21:33+23:59"), 1696245753},
		{__LINE__, STR_INIT("1970-01-01T00:00:00Z"), 0},
		{__LINE__, STR_INIT("1970-01-01T00:00:00+01:00"), -3600},
		{__LINE__, STR_INIT("9999-12-31T23:59:59Z"), LAST_S},
		{__LINE__, STR_INIT("2024-02-29T00:00:00Z"), 1709164800},
		{__LINE__, STR_INIT("2000-02-29T00:00:00Z"), 951782400},
		/* A leap second is the first second of what follows, at midnight as well. */
		{__LINE__, STR_INIT("2015-06-30T12:59:60Z"), 1435669200},
		{__LINE__, STR_INIT("2016-12-31T23:59:60Z"), 1483228800},
		{__LINE__, {NULL, 0}, UNTOUCHED},
		{__LINE__, STR_INIT(""), UNTOUCHED},
		{__LINE__, STR_INIT("2023-10-02"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-10-02T11:22:33"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-10-02T11:22Z"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-10-02 11:22:33Z"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-10-02t11:22:33Z"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-10-02T11:22:33z"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-10-02T11:22:33ZZ"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-10-02T11:22:33Z "), UNTOUCHED},
		{__LINE__, STR_INIT(" 2023-10-02T11:22:33Z"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-10-02T11:22:33Z\0"), UNTOUCHED},
		{__LINE__, STR_INIT("2023/10/02T11:22:33Z"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-10/02T11:22:33Z"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-10-02T11.22:33Z"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-10-02T11:22.33Z"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-10-02T11:22:33.Z"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-10-02T11:22:33.5"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-10-02T11:22:33,5Z"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-10-02T11:22:33.5.5Z"), UNTOUCHED},
		{__LINE__, STR_INIT("20231002T112233Z"), UNTOUCHED},
		{__LINE__, STR_INIT("+023-10-02T11:22:33Z"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-+1-02T11:22:33Z"), UNTOUCHED},
		{__LINE__, STR_INIT("2023- 1-02T11:22:33Z"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-1a-02T11:22:33Z"), UNTOUCHED},
		{__LINE__, STR_INIT("1969-12-31T23:59:59Z"), UNTOUCHED},
		{__LINE__, STR_INIT("0000-01-01T00:00:00Z"), UNTOUCHED},
		{__LINE__, STR_INIT("10000-01-01T00:00:00Z"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-00-02T11:22:33Z"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-13-02T11:22:33Z"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-10-00T11:22:33Z"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-10-32T11:22:33Z"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-06-31T11:22:33Z"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-02-29T11:22:33Z"), UNTOUCHED},
		{__LINE__, STR_INIT("2100-02-29T11:22:33Z"), UNTOUCHED},
		{__LINE__, STR_INIT("2024-02-30T11:22:33Z"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-10-02T24:00:00Z"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-10-02T11:60:33Z"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-10-02T11:22:61Z"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-10-02T11:22:33+24:00"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-10-02T11:22:33+01:60"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-10-02T11:22:33+0100"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-10-02T11:22:33+01"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-10-02T11:22:33+1:00"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-10-02T11:22:33+01:0"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-10-02T11:22:33+01:00Z"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-10-02T11:22:33Z+01:00"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-10-02T11:22:33+"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-10-02T11:22:33 01:00"), UNTOUCHED},
		{__LINE__, STR_INIT("2023-10-02T11:22:33CET"), UNTOUCHED},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t unix_s = UNTOUCHED;
		int rc = timefmt_parse_iso(cases[i].text, &unix_s);
		HOLDS(cases[i].line, rc == (cases[i].unix_s == UNTOUCHED ? E_SYNTAX : 0));
		HOLDS(cases[i].line, unix_s == cases[i].unix_s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_years),
		cmocka_unit_test(test_every_day),
		cmocka_unit_test(test_clamped),
		cmocka_unit_test(test_parse),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
