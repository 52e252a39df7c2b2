/*
 * privileges - keep only what is still needed.
 *
 * Layer:   platform
 * Threads: before any other thread is started, but for privileges_narrow()
 * Memory:  none
 * Secrets: none
 * Limits:  none
 * Spec:    capabilities(7), prctl(2), credentials(7)
 */
#ifndef TELLTALE_PLATFORM_PRIVILEGES_H
#define TELLTALE_PLATFORM_PRIVILEGES_H

#include <linux/capability.h>
#include <sys/types.h>

#include "base/str.h"

/* The bit of a CAP_… number. */
#define PRIVILEGES_CAPABILITY(number) (UINT64_C(1) << (number))

struct privileges_wish {
	const char *user;      /* who to become when root; NULL or empty: stay */
	uint64_t capabilities; /* bits 1 << CAP_…; what the process holds of them it keeps */
	bool dumpable;         /* allow core dumps and ptrace by the same user */
};

/*
 * Raise RLIMIT_NOFILE to its hard limit. Returns how many descriptors there can be, which may be a
 * thousand million: nothing to make a table by.
 */
uint64_t privileges_raise_files(void);

/* Who a user is. Returns 0, or E_NOTFOUND, -ENOMEM or -errno with diag. */
MUST_CHECK int privileges_find_user(
	const char *user, uid_t *ret_uid, gid_t *ret_gid, struct diag *diag);

/*
 * Raise the limit of descriptors, become the user with its groups, and keep the wished capabilities
 * alone: permitted and effective, nothing inheritable or ambient, and no others in the bounding set
 * where that may be changed. Executing a program gains none (PR_SET_NO_NEW_PRIVS). Checked by
 * reading it back.
 * Returns 0, or -errno, E_NOTFOUND (no such user), E_DENIED (it did not take) with diag. The process
 * must end then: some of it may be done.
 */
MUST_CHECK int privileges_drop(const struct privileges_wish *wish, struct diag *diag);

/*
 * Have the calling thread keep only these of the capabilities that it has: bits 1 << CAP_…. Threads that
 * it starts have no more. Checked by reading it back. Returns 0, -errno or E_DENIED.
 */
MUST_CHECK int privileges_narrow(uint64_t capabilities);

/* What the calling thread may do: bits 1 << CAP_…. */
uint64_t privileges_held(void);

#endif
