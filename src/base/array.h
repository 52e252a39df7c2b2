/*
 * array - room in an array that grows.
 *
 * Layer:   base
 * Threads: no state
 * Memory:  the array is the caller's, for free(3); NULL is one without room.
 * Secrets: not for them: what moves leaves a copy behind.
 * Limits:  none
 * Spec:    none
 */
#ifndef TELLTALE_BASE_ARRAY_H
#define TELLTALE_BASE_ARRAY_H

#include <stddef.h>
#include <stdlib.h>

#define ARRAY_FIRST 16 /* elements there is room for at first */

/*
 * The array, with room for one more than its n elements of so many bytes each. NULL when out of
 * memory: array and *cap are as they were.
 */
static inline void *array_room(void *array, size_t n, size_t *cap, size_t bytes)
{
	if (n < *cap) {
		return array;
	}
	size_t more = *cap ? *cap * 2 : ARRAY_FIRST;
	void *p = realloc(array, more * bytes);
	if (p) {
		*cap = more;
	}
	return p;
}

#endif
