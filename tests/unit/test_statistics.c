/* Names, values, percentiles, units and what a query may ask for. */
#include "tests/unit/metadata_help.h"

#include "tests/unit/cases.h"

#include "control/statistics.h"

static void names_and_values(void **state)
{
	const struct history_stats stats = {4, 10, 1, 5};
	static const struct {
		const char *name;
		const char *member;
		double value;
	} rows[] = {
		{"SampleCount", "sampleCount", 4},
		{"Average", "average", 2.5},
		{"Sum", "sum", 10},
		{"Minimum", "minimum", 1},
		{"Maximum", "maximum", 5},
	};
	(void)state;
	assert_int_equal(COUNT(rows), STATISTICS);
	for (size_t i = 0; i < COUNT(rows); i++) {
		int found = statistic_find(str_of(rows[i].name));
		assert_true(found >= 0);
		enum statistic statistic = (enum statistic)found;
		assert_string_equal(statistic_name(statistic), rows[i].name);
		assert_string_equal(statistic_member(statistic), rows[i].member);
		assert_true(statistic_value(statistic, &stats) == rows[i].value);
		assert_int_equal(statistic_find(str_of(rows[i].member)), E_NOTFOUND);
	}
	static const char *const none[] = {"", "Su", "Sums", "p99", "SUM", " Sum"};
	for (size_t i = 0; i < COUNT(none); i++) {
		assert_int_equal(statistic_find(str_of(none[i])), E_NOTFOUND);
		assert_int_equal(statistics_metric(str_of(none[i])), E_NOTFOUND);
		assert_false(statistics_is_unit(str_of(none[i])));
	}
	assert_int_equal(statistics_metric(STR("MetadataNoToken")), HISTORY_NO_TOKEN);
	assert_int_equal(
		statistics_metric(STR("MetadataNoTokenRejected")), HISTORY_NO_TOKEN_REJECTED);
	for (int i = 0; i < HISTORY_METRICS; i++) {
		assert_int_equal(
			statistics_metric(str_of(statistics_metric_name((enum history_metric)i))),
			i);
	}
	assert_true(statistics_is_unit(STR("Count")) && statistics_is_unit(STR("None")));
	assert_true(statistics_is_unit(STR("Bytes/Second")));
	assert_false(statistics_is_unit(STR("count")) || statistics_is_unit(STR_EMPTY));
}

static void percentile_names(void **state)
{
	static const struct {
		int line;
		const char *text;
		int rc;
		double percent;
	} rows[] = {
		{__LINE__, "p99", 0, 99},
		{__LINE__, "p0", 0, 0},
		{__LINE__, "p100", 0, 100},
		{__LINE__, "p100.00", 0, 100},
		{__LINE__, "p50.5", 0, 50.5},
		{__LINE__, "p99.9999999999", 0, 99.9999999999},
		{__LINE__, "p99.99999999999", E_SYNTAX, 0},
		{__LINE__, "p100.1", E_SYNTAX, 0},
		{__LINE__, "p101", E_SYNTAX, 0},
		{__LINE__, "p0099", E_SYNTAX, 0},
		{__LINE__, "p99.", E_SYNTAX, 0},
		{__LINE__, "p.5", E_SYNTAX, 0},
		{__LINE__, "p", E_SYNTAX, 0},
		{__LINE__, "p.", E_SYNTAX, 0},
		{__LINE__, ".", E_SYNTAX, 0},
		{__LINE__, "", E_SYNTAX, 0},
		{__LINE__, "99", E_SYNTAX, 0},
		{__LINE__, "P99", E_SYNTAX, 0},
		{__LINE__, "p-1", E_SYNTAX, 0},
		{__LINE__, "p9 9", E_SYNTAX, 0},
		{__LINE__, "p1.2.3", E_SYNTAX, 0},
		{__LINE__, "p18446744073709551616", E_SYNTAX, 0},
		{__LINE__, "tm99", E_SYNTAX, 0},
		{__LINE__, "IQM", E_SYNTAX, 0},
		{__LINE__, "PR(:100)", E_SYNTAX, 0},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		double percent = -1;
		case_int(rows[i].line, statistic_percentile(str_of(rows[i].text), &percent),
			rows[i].rc);
		double want = rows[i].rc == 0 ? rows[i].percent : -1;
		HOLDS(rows[i].line, percent - want < 1e-9 && want - percent < 1e-9);
	}
}

