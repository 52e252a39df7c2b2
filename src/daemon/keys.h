/*
 * keys - the secrets that the store keeps: made at first start, read ever after.
 *
 * Layer:   daemon
 * Threads: before others are started
 * Memory:  the caller's structs
 * Secrets: token secret and signing key
 * Limits:  none
 * Spec:    docs/protocol.md#session-tokens and #identity-documents
 */
#ifndef TELLTALE_DAEMON_KEYS_H
#define TELLTALE_DAEMON_KEYS_H

#include "base/crypto.h"
#include "store/store.h"

struct keys {
	struct secret token_secret;
	struct crypto_signer *signer;
	struct secret certificate; /* PEM; not secret, but kept beside the key */
};

/* Returns 0, or the store's or crypto's error with diag. */
MUST_CHECK int keys_load(struct keys *keys, struct store *store, int64_t now_s, struct diag *diag);
void keys_done(struct keys *keys);

#endif
