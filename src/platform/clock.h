/*
 * clock - the two clocks.
 *
 * Layer:   platform
 * Threads: no state
 * Memory:  none
 * Secrets: none
 * Limits:  none
 * Spec:    clock_gettime(2)
 */
#ifndef TELLTALE_PLATFORM_CLOCK_H
#define TELLTALE_PLATFORM_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds since the epoch. */
static inline int64_t clock_wall_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Milliseconds since the epoch. */
static inline int64_t clock_wall_ms(void)
{
	return clock_wall_ns() / 1000000;
}

/* Seconds since the epoch. */
static inline int64_t clock_wall_s(void)
{
	/* As time(2), which not all processors have where the vDSO does not help. */
	struct timespec t;
	clock_gettime(CLOCK_REALTIME_COARSE, &t);
	return (int64_t)t.tv_sec;
}

/* Milliseconds of a clock that is never set back; a few milliseconds coarse. */
static inline uint64_t clock_mono_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

#endif
