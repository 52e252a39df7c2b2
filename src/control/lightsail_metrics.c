#include <errno.h>

#include "base/json.h"
#include "control/lightsail_operations.h"
#include "control/request.h"
#include "control/statistics.h"

/* Lightsail's other InstanceMetricNames: nothing here measures them, so they have no points. */
static const struct str unmeasured[] = {
	STR_INIT("CPUUtilization"),
	STR_INIT("NetworkIn"),
	STR_INIT("NetworkOut"),
	STR_INIT("StatusCheckFailed"),
	STR_INIT("StatusCheckFailed_Instance"),
	STR_INIT("StatusCheckFailed_System"),
	STR_INIT("BurstCapacityTime"),
	STR_INIT("BurstCapacityPercentage"),
};

/* What is asked for, and what is answered while it is read. */
struct asked {
	struct str instance;
	struct str metric;
	struct str unit;
	struct statistics_span span;
	bool wanted[STATISTICS];
	json_t *points;
};

/* --- the request ----------------------------------------------------------------------------- */

static int read_period(const json_t *request, int64_t *ret_period_s, struct diag *diag)
{
	const json_t *value = json_object_get(request, "period");
	if (!json_is_integer(value)) {
		return diag_set(diag, E_SYNTAX,
			value ? "period: expected a whole number" : "period is missing");
	}
	*ret_period_s = json_integer_value(value);
	return 0;
}

/* Epoch seconds, with a fraction or without. */
static int read_time(
	const json_t *request, const char *member, int64_t *ret_time_s, struct diag *diag)
{
	const json_t *value = json_object_get(request, member);
	if (!json_is_number(value)) {
		return diag_set(diag, E_SYNTAX,
			value ? "%s: expected seconds since the epoch" : "%s is missing", member);
	}
	double time_s = json_number_value(value);
	if (!(time_s >= 0 && time_s <= (double)STATISTICS_TIME_MAX_S)) {
		return diag_set(diag, E_RANGE, "%s: not in the years from 1970 to 9999", member);
	}
	*ret_time_s = (int64_t)time_s;
	return 0;
}

static int read_statistics(const json_t *request, bool wanted[STATISTICS], struct diag *diag)
{
	const json_t *list = json_object_get(request, "statistics"), *one;
	size_t i;
	if (!list) {
		return diag_set(diag, E_SYNTAX, "statistics is missing");
	}
	if (!json_is_array(list) || json_array_size(list) == 0) {
		return diag_set(diag, E_SYNTAX, "statistics: expected a list of at least one");
	}
	json_array_foreach (list, i, one) {
		int statistic = statistic_find(json_str(one));
		if (statistic < 0) {
			return diag_set(diag, E_RANGE,
				"statistics: expected Minimum, Maximum, Sum, Average or "
				"SampleCount");
		}
		wanted[statistic] = true;
	}
	return 0;
}

static bool is_unmeasured(struct str metric)
{
	for (size_t i = 0; i < sizeof unmeasured / sizeof unmeasured[0]; i++) {
		if (str_eq(metric, unmeasured[i])) {
			return true;
		}
	}
	return false;
}

static int check(const struct asked *asked, struct diag *diag)
{
	if (statistics_metric(asked->metric) < 0 && !is_unmeasured(asked->metric)) {
		return diag_set(diag, E_RANGE, "metricName: there is no metric of that name");
	}
	if (!statistics_is_unit(asked->unit)) {
		return diag_set(diag, E_RANGE, "unit: there is no unit of that name");
	}
	TRY(statistics_check_period(asked->span.period_s, asked->span.period, diag));
	TRY(statistics_check_times(&asked->span, diag));
	return statistics_check_points(&asked->span, diag);
}

static int read_request(const json_t *request, struct asked *ret_asked, struct diag *diag)
{
	struct asked asked = {.span = {.start = "startTime", .end = "endTime", .period = "period"}};
	TRY(request_text(request, "instanceName", &asked.instance, diag));
	TRY(request_text(request, "metricName", &asked.metric, diag));
	TRY(read_period(request, &asked.span.period_s, diag));
	TRY(read_time(request, asked.span.start, &asked.span.start_s, diag));
	TRY(read_time(request, asked.span.end, &asked.span.end_s, diag));
	TRY(request_text(request, "unit", &asked.unit, diag));
	TRY(read_statistics(request, asked.wanted, diag));
	TRY(check(&asked, diag));
	*ret_asked = asked;
	return 0;
}

/* --- the answer ------------------------------------------------------------------------------ */

static int on_point(void *ctx, int64_t at_s, const struct history_stats *stats)
{
	struct asked *asked = ctx;
	json_t *point =
		json_pack("{s:I, s:s}", "timestamp", (json_int_t)at_s, "unit", STATISTICS_UNIT);
	for (unsigned i = 0; point && i < STATISTICS; i++) {
		if (asked->wanted[i] && json_object_set_new(point, statistic_member(i),
						json_real(statistic_value(i, stats))) < 0) {
			json_decref(point);
			point = NULL;
		}
	}
	return json_array_append_new(asked->points, point) < 0 ? -ENOMEM : 0;
}

static int read_points(struct call *call, struct asked *asked, struct str id)
{
	int metric = statistics_metric(asked->metric);
	/* All that is measured is counted. */
	if (metric < 0 || !str_eq(asked->unit, STR(STATISTICS_UNIT))) {
		return 0;
	}
	const struct history_query query = {
		.instance_id = id,
		.metric = (enum history_metric)metric,
		.start_s = asked->span.start_s,
		.end_s = asked->span.end_s,
		.period_s = (uint32_t)asked->span.period_s,
	};
	return registrar_history(call->api->registrar, &query, on_point, asked, &call->diag);
}

int lightsail_get_metric_data(struct call *call)
{
	struct asked asked;
	CLEANUP(buf_done) struct buf id = BUF_EMPTY;
	TRY(read_request(call->request, &asked, &call->diag));
	TRY(registrar_id_of(call->api->registrar, asked.instance, &id, &call->diag));
	asked.points = json_array();
	TRY(call_set(call, "metricData", asked.points));
	TRY(call_set(call, "metricName", json_from_str(asked.metric)));
	return read_points(call, &asked, buf_str(&id));
}
