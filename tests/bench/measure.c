#include "measure.h"

#include <unistd.h>

uint64_t clock_read_ns(clockid_t clock)
{
	struct timespec ts;

	(void)clock_gettime(clock, &ts); /* can't fail for the clocks we ask */
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t now_ns(void)
{
	return clock_read_ns(CLOCK_MONOTONIC);
}

void hist_add(struct hist *hist, uint64_t v)
{
	size_t i = v;

	if (v >= HIST_SUB) {
		unsigned shift = 63u - (unsigned)__builtin_clzll(v) - HIST_BITS;

		i = ((size_t)(shift + 1) << HIST_BITS) + ((v >> shift) & (HIST_SUB - 1));
	}
	hist->buckets[i]++;
	hist->n++;
	if (v > hist->max) {
		hist->max = v;
	}
}

uint64_t hist_quantile(const struct hist *hist, uint64_t permille)
{
	uint64_t rank = (hist->n * permille + 999) / 1000;
	uint64_t seen = 0;

	for (size_t i = 0; i < HIST_BUCKETS; i++) {
		seen += hist->buckets[i];
		if (seen >= rank && seen > 0) {
			size_t shift = i >> HIST_BITS;

			if (shift < 2) {
				return i;
			}
			shift--;
			return ((uint64_t)(HIST_SUB + (i & (HIST_SUB - 1))) << shift) +
			       (UINT64_C(1) << (shift - 1));
		}
	}
	return 0;
}

bool wait_for_line(void)
{
	char c;

	for (;;) {
		ssize_t n = read(STDIN_FILENO, &c, 1);

		if (n <= 0) {
			return false;
		}
		if (c == '\n') {
			return true;
		}
	}
}
