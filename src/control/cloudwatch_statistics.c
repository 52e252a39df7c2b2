#include <errno.h>

#include "base/json.h"
#include "control/cloudwatch_metric.h"
#include "control/cloudwatch_operations.h"
#include "control/xml.h"

#define PERCENTILES_MAX 10
#define AT_LEAST_ONE \
	"At least one of the parameters Statistics and ExtendedStatistics must be specified."
#define NOT_BOTH "Statistics and ExtendedStatistics can't be specified together."

/* What is asked for. */
struct asked {
	struct cloudwatch_metric metric;
	struct statistics_span span;
	struct cloudwatch_statistic plain[STATISTICS];
	size_t n_plain;
	struct cloudwatch_statistic percentiles[PERCENTILES_MAX];
	size_t n_percentiles;
};

static void asked_done(struct asked *asked)
{
	cloudwatch_metric_done(&asked->metric);
}

/* --- the request ----------------------------------------------------------------------------- */

static int read_list(const struct cloudwatch_at *at, const char *member, bool percentiles,
	size_t most, struct cloudwatch_statistic *v, size_t *ret_n)
{
	const json_t *list;
	TRY(cloudwatch_list(at, member, most, &list));
	size_t n = json_array_size(list);
	for (size_t i = 0; i < n; i++) {
		struct str name;
		TRY(cloudwatch_element_text(at, member, list, i, &name));
		if (cloudwatch_statistic(name, &v[i]) < 0 || v[i].is_percentile != percentiles) {
			return diag_set(&at->call->diag, E_RANGE,
				"The value %.*s for parameter %s.member.%zu is not a valid "
				"statistic.",
				STR_FMT(cloudwatch_quote(name)), member, i + 1);
		}
	}
	*ret_n = n;
	return 0;
}

static int read_statistics(const struct cloudwatch_at *at, struct asked *asked)
{
	struct call *call = at->call;
	TRY(read_list(at, "Statistics", false, STATISTICS, asked->plain, &asked->n_plain));
	TRY(read_list(at, "ExtendedStatistics", true, PERCENTILES_MAX, asked->percentiles,
		&asked->n_percentiles));
	if ((asked->n_plain > 0) == (asked->n_percentiles > 0)) {
		call->code = "InvalidParameterCombination";
		return diag_set(
			&call->diag, E_RANGE, "%s", asked->n_plain ? NOT_BOTH : AT_LEAST_ONE);
	}
	return 0;
}

static int read_request(struct call *call, struct asked *asked)
{
	const struct cloudwatch_at at = cloudwatch_top(call);
	struct statistics_span *span = &asked->span;
	TRY(cloudwatch_metric(&at, &asked->metric));
	TRY(cloudwatch_time(&at, span->start, &span->start_s));
	TRY(cloudwatch_time(&at, span->end, &span->end_s));
	TRY(cloudwatch_number(&at, span->period, &span->period_s));
	TRY(read_statistics(&at, asked));
	TRY(cloudwatch_unit(&at, &asked->metric));
	TRY(statistics_check_period(span->period_s, span->period, &call->diag));
	TRY(statistics_check_times(span, &call->diag));
	return statistics_check_points(span, &call->diag);
}

/* --- the answer ------------------------------------------------------------------------------ */

/* A map, as a form's answer has it: a list of entries. Takes the map. NULL when out of memory. */
static json_t *entries_of(json_t *map)
{
	json_t *list = json_array(), *value;
	const char *key;
	json_object_foreach (map, key, value) {
		if (json_array_append_new(
			    list, json_pack("{s:s, s:O}", "key", key, "value", value)) < 0) {
			json_decref(list);
			list = NULL;
		}
	}
	json_decref(map);
	return list ? json_pack("{s:o}", XML_ENTRY, list) : NULL;
}

/* An object, empty when no percentile is known of this point. NULL when out of memory. */
static json_t *percentiles_of(const struct asked *asked, struct cloudwatch_series *series, size_t i)
{
	json_t *map = json_object();
	for (size_t p = 0; p < asked->n_percentiles; p++) {
		const struct cloudwatch_statistic *one = &asked->percentiles[p];
		double value;
		if (cloudwatch_value(series, i, one, &value) == 0 &&
			json_object_setn_new(map, one->name.p, one->name.n, json_real(value)) < 0) {
			json_decref(map);
			return NULL;
		}
	}
	return map;
}

/* Takes the value. Returns the point; NULL when out of memory. */
static json_t *with(json_t *point, const char *member, json_t *value)
{
	if (json_object_set_new(point, member, value) < 0) {
		json_decref(point);
		return NULL;
	}
	return point;
}

static json_t *new_point(const struct call *call, int64_t at_s)
{
	return json_pack("{s:o, s:s}", "Timestamp", cloudwatch_time_json(call, at_s), "Unit",
		STATISTICS_UNIT);
}

static int add_plain(const struct call *call, const struct asked *asked,
	const struct cloudwatch_series *series, size_t i, json_t *points)
{
	json_t *point = new_point(call, series->v[i].at_s);
	for (size_t s = 0; point && s < asked->n_plain; s++) {
		const struct cloudwatch_statistic *one = &asked->plain[s];
		double value = statistic_value(one->statistic, &series->v[i].stats);
		point = with(point, statistic_name(one->statistic), json_real(value));
	}
	return json_array_append_new(points, point) < 0 ? -ENOMEM : 0;
}

/* A point of which no percentile is known is none. */
static int add_percentiles(const struct call *call, const struct asked *asked,
	struct cloudwatch_series *series, size_t i, json_t *points)
{
	json_t *map = percentiles_of(asked, series, i);
	if (map && json_object_size(map) == 0) {
		json_decref(map);
		return 0;
	}
	map = map && call->form ? entries_of(map) : map;
	json_t *point = map ? new_point(call, series->v[i].at_s) : NULL;
	if (!point) {
		json_decref(map);
		return -ENOMEM;
	}
	point = with(point, "ExtendedStatistics", map);
	return json_array_append_new(points, point) < 0 ? -ENOMEM : 0;
}

static int reply(struct call *call, const struct asked *asked)
{
	CLEANUP(cloudwatch_series_done) struct cloudwatch_series series = {.n = 0};
	bool percentiles = asked->n_percentiles > 0;
	json_t *points = json_array();
	TRY(call_set(call, "Label", json_from_str(asked->metric.name)));
	TRY(call_set(call, "Datapoints", points));
	TRY(cloudwatch_series(call, &asked->metric, &asked->span, percentiles, &series));
	for (size_t i = 0; i < series.n; i++) {
		TRY(percentiles ? add_percentiles(call, asked, &series, i, points)
				: add_plain(call, asked, &series, i, points));
	}
	return 0;
}

int cloudwatch_get_metric_statistics(struct call *call)
{
	CLEANUP(asked_done)
	struct asked asked = {.span = {.start = "StartTime", .end = "EndTime", .period = "Period"}};
	TRY(read_request(call, &asked));
	return reply(call, &asked);
}
