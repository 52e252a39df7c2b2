/*
 * chart - counts of both metrics over time, as a table with bars and one sentence.
 *
 * Layer:   cli (pure)
 * Threads: no state
 * Memory:  struct chart is the caller's, 23 KiB
 * Secrets: none
 * Limits:  CHART_ROWS_MAX
 * Spec:    telltale(1)
 */
#ifndef TELLTALE_CLI_CHART_H
#define TELLTALE_CLI_CHART_H

#include "base/buf.h"

#define CHART_ROWS_MAX  1440 /* as many points as one answer of the API has */
#define CHART_BAR_CHARS 32

enum chart_metric { CHART_NO_TOKEN, CHART_REJECTED, CHART_METRICS };

struct chart {
	uint32_t since_s;
	uint32_t period_s; /* of a row */
	int64_t start_s;   /* of the first row */
	int64_t now_s;
	int64_t created_s; /* since when there is what is counted; 0 unless set: always */
	int64_t last_s
		[CHART_METRICS]; /* of the last point that is not 0; may be set more exactly */
	size_t n;
	uint64_t rows[CHART_ROWS_MAX][CHART_METRICS];
};

/* A period that makes about 24 rows of that time, 30 at most up to 900 days. */
uint32_t chart_period(uint32_t since_s);

/*
 * The finest period in which the history still has what is so old, and in which that much time makes
 * not more than CHART_ROWS_MAX points.
 */
uint32_t chart_fine_period(uint32_t time_s, int64_t age_s);

/*
 * Rows of 0 for all the time from since_s ago, at least, until now, each at a round time where the
 * period allows one. Returns 0, or E_RANGE for CHART_ROWS_MAX and more: there is room for one that
 * begins meanwhile.
 */
MUST_CHECK int chart_init(struct chart *chart, uint32_t since_s, uint32_t period_s, int64_t now_s);

/*
 * Add to the row of a time. What was before the first row is in the first: a server may round a start
 * down. What is after the last makes rows as far as there may be.
 */
void chart_add(struct chart *chart, enum chart_metric metric, int64_t at_s, uint64_t count);

/* Of all rows. */
uint64_t chart_total(const struct chart *chart, enum chart_metric metric);

/*
 * Append the table and the sentence, each line with its end. Only where all of the time asked for was
 * watched does the sentence say that tokens can be required. last_s is told as it is, with "about" where the
 * history has no minutes any more.
 * is_utf8  bars may be block characters; they are # otherwise
 * Returns 0 or -ENOMEM.
 */
MUST_CHECK int chart_format(
	const struct chart *chart, struct str name, bool is_utf8, struct buf *out);

#endif
