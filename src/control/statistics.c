#include "control/statistics.h"

#include <stdlib.h>

#define DECIMALS_MAX 10
#define ROUNDING     1e-6 /* more than what decimal fractions lose, much less than a sample */

static const char *const metrics[HISTORY_METRICS] = {
	[HISTORY_NO_TOKEN] = "MetadataNoToken",
	[HISTORY_NO_TOKEN_REJECTED] = "MetadataNoTokenRejected",
};

static const struct {
	const char *name;
	const char *member;
} names[STATISTICS] = {
	[STATISTIC_SAMPLE_COUNT] = {"SampleCount", "sampleCount"},
	[STATISTIC_AVERAGE] = {"Average", "average"},
	[STATISTIC_SUM] = {"Sum", "sum"},
	[STATISTIC_MINIMUM] = {"Minimum", "minimum"},
	[STATISTIC_MAXIMUM] = {"Maximum", "maximum"},
};

static const char *const units[] = {
	"Seconds",
	"Microseconds",
	"Milliseconds",
	"Bytes",
	"Kilobytes",
	"Megabytes",
	"Gigabytes",
	"Terabytes",
	"Bits",
	"Kilobits",
	"Megabits",
	"Gigabits",
	"Terabits",
	"Percent",
	STATISTICS_UNIT,
	"Bytes/Second",
	"Kilobytes/Second",
	"Megabytes/Second",
	"Gigabytes/Second",
	"Terabytes/Second",
	"Bits/Second",
	"Kilobits/Second",
	"Megabits/Second",
	"Gigabits/Second",
	"Terabits/Second",
	"Count/Second",
	"None",
};

const char *statistics_metric_name(enum history_metric metric)
{
	return metrics[metric];
}

int statistics_metric(struct str name)
{
	for (int i = 0; i < HISTORY_METRICS; i++) {
		if (str_eq(name, str_of(metrics[i]))) {
			return i;
		}
	}
	return E_NOTFOUND;
}

bool statistics_is_unit(struct str name)
{
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		if (str_eq(name, str_of(units[i]))) {
			return true;
		}
	}
	return false;
}

/* --- statistics ------------------------------------------------------------------------------ */

const char *statistic_name(enum statistic statistic)
{
	return names[statistic].name;
}

const char *statistic_member(enum statistic statistic)
{
	return names[statistic].member;
}

int statistic_find(struct str name)
{
	for (int i = 0; i < STATISTICS; i++) {
		if (str_eq(name, str_of(names[i].name))) {
			return i;
		}
	}
	return E_NOTFOUND;
}

double statistic_value(enum statistic statistic, const struct history_stats *stats)
{
	switch (statistic) {
	case STATISTIC_SAMPLE_COUNT:
		return (double)stats->n;
	case STATISTIC_AVERAGE:
		return (double)stats->sum / (double)stats->n;
	case STATISTIC_MINIMUM:
		return (double)stats->min;
	case STATISTIC_MAXIMUM:
		return (double)stats->max;
	case STATISTIC_SUM:
	case STATISTICS:
		break;
	}
	return (double)stats->sum;
}

/* --- percentiles ----------------------------------------------------------------------------- */

int statistic_percentile(struct str text, double *ret_percent)
{
	size_t point = str_find(text, '.');
	bool fraction = point < text.n;
	struct str whole =
		str_starts(text, STR("p")) ? (struct str){text.p + 1, point - 1} : STR_EMPTY;
	struct str rest = fraction ? str_from(text, point + 1) : STR("0");
	uint64_t percent, decimals;
	if (whole.n > 3 || str_to_u64(whole, &percent) < 0 || rest.n > DECIMALS_MAX ||
		str_to_u64(rest, &decimals) < 0) {
		return E_SYNTAX;
	}
	double value = (double)decimals;
	for (size_t i = 0; i < rest.n; i++) {
		value /= 10;
	}
	value += (double)percent;
	if (value > 100) {
		return E_SYNTAX;
	}
	*ret_percent = value;
	return 0;
}

static int by_value(const void *a, const void *b)
{
	const struct history_stats *x = a, *y = b;
	return (x->min > y->min) - (x->min < y->min);
}

int statistic_percentile_value(
	struct history_stats *sets, size_t n, double percent, double *ret_value)
{
	double samples = 0, passed = 0;
	for (size_t i = 0; i < n; i++) {
		if (sets[i].min != sets[i].max) {
			return E_NOTFOUND;
		}
		samples += (double)sets[i].n;
	}
	qsort(sets, n, sizeof *sets, by_value);
	size_t at = 0;
	for (; at + 1 < n; at++) {
		passed += (double)sets[at].n;
		if (passed * 100 + ROUNDING >= percent * samples) {
			break;
		}
	}
	*ret_value = (double)sets[at].min;
	return 0;
}

/* --- periods and times ----------------------------------------------------------------------- */

int statistics_check_period(int64_t period_s, const char *name, struct diag *diag)
{
	if (period_s < STATISTICS_PERIOD_MIN_S || period_s > STATISTICS_PERIOD_MAX_S ||
		period_s % STATISTICS_PERIOD_MIN_S != 0) {
		return diag_set(diag, E_RANGE,
			"The parameter %s must be a multiple of 60, from 60 to %lld", name,
			(long long)STATISTICS_PERIOD_MAX_S);
	}
	return 0;
}

int statistics_check_times(const struct statistics_span *span, struct diag *diag)
{
	if (span->start_s == span->end_s) {
		return diag_set(diag, E_RANGE, "The parameter %s must not equal parameter %s.",
			span->start, span->end);
	}
	if (span->start_s > span->end_s) {
		return diag_set(diag, E_RANGE,
			"The parameter %s must be less than the parameter %s.", span->start,
			span->end);
	}
	return 0;
}

int statistics_check_points(const struct statistics_span *span, struct diag *diag)
{
	int64_t points = (span->end_s - span->start_s + span->period_s - 1) / span->period_s;
	if (points > STATISTICS_POINTS_MAX) {
		return diag_set(diag, E_LIMIT,
			"You have requested up to %lld datapoints, which exceeds the limit of "
			"1,440. You may reduce the datapoints requested by increasing %s, or "
			"decreasing the time range.",
			(long long)points, span->period);
	}
	return 0;
}
