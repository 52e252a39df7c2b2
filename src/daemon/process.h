/*
 * process - what the process is allowed and able to do, settled before any thread starts.
 *
 * Layer:   daemon
 * Threads: main thread, before others
 * Memory:  none
 * Secrets: none
 * Limits:  raises RLIMIT_NOFILE to its hard limit
 * Spec:    capabilities(7); docs/operator.md#privileges
 */
#ifndef TELLTALE_DAEMON_PROCESS_H
#define TELLTALE_DAEMON_PROCESS_H

#include "config/config.h"

/*
 * Make the folders of store and socket for whoever the process will be, raise the limit of open
 * files and make their table, become `user` when root, and keep only the capabilities that are still needed.
 * ret_files  how many descriptors there can be.
 * Returns 0, or an error with diag.
 */
MUST_CHECK int process_prepare(const struct config *config, size_t *ret_files, struct diag *diag);

/*
 * Give up what only the threads of other namespaces and interfaces needed, which have it by now; the
 * calling thread and those that it starts. Returns 0, or an error with diag.
 */
MUST_CHECK int process_settle(struct diag *diag);

#endif
