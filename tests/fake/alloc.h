/*
 * alloc - an allocator that fails when told to and looks at what is given back.
 *
 * Layer:   tests; linked with -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free, so that it
 *          sees our own calls and not those of shared libraries
 * Threads: safe from any thread; one failure and one text at a time for all of them
 * Memory:  the text is borrowed until the next alloc_watch()
 * Secrets: none
 * Limits:  none
 * Spec:    none
 *
 *	for (unsigned n = 1;; n++) {
 *		alloc_fail_at(n);
 *		rc = call();
 *		if (!alloc_fail_at(0)) {
 *			break;     // there were less than n allocations
 *		}
 *		...                // the nth failed
 *	}
 */
#ifndef TELLTALE_FAKE_ALLOC_H
#define TELLTALE_FAKE_ALLOC_H

#include "base/str.h"

/* Let the nth allocation from now on fail, 0: none. Returns whether one has failed so far. */
bool alloc_fail_at(unsigned n);

/* Count blocks that are given back with this text in them; empty: stop. Returns the last count. */
unsigned alloc_watch(struct str text);

#endif
