#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "cli/args.h"
#include "cli/chart.h"
#include "cli/output.h"

#define SINCE_DEFAULT "24h"
#define MINUTE_S      60
#define COUNT_MAX     9007199254740992.0 /* 2^53: as far as a JSON number is exact */
#define TIME_MAX_S    253402300800.0     /* the year 10000 */

static const char *const metric_names[CHART_METRICS] = {
	[CHART_NO_TOKEN] = "MetadataNoToken",
	[CHART_REJECTED] = "MetadataNoTokenRejected",
};

/* What is asked: the points of one metric. */
struct query {
	enum chart_metric metric;
	int64_t start_s;
	int64_t end_s; /* exclusive */
	uint32_t period_s;
};

/* ret_points: an array; the caller's reference. Returns an exit code. */
MUST_CHECK static int ask(const struct args *args, const struct query *query, json_t **ret_points)
{
	CLEANUP(json_done) json_t *reply = NULL;
	json_t *request = json_pack("{s:s, s:s, s:I, s:I, s:I, s:s, s:[s]}", "instanceName",
		args->operand, "metricName", metric_names[query->metric], "period",
		(json_int_t)query->period_s, "startTime", (json_int_t)query->start_s, "endTime",
		(json_int_t)query->end_s, "unit", "Count", "statistics", "Sum");
	int code = command_call(args, "GetInstanceMetricData", request, &reply);
	if (code != COMMAND_DONE) {
		return code;
	}
	json_t *points = json_object_get(reply, "metricData");
	if (!json_is_array(points)) {
		return output_fail(COMMAND_FAILED, "the daemon's reply has no metricData");
	}
	*ret_points = json_incref(points);
	return COMMAND_DONE;
}

/* Numbers that make no sense are none: they come from a daemon, perhaps another one. */
static bool read_point(const json_t *point, int64_t *ret_at_s, uint64_t *ret_count)
{
	double at_s = json_number_value(json_object_get(point, "timestamp"));
	double sum = json_number_value(json_object_get(point, "sum"));
	if (!(at_s > 0 && at_s < TIME_MAX_S && sum > 0 && sum < COUNT_MAX)) {
		return false;
	}
	*ret_at_s = (int64_t)at_s;
	*ret_count = (uint64_t)sum;
	return *ret_count > 0;
}

static void add_points(struct chart *chart, enum chart_metric metric, const json_t *points)
{
	for (size_t i = 0; i < json_array_size(points); i++) {
		int64_t at_s;
		uint64_t count;
		if (read_point(json_array_get(points, i), &at_s, &count)) {
			chart_add(chart, metric, at_s, count);
		}
	}
}

/* All rows, and a minute more: the daemon may be in the next one already. */
static struct query whole(const struct chart *chart, enum chart_metric metric)
{
	int64_t end_s = chart->start_s + (int64_t)chart->n * chart->period_s + MINUTE_S;
	return (struct query){metric, chart->start_s, end_s, chart->period_s};
}

/* The last point that is not 0; *last_s stays when there is none after it. */
MUST_CHECK static int ask_last(const struct args *args, const struct query *query, int64_t *last_s)
{
	CLEANUP(json_done) json_t *points = NULL;
	int code = ask(args, query, &points);
	for (size_t i = 0; i < json_array_size(points); i++) {
		int64_t at_s;
		uint64_t count;
		if (read_point(json_array_get(points, i), &at_s, &count) && at_s > *last_s &&
			at_s < query->end_s) {
			*last_s = at_s;
		}
	}
	return code;
}

/*
 * A row may be long: look into the last one that is not 0, then into the last part of it, and so on
 * until a part is a minute, or as short as the history still has them.
 */
MUST_CHECK static int find_last(const struct args *args, struct chart *chart)
{
	enum chart_metric metric =
		chart_total(chart, CHART_NO_TOKEN) > 0 ? CHART_NO_TOKEN : CHART_REJECTED;
	int64_t *last_s = &chart->last_s[metric];
	uint32_t part_s = chart->period_s;
	int code = COMMAND_DONE;
	while (code == COMMAND_DONE && *last_s > 0) {
		uint32_t period_s = chart_fine_period(part_s, chart->now_s - *last_s);
		if (period_s >= part_s) {
			break;
		}
		const struct query query = {metric, *last_s, *last_s + part_s, period_s};
		code = ask_last(args, &query, last_s);
		part_s = period_s;
	}
	return code;
}

