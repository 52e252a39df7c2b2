/*
 * sandbox - a thread that answers strangers may do what that takes, and nothing else.
 *
 * Layer:   platform
 * Threads: sandbox_enter() is for the thread that is to be confined; others are as before
 * Memory:  none; the kernel has a copy of the filter
 * Secrets: none
 * Limits:  no way back
 * Spec:    seccomp(2), seccomp_filter.rst; docs/adr/0006-a-filter-for-workers.md
 *
 * What a confined thread may not do: open files, make or start programs and threads, make sockets other
 * than netlink's, map memory that can be run, send signals to other processes. What it may is a table in
 * sandbox.c. Opening a file fails, as libraries try that; anything else ends the process.
 */
#ifndef TELLTALE_PLATFORM_SANDBOX_H
#define TELLTALE_PLATFORM_SANDBOX_H

#include "base/result.h"

/* The exit code after a call that is not allowed, which is in the log by its number. */
#define SANDBOX_EXIT 159

/*
 * Confine the calling thread. It needs PR_SET_NO_NEW_PRIVS (platform/privileges.h).
 * Returns 0, or -ENOSYS, -EINVAL or another -errno where the kernel has no such filters or there is none
 * for this processor: the thread is as it was.
 */
MUST_CHECK int sandbox_enter(void);

#endif
