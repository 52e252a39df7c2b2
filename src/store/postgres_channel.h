/*
 * postgres_channel - the names by which daemons tell each other, through PostgreSQL, that something changed.
 *
 * Layer:   store (pure)
 * Threads: no state
 * Memory:  the caller's
 * Secrets: none
 * Limits:  none
 * Spec:    PostgreSQL's manual, NOTIFY
 */
#ifndef TELLTALE_STORE_POSTGRES_CHANNEL_H
#define TELLTALE_STORE_POSTGRES_CHANNEL_H

#include "base/str.h"

#define POSTGRES_CHANNEL_BYTES 42 /* with the NUL; an identifier has 63 at most */

/*
 * telltale_HEX: the host's channel, which may be part of a statement; that of host "" is told of secrets.
 * Returns 0 or E_CRYPTO.
 */
MUST_CHECK int postgres_channel(struct str host, char ret_channel[POSTGRES_CHANNEL_BYTES]);

#endif
