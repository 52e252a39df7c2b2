/*
 * sum - a check over what is in a row, so that a damaged one is found when it is read.
 *
 * Layer:   store (pure)
 * Threads: no state
 * Memory:  borrows
 * Secrets: a sum tells next to nothing of a value, and lies beside it
 * Limits:  none
 * Spec:    none; a sum that was written must stay the same for ever
 *
 * SQLite finds what is wrong with the tree of pages, not with the bytes in a row. A sum over the
 * row does: it is not cryptographic, but each step can be undone, so that a change within any eight
 * bytes always shows, and others in all but 2^-64 of cases.
 *
 * A chain of calls begins with a letter of its table's own, so that a row is none of another.
 */
#ifndef TELLTALE_STORE_SUM_H
#define TELLTALE_STORE_SUM_H

#include <endian.h>

#include "base/str.h"

static inline uint64_t sum_number(uint64_t sum, uint64_t value)
{
	sum = (sum ^ value) * 0x9E3779B97F4A7C15U;
	return sum ^ sum >> 32;
}

/* Absent (p NULL) and empty differ. */
static inline uint64_t sum_text(uint64_t sum, struct str text)
{
	sum = sum_number(sum, text.p ? text.n : UINT64_MAX);
	while (text.n > 0) {
		uint64_t word = 0;
		size_t n = text.n < sizeof word ? text.n : sizeof word;
		memcpy(&word, text.p, n);
		sum = sum_number(sum, le64toh(word));
		text = str_from(text, n);
	}
	return sum;
}

#endif
