/*
 * token_cache - tokens that were minted or found genuine lately: their next check costs no HMAC.
 *
 * Layer:   metadata (pure: no fds, no clock, no log)
 * Threads: one worker's
 * Memory:  token_cache_init/done
 * Secrets: tokens lie in a struct secret: not in core dumps, wiped at the end
 * Limits:  TOKEN_CACHE_SLOTS; a token takes the place of another that would lie in the same slot
 * Spec:    docs/protocol.md#session-tokens
 *
 * Clients use one token for hours, so nearly every check is one that was made before. What is cached
 * is only that the MAC was right: expiry and epoch are looked at each time. Texts are compared in a
 * time that does not depend on where they differ, and only with those of the same instance.
 */
#ifndef TELLTALE_METADATA_TOKEN_CACHE_H
#define TELLTALE_METADATA_TOKEN_CACHE_H

#include "metadata/token.h"

#define TOKEN_CACHE_SLOTS 512 /* a power of two */

/* Returns 0 or -ENOMEM. */
MUST_CHECK int token_cache_init(struct token_cache *cache);
void token_cache_done(struct token_cache *cache);

/* Whether this text was remembered as the owner's, and until when it lasts. */
bool token_cache_find(const struct token_cache *cache, const struct token_owner *owner,
	struct str text, uint32_t *ret_expiry_s);

/* Remember a text of TOKEN_CHARS whose MAC is right. */
void token_cache_keep(struct token_cache *cache, const struct token_owner *owner, struct str text,
	uint32_t expiry_s);

#endif
