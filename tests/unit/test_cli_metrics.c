/* The pure parts of `telltale metrics`: times, periods, rows, bars and the sentence. */
#include "tests/unit/cases.h"

#include <errno.h>
#include <stdlib.h>

#include "cli/args.h"
#include "cli/chart.h"
#include "tests/fake/alloc.h"

#define HOUR_S INT64_C(3600)
#define DAY_S  INT64_C(86400)
#define NOON_S INT64_C(1795608000) /* 2026-11-25 12:00Z */

/* --- times and flags --------------------------------------------------------------------------- */

static void times_are_read(void **state)
{
	static const struct {
		int line;
		const char *text;
		int rc;
		uint32_t s;
	} cases[] = {
		{__LINE__, "90s", 0, 90},
		{__LINE__, "15m", 0, 900},
		{__LINE__, "24h", 0, 86400},
		{__LINE__, "7d", 0, 604800},
		{__LINE__, "4w", 0, 2419200},
		{__LINE__, "1s", 0, 1},
		{__LINE__, "007d", 0, 604800},
		{__LINE__, "455d", 0, ARGS_DURATION_MAX_S},
		{__LINE__, "65w", 0, ARGS_DURATION_MAX_S},
		{__LINE__, "39312000s", 0, ARGS_DURATION_MAX_S},
		{__LINE__, "39312001s", E_RANGE, 0},
		{__LINE__, "456d", E_RANGE, 0},
		{__LINE__, "66w", E_RANGE, 0},
		{__LINE__, "0s", E_RANGE, 0},
		{__LINE__, "18446744073709551616s", E_RANGE, 0},
		{__LINE__, "7101", E_SYNTAX, 0},
		{__LINE__, "", E_SYNTAX, 0},
		{__LINE__, "h", E_SYNTAX, 0},
		{__LINE__, "24", E_SYNTAX, 0},
		{__LINE__, "24H", E_SYNTAX, 0},
		{__LINE__, "24 h", E_SYNTAX, 0},
		{__LINE__, "-1h", E_SYNTAX, 0},
		{__LINE__, "+1h", E_SYNTAX, 0},
		{__LINE__, "1.5h", E_SYNTAX, 0},
		{__LINE__, "1h30m", E_SYNTAX, 0},
		{__LINE__, "1y", E_SYNTAX, 0},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint32_t s = 0;
		HOLDS(cases[i].line, args_duration(str_of(cases[i].text), &s) == cases[i].rc);
		HOLDS(cases[i].line, s == cases[i].s);
	}
}

static int run_nothing(const struct args *args)
{
	(void)args;
	return 0;
}

