/*
 * hash - of a few bytes, for tables whose size is a power of two.
 *
 * Layer:   base
 * Threads: no state
 * Memory:  none
 * Secrets: none
 * Limits:  for tables into which no caller can put keys of his choice: he could make them collide
 * Spec:    none
 *
 *	uint64_t h = hash_str(HASH_START, network);
 *	h = hash_str(h, name);
 *	slot = hash_slot(h, cap);
 */
#ifndef TELLTALE_BASE_HASH_H
#define TELLTALE_BASE_HASH_H

#include "base/str.h"

#define HASH_START UINT64_C(0x243f6a8885a308d3)

/* Up to seven bytes as one number. Some are in it twice; which ones depends on n alone. */
static inline uint64_t hash_last_(const unsigned char *p, size_t n)
{
	uint32_t first, last;
	if (n >= sizeof first) {
		memcpy(&first, p, sizeof first);
		memcpy(&last, p + n - sizeof last, sizeof last);
		return (uint64_t)last << 32 | first;
	}
	return n ? (uint64_t)p[0] | (uint64_t)p[n / 2] << 8 | (uint64_t)p[n - 1] << 16 : 0;
}

/* A product's upper half depends on all of its factor, and comes down for the next one. */
static inline uint64_t hash_mix_(uint64_t h)
{
	h *= UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 32;
}

/*
 * A hash of these bytes that starts from another one: eight at a time, so that the hash of a whole is
 * not that of its parts one after the other.
 */
static inline uint64_t hash_bytes(uint64_t h, const void *p, size_t n)
{
	const unsigned char *at = p;
	uint64_t word;
	for (; n >= sizeof word; n -= sizeof word, at += sizeof word) {
		memcpy(&word, at, sizeof word);
		h = hash_mix_(h ^ word);
	}
	/* Twice, since a byte at the top of a word reaches the bottom only with the second product. */
	return hash_mix_(hash_mix_(h ^ hash_last_(at, n) ^ (uint64_t)n << 56));
}

static inline uint64_t hash_str(uint64_t h, struct str s)
{
	return hash_bytes(h, s.p, s.n);
}

/* Where to look first in a table of cap slots, a power of two. */
static inline size_t hash_slot(uint64_t h, size_t cap)
{
	return (size_t)h & (cap - 1);
}

#endif
