/*
 * history - what was counted of each instance, minute by minute, in the store.
 *
 * Layer:   control (no clock, no state: time is an argument)
 * Threads: callers hold the registrar's lock, for the store and for struct entry.reported
 * Memory:  nothing is retained; what is lent to a callback lives for that call
 * Secrets: none
 * Limits:  HISTORY_POINTS_MAX points a query
 * Spec:    docs/metrics.md; Amazon CloudWatch, GetMetricStatistics: "Data points with a period of 60
 *          seconds (1-minute) are available for 15 days", "of 300 seconds (5-minute) […] for 63
 *          days", "of 3600 seconds (1 hour) […] for 455 days (15 months)"
 *
 * Times are in seconds since the epoch; those before it and after the year 9999 are clamped. A clock
 * that goes back is no harm: points land in the minute that it shows.
 */
#ifndef TELLTALE_CONTROL_HISTORY_H
#define TELLTALE_CONTROL_HISTORY_H

#include "metadata/registry.h"
#include "store/store.h"

/* When points of 60, 300 and 3600 s are folded into the next coarser ones; the last ones go. */
#define HISTORY_60_S_AGE_S   (15 * INT64_C(86400))
#define HISTORY_300_S_AGE_S  (63 * INT64_C(86400))
#define HISTORY_3600_S_AGE_S (455 * INT64_C(86400))

/* More than all that is kept; GetMetricData's most. */
#define HISTORY_POINTS_MAX 100800

enum history_metric { HISTORY_NO_TOKEN, HISTORY_NO_TOKEN_REJECTED, HISTORY_METRICS };

/* Of samples of one minute; one in which nothing was counted is none. n 0: there is none. */
struct history_stats {
	uint64_t n;
	uint64_t sum;
	uint64_t min;
	uint64_t max;
};

/* What was counted of the instance since the last flush. */
uint64_t history_pending(
	const struct registry *registry, const struct entry *entry, enum history_metric metric);

/*
 * Put what was counted since the last flush into the minute of now_s: one transaction for all
 * instances, none at all when nothing was counted. Counts of the same minute become one sample,
 * also after a restart.
 * Returns 0, or an error of the store: nothing is lost then, the next flush has it. E_DAMAGED and
 * E_VERSION: some instance's points can't be read; its counts wait, all others are in the store.
 */
MUST_CHECK int history_flush(
	struct store *store, const struct registry *registry, int64_t now_s, struct diag *diag);

/* The same for one instance, before it goes or gets another id. */
MUST_CHECK int history_flush_one(struct store *store, const struct registry *registry,
	struct entry *entry, int64_t now_s, struct diag *diag);

/*
 * Fold what has come of age into coarser points, and forget the oldest; in one transaction.
 * most  how many runs (points.h) at most
 * Returns 1 when there is more to do, 0 when not, or an error of the store, which has changed
 * nothing. E_DAMAGED: a run could not be read and was forgotten; the others have been dealt with.
 * E_VERSION: it is a newer release's; nothing was changed.
 */
MUST_CHECK int history_age(struct store *store, int64_t now_s, unsigned most, struct diag *diag);

struct history_query {
	struct str instance_id;
	enum history_metric metric;
	int64_t start_s;   /* inclusive; rounded down to the minute, to 5 min or 1 h when so old */
	int64_t end_s;     /* exclusive */
	uint32_t period_s; /* a multiple of 60 */
};

/*
 * The points in order of time; their times are start + k * period. Periods without a sample have
 * none. A point of the store is counted in the period in which it begins.
 * live      the instance's entry: what is not flushed yet belongs to the minute of now_s; NULL: it
 *           is gone
 * on_point  ends it with an error, which is returned; may not call the store
 * Returns 0, E_RANGE for such a period or metric, E_LIMIT, -ENOMEM, E_DAMAGED, E_VERSION or an error
 * of the store. No point is told then.
 */
MUST_CHECK int history_read(struct store *store, const struct registry *registry,
	const struct entry *live, const struct history_query *query, int64_t now_s,
	int (*on_point)(void *ctx, int64_t at_s, const struct history_stats *stats), void *ctx,
	struct diag *diag);

#endif
