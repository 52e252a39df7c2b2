/*
 * cloudwatch_metric - which instance's history a metric of CloudWatch is, and its values.
 *
 * Layer:   control (only for src/control/cloudwatch*.c)
 * Threads: as control/call.h
 * Memory:  cloudwatch_metric_done(), cloudwatch_series_done(); names point into the request
 * Secrets: none
 * Limits:  those of control/history.h
 * Spec:    docs/control.md#cloudwatch
 *
 *	AWS/EC2        InstanceId=i-…      an instance, also when it is gone
 *	AWS/Lightsail  InstanceName=web-1  an instance that is there
 *
 * Any other namespace, name, dimension or unit is no error, as with the real service: it has no points.
 */
#ifndef TELLTALE_CONTROL_CLOUDWATCH_METRIC_H
#define TELLTALE_CONTROL_CLOUDWATCH_METRIC_H

#include "control/cloudwatch_request.h"
#include "control/statistics.h"

#define CLOUDWATCH_EC2            "AWS/EC2"
#define CLOUDWATCH_EC2_BY         "InstanceId"
#define CLOUDWATCH_LIGHTSAIL      "AWS/Lightsail"
#define CLOUDWATCH_LIGHTSAIL_BY   "InstanceName"
#define CLOUDWATCH_NAME_MAX       255
#define CLOUDWATCH_VALUE_MAX      1024 /* of a dimension */
#define CLOUDWATCH_DIMENSIONS_MAX 30

struct cloudwatch_metric {
	struct str name;
	bool known; /* has points, maybe */
	enum history_metric metric;
	struct buf id; /* the instance's */
};

/* Read Namespace, MetricName and Dimensions. Returns what readers do, or -ENOMEM. */
MUST_CHECK int cloudwatch_metric(
	const struct cloudwatch_at *at, struct cloudwatch_metric *ret_metric);
void cloudwatch_metric_done(struct cloudwatch_metric *metric);

/* Read Unit, which may be missing. With another than ours the metric has no points. */
MUST_CHECK int cloudwatch_unit(const struct cloudwatch_at *at, struct cloudwatch_metric *metric);

/* "Sum" or "p99". */
struct cloudwatch_statistic {
	struct str name;
	bool is_percentile;
	enum statistic statistic;
	double percent;
};

/* Returns 0 or E_NOTFOUND. */
MUST_CHECK int cloudwatch_statistic(struct str name, struct cloudwatch_statistic *ret_statistic);

/* One period. */
struct cloudwatch_point {
	int64_t at_s;
	struct history_stats stats;
	size_t first_sample;
	size_t n_samples;
};

struct cloudwatch_series {
	struct cloudwatch_point *v; /* in order of time */
	size_t n;
	size_t cap;
	struct history_stats *samples; /* what percentiles are made of */
	size_t n_samples;
	size_t cap_samples;
};

/*
 * What there is of a metric. samples: percentiles will be asked for.
 * Returns 0, or what registrar_history() does.
 */
MUST_CHECK int cloudwatch_series(struct call *call, const struct cloudwatch_metric *metric,
	const struct statistics_span *span, bool samples, struct cloudwatch_series *ret_series);
void cloudwatch_series_done(struct cloudwatch_series *series);

/*
 * The value of a point. Returns 0, or E_NOTFOUND: percentiles of what has been summarised are not known.
 */
MUST_CHECK int cloudwatch_value(struct cloudwatch_series *series, size_t i,
	const struct cloudwatch_statistic *statistic, double *ret_value);

#endif
