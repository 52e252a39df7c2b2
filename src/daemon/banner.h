/*
 * banner - what to paste, for whoever started the sample instance in a terminal.
 *
 * Layer:   daemon
 * Threads: main thread
 * Memory:  none
 * Secrets: prints the sample's key, which opens nothing else
 * Limits:  none
 * Spec:    none
 */
#ifndef TELLTALE_DAEMON_BANNER_H
#define TELLTALE_DAEMON_BANNER_H

#include "config/config.h"

/* What is left of the sample: the store remembers what was changed in an earlier run. */
enum banner_sample { BANNER_OPTIONAL, BANNER_REQUIRED, BANNER_GONE };

/* Lines on stdout when the sample instance is served; nothing otherwise. */
void banner_print(
	const struct config *config, const struct credential *key, enum banner_sample sample);

#endif
