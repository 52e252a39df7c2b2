#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "control/cloudwatch_metric.h"
#include "control/cloudwatch_operations.h"

#define QUERIES        "MetricDataQueries"
#define QUERIES_MAX    500
#define POINTS_MAX     100800
#define ID_MAX         255
#define TEXT_MAX       2048
#define ID_PATTERN     "^[a-z][a-zA-Z0-9_]*$"
#define NO_EXPRESSION  "metric math and queries are not supported here, only MetricStat."
#define POSITION_BYTES 48
#define NAME_BYTES     (CLOUDWATCH_PREFIX_BYTES + 16)

struct data_query {
	struct str id;
	struct str label;
	struct cloudwatch_metric metric;
	struct cloudwatch_statistic statistic;
	int64_t period_s;
	bool returned;
};

/* What is asked for. */
struct asked {
	struct data_query *v;
	size_t n;
	struct statistics_span span; /* all but the period */
	bool ascending;
	size_t most;  /* points in this answer */
	size_t first; /* the query that it begins with */
	bool resumed; /* behind after_s of that one */
	int64_t after_s;
};

static void asked_done(struct asked *asked)
{
	for (size_t i = 0; i < asked->n; i++) {
		cloudwatch_metric_done(&asked->v[i].metric);
	}
	free(asked->v);
}

/* --- one query ------------------------------------------------------------------------------- */

static bool is_id(struct str id)
{
	for (size_t i = 0; i < id.n; i++) {
		char c = id.p[i], lower = (char)(c | 0x20);
		bool small = c >= 'a' && c <= 'z';
		if (!small && (i == 0 || !((lower >= 'a' && lower <= 'z') ||
						 (c >= '0' && c <= '9') || c == '_'))) {
			return false;
		}
	}
	return id.n > 0;
}

static int read_id(const struct cloudwatch_at *at, struct str *ret_id)
{
	TRY(cloudwatch_text(at, "Id", ID_MAX, ret_id));
	return is_id(*ret_id) ? 0
			      : diag_set(&at->call->diag, E_RANGE,
					"The value %.*s for parameter %sId is not matching the "
					"expected pattern " ID_PATTERN ".",
					STR_FMT(cloudwatch_quote(*ret_id)), at->prefix);
}

static int read_stat(const struct cloudwatch_at *at, struct cloudwatch_statistic *ret_statistic)
{
	struct str name;
	TRY(cloudwatch_text(at, "Stat", TEXT_MAX, &name));
	return cloudwatch_statistic(name, ret_statistic) == 0
		       ? 0
		       : diag_set(&at->call->diag, E_RANGE,
				 "The value %.*s for parameter %sStat is not a valid statistic.",
				 STR_FMT(cloudwatch_quote(name)), at->prefix);
}

/* MetricStat: which metric, in periods of how long, and what of it. */
static int read_metric_stat(const struct cloudwatch_at *at, struct data_query *query)
{
	static const char *const members[] = {"Metric", "Period", "Stat", "Unit", NULL};
	static const char *const metric_members[] = {"Namespace", "MetricName", "Dimensions", NULL};
	struct cloudwatch_at stat, metric;
	char period[NAME_BYTES];
	TRY(cloudwatch_structure(at, "MetricStat", &stat));
	TRY(cloudwatch_only(&stat, members));
	TRY(cloudwatch_structure(&stat, "Metric", &metric));
	TRY(cloudwatch_only(&metric, metric_members));
	TRY(cloudwatch_metric(&metric, &query->metric));
	TRY(cloudwatch_number(&stat, "Period", &query->period_s));
	(void)snprintf(period, sizeof period, "%sPeriod", stat.prefix); /* fits */
	TRY(statistics_check_period(query->period_s, period, &at->call->diag));
	TRY(read_stat(&stat, &query->statistic));
	return cloudwatch_unit(&stat, &query->metric);
}

static int read_query(const struct cloudwatch_at *at, struct data_query *query)
{
	static const char *const members[] = {"Id", "MetricStat", "Expression", "Label",
		"ReturnData", "Period", "AccountId", NULL};
	struct call *call = at->call;
	struct str account;
	TRY(cloudwatch_only(at, members));
	TRY(read_id(at, &query->id));
	if (cloudwatch_has(at, "Expression")) {
		return diag_set(&call->diag, E_RANGE, "The parameter %sExpression: " NO_EXPRESSION,
			at->prefix);
	}
	TRY(read_metric_stat(at, query));
	TRY(cloudwatch_text_if(at, "Label", TEXT_MAX, &query->label));
	TRY(cloudwatch_flag(at, "ReturnData", true, &query->returned));
	TRY(cloudwatch_text_if(at, "AccountId", ID_MAX, &account));
	query->label = query->label.p ? query->label : query->metric.name;
	if (account.p && !str_eq(account, call->api->site->account_id)) {
		query->metric.known = false;
	}
	return 0;
}

