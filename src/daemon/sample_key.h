/*
 * sample_key - a random key pair for whoever started the sample instance in a terminal.
 *
 * Layer:   daemon
 * Threads: main thread; immutable once made
 * Memory:  sample_key_make/done
 * Secrets: struct secret
 * Limits:  none
 * Spec:    none; of the form that AWS gives its keys
 */
#ifndef TELLTALE_DAEMON_SAMPLE_KEY_H
#define TELLTALE_DAEMON_SAMPLE_KEY_H

#include "config/credential.h"

/* It may use every action. Returns 0, -ENOMEM or E_CRYPTO. */
MUST_CHECK int sample_key_make(struct credential *ret_key);
void sample_key_done(struct credential *key);

#endif
