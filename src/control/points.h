/*
 * points - statistics over time: runs of points as bytes, and what is done with them.
 *
 * Layer:   control (pure: no fds, no clock, no log; base/ only)
 * Threads: no state
 * Memory:  struct points_run is the caller's, 18 KiB; nothing is retained
 * Secrets: none
 * Limits:  POINTS_SLOTS_MAX points a run, POINTS_BYTES_MAX bytes; numbers stop at UINT64_MAX
 * Spec:    docs/metrics.md; statistic sets and periods as CloudWatch has them
 *
 * A point is a statistic set for each metric, made of samples of one minute each: what was counted in
 * that minute. A minute in which nothing was counted is no sample, so n may be less than the minutes
 * that a point spans.
 *
 * The bytes of a run (integers are LEB128: seven bits a byte, the lowest first, and no byte more than
 * it takes):
 *
 *	form    one byte, POINTS_FORM
 *	points  in order of time; those without a sample are left out. Each is
 *	          integer: 4 * how many were left out before it + its metrics, 1, 2 or 3 for both
 *	          then for each of its metrics
 *	            of 60 s: sum                      it is one sample
 *	            others:  n, sum                   if n is 1
 *	                     n, sum, min, max - min   if not
 *	check   4 bytes: CRC-32C of period (4 bytes), start (8 bytes) and all of the above;
 *	        fixed widths, the lowest byte first
 *
 * So a run has one form only, and what stands at another's place is damaged.
 */
#ifndef TELLTALE_CONTROL_POINTS_H
#define TELLTALE_CONTROL_POINTS_H

#include "base/buf.h"

#define POINTS_METRICS   2
#define POINTS_SLOTS_MAX 288
#define POINTS_FORM      1

/* Form, check, and for every point two bytes and four integers of at most ten bytes a metric. */
#define POINTS_BYTES_MAX (5 + POINTS_SLOTS_MAX * (2 + POINTS_METRICS * 4 * 10))

/* The resolutions, the finest first. Each run lies within one run of the next. */
enum points_grain { POINTS_60_S, POINTS_300_S, POINTS_3600_S, POINTS_GRAINS };

struct points_grain_row {
	uint32_t period_s; /* of a point */
	uint32_t run_s;    /* of a run; runs start at multiples of it since the epoch */
};

extern const struct points_grain_row points_grains[POINTS_GRAINS];

/* n 0: nothing was counted, and the others are 0 too. Else 1 <= min <= max <= sum. */
struct points_set {
	uint64_t n;
	uint64_t sum;
	uint64_t min;
	uint64_t max;
};

struct points_run {
	enum points_grain grain;
	int64_t start_s;
	struct points_set at[POINTS_SLOTS_MAX][POINTS_METRICS];
};

/* When the run begins that this time is in. at_s: not before the epoch. */
static inline int64_t points_start(enum points_grain grain, int64_t at_s)
{
	return at_s - at_s % (int64_t)points_grains[grain].run_s;
}

static inline unsigned points_slots(enum points_grain grain)
{
	return points_grains[grain].run_s / points_grains[grain].period_s;
}

/* When a point of the run begins. */
static inline int64_t points_time(const struct points_run *run, unsigned slot)
{
	return run->start_s + (int64_t)slot * points_grains[run->grain].period_s;
}

/* An empty run: the one that this time is in. at_s: not before the epoch. */
void points_init(struct points_run *run, enum points_grain grain, int64_t at_s);

/* As if all samples of more had been in set. Either may be empty. */
void points_merge(struct points_set *set, const struct points_set *more);

/*
 * Add what was counted to the point at a time, which must be in the run. In a run of 60 s the point
 * stays one sample, the sum of all that is added; in others it is merged.
 */
void points_add(
	struct points_run *run, int64_t at_s, unsigned metric, const struct points_set *set);

/* Add all points of a finer run to the coarser one that it lies in. */
void points_fold(struct points_run *coarse, const struct points_run *fine);

/* Append the bytes. Returns 0, -ENOMEM, or E_LIMIT of a fixed buffer. */
MUST_CHECK int points_encode(const struct points_run *run, struct buf *out);

/*
 * Make the run from the bytes that a store holds for this start. On failure it is not to be used.
 * Returns 0, or
 *   E_DAMAGED  these are not the bytes of that run
 *   E_VERSION  genuine, but of another form: of a newer release
 */
MUST_CHECK int points_decode(
	struct points_run *run, enum points_grain grain, int64_t start_s, struct str bytes);

#endif
