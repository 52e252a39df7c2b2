/*
 * token_secrets - by which secrets tokens are made and verified, as the store keeps them.
 *
 * Layer:   control (pure: time is an argument)
 * Threads: no state
 * Memory:  token_secrets_done()
 * Secrets: all of it
 * Limits:  TOKEN_KEYS_MAX of them at once
 * Spec:    docs/fleet.md#the-token-secret
 *
 * The store's value is one secret of TOKEN_KEY_BYTES, as it was first made, or a list, the oldest first:
 * for each when tokens begin to be made by it (8 bytes, seconds since the epoch, the highest byte first)
 * and the secret. All of them verify; so a new one is known everywhere before the first token is made by
 * it. An old one goes when the last token that was made by it has expired.
 */
#ifndef TELLTALE_CONTROL_TOKEN_SECRETS_H
#define TELLTALE_CONTROL_TOKEN_SECRETS_H

#include "metadata/token.h"

/* A new secret makes tokens only after this, so that every worker, or every host, has it by then. */
#define TOKEN_SECRETS_ALONE_S 3
#define TOKEN_SECRETS_FLEET_S 90

struct token_secrets {
	struct secret v[TOKEN_KEYS_MAX]; /* the oldest first */
	int64_t from_s[TOKEN_KEYS_MAX];
	size_t n; /* 1 and more */
};

void token_secrets_done(struct token_secrets *secrets);

/* From the store's value. Returns 0, E_DAMAGED or -ENOMEM. */
MUST_CHECK int token_secrets_read(struct token_secrets *ret_secrets, const struct secret *value);

bool token_secrets_same(const struct token_secrets *a, const struct token_secrets *b);

/* The store's value, to be wiped. Returns 0 or -ENOMEM. */
MUST_CHECK int token_secrets_write(const struct token_secrets *secrets, struct secret *ret_value);

/*
 * Add a new one, which makes tokens after so many seconds, and drop those that verify none any more.
 * E_EXISTS when the last new one makes none yet; E_LIMIT when there are too many that still verify;
 * -ENOMEM, or no randomness.
 */
MUST_CHECK int token_secrets_rotate(
	struct token_secrets *secrets, int64_t now_s, unsigned after_s, struct diag *diag);

/* Which of them tokens are made by now. */
size_t token_secrets_current(const struct token_secrets *secrets, int64_t now_s);

/* Whether tokens may still be there that were made by one of them. */
bool token_secrets_verifies(const struct token_secrets *secrets, size_t i, int64_t now_s);

#endif
