/*
 * child - parts of a test that need a process of their own: namespaces, limits, lost privileges.
 *
 * Layer:   tests
 * Threads: none
 * Memory:  none
 * Secrets: none
 * Limits:  CHILD_MOST_S seconds, then the child ends itself
 * Spec:    none
 */
#ifndef TELLTALE_UNIT_CHILD_H
#define TELLTALE_UNIT_CHILD_H

#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#define CHILD_MOST_S  60
#define CHILD_SKIPPED 77

/* cmocka's assertions would jump back into the parent's test. */
#define CHECK(condition)                                                                      \
	do {                                                                                  \
		if (!(condition)) {                                                           \
			(void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			_exit(1);                                                             \
		}                                                                             \
	} while (0)

/* body's exit code, 0 when it returns, 128 and the signal's number when one has ended it. */
int child_run(void (*body)(void *ctx), void *ctx);

/* Fails the test unless that is 0; skips it, and says why, when it is CHILD_SKIPPED. */
void child_run_or_skip(void (*body)(void *ctx), void *ctx, const char *why);

/*
 * In a child: new namespaces (CLONE_NEWNS, CLONE_NEWNET …), as root or in a user namespace as its
 * root. False where that is not allowed.
 */
bool child_unshare(int flags);
#define CHILD_NO_NAMESPACES "no user namespaces here, and not root"

#endif
