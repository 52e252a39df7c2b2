/*
 * daemon - composition: from settings to a running service, and back down.
 *
 * Layer:   daemon
 * Threads: daemon_run() is for the main thread; it starts all others
 * Memory:  all that a run needs, freed at its end
 * Secrets: reads or makes the token secret and the signing key
 * Limits:  none of its own
 * Spec:    docs/architecture.md#start-and-stop
 */
#ifndef TELLTALE_DAEMON_DAEMON_H
#define TELLTALE_DAEMON_DAEMON_H

#include "config/config.h"

/*
 * Serve until SIGTERM or SIGINT. Start order: store, control, metadata listeners last, so that a
 * metadata port that answers means that everything does. SIGHUP reads the configuration again.
 * Prints one clear line on stderr when it can't start. Returns the exit code, 0 or 1.
 */
int daemon_run(const struct config_flags *flags);

#endif