/* One sample, or several that are the same. */
static struct history_stats sample(uint64_t n, uint64_t value)
{
	return (struct history_stats){n, n * value, value, value};
}

static void percentile_values(void **state)
{
	struct history_stats sets[1000];
	double value = -1;
	(void)state;
	static const struct {
		int line;
		double percent;
		double want;
	} rows[] = {
		{__LINE__, 0, 1},
		{__LINE__, 0.1, 1},
		{__LINE__, 0.11, 2},
		{__LINE__, 50, 500},
		{__LINE__, 16.1, 161}, /* whose nearest number is above it */
		{__LINE__, 50.05, 501},
		{__LINE__, 99.9, 999},
		{__LINE__, 99.95, 1000},
		{__LINE__, 100, 1000},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (size_t k = 0; k < COUNT(sets); k++) {
			sets[k] = sample(1, 1 + (k * 7) % COUNT(sets));
		}
		assert_int_equal(
			statistic_percentile_value(sets, COUNT(sets), rows[i].percent, &value), 0);
		case_int(rows[i].line, (long long)value, (long long)rows[i].want);
	}
	/* Sets count as many times as they have samples. */
	sets[0] = sample(1, 9);
	sets[1] = sample(9, 2);
	assert_int_equal(statistic_percentile_value(sets, 2, 90, &value), 0);
	assert_true(value == 2);
	assert_int_equal(statistic_percentile_value(sets, 2, 91, &value), 0);
	assert_true(value == 9);
	assert_int_equal(statistic_percentile_value(sets, 1, 1, &value), 0);
	assert_true(value == 2);
	sets[1] = (struct history_stats){2, 5, 2, 3};
	value = -1;
	assert_int_equal(statistic_percentile_value(sets, 2, 50, &value), E_NOTFOUND);
	assert_true(value == -1);
}

static void periods(void **state)
{
	static const struct {
		int64_t period_s;
		int rc;
	} rows[] = {
		{60, 0},
		{120, 0},
		{86400, 0},
		{2628000, 0},
		{STATISTICS_PERIOD_MAX_S, 0},
		{STATISTICS_PERIOD_MAX_S + 60, E_RANGE},
		{0, E_RANGE},
		{1, E_RANGE},
		{59, E_RANGE},
		{61, E_RANGE},
		{-60, E_RANGE},
		{INT64_MAX, E_RANGE},
		{INT64_MIN, E_RANGE},
	};
	struct diag diag;
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		case_int((int)i, statistics_check_period(rows[i].period_s, "Period", &diag),
			rows[i].rc);
	}
	assert_non_null(strstr(diag.text, "Period"));
}

static void times(void **state)
{
	struct statistics_span span = {.start = "startTime",
		.end = "endTime",
		.period = "period",
		.start_s = 1000,
		.end_s = 1001,
		.period_s = 60};
	struct diag diag;
	(void)state;
	assert_int_equal(statistics_check_times(&span, &diag), 0);
	span.end_s = 1000;
	assert_int_equal(statistics_check_times(&span, &diag), E_RANGE);
	assert_string_equal(diag.text, "The parameter startTime must not equal parameter endTime.");
	span.end_s = 999;
	assert_int_equal(statistics_check_times(&span, &diag), E_RANGE);
	assert_string_equal(
		diag.text, "The parameter startTime must be less than the parameter endTime.");
	span.end_s = span.start_s + 86400; /* a day of minutes, wherever in a minute it starts */
	assert_int_equal(statistics_check_points(&span, &diag), 0);
	span.end_s++;
	assert_int_equal(statistics_check_points(&span, &diag), E_LIMIT);
	assert_non_null(strstr(diag.text, "up to 1441 datapoints"));
	assert_non_null(strstr(diag.text, "increasing period"));
	span.start_s = 0;
	span.end_s = STATISTICS_TIME_MAX_S;
	assert_int_equal(statistics_check_points(&span, &diag), E_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_values),
		cmocka_unit_test(percentile_names),
		cmocka_unit_test(percentile_values),
		cmocka_unit_test(periods),
		cmocka_unit_test(times),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