/* --- all of them ----------------------------------------------------------------------------- */

static int check_queries(struct call *call, const struct asked *asked)
{
	bool any = false;
	for (size_t i = 0; i < asked->n; i++) {
		for (size_t j = 0; j < i; j++) {
			if (str_eq(asked->v[i].id, asked->v[j].id)) {
				return diag_set(&call->diag, E_RANGE,
					"The values for parameter id in " QUERIES
					" are not unique.");
			}
		}
		any = any || asked->v[i].returned;
	}
	return any ? 0
		   : diag_set(&call->diag, E_RANGE,
			     "At least one of " QUERIES " must have ReturnData true.");
}

static int read_queries(const struct cloudwatch_at *at, struct asked *asked)
{
	const json_t *list;
	TRY(cloudwatch_list(at, QUERIES, QUERIES_MAX, &list));
	size_t n = json_array_size(list);
	if (n == 0) {
		return cloudwatch_missing(at, QUERIES);
	}
	asked->v = calloc(n, sizeof *asked->v);
	if (!asked->v) {
		return -ENOMEM;
	}
	for (; asked->n < n; asked->n++) {
		struct cloudwatch_at one;
		TRY(cloudwatch_element(at, QUERIES, list, asked->n, &one));
		int rc = read_query(&one, &asked->v[asked->n]);
		if (rc < 0) {
			cloudwatch_metric_done(&asked->v[asked->n].metric);
			return rc;
		}
	}
	return check_queries(at->call, asked);
}

static int read_order(const struct cloudwatch_at *at, bool *ret_ascending)
{
	struct str order;
	TRY(cloudwatch_text_if(at, "ScanBy", TEXT_MAX, &order));
	bool ascending = str_eq(order, STR("TimestampAscending"));
	if (order.p && !ascending && !str_eq(order, STR("TimestampDescending"))) {
		return diag_set(&at->call->diag, E_RANGE,
			"The parameter ScanBy must be TimestampDescending or TimestampAscending.");
	}
	*ret_ascending = ascending;
	return 0;
}

static int read_most(const struct cloudwatch_at *at, size_t *ret_most)
{
	int64_t most = POINTS_MAX;
	if (cloudwatch_has(at, "MaxDatapoints")) {
		TRY(cloudwatch_number(at, "MaxDatapoints", &most));
	}
	if (most < 1 || most > POINTS_MAX) {
		return diag_set(&at->call->diag, E_RANGE,
			"The parameter MaxDatapoints must be from 1 to %d.", POINTS_MAX);
	}
	*ret_most = (size_t)most;
	return 0;
}

/* Dynamic labels are not filled in here, so that it does not matter in which zone. */
static int check_label_options(const struct cloudwatch_at *at)
{
	static const char *const members[] = {"Timezone", NULL};
	struct cloudwatch_at options;
	struct str zone;
	if (!cloudwatch_has(at, "LabelOptions")) {
		return 0;
	}
	TRY(cloudwatch_structure(at, "LabelOptions", &options));
	TRY(cloudwatch_only(&options, members));
	return cloudwatch_text_if(&options, "Timezone", TEXT_MAX, &zone);
}

/* "3", or "3.1800000000": behind that time. */
static int read_position(struct call *call, struct asked *asked)
{
	struct str position;
	uint64_t first = 0, after_s = 0;
	int rc = cloudwatch_token(call, &position);
	if (rc == 0 && position.n) {
		size_t point = str_find(position, '.');
		asked->resumed = point < position.n;
		rc = str_to_u64((struct str){position.p, point}, &first);
		if (rc == 0 && asked->resumed) {
			rc = str_to_u64(str_from(position, point + 1), &after_s);
		}
	}
	if (rc < 0 || first >= asked->n || after_s > (uint64_t)STATISTICS_TIME_MAX_S) {
		call->code = rc == -ENOMEM ? NULL : "InvalidNextToken";
		return rc < 0 ? rc : diag_set(&call->diag, E_SYNTAX, "NextToken is not valid.");
	}
	asked->first = (size_t)first;
	asked->after_s = (int64_t)after_s;
	return 0;
}

static int read_request(struct call *call, struct asked *asked)
{
	const struct cloudwatch_at at = cloudwatch_top(call);
	struct statistics_span *span = &asked->span;
	TRY(read_queries(&at, asked));
	TRY(cloudwatch_time(&at, span->start, &span->start_s));
	TRY(cloudwatch_time(&at, span->end, &span->end_s));
	TRY(statistics_check_times(span, &call->diag));
	TRY(read_order(&at, &asked->ascending));
	TRY(read_most(&at, &asked->most));
	TRY(check_label_options(&at));
	return read_position(call, asked);
}

