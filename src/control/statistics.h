/*
 * statistics - what can be asked of a metric: its name, statistics, units, periods and times.
 *
 * Layer:   control (pure: no fds, no clock, no log)
 * Threads: no state
 * Memory:  everything is borrowed for the call
 * Secrets: none
 * Limits:  STATISTICS_PERIOD_MAX_S, STATISTICS_TIME_MAX_S; STATISTICS_POINTS_MAX points an answer
 * Spec:    Amazon CloudWatch API, GetMetricStatistics; Lightsail API, GetInstanceMetricData
 *
 * Lightsail and CloudWatch ask for the same with other spellings, so the names of parameters in
 * messages are arguments.
 */
#ifndef TELLTALE_CONTROL_STATISTICS_H
#define TELLTALE_CONTROL_STATISTICS_H

#include "control/history.h"

/* "The maximum number of data points returned from a single call is 1,440." */
#define STATISTICS_POINTS_MAX 1440

#define STATISTICS_PERIOD_MIN_S 60
#define STATISTICS_PERIOD_MAX_S HISTORY_3600_S_AGE_S
#define STATISTICS_TIME_MAX_S   INT64_C(253402300799) /* the end of the year 9999 */

/* "MetadataNoToken" and "MetadataNoTokenRejected". */
const char *statistics_metric_name(enum history_metric metric);

/* The metric of that name, or E_NOTFOUND. */
MUST_CHECK int statistics_metric(struct str name);

enum statistic {
	STATISTIC_SAMPLE_COUNT,
	STATISTIC_AVERAGE,
	STATISTIC_SUM,
	STATISTIC_MINIMUM,
	STATISTIC_MAXIMUM,
	STATISTICS,
};

/* "SampleCount", as CloudWatch spells it, and "sampleCount", as Lightsail's replies do. */
const char *statistic_name(enum statistic statistic);
const char *statistic_member(enum statistic statistic);

/* The statistic of CloudWatch's name, which is Lightsail's in requests; or E_NOTFOUND. */
MUST_CHECK int statistic_find(struct str name);

/* stats->n is not 0. */
double statistic_value(enum statistic statistic, const struct history_stats *stats);

/* Read "p99", "p99.95", "p100". Returns 0 or E_SYNTAX. */
MUST_CHECK int statistic_percentile(struct str text, double *ret_percent);

/*
 * The least value that so many percent of the samples do not exceed, of n > 0 sets, which are put in
 * order. Returns 0, or E_NOTFOUND where a set has samples that differ: what they were is not known any
 * more.
 */
MUST_CHECK int statistic_percentile_value(
	struct history_stats *sets, size_t n, double percent, double *ret_value);

/* The unit of what is counted, and whether a name is that of any unit. */
#define STATISTICS_UNIT "Count"
bool statistics_is_unit(struct str name);

/* Returns 0, or E_RANGE with diag: not a multiple of 60 from 60 s to 455 days. */
MUST_CHECK int statistics_check_period(int64_t period_s, const char *name, struct diag *diag);

/* From when until when, in periods of how long; and what the parameters are called. */
struct statistics_span {
	int64_t start_s;
	int64_t end_s;
	int64_t period_s;
	const char *start;
	const char *end;
	const char *period;
};

/* Returns 0, or E_RANGE with diag: the start is not before the end. */
MUST_CHECK int statistics_check_times(const struct statistics_span *span, struct diag *diag);

/* Returns 0, or E_LIMIT with diag: there are more than STATISTICS_POINTS_MAX periods. */
MUST_CHECK int statistics_check_points(const struct statistics_span *span, struct diag *diag);

#endif
