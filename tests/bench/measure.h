/*
 * measure - clocks, how latencies are spread, and when to begin.
 *
 * Layer:   bench (the load programs)
 * Threads: a struct hist belongs to one thread
 * Memory:  the caller's
 * Secrets: none
 * Limits:  a quantile is off by less than 1.6 %
 * Spec:    none
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define NS_PER_S UINT64_C(1000000000)

uint64_t clock_read_ns(clockid_t clock);

/* The monotonic clock. */
uint64_t now_ns(void);

/* 64 buckets per power of two. */
enum { HIST_BITS = 6, HIST_SUB = 1 << HIST_BITS, HIST_BUCKETS = (64 - HIST_BITS + 1) * HIST_SUB };

struct hist {
	uint64_t n;
	uint64_t max;
	uint64_t buckets[HIST_BUCKETS];
};

void hist_add(struct hist *hist, uint64_t v);

/* The middle of the bucket that holds the given quantile, in parts per thousand. */
uint64_t hist_quantile(const struct hist *hist, uint64_t permille);

/* Wait for a line on stdin. False: there will be none any more. */
bool wait_for_line(void);

#endif
