#include "control/cloudwatch_metric.h"

#include <errno.h>
#include <stdlib.h>

#include "base/array.h"

#define SAMPLE_S 60

/* --- which one ------------------------------------------------------------------------------- */

void cloudwatch_metric_done(struct cloudwatch_metric *metric)
{
	buf_done(&metric->id);
}

struct dimension {
	struct str name;
	struct str value;
};

/* All are checked; that of the last is kept. */
static int read_dimensions(
	const struct cloudwatch_at *at, struct dimension *ret_dimension, size_t *ret_n)
{
	static const char *const members[] = {"Name", "Value", NULL};
	const json_t *list;
	TRY(cloudwatch_list(at, "Dimensions", CLOUDWATCH_DIMENSIONS_MAX, &list));
	*ret_n = json_array_size(list);
	for (size_t i = 0; i < *ret_n; i++) {
		struct cloudwatch_at one;
		TRY(cloudwatch_element(at, "Dimensions", list, i, &one));
		TRY(cloudwatch_only(&one, members));
		TRY(cloudwatch_text(&one, "Name", CLOUDWATCH_NAME_MAX, &ret_dimension->name));
		TRY(cloudwatch_text(&one, "Value", CLOUDWATCH_VALUE_MAX, &ret_dimension->value));
	}
	return 0;
}

/* The id of the instance that the dimension means. Returns 0, E_NOTFOUND or -ENOMEM. */
static int find_id(const struct call *call, struct str namespace, const struct dimension *dimension,
	struct buf *ret_id)
{
	if (str_eq(namespace, STR(CLOUDWATCH_EC2)) &&
		str_eq(dimension->name, STR(CLOUDWATCH_EC2_BY))) {
		buf_add(ret_id, dimension->value);
		return buf_status(ret_id);
	}
	if (str_eq(namespace, STR(CLOUDWATCH_LIGHTSAIL)) &&
		str_eq(dimension->name, STR(CLOUDWATCH_LIGHTSAIL_BY))) {
		return registrar_id_of(call->api->registrar, dimension->value, ret_id, NULL);
	}
	return E_NOTFOUND;
}

int cloudwatch_metric(const struct cloudwatch_at *at, struct cloudwatch_metric *ret_metric)
{
	struct str namespace;
	struct dimension dimension = {STR_EMPTY, STR_EMPTY};
	size_t n;
	*ret_metric = (struct cloudwatch_metric){.known = false};
	TRY(cloudwatch_text(at, "Namespace", CLOUDWATCH_NAME_MAX, &namespace));
	TRY(cloudwatch_text(at, "MetricName", CLOUDWATCH_NAME_MAX, &ret_metric->name));
	TRY(read_dimensions(at, &dimension, &n));
	int metric = statistics_metric(ret_metric->name);
	if (metric < 0 || n != 1) {
		return 0;
	}
	int rc = find_id(at->call, namespace, &dimension, &ret_metric->id);
	ret_metric->known = rc == 0;
	ret_metric->metric = (enum history_metric)metric;
	return rc == E_NOTFOUND ? 0 : rc;
}

int cloudwatch_unit(const struct cloudwatch_at *at, struct cloudwatch_metric *metric)
{
	struct str unit;
	TRY(cloudwatch_text_if(at, "Unit", CLOUDWATCH_NAME_MAX, &unit));
	if (unit.p && !statistics_is_unit(unit)) {
		return diag_set(&at->call->diag, E_RANGE,
			"The value %.*s for parameter %sUnit is not a valid unit.",
			STR_FMT(cloudwatch_quote(unit)), at->prefix);
	}
	metric->known = metric->known && (!unit.p || str_eq(unit, STR(STATISTICS_UNIT)));
	return 0;
}

int cloudwatch_statistic(struct str name, struct cloudwatch_statistic *ret_statistic)
{
	int statistic = statistic_find(name);
	double percent = 0;
	if (statistic < 0 && statistic_percentile(name, &percent) < 0) {
		return E_NOTFOUND;
	}
	*ret_statistic = (struct cloudwatch_statistic){.name = name,
		.is_percentile = statistic < 0,
		.statistic = statistic < 0 ? STATISTICS : (enum statistic)statistic,
		.percent = percent};
	return 0;
}

/* --- its values ------------------------------------------------------------------------------ */

void cloudwatch_series_done(struct cloudwatch_series *series)
{
	free(series->v);
	free(series->samples);
}

struct reading {
	struct cloudwatch_series *series;
	int64_t period_s;
	size_t at; /* the point that samples belong to */
};

static int on_point(void *ctx, int64_t at_s, const struct history_stats *stats)
{
	struct reading *reading = ctx;
	struct cloudwatch_series *series = reading->series;
	void *v = array_room(series->v, series->n, &series->cap, sizeof *series->v);
	if (!v) {
		return -ENOMEM;
	}
	series->v = v;
	series->v[series->n++] = (struct cloudwatch_point){.at_s = at_s, .stats = *stats};
	return 0;
}

/* What was counted between both looks, in a period that had no sample before, is left out. */
static int on_sample(void *ctx, int64_t at_s, const struct history_stats *stats)
{
	struct reading *reading = ctx;
	struct cloudwatch_series *series = reading->series;
	while (reading->at < series->n && series->v[reading->at].at_s + reading->period_s <= at_s) {
		reading->at++;
	}
	if (reading->at == series->n || at_s < series->v[reading->at].at_s) {
		return 0;
	}
	void *samples = array_room(
		series->samples, series->n_samples, &series->cap_samples, sizeof *series->samples);
	if (!samples) {
		return -ENOMEM;
	}
	series->samples = samples;
	struct cloudwatch_point *point = &series->v[reading->at];
	point->first_sample = point->n_samples ? point->first_sample : series->n_samples;
	point->n_samples++;
	series->samples[series->n_samples++] = *stats;
	return 0;
}

int cloudwatch_series(struct call *call, const struct cloudwatch_metric *metric,
	const struct statistics_span *span, bool samples, struct cloudwatch_series *ret_series)
{
	struct reading reading = {.series = ret_series, .period_s = span->period_s};
	struct history_query query = {
		.instance_id = buf_str(&metric->id),
		.metric = metric->metric,
		.start_s = span->start_s,
		.end_s = span->end_s,
		.period_s = (uint32_t)span->period_s,
	};
	*ret_series = (struct cloudwatch_series){.n = 0};
	if (!metric->known) {
		return 0;
	}
	TRY(registrar_history(call->api->registrar, &query, on_point, &reading, &call->diag));
	query.period_s = SAMPLE_S;
	return samples ? registrar_history(
				 call->api->registrar, &query, on_sample, &reading, &call->diag)
		       : 0;
}

int cloudwatch_value(struct cloudwatch_series *series, size_t i,
	const struct cloudwatch_statistic *statistic, double *ret_value)
{
	const struct cloudwatch_point *point = &series->v[i];
	if (!statistic->is_percentile) {
		*ret_value = statistic_value(statistic->statistic, &point->stats);
		return 0;
	}
	return point->n_samples ? statistic_percentile_value(series->samples + point->first_sample,
					  point->n_samples, statistic->percent, ret_value)
				: E_NOTFOUND;
}
