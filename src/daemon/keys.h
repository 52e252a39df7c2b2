/*
 * keys - the secrets that the store keeps: made at first start, read ever after.
 *
 * Layer:   daemon
 * Threads: the thread that owns it
 * Memory:  the caller's structs
 * Secrets: token secret and signing key
 * Limits:  none
 * Spec:    docs/protocol.md#session-tokens and #identity-documents
 */
#ifndef TELLTALE_DAEMON_KEYS_H
#define TELLTALE_DAEMON_KEYS_H

#include "control/token_secrets.h"
#include "store/store.h"

struct keys {
	struct token_secrets tokens;
	unsigned generation; /* raised when they are others */
	struct crypto_signer *signer;
	struct secret certificate; /* PEM; not secret, but kept beside the key */
};

/* Returns 0, or the store's or crypto's error with diag. */
MUST_CHECK int keys_load(struct keys *keys, struct store *store, int64_t now_s, struct diag *diag);
void keys_done(struct keys *keys);

/* The token secrets again, which may have been changed. On failure they are as before. */
MUST_CHECK int keys_reload(struct keys *keys, struct store *store, struct diag *diag);

/* Those that are in use: the one that tokens are made by first. Borrowed until they are reloaded. */
struct keys_use {
	struct secret secrets[TOKEN_KEYS_MAX];
	size_t n;
	size_t current_;
	unsigned generation_;
};

void keys_in_use(const struct keys *keys, int64_t now_s, struct keys_use *ret_use);

static inline bool keys_use_same(const struct keys_use *a, const struct keys_use *b)
{
	return a->n == b->n && a->current_ == b->current_ && a->generation_ == b->generation_;
}

#endif
