/*
 * cases - what a unit test of tables needs: cmocka, and assertions that name the row.
 *
 * Layer:   tests
 * Threads: the test's own thread alone
 * Memory:  none
 * Secrets: none
 * Limits:  none
 * Spec:    none
 */
#ifndef TELLTALE_UNIT_CASES_H
#define TELLTALE_UNIT_CASES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Fails with the line of the row as well as its own. */
#define HOLDS(line, condition)                                             \
	do {                                                               \
		if (!(condition)) {                                        \
			fail_msg("case of line %d: %s", line, #condition); \
		}                                                          \
	} while (0)

#endif
