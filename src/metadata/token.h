/*
 * token - mint and verify session tokens.
 *
 * Layer:   metadata (pure: no fds, no clock, no log)
 * Threads: a struct token_keys belongs to one worker (its HMAC contexts and cache are not shared)
 * Memory:  inputs are borrowed for the call; nothing is retained
 * Secrets: token_keys holds keyed contexts; token_keys_done() wipes them
 * Limits:  TOKEN_CHARS, TOKEN_TTL_MAX_S
 * Spec:    docs/protocol.md#session-tokens
 *
 *	0        4          8          16                        40 bytes
 *	| prefix | expiry_s | nonce    | HMAC-SHA256, first 24   |
 *
 * The MAC covers the first 16 bytes, the instance id and the instance's token epoch. The text is
 * base64url with padding: 56 characters, of which only the canonical form is a token.
 */
#ifndef TELLTALE_METADATA_TOKEN_H
#define TELLTALE_METADATA_TOKEN_H

#include "base/crypto.h"

#define TOKEN_CHARS     56
#define TOKEN_BYTES     40
#define TOKEN_TTL_MIN_S 1
#define TOKEN_TTL_MAX_S 21600
#define TOKEN_KEY_BYTES 32

/* How many secrets verify at once: the one that makes tokens first, then others. */
#define TOKEN_KEYS_MAX 4

/* metadata/token_cache.h */
struct token_cache {
	struct secret slots_;
};

struct token_keys {
	struct crypto_hmac *hmac_[TOKEN_KEYS_MAX];
	size_t n_;
	struct token_cache cache_;
};

/* Who a token belongs to. */
struct token_owner {
	struct str instance_id;
	uint32_t epoch;
};

/* secrets  the one that makes tokens first; 1 to TOKEN_KEYS_MAX. Returns 0, E_RANGE or -ENOMEM. */
MUST_CHECK int token_keys_init(struct token_keys *keys, const struct secret *secrets, size_t n);
void token_keys_done(struct token_keys *keys);

/*
 * Mint a token that lasts at least ttl_s and less than ttl_s + 1 seconds.
 *
 * now_ns  wall clock, nanoseconds since the epoch.
 * Returns 0, E_RANGE for a TTL outside its bounds, or E_CRYPTO.
 */
MUST_CHECK int token_mint(struct token_keys *keys, const struct token_owner *owner,
	struct crypto_rng *rng, int64_t now_ns, uint32_t ttl_s, char ret_text[TOKEN_CHARS]);

/*
 * Verify the text form of a token for one instance.
 *
 * ret_left_s  remaining whole seconds; untouched on failure.
 *
 * Returns 0, or
 *   E_SYNTAX  not a token (wrong length, alphabet, padding or prefix)
 *   E_AUTH    wrong key or instance, or expired; callers cannot tell which
 * Takes time independent of where the MAC differs.
 */
MUST_CHECK int token_verify(struct token_keys *keys, const struct token_owner *owner,
	struct str text, int64_t now_ns, uint32_t *ret_left_s);

#endif