/* --- the answer ------------------------------------------------------------------------------ */

/* The points of one query, as far as there is room. */
struct found {
	json_t *times;
	json_t *values;
	size_t n;
	bool more;
	int64_t last_s; /* the time of the last one */
};

static int add_point(const struct call *call, struct found *found, int64_t at_s, double value)
{
	json_t *time = cloudwatch_time_json(call, at_s);
	if (json_array_append_new(found->times, time) < 0 ||
		json_array_append_new(found->values, json_real(value)) < 0) {
		return -ENOMEM;
	}
	found->n++;
	found->last_s = at_s;
	return 0;
}

/* Whether an earlier page had it. */
static bool is_behind(const struct asked *asked, size_t i, int64_t at_s)
{
	if (i != asked->first || !asked->resumed) {
		return false;
	}
	return asked->ascending ? at_s <= asked->after_s : at_s >= asked->after_s;
}

static int fill(
	struct call *call, const struct asked *asked, size_t i, size_t room, struct found *found)
{
	CLEANUP(cloudwatch_series_done) struct cloudwatch_series series = {.n = 0};
	const struct data_query *query = &asked->v[i];
	struct statistics_span span = asked->span;
	span.period_s = query->period_s;
	TRY(cloudwatch_series(
		call, &query->metric, &span, query->statistic.is_percentile, &series));
	for (size_t k = 0; k < series.n; k++) {
		size_t at = asked->ascending ? k : series.n - 1 - k;
		double value;
		if (is_behind(asked, i, series.v[at].at_s) ||
			cloudwatch_value(&series, at, &query->statistic, &value) < 0) {
			continue;
		}
		if (found->n == room) {
			found->more = true;
			return 0;
		}
		TRY(add_point(call, found, series.v[at].at_s, value));
	}
	return 0;
}

static int set_position(
	struct call *call, const struct asked *asked, size_t i, const struct found *found)
{
	char text[POSITION_BYTES];
	bool resumed = found->n > 0 || (i == asked->first && asked->resumed);
	int64_t after_s = found->n > 0 ? found->last_s : asked->after_s;
	int n = resumed ? snprintf(text, sizeof text, "%zu.%" PRId64, i, after_s)
			: snprintf(text, sizeof text, "%zu", i);
	return cloudwatch_set_token(call, (struct str){text, (size_t)n});
}

/* Returns 1 when the answer is full and has its token, 0 when it may go on. */
static int add_result(
	struct call *call, const struct asked *asked, size_t i, size_t *room, json_t *results)
{
	const struct data_query *query = &asked->v[i];
	struct found found = {.times = json_array(), .values = json_array()};
	json_t *shown = json_pack("{s:o, s:o, s:o, s:o}", "Id", json_from_str(query->id), "Label",
		json_from_str(query->label), "Timestamps", found.times, "Values", found.values);
	if (!shown) {
		return -ENOMEM;
	}
	int rc = fill(call, asked, i, *room, &found);
	/* The first point of what is not begun here is on the next page. */
	if (rc == 0 && (found.n > 0 || !found.more)) {
		rc = json_object_set_new(
			shown, "StatusCode", json_string(found.more ? "PartialData" : "Complete"));
		rc |= json_array_append(results, shown);
		rc = rc < 0 ? -ENOMEM : 0;
	}
	json_decref(shown);
	TRY(rc);
	*room -= found.n;
	if (found.more) {
		TRY(set_position(call, asked, i, &found));
	}
	return found.more;
}

static int reply(struct call *call, const struct asked *asked)
{
	json_t *results = json_array();
	size_t room = asked->most;
	int rc = 0;
	TRY(call_set(call, "MetricDataResults", results));
	TRY(call_set(call, "Messages", json_array()));
	for (size_t i = asked->first; rc == 0 && i < asked->n; i++) {
		if (asked->v[i].returned) {
			rc = add_result(call, asked, i, &room, results);
		}
	}
	return rc < 0 ? rc : 0;
}

int cloudwatch_get_metric_data(struct call *call)
{
	struct asked asked = {.span = {.start = "StartTime", .end = "EndTime"}};
	int rc = read_request(call, &asked);
	if ((rc == E_SYNTAX || rc == E_RANGE) && !call->code) {
		call->code = "ValidationError"; /* not what the other operations say */
	}
	if (rc == 0) {
		rc = reply(call, &asked);
	}
	asked_done(&asked);
	return rc;
}
