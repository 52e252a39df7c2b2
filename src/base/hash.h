/*
 * hash - FNV-1a, for tables whose size is a power of two.
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

#define HASH_START UINT64_C(14695981039346656037)

/* The hash of what h is the hash of, followed by these bytes. */
static inline uint64_t hash_bytes(uint64_t h, const void *p, size_t n)
{
	const unsigned char *bytes = p;
	for (size_t i = 0; i < n; i++) {
		h = (h ^ bytes[i]) * UINT64_C(1099511628211);
	}
	return h;
}

static inline uint64_t hash_str(uint64_t h, struct str s)
{
	return hash_bytes(h, s.p, s.n);
}

/* Where to look first in a table of cap slots, a power of two. */
static inline size_t hash_slot(uint64_t h, size_t cap)
{
	return (size_t)(h ^ h >> 32) & (cap - 1);
}

#endif