/* Of the time before there was the instance nothing can be said. */
MUST_CHECK static int ask_created(const struct args *args, int64_t *ret_created_s)
{
	CLEANUP(json_done) json_t *reply = NULL;
	json_t *request = json_pack("{s:s}", "instanceName", args->operand);
	int code = command_call(args, "GetInstance", request, &reply);
	if (code != COMMAND_DONE) {
		return code;
	}
	double created_s = json_number_value(output_member(reply, "instance.createdAt"));
	if (!(created_s > 0 && created_s < TIME_MAX_S)) {
		return output_fail(COMMAND_FAILED, "the daemon's reply has no createdAt");
	}
	*ret_created_s = (int64_t)created_s;
	return COMMAND_DONE;
}

/* Blocks are for eyes: on a terminal whose locale says UTF-8. */
static bool shows_utf8(void)
{
	bool is_utf8 = false;
	locale_t locale =
		isatty(STDOUT_FILENO) ? newlocale(LC_CTYPE_MASK, "", (locale_t)0) : (locale_t)0;
	if (locale) {
		is_utf8 = strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") == 0;
		freelocale(locale);
	}
	return is_utf8;
}

static int print_chart(const struct args *args, const struct chart *chart)
{
	CLEANUP(buf_done) struct buf text = BUF_EMPTY;
	if (chart_format(chart, str_of(args->operand), shows_utf8(), &text) < 0) {
		return output_fail(COMMAND_FAILED, "out of memory");
	}
	return output_text(buf_str(&text));
}

/* Both metrics, into the chart and into the list of the JSON form. */
MUST_CHECK static int ask_all(const struct args *args, struct chart *chart, json_t *metrics)
{
	struct query queries[CHART_METRICS];
	for (unsigned metric = 0; metric < CHART_METRICS; metric++) {
		queries[metric] = whole(chart, metric);
	}
	for (unsigned metric = 0; metric < CHART_METRICS; metric++) {
		CLEANUP(json_done) json_t *points = NULL;
		int code = ask(args, &queries[metric], &points);
		if (code != COMMAND_DONE) {
			return code;
		}
		add_points(chart, metric, points);
		json_t *one = json_pack(
			"{s:s, s:O}", "metricName", metric_names[metric], "metricData", points);
		if (json_array_append_new(metrics, one) < 0) {
			return output_fail(COMMAND_FAILED, "out of memory");
		}
	}
	return COMMAND_DONE;
}

/* Which rows. args.c has checked each value by itself. */
MUST_CHECK static int plan(const struct args *args, int64_t now_s, struct chart *chart)
{
	const char *since = args->value[ARGS_SINCE] ? args->value[ARGS_SINCE] : SINCE_DEFAULT;
	const char *period = args->value[ARGS_PERIOD];
	uint32_t since_s = 0;
	if (args_duration(str_of(since), &since_s) < 0) {
		return output_fail(COMMAND_USAGE, "--since: '%s' is not a time", since);
	}
	uint32_t period_s = period ? (uint32_t)strtoul(period, NULL, 10) : chart_period(since_s);
	if (period_s % MINUTE_S != 0) {
		return output_fail(COMMAND_USAGE, "--period: '%s' is not a multiple of 60", period);
	}
	if (chart_init(chart, since_s, period_s, now_s) < 0) {
		return output_fail(COMMAND_USAGE,
			"--since %s in rows of %u s makes %d or more; --period may be longer",
			since, period_s, CHART_ROWS_MAX);
	}
	return COMMAND_DONE;
}

/* A chart, and what its sentence needs besides. */
MUST_CHECK static int show(const struct args *args, struct chart *chart)
{
	bool any = chart_total(chart, CHART_NO_TOKEN) > 0 || chart_total(chart, CHART_REJECTED) > 0;
	int code = any ? find_last(args, chart) : ask_created(args, &chart->created_s);
	return code == COMMAND_DONE ? print_chart(args, chart) : code;
}

int cli_metrics(const struct args *args)
{
	struct chart chart = {0};
	int code = plan(args, (int64_t)time(NULL), &chart);
	if (code != COMMAND_DONE) {
		return code;
	}
	CLEANUP(json_done)
	json_t *all = json_pack("{s:s, s:I, s:[]}", "instanceName", args->operand,
		"periodInSeconds", (json_int_t)chart.period_s, "metrics");
	code = ask_all(args, &chart, json_object_get(all, "metrics"));
	if (code != COMMAND_DONE) {
		return code;
	}
	return args_has(args, ARGS_JSON) ? output_json(all) : show(args, &chart);
}