static void flags_are_checked(void **state)
{
	static const struct command rows[] = {
		{"metrics", NULL, "NAME", ARGS_BIT(ARGS_SINCE) | ARGS_BIT(ARGS_PERIOD), run_nothing,
			"", NULL},
		{0},
	};
	static const struct {
		int line;
		const char *flag;
		const char *wanted;
	} cases[] = {
		{__LINE__, "--since=24h", ""},
		{__LINE__, "--period=60", ""},
		{__LINE__, "--period=39312000", ""},
		{__LINE__, "--since=yesterday",
			"--since: 'yesterday' is not a time as 90s, 15m, 24h, 7d or 4w, 455d at "
			"most"},
		{__LINE__, "--since=500d",
			"--since: '500d' is not a time as 90s, 15m, 24h, 7d or 4w, 455d at most"},
		{__LINE__, "--since=", "--since needs a value: TIME"},
		{__LINE__, "--period=59", "--period: '59' is not a number from 60 to 39312000"},
		{__LINE__, "--period=1h", "--period: '1h' is not a number from 60 to 39312000"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct args args;
		struct diag diag = {""};
		char flag[64];
		char *argv[] = {flag, (char[]){"metrics"}, (char[]){"a"}, flag};
		(void)snprintf(flag, sizeof flag, "%s", cases[i].flag);
		int rc = args_init(&args, rows, 4, argv, &diag);
		HOLDS(cases[i].line, rc == (cases[i].wanted[0] ? E_SYNTAX : 0));
		assert_string_equal(diag.text, cases[i].wanted);
		args_done(&args);
	}
}

/* --- rows -------------------------------------------------------------------------------------- */

static void a_period_fits(void **state)
{
	static const struct {
		int line;
		const char *since;
		uint32_t period_s;
		size_t rows;
	} cases[] = {
		{__LINE__, "1s", 60, 1},
		{__LINE__, "90s", 60, 2},
		{__LINE__, "15m", 60, 16},
		{__LINE__, "30m", 60, 31},
		{__LINE__, "31m", 300, 8},
		{__LINE__, "1h", 300, 13},
		{__LINE__, "6h", 900, 25},
		{__LINE__, "24h", 3600, 25},
		{__LINE__, "3d", 10800, 25},
		{__LINE__, "7d", 21600, 29},
		{__LINE__, "4w", 86400, 29},
		{__LINE__, "90d", 604800, 13},
		{__LINE__, "455d", 2592000, 16},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		static struct chart chart;
		uint32_t since_s = 0;
		assert_int_equal(args_duration(str_of(cases[i].since), &since_s), 0);
		uint32_t period_s = chart_period(since_s);
		HOLDS(cases[i].line, period_s == cases[i].period_s);
		HOLDS(cases[i].line, chart_init(&chart, since_s, period_s, NOON_S + 59) == 0);
		HOLDS(cases[i].line, chart.n == cases[i].rows);
	}
}

/* All of the time that was asked for is there, and now; rows begin at round times. */
static void rows_cover_the_time(void **state)
{
	static struct chart chart;
	static const uint32_t periods_s[] = {60, 420, 3600, 86400, 604800, 2592000};
	(void)state;
	for (unsigned i = 0; i < 6 * 500; i++) {
		uint32_t period_s = periods_s[i % 6];
		uint32_t since_s = 1 + i * 7919 % (period_s * 14);
		int64_t now_s = NOON_S + (int64_t)i * 104729 % (9 * DAY_S);
		assert_int_equal(chart_init(&chart, since_s, period_s, now_s), 0);
		int64_t end_s = chart.start_s + (int64_t)chart.n * period_s;
		assert_true(chart.start_s <= now_s - since_s && end_s > now_s);
		assert_true(chart.n <= since_s / period_s + 2);
		int64_t round_s = period_s > DAY_S ? DAY_S : period_s == 420 ? 60 : period_s;
		assert_int_equal(chart.start_s % round_s, 0);
	}
	/* From the cap on there are too many; before the epoch there is nothing. */
	assert_int_equal(chart_init(&chart, (CHART_ROWS_MAX - 2) * 60, 60, NOON_S), 0);
	assert_int_equal(chart.n, CHART_ROWS_MAX - 1);
	assert_int_equal(chart_init(&chart, (CHART_ROWS_MAX - 1) * 60, 60, NOON_S), E_RANGE);
	assert_int_equal(chart_init(&chart, 86400, 3600, 7200), 0);
	assert_int_equal(chart.start_s, 0);
	assert_int_equal(chart.n, 3);
}

static void a_finer_period_is_answered(void **state)
{
	(void)state;
	assert_int_equal(chart_fine_period(3600, 0), 60);
	assert_int_equal(chart_fine_period(3600, 15 * DAY_S), 60);
	assert_int_equal(chart_fine_period(3600, 15 * DAY_S + 1), 300);
	assert_int_equal(chart_fine_period(3600, 63 * DAY_S), 300);
	assert_int_equal(chart_fine_period(3600, 63 * DAY_S + 1), 3600);
	assert_int_equal(chart_fine_period(86400, 0), 120);
	assert_int_equal(chart_fine_period(60, 0), 60);
	for (uint32_t time_s = 60; time_s <= ARGS_DURATION_MAX_S; time_s += 60 * 977) {
		for (int64_t age_s = 0; age_s < 100 * DAY_S; age_s += 10 * DAY_S) {
			uint32_t period_s = chart_fine_period(time_s, age_s);
			assert_int_equal(period_s % 60, 0);
			assert_true(time_s / period_s < CHART_ROWS_MAX);
		}
	}
}

static void counts_come_to_their_row(void **state)
{
	static struct chart chart;
	(void)state;
	assert_int_equal(chart_init(&chart, 3 * 3600, 3600, NOON_S), 0);
	assert_int_equal(chart.n, 4);
	int64_t start_s = chart.start_s;
	chart_add(&chart, CHART_NO_TOKEN, start_s, 1);
	chart_add(&chart, CHART_NO_TOKEN, start_s + 3599, 2);
	chart_add(&chart, CHART_NO_TOKEN, start_s - 7000, 4); /* rounded down by the server */
	chart_add(&chart, CHART_REJECTED, start_s + 3600, 8);
	assert_int_equal(chart.rows[0][CHART_NO_TOKEN], 7);
	assert_int_equal(chart.rows[1][CHART_REJECTED], 8);
	assert_int_equal(chart.last_s[CHART_NO_TOKEN], start_s + 3599);
	assert_int_equal(chart.last_s[CHART_REJECTED], start_s + 3600);
	assert_int_equal(chart.n, 4);
	/* Nothing is nothing, wherever it is. */
	chart_add(&chart, CHART_NO_TOKEN, start_s + 4 * HOUR_S, 0);
	assert_int_equal(chart.n, 4);
	/* The next row has begun, or clocks differ. */
	chart_add(&chart, CHART_NO_TOKEN, start_s + 4 * HOUR_S, 16);
	assert_int_equal(chart.n, 5);
	assert_int_equal(chart_total(&chart, CHART_NO_TOKEN), 23);
	chart_add(&chart, CHART_NO_TOKEN, INT64_MAX, 1);
	chart_add(&chart, CHART_NO_TOKEN, INT64_MAX, UINT64_MAX);
	chart_add(&chart, CHART_NO_TOKEN, INT64_MIN, 1);
	assert_int_equal(chart.n, CHART_ROWS_MAX);
	assert_true(chart.rows[CHART_ROWS_MAX - 1][CHART_NO_TOKEN] == UINT64_MAX);
	assert_true(chart_total(&chart, CHART_NO_TOKEN) == UINT64_MAX);
}

/* --- what is shown ----------------------------------------------------------------------------- */

static void assert_shown(const struct chart *chart, bool is_utf8, const char *wanted)
{
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	assert_int_equal(chart_format(chart, STR("web-1"), is_utf8, &out), 0);
	buf_add_char(&out, '\0');
	assert_string_equal(out.p, wanted);
}

static struct chart *four_hours(void)
{
	static struct chart chart;
	assert_int_equal(chart_init(&chart, 3 * 3600, 3600, NOON_S + 59), 0);
	return &chart;
}

static void bars_have_the_length_of_counts(void **state)
{
	struct chart *chart = four_hours();
	(void)state;
	chart_add(chart, CHART_NO_TOKEN, NOON_S - 3 * HOUR_S, 1000);
	chart_add(chart, CHART_NO_TOKEN, NOON_S - 2 * HOUR_S, 1);
	chart_add(chart, CHART_NO_TOKEN, NOON_S, 391);
	chart_add(chart, CHART_REJECTED, NOON_S, 5);
	chart->last_s[CHART_NO_TOKEN] = NOON_S + 60;
	assert_shown(chart, false,
		"TIME               NO-TOKEN  REJECTED\n"
		"2026-11-25 09:00Z      1000         0  ################################\n"
		"2026-11-25 10:00Z         1         0  #\n"
		"2026-11-25 11:00Z         0         0\n"
		"2026-11-25 12:00Z       391         5  #############\n"
		"total                  1392         5\n"
		"web-1 was called 1392 times without a token in the last 3 h; "
		"last: 2026-11-25 12:01Z.\n");
	assert_shown(chart, true,
		"TIME               NO-TOKEN  REJECTED\n"
		"2026-11-25 09:00Z      1000         0  ████████████████████████████████\n"
		"2026-11-25 10:00Z         1         0  ▏\n"
		"2026-11-25 11:00Z         0         0\n"
		"2026-11-25 12:00Z       391         5  ████████████▌\n"
		"total                  1392         5\n"
		"web-1 was called 1392 times without a token in the last 3 h; "
		"last: 2026-11-25 12:01Z.\n");
}

static void every_eighth_is_a_block(void **state)
{
	static const char *const bars[] = {"▏", "▎", "▍", "▌", "▋", "▊", "▉", "█", "█▏"};
	(void)state;
	for (unsigned i = 0; i < COUNT(bars); i++) {
		struct chart *chart = four_hours();
		CLEANUP(buf_done) struct buf out = BUF_EMPTY;
		char wanted[128];
		chart_add(chart, CHART_NO_TOKEN, NOON_S - HOUR_S, 8 * CHART_BAR_CHARS);
		chart_add(chart, CHART_NO_TOKEN, NOON_S, i + 1);
		assert_int_equal(chart_format(chart, STR("a"), true, &out), 0);
		(void)snprintf(
			wanted, sizeof wanted, "12:00Z  %8u         0  %s\ntotal", i + 1, bars[i]);
		buf_add_char(&out, '\0');
		assert_non_null(strstr(out.p, wanted));
	}
}

/* The last line; last is where the metric's last call was, 0: there was none. */
static void assert_sentence(
	uint32_t since_s, uint64_t answered, uint64_t rejected, const char *wanted)
{
	static struct chart chart;
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	assert_int_equal(chart_init(&chart, since_s, chart_period(since_s), NOON_S), 0);
	chart_add(&chart, CHART_NO_TOKEN, NOON_S - 120, answered);
	chart_add(&chart, CHART_REJECTED, NOON_S - 60, rejected);
	assert_int_equal(chart_format(&chart, STR("web-1"), false, &out), 0);
	buf_add_char(&out, '\0');
	const char *end = strstr(out.p, "\ntotal");
	assert_non_null(end);
	assert_string_equal(strchr(end + 1, '\n') + 1, wanted);
}

static void one_sentence_says_it(void **state)
{
	(void)state;
	assert_sentence(
		86400, 0, 0, "No call without a token in the last 24 h: tokens can be required.\n");
	assert_sentence(900, 123, 0,
		"web-1 was called 123 times without a token in the last 15 min; "
		"last: 2026-11-25 11:58Z.\n");
	assert_sentence(900, 1, 7,
		"web-1 was called 1 time without a token in the last 15 min; "
		"last: 2026-11-25 11:58Z.\n");
	assert_sentence(1800, 0, 7,
		"web-1 rejected 7 calls without a token in the last 30 min; "
		"last: 2026-11-25 11:59Z.\n");
	assert_sentence(1800, 0, 1,
		"web-1 rejected 1 call without a token in the last 30 min; "
		"last: 2026-11-25 11:59Z.\n");
	static const struct {
		uint32_t s;
		const char *text;
	} times[] = {{1, "1 s"}, {60, "60 s"}, {90, "90 s"}, {120, "2 min"}, {3600, "60 min"},
		{7200, "2 h"}, {172800, "2 days"}, {604800, "7 days"}, {1209600, "2 weeks"},
		{39312000, "65 weeks"}, {39225600, "454 days"}};
	for (size_t i = 0; i < COUNT(times); i++) {
		char wanted[128];
		(void)snprintf(wanted, sizeof wanted,
			"No call without a token in the last %s: tokens can be required.\n",
			times[i].text);
		assert_sentence(times[i].s, 0, 0, wanted);
	}
}

/* What the sentence says of an instance that was made so long ago, when there was no call. */
static void assert_all_clear(uint32_t since_s, int64_t age_s, const char *wanted)
{
	static struct chart chart;
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	char line[192];
	assert_int_equal(chart_init(&chart, since_s, chart_period(since_s), NOON_S + 59), 0);
	chart.created_s = NOON_S + 59 - age_s;
	assert_int_equal(chart_format(&chart, STR("new-9"), false, &out), 0);
	buf_add_char(&out, '\0');
	(void)snprintf(line, sizeof line, "\nNo call without a token %s.\n", wanted);
	assert_non_null(strstr(out.p, line));
}

static void nothing_is_said_of_what_nobody_watched(void **state)
{
	(void)state;
	assert_all_clear(28 * 86400, 28 * DAY_S, "in the last 4 weeks: tokens can be required");
	assert_all_clear(28 * 86400, 28 * DAY_S - 1,
		"since new-9 was made, 2026-10-28 12:01Z (3 weeks ago); that is less than the 4 "
		"weeks asked for");
	assert_all_clear(28 * 86400, 12 * 60 + 59,
		"since new-9 was made, 2026-11-25 11:48Z (12 min ago); that is less than the 4 "
		"weeks asked for");
	assert_all_clear(900, 119,
		"since new-9 was made, 2026-11-25 11:59Z (119 s ago); that is less than the 15 min "
		"asked for");
	assert_all_clear(86400, 0,
		"since new-9 was made, 2026-11-25 12:00Z (0 s ago); that is less than the 24 h "
		"asked for");
	assert_all_clear(86400, -3600,
		"since new-9 was made, 2026-11-25 13:00Z (0 s ago); that is less than the 24 h "
		"asked for");
}

/* As exactly as the history has what is so old. */
static void the_last_call_is_told_as_exactly_as_it_is_known(void **state)
{
	static const struct {
		int line;
		int64_t age_s;
		const char *wanted;
	} cases[] = {
		{__LINE__, 60, "; last: 2026-11-25 11:59Z.\n"},
		{__LINE__, 15 * DAY_S, "; last: 2026-11-10 12:00Z.\n"},
		{__LINE__, 15 * DAY_S + 300, "; last: about 2026-11-10 11:55Z.\n"},
		{__LINE__, 85 * DAY_S, "; last: about 2026-09-01 12:00Z.\n"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		static struct chart chart;
		CLEANUP(buf_done) struct buf out = BUF_EMPTY;
		assert_int_equal(chart_init(&chart, 90 * 86400, 604800, NOON_S), 0);
		chart_add(&chart, CHART_NO_TOKEN, NOON_S - cases[i].age_s, 1);
		assert_int_equal(chart_format(&chart, STR("web-1"), false, &out), 0);
		buf_add_char(&out, '\0');
		HOLDS(cases[i].line, strstr(out.p, cases[i].wanted) != NULL);
	}
}

static void large_numbers_and_no_memory(void **state)
{
	struct chart *chart = four_hours();
	struct buf out = BUF_EMPTY;
	(void)state;
	chart_add(chart, CHART_NO_TOKEN, NOON_S, UINT64_MAX);
	chart_add(chart, CHART_NO_TOKEN, NOON_S - HOUR_S, UINT64_MAX / 2);
	assert_int_equal(chart_format(chart, STR("a"), false, &out), 0);
	buf_add_char(&out, '\0');
	assert_non_null(strstr(out.p, "  18446744073709551615         0  ##########"));
	assert_non_null(strstr(out.p, "  9223372036854775807         0  ################\n"));
	buf_done(&out);
	alloc_fail_at(1);
	assert_int_equal(chart_format(chart, STR("a"), false, &out), -ENOMEM);
	assert_true(alloc_fail_at(0));
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_read),
		cmocka_unit_test(flags_are_checked),
		cmocka_unit_test(a_period_fits),
		cmocka_unit_test(rows_cover_the_time),
		cmocka_unit_test(a_finer_period_is_answered),
		cmocka_unit_test(counts_come_to_their_row),
		cmocka_unit_test(bars_have_the_length_of_counts),
		cmocka_unit_test(every_eighth_is_a_block),
		cmocka_unit_test(one_sentence_says_it),
		cmocka_unit_test(nothing_is_said_of_what_nobody_watched),
		cmocka_unit_test(the_last_call_is_told_as_exactly_as_it_is_known),
		cmocka_unit_test(large_numbers_and_no_memory),
	};
	return cmocka_run_group_tests_name("cli_metrics", tests, NULL, NULL);
}
